import EventModel
import EventSource
import TestSupport
import Testing

@Suite("Patterns of rules") struct PatternTests {
  private func matches(_ pattern: String, _ type: String) throws -> Bool {
    var rules = ReadingRules()
    rules.handlerRules = [HandlerRule(typePattern: pattern, handler: "found")]
    return try #require(Reading.with(#""type":"\#(type)""#, rules).event).event.handler == "found"
  }

  @Test(arguments: [
    ("*", "x"), ("**", "x"), ("abc", "abc"), ("a*", "a"), ("a*", "abc"), ("*c", "abc"), ("a*c", "ac"), ("a*c", "abbc"),
    ("*b*", "abc"), ("a*b*c", "aXbYc"), ("a*b*c", "abbbc"), ("*aab", "aaaab"), ("Fault<*>", "Fault<X>"),
    ("*ab*ab*", "abab"),
    ("é*", "éa"),
  ])
  func `a star stands for any bytes`(_ pattern: String, _ type: String) throws {
    #expect(try matches(pattern, type))
  }

  @Test(arguments: [
    ("abc", "abcd"), ("abc", "ab"), ("abc", "abd"), ("a*", "ba"), ("*c", "cb"), ("ab*bc", "abc"), ("a*c", "a"),
    ("*b*", "ac"),
    ("a*b*c", "acb"), ("A*", "abc"), ("*ab*ab*", "ab"), ("a?c", "abc"),
  ])
  func `everything else is meant literally`(_ pattern: String, _ type: String) throws {
    #expect(try !matches(pattern, type))
  }

  @Test func `many stars on a long type end soon`() throws {
    let pattern = String(repeating: "a*", count: 30) + "b"
    #expect(try !matches(pattern, String(repeating: "a", count: 8000)))
  }
}

@Suite("Identifiers by their bytes") struct IdentifierSpeedTests {
  /// The definition, digit by digit.
  private func slow(_ text: [UInt8]) -> IdentifierKey? {
    var body = text[...]
    if body.count >= 34, body.first == 0x7b, body.last == 0x7d { body = body.dropFirst().dropLast() }
    guard body.count == 32 || body.count == 36 else { return nil }
    var digits: [UInt8] = []
    for (place, byte) in body.enumerated() {
      if body.count == 36, [8, 13, 18, 23].contains(place) {
        if byte != 0x2d { return nil }
        continue
      }
      guard byte < 0x80, let value = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
      digits.append(UInt8(value))
    }
    let words = [digits[0..<16], digits[16..<32]].map { $0.reduce(UInt64(0)) { $0 << 4 | UInt64($1) } }
    return IdentifierKey(high: words[0], low: words[1])
  }

  @Test func `eight digits at once give what digit by digit gives, for any byte at any place`() {
    var wrong = 0
    for base in [
      "829ddf5f-155c-56a9-a831-84143c13218e", "{829DDF5F-155C-56A9-A831-84143C13218E}",
      "829ddf5f155c56a9a83184143c13218e",
    ] {
      for place in Array(base.utf8).indices {
        for byte in UInt8.min...UInt8.max where byte > 0x20 && !(9...13).contains(byte) {
          var text = Array(base.utf8)
          text[place] = byte
          let expected = slow(text).map { Identifier.Scanned.uuid($0) } ?? .text(0..<text.count)
          if unsafe text.withUnsafeBytes({ unsafe Identifier.scan($0) }) != expected { wrong += 1 }
        }
      }
    }
    #expect(wrong == 0)
  }
}
