import EventModel
import Ingest
import Platform
import TestSupport
import Testing
import TraceStore

@Suite("Live events") struct TailTests {
  private func soon() -> Instant { Instant.now.advanced(bySeconds: 10) }

  @Test func `readers get the stored events they want, with their trace`() throws {
    let bench = try Bench()
    let reader = try #require(bench.pipeline.tail.subscribe(payload: true) { $0.type == "Billed" })
    _ = try bench.pipeline.submit(
      SourceBatch([
        TestEvent("a", trace: "t"), TestEvent("b", cause: "a", type: "Billed", data: "{}"),
        TestEvent("x", type: "Billed"),
      ]))
    let items = try #require(reader.next(until: soon()))
    let events = items.compactMap { item -> StoredEvent? in if case .event(let event) = item { event } else { nil } }
    #expect(events.map(\.ordinal) == [2, 3])
    #expect(events[0].correlation == Identifier("t"))
    #expect(events[0].data?.bytes == Array("{}".utf8))
    #expect(events[1].correlation == nil)
  }

  @Test func `a slow reader loses events, is told how many, and holds up nobody`() throws {
    let bench = try Bench()
    let slow = try #require(bench.pipeline.tail.subscribe(queueMax: 3) { _ in true })
    for index in 0..<10 { _ = try bench.pipeline.submit(SourceBatch([TestEvent("e\(index)", trace: "t")])) }
    func shown(_ items: [TailItem]?) -> [String] {
      (items ?? []).map { item in
        switch item {
        case .event(let event): event.id.description
        case .lost(let count): "lost \(count)"
        }
      }
    }
    #expect(shown(slow.next(limit: 2, until: soon())) == ["e0", "e1"])
    _ = try bench.pipeline.submit(SourceBatch([TestEvent("after", trace: "t")]))
    #expect(shown(slow.next(until: soon())) == ["e2", "lost 7", "after"])
    for index in 0..<5 { _ = try bench.pipeline.submit(SourceBatch([TestEvent("f\(index)", trace: "t")])) }
    #expect(shown(slow.next(until: soon())) == ["f0", "f1", "f2", "lost 2"])
    #expect(bench.page()["clew_tail_dropped_events_total"] == 9)
  }

  @Test func `waiting ends at the deadline, and for good with a cancel or the stop`() throws {
    let bench = try Bench()
    let reader = try #require(bench.pipeline.tail.subscribe { _ in true })
    let other = try #require(bench.pipeline.tail.subscribe { _ in true })
    #expect(bench.page()["clew_tail_subscribers"] == 2)
    #expect(reader.next(until: Instant.now.advanced(bySeconds: 0.01))?.isEmpty == true)
    reader.cancel()
    #expect(reader.next(until: soon()) == nil)
    #expect(bench.page()["clew_tail_subscribers"] == 1)
    bench.pipeline.stop()
    #expect(other.next(until: soon()) == nil)
    #expect(bench.pipeline.tail.subscribe { _ in true } == nil)
  }

  @Test func `there are only so many readers`() throws {
    let bench = try Bench { $0.tailSubscribersMax = 2 }
    let readers = (0..<2).compactMap { _ in bench.pipeline.tail.subscribe { _ in true } }
    #expect(readers.count == 2)
    #expect(bench.pipeline.tail.subscribe { _ in true } == nil)
    readers[0].cancel()
    #expect(bench.pipeline.tail.subscribe { _ in true } != nil)
  }
}
