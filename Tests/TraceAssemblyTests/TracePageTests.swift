import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pages and folds of a trace") struct TracePageTests {
  private static func forest(_ seed: UInt64, count: Int = 300) -> [TestEvent] {
    var random = SeededRandom(seed: seed)
    return (0..<count).map { number in
      TestEvent(
        "e\(number)", trace: "T",
        cause: number == 0 || random.oneIn(20) ? nil : "e\(Int.random(in: 0..<number, using: &random) / 4)",
        type: "t\(Int.random(in: 0..<3, using: &random))", at: Int64.random(in: 0..<1000, using: &random),
        failure: random.oneIn(5) ? .metadata : .none)
    }
  }

  private static func walk(_ rows: TraceRows, _ range: Range<Int>, limit: Int) throws -> [TraceRow] {
    var all: [TraceRow] = []
    var cursor: TraceCursor?
    repeat {
      let page = try #require(rows.page(in: range, after: cursor, limit: limit))
      #expect(page.rows.count <= limit)
      all += page.rows
      // As a client would: through the text.
      cursor = try page.next.map { try #require(TraceCursor($0.text)) }
    } while cursor != nil
    return all
  }

  @Test(arguments: [1, 2, 7, 299, 300, 301, 1000])
  func `pages of any size give the whole tree`(limit: Int) throws {
    let tree = tree("T", Self.forest(3))
    #expect(try Self.walk(TraceRows(tree), tree.places, limit: limit) == tree.places.map { .event($0) })
    let part = tree.subtree(at: tree.children(at: 0)[0])
    #expect(try Self.walk(TraceRows(tree), part, limit: limit) == part.map { .event($0) })
  }

  @Test func `a cursor stays good while events arrive`() throws {
    var random = SeededRandom(seed: 9)
    let events = Self.forest(5, count: 120)
    var shown: [Int64] = []
    var cursor: TraceCursor?
    var arrived = 40
    repeat {
      let tree = tree("T", Array(events[..<arrived]))
      let page = try #require(TraceRows(tree).page(in: tree.places, after: cursor, limit: 9))
      for row in page.rows {
        if case .event(let place) = row { shown.append(tree.record(at: place).ordinal) }
      }
      cursor = page.next
      arrived = min(events.count, arrived + Int.random(in: 0...20, using: &random))
    } while cursor != nil
    #expect(Set(shown).count == shown.count)
    #expect(shown.count >= 40)
  }

  @Test func `a cursor of something else is refused`() {
    let tree = tree("T", Self.forest(4, count: 30))
    let rows = TraceRows(tree)
    #expect(rows.page(in: tree.places, after: TraceCursor(lastOrdinal: 31), limit: 5) == nil)
    let part = tree.subtree(at: tree.children(at: 0)[0])
    #expect(rows.page(in: part, after: TraceCursor(lastOrdinal: tree.record(at: 0).ordinal), limit: 5) == nil)
    for text in ["", "t1-", "t1-x", "t2-5", "t1--5", "5"] { #expect(TraceCursor(text) == nil, "\(text)") }
  }

  @Test func `many siblings of one type are folded, with the figures of all`() throws {
    let effects: [TestEvent] = (1...1000).map { number in
      let type = number % 10 == 0 ? "Rare" : "Often"
      let failure: FailureKind = number % 4 == 0 ? .metadata : .none
      return TestEvent("e\(number)", trace: "T", cause: "root", type: type, at: Int64(number), failure: failure)
    }
    let below = TestEvent("below", trace: "T", cause: "e500", type: "Often", at: 2000)
    let tree = tree("T", [TestEvent("root", trace: "T")] + effects + [below])
    let rows = try Self.walk(TraceRows(tree, fold: FoldRule(above: 100, shown: 3)), tree.places, limit: 4)
    // The root, three of one type and their fold, all hundred of the other, the effect below one of these.
    #expect(rows.count == 1 + 3 + 1 + 100 + 1)
    let folds = rows.compactMap { row -> SiblingFold? in
      if case .fold(let fold) = row { return fold }
      return nil
    }
    let fold = try #require(folds.first)
    #expect(folds.count == 1 && fold.count == 900 && fold.foldedCount == 897 && fold.parent == 0 && fold.depth == 2)
    #expect(tree.contents.names[fold.type] == "Often")
    let often = effects.filter { $0.type == "Often" }
    let exact: [Int64] = often.map { $0.created.since(TestEvent.epoch) }.sorted()
    #expect(fold.minimum == exact[0] && fold.maximum == exact[899])
    #expect([fold.p50, fold.p90, fold.p99] == [exact[449], exact[809], exact[890]])
    #expect(fold.failureCount == often.count { $0.failure != .none })
    #expect(rows.firstIndex(of: .fold(fold)) == 4)
  }

  @Test func `pages of folded rows give the same rows, whatever their size`() throws {
    for seed in UInt64(1)...8 {
      let tree = tree("T", Self.forest(seed))
      let rows = TraceRows(tree, fold: FoldRule(above: 3, shown: 1))
      let whole = try Self.walk(rows, tree.places, limit: 10_000)
      for limit in [1, 2, 5, 50] { #expect(try Self.walk(rows, tree.places, limit: limit) == whole, "seed \(seed)") }
      #expect(whole.count < tree.count)
      // What a fold hides can be asked for by itself.
      for case .fold(let fold) in whole {
        let hidden = tree.subtree(at: fold.firstFolded)
        #expect(try Self.walk(rows, hidden, limit: 3).first == .event(fold.firstFolded), "seed \(seed)")
      }
    }
  }
}
