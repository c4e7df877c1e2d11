import EventModel
import WireFormats

/// Values with units, as operators write them.
enum Units {
  private static let durationUnits: [(name: String, nanoseconds: Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("min", 60e9), ("h", 3600e9),
    ("d", 86400e9), ("w", 604800e9),
  ]
  private static let byteUnits: [(name: String, bytes: Double)] = [
    ("", 1), ("B", 1), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("KiB", 1024), ("MiB", 1_048_576),
    ("GiB", 1_073_741_824), ("TiB", 1_099_511_627_776),
  ]

  /// `250ms`, `1.5h`, `7d`, and sums of them (`1h30m`), in nanoseconds; nil for anything else. `0` needs no unit.
  static func duration(_ text: String) -> Int64? {
    if text == "0" { return 0 }
    var rest = Substring(text)
    var total = 0.0
    if rest.isEmpty { return nil }
    while !rest.isEmpty {
      guard let (number, after) = number(rest) else { return nil }
      let name = after.prefix { !$0.isASCII || $0.isLetter }
      guard let unit = durationUnits.first(where: { $0.name == name }) else { return nil }
      total += number * unit.nanoseconds
      rest = after.dropFirst(name.count)
    }
    // A hundred years bound what can be meant, and keep sums with dates from overflowing.
    return total <= 3.2e18 ? Int64(total.rounded()) : nil
  }

  /// A plain number, as seconds, in nanoseconds: bounds of histograms are often written so.
  static func seconds(_ text: String) -> Int64? {
    guard let (number, after) = number(Substring(text)), after.isEmpty, number < 3e9 else { return nil }
    return Int64((number * 1e9).rounded())
  }

  /// `10GiB`, `512 KB`, a plain number of bytes; nil for anything else.
  static func bytes(_ text: String) -> Int? {
    guard let (number, after) = number(Substring(text)) else { return nil }
    let name = after.drop { $0 == " " }
    guard let unit = byteUnits.first(where: { $0.name.lowercased() == name.lowercased() }) else { return nil }
    let total = number * unit.bytes
    return total <= 9e18 ? Int(total.rounded()) : nil
  }

  /// RFC 3339.
  static func time(_ text: String) -> Timestamp? {
    unsafe Array(text.utf8).withUnsafeBytes { unsafe RFC3339.parse($0) }.map { Timestamp(nanoseconds: $0) }
  }

  /// RFC 3339, or a duration, counted back from `now`.
  static func time(_ text: String, now: Timestamp) -> Timestamp? {
    if let back = duration(text) { return now.advanced(byNanoseconds: -back) }
    return time(text)
  }

  /// `host:port`, `[v6]:port`, `:port` (every address); the port is 0 to 65535.
  static func address(_ text: String) -> (host: String, port: Int)? {
    guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
      (0...65535).contains(port), text[text.index(after: colon)...].allSatisfy({ $0.isASCII && $0.isNumber })
    else { return nil }
    var host = String(text[..<colon])
    if host.hasPrefix("[") && host.hasSuffix("]") {
      host = String(host.dropFirst().dropLast())
      if !host.contains(":") { return nil }
    } else if host.contains(":") {
      return nil
    }
    if host.contains(where: { $0 == "/" || $0 == " " || $0 == "@" }) { return nil }
    return (host.isEmpty ? "0.0.0.0" : host, port)
  }

  /// `true`, `yes`, `on`, `1` and their opposites.
  static func boolean(_ text: String) -> Bool? {
    switch text.lowercased() {
    case "true", "yes", "on", "1": true
    case "false", "no", "off", "0": false
    default: nil
    }
  }

  /// Digits with at most one point; no sign, no exponent.
  private static func number(_ text: Substring) -> (Double, Substring)? {
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    guard digits.count <= 24, digits.first != ".", digits.last != ".", let number = Double(digits) else { return nil }
    return (number, text.dropFirst(digits.count))
  }
}
