import EventModel
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// What keeps the cost of an append bounded whatever the ids are, and finds events that come behind a root marker.
@Suite("Segment store: the hot index") struct HotIndexTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("store") }

  private func open() throws -> SegmentStore {
    var options = StoreOptions()
    options.durability = .process
    options.retention.freeDiskBytes = 0
    return try SegmentStore.open(directory: directory.path, options: options)
  }

  private func append(_ events: [TestEvent], to store: SegmentStore) throws -> [AppendOutcome] {
    try stride(from: 0, to: events.count, by: 1_000).map { start in
      let batch = SourceBatch(Array(events[start..<min(start + 1_000, events.count)]), source: "s")
      return try store.append([batch])[0]
    }
  }

  /// Each look at all events of the id would make this last for minutes.
  @Test(arguments: [true, false])
  func `one id in 50,000 streams is stored once for each, hot and sealed`(inOneTrace: Bool) throws {
    let store = try open()
    func events(_ numbers: Range<Int>) -> [TestEvent] {
      numbers.map { TestEvent("same", trace: inOneTrace ? "t" : "t\($0)", stream: "order-\($0)", at: Int64($0)) }
    }
    let first = try append(events(0..<50_000), to: store)
    #expect(first.allSatisfy { $0.accepted.count == 1_000 })
    let counting = first.flatMap(\.accepted).filter { $0.causeState == .root }.count
    #expect(counting == (inOneTrace ? 1 : 50_000))
    let again = try append(events(20_000..<25_000), to: store)
    #expect(again.allSatisfy { $0.duplicateCount == 1_000 })
    try store.seal()
    let sealed = try append(events(0..<50_000), to: store)
    #expect(sealed.allSatisfy { $0.duplicateCount == 1_000 })
    var changed = events(7..<8)
    changed[0].type = "OrderChanged"
    #expect(try append(changed, to: store)[0].conflictCount == 1)
    let more = try append(events(50_000..<52_000), to: store)
    #expect(more.allSatisfy { $0.accepted.count == 1_000 })
    #expect(more.flatMap(\.accepted).filter { $0.causeState == .root }.count == (inOneTrace ? 0 : 2_000))
    store.close()
  }

  @Test(arguments: [false, true], [false, true])
  func `an event behind a root marker gets its edges when it comes`(seal: Bool, reopen: Bool) throws {
    var store = try open()
    _ = try append(
      [
        TestEvent("a", trace: "t", cause: "t", at: 1), TestEvent("b", trace: "t", cause: "a", at: 2),
        TestEvent("c", trace: "t", cause: "t", at: 3),
      ], to: store)
    #expect(try store.statistics().unresolvedCount == 0)
    if seal { try store.seal() }
    if reopen {
      store.close()
      store = try open()
    }
    let outcome = try append([TestEvent("t", trace: "t", at: 0)], to: store)[0]
    #expect(outcome.edges.map { [$0.childOrdinal, $0.causeOrdinal] } == [[1, 4], [3, 4]])
    #expect(try store.handlerStatistics(in: .all).map(\.count) == [3])
    store.close()
    store = try open()
    #expect(try store.handlerStatistics(in: .all).map(\.count) == [3])
    #expect(try append([TestEvent("t", trace: "t", stream: "other", at: 9)], to: store)[0].edges.isEmpty)
    store.close()
  }

  /// Every second link first: each of the others joins two parts, the upper one ever longer.
  @Test func `a chain of 40,000 whose links come every second one first is linked in little time`() throws {
    let store = try open()
    func link(_ number: Int) -> TestEvent {
      TestEvent("e\(number)", trace: "t", cause: number == 0 ? nil : "e\(number - 1)", at: Int64(number))
    }
    _ = try append(stride(from: 0, to: 40_000, by: 2).map(link), to: store)
    let outcomes = try append(stride(from: 1, to: 40_000, by: 2).map(link), to: store)
    #expect(outcomes.reduce(0) { $0 + $1.edges.count } == 39_999)
    #expect(outcomes.flatMap(\.accepted).allSatisfy { $0.causeState == .resolved })
    store.close()
  }

  @Test func `numbers are spread over the whole table of slots`() {
    var slots = TagSlots()
    defer { slots.free() }
    let hash = HotHash.ofProcess
    func key(_ number: UInt32) -> UInt64 { hash.key(IdentifierKey(high: 1, low: UInt64(number))) }
    for number in 0..<UInt32(200_000) { slots.insert(key(number), number, hashOf: key) }
    for number in 0..<UInt32(200_000) { #expect(slots.find(key(number)) { $0 == number } == number) }
    #expect(slots.find(key(200_001)) { key($0) == key(200_001) } == nil)
  }

  /// Hashes of a few homes, many at the last lines of the table, and of few tags: long rows of slots that go on at the
  /// beginning, and many numbers under the tag of another.
  @Test func `numbers that crowd at the end of the table are found, and no others`() {
    for count in [10, 63, 64, 127, 500, 1_000] as [UInt32] {
      var random = SeededRandom(seed: UInt64(count))
      let hashes = (0..<count + 200).map { _ in
        UInt64.random(in: 0xf000_0000...0xffff_ffff, using: &random) << 32 | [0, 7, 0xff].randomElement(using: &random)!
          << 24
      }
      var slots = TagSlots()
      defer { slots.free() }
      for number in 0..<count { slots.insert(hashes[Int(number)], number) { hashes[Int($0)] } }
      for number in 0..<count + 200 {
        let search = slots.search(hashes[Int(number)]) { $0 == number }
        #expect(search.found == (number < count ? number : nil))
        if number < count { continue }
        // Where the search ended is where it is found from now on.
        if slots.isFull { break }
        slots.insert(hashes[Int(number)], number, at: search.end)
        #expect(slots.find(hashes[Int(number)]) { $0 == number } == number)
      }
    }
  }

  @Test func `an empty slot is no number, whatever the tag`() {
    var slots = TagSlots()
    defer { slots.free() }
    for tag: UInt64 in [0, 0xff] {
      #expect(slots.find(tag << 24) { _ in true } == nil)
      slots.insert(tag << 24, 5) { _ in tag << 24 }
      var asked: [UInt32] = []
      _ = slots.search(tag << 24) {
        asked.append($0)
        return false
      }
      #expect(asked == [5])
    }
  }

  @Test func `names are the same only if every byte is`() {
    for count in 0...40 {
      let name = (0..<count).map { UInt8($0 * 5) }
      for start in [0, 3] {
        let all = [UInt8](repeating: 0xee, count: start) + name
        func isSame(_ part: [UInt8]) -> Bool {
          unsafe part.withUnsafeBytes { part in unsafe all.withUnsafeBytes { unsafe sameBytes(part, $0, start) } }
        }
        #expect(isSame(name))
        for place in name.indices {
          var other = name
          other[place] ^= 0x10
          #expect(!isSame(other), "byte \(place) of \(count)")
        }
      }
    }
  }

  @Test func `an event costs less than 70 bytes of memory`() throws {
    let store = try open()
    let events = (0..<20_000).map { number in
      TestEvent(
        "00000000-0000-4000-8000-\(String(1_000_000_000_000 + number).suffix(12))",
        trace: "00000000-0000-4000-9000-\(String(1_000_000_000_000 + number / 13).suffix(12))",
        stream: "order-\(number / 3)", at: Int64(number))
    }
    _ = try append(events, to: store)
    #expect(store.counters.hotIndexBytes < 20_000 * 70)
    store.close()
  }
}
