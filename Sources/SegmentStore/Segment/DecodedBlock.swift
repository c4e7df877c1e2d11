import EventModel
import SegmentBlocks
import TraceStore

/// A block taken apart and checked, of either version. Frames of version 3 are made when they are asked for.
final class DecodedBlock: Sendable {
  struct Run: Sendable {
    /// Nil: events in no trace.
    var trace: Identifier?
    var key: IdentifierKey
    var events: Range<Int>
    var continues: Bool
    var goesOn: Bool
  }

  enum Content: Sendable {
    case frames(FrameBlock)
    case columns(BlockData)
  }

  let number: Int
  let runs: [Run]
  let content: Content

  init(_ block: FrameBlock) {
    number = block.number
    runs = block.runs
    content = .frames(block)
  }

  init(_ block: BlockData) {
    number = block.head.number
    content = .columns(block)
    runs = block.head.runs.enumerated().map { index, run in
      Run(
        trace: block.trace(ofRun: index), key: block.traceKey(ofRun: index), events: run.events,
        continues: run.continues, goesOn: run.goesOn)
    }
  }

  var eventCount: Int {
    switch content {
    case .frames(let block): block.eventCount
    case .columns(let block): block.head.eventCount
    }
  }

  /// Bytes of all frames, as the block says.
  var rawBytes: Int {
    switch content {
    case .frames(let block): block.rawBytes
    case .columns(let block): block.head.frameBytes
    }
  }

  /// What the block occupies in a cache.
  var memoryBytes: Int {
    switch content {
    case .frames(let block): block.memoryBytes
    case .columns(let block): block.memoryBytes + runs.count * 96 + 64
    }
  }

  /// The ordinal of the event that the edge of this one goes to, where both are in one run and the block knows edges.
  func causeOrdinal(of event: Int) -> Int64? {
    guard case .columns(let block) = content, block.head.edges[event] != 0 else { return nil }
    return block.head.ordinals[Int(block.head.parents[event])]
  }

  func created(_ event: Int) -> Timestamp {
    switch content {
    case .frames(let block): block.withEvent(at: event) { $0.created }
    case .columns(let block): Timestamp(nanoseconds: block.head.created[event])
    }
  }
}

/// What the blocks of one segment are decoded with.
struct BlockTools: Sendable {
  let kinds: SegmentKinds
  let dictionary: SegmentDictionary
}

/// Decoders and their memory: taken for one block or run, and given back.
final class BlockWorkbench {
  /// Larger ones are not kept.
  static let bytesMax = 4 << 20

  let heads = HeadDecoder()
  let data = DataDecoder()
  let frames = FrameMaker()
  /// A row, as it was read.
  var row: [UInt8] = []

  var memoryBytes: Int { row.capacity + frames.memoryBytes }
}
