/// Appends little-endian integers and varints to an array.
struct ByteWriter {
  var bytes: [UInt8] = []

  mutating func put<T: FixedWidthInteger>(_ value: T) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
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

  mutating func put(_ slice: UnsafeRawBufferPointer) { bytes.append(contentsOf: slice) }
}

/// Bytes that are no encoded column, block or chunk.
enum CodingError: Error, Equatable {
  case truncated(atByte: Int)
  case badValue(field: String, atByte: Int)
  case trailingBytes(atByte: Int)
}

/// Reads what `ByteWriter` wrote, checking every bound; never reads outside its buffer.
@safe struct ByteReader {
  private let bytes: UnsafeRawBufferPointer
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  var remaining: Int { bytes.count - offset }

  @inline(__always) mutating func get<T: FixedWidthInteger>(_ type: T.Type) throws(CodingError) -> T {
    guard remaining >= MemoryLayout<T>.size else { throw .truncated(atByte: offset) }
    defer { offset += MemoryLayout<T>.size }
    return T(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  @inline(__always) mutating func getVarint() throws(CodingError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while true {
      guard offset < bytes.count else { throw .truncated(atByte: offset) }
      let byte = bytes[offset]
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
    return UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
  }

  func expectEnd() throws(CodingError) {
    if remaining != 0 { throw .trailingBytes(atByte: offset) }
  }
}
