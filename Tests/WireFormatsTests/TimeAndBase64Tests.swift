import TestSupport
import Testing
import WireFormats

@Suite("RFC 3339") struct RFC3339Tests {
  static let noon: Int64 = 1_714_557_606_000_000_000

  @Test(
    arguments: [
      ("2024-05-01T10:00:06Z", noon), ("2024-05-01T10:00:06.1Z", noon + 100_000_000),
      ("2024-05-01T10:00:06.1234567Z", noon + 123_456_700), ("2024-05-01T10:00:06.123456789Z", noon + 123_456_789),
      ("2024-05-01T12:00:06.5+02:00", noon + 500_000_000), ("2024-05-01T10:00:06.5-00:00", noon + 500_000_000),
      ("2024-05-01t10:00:06.5z", noon + 500_000_000), ("2024-05-01 10:00:06.5Z", noon + 500_000_000),
      ("2024-04-30T10:01:06-23:59", noon), ("1970-01-01T00:00:00Z", 0), ("1969-12-31T23:59:59.999999999Z", -1),
      ("2000-02-29T00:00:00Z", 951_782_400_000_000_000), ("2262-04-11T23:47:16.854775807Z", .max),
      ("1677-09-21T00:12:43.145224192Z", .min),
    ] as [(String, Int64)])
  func `times are read to the nanosecond`(_ text: String, _ nanoseconds: Int64) {
    #expect(RFC3339.parse(text) == nanoseconds)
  }

  @Test(arguments: [
    "", "yesterday", "2024-05-01T10:00:06.5", "2016-12-31T23:59:60Z", "2024-05-01T24:00:00Z", "1714557606500",
    "2024-02-30T10:00:00Z", "2023-02-29T10:00:00Z", "1900-02-29T00:00:00Z", "+12024-05-01T10:00:06Z",
    "2024-05-01T10:00:06.5+99:99", "2024-05-01T10:00:06.5+24:00", "2024-05-01T10:00:06.Z", "2024-05-01T10:00:06",
    "2024-05-01T10:00:06.1234567890Z", "2024-13-01T10:00:06Z", "2024-00-01T10:00:06Z", "2024-05-00T10:00:06Z",
    "2024-05-32T10:00:06Z", "2024-05-01T10:60:06Z", "2024-05-01T25:00:06Z", "2024-05-01T10:00:06ZZ",
    "2024-05-01T10:00:06+0200", "2024-05-01T10:00:06+02", " 2024-05-01T10:00:06Z", "2024-5-1T10:00:06Z",
    "2024-05-01_10:00:06Z", "20x4-05-01T10:00:06Z", "2024-05-01T10:00:06,5Z", "-024-05-01T10:00:06Z",
  ])
  func `anything else is malformed`(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(unsafe bytes.withUnsafeBytes { unsafe RFC3339.read($0) } == .malformed)
  }

  @Test(arguments: [
    "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "2262-04-11T23:47:16.854775808Z",
    "1677-09-21T00:12:43.145224191Z", "2262-04-12T00:00:00Z", "0000-01-01T00:00:00Z",
  ])
  func `times that 64 bit cannot hold are out of range`(_ text: String) {
    let bytes = Array(text.utf8)
    #expect(unsafe bytes.withUnsafeBytes { unsafe RFC3339.read($0) } == .outOfRange)
  }

  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00.000000Z"), (noon, "2024-05-01T10:00:06.000000Z"),
      (noon + 123_456_000, "2024-05-01T10:00:06.123456Z"), (noon + 123_456_700, "2024-05-01T10:00:06.123456700Z"),
      (-1, "1969-12-31T23:59:59.999999999Z"), (-86_400_000_000_000, "1969-12-31T00:00:00.000000Z"),
      (.max, "2262-04-11T23:47:16.854775807Z"), (.min, "1677-09-21T00:12:43.145224192Z"),
    ] as [(Int64, String)])
  func `times are written in UTC with six or nine digits`(_ nanoseconds: Int64, _ text: String) {
    #expect(RFC3339.string(nanoseconds: nanoseconds) == text)
  }

  @Test func `what is written is read back`() {
    var random = SeededRandom(seed: 7)
    for _ in 0..<3000 {
      let time = Int64(bitPattern: random.next())
      #expect(RFC3339.parse(RFC3339.string(nanoseconds: time)) == time)
    }
  }

  @Test func `no changed byte traps`() {
    let text = Array("2024-05-01T12:00:06.123456+02:00".utf8)
    for place in text.indices {
      for byte in UInt8.min...UInt8.max {
        var changed = text
        changed[place] = byte
        _ = unsafe changed.withUnsafeBytes { unsafe RFC3339.read($0) }
      }
      _ = unsafe Array(text[0..<place]).withUnsafeBytes { unsafe RFC3339.read($0) }
    }
  }
}

@Suite("Base64") struct Base64Tests {
  @Test(arguments: [
    ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
    ("foobar", "Zm9vYmFy"),
  ])
  func `the examples of RFC 4648`(_ plain: String, _ encoded: String) {
    #expect(Base64.encode(Array(plain.utf8)) == Array(encoded.utf8))
    #expect(Base64.decode(Array(encoded.utf8)) == Array(plain.utf8))
  }

  @Test(arguments: [
    "Z", "Zg", "Zg=", "Zg===", "=Zg=", "Z===", "Zm9v=", "====", "Zm=v", "Zm9 ", "Zm9v\n", "Zm9-", "Zh==",
    "Zm9=", "Zg==Zg==",
  ])
  func `anything but padded base64 is refused`(_ text: String) {
    #expect(Base64.decode(Array(text.utf8)) == nil)
  }

  @Test func `random bytes come back`() {
    var random = SeededRandom(seed: 3)
    for length in 0..<200 {
      let bytes = random.bytes(length)
      #expect(Base64.decode(Base64.encode(bytes)) == bytes)
    }
  }
}
