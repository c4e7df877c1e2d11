import EventModel
import TraceStore

/// What follows from a stored event: its trace, its edge, and the edges of those that waited for it.
///
/// The rules are the design's section 5; the order of arrival does not matter for what is derived in the end. An edge
/// that was told is not told again; one that a later arrival makes wrong is taken back and drawn anew (`Redrawing`).
/// Called for every event after it was written, and again for every event of a hot file when the store is opened.
extension StoreState {
  /// Adds stored events to the newest generation. Everything the tables are going to be asked is asked for first:
  /// many cache misses at one time cost little more than one.
  ///
  /// - Parameter frames: where the drafts' frames lie.
  func derive(
    from drafts: UnsafePointer<HotDraft>, count: Int, frames: UnsafeRawPointer, _ outcome: inout AppendOutcome
  ) {
    let index = active.index
    for number in 0..<count { unsafe index.prefetchTables(drafts + number) }
    for number in 0..<count { unsafe index.prefetchRows(drafts + number) }
    for number in 0..<count {
      let draft = unsafe drafts + number
      if unsafe draft.pointee.offset == 0 { index.beginChunk() }
      let frame = unsafe UnsafeRawBufferPointer(
        start: frames + draft.pointee.start, count: Int(draft.pointee.frameBytes))
      unsafe derive(EventView(trusted: frame), draft, index, into: &outcome)
    }
  }

  /// Adds a stored event to the newest generation.
  ///
  /// Cost: a third of a microsecond for an event whose cause and trace are hot. No allocation but growing tables.
  @inline(__always) private func derive(
    _ event: EventView, _ draft: UnsafePointer<HotDraft>, _ index: HotIndex, into outcome: inout AppendOutcome
  ) {
    let place = unsafe index.add(draft)
    let label = unsafe draft.pointee.label
    let ordinal = index.ordinal(place)
    lastOrdinal = ordinal
    var accepted = unsafe AcceptedEvent(
      ordinal: ordinal, label: label, created: Timestamp(nanoseconds: draft.pointee.created),
      payloadBytes: draft.pointee.payloadBytes, failure: draft.pointee.failure, eventClass: draft.pointee.eventClass,
      causeState: .none, indexInBatch: draft.pointee.indexInBatch, trace: .zero, cause: draft.pointee.cause,
      startsTrace: false)
    announce(label, &outcome)
    let isAwaited = unsafe waiting.causeIsStored(draft.pointee.id)
    let isRepeated = unsafe draft.pointee.mayBeOlder || index.has(HotIndex.Flag.repeats, place)
    if accepted.eventClass == .domain, !isAwaited, !isRepeated, unsafe draft.pointee.has(HotIndex.Flag.ownsCorrelation)
    {
      unsafe deriveUsual(event, draft, place, index, &accepted, &outcome)
    } else {
      unsafe deriveAny(event, draft, place, isAwaited, &accepted, &outcome)
    }
    outcome.accepted.append(accepted)
  }

  /// An event of its own trace, whose id is new, and for which nobody waits.
  @inline(__always) private func deriveUsual(
    _ event: EventView, _ draft: UnsafePointer<HotDraft>, _ place: Int, _ index: HotIndex,
    _ accepted: inout AcceptedEvent, _ outcome: inout AppendOutcome
  ) {
    let trace = unsafe draft.pointee.correlation
    let cause = unsafe draft.pointee.eventCause
    guard let number = unsafe index.traceTable.find(trace, draft.pointee.correlationHash),
      unsafe draft.pointee.id != trace
    else { return unsafe deriveAny(event, draft, place, false, &accepted, &outcome) }
    index.assign(place, to: number)
    index.set(HotIndex.Flag.counts, place)
    accepted.trace = trace
    if unsafe draft.pointee.has(HotIndex.Flag.causeIsSpan) {
      accepted.causeState = .span
    } else if cause.isZero {
      accepted.causeState = .root
    } else if unsafe cause == draft.pointee.id {
      accepted.causeState = .itself
    } else if let found = unsafe index.firstPlace(cause, draft.pointee.causeHash, inTrace: number),
      !index.traceTable.hasOlderFragments(number) || index.has(HotIndex.Flag.counts, found)
    {
      index.setCause(place, found)
      accepted.causeState = .resolved
      unsafe tellUsual(draft, found, index, number, accepted.ordinal, &outcome)
    } else {
      let edgesBefore = outcome.edges.count
      var known = unsafe KnownEvent(draft, ordinal: accepted.ordinal)
      known.trace = trace
      accepted.causeState = settleCause(known, &outcome)
      order(&outcome, edgesBefore)
    }
  }

  @inline(__always) private func tellUsual(
    _ draft: UnsafePointer<HotDraft>, _ cause: Int, _ index: HotIndex, _ trace: UInt32, _ ordinal: Int64,
    _ outcome: inout AppendOutcome
  ) {
    let label = index.label(cause)
    announce(label, &outcome)
    let created = unsafe Timestamp(nanoseconds: draft.pointee.created)
    unsafe outcome.edges.append(
      CausalEdge(
        childLabel: draft.pointee.label, causeLabel: label, childOrdinal: ordinal, causeOrdinal: index.ordinal(cause),
        childCreated: created, latencyNanoseconds: created.since(Timestamp(nanoseconds: index.created(cause))),
        childFailure: draft.pointee.failure, correlation: index.traceTable.identifier(trace),
        cause: draft.pointee.cause, healed: false))
  }

