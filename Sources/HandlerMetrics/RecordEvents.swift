import EventModel
import PrometheusText

extension MetricsRecorder {
  /// Counts one accepted event.
  func record(_ event: AcceptedEvent, _ view: EventView, _ source: Int, _ arrival: Timestamp) {
    let slot = slot(event.label, source)
    eventsIngested.table.values[eventsIngested.series(slot.type, &directory)] += 1
    sources.bytes.values[source] += Int64(event.payloadBytes)
    let position = view.position
    sources.position[source] =
      position.major == 0 && position.minor == 0
      ? event.ordinal : position.minor == 0 ? Int64(clamping: position.major) : event.ordinal
    if sources.newest[source].map({ $0 < event.created }) ?? true { sources.newest[source] = event.created }
    if unsafe !view.schemaVersion.isEmpty {
      unsafe versions.count(type: slot.type, version: view.schemaVersion, &directory)
    }
    if let revision = view.revision, unsafe !view.stream.isEmpty,
      unsafe revisions.isGap(stream: view.stream, source: source, revision: revision)
    {
      sources.gaps.values[source] += 1
    }
    guard event.eventClass == .domain else { return }
    let handler = handler(event.label, source)
    if !runs.waiting.isEmpty { wakeReports(event, view, slot, arrival) }
    guard isLive(event.created, arrival) else {
      sources.backfilled.values[source] += 1
      recordInTrace(event, slot, arrival, isLive: false, isUUID: false)
      return
    }
    let delay = arrival.since(event.created)
    if delay >= 0 { ingestDelay.observe(source, delay, nil, at: arrival) }
    recordInTrace(
      event, slot, arrival, isLive: true,
      isUUID: view.flags.contains(.correlationIsUUID) && view.correlationKey == event.trace)
    waiting.advanceLogTime(source, min(event.created, arrival))
    recordCause(event, view, slot, handler, source, arrival)
  }

  private func recordCause(
    _ event: AcceptedEvent, _ view: EventView, _ slot: LabelSlot, _ handler: Int, _ source: Int, _ arrival: Timestamp
  ) {
    switch event.causeState {
    case .resolved: return
    case .none:
      // In a trace this is a later event of an id that counts already; outside of traces there are no edges.
      if !event.trace.isZero { return }
    case .unresolved:
      addWaiting(event, view, source, arrival, isRoot: false)
      return
    case .root:
      let isDeclared = event.startsTrace || options.rootTypes.contains(slot.names.type)
      if event.cause.isZero && !isDeclared {
        causality.missing.table.values[causality.missing.series(slot.type, &directory)] += 1
      }
      // An event with the id that marks the root may still come, and then wins over the marker.
      if event.failure != .none && !event.cause.isZero {
        addWaiting(event, view, source, arrival, isRoot: true)
        waiting.markFailureCounted(event.ordinal)
      }
    case .otherTrace: causality.conflicts[source, .correlationMismatch] += 1
    case .itself: causality.conflicts[source, .itself] += 1
    case .cycle:
      // Its own edge stands (another of the cycle was cut) and brings its failure.
      causality.conflicts[source, .cycle] += 1
      return
    case .span: break
    }
    if event.failure != .none {
      recordFailureWithoutCause(handler, identity(event.label, handler), view.idKey, event.failure)
    }
  }

  private func addWaiting(
    _ event: AcceptedEvent, _ view: EventView, _ source: Int, _ arrival: Timestamp, isRoot: Bool
  ) {
    let entry = WaitingBook.Entry(
      label: event.label, source: source, created: event.created, arrival: arrival, failure: event.failure,
      ownKey: view.idKey, isRoot: isRoot)
    if !isRoot { causality.unresolved.values[source] += 1 }
    if let evicted = waiting.add(event.ordinal, entry), !evicted.isRoot {
      causality.unresolved.values[evicted.source] -= 1
      if !evicted.isOrphan { countOrphan(evicted) }
    }
  }

  /// Counts as orphans those whose grace is over: by the time of the log, and where that stands still by the clock.
  func expireWaiting(_ now: Timestamp) {
    let grace = Int64(options.orphanGraceSeconds * 1e9)
    while let (ordinal, entry) = waiting.nextOrphan({ entry, logTime in
      logTime >= entry.created.advanced(byNanoseconds: grace) || now >= entry.arrival.advanced(byNanoseconds: grace)
    }) {
      countOrphan(entry)
      if entry.failure != .none { waiting.markFailureCounted(ordinal) }
    }
  }

  private func countOrphan(_ entry: WaitingBook.Entry) {
    let slot = slot(entry.label, entry.source)
    causality.orphans.table.values[causality.orphans.series(slot.type, &directory)] += 1
    if entry.failure != .none {
      let handler = handler(entry.label, entry.source)
      recordFailureWithoutCause(handler, identity(entry.label, handler), entry.ownKey, entry.failure)
    }
  }

