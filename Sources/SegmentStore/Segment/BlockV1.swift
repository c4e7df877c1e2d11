import Compression
import EventModel

/// The payload of a block, version 1: a directory of runs, then the frames of all runs back to back.
///
/// A run is what one block holds of one trace, in the order of ordinals; events in no trace form runs without a trace.
enum BlockV1 {
  /// Bytes of a directory entry in front of the trace's identifier.
  static let runBytes = 8

  enum RunOffset {
    /// u32
    static let eventCount = 0
    /// u8: `TraceKind`.
    static let traceKind = 4
    /// u8: bit 0: the trace began in an earlier block; bit 1: it goes on in the next one.
    static let flags = 5
    /// u16: bytes of the identifier behind the entry.
    static let traceLength = 6
  }

  enum TraceKind: UInt8 {
    case none = 0
    /// 16 bytes.
    case uuid = 1
    case text = 2
  }

  static let continuesFlag: UInt8 = 1
  static let goesOnFlag: UInt8 = 2
}

/// Collects the frames of one block.
struct BlockBuilder {
  private var directory = ByteWriter()
  private var frames: [UInt8] = []
  private var runStart: Int?
  private var runEventCount = 0
  private(set) var runCount = 0
  private(set) var eventCount = 0

  init() { frames.reserveCapacity(SegmentLimits.blockRawBytesTarget + 64 * 1024) }

  var rawBytes: Int { frames.count }
  /// Upper bound of the payload before compression.
  var payloadBytes: Int { 4 + directory.bytes.count + frames.count }

  mutating func beginRun(trace: Identifier?, continues: Bool) {
    precondition(runStart == nil, "a run is open")
    runStart = directory.bytes.count
    runEventCount = 0
    directory.put(UInt32(0))
    let kind: BlockV1.TraceKind = trace == nil ? .none : trace?.isUUID == true ? .uuid : .text
    let stored = trace?.storedBytes ?? []
    directory.put(kind.rawValue)
    directory.put(continues ? BlockV1.continuesFlag : 0)
    directory.put(UInt16(stored.count))
    directory.bytes.append(contentsOf: stored)
  }

  @inline(__always) mutating func append(_ event: EventView) {
    unsafe frames.append(contentsOf: event.bytes)
    eventCount += 1
    runEventCount += 1
  }

  /// A run without events leaves no trace.
  mutating func endRun(goesOn: Bool) {
    guard let start = runStart else { preconditionFailure("no run is open") }
    runStart = nil
    if runEventCount == 0 {
      directory.bytes.removeSubrange(start...)
      return
    }
    runCount += 1
    let count = UInt32(runEventCount)
    unsafe directory.bytes.withUnsafeMutableBytes { all in
      unsafe all.storeBytes(of: count.littleEndian, toByteOffset: start + BlockV1.RunOffset.eventCount, as: UInt32.self)
      if goesOn { unsafe all[start + BlockV1.RunOffset.flags] |= BlockV1.goesOnFlag }
    }
  }

  /// The finished block, header included; the builder is empty afterwards.
  mutating func finish(number: Int, level: Int) -> [UInt8] {
    precondition(runStart == nil && eventCount > 0, "a block has ended runs")
    var raw = ByteWriter()
    raw.bytes.reserveCapacity(payloadBytes)
    raw.put(UInt32(runCount))
    raw.bytes.append(contentsOf: directory.bytes)
    raw.bytes.append(contentsOf: frames)
    let compressed = Deflate.compress(raw.bytes, level: level)
    let codec: BlockCodec = compressed.count < raw.bytes.count ? .deflate : .stored
    let stored = codec == .deflate ? compressed : raw.bytes
    var block = ByteWriter()
    block.bytes.reserveCapacity(BlockHeader.bytes + stored.count)
    block.put(BlockHeader.magic)
    block.put(BlockHeader.version)
    block.put(codec.rawValue)
    block.put(UInt16(0))
    block.put(UInt32(number))
    block.put(UInt32(eventCount))
    block.put(UInt32(raw.bytes.count))
    block.put(UInt32(stored.count))
    block.put(UInt32(0))
    block.bytes.append(contentsOf: stored)
    unsafe block.bytes.withUnsafeMutableBytes { all in
      let checksum = unsafe BlockHeaderFields.checksum(of: UnsafeRawBufferPointer(all))
      unsafe all.storeBytes(of: checksum.littleEndian, toByteOffset: BlockHeader.Offset.checksum, as: UInt32.self)
    }
    directory.bytes.removeAll(keepingCapacity: true)
    frames.removeAll(keepingCapacity: true)
    runCount = 0
    eventCount = 0
    return block.bytes
  }
}

/// A block taken apart and checked: every frame is valid, every run is in the order of ordinals.
final class DecodedBlock: Sendable {
  struct Run: Sendable {
    /// Nil: events in no trace.
    var trace: Identifier?
    var key: IdentifierKey
    var events: Range<Int>
    var continues: Bool
    var goesOn: Bool
  }

  let number: Int
  let runs: [Run]
  private let payload: [UInt8]
  private let frameStarts: [Int]

