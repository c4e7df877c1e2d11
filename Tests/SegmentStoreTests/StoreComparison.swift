import EventModel
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Asks two stores that hold the same events the same questions.
struct StoreComparison {
  let subject: SegmentStore
  let memory: MemoryTraceStore

  func history() throws -> String {
    try memory.makeEventCursor(after: 0).next(limit: 10_000).map(placed).joined(separator: "\n")
  }

  func compare() throws {
    let cursor = try subject.makeEventCursor(after: 0)
    let expectedCursor = try memory.makeEventCursor(after: 0)
    let all = try expectedCursor.next(limit: 10_000)
    let walked = try cursor.next(limit: 10_000)
    try #require(walked.map(placed) == all.map(placed))
    try #require(walked == all)
    for trace in Set(all.compactMap(\.correlation)) {
      try #require(shown(try subject.trace(trace)) == shown(try memory.trace(trace)), "trace \(trace)")
    }
    let told = try history()
    for id in Set(all.map(\.id)) {
      try #require(try subject.events(withID: id) == memory.events(withID: id))
      try #require(
        try subject.effects(of: id, limit: 7).map(placed) == memory.effects(of: id, limit: 7).map(placed),
        "effects of \(id)\n\(told)")
    }
    let ids = Array(Set(all.map(\.id)).union(all.compactMap(\.cause)))
    try #require(try subject.locate(ids) == memory.locate(ids))
    for stream in Set(all.map(\.stream)) {
      #expect(
        try subject.stream(stream, after: 5, limit: 20, payload: true)
          == memory.stream(stream, after: 5, limit: 20, payload: true))
    }
    try compareLists(.all)
    let epoch = TestEvent.epoch
    try compareLists(
      TimeRange(since: epoch.advanced(byNanoseconds: 8_000_000), until: epoch.advanced(byNanoseconds: 20_000_000)))
    // Bounds that lie inside segments, between them, and around them.
    for since in [nil, 3, 17, 38] as [Int64?] {
      for length in [nil, 2, 14] as [Int64?] {
        let start = since.map { TestEvent.epoch.advanced(byNanoseconds: $0 * 1_000_000) }
        let end = length.map { (start ?? TestEvent.epoch).advanced(byNanoseconds: $0 * 1_000_000) }
        try compareFigures(TimeRange(since: start, until: end))
      }
    }
    let expected = try memory.statistics()
    let actual = try subject.statistics()
    try #require(actual.eventCount == expected.eventCount)
    try #require(actual.reportCount == expected.reportCount)
    try #require(actual.traceCount == expected.traceCount)
    try #require(actual.unresolvedCount == expected.unresolvedCount, "\(told)")
    try #require(actual.rawBytes == expected.rawBytes)
    #expect(subject.missingParts().isEmpty)
  }

  /// What decides where an event belongs, and where it is.
  private func placed(_ event: StoredEvent) -> String {
    "\(event.ordinal) \(event.source) \(event.id) own \(event.ownCorrelation?.description ?? "-")"
      + " cause \(event.cause?.description ?? "-") \(event.eventClass): \(event.correlation?.description ?? "-")"
  }

  private func compareLists(_ range: TimeRange) throws {
    try #require(try traces(subject, range, after: nil) == traces(memory, range, after: nil))
    let third = try places(memory, range).dropFirst(2).first
    try #require(try traces(subject, range, after: third) == traces(memory, range, after: third))
    try compareFigures(range)
  }

  /// Figures over a range: all exact but percentiles, which are within 1 %.
  private func compareFigures(_ range: TimeRange) throws {
    let rows = try subject.handlerStatistics(in: range)
    let expected = try memory.handlerStatistics(in: range)
    try #require(rows.map(exact) == expected.map(exact), "handlers in \(range)")
    for (row, wanted) in zip(rows, expected) {
      for (value, wanted) in [(row.p50, wanted.p50), (row.p90, wanted.p90), (row.p99, wanted.p99)] {
        let error = Double(value ?? 0) - Double(wanted ?? 0)
        #expect(abs(error) <= 0.01 * abs(Double(wanted ?? 0)) + 1, "\(row) in \(range)")
      }
    }
    try #require(try subject.flow(in: range) == memory.flow(in: range), "flow in \(range)")
  }

  private func exact(_ row: HandlerStatistics) -> HandlerStatistics {
    var row = row
    (row.p50, row.p90, row.p99) = (nil, nil, nil)
    return row
  }

  private func places(_ store: any TraceStore, _ range: TimeRange) throws -> [TracePlace] {
    var places: [TracePlace] = []
    try store.traces(in: range, after: nil) { contents in
      if let place = contents.place { places.append(place) }
      return .proceed
    }
    return places
  }

  private func traces(_ store: any TraceStore, _ range: TimeRange, after: TracePlace?) throws -> [String] {
    var found: [String] = []
    try store.traces(in: range, after: after) { contents in
      found.append(shown(contents))
      return .proceed
    }
    return found
  }

  private func shown(_ contents: TraceContents) -> String {
    let records = contents.records.map { record in
      "\(record.ordinal) \(record.id) \(contents.names[record.type]) \(contents.names[record.source])"
        + " \(contents.names[record.stream]) \(record.created.nanoseconds) \(record.ownsCorrelation)"
    }
    return "\(contents.correlation): \(records)"
  }
}
