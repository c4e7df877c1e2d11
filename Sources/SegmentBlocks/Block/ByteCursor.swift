/// Reads integers and slices, checking every bound; never reads outside its buffer.
///
/// `@safe`: every access is checked against the end. What the type cannot check is that the buffer outlives it.
@safe struct ByteCursor {
  private let start: UnsafeRawPointer?
  private let end: Int
  private(set) var offset = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    unsafe start = bytes.baseAddress
    end = bytes.count
  }

  var remaining: Int { end - offset }

  @inline(__always) mutating func byte() throws(BlockError) -> UInt8 {
    guard offset < end, let start = unsafe start else { throw Self.short }
    defer { offset += 1 }
    return unsafe start.load(fromByteOffset: offset, as: UInt8.self)
  }

  @inline(__always) mutating func fixed<T: FixedWidthInteger>(_ type: T.Type) throws(BlockError) -> T {
    guard end - offset >= MemoryLayout<T>.size, let start = unsafe start else { throw Self.short }
    defer { offset += MemoryLayout<T>.size }
    return unsafe T(littleEndian: start.loadUnaligned(fromByteOffset: offset, as: T.self))
  }

  @inline(__always) mutating func varint() throws(BlockError) -> UInt64 {
    guard offset < end, let start = unsafe start else { throw Self.short }
    let first = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
    offset += 1
    if first < 0x80 { return UInt64(first) }
    var value = UInt64(first & 0x7f)
    var shift: UInt64 = 7
    while true {
      guard offset < end else { throw Self.short }
      let byte = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
      offset += 1
      // The tenth byte holds one bit.
      if shift == 63 && byte > 1 { throw Self.impossible }
      value |= UInt64(byte & 0x7f) &<< shift
      if byte < 0x80 { return value }
      shift += 7
    }
  }

  @inline(__always) mutating func signed() throws(BlockError) -> Int64 { unzigzag(try varint()) }

  /// A length or count that is at most `limit`.
  @inline(__always) mutating func count(max limit: Int) throws(BlockError) -> Int {
    let value = try varint()
    guard limit >= 0, value <= UInt64(limit) else { throw Self.impossible }
    return Int(value)
  }

  mutating func slice(_ count: Int) throws(BlockError) -> UnsafeRawBufferPointer {
    guard count >= 0, end - offset >= count else { throw Self.short }
    defer { offset += count }
    return unsafe UnsafeRawBufferPointer(start: start.map { unsafe $0 + offset }, count: count)
  }

  /// The next `count` bytes as a cursor of their own.
  mutating func part(_ count: Int) throws(BlockError) -> ByteCursor { unsafe ByteCursor(try slice(count)) }

  func expectEnd() throws(BlockError) { if offset != end { throw Self.impossible } }

  static var short: BlockError { .badPayload(reason: "a column ends too early") }
  static var impossible: BlockError { .badPayload(reason: "a value is impossible") }
}

extension UnsafeRawBufferPointer {
  /// - Precondition: 8 bytes are there.
  @inline(__always) func word(_ offset: Int) -> UInt64 { unsafe loadUnaligned(fromByteOffset: offset, as: UInt64.self) }
}
