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

  /// The same events, with 1 or 100 blanks behind them: so the last values of some are read one way, and of others
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

  /// As for numbers: whatever is compared with what came before, with prefixes, words and the last value of the key.
  @Test func `strings are stored alike near the end and far from it`() throws {
    var random = SeededRandom(seed: 13)
    let words = (0..<40).map { "word\($0 * 37)" }
    let texts = (0..<2_000).map { number -> String in
      switch Int.random(in: 0..<5, using: &random) {
      case 0:
        return words.shuffled(using: &random).prefix(Int.random(in: 1...12, using: &random)).joined(separator: " ")
      case 1: return "INV-\(100_000 + number / 3)"
      case 2: return "order-\(BodyRoundTripTests.uuid.dropLast(3))\(100 + number % 300)"
      case 3: return String(repeating: "s", count: number % 41)
      default: return words[number % 40]
      }
    }
    func stored(_ behind: Int) throws -> [[UInt8]] {
      let tail = String(repeating: " ", count: behind)
      let events = texts.enumerated().map { BodyRoundTripTests.event($0, data: #"{"text":"\#($1)"}\#(tail)"#) }
      let harness = BodyHarness(EventBatch(events), eventsPerBlock: 10_000)
      #expect(try harness.decode() == [])
      return harness.blocks.map(\.columns)
    }
    let (near, far) = (try stored(0), try stored(100))
    #expect(near == far)
  }

  @Test func `what is no string ends at the same byte, near the end and far from it`() {
    for byte in UInt8.min...UInt8.max {
      for length in 0...35 {
        let text = [UInt8](repeating: 0x31, count: length) + [byte] + [UInt8](repeating: 0x2c, count: 40)
        let (near, far) = unsafe text.withUnsafeBufferPointer { all in
          let start = all.baseAddress!
          let end = unsafe start + length + 1
          let near = unsafe Tokenizer.endOfPlain(start, end, readable: end) - start
          return (near, unsafe Tokenizer.endOfPlain(start, end, readable: start + all.count) - start)
        }
        #expect(near == far && near == (",:{}[]\" \t\r\n".utf8.contains(byte) ? length : length + 1))
      }
    }
  }

  @Test func `a pool that is full to the last byte is compared and added to in steps of 32`() {
    let text = (0..<64).map { UInt8($0) }
    unsafe text.withUnsafeBufferPointer { all in
      let start = all.baseAddress!
      for count in 1...32 {
        var pool = unsafe Pool<UInt8>(capacity: count)
        unsafe pool.append(start, count, readable: start + 64)
        #expect(unsafe pool.count == count && pool.capacity == count)
        #expect(unsafe equalBytes(pool.start, start, count, readable: start + 64))
        #expect(unsafe !equalBytes(pool.start, start + 1, count, readable: start + 64))
        unsafe pool.deallocate()
      }
    }
  }

  @Test func `a hash depends on every byte and on nothing behind them`() {
    var random = SeededRandom(seed: 17)
    for count in 0...48 {
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) }
      func hash(_ bytes: [UInt8]) -> UInt64 {
        let text = bytes + (0..<8).map { _ in UInt8.random(in: 0...255, using: &random) }
        return unsafe text.withUnsafeBufferPointer { unsafe hashBytes($0.baseAddress!, count) }
      }
      let whole = hash(bytes)
      #expect(hash(bytes) == whole)
      for place in bytes.indices {
        var other = bytes
        other[place] ^= 1 << UInt8(place & 7)
        #expect(hash(other) != whole, "byte \(place) of \(count)")
      }
    }
  }
}
