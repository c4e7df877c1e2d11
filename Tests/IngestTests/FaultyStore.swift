import EventModel
import Platform
import TraceStore

/// A memory store that refuses on demand, and can be held up.
final class FaultyStore: TraceStore {
  struct Faults: Sendable {
    var appendError: StoreError?
    /// Batches whose source has this name are refused.
    var poisonedSource: String?
    var isHeld = false
    /// Calls that came, held ones included.
    var enteredCalls = 0
    var appendCalls = 0
    var syncCalls = 0
    var largestGroup = 0
  }

  let inner = MemoryTraceStore()
  private let faults = Locked(Faults())
  private let gate = Lock()

  var counted: Faults { faults.withLock { $0 } }

  func change(_ change: (inout Faults) -> Void) {
    faults.withLock { change(&$0) }
    gate.withLock { gate.wakeAll() }
  }

  static let full = StoreError(.diskFull, "the disk is full", hint: "free some space")

  func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome] {
    faults.withLock { $0.enteredCalls += 1 }
    gate.withLock { while faults.withLock({ $0.isHeld }) { gate.wait() } }
    let error = faults.withLock { faults -> StoreError? in
      faults.appendCalls += 1
      faults.largestGroup = max(faults.largestGroup, batches.count)
      if let poisoned = faults.poisonedSource, batches.contains(where: { $0.source == poisoned }) {
        return StoreError(.limitExceeded, "poisoned", hint: "")
      }
      return faults.appendError
    }
    if let error { throw error }
    return try inner.append(batches)
  }

  func sync() throws(StoreError) {
    faults.withLock { $0.syncCalls += 1 }
    try inner.sync()
  }
  func seal() throws(StoreError) { try inner.seal() }
  func applyRetention(now: Timestamp) throws(StoreError) { try inner.applyRetention(now: now) }
  func close() { inner.close() }

  func trace(_ correlation: Identifier) throws(StoreError) -> TraceContents { try inner.trace(correlation) }
  func payloads(ofTrace correlation: Identifier, ordinals: Set<Int64>) throws(StoreError) -> [StoredEvent] {
    try inner.payloads(ofTrace: correlation, ordinals: ordinals)
  }
  func events(withID id: Identifier) throws(StoreError) -> [StoredEvent] { try inner.events(withID: id) }
  func locate(_ ids: [Identifier]) throws(StoreError) -> [Identifier: Identifier?] { try inner.locate(ids) }
  func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    try inner.effects(of: id, limit: limit)
  }
  func stream(_ name: String, after: Int64, limit: Int, payload: Bool) throws(StoreError) -> [StoredEvent] {
    try inner.stream(name, after: after, limit: limit, payload: payload)
  }
  func makeEventCursor(after: Int64) throws(StoreError) -> any EventCursor {
    try inner.makeEventCursor(after: after)
  }
  func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError) { try inner.traces(in: range, after: after, body) }
  func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    try inner.handlerStatistics(in: range)
  }
  func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] { try inner.flow(in: range) }
  func statistics() throws(StoreError) -> StoreStatistics { try inner.statistics() }
  var lastOrdinal: Int64 { inner.lastOrdinal }
  func checkpoints(ofSource source: String) throws(StoreError) -> [SourceCheckpoint] {
    try inner.checkpoints(ofSource: source)
  }
  func sources() throws(StoreError) -> [String] { try inner.sources() }
  func missingParts() -> [MissingPart] { inner.missingParts() }
}
