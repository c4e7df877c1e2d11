import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: phantom causes") struct PhantomCausesTests {
  @Test func `events that share a cause stored nowhere were caused by a command`() {
    let tree = tree(
      "T",
      [
        TestEvent("a", trace: "T", cause: "command"), TestEvent("lonely", trace: "T", cause: "gone"),
        TestEvent("b", trace: "T", cause: "command"), TestEvent("c", trace: "T", cause: "a"),
        TestEvent("d", trace: "T", cause: "other"), TestEvent("e", trace: "T", cause: "other"),
      ])
    #expect(tree.phantoms.map(\.id) == [identifier("command"), identifier("other")])
    #expect(tree.phantoms[0].children == [tree.place("a"), tree.place("b")])
    #expect(tree.causeKind(at: tree.place("a")) == .command && tree.codes("a").isEmpty)
    #expect(tree.causeKind(at: tree.place("lonely")) == .unknown && tree.codes("lonely") == [.orphan])
    // No edge is invented between the siblings, and they stay orphans in the figures.
    #expect(tree.figures == [0, 1, 5, 2])
  }

  @Test func `a cause that is stored elsewhere is no phantom`() {
    let events = [TestEvent("a", trace: "T", cause: "x"), TestEvent("b", trace: "T", cause: "x")]
    let tree = tree("T", events, elsewhere: [identifier("x"): identifier("U")])
    #expect(tree.phantoms.isEmpty)
    #expect(tree.codes("a") == [.causeInOtherTrace] && tree.codes("b") == [.causeInOtherTrace])
  }
}
