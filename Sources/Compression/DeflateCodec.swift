import CDeflate

/// Packs whole buffers into DEFLATE streams (RFC 1951) and keeps its tables (0.1 to 9 MB, by level) from one to the
/// next. One per thread of use: it is not `Sendable`.
///
/// `@safe`: the pointer is set once, in `init`, and freed in `deinit` only.
@safe public final class DeflateCompressor {
  public let level: Int
  private let pointer: OpaquePointer

  /// - Parameter level: 1 (fast) to 12 (small); 0 stores.
  /// - Precondition: the level is in its range, and there is memory for the tables.
  public init(level: Int) {
    precondition((0...12).contains(level), "libdeflate has levels 0 to 12")
    guard let made = unsafe libdeflate_alloc_compressor(Int32(level)) else {
      preconditionFailure("no memory for libdeflate")
    }
    self.level = level
    unsafe pointer = unsafe made
  }

  deinit { unsafe libdeflate_free_compressor(pointer) }

  /// The most bytes that so many can become.
  public func bound(_ inputBytes: Int) -> Int { unsafe libdeflate_deflate_compress_bound(pointer, inputBytes) }

  /// Appends the stream to `output`. Complexity: O(bytes).
  public func compress(_ bytes: UnsafeRawBufferPointer, appendingTo output: inout [UInt8]) {
    output.reserveCapacity(output.count + bound(bytes.count))
    unsafe output += compress(bytes)
  }

  public func compress(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: bound(bytes.count)) { room, count in
      count = unsafe compress(bytes, into: UnsafeMutableRawBufferPointer(room))
    }
  }

  /// - Returns: the length of the stream, or 0 if it does not fit.
  public func compress(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int {
    unsafe withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1) { nothing in
      unsafe libdeflate_deflate_compress(
        pointer, bytes.baseAddress ?? UnsafeRawPointer(nothing.baseAddress!), bytes.count, room.baseAddress, room.count)
    }
  }
}

/// Unpacks whole DEFLATE streams and keeps its tables (11 KB) from one to the next. One per thread of use.
///
/// `@safe`: the pointer is set once, in `init`, and freed in `deinit` only.
@safe public final class DeflateDecompressor {
  private let pointer: OpaquePointer

  /// - Precondition: there is memory for the tables.
  public init() {
    guard let made = unsafe libdeflate_alloc_decompressor() else { preconditionFailure("no memory for libdeflate") }
    unsafe pointer = unsafe made
  }

  deinit { unsafe libdeflate_free_decompressor(pointer) }

  /// Unpacks a stream that fills `output` exactly; anything else, and bytes behind the stream, throw.
  ///
  /// What went wrong is found out by zlib, in a second pass that only damaged input pays for.
  public func decompress(
    _ bytes: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) {
    if unsafe unpacks(bytes, output) { return }
    _ = unsafe try Deflate.unpackExactly(bytes, outputBytes: output.count).withUnsafeBytes {
      unsafe output.copyMemory(from: $0)
    }
  }

  public func decompress(_ bytes: UnsafeRawBufferPointer, outputBytes: Int) throws(CompressionError) -> [UInt8] {
    var whole = false
    // libdeflate wants an address, also for nothing.
    let output = unsafe [UInt8](unsafeUninitializedCapacity: max(outputBytes, 1)) { room, count in
      whole = unsafe unpacks(
        bytes, UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(room)[..<outputBytes]))
      count = whole ? outputBytes : 0
    }
    return unsafe whole ? output : try Deflate.unpackExactly(bytes, outputBytes: outputBytes)
  }

  private func unpacks(_ bytes: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer) -> Bool {
    guard let start = bytes.baseAddress, let room = output.baseAddress else { return false }
    var taken = 0
    let result = unsafe libdeflate_deflate_decompress_ex(pointer, start, bytes.count, room, output.count, &taken, nil)
    return result == LIBDEFLATE_SUCCESS && taken == bytes.count
  }
}
