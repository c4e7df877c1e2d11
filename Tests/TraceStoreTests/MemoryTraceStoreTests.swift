import EventModel
import TestSupport
import Testing
import TraceStore

@Suite("Memory store") struct MemoryTraceStoreTests {
  @Test(arguments: StoreConformance.cases)
  func `it keeps the contract of a store`(_ each: StoreConformance.Case) throws {
    try each.run { MemoryTraceStore() }
  }

  @Test func `readers and the writer may use it at once`() throws {
    let store = MemoryTraceStore()
    let readers = (0..<3).map { number in
      Reader(store, trace: "T\(number)")
    }
    for batch in 0..<100 {
      let events = (0..<10).map { TestEvent("e\(batch)-\($0)", trace: "T\($0 % 3)", cause: "e\(batch - 1)-\($0)") }
      _ = try store.append([SourceBatch(events)])
    }
    for reader in readers { #expect(reader.join()) }
    #expect(store.lastOrdinal == 1000)
  }

  @Test func `a hundred thousand events are held in reasonable time`() throws {
    let store = MemoryTraceStore()
    var edges = 0
    for start in stride(from: 0, to: 100_000, by: 1000) {
      let events = (start..<start + 1000).map { number in
        TestEvent(
          "e\(number)", trace: "T\(number / 100)", cause: number % 100 == 0 ? nil : "e\(number - 1 - number % 3 % 2)",
          type: "t\(number % 10)", at: Int64(number), handler: "h")
      }
      edges += try store.append([SourceBatch(events)]).reduce(0) { $0 + $1.edges.count }
    }
    #expect(edges > 98_000)
    #expect(try store.statistics().traceCount == 1000)
    #expect(try store.handlerStatistics(in: .all).reduce(0) { $0 + $1.count } == edges)
  }
}
