/// Which files beside a followed one are what it was before a rotation.
///
/// `PATH.N` (a number of at most 6 digits), and `PATH` with `-` or `.` and a date of at least 8 digits behind it, as
/// logrotate's `dateext` writes them: `-20261123`, `-20261123-1763892000`, `.2026-11-23T10:00:00Z`. Compressed ones
/// (`.gz` and the like), backups of editors (`PATH.bak`, `PATH~`) and neighbours that only begin alike (`PATH-errors`,
/// `PATH2`) are none.
enum RotatedName {
  static let numberDigitsMax = 6
  static let dateDigitsMin = 8

  /// Complexity: O(length).
  static func isRotated(_ candidate: String, of path: String) -> Bool {
    guard candidate.utf8.count > path.utf8.count + 1, candidate.utf8.starts(with: path.utf8) else { return false }
    let suffix = candidate.utf8.dropFirst(path.utf8.count)
    guard suffix.first == UInt8(ascii: ".") || suffix.first == UInt8(ascii: "-") else { return false }
    let stamp = suffix.dropFirst()
    let digits = stamp.count(where: isDigit)
    if suffix.first == UInt8(ascii: "."), digits == stamp.count, digits <= numberDigitsMax { return true }
    guard digits >= dateDigitsMin, stamp.first.map(isDigit) == true else { return false }
    return stamp.allSatisfy { isDigit($0) || Array("-.:_TZ".utf8).contains($0) }
  }

  private static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
}
