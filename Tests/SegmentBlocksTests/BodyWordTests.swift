import EventModel
import SegmentBlocks
import TestSupport
import Testing

@Suite("Texts as words of the segment") struct BodyWordTests {
  static func events(_ texts: [String], trace: (Int) -> String = { _ in BodyRoundTripTests.uuid }) -> [TestEvent] {
    texts.enumerated().map { number, text in
      BodyRoundTripTests.event(number, data: #"{"note":"\#(text)","n":\#(number)}"#, trace: trace(number))
    }
  }

  /// Random texts of so many different words, each a few times; every word has the length of its number's digits.
  static func texts(_ count: Int, words: Int, _ random: inout SeededRandom) -> [String] {
    (0..<count).map { number in
      (0..<12).map { place in "w\((number * 12 + place + Int.random(in: 0..<7, using: &random)) % words)" }
        .joined(separator: " ")
    }
  }

  @Test func `blanks of any number, new words and escapes come back as they were`() throws {
    let base = [
      "one two", "one two three one two three one two three four", " one", "one ", " ", "  ", "one  two   three",
      "   one two three one two three one two three one two   ",
      #"say \"one two\" one two three one two three one two"#,
      "żółć one two three one two three one two three żółć", "one",
      "onetwothreeonetwothreeonetwothreeonetwothreeonetwo",
      "one two three one two three one two three one two " + String(repeating: "long", count: 16),
      "one two three one two three one two three one two " + String(repeating: "l", count: 65),
      "one two three " + String(repeating: "one two ", count: 2_100),
      "one two three " + String(repeating: "one two ", count: 9_000),
    ]
    let events = Self.events(base + base.reversed() + base.map { $0 + " five" } + base.map { "six \($0)" })
    for size in [1, 9, 1000] {
      let harness = BodyHarness(EventBatch(events), eventsPerBlock: size)
      #expect(try harness.decode() == [])
      #expect(try harness.decode { $0 % 2 == 0 } == [])
    }
  }

  @Test(arguments: [40, 1_000, 20_000])
  func `few words, and more than a segment numbers, come back, also behind runs that are passed over`(
    _ words: Int
  ) throws {
    var random = SeededRandom(seed: UInt64(words))
    let events = Self.events(Self.texts(words / 2 + 400, words: words, &random)) {
      $0 % 3 == 0 ? BodyRoundTripTests.other : BodyRoundTripTests.uuid
    }
    var limits = DictionaryLimits()
    for bound in [3, 16_575, 1 << 20] {
      limits.words = bound
      let harness = BodyHarness(EventBatch(events), eventsPerBlock: 50, limits: limits)
      #expect(try harness.decode() == [])
      #expect(try harness.decode { $0 % 2 == 0 } == [])
    }
  }

  @Test func `known words cost a byte or two each, and a long text that came before a few bytes`() throws {
    var random = SeededRandom(seed: 5)
    let texts = Self.texts(600, words: 300, &random)
    let all = BodyHarness(EventBatch(Self.events(texts + texts.shuffled(using: &random))), eventsPerBlock: 5_000)
    let half = BodyHarness(EventBatch(Self.events(texts)), eventsPerBlock: 5_000)
    // The second time they are entries of the segment.
    #expect(all.storedBytes - half.storedBytes < 600 * 14)
    let other = BodyHarness(
      EventBatch(Self.events(texts + Self.texts(600, words: 300, &random))), eventsPerBlock: 5_000)
    // Twelve words, and what the rest of an event takes; as texts they have 58 bytes.
    #expect(other.storedBytes - half.storedBytes < 600 * 30)
    #expect(try all.decode() == [] && other.decode() == [])
  }

  @Test func `changed bytes of texts and words never trap`() throws {
    var random = SeededRandom(seed: 11)
    let harness = BodyHarness(
      EventBatch(Self.events(Self.texts(120, words: 400, &random) + Self.texts(120, words: 400, &random))),
      eventsPerBlock: 1_000)
    let dictionary = try SegmentDictionary(decoding: harness.chunks)
    for _ in 0..<400 {
      var block = harness.blocks[0]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let isRaw = random.oneIn(5) && !block.raw.isEmpty
        let bytes = isRaw ? block.raw.count : block.columns.count
        let place = Int.random(in: 0..<bytes, using: &random)
        let value = UInt8.random(in: .min ... .max, using: &random)
        if isRaw { block.raw[place] = value } else { block.columns[place] = value }
      }
      _ = try? harness.decode(block, dictionary, { $0 % 2 == 1 }, limit: 1 << 20)
    }
  }
}
