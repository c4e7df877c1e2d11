import EventModel
import Testing
public import TraceStore

/// A store, what it must answer, and what happens to it between two calls.
public struct StoreUnderTest {
  public private(set) var store: any TraceStore
  private let disturb: (any TraceStore) throws -> any TraceStore
  var expected = ExpectedStore()
  private var labels: [UInt32: EventLabels] = [:]

  init(_ store: any TraceStore, disturb: @escaping (any TraceStore) throws -> any TraceStore) {
    self.store = store
    self.disturb = disturb
  }

  /// What may happen at any time: sealing, reopening, nothing.
  mutating func disturbNow() throws {
    let before = ObjectIdentifier(store)
    store = try disturb(store)
    // Numbers of labels are those of one opening.
    if ObjectIdentifier(store) != before { labels = [:] }
  }

  /// Appends one batch, holds the outcome against the rules, disturbs the store.
  @discardableResult mutating func append(
    _ events: [TestEvent], source: String = "default", identity: IdentityRule = .eventID,
    checkpoint: SourceCheckpoint? = nil, checked: Bool = true
  ) throws -> AppendOutcome {
    let batch = SourceBatch(events, source: source, identity: identity, checkpoint: checkpoint)
    let outcomes = try store.append([batch])
    let outcome = try #require(outcomes.first)
    for (index, names) in outcome.newLabels { labels[index] = names }
    let wanted = expected.dispositions(events, source, identity, checkpoint?.subStream ?? "")
    try #require(outcome.dispositions == wanted, "dispositions of \(events.map(\.id)) from \(source)")
    #expect(outcome.duplicateCount == wanted.count { $0 == .duplicate })
    #expect(outcome.conflictCount == wanted.count { $0 == .conflict })
    try #require(outcome.accepted.count == wanted.count { $0 == .accepted })

    var edges: [WantedEdge] = []
    for accepted in outcome.accepted {
      let event = events[Int(accepted.indexInBatch)]
      if checked {
        edges += try store(event, source, accepted)
      } else {
        expected.store(event, source, ordinal: accepted.ordinal)
      }
    }
    if checked { try check(outcome.edges, edges) }
    if let checkpoint { expected.store(checkpoint) }
    try disturbNow()
    return outcome
  }

  /// By indexes; the trace is that of the moment, for events may move later.
  private struct WantedEdge {
    var child: Int
    var cause: Int
    var trace: Identifier?
  }

  /// - Returns: the edges that this event must bring.
  private mutating func store(
    _ event: TestEvent, _ source: String, _ accepted: AcceptedEvent
  ) throws -> [WantedEdge] {
    let before = expected.derived()
    expected.store(event, source, ordinal: accepted.ordinal)
    let after = expected.derived()
    let index = expected.stored.count - 1
    let about: Comment = "event \(event.id), ordinal \(accepted.ordinal)"
    #expect(index == 0 || accepted.ordinal > expected.stored[index - 1].ordinal, about)
    #expect(accepted.created == event.created, about)
    #expect(accepted.failure == event.failure, about)
    #expect(accepted.eventClass == event.eventClass, about)
    #expect(Int(accepted.payloadBytes) == (event.data ?? "").utf8.count + (event.metadata ?? "").utf8.count, about)
    #expect(accepted.trace == after.trace[index]?.key ?? .zero, about)
    #expect(accepted.cause == event.cause.flatMap { Identifier($0)?.key } ?? .zero, about)
    #expect(accepted.causeState == expected.lastCauseState(after), about)
    let startsTrace = after.trace[index].map { !before.trace.contains($0) } ?? false
    #expect(accepted.startsTrace == startsTrace, about)
    let names = try #require(labels[accepted.label], "label \(accepted.label) was never said to be new")
    #expect(
      names
        == EventLabels(
          source: source, service: event.service, handler: event.handler, type: event.type,
          identity: event.handlerIdentity), about)
    return expected.stored.indices.compactMap { child in
      let hadEdge = child < before.trace.count && before.hasEdge(child)
      guard after.hasEdge(child), !hadEdge, let cause = after.parent[child] else { return nil }
      return WantedEdge(child: child, cause: cause, trace: after.trace[child])
    }
  }

  private func check(_ edges: [CausalEdge], _ wanted: [WantedEdge]) throws {
    func ordinal(_ index: Int) -> Int64 { expected.stored[index].ordinal }
    let edges = edges.sorted { ($0.childOrdinal, $0.causeOrdinal) < ($1.childOrdinal, $1.causeOrdinal) }
    let wanted = wanted.sorted { ($0.child, $0.cause) < ($1.child, $1.cause) }
    try #require(
      edges.map { [$0.childOrdinal, $0.causeOrdinal] } == wanted.map { [ordinal($0.child), ordinal($0.cause)] },
      "edges (child, cause) of this batch")
    for (edge, wanted) in zip(edges, wanted) {
      let (child, cause) = (wanted.child, wanted.cause)
      let (childEvent, causeEvent) = (expected.stored[child].event, expected.stored[cause].event)
      let about: Comment = "edge from \(causeEvent.id) to \(childEvent.id)"
      #expect(edge.childCreated == childEvent.created, about)
      #expect(edge.latencyNanoseconds == childEvent.created.since(causeEvent.created), about)
      #expect(edge.childFailure == childEvent.failure, about)
      #expect(edge.cause == Identifier(causeEvent.id)?.key, about)
      #expect(edge.healed == (edge.childOrdinal < edge.causeOrdinal), about)
      #expect(edge.correlation == wanted.trace, about)
      #expect(labels[edge.childLabel]?.type == childEvent.type, about)
      #expect(labels[edge.causeLabel]?.type == causeEvent.type, about)
    }
  }
}
