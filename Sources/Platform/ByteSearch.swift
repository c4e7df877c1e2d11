import Glibc

/// Looking for one byte among many, at the speed of the C library.
public enum ByteSearch {
  /// The place of the first `byte` in `bytes`, or nil. Complexity: O(bytes).
  @inline(__always) public static func first(_ byte: UInt8, in bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress, let found = unsafe memchr(base, Int32(byte), bytes.count) else { return nil }
    return unsafe UnsafeRawPointer(found) - base
  }
}
