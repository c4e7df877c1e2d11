import EventModel
import TraceStore

/// What follows from a stored event: its trace, its edge, and the edges of those that waited for it.
///
/// The rules are the design's section 5; the order of arrival does not matter for what is derived in the end. An edge
/// once given is never taken back. Called for every event after it was written, and again for every event of a hot
/// file when the store is opened.
extension StoreState {
  /// Adds a stored event to the newest generation.
  ///
  /// Cost: about half a microsecond for an event whose cause and trace are hot. No allocation but growing tables.
  func derive(_ event: EventView, offset: Int, indexInBatch: Int, into outcome: inout AppendOutcome) {
    let generation = active
    let label = labels.number(of: event)
    let streamHash = unsafe event.stream.isEmpty ? nil : IdentifierKey.hashing(event.stream).mixed
    let place = generation.index.add(event, label: label, offset: offset, streamHash: streamHash)
    let ordinal = generation.index.ordinal(place)
    lastOrdinal = ordinal
    var accepted = AcceptedEvent(
      ordinal: ordinal, label: label, created: event.created,
      payloadBytes: unsafe UInt32(event.data.count + event.metadata.count), failure: event.failure,
      eventClass: event.eventClass, causeState: .none, indexInBatch: UInt32(indexInBatch), trace: .zero,
      cause: event.causeKey, startsTrace: false)
    announce(label, &outcome)
    let edgesBefore = outcome.edges.count
    waiting.causeIsStored(event.idKey)
    if event.eventClass == .domain {
      var known = KnownEvent(event, label: label, trace: event.correlationKey)
      known.ordinal = ordinal
      if known.trace.isZero { known.trace = inheritedTrace(known) }
      if !known.trace.isZero { accepted.startsTrace = enter(place, event, known, &outcome, edgesBefore) }
      accepted.trace = known.trace
      accepted.causeState = settleCause(known, &outcome)
      if !known.trace.isZero, heal(known, &outcome), accepted.causeState == .resolved { accepted.causeState = .cycle }
      if !pending.isEmpty { settlePending(&outcome, edgesBefore: edgesBefore) }
    }
    if mayChangeHeirs(event, ordinal) { changeHeirs(event, &outcome, edgesBefore) }
    if didRework { lookAgain(&accepted, event.idKey) }
    if outcome.edges.count > edgesBefore + 1 {
      outcome.edges[edgesBefore...].sort { $0.childOrdinal < $1.childOrdinal }
    }
    outcome.accepted.append(accepted)
  }

  /// An id of one source that was stored for another source before: who inherits from it may change.
  private func mayChangeHeirs(_ event: EventView, _ ordinal: Int64) -> Bool {
    if sources.count < 2 { return false }
    var hasOther = false
    var hasOwn = false
    let source = event.sourceIndex
    forEachKnown(id: event.idKey) { known in
      if known.ordinal == ordinal { return }
      if known.source == source { hasOwn = true } else { hasOther = true }
    }
    return hasOther && !hasOwn
  }

  private func changeHeirs(_ event: EventView, _ outcome: inout AppendOutcome, _ edgesBefore: Int) {
    let source = event.sourceIndex
    let roots = effects(of: event.idKey).filter { !$0.ownsCorrelation && $0.source == source }
    if roots.isEmpty { return }
    var rework = Rework(self)
    didRework = rework.run(roots, &outcome, edgesBefore: edgesBefore) || didRework
  }

  /// How the new event stands after things were worked out again.
  private func lookAgain(_ accepted: inout AcceptedEvent, _ id: IdentifierKey) {
    didRework = false
    hadEdge.removeAll()
    guard accepted.eventClass == .domain, let event = load(ordinal: accepted.ordinal, id: id) else { return }
    accepted.trace = event.trace
    accepted.causeState = causeState(event)
  }

  func announce(_ label: UInt32, _ outcome: inout AppendOutcome) {
    if labels.announce(label) {
      outcome.newLabels.append((label, labels.names(label) { sources.name($0) }))
    }
  }

  /// The trace of an event that carries none: that of its own id, else its cause's.
  private func inheritedTrace(_ event: KnownEvent) -> IdentifierKey {
    if isTraceStored(event.id) { return event.id }
    if event.cause.isZero { return .zero }
    return heir(of: event.cause, source: event.source, excluding: event.ordinal)?.trace ?? .zero
  }

  /// Whom an event inherits from: the first stored one of its own source, else of any.
  func heir(of cause: IdentifierKey, source: UInt32, excluding ordinal: Int64) -> KnownEvent? {
    var best: KnownEvent?
    forEachKnown(id: cause) { candidate in
      guard candidate.ordinal != ordinal else { return }
      guard let known = best else {
        best = candidate
        return
      }
      let same = candidate.source == source
      if same != (known.source == source) {
        if same { best = candidate }
      } else if candidate.ordinal < known.ordinal {
        best = candidate
      }
    }
    return best
  }

  /// Puts a new event into its trace.
  ///
  /// - Returns: true if it is the first stored event of the trace.
  private func enter(
    _ place: Int, _ event: EventView, _ known: KnownEvent, _ outcome: inout AppendOutcome, _ edgesBefore: Int
  ) -> Bool {
    let generation = active
    let number = generation.index.traceTable.find(known.trace)
    let text = number == nil ? traceText(event, known) : nil
    generation.index.assign(place, to: known.trace, known: number, text: text)
    if number != nil { return false }
    if isTraceStoredBefore(known.trace) {
      generation.index.setOlderFragments(generation.index.traces[place])
      return false
    }
    generation.index.startedTraceCount += 1
    if known.ownsCorrelation { collectNamesakes(known.trace, &outcome, edgesBefore) }
    return true
  }

  /// Events stored before, without a correlation, whose id is that of the new trace, belong to it. They are put there
  /// first, so that the new event finds them in its trace.
  private func collectNamesakes(_ trace: IdentifierKey, _ outcome: inout AppendOutcome, _ edgesBefore: Int) {
    forEachKnown(id: trace) { candidate in
      if candidate.eventClass == .domain, !candidate.ownsCorrelation, candidate.trace != trace {
        pending.append(PendingTrace(event: candidate, trace: trace))
      }
    }
    if !pending.isEmpty { settlePending(&outcome, edgesBefore: edgesBefore) }
  }

  /// The text of the trace an event enters; nil if it is a UUID.
  private func traceText(_ event: EventView, _ known: KnownEvent) -> [UInt8]? {
    if known.ownsCorrelation {
      return event.flags.contains(.correlationIsUUID) ? nil : unsafe Array(event.correlationBytes)
    }
    if known.trace == known.id { return event.flags.contains(.idIsUUID) ? nil : unsafe Array(event.idBytes) }
    return text(ofTrace: known.trace)
  }

  /// The text of a stored trace; nil if it is a UUID.
  func text(ofTrace trace: IdentifierKey) -> [UInt8]? {
    let identifier = identifier(ofTrace: trace)
    return identifier.isUUID ? nil : identifier.storedBytes
  }

  /// The correlation id of a stored trace.
  func identifier(ofTrace trace: IdentifierKey) -> Identifier {
    for generation in generations.reversed() {
      if let number = generation.index.traceTable.find(trace) { return generation.index.traceTable.identifier(number) }
    }
    if let known = late.events(ofTrace: trace).first?.trace { return known }
    var found: Identifier?
    for segment in segments where found == nil && segment.mayContain(trace: trace) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: trace) { _, identifier in
          found = identifier
          return .stop
        }
      }
    }
    return found ?? Identifier(uuid: trace)
  }
}
