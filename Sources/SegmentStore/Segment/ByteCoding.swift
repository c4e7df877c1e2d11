/// Appends little-endian integers and varints to an array.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func put<T: FixedWidthInteger>(_ value: T) {
    unsafe withUnsafeBytes(of: value.littleEndian) { unsafe bytes.append(contentsOf: $0) }
  }

  /// Seven bits a byte, least significant first; the high bit says that more follows.
  mutating func putVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Zigzag: small values of either sign are short.
  mutating func putSigned(_ value: Int64) { putVarint(UInt64(bitPattern: (value << 1) ^ (value >> 63))) }

  mutating func put(_ slice: UnsafeRawBufferPointer) { unsafe bytes.append(contentsOf: slice) }
}

/// Bytes that are no encoded column, block or chunk.
enum CodingError: Error, Equatable {
  case truncated(atByte: Int)
  case badValue(field: String, atByte: Int)
  case trailingBytes(atByte: Int)
}

/// Reads what `ByteWriter` wrote, checking every bound; never reads outside its buffer.
///
/// `@safe`: every access is checked against the buffer's length. What the type cannot check is the buffer's lifetime:
/// readers are made inside `withRawBytes` and the like, and do not leave it.
@safe struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = unsafe bytes }

  var remaining: Int { unsafe bytes.count - offset }

  @inline(__always) mutating func get<T: FixedWidthInteger>(_ type: T.Type) throws(CodingError) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw .truncated(atByte: offset) }
    defer { offset += MemoryLayout<T>.size }
    return unsafe T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  @inline(__always) mutating func getVarint() throws(CodingError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard unsafe offset < bytes.count else { throw .truncated(atByte: offset) }
      let byte = unsafe bytes[offset]
      offset += 1
      // The tenth byte holds one bit.
      if shift == 63 && byte > 1 { throw .badValue(field: "varint", atByte: offset - 1) }
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }

  @inline(__always) mutating func getSigned() throws(CodingError) -> Int64 {
    let value = try getVarint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  mutating func getSlice(_ count: Int) throws(CodingError) -> UnsafeRawBufferPointer {
    guard count >= 0, remaining >= count else { throw .truncated(atByte: offset) }
    defer { offset += count }
    return unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  func expectEnd() throws(CodingError) {
    if remaining != 0 { throw .trailingBytes(atByte: offset) }
  }
}

extension Array where Element == UInt8 {
  /// As `withUnsafeBytes`, with typed errors.
  @inline(__always) func withRawBytes<R, E: Error>(_ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    unsafe try withUnsafeBufferPointer { (typed) throws(E) -> R in unsafe try body(UnsafeRawBufferPointer(typed)) }
  }
}
