/// Why a block could not be decoded. Closed on purpose: readers decide by case.
public enum BlockError: Error, Equatable, Sendable, CustomStringConvertible {
  case truncated(needed: Int, available: Int)
  /// The row does not begin as a head or a data row does.
  case noBlock
  case unsupportedVersion(UInt8)
  case badHeader(field: String)
  case checksumMismatch(stored: UInt32, computed: UInt32)
  case notInflatable
  /// A value inside the payload that no encoder writes.
  case badPayload(reason: String)

  public var description: String {
    switch self {
    case .truncated(let needed, let available): "cut short: \(needed) bytes needed, \(available) there"
    case .noBlock: "no block starts here"
    case .unsupportedVersion(let version): "block version \(version) is newer than this program"
    case .badHeader(let field): "impossible \(field) in the block header"
    case .checksumMismatch(let stored, let computed): "checksum \(stored) expected, \(computed) found"
    case .notInflatable: "the compressed part is damaged"
    case .badPayload(let reason): reason
    }
  }
}
