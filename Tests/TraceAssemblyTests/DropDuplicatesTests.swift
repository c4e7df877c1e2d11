import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: drop duplicates") struct DropDuplicatesTests {
  @Test func `the first stored event of an id counts`() {
    let tree = tree(
      "T",
      [
        TestEvent("a", trace: "T", stream: "s-1", at: 5), TestEvent("a", trace: "T", stream: "s-2", at: 5),
        TestEvent("b", trace: "T", cause: "a", at: 9), TestEvent("a", trace: "T", stream: "s-3", at: 5),
      ])
    #expect(tree.outline == ["a", " b"])
    #expect(tree.record(at: 0).ordinal == 1)
    #expect(tree.codes("a") == [.duplicate])
    #expect(tree.warnings(at: 0)[0].message.contains("event 2 in stream s-2 of source default, and 1 more"))
    #expect(tree.summary.eventCount == 2)
    #expect(tree.place(ofOrdinal: 2) == nil)
  }

  @Test(arguments: [
    TestEvent("a", trace: "T", stream: "s-2", at: 1), TestEvent("a", trace: "T", cause: "x", stream: "s-2"),
    TestEvent("a", trace: "T", stream: "s-2", type: "Other"), TestEvent("a", trace: "T", stream: "s-2", service: "s"),
    TestEvent("a", trace: "T", stream: "s-2", handler: "h"),
    TestEvent("a", trace: "T", stream: "s-2", failure: .metadata),
    TestEvent("a", trace: "T", stream: "s-2", schemaVersion: "2"),
  ])
  func `another field makes a conflict`(_ other: TestEvent) {
    let tree = tree("T", [TestEvent("a", trace: "T", stream: "s-1"), other])
    #expect(tree.codes("a") == [.conflict])
    #expect(tree.summary.eventCount == 1 && tree.summary.rootCount == 1 && tree.summary.failureCount == 0)
  }

  @Test func `where it is stored makes no conflict`() {
    let events = [
      TestEvent("a", trace: "T", stream: "s-1", position: 1, revision: 1),
      TestEvent("a", trace: "T", stream: "s-1", position: 9, revision: 2),
    ]
    let tree = TraceTree.assemble(contents("T", events, source: { "source \($0)" }))
    #expect(tree.codes("a") == [.duplicate])
    #expect(tree.warnings(at: 0)[0].message.contains("of source source 1"))
  }
}
