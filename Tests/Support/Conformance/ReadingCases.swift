import EventModel
import Testing
import TraceStore

extension StoreConformance {
  static let readingCases: [Case] = [
    Case("reading: an empty store answers everything with nothing") { fresh in
      var subject = try fresh()
      try subject.disturbNow()
      try subject.verify()
      #expect(try subject.store.statistics().rawBytes == 0)
      #expect(try subject.store.stream("none", after: 0, limit: 10, payload: true).isEmpty)
      #expect(subject.store.missingParts().isEmpty)
    },
    Case("reading: traces come newest first, equal times by id") { fresh in
      var subject = try fresh()
      let times: [Int64] = [50, 10, 50, 30, 50, 10]
      for (number, time) in times.enumerated() {
        try subject.append([
          event("a\(number)", in: "T\(number)", at: time), event("b\(number)", in: "T\(number)", at: time + 100),
        ])
      }
      #expect(try traceNames(subject.store) == ["T0", "T2", "T4", "T3", "T1", "T5"])
      // An older event arrives late: its trace moves down the list.
      try subject.append([event("c", in: "T2", at: 1)])
      #expect(try traceNames(subject.store) == ["T0", "T4", "T3", "T1", "T5", "T2"])
      try subject.verify(ranges: ranges([0, 10, 11, 50, 51, 130, 151]))
      try checkPages(subject.store)
    },
    Case("reading: since is inside a range, until is not") { fresh in
      var subject = try fresh()
      try subject.append([
        event("a", in: "T", at: 100), event("b", in: "T", cause: "a", at: 200), event("c", in: "U", at: 300),
        event("d", in: "U", cause: "c", at: 100, failure: .metadata),
      ])
      try subject.verify(ranges: ranges([0, 99, 100, 101, 200, 201, 300, 301]))
    },
    Case("reading: streams and limits") { fresh in
      var subject = try fresh()
      for number in 0..<12 {
        try subject.append([event("e\(number)", in: "T\(number % 2)", stream: number % 3 == 0 ? "x-1" : "y ü/\"-2")])
      }
      let all = try subject.store.stream("x-1", after: 0, limit: 100, payload: false)
      #expect(all.map(\.id.description) == ["e0", "e3", "e6", "e9"])
      #expect(try subject.store.stream("x-1", after: 0, limit: 3, payload: false) == Array(all.prefix(3)))
      #expect(try subject.store.stream("x-1", after: all[2].ordinal, limit: 3, payload: false) == [all[3]])
      #expect(try subject.store.stream("x-1", after: all[3].ordinal, limit: 3, payload: false).isEmpty)
      #expect(try subject.store.stream("x-", after: 0, limit: 3, payload: false).isEmpty)
      try subject.verify()
    },
    Case("reading: a cursor sees what was stored when it was made") { fresh in
      var subject = try fresh()
      try subject.append((0..<10).map { event("a\($0)", in: "T") })
      let cursor = try subject.store.makeEventCursor(after: 4)
      let first = try cursor.next(limit: 2)
      // Not disturbed: a cursor belongs to the store it was made by.
      _ = try subject.store.append([SourceBatch([event("late", in: "T")])])
      var rest = first
      while true {
        let next = try cursor.next(limit: 3)
        if next.isEmpty { break }
        rest += next
      }
      #expect(rest.map(\.id.description) == ["a4", "a5", "a6", "a7", "a8", "a9"])
      #expect(try cursor.next(limit: 3).isEmpty)
    },
    Case("reading: everything of an event comes back as it was given") { fresh in
      var subject = try fresh()
      try subject.append(oddEvents)
      try subject.verify(ranges: [
        .all, TimeRange(since: Timestamp(nanoseconds: 0)), TimeRange(until: Timestamp(nanoseconds: 0)),
      ])
    },
    Case("reading: events may be text or bytes, and large") { fresh in
      var subject = try fresh()
      var random = SeededRandom(seed: 42)
      var bytes = TestEvent("bytes", trace: "T", data: String(decoding: random.bytes(70_000), as: UTF8.self))
      bytes.payloadIsJSON = false
      let large = TestEvent(
        "large", trace: "T", cause: "bytes", data: "\"" + String(repeating: "x", count: 1 << 20) + "\"")
      try subject.append([bytes, large, TestEvent("empty", trace: "T", data: "", metadata: "")])
      try subject.verify()
    },
    Case("reading: names that only look the same are different names") { fresh in
      var subject = try fresh()
      let names = ["caf\u{e9}", "cafe\u{301}"]
      for (number, name) in names.enumerated() {
        try subject.append([
          TestEvent("cause\(number)", trace: "T", stream: name, type: name, service: name, handler: name),
          TestEvent(
            "effect\(number)", trace: "T", cause: "cause\(number)", stream: name, type: name, at: Int64(number),
            service: name, handler: name, failure: .metadata),
        ])
      }
      #expect(try subject.store.handlerStatistics(in: .all).map(\.count) == [1, 1])
      #expect(try subject.store.flow(in: .all).map(\.count) == [1, 1])
      #expect(try subject.store.stream(names[0], after: 0, limit: 9, payload: false).count == 2)
    },
    Case("reading: a closed store says so") { fresh in
      let subject = try fresh()
      subject.store.close()
      #expect(throws: StoreError.self) { try subject.store.append([SourceBatch([event("a")])]) }
      #expect(throws: StoreError.self) { try subject.store.trace(Identifier(text: [0x61])) }
      #expect(throws: StoreError.self) { try subject.store.statistics() }
      subject.store.close()
    },
    Case("reading: sealing and syncing change no answer") { fresh in
      var subject = try fresh()
      for round in 0..<4 {
        try subject.append((0..<5).map { event("e\(round)-\($0)", in: "T\($0)", cause: "e\(round - 1)-\($0)") })
        try subject.store.sync()
        if round != 2 { try subject.store.seal() }
        try subject.store.applyRetention(now: TestEvent.epoch)
        try subject.verify("round \(round)")
      }
    },
  ]

