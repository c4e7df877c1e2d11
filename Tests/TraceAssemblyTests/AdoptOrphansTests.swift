import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: adopt orphans") struct AdoptOrphansTests {
  private let events = [
    TestEvent("a", trace: "T", cause: "x"), TestEvent("b", trace: "T", cause: "y"),
    TestEvent("c", trace: "T", cause: "z"),
    TestEvent("d", trace: "T", cause: "a"), TestEvent("e", trace: "T", cause: "00f067aa0ba902b7"),
    TestEvent("f", trace: "T", cause: "T"),
  ]

  @Test func `a cause in another trace is named, one that is nowhere is awaited`() {
    let elsewhere: [Identifier: Identifier?] = [identifier("x"): identifier("U"), identifier("y"): nil]
    let tree = tree("T", events, elsewhere: elsewhere)
    #expect(tree.outline == ["a", " d", "b", "c", "e", "f"])
    #expect(tree.codes("a") == [.causeInOtherTrace] && tree.causeKind(at: tree.place("a")) == .event)
    #expect(tree.warnings(at: tree.place("a"))[0].message.hasSuffix("another trace: U"))
    #expect(tree.codes("b") == [.causeInOtherTrace])
    #expect(tree.warnings(at: tree.place("b"))[0].message.hasSuffix("in no trace"))
    #expect(tree.codes("c") == [.orphan] && tree.causeKind(at: tree.place("c")) == .unknown)
    #expect(tree.codes("e").isEmpty)
  }

  @Test func `what is known elsewhere changes no figure`() {
    let known = tree("T", events, elsewhere: [identifier("x"): identifier("U")])
    #expect(known.summary == tree("T", events).summary)
    #expect(known.figures == [1, 1, 4, 2])
  }

  @Test func `the causes to look for are those outside of the trace`() {
    func asked(_ events: [TestEvent], atMost: Int = 10) -> [Identifier]? {
      var asked: [Identifier]?
      _ = TraceTree.assemble(contents("T", events), causesMax: atMost) { causes in
        asked = causes
        return [:]
      }
      return asked
    }
    #expect(asked(events) == ["x", "y", "z"].map(identifier))
    #expect(asked(events, atMost: 2) == ["x", "y"].map(identifier))
    // Each once, and not for what is shown nowhere.
    let more = [TestEvent("w", trace: "T", cause: "y"), TestEvent("a", trace: "T", cause: "q")]
    #expect(asked(events + more) == ["x", "y", "z"].map(identifier))
    // Nobody is asked for nothing.
    #expect(asked([TestEvent("a", trace: "T"), TestEvent("b", trace: "T", cause: "a")]) == nil)
  }
}
