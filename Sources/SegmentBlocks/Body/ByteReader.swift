/// Reads bytes in order and checks each step against their end.
///
/// `@unsafe`: valid as long as the bytes are.
@unsafe struct ByteReader: BitwiseCopyable {
  var position: BytePointer
  let end: BytePointer

  init(_ start: BytePointer, _ count: Int) {
    unsafe position = unsafe start
    unsafe end = unsafe start + count
  }

  @inline(__always) var remaining: Int { unsafe end - position }

  @inline(__always) mutating func byte() throws(BodyError) -> UInt8 {
    guard unsafe position < end else { throw .truncated }
    defer { unsafe position += 1 }
    return unsafe position[0]
  }

  @inline(__always) mutating func varint() throws(BodyError) -> UInt64 {
    guard unsafe position < end else { throw .truncated }
    let first = unsafe position[0]
    unsafe position += 1
    return unsafe first < 128 ? UInt64(first) : try longVarint(first)
  }

  @inline(never) private mutating func longVarint(_ first: UInt8) throws(BodyError) -> UInt64 {
    var value = UInt64(first & 127)
    var shift: UInt64 = 7
    while true {
      guard unsafe position < end else { throw .truncated }
      let byte = unsafe position[0]
      unsafe position += 1
      guard shift < 63 || byte <= 1 else { throw .invalid }
      value |= UInt64(byte & 127) << shift
      if byte < 128 { return value }
      shift += 7
      guard shift < 64 else { throw .invalid }
    }
  }

  /// Passes over so many numbers, which nobody wants to know.
  mutating func passVarints(_ count: Int) throws(BodyError) {
    var rest = count
    // Eight bytes at a time: each one below 128 ends a number. Only where all eight do so are there none left to pass.
    while rest >= 8, unsafe remaining >= 8 {
      rest -= unsafe (~load64(position) & 0x8080_8080_8080_8080).nonzeroBitCount
      unsafe position += 8
    }
    while rest > 0 {
      if unsafe try byte() < 128 { rest -= 1 }
    }
  }

  /// Passes over so many numbers. - Returns: their sum, at most `limit`.
  mutating func sum(_ count: Int, max limit: Int) throws(BodyError) -> Int {
    var sum = 0
    for _ in 0..<count { unsafe sum += try number(max: limit - sum) }
    return sum
  }

  @inline(__always) mutating func signed() throws(BodyError) -> Int64 { unsafe unzigzag(try varint()) }

  /// A count or an index: at most `limit`.
  @inline(__always) mutating func number(max limit: Int) throws(BodyError) -> Int {
    let value = unsafe try varint()
    guard value <= UInt64(limit) else { throw .invalid }
    return Int(truncatingIfNeeded: value)
  }

  @inline(__always) mutating func take(_ count: Int) throws(BodyError) -> BytePointer {
    guard unsafe count <= end - position else { throw .truncated }
    defer { unsafe position += count }
    return unsafe position
  }
}
