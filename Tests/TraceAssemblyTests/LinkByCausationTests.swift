import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: link by causation") struct LinkByCausationTests {
  struct Situation: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var events: [TestEvent]
    /// Kind of the event `x`, and roots, edges, orphans, depth of the trace.
    var kind: CauseKind
    var figures: [Int]
    var codes: [TraceWarning.Code] = []
  }

  @Test(arguments: [
    Situation(
      testDescription: "no cause", events: [TestEvent("x", trace: "T")], kind: .root, figures: [1, 0, 0, 1]),
    Situation(
      testDescription: "cause stored before",
      events: [TestEvent("a", trace: "T"), TestEvent("x", trace: "T", cause: "a")],
      kind: .event, figures: [1, 1, 0, 2]),
    Situation(
      testDescription: "cause stored after",
      events: [TestEvent("x", trace: "T", cause: "a"), TestEvent("a", trace: "T")],
      kind: .event, figures: [1, 1, 0, 2]),
    Situation(
      testDescription: "the correlation id", events: [TestEvent("x", trace: "T", cause: "T")], kind: .root,
      figures: [1, 0, 0, 1]),
    Situation(
      testDescription: "the correlation id, which is an event",
      events: [TestEvent("x", trace: "T", cause: "T"), TestEvent("T", trace: "T")], kind: .event, figures: [1, 1, 0, 2]),
    Situation(
      testDescription: "its own id", events: [TestEvent("x", trace: "T", cause: "x")], kind: .root,
      figures: [1, 0, 0, 1], codes: [.selfCause]),
    Situation(
      testDescription: "its own id, which is the correlation id", events: [TestEvent("x", trace: "x", cause: "x")],
      kind: .root, figures: [1, 0, 0, 1]),
    Situation(
      testDescription: "a span id", events: [TestEvent("x", trace: "T", cause: "00f067aa0ba902b7")], kind: .span,
      figures: [0, 0, 1, 1]),
    Situation(
      testDescription: "nothing known", events: [TestEvent("x", trace: "T", cause: "gone")], kind: .unknown,
      figures: [0, 0, 1, 1], codes: [.orphan]),
  ])
  func `the kind of a cause`(_ situation: Situation) {
    let trace = situation.events[0].correlation ?? ""
    let tree = tree(trace, situation.events)
    #expect(tree.causeKind(at: tree.place("x")) == situation.kind)
    #expect(tree.figures == situation.figures)
    #expect(tree.codes("x") == situation.codes)
    #expect(TraceSummary(of: contents(trace, situation.events)) == tree.summary)
  }

  @Test func `ids of any form are found`() {
    let ids = ["6a1e5c2b-7d44-4e0a-9c11-0123456789ab", "0", "ü 🧶", String(repeating: "x", count: 256)]
    let events = ids.indices.map { TestEvent(ids[$0], trace: "T", cause: $0 == 0 ? nil : ids[$0 - 1]) }
    #expect(tree("T", events).figures == [1, 3, 0, 4])
  }
}
