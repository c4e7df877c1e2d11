/// Why bytes are no JSON text (RFC 8259), and where.
public struct JSONError: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: UInt8, Sendable {
    case unexpectedEnd
    case unexpectedByte
    case invalidNumber
    case invalidLiteral
    case invalidEscape
    case controlCharacter
    case invalidUTF8
    case bytesBehindValue
    case tooDeep
  }

  public var reason: Reason
  /// Bytes from the start of the text.
  public var offset: Int

  public init(_ reason: Reason, at offset: Int) {
    self.reason = reason
    self.offset = offset
  }

  public var description: String {
    let what =
      switch reason {
      case .unexpectedEnd: "the text ends too early"
      case .unexpectedByte: "unexpected character"
      case .invalidNumber: "invalid number"
      case .invalidLiteral: "invalid literal"
      case .invalidEscape: "invalid escape in a string"
      case .controlCharacter: "control character in a string"
      case .invalidUTF8: "invalid UTF-8"
      case .bytesBehindValue: "something follows the value"
      case .tooDeep: "nested too deeply"
      }
    return "not valid JSON: \(what) at byte \(offset)"
  }
}

/// Where a value stands in its text, and what it is.
@frozen public struct JSONSlice: Equatable, Sendable {
  @frozen public enum Kind: UInt8, Sendable {
    case null, `false`, `true`, number, string, array, object
  }

  public var kind: Kind
  /// A string with a backslash in it.
  public var isEscaped: Bool
  /// First byte of the value (the opening quote of a string), and the first behind it.
  public var start: Int
  public var end: Int

  @inlinable public init(kind: Kind, isEscaped: Bool, start: Int, end: Int) {
    self.kind = kind
    self.isEscaped = isEscaped
    self.start = start
    self.end = end
  }

  @inlinable public var range: Range<Int> { start..<end }
  /// A string without its quotes; any other value whole.
  @inlinable public var content: Range<Int> { kind == .string ? (start + 1)..<(end - 1) : start..<end }
}