  private func deriveAny(
    _ event: EventView, _ draft: UnsafePointer<HotDraft>, _ place: Int, _ isAwaited: Bool,
    _ accepted: inout AcceptedEvent, _ outcome: inout AppendOutcome
  ) {
    let edgesBefore = outcome.edges.count
    var looksAgain = false
    if accepted.eventClass == .domain {
      var known = unsafe KnownEvent(draft, ordinal: accepted.ordinal)
      if known.trace.isZero { known.trace = inheritedTrace(known) }
      if !known.trace.isZero { accepted.startsTrace = enter(place, event, known) }
      accepted.trace = known.trace
      accepted.causeState = settleCause(known, &outcome)
      if isAwaited || known.id == known.trace, !known.trace.isZero, heal(known, &outcome),
        accepted.causeState == .resolved
      {
        accepted.causeState = .cycle
      }
      if accepted.startsTrace, known.ownsCorrelation { collectNamesakes(known.trace) }
      looksAgain = !pending.isEmpty
    }
    var changing = looksAgain ? settlePending(&outcome) : []
    if unsafe draft.pointee.mayBeOlder || active.index.has(HotIndex.Flag.repeats, place) {
      unsafe changing += heirsThatChange(draft, place)
    }
    if !changing.isEmpty {
      var rework = Rework(self)
      rework.run(changing, outcome, edgesBefore: edgesBefore)
      looksAgain = true
    }
    if looksAgain {
      if !drawnAgain.isEmpty { tellAgain(&outcome, edgesBefore: edgesBefore) }
      lookAgain(&accepted, event.idKey)
    }
    order(&outcome, edgesBefore)
  }

  /// By child, each once: where several late namesakes enter a trace with one event, its edge is drawn more than once.
  private func order(_ outcome: inout AppendOutcome, _ edgesBefore: Int) {
    guard outcome.edges.count > edgesBefore + 1 else { return }
    outcome.edges[edgesBefore...].sort { $0.childOrdinal < $1.childOrdinal }
    var kept = edgesBefore
    for index in (edgesBefore + 1)..<outcome.edges.count {
      if outcome.edges[index].childOrdinal != outcome.edges[kept].childOrdinal { kept += 1 }
      outcome.edges[kept] = outcome.edges[index]
    }
    outcome.edges.removeSubrange((kept + 1)...)
  }

  /// Events that have a trace, and inherit from the new event from now on: its id was stored for another source only,
  /// or, for an event that names itself as its cause, by no other event of the source.
  private func heirsThatChange(_ draft: UnsafePointer<HotDraft>, _ place: Int) -> [KnownEvent] {
    if sources.count < 2 { return [] }
    var hasOther = false
    var own: [Int64: KnownEvent] = [:]
    let (id, source) = unsafe (draft.pointee.id, draft.pointee.source)
    forEachFirst(of: id, source: source, excluding: active.index.ordinal(place)) { known in
      if known.source == source { own[known.ordinal] = known } else { hasOther = true }
    }
    if !hasOther || own.count > 1 { return [] }
    guard let first = own.values.first else {
      return effects(of: id).filter { !$0.ownsCorrelation && $0.source == source }
    }
    if first.eventClass != .domain || first.ownsCorrelation { return [] }
    return load(ordinal: first.ordinal, id: id).map { $0.cause == id ? [$0] : [] } ?? []
  }

  /// How the new event stands after things were worked out again.
  private func lookAgain(_ accepted: inout AcceptedEvent, _ id: IdentifierKey) {
    guard accepted.eventClass == .domain, let event = load(ordinal: accepted.ordinal, id: id) else { return }
    accepted.trace = event.trace
    accepted.causeState = causeState(event)
  }

  @inline(__always) func announce(_ label: UInt32, _ outcome: inout AppendOutcome) {
    if labels.announce(label) {
      outcome.newLabels.append((label, labels.names(label) { sources.name($0) }))
    }
  }

  /// The trace of an event that carries none: that of its own id, else its cause's.
  func inheritedTrace(_ event: KnownEvent) -> IdentifierKey {
    if isTraceStored(event.id) { return event.id }
    if event.cause.isZero { return .zero }
    return heir(of: event.cause, source: event.source, excluding: event.ordinal)?.trace ?? .zero
  }

  /// Whom an event inherits from: the first stored one of its own source, else of any.
  func heir(of cause: IdentifierKey, source: UInt32, excluding ordinal: Int64) -> KnownEvent? {
    var best: KnownEvent?
    forEachFirst(of: cause, source: source, excluding: ordinal) { candidate in
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
  private func enter(_ place: Int, _ event: EventView, _ known: KnownEvent) -> Bool {
    let index = active.index
    if let number = index.traceTable.find(known.trace) {
      index.assign(place, to: number)
      return false
    }
    let number = index.traceTable.add(known.trace, text: traceText(event, known))
    index.assign(place, to: number)
    if isTraceStoredBefore(known.trace) {
      index.traceTable.setOlderFragments(number)
      return false
    }
    index.startedTraceCount += 1
    return true
  }

  /// Events stored before, without a correlation, whose id is that of the new trace, belong to it.
  private func collectNamesakes(_ trace: IdentifierKey) {
    forEachKnown(id: trace) { candidate in
      if candidate.eventClass == .domain, !candidate.ownsCorrelation, candidate.trace != trace {
        pending.append(candidate)
      }
    }
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
    if let known = late.identifier(ofTrace: trace) { return known }
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
