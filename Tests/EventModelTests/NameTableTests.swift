import EventModel
import Testing
import TestSupport

@Suite("Numbers of names") struct NameTableTests {
  @Test func `every name has one number, whatever was asked between`() {
    var random = SeededRandom(seed: 71)
    var table = NameTable()
    var expected: [String: UInt32] = ["": 0]
    // Few letters in few places, so that names share their ends, and each other's places.
    for _ in 0..<20_000 {
      let length = Int.random(in: 0..<40, using: &random)
      var name = Array(repeating: UInt8(ascii: "a"), count: length)
      for _ in 0..<2 where length > 0 {
        name[Int.random(in: 0..<length, using: &random)] = UInt8(ascii: random.oneIn(2) ? "b" : "c")
      }
      let text = String(decoding: name, as: UTF8.self)
      let number = table.intern(name)
      #expect(table[number] == text)
      #expect(expected[text, default: number] == number)
      expected[text] = number
    }
    #expect(table.names.count == expected.count)
  }

  @Test func `records name what their events do`() throws {
    var random = SeededRandom(seed: 72)
    var table = NameTable()
    // Few letters and lengths: names that share their ends, the longest that there are, and none.
    func name() -> String {
      let length = random.oneIn(4) ? 0 : random.oneIn(100) ? 8_192 : Int.random(in: 1..<14, using: &random)
      return String((0..<length).map { _ in random.oneIn(20) ? "b" : "a" })
    }
    for number in 0..<2_000 {
      let event = TestEvent(
        "e\(number)", stream: name(), type: "t" + name().dropFirst(), service: name(), handler: name(),
        schemaVersion: name())
      var batch = EventBatch()
      event.append(to: &batch)
      let record = batch.withEvent(at: 0) { TraceRecord($0, source: 0, names: &table) }
      let named = [record.stream, record.type, record.service, record.handler, record.schemaVersion].map { table[$0] }
      try #require(named == [event.stream, event.type, event.service, event.handler, event.schemaVersion])
    }
    #expect(Set(table.names).count == table.count)
  }

  @Test func `names differ by length, by a byte in the middle, and by NUL bytes`() {
    let names = [
      "\0", "\0\0", "a", "a\0", "\0a", "12345678", "123456780", "0123456789abcdef", "0123456789abcdeg",
      "01234567-89abcdef", "01234567+89abcdef",
    ]
    var table = NameTable()
    for _ in 1...2 { for (index, name) in names.enumerated() { #expect(table.intern(name) == UInt32(index + 1)) } }
    #expect(table.intern("") == 0)
  }
}
