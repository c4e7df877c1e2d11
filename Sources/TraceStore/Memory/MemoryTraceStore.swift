public import EventModel

/// The store's contract as plain code, all in memory: what every other store is held against, and a store for tests.
///
/// Nothing is sealed, damaged or dropped here. Clarity before speed: appending is O(1) amortized for an event whose
/// neighbours are stored once, reading lists is O(stored events).
public final class MemoryTraceStore: TraceStore {
  private let state = Guarded(MemoryState())

  public init() {}

  private func read<R>(_ body: (MemoryState) throws(StoreError) -> R) throws(StoreError) -> R {
    try state.withLock { (state) throws(StoreError) in
      try Self.check(state)
      return try body(state)
    }
  }

  private static func check(_ state: MemoryState) throws(StoreError) {
    if state.isClosed { throw StoreError(.closed, "the store is closed", hint: "open it again") }
  }

  // MARK: Writing

  public func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome] {
    try state.withLock { (state) throws(StoreError) in
      try Self.check(state)
      var outcomes: [AppendOutcome] = []
      for batch in batches { outcomes.append(state.append(batch)) }
      return outcomes
    }
  }

  public func sync() throws(StoreError) { try read { _ in } }
  public func seal() throws(StoreError) { try read { _ in } }
  public func applyRetention(now: Timestamp) throws(StoreError) { try read { _ in } }
  public func close() { state.withLock { $0.close() } }

  // MARK: Reading

  public var lastOrdinal: Int64 { state.withLock { Int64($0.facts.count) } }

  public func missingParts() -> [MissingPart] { [] }

  public func trace(_ correlation: Identifier) throws(StoreError) -> TraceContents {
    try read { (state) throws(StoreError) in state.contents(of: correlation) }
  }

  public func payloads(
    ofTrace correlation: Identifier, ordinals: Set<Int64>
  ) throws(StoreError) -> [StoredEvent] {
    try read { (state) throws(StoreError) in
      (state.causality.membersByTrace[correlation] ?? []).filter { ordinals.contains(Int64($0 + 1)) }
        .map { state.stored($0, payload: true) }
    }
  }

  public func events(withID id: Identifier) throws(StoreError) -> [StoredEvent] {
    try read { (state) throws(StoreError) in
      (state.causality.nodesByID[id] ?? []).map { state.stored($0, payload: true) }
    }
  }

  public func locate(_ ids: [Identifier]) throws(StoreError) -> [Identifier: Identifier?] {
    try read { (state) throws(StoreError) in
      var found: [Identifier: Identifier?] = [:]
      for id in ids {
        if let first = state.causality.nodesByID[id]?.first {
          found.updateValue(state.causality.nodes[first].trace, forKey: id)
        }
      }
      return found
    }
  }

  public func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    try read { (state) throws(StoreError) in
      var effects: [StoredEvent] = []
      for index in state.facts.indices where effects.count < limit && state.facts[index].eventClass != .report {
        let names = state.frames.withEvent(at: index) { $0.cause == id }
        if names { effects.append(state.stored(index, payload: false)) }
      }
      return effects
    }
  }

  public func stream(
    _ name: String, after: Int64, limit: Int, payload: Bool
  ) throws(StoreError) -> [StoredEvent] {
    try read { (state) throws(StoreError) in
      (state.indexesByStream[Array(name.utf8)] ?? []).lazy.filter { Int64($0 + 1) > after }.prefix(max(0, limit))
        .map { state.stored($0, payload: payload) }
    }
  }

  public func makeEventCursor(after: Int64) throws(StoreError) -> any EventCursor {
    let last = try read { (state) throws(StoreError) in Int64(state.facts.count) }
    return MemoryEventCursor(self, after: after, last: last)
  }

  /// The events of a cursor's next step, and the ordinal to go on from.
  fileprivate func events(after: Int64, upTo last: Int64, limit: Int) throws(StoreError) -> ([StoredEvent], Int64) {
    try read { (state) throws(StoreError) in
      var events: [StoredEvent] = []
      var ordinal = max(0, after)
      while ordinal < last && events.count < limit {
        ordinal += 1
        let index = Int(ordinal - 1)
        if state.facts[index].eventClass != .report { events.append(state.stored(index, payload: true)) }
      }
      return (events, ordinal)
    }
  }

  public func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let places = try read { (state) throws(StoreError) in state.places(in: range) }
    // Each trace is read on its own, so that `body` runs without the lock.
    for place in places where after.map({ $0.isBefore(place) }) ?? true {
      let contents = try trace(place.correlation)
      if contents.records.isEmpty { continue }
      if try body(contents) == .stop { return }
    }
  }

  public func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    try read { (state) throws(StoreError) in state.handlerStatistics(in: range) }
  }

  public func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] {
    try read { (state) throws(StoreError) in state.flow(in: range) }
  }

  public func statistics() throws(StoreError) -> StoreStatistics {
    try read { (state) throws(StoreError) in state.statistics() }
  }

  public func checkpoints(ofSource source: String) throws(StoreError) -> [SourceCheckpoint] {
    try read { (state) throws(StoreError) in state.checkpoints(ofSource: source) }
  }

  public func sources() throws(StoreError) -> [String] {
    try read { (state) throws(StoreError) in
      state.sources.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }
  }
}

private final class MemoryEventCursor: EventCursor {
  private let store: MemoryTraceStore
  private var after: Int64
  private let last: Int64

  init(_ store: MemoryTraceStore, after: Int64, last: Int64) {
    self.store = store
    self.after = after
    self.last = last
  }

  func next(limit: Int) throws(StoreError) -> [StoredEvent] {
    let (events, ordinal) = try store.events(after: after, upTo: last, limit: max(1, limit))
    after = ordinal
    return events
  }
}
