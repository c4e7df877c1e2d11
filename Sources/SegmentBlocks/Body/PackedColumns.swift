public import Compression

/// The columns of a block as DEFLATE streams. Kinds, numbers and texts have little in common, so that streams of their
/// own are smaller (three of them by 1 byte in 96 for each event of the standard workload), but each has tables that a
/// reader has to build: one is written (ADR-007), up to eight are read.
///
/// Format: the number of parts (u8, at most 8); for each the length before and after compression (varint); then the
/// streams. A part whose two lengths are equal is stored as it is.
public enum PackedColumns {
  static let partsMax = 8

  /// - Parameter ends: where each part ends, ascending; the last one is the end of the columns.
  public static func pack(_ columns: UnsafeRawBufferPointer, ends: [Int], _ compressor: DeflateCompressor) -> [UInt8] {
    var head = ByteSink(capacity: 64)
    var streams = ByteSink(capacity: columns.count / 2 + 1024)
    head.append(UInt8(ends.count))
    var start = 0
    for end in ends {
      let part = unsafe UnsafeRawBufferPointer(rebasing: columns[start..<end])
      let packed = unsafe compressor.compress(part)
      let isSmaller = packed.count < part.count
      head.append(varint: UInt64(part.count))
      head.append(varint: UInt64(isSmaller ? packed.count : part.count))
      if isSmaller { unsafe packed.withUnsafeBytes { unsafe streams.append($0) } } else { unsafe streams.append(part) }
      start = end
    }
    return unsafe Array(head.bytes) + Array(streams.bytes)
  }

  /// Unpacks what fills `room` exactly; anything else throws.
  public static func unpack(
    _ packed: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer, _ decompressor: DeflateDecompressor
  ) throws(BodyError) {
    guard let base = packed.baseAddress else { throw .truncated }
    var head = unsafe ByteReader(base.assumingMemoryBound(to: UInt8.self), packed.count)
    let count = unsafe Int(try head.byte())
    guard count <= partsMax else { throw .invalid }
    var streams = unsafe head
    for _ in 0..<(count * 2) { _ = unsafe try streams.varint() }
    var filled = 0
    for _ in 0..<count {
      let length = unsafe try head.number(max: room.count - filled)
      let stored = unsafe try head.number(max: streams.remaining)
      let stream = unsafe UnsafeRawBufferPointer(start: try streams.take(stored), count: stored)
      let part = unsafe UnsafeMutableRawBufferPointer(rebasing: room[filled..<(filled + length)])
      filled += length
      if stored == length {
        unsafe part.copyMemory(from: stream)
        continue
      }
      do throws(CompressionError) {
        unsafe try decompressor.decompress(stream, into: part)
      } catch {
        throw .invalid
      }
    }
    guard filled == room.count, unsafe streams.remaining == 0 else { throw .invalid }
  }
}
