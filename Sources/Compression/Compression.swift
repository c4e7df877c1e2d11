/// Why bytes could not be unpacked. Offsets count the compressed bytes from the start of the input.
public enum CompressionError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The input ends inside a stream.
  case truncated(atByte: Int)
  /// The input is no DEFLATE or gzip stream, or its checksum does not match.
  case corrupted(atByte: Int)
  /// More came out than the caller allows.
  case outputTooLarge(limitBytes: Int)
  /// Another number of bytes came out than was announced.
  case wrongLength(expectedBytes: Int, actualBytes: Int)

  public var description: String {
    switch self {
    case .truncated(let offset): "the compressed data ends too early, at byte \(offset)"
    case .corrupted(let offset): "the compressed data is damaged near byte \(offset)"
    case .outputTooLarge(let limit): "the data is larger than \(limit) bytes when unpacked"
    case .wrongLength(let expected, let actual): "\(expected) bytes were announced, \(actual) were unpacked"
    }
  }
}
