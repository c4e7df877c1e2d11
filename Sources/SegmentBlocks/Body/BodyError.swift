/// Why the bytes of a block or of a segment's dictionary could not be decoded.
public enum BodyError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A column, or the raw part, ends too early.
  case truncated
  /// A value that no encoder writes: a number out of its range, a reference to nothing.
  case invalid
  /// A version or a kind of value that this program does not know.
  case unknown(UInt8)
  /// More came out than the caller allows.
  case tooLarge

  public var description: String {
    switch self {
    case .truncated: "a column of the block ends too early"
    case .invalid: "the block holds a value that cannot be"
    case .unknown(let value): "the block uses version or kind \(value), which this program does not know"
    case .tooLarge: "the block becomes larger than it says"
    }
  }
}
