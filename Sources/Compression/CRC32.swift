import CDeflate

/// The checksum of gzip, PNG and zlib: polynomial 0xEDB88320 reflected, as zlib's `crc32`.
public enum CRC32 {
  /// The checksum of `seed`'s bytes followed by `bytes`; 0 is the seed of nothing. Complexity: O(bytes).
  public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    // A null pointer asks for the initial value.
    guard let start = bytes.baseAddress, bytes.count > 0 else { return seed }
    return unsafe libdeflate_crc32(seed, start, bytes.count)
  }

  public static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe checksum($0, seed: seed) }
  }
}
