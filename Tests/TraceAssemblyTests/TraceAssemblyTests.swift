import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Trace tree") struct TraceTreeTests {
  private static let shop = [
    TestEvent("placed", trace: "T", type: "OrderPlaced", at: 0),
    TestEvent("paid", trace: "T", cause: "placed", type: "OrderPaid", at: 30),
    TestEvent("packed", trace: "T", cause: "paid", type: "Packed", at: 70),
    TestEvent("mailed", trace: "T", cause: "placed", type: "Mailed", at: 50, failure: .metadata),
    TestEvent("shipped", trace: "T", cause: "packed", type: "Shipped", at: 90),
  ]

  @Test func `events stand depth first, siblings in the order of storing`() {
    let tree = tree("T", Self.shop)
    #expect(tree.outline == ["placed", " paid", "  packed", "   shipped", " mailed"])
    #expect(tree.places.map { tree.parent(at: $0) } == [nil, 0, 1, 2, 0])
    #expect(tree.places.map { tree.reactionLatency(at: $0) } == [nil, 30_000_000, 40_000_000, 20_000_000, 50_000_000])
    #expect(tree.places.map { tree.causeKind(at: $0) } == [.root, .event, .event, .event, .event])
    #expect(tree.children(at: 0) == [1, 4])
    #expect(tree.tops == [0])
    #expect(tree.subtree(of: identifier("paid")) == 1..<4)
    #expect(tree.subtree(of: identifier("unknown")) == nil)
    #expect(tree.place(ofOrdinal: 4) == 4)
    #expect(tree.place(ofOrdinal: 6) == nil)
  }

  @Test func `the summary counts every event once`() {
    let summary = tree("T", Self.shop).summary
    #expect(summary == TraceSummary(of: contents("T", Self.shop)))
    #expect(summary.eventCount == 5)
    #expect(tree("T", Self.shop).figures == [1, 4, 0, 4])
    #expect(summary.failureCount == 1)
    #expect(summary.durationNanoseconds == 90_000_000)
    #expect(summary.firstEventAt == TestEvent.epoch)
  }

  @Test func `the tree does not depend on the order of arrival, but for siblings`() {
    for order in permutations(of: Self.shop) {
      let tree = tree("T", order)
      #expect(tree.figures == [1, 4, 0, 4])
      #expect(tree.parent(at: tree.place("shipped")) == tree.place("packed"))
      #expect(tree.criticalPath.map { tree.record(at: $0).id.description } == ["placed", "paid", "packed", "shipped"])
      for place in tree.places { #expect(tree.parent(at: place) ?? -1 < place) }
    }
  }

  @Test func `a trace without events is a tree without events`() {
    let tree = tree("T", [])
    #expect(tree.count == 0 && tree.tops.isEmpty && tree.criticalPath.isEmpty)
    #expect(tree.figures == [0, 0, 0, 0])
    #expect(tree.summary.firstEventAt == nil && tree.summary.durationNanoseconds == 0)
    #expect(TraceRows(tree).page(in: tree.places, limit: 10)?.rows == [])
  }

  @Test func `what a store may lack is said of the whole trace`() {
    let parts: [MissingPart] = [.damagedSegment(name: "7-9.seg"), .droppedByRetention(ordinals: 1...500)]
    let tree = TraceTree.assemble(contents("T", Self.shop, missing: parts))
    #expect(tree.warnings.map(\.code) == [.damagedSegment, .droppedByRetention])
    #expect(tree.summary.missing == parts)
    #expect(tree.warnings[0].message.contains("7-9.seg"))
  }

  @Test func `times at the bounds never wrap`() {
    let tree = tree(
      "T",
      [
        TestEvent("a", trace: "T", created: Timestamp(nanoseconds: .min)),
        TestEvent("b", trace: "T", cause: "a", created: Timestamp(nanoseconds: .max)),
        TestEvent("c", trace: "T", cause: "b", created: Timestamp(nanoseconds: .min)),
      ])
    #expect(tree.reactionLatency(at: tree.place("b")) == .max)
    #expect(tree.reactionLatency(at: tree.place("c")) == .min)
    #expect(tree.codes("c") == [.clockSkew])
    #expect(tree.warnings(at: tree.place("c"))[0].message.contains("9223372036.85477"))
    #expect(tree.summary.durationNanoseconds == .max)
  }

  @Test func `random trees agree with a naive assembly`() {
    for seed in UInt64(1)...30 {
      var random = SeededRandom(seed: seed)
      let count = 60
      let events = (0..<count).map { number in
        let cause: String? = random.oneIn(8) ? nil : "e\(Int.random(in: 0..<(count + 6), using: &random))"
        return TestEvent("e\(number)", trace: "T", cause: cause, at: Int64.random(in: 0...500, using: &random))
      }
      let tree = tree("T", events)
      #expect(tree.count == count, "seed \(seed)")
      let sum = tree.summary.rootCount + tree.summary.edgeCount + tree.summary.orphanCount
      let cut = tree.places.count { tree.causeKind(at: $0) == .event && tree.parent(at: $0) == nil }
      #expect(sum + cut == count, "seed \(seed)")
      for place in tree.places {
        let record = tree.record(at: place)
        if let parent = tree.parent(at: place) {
          #expect(tree.record(at: parent).id == record.cause, "seed \(seed)")
          #expect(tree.depth(at: place) == tree.depth(at: parent) + 1, "seed \(seed)")
          #expect(tree.subtree(at: parent).contains(place), "seed \(seed)")
        } else {
          #expect(tree.depth(at: place) == 1, "seed \(seed)")
        }
      }
      #expect(Set(tree.places.map { tree.record(at: $0).id }).count == count, "seed \(seed)")
      let walked = tree.tops.flatMap { tree.subtree(at: $0) }
      #expect(walked == Array(tree.places), "seed \(seed)")
    }
  }
}