  var eventCount: Int { frameStarts.count }
  /// What the block occupies in a cache.
  var memoryBytes: Int { payload.count + frameStarts.count * 8 + runs.count * 96 + 128 }

  /// Bytes of all frames.
  let rawBytes: Int

  /// Checks and decodes exactly one block. Memory: the inflated length that the header says, which is bounded.
  init(decoding block: UnsafeRawBufferPointer) throws(BlockDecodeError) {
    let header = unsafe try BlockHeaderFields(checking: block)
    let stored = unsafe UnsafeRawBufferPointer(rebasing: block[BlockHeader.bytes...])
    switch header.codec {
    case .stored: payload = unsafe Array(stored)
    case .deflate:
      do {
        payload = unsafe try Deflate.decompress(stored, outputBytes: header.rawLength)
      } catch { throw .notInflatable }
    }
    number = header.number
    (runs, frameStarts, rawBytes) = unsafe try payload.withRawBytes { (all) throws(BlockDecodeError) in
      unsafe try DecodedBlock.takeApart(all, eventCount: header.eventCount)
    }
  }

  /// Calls `body` with one event; the view must not escape.
  @inline(__always) func withEvent<R, E: Error>(at index: Int, _ body: (EventView) throws(E) -> R) throws(E) -> R {
    let start = frameStarts[index]
    return unsafe try payload.withRawBytes { (all) throws(E) -> R in
      guard let view = unsafe try? EventView(validating: UnsafeRawBufferPointer(rebasing: all[start...])) else {
        preconditionFailure("every frame was checked when the block was decoded")
      }
      return try body(view)
    }
  }

  private static func takeApart(
    _ payload: UnsafeRawBufferPointer, eventCount: Int
  ) throws(BlockDecodeError) -> ([Run], [Int], Int) {
    var reader = unsafe ByteReader(payload)
    var runs: [Run] = []
    var total = 0
    do {
      let runCount = Int(try reader.get(UInt32.self))
      guard runCount <= reader.remaining / BlockV1.runBytes else {
        throw CodingError.badValue(field: "run count", atByte: 0)
      }
      runs.reserveCapacity(runCount)
      for _ in 0..<runCount {
        let run = try readRun(&reader, firstEvent: total)
        total = run.events.upperBound
        runs.append(run)
      }
      guard total == eventCount, eventCount <= reader.remaining / EventFrame.headerBytes else {
        throw CodingError.badValue(field: "event count", atByte: reader.offset)
      }
    } catch {
      throw .badPayload(reason: "the directory of runs is damaged (\(error))", atByte: reader.offset)
    }
    let firstFrame = reader.offset
    let starts = unsafe try frameStarts(payload, from: firstFrame, runs: runs, eventCount: total)
    return (runs, starts, payload.count - firstFrame)
  }

  private static func readRun(_ reader: inout ByteReader, firstEvent: Int) throws(CodingError) -> Run {
    let start = reader.offset
    let count = Int(try reader.get(UInt32.self))
    let kind = BlockV1.TraceKind(rawValue: try reader.get(UInt8.self))
    let flags = try reader.get(UInt8.self)
    let length = Int(try reader.get(UInt16.self))
    let bytes = unsafe try reader.getSlice(length)
    guard count > 0, flags <= BlockV1.continuesFlag | BlockV1.goesOnFlag else {
      throw .badValue(field: "run", atByte: start)
    }
    var trace: Identifier?
    switch kind {
    case .some(.none) where length == 0: trace = nil
    case .uuid where length == 16:
      trace = unsafe Identifier(
        uuid: IdentifierKey(
          high: bytes.loadUnaligned(as: UInt64.self).bigEndian,
          low: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian))
    case .text where length >= 1 && length <= Identifier.textBytesMax: trace = unsafe Identifier(text: Array(bytes))
    default: throw .badValue(field: "trace", atByte: start)
    }
    return Run(
      trace: trace, key: trace?.key ?? .zero, events: firstEvent..<(firstEvent + count),
      continues: flags & BlockV1.continuesFlag != 0, goesOn: flags & BlockV1.goesOnFlag != 0)
  }

  private static func frameStarts(
    _ payload: UnsafeRawBufferPointer, from: Int, runs: [Run], eventCount: Int
  ) throws(BlockDecodeError) -> [Int] {
    var starts: [Int] = []
    starts.reserveCapacity(eventCount)
    var offset = from
    for run in runs {
      var last = Int64.min
      for _ in run.events {
        let view: EventView
        do {
          view = unsafe try EventView(validating: UnsafeRawBufferPointer(rebasing: payload[offset...]))
        } catch {
          throw .badPayload(reason: "no event frame (\(error))", atByte: offset)
        }
        guard view.ordinal > last else { throw .badPayload(reason: "ordinals do not ascend", atByte: offset) }
        last = view.ordinal
        starts.append(offset)
        unsafe offset += view.bytes.count
      }
    }
    guard offset == payload.count else { throw .badPayload(reason: "bytes behind the last frame", atByte: offset) }
    return starts
  }
}
