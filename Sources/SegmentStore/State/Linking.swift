import EventModel
import TraceStore

extension StoreState {
  /// Finds the cause of an event that is in the index, gives its edge, or lets it wait.
  func settleCause(_ event: KnownEvent, _ outcome: inout AppendOutcome) -> CauseState {
    if event.trace.isZero { return settleTraceless(event) }
    if let first = representative(event.id, in: event.trace), first.ordinal != event.ordinal { return .none }
    mark(HotIndex.Flag.counts, event.ordinal)
    if event.causeIsSpan { return .span }
    if event.cause.isZero { return .root }
    if event.cause == event.id { return event.cause == event.trace ? .root : .itself }
    if let cause = representative(event.cause, in: event.trace) {
      addEdge(child: waitingChild(event), cause: cause, trace: event.trace, &outcome)
      return .resolved
    }
    // What equals the correlation id marks a root, unless an event of the trace turns up behind it.
    if event.cause == event.trace { return .root }
    let isStored = isStored(id: event.cause)
    wait(event, isUnresolved: !isStored)
    return isStored ? .otherTrace : .unresolved
  }

  /// How the cause of the newest event stands, after everything is settled.
  func causeState(_ event: KnownEvent) -> CauseState {
    if !event.trace.isZero, representative(event.id, in: event.trace)?.ordinal != event.ordinal { return .none }
    if event.causeIsSpan { return .span }
    if event.cause.isZero { return .root }
    if !event.trace.isZero, event.cause != event.id, representative(event.cause, in: event.trace) != nil {
      return closesCycle(event) ? .cycle : .resolved
    }
    if !event.trace.isZero, event.cause == event.trace { return .root }
    let isStored = isStored(id: event.cause, excluding: event.ordinal)
    if event.trace.isZero, isStored { return .none }
    if event.cause == event.id { return .itself }
    return isStored ? .otherTrace : .unresolved
  }

  private func settleTraceless(_ event: KnownEvent) -> CauseState {
    if event.causeIsSpan { return .span }
    if event.cause.isZero { return .root }
    let isStored = isStored(id: event.cause, excluding: event.ordinal)
    // Its own id as well: another event of that id may come, and pass its trace on.
    let namesItself = event.cause == event.id
    wait(event, isUnresolved: !isStored && !namesItself)
    return isStored ? .none : namesItself ? .itself : .unresolved
  }

  private func mark(_ flag: UInt32, _ ordinal: Int64) {
    if let index = generations.last?.index, let place = index.place(ordinal) { index.set(flag, place) }
  }

  /// Lets an event wait for its cause.
  func wait(_ event: KnownEvent) {
    wait(event, isUnresolved: event.cause != event.id && !isStored(id: event.cause, excluding: event.ordinal))
  }

  private func wait(_ event: KnownEvent, isUnresolved: Bool) {
    var child = waitingChild(event)
    child.isUnresolved = isUnresolved
    if waiting.insert(child) { mark(HotIndex.Flag.waits, event.ordinal) }
  }

  func waitingChild(_ event: KnownEvent) -> WaitingTable.Child {
    WaitingTable.Child(
      cause: event.cause, ordinal: event.ordinal, created: event.created, label: event.label, source: event.source,
      failure: event.failure, hasNoTrace: event.trace.isZero, traceOrID: event.trace.isZero ? event.id : event.trace)
  }

  /// The event that counts among those of one id in one trace: the one stored first.
  func representative(_ id: IdentifierKey, in trace: IdentifierKey) -> KnownEvent? {
    let idHash = HotHash.ofProcess.key(id)
    // None while the store is being opened.
    let newest = generations.last
    if let index = newest?.index, let number = index.traceTable.find(trace) {
      let best = index.firstPlace(id, idHash, inTrace: number)
      // Without older parts of the trace there is nothing older to look for.
      if !index.traceTable.hasOlderFragments(number) || isCounted(best) { return best.map { known(active, $0) } }
    }
    var first: KnownEvent?
    func look(_ candidate: KnownEvent) {
      if candidate.trace == trace, candidate.eventClass == .domain, candidate.ordinal < first?.ordinal ?? .max {
        first = candidate
      }
    }
    for generation in generations {
      let index = generation.index
      if generation === newest || !late.concerns(id) {
        if let number = index.traceTable.find(trace), let place = index.firstPlace(id, idHash, inTrace: number) {
          look(known(generation, place))
        }
      } else {
        index.forEach(id: id) { look(known(generation, $0)) }
      }
    }
    forEachSealed(id: id, inTrace: trace) { look($0) }
    return first
  }

