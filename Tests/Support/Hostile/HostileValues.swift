import WireFormats

/// Values that look like what a codec knows how to shorten, and are not; or are, in a spelling that must come back.
struct HostileValues {
  var random: SeededRandom
  /// Values that the event around it has: codecs write those as "the same as".
  var known: [String] = []
  /// Nanoseconds of the event around it: times near it are written as distances.
  var created: Int64 = 0
  private var words: [String] = []
  private var uuids: [String] = []

  init(seed: UInt64) {
    random = SeededRandom(seed: seed)
    for length in [1, 3, 7, 12, 39, 40, 41, 63, 64, 90, 300] { words.append(text(length)) }
    for _ in 0..<12 { uuids.append(uuid()) }
  }

  mutating func below(_ count: Int) -> Int { Int.random(in: 0..<count, using: &random) }

  mutating func pick(_ choices: [String]) -> String { choices[below(choices.count)] }

  /// A scalar as it stands in JSON.
  mutating func scalar() -> String {
    switch below(12) {
    case 0...3: number()
    case 4: pick(["true", "false", "null"])
    default: string()
    }
  }

  mutating func number() -> String {
    let zoo = [
      "0", "-0", "0.0", "-0.0", "1.0", "1.50", "1.500", "0.1", "0.10", "1e5", "1E5", "1e+5", "1e-5", "1E+05", "0e0",
      "-0e-0",
      "10.00e10", "9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
      "-9223372036854775809", "18446744073709551615", "18446744073709551616", "0.000001", "0.0000001", "1.234567",
      "1.2345678", "922337203685477.5807", "-0.5", "-0.05", "1e400", "1e-400", "100000000000000000000000000000",
      "0.30000000000000004", "3.4028234663852886e38", "4.9e-324", "1.7976931348623157e308",
    ]
    switch below(5) {
    case 0: return pick(zoo)
    case 1: return "\(Int64(truncatingIfNeeded: random.next()) >> Int64(below(64)))"
    case 2:
      let digits = below(9)
      return "\(below(2000) - 1000)." + String(repeating: "\(below(10))", count: digits + 1)
    case 3: return digits(1 + below(40)) + (random.oneIn(3) ? "." + digits(1 + below(40)) : "")
    default: return "\(below(300))"
    }
  }

  /// Digits without a zero in front.
  private mutating func digits(_ count: Int) -> String {
    "\(1 + below(9))" + (1..<max(1, count)).map { _ in "\(below(10))" }.joined()
  }

  mutating func string() -> String { "\"" + content() + "\"" }

  /// What stands between the quotes, escapes included.
  mutating func content() -> String {
    switch below(16) {
    case 0, 1: return pick(words)
    case 2: return known.isEmpty ? "" : pick(known)
    case 3: return pick(uuids)
    case 4: return almostUUID()
    case 5, 6: return time()
    case 7: return hexadecimal()
    case 8: return pick(["order-", "", "a/b:", "x", "été-"]) + pick(uuids)
    case 9: return pick(["order-", "ORD", "", "-", "a1b", "é"]) + paddedNumber()
    case 10: return escaped()
    case 11: return pick(["", " ", "null", "true", "0", "-1", "1.0", "1e5", "{}", "[]", "\\u0001", "\\u0002"])
    case 12:
      // Not where there is an escape: its letter has one case.
      let plain = known.filter { !$0.contains("\\") }
      return plain.isEmpty ? uuid() : cased(pick(plain))
    case 13: return text(below(200))
    case 14: return pick(["\u{7f}", "\u{2028}", "\u{feff}", "é", "e\u{301}", "😀", "\u{fffd}", "\u{10ffff}", "\u{80}"])
    default: return uuid()
    }
  }

  mutating func text(_ length: Int) -> String {
    let letters = Array("etaoin shrdlu-_./:ABC019")
    return String((0..<length).map { _ in letters[below(letters.count)] })
  }

  mutating func uuid() -> String {
    let hex = hexDigits(32)
    let ends = [8, 12, 16, 20, 32]
    var start = 0
    return ends.map { end in
      defer { start = end }
      return String(hex[start..<end])
    }.joined(separator: "-")
  }

