import EventModel
import TestSupport
import Testing

@testable import SegmentBlocks

/// Values are compared, copied and read many bytes at a time where so many can be read, and one by one near the end of
/// the event: what comes out may not differ.
@Suite("Values near the end of an event") struct BodyEndTests {
  @Test func `every value comes back at every distance from the end`() throws {
    var events: [TestEvent] = []
    for (number, value) in BodyRoundTripTests.values.enumerated() {
      for distance in 0...70 {
        let tail = String(repeating: "x", count: distance)
        events.append(
          BodyRoundTripTests.event(
            number * 100 + distance, data: #"{"value":\#(value),"tail":"\#(tail)"}"#, metadata: "[\(value)]"))
        events.append(BodyRoundTripTests.event(number * 100 + distance, data: "[\(value)]", metadata: tail))
      }
    }
    let harness = BodyHarness(EventBatch(events), eventsPerBlock: 300)
    #expect(try harness.decode() == [])
  }

  /// The same events, with 0 or 100 bytes behind the value: so the last values of some are read one way, and of others
  /// the other way.
  @Test func `numbers are stored alike near the end and far from it`() throws {
    var random = SeededRandom(seed: 7)
    var numbers: [String] = []
    for _ in 0..<3_000 {
      let whole = (0..<Int.random(in: 0...20, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
      let scale = (0..<Int.random(in: 0...9, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
      let sign = random.oneIn(4) ? "-" : ""
      let point = scale.isEmpty ? (random.oneIn(9) ? "." : "") : "."
      numbers.append(sign + whole.map(String.init).joined() + point + scale.map(String.init).joined())
    }
    func stored(_ behind: Int) throws -> [[UInt8]] {
      let tail = String(repeating: " ", count: behind)
      let events = numbers.enumerated().map { BodyRoundTripTests.event($0, data: "[\($1)]\(tail)") }
      let harness = BodyHarness(EventBatch(events), eventsPerBlock: 10_000)
      #expect(try harness.decode() == [])
      return harness.blocks.map(\.columns)
    }
    let (near, far) = (try stored(1), try stored(100))
    // The tail is part of the template, which the dictionary holds once: columns are the same.
    #expect(near == far)
  }

  @Test func `sixteen digits at once are the number that they are`() {
    var random = SeededRandom(seed: 11)
    for _ in 0..<20_000 {
      let count = Int.random(in: 1...16, using: &random)
      let digits = (0..<count).map { _ in UInt8(0x30 + Int.random(in: 0...9, using: &random)) }
      let text = digits + (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) }
      let number = unsafe text.withUnsafeBufferPointer { unsafe decimal($0.baseAddress!, count) }
      #expect(number == UInt64(String(decoding: digits, as: UTF8.self)))
    }
  }
}
