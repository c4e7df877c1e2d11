import EventModel
import TestSupport
import Testing
import TraceStore

@Suite("Search") struct TraceSearchTests {
  private static func store() throws -> MemoryTraceStore {
    let store = MemoryTraceStore()
    _ = try store.append([
      SourceBatch(
        [
          TestEvent(
            "p1", trace: "A", stream: "order-1", type: "OrderPlaced", at: 0, service: "shop", handler: "api",
            data: #"{"total":150.0,"items":[{"sku":"x-1"},{"sku":"y-2","tags":["red","Blue"]}],"paid":false}"#,
            metadata: #"{"user":"anna","NServiceBus.FailedQ":"errors","nothing":null}"#),
          TestEvent(
            "c1", trace: "A", cause: "p1", stream: "pay-1", type: "Charged", at: 3000, service: "pay",
            handler: "billing"),
          TestEvent("s1", trace: "A", cause: "c1", stream: "ship-1", type: "Shipped", at: 9000, data: #""Straße""#),
          TestEvent("p2", trace: "B", stream: "order-2", type: "OrderPlaced", at: 100_000, data: #"{"total":20}"#),
          TestEvent(
            "c2", trace: "B", cause: "p2", stream: "pay-2", type: "ChargeFailed", at: 100_500, service: "pay",
            handler: "billing", failure: .metadata, data: #"{"reason":"no MONEY","total":"150"}"#),
        ]),
      SourceBatch(
        [
          TestEvent(
            "6a1e5c2b-7d44-4e0a-9c11-0123456789ab", trace: "C", cause: "gone", stream: "other-1", type: "Orphan",
            at: 200_000)
        ],
        source: "other"),
    ])
    return store
  }

  private static func find(
    _ text: String, _ change: (inout TraceSearch.Options) -> Void = { _ in }
  ) throws -> [String] {
    var options = TraceSearch.Options()
    change(&options)
    var found: [String] = []
    let depths = ["A": 3, "B": 2, "C": 1]
    let search = TraceSearch(try store()) { depths[$0.correlation.description] ?? 0 }
    _ = try search.run(try TraceQuery.parse(text), options) { found.append($0.correlation.description) }
    return found
  }

  @Test(arguments: [
    ("", "CBA"), ("type:OrderPlaced", "BA"), ("type:orderplaced", ""), ("type:*Charge*", "BA"), ("stream:order-1", "A"),
    ("stream:order-*", "BA"), ("handler:billing", "BA"), ("handler:*", "BA"), ("service:shop", "A"),
    ("source:other", "C"),
    ("source:default", "BA"), ("failed:true", "B"), ("failed:false", "CA"), ("-failed:true", "CA"), ("id:c1", "A"),
    ("id:6A1E5C2B7D444E0A9C110123456789AB", "C"), ("id:6a1e*", "C"), ("id:c*", "BA"), ("cause:gone", "C"),
    ("cause:p*", "BA"), ("correlation:B", "B"), ("-correlation:B", "CA"), ("correlation:missing", ""),
    ("duration>2s", "A"), ("duration>=9s", "A"), ("duration>9s", ""), ("duration=500ms", "B"), ("-duration<1s", "A"),
    ("events>2", "A"), ("events=1", "C"), ("depth>=2", "BA"), ("depth=3", "A"), ("data.total>100", "A"),
    ("data.total:150", "BA"), ("data.total=20", "B"), ("data.total<100", "B"), ("data.total<=20", "B"),
    ("data.items.sku:y-2", "A"), ("data.items.1.sku:y-*", "A"), ("data.items.0.sku:y-*", ""),
    ("data.items.tags:Blue", "A"),
    ("data.items.tags:blue", ""), ("data.paid:false", "A"), ("data.missing:*", ""), ("data.reason:\"no MONEY\"", "B"),
    ("metadata.user:anna", "A"), ("metadata.NServiceBus.FailedQ:err*", "A"), ("metadata.nothing:null", "A"),
    ("metadata.nothing:*", ""), ("money", "B"), ("\"no money\"", "B"), ("straße", "A"), ("SHIP-1", "A"), ("gone", "C"),
    ("6a1e5c2b", "C"), ("-money", "CA"), ("-money type:*", "CA"), ("type:Charged data.total>100", "A"),
    ("type:Charged data.total>200", ""), ("type:OrderPlaced -data.total:150", ""), ("nowhere", ""),
    ("id:c1 correlation:B", ""), ("id:c1 type:Orphan", ""),
  ])
  func `a term is met by some event of the trace`(query: String, traces: String) throws {
    #expect(try Self.find(query).joined() == traces, "\(query)")
  }

  @Test func `range and least duration narrow the list`() throws {
    func time(_ milliseconds: Int64) -> Timestamp { TestEvent.epoch.advanced(byNanoseconds: milliseconds * 1_000_000) }
    #expect(try Self.find("") { $0.range = TimeRange(since: time(9000), until: time(100_500)) } == ["B", "A"])
    #expect(try Self.find("id:c1") { $0.range = TimeRange(since: time(9001)) } == [])
    #expect(try Self.find("") { $0.minDuration = 1_000_000_000 } == ["A"])
  }

  @Test func `pages of any size give the whole list, each trace once`() throws {
    let store = MemoryTraceStore()
    let events = (0..<60).map { TestEvent("e\($0)", trace: "T\($0)", type: "t\($0 % 3)", at: Int64($0 / 7)) }
    _ = try store.append([SourceBatch(events)])
    let search = TraceSearch(store) { _ in 1 }
    for (text, count) in [("", 60), ("type:t1", 20), ("id:e7", 1), ("type:none", 0)] {
      for limit in [1, 2, 19, 20, 21, 60, 100] {
        var found: [String] = []
        var options = TraceSearch.Options()
        options.limit = limit
        options.examinedMax = 17
        repeat {
          let page = try search.run(try TraceQuery.parse(text), options) { found.append($0.correlation.description) }
          #expect(page.foundCount <= limit && page.examinedCount <= 17)
          #expect(!page.stoppedEarly || page.next != nil)
          // As a client would: through the text.
          options.after = try page.next.map { try #require(TracePlace(cursor: $0.cursor)) }
        } while options.after != nil
        #expect(found.count == count && Set(found).count == count, "\(text) in pages of \(limit)")
      }
    }
  }

  @Test func `a page says that it stopped early, and not that it was full`() throws {
    let store = try Self.store()
    let search = TraceSearch(store) { _ in 1 }
    var options = TraceSearch.Options()
    options.examinedMax = 2
    let early = try search.run(try TraceQuery.parse("type:Shipped"), options) { _ in }
    #expect(early.stoppedEarly && early.foundCount == 0 && early.next?.correlation.description == "B")
    options.limit = 1
    options.examinedMax = 100
    let full = try search.run(try TraceQuery.parse(""), options) { _ in }
    #expect(!full.stoppedEarly && full.foundCount == 1 && full.next?.correlation.description == "C")
    options.limit = 3
    let last = try search.run(try TraceQuery.parse(""), options) { _ in }
    #expect(!last.stoppedEarly && last.next == nil)
    options.payloadBytesMax = 1
    let costly = try search.run(try TraceQuery.parse("data.total>1000"), options) { _ in }
    #expect(costly.stoppedEarly && costly.next != nil)
  }

  @Test func `a large trace is searched in portions`() throws {
    let store = MemoryTraceStore()
    let events = (0..<3000).map { TestEvent("e\($0)", trace: "T", data: #"{"n":\#($0)}"#) }
    _ = try store.append([SourceBatch(events)])
    let search = TraceSearch(store) { _ in 1 }
    for (text, isFound) in [
      ("data.n:2999", true), ("data.n:3000", false), ("-data.n>=3000", true), ("-data.n:0", false),
    ] {
      var found = 0
      _ = try search.run(try TraceQuery.parse(text), TraceSearch.Options()) { _ in found += 1 }
      #expect(found == (isFound ? 1 : 0), "\(text)")
    }
  }

  @Test func `cursors are text, and anything else is refused`() throws {
    for name in ["T", "6a1e5c2b-7d44-4e0a-9c11-0123456789ab", "a.b/c ü\"", String(repeating: "x", count: 256)] {
      let place = TracePlace(firstEvent: Timestamp(nanoseconds: -5), correlation: try #require(Identifier(name)))
      #expect(TracePlace(cursor: place.cursor) == place)
    }
    for text in ["", "s1", "s1..", "s1.5.", "s1.x.54", "s1.5.5", "s1.5.zz", "s2.5.54", "s1.5.54.1"] {
      #expect(TracePlace(cursor: text) == nil, "\(text)")
    }
  }
}
