import EventModel
import Platform
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// The store on disk leaves out traces that cannot be found before it reads them; what is found must be what the store
/// in memory finds, which looks at every trace.
@Suite("Search in sealed and hot events") struct StoreSearchTests {
  @Test(arguments: 1...24)
  func `random queries over random ranges find what the memory store finds, page by page`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(7_100 + seed))
    var run = try DifferentialRun(sealEventCount: seed % 4 == 0 ? 1_000 : 4 + seed % 7)
    var count = 0
    for step in 0..<10 {
      try run.append(batches(&random, &count))
      if random.below(3) == 0 { try run.subject.seal() }
      if step % 4 == 3 { try run.reopen() }
      for _ in 0..<12 { try compare(run, &random) }
    }
    run.subject.close()
  }

  /// Every id once; causes that come later, and traces that are inherited from them.
  private func batches(_ random: inout SeededRandom, _ count: inout Int) -> [SourceBatch] {
    (0..<(1 + random.below(3))).map { _ in
      var events: [TestEvent] = []
      for _ in 0..<(1 + random.below(6)) {
        let cause = random.below(5) == 0 ? nil : "e\(random.below(count + 4))"
        let trace = random.below(3) == 0 ? nil : "t\(random.below(5))"
        events.append(
          TestEvent(
            "e\(count)", trace: trace, cause: cause, stream: "s-\(random.below(3))", type: "T\(random.below(3))",
            at: Int64(random.below(40)), service: "shop", handler: random.below(2) == 0 ? "" : "h\(random.below(2))",
            failure: random.below(5) == 0 ? .metadata : .none, data: "{\"n\":\(random.below(2))}"))
        count += 1
      }
      return SourceBatch(events, source: random.below(4) == 0 ? "second" : "first")
    }
  }

  private func compare(_ run: DifferentialRun, _ random: inout SeededRandom) throws {
    let text = (0..<(1 + random.below(3))).map { _ in term(&random) }.joined(separator: " ")
    let query = try TraceQuery.parse(text)
    var options = TraceSearch.Options()
    options.limit = 1 + random.below(4)
    if random.below(3) == 0 { options.minDuration = Int64(random.below(30)) * 1_000_000 }
    if random.below(2) == 0 {
      let since = Int64(random.below(40))
      options.range = TimeRange(since: time(since), until: time(since + Int64(random.below(25))))
    }
    let expected = try found(run.memory, query, options)
    let actual = try found(run.subject, query, options)
    try #require(actual == expected, "\(text) in \(options.range), at least \(options.minDuration ?? 0)")
  }

  private func time(_ milliseconds: Int64) -> Timestamp {
    TestEvent.epoch.advanced(byNanoseconds: milliseconds * 1_000_000)
  }

  private func term(_ random: inout SeededRandom) -> String {
    let terms = [
      "type:T\(random.below(4))", "type:T*", "handler:h\(random.below(3))", "handler:*", "service:shop",
      "source:\(random.below(2) == 0 ? "first" : "second")", "failed:true", "failed:false",
      "stream:s-\(random.below(4))", "stream:s-*", "duration>\(random.below(20))ms", "duration<\(random.below(20))ms",
      "events>=\(random.below(5))", "depth>\(random.below(3))", "data.n:1", "id:e\(random.below(24))",
      "cause:e\(random.below(24))", "correlation:t\(random.below(3))",
    ]
    return (random.below(4) == 0 ? "-" : "") + terms[random.below(terms.count)]
  }

  /// All pages, one behind the other, and whether each trace came whole.
  private func found(
    _ store: any TraceReader, _ query: TraceQuery, _ options: TraceSearch.Options
  ) throws -> [String] {
    let search = TraceSearch(store, depth: { min(3, $0.records.count) })
    var options = options
    var all: [String] = []
    for _ in 0..<100 {
      let page = try search.run(query, options) { contents in
        all.append("\(contents.correlation): \(contents.records.map(\.ordinal))")
      }
      guard let next = page.next else { return all }
      options.after = next
    }
    Issue.record("the pages do not end")
    return all
  }

  @Test func `a search stops after so many events and goes on behind them`() throws {
    let directory = try TemporaryDirectory()
    let store = try SegmentStore.open(directory: directory.path)
    defer { store.close() }
    var events: [TestEvent] = []
    for number in 0..<140_000 {
      events.append(
        TestEvent(
          "e\(number)", trace: "t\(number / 3)", type: number == 4 ? "Rare" : "Common", at: Int64(number)))
    }
    for start in stride(from: 0, to: events.count, by: 10_000) {
      _ = try store.append([SourceBatch(Array(events[start..<(start + 10_000)]), source: "s")])
    }
    try store.seal()
    var options = TraceSearch.Options()
    options.passedEventsMax = 60_000
    let search = TraceSearch(store, depth: { _ in 1 })
    var found: [Identifier] = []
    var pageCount = 0
    var isOver = false
    while !isOver {
      let page = try search.run(try TraceQuery.parse("type:Rare"), options) { found.append($0.correlation) }
      pageCount += 1
      #expect(page.examinedCount <= 1)
      #expect(page.stoppedEarly == (page.next != nil))
      options.after = page.next
      isOver = page.next == nil || pageCount > 20
    }
    #expect(found == [try #require(Identifier("t1"))])
    #expect(pageCount > 1 && pageCount < 20)
  }
}
