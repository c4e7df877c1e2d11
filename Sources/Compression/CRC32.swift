import CZlib

/// The checksum of gzip, PNG and zlib: polynomial 0xEDB88320 reflected, as zlib's `crc32`.
public enum CRC32 {
  /// The checksum of `seed`'s bytes followed by `bytes`; 0 is the seed of nothing. Complexity: O(bytes).
  public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    // zlib takes a null pointer for the question after the initial value.
    guard let start = bytes.baseAddress, bytes.count > 0 else { return seed }
    return unsafe UInt32(
      truncatingIfNeeded: crc32_z(UInt(seed), start.assumingMemoryBound(to: UInt8.self), bytes.count))
  }

  public static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe checksum($0, seed: seed) }
  }
}
