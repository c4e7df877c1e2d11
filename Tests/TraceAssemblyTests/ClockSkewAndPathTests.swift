import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: mark clock skew") struct MarkClockSkewTests {
  @Test func `an effect that is older than its cause is marked, and its time kept`() {
    let tree = tree(
      "T",
      [
        TestEvent("a", trace: "T", at: 100), TestEvent("b", trace: "T", cause: "a", at: 99),
        TestEvent("c", trace: "T", cause: "b", at: 99), TestEvent("d", trace: "T", cause: "c", at: 500),
      ])
    #expect(["a", "b", "c", "d"].map { tree.codes($0) } == [[], [.clockSkew], [], []])
    #expect(tree.reactionLatency(at: tree.place("b")) == -1_000_000)
    #expect(tree.warnings(at: tree.place("b"))[0].message.contains("0.001 s before its cause"))
    #expect(tree.record(at: tree.place("b")).created == TestEvent.epoch.advanced(byNanoseconds: 99_000_000))
  }
}

@Suite("Pass: critical path") struct CriticalPathTests {
  @Test func `it leads from a top to the event created last`() {
    let tree = tree(
      "T",
      [
        TestEvent("a", trace: "T"), TestEvent("b", trace: "T", cause: "a", at: 10),
        TestEvent("c", trace: "T", cause: "a", at: 20), TestEvent("d", trace: "T", cause: "b", at: 90),
        TestEvent("e", trace: "T", cause: "c", at: 90), TestEvent("f", trace: "T", at: 80),
      ])
    #expect(tree.criticalPath.map { tree.record(at: $0).id.description } == ["a", "b", "d"])
  }
}
