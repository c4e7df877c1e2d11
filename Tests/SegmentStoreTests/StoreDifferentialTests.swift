import EventModel
import Platform
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// What the store on disk must do is what the store in memory does: both get the same events, in random order, with
/// seals and restarts of the former in between, and are asked the same questions.
@Suite("Segment store against memory store") struct StoreDifferentialTests {
  @Test(arguments: 1...24)
  func `answers as the memory store does, whatever is sealed and restarted in between`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var run = try DifferentialRun(sealEventCount: seed % 3 == 0 ? 1_000 : 3 + seed % 5)
    for _ in 0..<12 {
      try run.append(Workload.batches(&random))
      switch random.below(4) {
      case 0: try run.subject.seal()
      case 1: try run.reopen()
      default: break
      }
      try run.compare()
    }
    try run.subject.seal()
    try run.compare()
    try run.reopen()
    try run.compare()
    run.subject.close()
  }
}

enum Workload {
  static func batches(_ random: inout SeededRandom) -> [SourceBatch] {
    (0..<(1 + random.below(3))).map { _ in
      let events = (0..<(1 + random.below(6))).map { _ in event(&random) }
      return SourceBatch(events, source: random.below(4) == 0 ? "second" : "first")
    }
  }

  private static func event(_ random: inout SeededRandom) -> TestEvent {
    // A small space of ids, so that everything meets everything.
    func identifier() -> String {
      let number = random.below(24)
      return number % 2 == 0 ? "e\(number)" : "00000000-0000-0000-0000-0000000000\(number + 10)"
    }
    func trace() -> String? {
      switch random.below(8) {
      case 0, 1, 2: nil
      case 3: identifier()
      default: "t\(random.below(3))"
      }
    }
    let cause: String? =
      switch random.below(10) {
      case 0: nil
      case 1: "t\(random.below(3))"
      case 2: "00f067aa0ba902b7"
      default: identifier()
      }
    let kind: EventClass = random.below(12) == 0 ? .system : random.below(14) == 0 ? .report : .domain
    return TestEvent(
      identifier(), trace: trace(), cause: cause, stream: "s-\(random.below(3))",
      type: "T\(random.below(3))", at: Int64(random.below(40)), service: "shop",
      handler: random.below(2) == 0 ? "" : "h\(random.below(2))",
      failure: random.below(5) == 0 ? .metadata : .none, eventClass: kind,
      position: UInt64(1 + random.below(9)), data: "{\"n\":\(random.below(2))}")
  }
}

/// Both stores, and the comparison.
struct DifferentialRun {
  let directory: TemporaryDirectory
  let options: StoreOptions
  let memory = MemoryTraceStore()
  var subject: SegmentStore

  init(sealEventCount: Int, change: (inout StoreOptions) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory()
    var options = StoreOptions()
    options.sealEventCount = sealEventCount
    options.retention.freeDiskBytes = 0
    change(&options)
    self.options = options
    subject = try SegmentStore.open(directory: directory.path, options: options)
  }

  mutating func reopen() throws {
    subject.close()
    subject = try SegmentStore.open(directory: directory.path, options: options)
  }

  mutating func append(_ batches: [SourceBatch]) throws {
    let expected = try memory.append(batches)
    let actual = try subject.append(batches)
    let told = try history()
    for (a, b) in zip(expected, actual) {
      try #require(a.dispositions == b.dispositions)
      try #require(a.accepted.map(shown) == b.accepted.map(shown), "\(told)")
      try #require(a.edges.map(shown) == b.edges.map(shown), "\(told)")
    }
  }

  private func history() throws -> String {
    try memory.makeEventCursor(after: 0).next(limit: 10_000).map(placed).joined(separator: "\n")
  }

  private func shown(_ event: AcceptedEvent) -> String {
    "\(event.ordinal) \(event.causeState) \(event.trace.low) \(event.cause.low) \(event.startsTrace)"
  }

  private func shown(_ edge: CausalEdge) -> String {
    "\(edge.childOrdinal)<-\(edge.causeOrdinal) \(edge.latencyNanoseconds) \(edge.correlation) \(edge.healed)"
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
    try #require(try subject.handlerStatistics(in: range) == memory.handlerStatistics(in: range))
    try #require(try subject.flow(in: range) == memory.flow(in: range))
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

extension SeededRandom {
  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