  /// A failure whose cause is not known counts against the handler and the event itself.
  private func recordFailureWithoutCause(
    _ handler: Int, _ identity: UInt32, _ own: IdentifierKey, _ failure: FailureKind
  ) {
    let type = directory.noneType(directory.handlers[handler].source)
    recordPair(
      handler, identity, own, executions: handlers.executions.group(handler: handler, type: type, &directory),
      failures: handlers.failures.group(handler: handler, type: type, &directory),
      failure: FailureReason(failure))
    _ = handlers.grown(directory.handlers.count - 1, directory)
  }

  /// Counts one edge: an older event's too, whose cause came now.
  func record(
    _ edge: CausalEdge, _ outcome: AppendOutcome, _ events: EventBatch, _ source: Int, _ arrival: Timestamp
  ) {
    let waited = edge.healed ? waiting.remove(edge.childOrdinal) : nil
    if let waited, !waited.isRoot { causality.unresolved.values[waited.source] -= 1 }
    guard waited != nil || isLive(edge.childCreated, arrival) else { return }
    let slot = edgeSlot(cause: edge.causeLabel, child: edge.childLabel, source)
    causality.edges.table.values[slot.edge] += 1
    handlers.reactions.table.values[slot.reactions] += 1
    if handlers.lastReaction[slot.handler].map({ $0 < edge.childCreated }) ?? true {
      handlers.lastReaction[slot.handler] = edge.childCreated
    }
    if edge.latencyNanoseconds >= 0 {
      handlers.latency.observe(slot.handler, edge.latencyNanoseconds, edge.correlation, at: arrival)
    } else {
      handlers.clockSkew.values[slot.handler] += 1
    }
    let isDuplicate = isDuplicateReaction(edge, outcome, events)
    if isDuplicate { handlers.retries[slot.handler, .duplicateReaction] += 1 }
    if waited?.failureCounted == true {
      let flags = pairs.executions.flags(edge.cause, slot.identity)
      pairs.executions.set(
        edge.cause, slot.identity, flags | PairBook.Flag.executed | PairBook.Flag.failed)
    }
    recordPair(
      slot.handler, slot.identity, edge.cause, executions: slot.executions, failures: slot.failures,
      failure: edge.childFailure == .none ? nil : FailureReason(edge.childFailure))
  }

  /// Counts the execution and the failure of a pair, each once; a failure and a success make a retry.
  ///
  /// - Parameter retry: false where attempts are reported, and counted as such.
  func recordPair(
    _ handler: Int, _ identity: UInt32, _ cause: IdentifierKey, executions: Int, failures: Int,
    failure: FailureReason?, retry: Bool = true
  ) {
    let before = pairs.executions.flags(cause, identity)
    var flags = before
    if flags & PairBook.Flag.executed == 0 {
      flags |= PairBook.Flag.executed
      handlers.executions.table.values[executions] += 1
    }
    if let failure {
      if flags & PairBook.Flag.failed == 0 {
        flags |= PairBook.Flag.failed
        handlers.failures.table.values[failures + failure.rawValue] += 1
      }
    } else {
      flags |= PairBook.Flag.succeeded
    }
    let both = PairBook.Flag.failed | PairBook.Flag.succeeded
    if flags & both == both && flags & PairBook.Flag.retried == 0 {
      flags |= PairBook.Flag.retried
      if retry { handlers.retries[handler, .redelivered] += 1 }
    }
    pairs.executions.set(cause, identity, flags)
  }

  /// The handler reacted to this cause before with an event of this type in this stream.
  private func isDuplicateReaction(_ edge: CausalEdge, _ outcome: AppendOutcome, _ events: EventBatch) -> Bool {
    // The stream is in the batch; of a child that was stored earlier it is not at hand.
    guard !edge.healed, let index = Self.index(of: edge.childOrdinal, in: outcome.accepted) else { return false }
    let stream = events.withEvent(at: Int(outcome.accepted[index].indexInBatch)) {
      unsafe IdentifierKey.hashing($0.stream)
    }
    let key = IdentifierKey(high: edge.cause.high ^ stream.high, low: edge.cause.low ^ stream.low)
    let known = pairs.reactions.flags(key, edge.childLabel) != 0
    pairs.reactions.set(key, edge.childLabel, 1)
    return known
  }

  /// Accepted events are in the order of their ordinals. Complexity: O(log n).
  private static func index(of ordinal: Int64, in accepted: [AcceptedEvent]) -> Int? {
    var low = 0
    var high = accepted.count
    while low < high {
      let middle = (low + high) / 2
      if accepted[middle].ordinal < ordinal { low = middle + 1 } else { high = middle }
    }
    return low < accepted.count && accepted[low].ordinal == ordinal ? low : nil
  }
}
