import CZlib

/// Whole DEFLATE streams (RFC 1951, without zlib's or gzip's frame: `zlib.decompress(data, -15)` reads them).
///
/// Whole buffers go through libdeflate, what is unpacked piece by piece through zlib: the same streams. Who packs or
/// unpacks often keeps a `DeflateCompressor` or `DeflateDecompressor`. Of streams that no encoder writes, libdeflate takes
/// some that zlib refuses: it reads the two reserved codes of RFC 1951, section 3.2.6, as a length of 258. That writes
/// into nothing but the output, and whoever stores streams keeps a checksum beside them.
public enum Deflate {
  /// - Parameter level: 1 (fast) to 12 (small); 0 stores.
  public static func compress(_ bytes: UnsafeRawBufferPointer, level: Int = 6) -> [UInt8] {
    unsafe DeflateCompressor(level: level).compress(bytes)
  }

  public static func compress(_ bytes: [UInt8], level: Int = 6) -> [UInt8] {
    unsafe bytes.withUnsafeBytes { unsafe compress($0, level: level) }
  }

  /// Unpacks a stream whose unpacked length is known; anything else, and bytes behind the stream, throw.
  ///
  /// Never allocates more than `outputBytes` and the library's state.
  public static func decompress(
    _ bytes: UnsafeRawBufferPointer, outputBytes: Int
  ) throws(CompressionError) -> [UInt8] {
    unsafe try DeflateDecompressor().decompress(bytes, outputBytes: outputBytes)
  }

  public static func decompress(_ bytes: [UInt8], outputBytes: Int) throws(CompressionError) -> [UInt8] {
    unsafe try bytes.withUnsafeBufferPointer { (all) throws(CompressionError) in
      unsafe try decompress(UnsafeRawBufferPointer(all), outputBytes: outputBytes)
    }
  }

  /// By zlib, which says what is wrong and where.
  static func unpackExactly(_ bytes: UnsafeRawBufferPointer, outputBytes: Int) throws(CompressionError) -> [UInt8] {
    let output = unsafe try unpack(
      bytes, ZStream(.inflate(windowBits: -15)), bytesMax: outputBytes, reserve: outputBytes)
    guard output.count == outputBytes else {
      throw .wrongLength(expectedBytes: outputBytes, actualBytes: output.count)
    }
    return output
  }

  /// Unpacks a stream of at most `outputBytesMax`; more throws `.outputTooLarge`.
  public static func decompress(
    _ bytes: UnsafeRawBufferPointer, outputBytesMax: Int
  ) throws(CompressionError) -> [UInt8] {
    unsafe try unpack(bytes, ZStream(.inflate(windowBits: -15)), bytesMax: outputBytesMax, reserve: bytes.count * 4)
  }

  static func pack(_ bytes: UnsafeRawBufferPointer, _ stream: ZStream) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: stream.bound(bytes.count) + 64) { output, count in
      let room = UnsafeMutableRawBufferPointer(output)
      var taken = 0
      while true {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[taken...])
        let flush = rest.count <= ZStream.pieceBytesMax ? Z_FINISH : Z_NO_FLUSH
        let step = unsafe stream.run(rest, UnsafeMutableRawBufferPointer(rebasing: room[count...]), flush)
        taken += step.consumed
        count += step.produced
        if step.code == Z_STREAM_END { return }
        precondition(step.consumed + step.produced > 0, "zlib has the room it asked for")
      }
    }
  }

  /// One stream, and nothing behind it.
  static func unpack(
    _ bytes: UnsafeRawBufferPointer, _ stream: ZStream, bytesMax: Int, reserve: Int
  ) throws(CompressionError) -> [UInt8] {
    var failure: CompressionError?
    var output: [UInt8] = []
    // One byte more than allowed, so that a stream that is too long shows itself.
    var capacity = min(max(reserve, 4096), bytesMax) + 1
    var taken = 0
    var ended = false
    while !ended && failure == nil {
      let start = output.count
      let piece = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { room, count in
        let step = unsafe stream.run(
          UnsafeRawBufferPointer(rebasing: bytes[taken...]), UnsafeMutableRawBufferPointer(room), Z_NO_FLUSH)
        taken += step.consumed
        count = step.produced
        ended = step.code == Z_STREAM_END
        if ended { return }
        if step.code != Z_OK && step.code != Z_BUF_ERROR { failure = .corrupted(atByte: taken) }
        if failure == nil && step.produced < capacity && taken == bytes.count { failure = .truncated(atByte: taken) }
      }
      if output.isEmpty { output = piece } else { output += piece }
      if output.count > bytesMax { throw .outputTooLarge(limitBytes: bytesMax) }
      capacity = min(max(output.count, 4096), bytesMax - start) + 1
    }
    if let failure { throw failure }
    guard taken == bytes.count else { throw .corrupted(atByte: taken) }
    return output
  }
}
