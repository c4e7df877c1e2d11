internal import EventModel

/// Everything a `MemoryTraceStore` holds.
struct MemoryState {
  /// What tells pushed events apart.
  private struct Identity: Hashable {
    var source: Int
    var stream: [UInt8]
    var id: Identifier
  }

  private struct LabelKey: Hashable {
    var names: [[UInt8]]
    var identity: HandlerIdentity
  }

  private struct CheckpointKey: Hashable {
    var source: String
    var subStream: String
  }

  /// What is asked for often, without looking into the frame. The index is the ordinal less one.
  struct Facts {
    var created: Timestamp
    var eventClass: EventClass
    var failure: FailureKind
    var label: UInt32
  }

  private(set) var isClosed = false
  private(set) var frames = EventBatch()
  private(set) var facts: [Facts] = []
  private(set) var causality = MemoryCausality()
  private(set) var sources: [String] = []
  private(set) var indexesByStream: [[UInt8]: [Int]] = [:]
  /// Number 0 is the overflow label, which this store never needs.
  private(set) var labels: [EventLabels] = [
    EventLabels(source: "_overflow", service: "_overflow", handler: "_overflow", type: "_overflow", identity: .none)
  ]
  // Names are compared byte by byte, never as `String`, for which texts of one look are equal.
  private var labelIndex: [LabelKey: UInt32] = [:]
  private var sourceIndex: [[UInt8]: Int] = [:]
  private var firstByIdentity: [Identity: Int] = [:]
  private var checkpoints: [CheckpointKey: SourceCheckpoint] = [:]

  mutating func close() { isClosed = true }

  func checkpoints(ofSource source: String) -> [SourceCheckpoint] {
    checkpoints.values.filter { $0.source == source }
      .sorted { $0.subStream.utf8.lexicographicallyPrecedes($1.subStream.utf8) }
  }

  /// An event as it is shown.
  func stored(_ index: Int, payload: Bool) -> StoredEvent {
    frames.withEvent(at: index) { event in
      StoredEvent(
        event, source: sources[Int(event.sourceIndex)], correlation: causality.nodes[index].trace, payload: payload)
    }
  }

  // MARK: Appending

  mutating func append(_ batch: SourceBatch) -> AppendOutcome {
    var outcome = AppendOutcome()
    let subStream = batch.checkpoint?.subStream ?? ""
    let key = CheckpointKey(source: batch.source, subStream: subStream)
    var lastPosition = checkpoints[key]?.position
    for place in 0..<batch.events.count {
      let disposition = batch.events.withEvent(at: place) { event -> Disposition in
        switch batch.identity {
        case .position:
          // Not beyond what was read: a source that goes back repeats itself.
          if let last = lastPosition, event.position <= last { return .duplicate }
          lastPosition = event.position
        case .eventID:
          if let known = firstByIdentity[identity(of: event, sourceNumber(batch.source))] {
            let same = frames.withEvent(at: known) { event.hasSameContent(as: $0) }
            return same ? .duplicate : .conflict
          }
        }
        accept(event, place, batch.source, &outcome)
        return .accepted
      }
      outcome.dispositions.append(disposition)
      if disposition == .duplicate { outcome.duplicateCount += 1 }
      if disposition == .conflict { outcome.conflictCount += 1 }
    }
    if let checkpoint = batch.checkpoint {
      _ = sourceNumber(batch.source)
      checkpoints[key] = checkpoint
    }
    return outcome
  }

  private mutating func accept(_ event: EventView, _ place: Int, _ source: String, _ outcome: inout AppendOutcome) {
    let index = facts.count
    let number = sourceNumber(source)
    let label = labelNumber(of: event, source, &outcome)
    frames.append(event, ordinal: Int64(index + 1), sourceIndex: UInt32(number))
    facts.append(
      Facts(created: event.created, eventClass: event.eventClass, failure: event.failure, label: label))
    let identity = identity(of: event, number)
    if firstByIdentity[identity] == nil { firstByIdentity[identity] = index }
    if unsafe !event.stream.isEmpty { indexesByStream[identity.stream, default: []].append(index) }

    let isSpan = event.flags.contains(.causeIsSpan)
    let traceCount = causality.membersByTrace.count
    let children = causality.add(
      MemoryCausality.Node(
        source: number, id: event.id, ownCorrelation: event.correlation, cause: isSpan ? nil : event.cause,
        hasSpanCause: isSpan, isDomain: event.eventClass == .domain))
    for child in children { outcome.edges.append(edge(child, stored: index)) }
    outcome.accepted.append(
      AcceptedEvent(
        ordinal: Int64(index + 1), label: label, created: event.created,
        payloadBytes: UInt32(unsafe event.data.count + event.metadata.count), failure: event.failure,
        eventClass: event.eventClass, causeState: causality.causeState(index), indexInBatch: UInt32(place),
        trace: causality.nodes[index].trace?.key ?? .zero, cause: event.causeKey,
        startsTrace: causality.membersByTrace.count > traceCount))
  }

  /// - Precondition: the event has an edge.
  private func edge(_ child: Int, stored index: Int) -> CausalEdge {
    let node = causality.nodes[child]
    guard let cause = node.parent, let trace = node.trace else { preconditionFailure("the event has an edge") }
    return CausalEdge(
      childLabel: facts[child].label, causeLabel: facts[cause].label, childOrdinal: Int64(child + 1),
      causeOrdinal: Int64(cause + 1), childCreated: facts[child].created,
      latencyNanoseconds: facts[child].created.since(facts[cause].created), childFailure: facts[child].failure,
      correlation: trace, cause: causality.nodes[cause].id.key, healed: child < cause)
  }

  private func identity(of event: EventView, _ source: Int) -> Identity {
    Identity(source: source, stream: unsafe Array(event.stream), id: event.id)
  }

  private mutating func sourceNumber(_ name: String) -> Int {
    let key = Array(name.utf8)
    if let known = sourceIndex[key] { return known }
    sourceIndex[key] = sources.count
    sources.append(name)
    return sources.count - 1
  }

  private mutating func labelNumber(
    of event: EventView, _ source: String, _ outcome: inout AppendOutcome
  ) -> UInt32 {
    let parts = [
      Array(source.utf8), unsafe Array(event.service), unsafe Array(event.handler), unsafe Array(event.type),
    ]
    let key = LabelKey(names: parts, identity: event.handlerIdentity)
    if let known = labelIndex[key] { return known }
    let texts = parts.map { String(decoding: $0, as: UTF8.self) }
    let names = EventLabels(
      source: source, service: texts[1], handler: texts[2], type: texts[3], identity: event.handlerIdentity)
    let number = UInt32(labels.count)
    labels.append(names)
    labelIndex[key] = number
    outcome.newLabels.append((index: number, labels: names))
    return number
  }
}
