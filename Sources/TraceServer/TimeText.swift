import EventModel
import WireFormats

/// Times and durations as people and programs write them in parameters.
enum TimeText {
  /// An RFC 3339 time, `now`, or a duration that counts back from `now`: `15m`, `-1h`, `-1h30m`.
  ///
  /// - Returns: nil if it is none of these, or outside of what 64 bits of nanoseconds hold.
  static func time(_ text: String, now: Timestamp) -> Timestamp? {
    if text == "now" { return now }
    if let exact = rfc3339(text) { return exact }
    let back = text.hasPrefix("-") ? String(text.dropFirst()) : text
    guard let nanoseconds = duration(back) else { return nil }
    return now.advanced(byNanoseconds: -nanoseconds)
  }

  /// A `+` in a query arrives as a blank: the one before the offset is put back.
  private static func rfc3339(_ text: String) -> Timestamp? {
    var bytes = Array(text.utf8)
    if bytes.count > 20, bytes[bytes.count - 6] == 0x20, bytes[bytes.count - 3] == 0x3a {
      bytes[bytes.count - 6] = 0x2b
    }
    let nanoseconds = unsafe bytes.withUnsafeBytes { unsafe RFC3339.parse($0) }
    return nanoseconds.map { Timestamp(nanoseconds: $0) }
  }

  private static let units: [(name: String, nanoseconds: Int64)] = [
    ("ns", 1), ("us", 1_000), ("µs", 1_000), ("μs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ("m", 60_000_000_000), ("h", 3_600_000_000_000), ("d", 86_400_000_000_000), ("w", 604_800_000_000_000),
  ]

  /// A sum of numbers with units, in nanoseconds: `250ms`, `1.5s`, `2h`, `1h30m`; units are ns, us, ms, s, m, h, d, w.
  ///
  /// - Returns: nil for anything else: a number without a unit, a sign, more than 292 years.
  static func duration(_ text: String) -> Int64? {
    var rest = Substring(text)
    var total: Int64 = 0
    guard !rest.isEmpty, rest.utf8.count <= 64 else { return nil }
    while !rest.isEmpty {
      let digits = rest.prefix { ("0"..."9").contains($0) || $0 == "." }
      rest = rest.dropFirst(digits.count)
      let unit = rest.prefix { !("0"..."9").contains($0) && $0 != "." }
      rest = rest.dropFirst(unit.count)
      guard let scale = units.first(where: { $0.name == unit })?.nanoseconds else { return nil }
      guard let part = scaled(digits, by: scale) else { return nil }
      let (sum, overflow) = total.addingReportingOverflow(part)
      if overflow { return nil }
      total = sum
    }
    return total
  }

  /// `digits` is a decimal number with at most one point; what is below a nanosecond is cut.
  private static func scaled(_ digits: Substring, by scale: Int64) -> Int64? {
    let parts = digits.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard let first = parts.first, let whole = Int64(first.isEmpty ? "0" : first), digits != ".", !digits.isEmpty
    else { return nil }
    let (product, overflow) = whole.multipliedReportingOverflow(by: scale)
    if overflow { return nil }
    guard parts.count == 2 else { return product }
    var fraction: Int64 = 0
    var unit = scale
    for digit in parts[1].utf8 {
      guard digit >= 0x30, digit <= 0x39 else { return nil }
      unit /= 10
      fraction += Int64(digit - 0x30) * unit
    }
    let (sum, sumOverflow) = product.addingReportingOverflow(fraction)
    return sumOverflow ? nil : sum
  }
}