  private func isCounted(_ place: Int?) -> Bool {
    guard let place else { return false }
    return active.index.has(HotIndex.Flag.counts, place)
  }

  /// Writes an edge down, in the generation that is written, and tells of it.
  private func addEdge(
    child: WaitingTable.Child, cause: KnownEvent, trace: IdentifierKey, _ outcome: inout AppendOutcome
  ) {
    setEdge(child, cause)
    tell(child, cause, trace, &outcome)
  }

  func setEdge(_ event: KnownEvent, _ cause: KnownEvent) { setEdge(waitingChild(event), cause) }

  private func setEdge(_ child: WaitingTable.Child, _ cause: KnownEvent) {
    let generation = active
    let latency = child.created.since(cause.created)
    if let place = generation.index.place(child.ordinal) {
      if let causePlace = generation.index.place(cause.ordinal) {
        generation.index.setCause(place, causePlace)
      } else {
        generation.index.setExternalCause(
          place, HotIndex.ExternalCause(ordinal: cause.ordinal, label: cause.label, latency: latency))
      }
      return
    }
    generation.index.healed.set(
      SegmentEdge(
        childLabel: child.label, causeLabel: cause.label, childCreated: child.created, latency: latency,
        childFailure: child.failure, childOrdinal: child.ordinal, causeOrdinal: cause.ordinal))
  }

  func tell(_ event: KnownEvent, _ cause: KnownEvent, _ outcome: inout AppendOutcome) {
    tell(waitingChild(event), cause, event.trace, &outcome)
  }

  private func tell(
    _ child: WaitingTable.Child, _ cause: KnownEvent, _ trace: IdentifierKey, _ outcome: inout AppendOutcome
  ) {
    announce(child.label, &outcome)
    announce(cause.label, &outcome)
    outcome.edges.append(
      CausalEdge(
        childLabel: child.label, causeLabel: cause.label, childOrdinal: child.ordinal, causeOrdinal: cause.ordinal,
        childCreated: child.created, latencyNanoseconds: child.created.since(cause.created),
        childFailure: child.failure, correlation: identifier(ofTrace: trace), cause: cause.id,
        healed: child.ordinal < cause.ordinal))
  }

  /// Gives their edges to the children that waited for this event, and puts those that get its trace into `pending`.
  ///
  /// - Returns: true if a cycle was found, and cut at the child that has this event as its cause: right for the newest
  ///   event, which is the one of the cycle that was stored last.
  func heal(_ event: KnownEvent, _ outcome: inout AppendOutcome) -> Bool {
    var isCut = false
    if waiting.hasChildren(of: event.id, inTrace: event.trace) || event.id == event.trace, counts(event) {
      let joined = joining(event)
      if !joined.isEmpty {
        // Its edge, if it has one, was drawn a moment ago.
        let top = hasEdge(event.ordinal) ? topAncestor(of: event) : nil
        for child in joined where child.ordinal != event.ordinal && child.ordinal != top {
          addEdge(child: child, cause: event, trace: event.trace, &outcome)
        }
        isCut = joined.contains { $0.ordinal == top }
        // One that is cut gets its edge when the cycle is broken: it waits for nothing.
        if isCut, let top {
          if let place = active.index.place(top) {
            active.index.clear(HotIndex.Flag.waits, place)
          } else if let cut = self.event(top, in: event.trace) {
            noteReworked(top, cut.id)
          }
        }
        waiting.remove(of: event.id, inTrace: event.trace) { $0.ordinal != event.ordinal }
      }
    }
    // Others are asked only where they may inherit from this event: one of the first of its id, or of its source.
    if waiting.hasChildren(of: event.id, inTrace: .zero), isAmongFirst(event) {
      for child in waiting.children(of: event.id, inTrace: .zero) where child.ordinal != event.ordinal {
        if heir(of: event.id, source: child.source, excluding: child.ordinal)?.ordinal == event.ordinal,
          let known = load(ordinal: child.ordinal, id: child.traceOrID)
        {
          pending.append(known)
        }
      }
    }
    return isCut
  }

  private func isAmongFirst(_ event: KnownEvent) -> Bool {
    var isFound = false
    forEachFirst(of: event.id, source: event.source, excluding: -1) {
      if $0.ordinal == event.ordinal { isFound = true }
    }
    return isFound
  }
}
