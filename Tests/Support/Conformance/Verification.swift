import EventModel
import Testing
import TraceStore

extension StoreUnderTest {
  /// Asks the store everything it can be asked, and holds each answer against the rules.
  mutating func verify(_ about: String = "", ranges: [TimeRange] = [.all]) throws {
    let derived = expected.derived()
    try verifyTraces(derived, ranges, about)
    try verifyStatistics(derived, ranges, about)
    try verifyEvents(derived, about)
    #expect(store.lastOrdinal == expected.stored.last?.ordinal ?? 0, "\(about)")
    #expect(try store.sources() == Set(expected.stored.map(\.source)).sorted(), "\(about)")
  }

  private func verifyTraces(_ derived: ExpectedStore.Derived, _ ranges: [TimeRange], _ about: String) throws {
    let members = expected.members(derived)
    for (trace, indexes) in members {
      let contents = try store.trace(trace)
      #expect(contents.correlation == trace, "\(about)")
      try #require(
        contents.records.map(\.ordinal) == indexes.map { expected.stored[$0].ordinal }, "\(about): trace \(trace)")
      for (record, index) in zip(contents.records, indexes) { check(record, contents.names, index, about) }
      let ordinals = Set(indexes.enumerated().filter { $0.offset % 2 == 0 }.map { expected.stored[$0.element].ordinal })
      let payloads = try store.payloads(ofTrace: trace, ordinals: ordinals)
      #expect(
        payloads
          == indexes.filter { ordinals.contains(expected.stored[$0].ordinal) }.map { expected.shown($0, derived) },
        "\(about): payloads of trace \(trace)")
    }
    for range in ranges {
      let wanted = expected.places(in: range, derived)
      var seen: [TracePlace] = []
      try store.traces(in: range, after: nil) { (contents) throws(StoreError) in
        if let place = contents.place { seen.append(place) }
        // Each trace comes whole, whatever the range.
        #expect(contents.records.count == members[contents.correlation]?.count, "\(about): \(contents.correlation)")
        return .proceed
      }
      try #require(seen == wanted, "\(about): traces in \(range)")
      if let middle = wanted.dropLast().last { try verifyPage(range, behind: middle, wanted.last, about) }
    }
    #expect(try store.trace(Self.unknown).records.isEmpty, "\(about)")
  }

  private static let unknown = Identifier(uuid: IdentifierKey(high: 0xdead_beef_dead_4eef, low: 1))

  private func verifyPage(
    _ range: TimeRange, behind place: TracePlace, _ wanted: TracePlace?, _ about: String
  ) throws {
    var seen: [TracePlace] = []
    try store.traces(in: range, after: place) { (contents) throws(StoreError) in
      if let place = contents.place { seen.append(place) }
      return .stop
    }
    #expect(seen.first == wanted && seen.count == 1, "\(about): the trace behind \(place)")
  }

  private func check(_ record: TraceRecord, _ names: NameTable, _ index: Int, _ about: String) {
    let stored = expected.stored[index]
    let comment: Comment = "\(about): record \(stored.event.id)"
    #expect(record.id == stored.id, comment)
    #expect(record.cause == stored.event.cause.flatMap { Identifier($0) }, comment)
    #expect(record.causeIsSpan == stored.shown.causeIsSpan, comment)
    #expect(record.created == stored.event.created, comment)
    #expect(record.position == stored.shown.position, comment)
    #expect(record.revision == stored.event.revision ?? -1, comment)
    #expect(names[record.source] == stored.source, comment)
    #expect(names[record.stream] == stored.event.stream, comment)
    #expect(names[record.type] == stored.event.type, comment)
    #expect(names[record.service] == stored.event.service, comment)
    #expect(names[record.handler] == stored.event.handler, comment)
    #expect(names[record.schemaVersion] == stored.event.schemaVersion, comment)
    #expect(record.ownsCorrelation == (stored.correlation != nil), comment)
    #expect(record.failure == stored.event.failure, comment)
    #expect(record.handlerIdentity == stored.event.handlerIdentity, comment)
  }

  private func verifyStatistics(_ derived: ExpectedStore.Derived, _ ranges: [TimeRange], _ about: String) throws {
    for range in ranges {
      let wanted = expected.handlerStatistics(in: range, derived).sorted { $0.isBefore($1) }
      let rows = try store.handlerStatistics(in: range)
      try #require(rows.map(Self.exactPart) == wanted.map(Self.exactPart), "\(about): handlers in \(range)")
      for (row, exact) in zip(rows, wanted) {
        for (value, wanted) in [(row.p50, exact.p50), (row.p90, exact.p90), (row.p99, exact.p99)] {
          let error = Double(value ?? 0) - Double(wanted ?? 0)
          #expect(abs(error) <= 0.01 * abs(Double(wanted ?? 0)) + 1, "\(about): \(row) against \(exact)")
        }
      }
      let flow = try store.flow(in: range)
      let wantedFlow = expected.flow(in: range, derived).sorted { $0.isBefore($1) }
      #expect(flow == wantedFlow, "\(about): flow in \(range)")
    }
    let statistics = try store.statistics()
    let events = expected.stored.filter { $0.event.eventClass != .report }
    #expect(statistics.eventCount == events.count, "\(about)")
    #expect(statistics.reportCount == expected.stored.count - events.count, "\(about)")
    #expect(statistics.traceCount == Set(derived.trace.compactMap { $0 }).count, "\(about)")
    #expect(statistics.damagedSegmentCount == 0, "\(about)")
    #expect(statistics.oldestEvent == events.map(\.event.created).min(), "\(about)")
    #expect(statistics.newestEvent == events.map(\.event.created).max(), "\(about)")
  }

  /// Without percentiles, which may differ by 1 %.
  private static func exactPart(_ row: HandlerStatistics) -> HandlerStatistics {
    var exact = row
    (exact.p50, exact.p90, exact.p99) = (nil, nil, nil)
    return exact
  }

  private func verifyEvents(_ derived: ExpectedStore.Derived, _ about: String) throws {
    let ids = Set(expected.stored.map(\.id)).union(expected.stored.compactMap(\.cause))
    let located = try store.locate(ids.sorted() + [Self.unknown])
    for id in ids {
      let named = expected.stored.indices.filter { expected.stored[$0].id == id }
      let events = try store.events(withID: id)
      #expect(events == named.map { expected.shown($0, derived) }, "\(about): events with id \(id)")
      #expect(located[id] == named.first.map { derived.trace[$0] }, "\(about): locate \(id)")
      let effects = expected.stored.indices.filter {
        expected.stored[$0].cause == id && expected.stored[$0].event.eventClass != .report
      }
      let shown = effects.map { expected.shown($0, derived, payload: false) }
      #expect(try store.effects(of: id, limit: 1000) == shown, "\(about): effects of \(id)")
      #expect(try store.effects(of: id, limit: 1) == Array(shown.prefix(1)), "\(about): first effect of \(id)")
    }
    #expect(located[Self.unknown] == nil, "\(about)")
    #expect(try store.events(withID: Self.unknown).isEmpty, "\(about)")

    for stream in Set(expected.stored.map(\.event.stream)) where !stream.isEmpty {
      let indexes = expected.stored.indices.filter { expected.stored[$0].event.stream == stream }
      let all = try store.stream(stream, after: 0, limit: 10_000, payload: true)
      #expect(all == indexes.map { expected.shown($0, derived) }, "\(about): stream \(stream)")
      let first = expected.stored[indexes[0]].ordinal
      let second = try store.stream(stream, after: first, limit: 1, payload: false)
      #expect(
        second == indexes.dropFirst().prefix(1).map { expected.shown($0, derived, payload: false) },
        "\(about): second event of stream \(stream)")
    }

    let cursor = try store.makeEventCursor(after: 0)
    var walked: [StoredEvent] = []
    while true {
      let next = try cursor.next(limit: 7)
      if next.isEmpty { break }
      #expect(next.count <= 7, "\(about)")
      walked += next
    }
    let events = expected.stored.indices.filter { expected.stored[$0].event.eventClass != .report }
    #expect(walked == events.map { expected.shown($0, derived) }, "\(about): cursor over all events")
  }
}
