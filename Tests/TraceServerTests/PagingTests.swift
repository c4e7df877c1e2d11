import EventModel
import Platform
import TestSupport
import Testing
import TraceStore
import WireFormats

@testable import TraceServer

/// One root and 100,000 events that it caused, 10 us apart.
private let wide: [TestEvent] =
  [TestEvent("root", trace: "wide", type: "Step", created: TestEvent.epoch)]
  + (1...100_000).map { index in
    TestEvent(
      "e\(index)", trace: "wide", cause: "root", type: "Step",
      created: TestEvent.epoch.advanced(byNanoseconds: Int64(index) * 10_000), handler: "step")
  }

@Suite("A trace of 100,001 events") struct PagingTests {
  @Test func `pages give every event once, and only the first assembles the trace`() throws {
    let api = try TestAPI(wide)
    var seen: Set<String> = []
    var total = 0
    var cursor = ""
    var pages = 0
    repeat {
      let answer = api.get("/api/v1/traces/wide?limit=10000" + cursor).json
      for row in answer["events"]?.array ?? [] {
        total += 1
        if let id = row["id"]?.string { seen.insert(id) }
      }
      #expect(answer["eventCount"]?.int == 100_001)
      cursor = (answer["nextCursor"]?.string).map { "&cursor=" + $0 } ?? ""
      pages += 1
    } while !cursor.isEmpty && pages < 20
    #expect(total == 100_001)
    #expect(seen.count == 100_001)
    #expect(pages == 11)
    #expect(api.api.trees.eventCount == 100_001)
  }

  @Test func `folding leaves few rows with exact figures`() throws {
    let answer = try TestAPI(wide).get("/api/v1/traces/wide?fold=true").json
    let rows = answer["events"]?.array ?? []
    #expect(rows.count < 20)
    let fold = rows.last?["fold"]
    #expect(fold?["count"]?.int == 100_000)
    #expect(fold?["p50Seconds"] == .number("0.5"))
    #expect(fold?["p90Seconds"] == .number("0.9"))
    #expect(fold?["p99Seconds"] == .number("0.99"))
    #expect(fold?["maxSeconds"] == .number("1"))
    #expect(rows.last?["parentId"]?.string == "root")
    #expect(answer["nextCursor"]?.isNull == true)
  }
}

@Suite("Trees that are kept") struct TreeCacheTests {
  private func events(_ trace: String, _ count: Int) -> [TestEvent] {
    (0..<count).map { TestEvent("\(trace) \($0)", trace: trace, at: Int64($0)) }
  }

  @Test func `a cursor pages through the view it began with while events arrive`() throws {
    let api = try TestAPI(events("t", 1_000))
    let first = api.get("/api/v1/traces/t?limit=600").json
    let cursor = try #require(first["nextCursor"]?.string)
    _ = try api.store.append([SourceBatch([TestEvent("late", trace: "t", at: 2_000)])])
    let second = api.get("/api/v1/traces/t?limit=600&cursor=\(cursor)").json
    #expect(second["eventCount"]?.int == 1_000)
    #expect(second["events"]?.array?.count == 400)
    #expect(api.get("/api/v1/traces/t?limit=1").json["eventCount"]?.int == 1_001)
  }

  @Test func `a view that is not kept any more is made anew, and nothing is shown twice`() throws {
    let api = try TestAPI(events("t", 100))
    let first = api.get("/api/v1/traces/t?limit=60").json
    let cursor = try #require(first["nextCursor"]?.string)
    _ = try api.store.append([SourceBatch([TestEvent("late", trace: "t", at: 2_000)])])
    let second = api.get("/api/v1/traces/t?limit=60&cursor=\(cursor)").json
    #expect(second["events"]?.array?.count == 41)
    #expect(second["events"]?[40]?["id"]?.string == "late")
  }

  @Test func `the least recently used trees go first, a bigger one than allowed is kept alone`() throws {
    let api = try TestAPI(events("a", 600) + events("b", 600) + events("c", 600) + events("big", 5_000)) {
      $0.treeCacheEvents = 1_300
    }
    for trace in ["a", "b", "a", "c"] { #expect(api.get("/api/v1/traces/\(trace)?limit=1").status == 200) }
    #expect(api.api.trees.eventCount == 1_200)
    #expect(api.get("/api/v1/traces/big?limit=1").status == 200)
    #expect(api.api.trees.eventCount == 5_000)
    #expect(api.get("/api/v1/traces/a?limit=1").status == 200)
    #expect(api.api.trees.eventCount == 600)
  }

  @Test func `many readers of one trace get it, through bounded gates`() throws {
    let api = try TestAPI(events("t", 2_000)) {
      $0.hugeTraceEvents = 100
      $0.lookUpsMax = 1
    }
    let good = Locked(0)
    let threads = (0..<16).map { _ in
      WorkerThread(name: "reader") {
        if api.get("/api/v1/traces/t?limit=5").json["eventCount"]?.int == 2_000 { good.withLock { $0 += 1 } }
      }
    }
    for thread in threads { thread.join() }
    #expect(good.withLock { $0 } == 16)
    #expect(api.api.trees.eventCount == 2_000)
  }

  @Test func `a trace that turns out huge is let go, and read when its turn comes`() throws {
    let api = try TestAPI(events("t", 200)) { $0.hugeTraceEvents = 100 }
    var passes = try [api.api.trees.huge.enter(), api.api.trees.huge.enter()]
    let count = Locked<Int?>(nil)
    let reader = WorkerThread(name: "reader") {
      let answer = api.get("/api/v1/traces/t?limit=5")
      count.withLock { $0 = answer.json["eventCount"]?.int }
    }
    #expect(eventually { api.api.trees.huge.figures.waiting == 1 })
    _ = try api.store.append([SourceBatch(events("t", 300), source: "default")])
    passes = []
    reader.join()
    #expect(count.withLock { $0 } == 300)
    #expect(passes.isEmpty)
  }

  @Test func `a full gate sends callers away after their wait`() throws {
    let gate = Gate("tests", places: 1, waitSeconds: 0.01, what: "tests")
    do {
      let pass = try gate.enter()
      #expect(throws: APIError.self) { try gate.enter() }
      withExtendedLifetime(pass) {}
    }
    #expect(eventually { (try? gate.enter()) != nil })
  }
}