  private static let oddEvents: [TestEvent] = [
    TestEvent(
      "full", trace: "a/b?c=\"<script>\u{1F9F6}", stream: "order-ü \u{0}x", type: "Order\nPlaced{le=\"1\"}",
      created: Timestamp(nanoseconds: 1_767_225_600_123_456_789), service: " shop ", handler: "häns\t",
      handlerIdentity: .rule, failure: .eventType, schemaVersion: "v2", position: .max, minor: .max,
      revision: 9_007_199_254_740_993, data: #"{"a": 1.00,"a":[ ]}"#, metadata: #"{"$correlationId" : "x"}"#),
    TestEvent("first", trace: "times", created: Timestamp(nanoseconds: .min), service: "s", handler: "h"),
    TestEvent(
      "last", trace: "times", cause: "first", created: Timestamp(nanoseconds: .max), service: "s", handler: "h"),
    TestEvent(
      "back", trace: "times", cause: "last", created: Timestamp(nanoseconds: .min), service: "s", handler: "h"),
    TestEvent("plain"), TestEvent("plain", stream: "", type: "t"),
    TestEvent("00000000-0000-0000-0000-000000000001", trace: "00000000-0000-0000-0000-000000000002", revision: 0),
    TestEvent(String(repeating: "i", count: 256), trace: String(repeating: "t", count: 256), type: "x"),
    TestEvent("null", trace: "00123", data: "null", metadata: "null"), TestEvent("123", trace: "123", data: "\"\""),
    TestEvent("sys", trace: "123", stream: "$settings", type: "$metadata", eventClass: .system, data: "{}"),
    TestEvent(
      "report:1", cause: "123", stream: "$clew-handler-reports", type: "$clew.handler-report.failed",
      service: "s", handler: "h", failure: .metadata, eventClass: .report, data: #"{"message":"x"}"#),
    TestEvent("long", stream: String(repeating: "s", count: 8192), type: String(repeating: "t", count: 8192)),
  ]

  private static func ranges(_ milliseconds: [Int64]) -> [TimeRange] {
    let times = milliseconds.map { TestEvent.epoch.advanced(byNanoseconds: $0 * 1_000_000) }
    var ranges = [TimeRange.all]
    for (index, time) in times.enumerated() {
      ranges += [TimeRange(since: time), TimeRange(until: time)]
      if index > 0 { ranges.append(TimeRange(since: times[index - 1], until: time)) }
    }
    return ranges
  }

  private static func traceNames(_ store: any TraceStore) throws -> [String] {
    var names: [String] = []
    try store.traces(in: .all, after: nil) { (contents) throws(StoreError) in
      names.append(contents.correlation.description)
      return .proceed
    }
    return names
  }

  /// Pages of every size give the whole list.
  private static func checkPages(_ store: any TraceStore) throws {
    let all = try traceNames(store)
    for size in 1...(all.count + 1) {
      var paged: [String] = []
      var last: TracePlace?
      while true {
        var page: [TraceContents] = []
        try store.traces(in: .all, after: last) { (contents) throws(StoreError) in
          page.append(contents)
          return page.count == size ? .stop : .proceed
        }
        if page.isEmpty { break }
        paged += page.map(\.correlation.description)
        last = page.last?.place
      }
      #expect(paged == all, "pages of \(size)")
    }
  }
}
