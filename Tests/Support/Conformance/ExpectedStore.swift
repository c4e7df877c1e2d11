import EventModel
import TraceStore

/// What a store must answer, worked out from nothing each time: the list of stored events and the rules, no indexes.
/// Written apart from every store, so that a mistake must be made twice to go unseen.
struct ExpectedStore {
  struct Stored {
    var ordinal: Int64
    var source: String
    var event: TestEvent
    var id: Identifier
    var correlation: Identifier?
    /// Nil for a span id.
    var cause: Identifier?
    var shown: StoredEvent
  }

  /// What follows from all stored events, by index.
  struct Derived {
    var trace: [Identifier?]
    /// The first stored event of its id in its trace.
    var counts: [Bool]
    var parent: [Int?]
    var isCut: [Bool]

    func hasEdge(_ index: Int) -> Bool { parent[index] != nil && !isCut[index] }
  }

  private(set) var stored: [Stored] = []
  private var checkpoints: [String: SourceCheckpoint] = [:]

  // MARK: Storing

  /// What becomes of a batch, and which of its events are stored.
  mutating func dispositions(_ batch: [TestEvent], _ source: String, _ identity: IdentityRule, _ subStream: String)
    -> [Disposition]
  {
    var seen = stored.filter { $0.source == source }.map(\.event)
    var last = checkpoints[source + "\n" + subStream]?.position
    return batch.map { event in
      if identity == .position {
        if let last, event.position <= last { return .duplicate }
        last = event.position
        return .accepted
      }
      if let first = seen.first(where: {
        $0.stream == event.stream && Identifier($0.id) == Identifier(event.id)
      }) {
        return Self.hasSameContent(first, event) ? .duplicate : .conflict
      }
      seen.append(event)
      return .accepted
    }
  }

  mutating func store(_ event: TestEvent, _ source: String, ordinal: Int64) {
    let cause = event.cause.flatMap { Identifier($0) }
    var shown: StoredEvent?
    EventBatch([event]).forEach { _, view in
      shown = StoredEvent(view, source: source, correlation: nil, payload: true)
      shown?.ordinal = ordinal
    }
    guard let shown, let id = Identifier(event.id) else { preconditionFailure("a test event has an id") }
    stored.append(
      Stored(
        ordinal: ordinal, source: source, event: event, id: id,
        correlation: event.correlation.flatMap { Identifier($0) }, cause: shown.causeIsSpan ? nil : cause,
        shown: shown))
  }

  mutating func store(_ checkpoint: SourceCheckpoint) {
    checkpoints[checkpoint.source + "\n" + checkpoint.subStream] = checkpoint
  }

  func checkpoints(ofSource source: String) -> [SourceCheckpoint] {
    checkpoints.values.filter { $0.source == source }.sorted { $0.subStream < $1.subStream }
  }

  private static func hasSameContent(_ a: TestEvent, _ b: TestEvent) -> Bool {
    a.created == b.created && a.type == b.type && a.data == b.data && a.metadata == b.metadata
      && a.revision == b.revision && a.correlation == b.correlation && a.cause == b.cause
  }

  // MARK: Deriving

  func derived() -> Derived {
    let count = stored.count
    let isDomain = stored.map { $0.event.eventClass == .domain }
    let carried = Set(stored.indices.filter { isDomain[$0] }.compactMap { stored[$0].correlation })
    var trace: [Identifier?] = Array(repeating: nil, count: count)
    var changed = true
    while changed {
      changed = false
      for index in stored.indices where isDomain[index] && trace[index] == nil {
        trace[index] = stored[index].correlation
        if trace[index] == nil, carried.contains(stored[index].id) { trace[index] = stored[index].id }
        if trace[index] == nil, let cause = inheritedFrom(index) { trace[index] = trace[cause] }
        if trace[index] != nil { changed = true }
      }
    }
    var counts = Array(repeating: false, count: count)
    var first: [[Identifier]: Int] = [:]
    for index in stored.indices {
      guard let own = trace[index] else { continue }
      let key = [own, stored[index].id]
      if first[key] == nil {
        first[key] = index
        counts[index] = true
      }
    }
    var parent: [Int?] = Array(repeating: nil, count: count)
    for index in stored.indices where counts[index] {
      guard let cause = stored[index].cause, let own = trace[index], let found = first[[own, cause]] else { continue }
      if found != index { parent[index] = found }
    }
    return Derived(trace: trace, counts: counts, parent: parent, isCut: cuts(parent))
  }

  /// The first event with the cause's id in the same source, else anywhere; never the event itself.
  private func inheritedFrom(_ index: Int) -> Int? {
    guard let cause = stored[index].cause else { return nil }
    let all = stored.indices.filter { stored[$0].id == cause && $0 != index }
    return all.first { stored[$0].source == stored[index].source } ?? all.first
  }

