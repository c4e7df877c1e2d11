/// Figures for people.
enum Humanised {
  /// `850 ns`, `12.3 ms`, `4.56 s`, `3m 12s`, `2h 05m`, `12d 4h`; negative ones with a sign.
  static func duration(seconds: Double) -> String {
    if seconds.isNaN { return "-" }
    if seconds < 0 { return "-" + duration(seconds: -seconds) }
    if seconds == 0 { return "0 s" }
    if seconds < 0.9995e-6 { return "\(Int((seconds * 1e9).rounded())) ns" }
    if seconds < 0.9995e-3 { return three(seconds * 1e6) + " us" }
    if seconds < 0.9995 { return three(seconds * 1e3) + " ms" }
    if seconds < 59.95 { return three(seconds) + " s" }
    let whole = Int64(min(seconds.rounded(), 9e15))
    if whole < 3600 { return "\(whole / 60)m \(two(whole % 60))s" }
    if whole < 86400 { return "\(whole / 3600)h \(two(whole % 3600 / 60))m" }
    return "\(whole / 86400)d \(whole % 86400 / 3600)h"
  }

  /// `512 B`, `1.50 KiB`, `12.3 MiB`.
  static func bytes(_ count: Double) -> String {
    var value = count
    var units = ["B", "KiB", "MiB", "GiB", "TiB"][...]
    while abs(value) >= 1023.5 && units.count > 1 {
      value /= 1024
      units = units.dropFirst()
    }
    return units.first == "B" ? "\(Int(value)) B" : "\(three(value)) \(units.first!)"
  }

  /// `1,234,567`.
  static func count(_ number: Int) -> String {
    let digits = Array(String(number.magnitude))
    var text = number < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0 && (digits.count - index) % 3 == 0 { text += "," }
      text.append(digit)
    }
    return text
  }

  /// Three significant digits, for values from 1 to 1000: `1.23`, `12.3`, `123`.
  static func three(_ value: Double) -> String {
    if value >= 99.95 { return "\(Int(value.rounded()))" }
    let digits = value >= 9.995 ? 1 : 2
    let scale = digits == 1 ? 10.0 : 100.0
    let whole = Int((value * scale).rounded())
    let fraction = "\(whole % Int(scale))"
    return "\(whole / Int(scale)).\(String(repeating: "0", count: digits - fraction.count))\(fraction)"
  }

  private static func two(_ number: Int64) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
