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

/// A block of version 1 taken apart and checked: every frame is valid, every run is in the order of ordinals.
final class FrameBlock: Sendable {
  typealias Run = DecodedBlock.Run

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
      unsafe try FrameBlock.takeApart(all, eventCount: header.eventCount)
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
