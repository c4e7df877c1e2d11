/// Why bytes are no protobuf message, and where.
public struct ProtobufError: Error, Equatable, CustomStringConvertible {
  public enum Reason: String, Sendable {
    case endsEarly = "the message ends within a field"
    case varintTooLong = "a number has more than ten bytes"
    case badFieldNumber = "a field has the number 0, or one beyond 536,870,911"
    case badWireType = "a field has a wire type that does not exist"
    case unbalancedGroup = "a group ends that has not begun, or begins and does not end"
    case wrongType = "a field has another wire type than its schema says"
    case invalidText = "a text is not UTF-8"
  }

  public var reason: Reason
  /// Offset in the message that was given to the reader.
  public var offset: Int

  public init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  public var description: String { "\(reason.rawValue) (byte \(offset))" }
}

/// Walks over the fields of one protobuf message (proto3 wire format) without copying.
///
/// The bytes must outlive the reader and everything it gave. Unknown fields are skipped by the caller's `default:
/// try reader.skip()`; groups are skipped whole. Fields may come in any order and repeatedly: for a field that its
/// schema does not call repeated the last one counts, and messages are merged, which callers that know their peer may
/// leave out. Source: protobuf.dev, "Encoding". Cost: some nanoseconds a field.
@unsafe public struct ProtobufReader {
  public enum WireType: UInt8, Sendable {
    case varint = 0
    case fixed64 = 1
    case bytes = 2
    case groupStart = 3
    case groupEnd = 4
    case fixed32 = 5
  }

  @usableFromInline let bytes: UnsafeRawBufferPointer
  // Inlined into its callers, which read millions of messages: what is stored must be visible there.
  @usableFromInline var place = 0
  @usableFromInline var number = 0
  @usableFromInline var type = WireType.varint

  /// Where the next byte is read.
  @inlinable public var offset: Int { unsafe place }
  /// Of the field that `next` has found.
  @inlinable public var field: Int { unsafe number }
  @inlinable public var wireType: WireType { unsafe type }

  @inlinable public init(_ bytes: UnsafeRawBufferPointer) { unsafe self.bytes = bytes }

  /// Goes to the next field; its value must be read or skipped before the next call.
  ///
  /// - Returns: false at the end of the message.
  @inlinable @inline(__always) public mutating func next() throws(ProtobufError) -> Bool {
    if unsafe offset == bytes.count { return false }
    let start = unsafe offset
    let tag = unsafe try readVarint()
    guard tag >> 3 >= 1, tag >> 3 <= 536_870_911 else { throw ProtobufError(.badFieldNumber, at: start) }
    guard let type = WireType(rawValue: UInt8(tag & 7)) else { throw ProtobufError(.badWireType, at: start) }
    unsafe number = Int(tag >> 3)
    unsafe self.type = type
    return true
  }

  /// int32, int64, uint32, uint64, bool and enum: the 64 bits of the varint.
  @inlinable @inline(__always) public mutating func varint() throws(ProtobufError) -> UInt64 {
    guard unsafe wireType == .varint else { throw unsafe ProtobufError(.wrongType, at: offset) }
    return unsafe try readVarint()
  }

  /// int32 and int64: negative numbers come as ten bytes.
  @inlinable @inline(__always) public mutating func int() throws(ProtobufError) -> Int64 {
    unsafe Int64(bitPattern: try varint())
  }

  /// sint32 and sint64.
  public mutating func zigzag() throws(ProtobufError) -> Int64 {
    let value = unsafe try varint()
    return Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
  }

  public mutating func bool() throws(ProtobufError) -> Bool { unsafe try varint() != 0 }

  public mutating func float() throws(ProtobufError) -> Float {
    guard unsafe wireType == .fixed32 else { throw unsafe ProtobufError(.wrongType, at: offset) }
    return Float(bitPattern: unsafe UInt32(littleEndian: try take(4).loadUnaligned(as: UInt32.self)))
  }

  public mutating func double() throws(ProtobufError) -> Double {
    guard unsafe wireType == .fixed64 else { throw unsafe ProtobufError(.wrongType, at: offset) }
    return Double(bitPattern: unsafe UInt64(littleEndian: try take(8).loadUnaligned(as: UInt64.self)))
  }

  /// bytes, string (unchecked) and the bytes of a message.
  @inlinable @inline(__always) public mutating func slice() throws(ProtobufError) -> UnsafeRawBufferPointer {
    guard unsafe wireType == .bytes else { throw unsafe ProtobufError(.wrongType, at: offset) }
    let count = unsafe try readVarint()
    guard count <= UInt64(unsafe bytes.count - offset) else { throw unsafe ProtobufError(.endsEarly, at: offset) }
    return unsafe try take(Int(count))
  }

  /// A string, which must be valid UTF-8.
  public mutating func text() throws(ProtobufError) -> String {
    let start = unsafe offset
    let raw = unsafe try slice()
    guard let text = unsafe String(validating: raw, as: UTF8.self) else { throw ProtobufError(.invalidText, at: start) }
    return text
  }

  /// A message within this one.
  @inlinable @inline(__always) public mutating func message() throws(ProtobufError) -> ProtobufReader {
    unsafe ProtobufReader(try slice())
  }

  /// Passes over the value of the field, whatever its type.
  public mutating func skip() throws(ProtobufError) {
    switch unsafe wireType {
    case .varint: _ = unsafe try readVarint()
    case .fixed64: _ = unsafe try take(8)
    case .bytes: _ = unsafe try slice()
    case .fixed32: _ = unsafe try take(4)
    case .groupEnd: throw unsafe ProtobufError(.unbalancedGroup, at: offset)
    case .groupStart: unsafe try skipGroup()
    }
  }

  /// Groups nest without bound: a counter and the numbers of those that are open, no recursion.
  private mutating func skipGroup() throws(ProtobufError) {
    let start = unsafe offset
    var open = unsafe [field]
    while let innermost = open.last {
      guard unsafe try next() else { throw ProtobufError(.unbalancedGroup, at: start) }
      switch unsafe wireType {
      case .groupStart: unsafe open.append(field)
      case .groupEnd:
        guard unsafe field == innermost else { throw unsafe ProtobufError(.unbalancedGroup, at: offset) }
        open.removeLast()
      default: unsafe try skip()
      }
    }
  }

  @inlinable @inline(__always) mutating func take(_ count: Int) throws(ProtobufError) -> UnsafeRawBufferPointer {
    guard unsafe count <= bytes.count - offset else { throw unsafe ProtobufError(.endsEarly, at: offset) }
    let slice = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset..<(offset + count)])
    unsafe place += count
    return unsafe slice
  }

  @inlinable @inline(__always) mutating func readVarint() throws(ProtobufError) -> UInt64 {
    if unsafe offset < bytes.count, unsafe bytes[offset] < 0x80 {
      let value = unsafe UInt64(bytes[offset])
      unsafe place += 1
      return value
    }
    return unsafe try readLongVarint()
  }

  @usableFromInline mutating func readLongVarint() throws(ProtobufError) -> UInt64 {
    let start = unsafe offset
    var value: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard unsafe offset < bytes.count else { throw ProtobufError(.endsEarly, at: start) }
      let byte = unsafe bytes[offset]
      unsafe place += 1
      // Of the tenth byte one bit has room; what is beyond is dropped, as the reference implementations do.
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
    }
    throw ProtobufError(.varintTooLong, at: start)
  }
}
