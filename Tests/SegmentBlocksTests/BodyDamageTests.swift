import EventModel
import SegmentBlocks
import TestSupport
import Testing

/// Whatever stands in a block or a dictionary, decoding ends: with bytes, or with an error.
@Suite("Damaged bodies") struct BodyDamageTests {
  static func harness(_ seed: UInt64, _ count: Int) -> BodyHarness {
    var generator = HostileEvents(seed: seed)
    generator.payloads.depth = 20
    generator.payloads.length = 60
    generator.payloads.keyCount = 12
    var batch = EventBatch()
    for event in generator.events(count) { event.append(to: &batch) }
    for event in (0..<count).map({ BodyRoundTripTests.event($0, data: #"{"value":\#(BodyRoundTripTests.values[$0])}"#) }
    ) {
      event.append(to: &batch)
    }
    return BodyHarness(batch, eventsPerBlock: 1000)
  }

  /// Decodes, skips and follows; what comes out does not matter.
  static func survive(_ harness: BodyHarness, _ block: BodyHarness.Block, _ dictionary: SegmentDictionary) {
    _ = try? harness.decode(block, dictionary, { _ in false }, limit: 1 << 20)
    _ = try? harness.decode(block, dictionary, { $0 % 2 == 0 }, limit: 1 << 20)
    _ = try? harness.decode(block, dictionary, { _ in false }, { $0 % 4 }, limit: 1 << 20)
  }

  @Test func `every prefix of the columns is refused`() throws {
    let harness = Self.harness(1, 30)
    let dictionary = try SegmentDictionary(decoding: harness.chunks)
    let block = harness.blocks[0]
    for length in 0..<block.columns.count {
      var cut = block
      cut.columns.removeLast(block.columns.count - length)
      #expect(throws: BodyError.self) { try harness.decode(cut, dictionary, { _ in false }) }
    }
    for length in 0..<block.raw.count {
      var cut = block
      cut.raw.removeLast(block.raw.count - length)
      #expect(throws: BodyError.self) { try harness.decode(cut, dictionary, { _ in false }) }
    }
  }

  @Test(arguments: 0..<4) func `changed bytes of columns and raw part never trap`(_ seed: UInt64) throws {
    let harness = Self.harness(seed, 40)
    let dictionary = try SegmentDictionary(decoding: harness.chunks)
    var random = SeededRandom(seed: seed)
    for _ in 0..<100 {
      var block = harness.blocks[0]
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let place = Int.random(in: 0..<block.columns.count, using: &random)
        block.columns[place] =
          random.oneIn(2) ? UInt8(truncatingIfNeeded: random.next()) : [0, 1, 0x7f, 0x80, 0xff][place % 5]
      }
      if !block.raw.isEmpty, random.oneIn(3) {
        block.raw.removeLast(Int.random(in: 0...block.raw.count, using: &random))
      }
      Self.survive(harness, block, dictionary)
    }
  }

  @Test(arguments: 0..<4) func `random columns never trap`(_ seed: UInt64) throws {
    let harness = Self.harness(seed, 20)
    let dictionary = try SegmentDictionary(decoding: harness.chunks)
    var random = SeededRandom(seed: seed)
    for _ in 0..<100 {
      var block = harness.blocks[0]
      block.columns = random.bytes(Int.random(in: 0..<400, using: &random)).map { random.oneIn(3) ? $0 : $0 & 7 }
      block.raw = random.bytes(Int.random(in: 0..<100, using: &random))
      Self.survive(harness, block, dictionary)
    }
  }

  @Test(arguments: 0..<4) func `changed dictionaries never trap`(_ seed: UInt64) throws {
    let harness = Self.harness(seed, 30)
    var random = SeededRandom(seed: seed)
    let stored = try harness.chunks.map { try DictionaryText.unpacked($0) }
    for _ in 0..<100 {
      var chunks = stored
      for _ in 0..<Int.random(in: 1...3, using: &random) {
        let chunk = Int.random(in: 0..<chunks.count, using: &random)
        let place = Int.random(in: 0..<chunks[chunk].count, using: &random)
        chunks[chunk][place] =
          random.oneIn(2) ? UInt8(truncatingIfNeeded: random.next()) : [0, 1, 2, 0x7f, 0xff][place % 5]
      }
      guard let dictionary = try? SegmentDictionary(decoding: chunks) else { continue }
      Self.survive(harness, harness.blocks[0], dictionary)
    }
  }

  @Test func `every prefix of a dictionary is refused`() throws {
    let harness = Self.harness(3, 20)
    let stored = try harness.chunks.map { try DictionaryText.unpacked($0) }
    for length in 0..<stored[0].count {
      #expect(throws: BodyError.self) { try SegmentDictionary(decoding: [Array(stored[0][..<length])]) }
    }
  }

  @Test func `output is bounded by the sink's limit`() throws {
    let harness = BodyHarness(
      EventBatch(
        (0..<200).map { BodyRoundTripTests.event($0, data: #"{"a":"\#(String(repeating: "y", count: 500))"}"#) }))
    let dictionary = try SegmentDictionary(decoding: harness.chunks)
    #expect(throws: BodyError.tooLarge) {
      _ = try harness.decode(harness.blocks[0], dictionary, { _ in false }, limit: 600)
    }
  }
}