  private mutating func hexDigits(_ count: Int) -> [Character] {
    let digits = Array("0123456789abcdef")
    return (0..<count).map { _ in digits[below(16)] }
  }

  private mutating func cased(_ text: String) -> String {
    switch below(3) {
    case 0: text.uppercased()
    case 1: String(text.enumerated().map { $0.offset % 2 == 0 ? Character($0.element.uppercased()) : $0.element })
    default: text + pick(["", " ", "0", "\\n"])
    }
  }

  private mutating func almostUUID() -> String {
    var shown = Array(uuid())
    switch below(8) {
    case 0: return cased(String(shown))
    case 1: shown[8] = "_"
    case 2: shown[below(36)] = "g"
    case 3: shown.removeLast()
    case 4: shown.append("0")
    case 5: return "{" + String(shown) + "}"
    case 6: return String(shown.filter { $0 != "-" })
    default: return "00000000-0000-0000-0000-000000000000"
    }
    return String(shown)
  }

  private mutating func hexadecimal() -> String {
    let length = [1, 2, 8, 15, 16, 17, 31, 32, 33, 40, 64, 128, 129, 130, 512][below(15)]
    let lower = String(hexDigits(length))
    switch below(5) {
    case 0: return lower.uppercased()
    case 1: return cased(lower)
    case 2: return "0x" + lower
    default: return lower
    }
  }

  private mutating func paddedNumber() -> String {
    switch below(5) {
    case 0: String(repeating: "0", count: 1 + below(20)) + "\(below(100))"
    case 1: "\(random.next())"
    case 2: "18446744073709551616"
    case 3: "00"
    default: "\(below(10_000))"
    }
  }

  private mutating func escaped() -> String {
    let zoo = [
      "\\u0000", "\\u0001", "\\u0002\\u0001", "\\ud800", "\\udc00", "\\ud83d\\ude00", "\\uD83D\\uDE00", "\\u00e9",
      "\\u00E9", "\\/", "/", "\\b\\f\\n\\r\\t", "\\\"", "\\\\", "\\\\\\\"", "\\u0022", "\\u005c", "\\udfff\\ud800",
    ]
    return (0..<(1 + below(4))).map { _ in pick(zoo) + pick(["", "a", pick(words)]) }.joined()
  }

  /// RFC 3339 near the event's time, far from it, and what only looks like it.
  private mutating func time() -> String {
    let distances: [Int64] = [0, 1, -1, 999, 1_000_000, -1_000_000_000, 86_400_000_000_000, -31_536_000_000_000_000]
    let distance =
      random.oneIn(2) ? distances[below(8)] : Int64(truncatingIfNeeded: random.next()) >> Int64(8 + below(50))
    let nanoseconds = created &+ distance
    let shown = RFC3339.string(nanoseconds: nanoseconds)
    let date = String(shown.prefix(10))
    let seconds = String(shown.prefix(19))
    switch below(12) {
    case 0: return date
    case 1: return seconds + "Z"
    case 2: return seconds
    case 3: return seconds.replacing("T", with: " ") + "Z"
    case 4: return seconds + "+02:00"
    case 5: return pick(invalidTimes)
    case 6: return shown.lowercased()
    case 7: return date + "T00:00:00Z"
    default:
      let count = 1 + below(10)
      return seconds + "." + (0..<count).map { _ in "\(below(10))" }.joined() + "Z"
    }
  }

  private var invalidTimes: [String] {
    [
      "2026-02-30T00:00:00Z", "2026-13-01T00:00:00.000Z", "2026-00-00T00:00:00Z", "2026-01-01T24:00:00Z",
      "2026-01-01T23:59:60Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1677-09-21T00:12:43.145224192Z",
      "2262-04-11T23:47:16.854775807Z", "2262-04-11T23:47:16.854775808Z", "2026-1-1T0:0:0Z", "2024-02-29", "2025-02-29",
      "2026-01-01T00:00:00.Z", "2026-01-01t00:00:00z", "1969-12-31T23:59:59.999Z", "2026-01-0aT00:00:00.000Z",
      "2026-01-01T00:00:00.00aZ", "1582-10-15T00:00:00.000Z",
    ]
  }
}