  private func cuts(_ parent: [Int?]) -> [Bool] {
    var cut = Array(repeating: false, count: parent.count)
    for start in parent.indices {
      var members = [start]
      var current = parent[start]
      while let next = current, next != start, members.count <= parent.count {
        members.append(next)
        current = parent[next]
      }
      // Seen from its last stored member, so that each cycle is cut once.
      guard current == start, members.max() == start, members.count <= parent.count else { continue }
      if let effect = members.first(where: { parent[$0] == start }) { cut[effect] = true }
    }
    return cut
  }

  /// How the last stored event's cause stands.
  func lastCauseState(_ derived: Derived) -> CauseState {
    let index = stored.count - 1
    let event = stored[index]
    if event.event.eventClass != .domain || (derived.trace[index] != nil && !derived.counts[index]) { return .none }
    if event.shown.causeIsSpan { return .span }
    guard let cause = event.cause else { return .root }
    let known = stored.indices.contains { $0 != index && stored[$0].id == cause }
    guard let trace = derived.trace[index] else {
      return known ? .none : cause == event.id ? .itself : .unresolved
    }
    if derived.parent[index] != nil {
      let closes = derived.isCut.indices.contains { derived.isCut[$0] && derived.parent[$0] == index }
      return closes ? .cycle : .resolved
    }
    if cause == trace { return .root }
    if cause == event.id { return .itself }
    return known ? .otherTrace : .unresolved
  }

  // MARK: Answers

  func shown(_ index: Int, _ derived: Derived, payload: Bool = true) -> StoredEvent {
    var event = stored[index].shown
    event.correlation = derived.trace[index]
    if !payload {
      event.data = nil
      event.metadata = nil
    }
    return event
  }

  func members(_ derived: Derived) -> [Identifier: [Int]] {
    var members: [Identifier: [Int]] = [:]
    for index in stored.indices {
      if let trace = derived.trace[index] { members[trace, default: []].append(index) }
    }
    return members
  }

  /// Traces with an event in the range, in the order of the list.
  func places(in range: TimeRange, _ derived: Derived) -> [TracePlace] {
    let places = members(derived).compactMap { trace, members -> TracePlace? in
      let times = members.map { stored[$0].event.created }
      guard let first = times.min(), times.contains(where: { range.contains($0) }) else { return nil }
      return TracePlace(firstEvent: first, correlation: trace)
    }
    return places.sorted {
      $0.firstEvent != $1.firstEvent ? $0.firstEvent > $1.firstEvent : $0.correlation < $1.correlation
    }
  }

  /// Percentiles are exact here.
  func handlerStatistics(in range: TimeRange, _ derived: Derived) -> [HandlerStatistics] {
    // Names are compared byte by byte: texts that only look the same are different names.
    var rows: [[[UInt8]]: (latencies: [Int64], failures: Int)] = [:]
    for index in stored.indices where range.contains(stored[index].event.created) {
      let event = stored[index].event
      let key = [stored[index].source, event.service, event.handler, event.type].map { Array($0.utf8) }
      if derived.hasEdge(index), let cause = derived.parent[index] {
        rows[key, default: ([], 0)].latencies.append(event.created.since(stored[cause].event.created))
      }
      let counts = event.eventClass == .domain && (derived.trace[index] == nil || derived.counts[index])
      if counts && event.failure != .none { rows[key, default: ([], 0)].failures += 1 }
    }
    return rows.map { bytes, row in
      let key = bytes.map { String(decoding: $0, as: UTF8.self) }
      let sorted = row.latencies.sorted()
      func rank(_ percent: Int) -> Int64? {
        sorted.isEmpty ? nil : sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
      }
      return HandlerStatistics(
        source: key[0], service: key[1], handler: key[2], eventType: key[3], count: sorted.count,
        negativeCount: sorted.count { $0 < 0 }, failureCount: row.failures, minimum: sorted.first, p50: rank(50),
        p90: rank(90), p99: rank(99), maximum: sorted.last)
    }
  }

  func flow(in range: TimeRange, _ derived: Derived) -> [FlowEdge] {
    var rows: [[[UInt8]]: (count: Int, failures: Int)] = [:]
    for index in stored.indices where derived.hasEdge(index) && range.contains(stored[index].event.created) {
      guard let cause = derived.parent[index] else { continue }
      let event = stored[index].event
      let key = [stored[index].source, stored[cause].event.type, event.service, event.handler, event.type]
        .map { Array($0.utf8) }
      rows[key, default: (0, 0)].count += 1
      if event.failure != .none { rows[key, default: (0, 0)].failures += 1 }
    }
    return
      (rows.map { bytes, row in
        let key = bytes.map { String(decoding: $0, as: UTF8.self) }
        return FlowEdge(
          source: key[0], causeType: key[1], service: key[2], handler: key[3], effectType: key[4], count: row.count,
          failureCount: row.failures)
      })
  }
}
