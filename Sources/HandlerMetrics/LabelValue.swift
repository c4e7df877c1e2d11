import EventModel

/// Names as label values: white space around them removed, bounded, never empty.
enum LabelValue {
  static let bytesMax = 128
  static let overflow = Array("_overflow".utf8)
  /// Stands for an absent name: an empty label value means "no such label" to Prometheus.
  static let none = Array("_none".utf8)

  /// A longer name is cut at a character's start and gets `…` and 8 digits of its hash, so that two long names with
  /// one beginning stay apart. A NUL becomes U+FFFD: scrapers take it for the end of their input.
  static func of(_ name: String) -> [UInt8] {
    var bytes: [UInt8] = []
    for byte in name.utf8 {
      if byte == 0 { bytes += [0xef, 0xbf, 0xbd] } else { bytes.append(byte) }
    }
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }
    let start = bytes.prefix(while: isBlank).count
    if start == bytes.count { return none }
    let end = bytes.count - bytes.reversed().prefix(while: isBlank).count
    bytes = Array(bytes[start..<end])
    if bytes.count <= bytesMax { return bytes }
    var cut = bytesMax - 11
    while cut > 0 && bytes[cut] & 0xc0 == 0x80 { cut -= 1 }
    let hash = unsafe bytes.withUnsafeBytes { unsafe IdentifierKey.hashing($0).low }
    var shortened = Array(bytes[..<cut]) + [0xe2, 0x80, 0xa6]
    for digit in 0..<8 { shortened.append(hexDigit(UInt8(truncatingIfNeeded: hash >> UInt64(60 - 4 * digit)) & 15)) }
    return shortened
  }

  static func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}
