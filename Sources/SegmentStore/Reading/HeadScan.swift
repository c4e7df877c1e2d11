import BlockCodec
import EventModel
import TraceStore

/// What a search asks of the events of segments, and what it worked out of it for one of them.
struct HeadConditions {
  let filter: TracePrefilter
  let sourceName: (UInt32) -> [UInt8]
}

/// What a search knows of one run of a block without reading its payloads.
struct ScannedRun {
  /// Its place among the runs of the block.
  var number: Int
  /// The trace has events in the next block.
  var goesOn: Bool
  var eventCount: Int
  /// The conditions that its events meet, taken together.
  var met: UInt64
  var first: Int64
  var last: Int64
}

extension SegmentReader {
  /// Calls `body` with every run of a block with which a trace begins in this segment.
  ///
  /// - Returns: how many events the block has.
  func forEachStart(
    inBlock number: Int, _ conditions: HeadConditions,
    _ body: (ScannedRun, borrowing ScannedBlock) throws(StoreError) -> Void
  ) throws(StoreError) -> Int {
    let block = try self.block(number)
    for (place, run) in block.runs.enumerated() where !run.continues && run.trace != nil {
      let scanned = try scan(block, place, conditions)
      try body(scanned, ScannedBlock(block: block))
    }
    return block.eventCount
  }

  /// The conditions that the events of a trace meet in this segment; for what is not there, none.
  func met(by trace: Identifier, _ conditions: HeadConditions) throws(StoreError)
    -> UInt64
  {
    let key = trace.key
    var met: UInt64 = 0
    for number in try candidates(.correlation, key) {
      let block = try self.block(number)
      for (place, run) in block.runs.enumerated() where run.key == key && run.trace == trace {
        met |= try scan(block, place, conditions).met
      }
    }
    return met
  }

  private func scan(
    _ block: DecodedBlock, _ place: Int, _ conditions: HeadConditions
  ) throws(StoreError) -> ScannedRun {
    let run = block.runs[place]
    var scanned = ScannedRun(
      number: place, goesOn: run.goesOn, eventCount: run.events.count, met: 0, first: .max, last: .min)
    if case .columns(let data) = block.content {
      let kinds = try self.kinds().table
      for event in run.events {
        scanned.first = min(scanned.first, data.head.created[event])
        scanned.last = max(scanned.last, data.head.created[event])
        let kind = data.head.kind(event, kinds)
        scanned.met |= conditions.filter.met(
          source: conditions.sourceName(kind.sourceIndex), type: kind.type, service: kind.service,
          handler: kind.handler, isFailed: kind.failure != .none)
      }
      return scanned
    }
    guard case .frames(let frames) = block.content else { return scanned }
    for index in run.events {
      frames.withEvent(at: index) { event in
        let time = event.created.nanoseconds
        scanned.first = min(scanned.first, time)
        scanned.last = max(scanned.last, time)
        unsafe scanned.met |= conditions.filter.met(
          source: conditions.sourceName(event.sourceIndex), type: Array(event.type), service: Array(event.service),
          handler: Array(event.handler),
          isFailed: event.failure != .none)
      }
    }
    return scanned
  }
}

/// A block that is being scanned: tells the traces of those runs that are of interest.
struct ScannedBlock {
  let block: DecodedBlock

  func trace(ofRun run: Int) throws(StoreError) -> Identifier? { block.runs[run].trace }
}
