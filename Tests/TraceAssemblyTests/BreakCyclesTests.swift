import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: break cycles") struct BreakCyclesTests {
  @Test func `a cycle of two is cut above the effect of the later one`() {
    let tree = tree("T", [TestEvent("a", trace: "T", cause: "b"), TestEvent("b", trace: "T", cause: "a")])
    #expect(tree.outline == ["a", " b"])
    // Neither root nor orphan.
    #expect(tree.figures == [0, 1, 0, 2])
    #expect(tree.codes("a") == [.cycle, .cycle])
    #expect(tree.codes("b") == [.cycle])
    #expect(tree.causeKind(at: 0) == .event)
    #expect(tree.warningCounts == [.cycle: 2])
  }

  @Test func `a cycle of three with a tail leaves a healthy tree beside it alone`() {
    let tree = tree(
      "T",
      [
        TestEvent("root", trace: "T"), TestEvent("leaf", trace: "T", cause: "root"),
        TestEvent("a", trace: "T", cause: "c"), TestEvent("b", trace: "T", cause: "a"),
        TestEvent("c", trace: "T", cause: "b"), TestEvent("tail", trace: "T", cause: "c"),
      ])
    #expect(tree.outline == ["root", " leaf", "a", " b", "  c", "   tail"])
    #expect(tree.figures == [1, 4, 0, 4])
    #expect(tree.codes("tail").isEmpty && tree.codes("leaf").isEmpty)
    #expect(tree.summary.eventCount == 6)
  }

  @Test func `several cycles are cut apart, and a long one fast`() {
    let count = 20_000
    let events = (0..<count).map { TestEvent("e\($0)", trace: "T", cause: "e\(($0 + 1) % count)") }
    let long = tree("T", events)
    #expect(long.figures == [0, count - 1, 0, count])
    #expect(long.record(at: 0).id == identifier("e\(count - 2)"))

    let pairs = (0..<100).map { TestEvent("e\($0)", trace: "T", cause: "e\($0 ^ 1)") }
    #expect(tree("T", pairs).figures == [0, 50, 0, 2])
  }
}
