import EventModel
import WireFormats

// Values of members: identifiers, names, times.
extension EventLineReader {
  /// The bytes of a text, for looking at; nothing may be unescaped meanwhile.
  @inline(__always) func withBytes<R>(
    _ text: Text, _ line: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) -> R
  ) -> R {
    if text.count == 0 { return unsafe body(UnsafeRawBufferPointer(start: nil, count: 0)) }
    let range = text.start..<(text.start + text.count)
    switch text.place {
    case .line: return unsafe body(UnsafeRawBufferPointer(rebasing: line[range]))
    case .scratch: return unsafe scratch.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    case .identifiers:
      return unsafe body(UnsafeRawBufferPointer(UnsafeMutableRawBufferPointer(rebasing: identifiers[range])))
    case .data: return unsafe dataBytes.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    case .metadata:
      return unsafe metadataBytes.withUnsafeBytes { unsafe body(UnsafeRawBufferPointer(rebasing: $0[range])) }
    }
  }

  /// A value as text: a string unescaped, a number or boolean as it is written; null, arrays and objects have none.
  @inline(__always) func text(
    _ value: JSONSlice, _ name: StaticString, _ place: Text.Place, _ line: UnsafeRawBufferPointer
  ) throws(Refused) -> Text {
    switch value.kind {
    case .null, .array, .object:
      return .absent
    case .number, .true, .false:
      return Text(place: place, start: value.start, count: value.end - value.start)
    case .string:
      let content = value.content
      if !value.isEscaped { return Text(place: place, start: content.lowerBound, count: content.count) }
      return unsafe try unescaped(content, name, place, line)
    }
  }

  private func unescaped(
    _ content: Range<Int>, _ name: StaticString, _ place: Text.Place, _ line: UnsafeRawBufferPointer
  ) throws(Refused) -> Text {
    let start = unsafe scratch.count
    let whole: Bool
    if place == .metadata {
      whole = unsafe metadataBytes.withUnsafeBytes { bytes in
        unsafe JSONText.unescape(UnsafeRawBufferPointer(rebasing: bytes[content]), into: &scratch)
      }
    } else {
      whole = unsafe JSONText.unescape(UnsafeRawBufferPointer(rebasing: line[content]), into: &scratch)
    }
    guard whole else { throw Refused("\(name) has half a surrogate pair, which is no Unicode") }
    return unsafe Text(place: .scratch, start: start, count: scratch.count - start)
  }

  /// A name: any text up to the limit; white space is a value, empty means absent.
  @inline(__always) func name(
    _ value: JSONSlice, _ name: StaticString, _ place: Text.Place, _ line: UnsafeRawBufferPointer
  ) throws(Refused) -> Text {
    let found = unsafe try text(value, name, place, line)
    if found.count > EventFrame.nameBytesMax {
      throw Refused("\(name) has \(found.count) bytes, the limit is \(EventFrame.nameBytesMax)")
    }
    return found
  }

  /// An identifier as it is stored; absent for null, blank and the nil UUID.
  ///
  /// - Parameter slot: 0 to 2, where the bytes of a UUID go.
  @inline(__always) func identifier(
    _ value: JSONSlice?, _ name: StaticString, slot: Int, _ place: Text.Place, _ line: UnsafeRawBufferPointer,
    _ flags: inout EventFrame.Flags, _ uuidFlag: EventFrame.Flags
  ) throws(Refused) -> Text {
    guard let value else { return .absent }
    let found = unsafe try text(value, name, place, line)
    switch unsafe withBytes(found, line, { unsafe Identifier.scan($0) }) {
    case .absent: return .absent
    case .uuid(let key):
      flags.insert(uuidFlag)
      return store(key, slot: slot)
    case .text(let range):
      return Text(place: found.place, start: found.start + range.lowerBound, count: range.count)
    case .tooLong:
      throw Refused("\(name) is longer than \(Identifier.textBytesMax) bytes")
    }
  }

  @inline(__always) func store(_ key: IdentifierKey, slot: Int) -> Text {
    unsafe identifiers.storeBytes(of: key.high.bigEndian, toByteOffset: slot * 16, as: UInt64.self)
    unsafe identifiers.storeBytes(of: key.low.bigEndian, toByteOffset: slot * 16 + 8, as: UInt64.self)
    return Text(place: .identifiers, start: slot * 16, count: 16)
  }

  func time(_ value: JSONSlice, _ name: StaticString, _ line: UnsafeRawBufferPointer) throws(Refused) -> Timestamp {
    guard value.kind == .string else { throw Refused("\(name) is no text in the form of RFC 3339") }
    let found = unsafe try text(value, name, .line, line)
    switch unsafe withBytes(found, line, { unsafe RFC3339.read($0) }) {
    case .time(let nanoseconds): return Timestamp(nanoseconds: nanoseconds)
    case .outOfRange: throw Refused("\(name) is outside the years 1677 to 2262")
    case .malformed: throw Refused("\(name) is no time with offset in the form of RFC 3339")
    }
  }

  func revision(_ line: UnsafeRawBufferPointer) throws(Refused) -> Int64? {
    guard let value = field(.revision), value.kind != .null else { return nil }
    let found = unsafe try text(value, "revision", .line, line)
    let number = unsafe withBytes(found, line) { digits -> Int64? in
      if unsafe digits.isEmpty || digits.count > 19 { return nil }
      var sum: UInt64 = 0
      for index in 0..<digits.count {
        guard unsafe digits[index] >= 0x30, unsafe digits[index] <= 0x39 else { return nil }
        sum = unsafe sum * 10 + UInt64(digits[index] - 0x30)
      }
      return Int64(exactly: sum)
    }
    guard let number else { throw Refused("revision is no whole number from 0 to \(Int64.max)") }
    return number
  }

  func decodeBase64(
    _ value: JSONSlice, _ name: String, _ line: UnsafeRawBufferPointer, into bytes: inout [UInt8]
  ) throws(Refused) {
    guard value.kind == .string else { throw Refused("\(name) is no text") }
    bytes.removeAll(keepingCapacity: true)
    let found = unsafe try text(value, "base64", .line, line)
    var decoded = bytes
    bytes = []
    let whole = unsafe withBytes(found, line) { unsafe Base64.decode($0, into: &decoded) }
    guard whole else { throw Refused("\(name) is no padded base64") }
    bytes = decoded
  }
}
