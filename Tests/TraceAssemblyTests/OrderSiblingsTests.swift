import EventModel
import TestSupport
import Testing
import TraceAssembly

@Suite("Pass: order siblings") struct OrderSiblingsTests {
  @Test func `tops and siblings stand by ordinal, whatever their times`() {
    let tree = tree(
      "T",
      [
        TestEvent("c", trace: "T", cause: "b", at: 90), TestEvent("z", trace: "T", at: 80),
        TestEvent("b", trace: "T", at: 70), TestEvent("a", trace: "T", cause: "b", at: 10),
        TestEvent("y", trace: "T", cause: "z", at: 5),
      ])
    #expect(tree.outline == ["z", " y", "b", " c", " a"])
    #expect(tree.tops == [0, 2])
    #expect(tree.children(at: 2) == [3, 4])
  }

  @Test func `a chain of 20,000 and a fan-out of 100,000 take no stack`() {
    let chain = (0..<20_000).map { TestEvent("e\($0)", trace: "T", cause: $0 == 19_999 ? nil : "e\($0 + 1)") }
    let deep = tree("T", chain)
    #expect(deep.figures == [1, 19_999, 0, 20_000])
    #expect(deep.depth(at: 19_999) == 20_000 && deep.criticalPath.count == 20_000)

    let fan =
      [TestEvent("root", trace: "T")] + (1...100_000).map { TestEvent("e\($0)", trace: "T", cause: "root", at: 1) }
    let wide = tree("T", fan)
    #expect(wide.figures == [1, 100_000, 0, 2])
    #expect(wide.children(at: 0).count == 100_000)
  }
}
