import EventModel
import Testing
import WireFormats

@testable import TraceServer

@Suite("Parameters") struct ParameterTests {
  private let now = Timestamp(nanoseconds: 1_700_000_000_000_000_000)

  @Test(
    arguments: [
      ("250ms", 250_000_000), ("1.5s", 1_500_000_000), ("2h", 7_200_000_000_000), ("1h30m", 5_400_000_000_000),
      ("7d", 604_800_000_000_000), ("1w", 604_800_000_000_000), ("0s", 0), ("10us", 10_000), ("3ns", 3),
      (".5s", 500_000_000), ("0.000001s", 1_000), ("1.9ns", 1),
    ] as [(String, Int64)])
  func `a duration is a sum of numbers with units`(text: String, nanoseconds: Int64) {
    #expect(TimeText.duration(text) == nanoseconds)
  }

  @Test(arguments: ["", "5", "s", ".s", "1.2.3s", "-1s", "1 s", "1y", "9999999999999w", "1h30", "１s", "1e3s"])
  func `anything else is no duration`(text: String) {
    #expect(TimeText.duration(text) == nil)
  }

  @Test func `a time is RFC 3339, now, or counts back from now`() {
    #expect(TimeText.time("now", now: now) == now)
    #expect(TimeText.time("15m", now: now) == now.advanced(byNanoseconds: -900_000_000_000))
    #expect(TimeText.time("-1h", now: now) == now.advanced(byNanoseconds: -3_600_000_000_000))
    #expect(TimeText.time("1970-01-01T00:00:01Z", now: now) == Timestamp(nanoseconds: 1_000_000_000))
    #expect(TimeText.time("1970-01-01T01:00:01+01:00", now: now) == Timestamp(nanoseconds: 1_000_000_000))
    #expect(TimeText.time("1970-01-01T01:00:01.5 01:00", now: now) == Timestamp(nanoseconds: 1_500_000_000))
    for bad in ["", "-", "yesterday", "1970-01-01", "--1h", "1970-01-01T00:00:01"] {
      #expect(TimeText.time(bad, now: now) == nil, "\(bad)")
    }
  }

  @Test func `unknown, repeated and malformed parameters are refused with a hint`() throws {
    let known = [Parameter("limit", .count(standard: 10, maximum: 100), ""), Parameter("payload", .flag, "")]
    func refusal(_ query: [(String, String)]) -> APIError? {
      do {
        _ = try Parameter.read(query.map { (name: $0.0, value: Array($0.1.utf8)) }, for: known, now: now)
        return nil
      } catch { return error }
    }
    #expect(refusal([("limit", "7"), ("payload", "true")]) == nil)
    #expect(refusal([("limt", "7")])?.code == "unknown_parameter")
    #expect(refusal([("limt", "7")])?.hint.contains("limit, payload") == true)
    for query in [
      [("limit", "7"), ("limit", "8")], [("limit", "0")], [("limit", "101")], [("limit", "+5")],
      [("limit", "")], [("payload", "yes")],
    ] {
      let error = refusal(query)
      #expect(error?.code == "invalid_parameter", "\(query)")
      #expect(error?.status == 400)
      #expect(error?.hint.isEmpty == false)
    }
  }

  @Test func `identifiers follow the rules of events`() throws {
    let upper = "{C7B32756-9476-5048-A1EE-6A6BDF5C444D}"
    #expect(try identifier(Array(upper.utf8), name: "id").description == "c7b32756-9476-5048-a1ee-6a6bdf5c444d")
    #expect(try identifier(Array(" order/7 ".utf8), name: "id").description == "order/7")
    for bad in [
      [], [0x20], [0xff], [UInt8](repeating: 0x61, count: 257), Array("\(String(repeating: "0", count: 32))".utf8),
    ] {
      #expect(throws: APIError.self) { try identifier(bad, name: "id") }
    }
  }

  @Test(
    arguments: [
      (0, "0"), (1, "0.000000001"), (123_000, "0.000123"), (1_500_000_000, "1.5"), (-1_000_000, "-0.001"),
      (60_000_000_000, "60"), (Int64.max, "9223372036.854775807"), (Int64.min, "-9223372036.854775808"),
    ] as [(Int64, String)])
  func `seconds are printed exactly`(nanoseconds: Int64, text: String) {
    var json = JSONWriter()
    json.decimal(billionths: nanoseconds)
    #expect(String(decoding: json.bytes, as: UTF8.self) == text)
  }
}
