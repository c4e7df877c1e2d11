import Compression
import EventModel

@testable import SegmentStore

/// Writes blocks of version 1, which the program only reads.
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
    let codec: PayloadCodec = compressed.count < raw.bytes.count ? .deflate : .stored
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
