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
    if event.cause == event.trace {
      wait(event, isUnresolved: false)
      return .root
    }
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
      let isCut = active.index.place(event.ordinal).flatMap { active.index.edge(of: $0) } == nil
      let cuts = waiting.children(of: event.id).contains { !$0.hasNoTrace && $0.traceOrID == event.trace }
      return isCut || cuts ? .cycle : .resolved
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
    if let place = active.index.place(ordinal) { active.index.set(flag, place) }
  }

  private func wait(_ event: KnownEvent, isUnresolved: Bool) {
    var child = waitingChild(event)
    child.isUnresolved = isUnresolved
    if waiting.insert(child) { mark(HotIndex.Flag.waits, event.ordinal) }
  }

  private func waitingChild(_ event: KnownEvent) -> WaitingTable.Child {
    WaitingTable.Child(
      cause: event.cause, ordinal: event.ordinal, created: event.created, label: event.label, source: event.source,
      failure: event.failure, hasNoTrace: event.trace.isZero, traceOrID: event.trace.isZero ? event.id : event.trace)
  }

  /// The event that counts among those of one id in one trace: the one stored first.
  func representative(_ id: IdentifierKey, in trace: IdentifierKey) -> KnownEvent? {
    let generation = active
    if let number = generation.index.traceTable.find(trace) {
      var best: Int?
      generation.index.forEach(id: id) { place in
        if generation.index.traces[place] == number, generation.index.eventClass(place) == .domain,
          place < best ?? .max
        {
          best = place
        }
      }
      // Without older parts of the trace there is nothing older to look for.
      if !generation.index.traceTable.hasOlderFragments(number) || isCounted(best) {
        return best.map { known(generation, $0) }
      }
    }
    var first: KnownEvent?
    forEachKnown(id: id) { candidate in
      if candidate.trace == trace, candidate.eventClass == .domain, candidate.ordinal < first?.ordinal ?? .max {
        first = candidate
      }
    }
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
      generation.index.clear(HotIndex.Flag.waits, place)
      if let causePlace = generation.index.place(cause.ordinal) {
        generation.index.setCause(place, causePlace)
      } else {
        generation.index.setExternalCause(
          place, HotIndex.ExternalCause(ordinal: cause.ordinal, label: cause.label, latency: latency))
      }
      return
    }
    generation.index.healed.append(
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
    if !hadEdge.isEmpty, hadEdge[child.ordinal] == true { return }
    announce(child.label, &outcome)
    announce(cause.label, &outcome)
    outcome.edges.append(
      CausalEdge(
        childLabel: child.label, causeLabel: cause.label, childOrdinal: child.ordinal, causeOrdinal: cause.ordinal,
        childCreated: child.created, latencyNanoseconds: child.created.since(cause.created),
        childFailure: child.failure, correlation: identifier(ofTrace: trace), cause: cause.id,
        healed: child.ordinal < cause.ordinal))
  }

  /// An event that counts and has no edge waits for its cause, if it names one that may still come.
  func waitAgain(_ event: KnownEvent) {
    if event.cause.isZero || event.cause == event.id && !event.trace.isZero { return }
    let isMarker = event.cause == event.id || !event.trace.isZero && event.cause == event.trace
    wait(event, isUnresolved: !isMarker && !isStored(id: event.cause, excluding: event.ordinal))
  }

  /// Gives their edges to the children that waited for this event, and its trace to those that have none.
  ///
  /// - Returns: true if a cycle was found, and cut at the child that has this event as its cause.
  func heal(_ event: KnownEvent, _ outcome: inout AppendOutcome) -> Bool {
    guard waiting.hasChildren(of: event.id) else { return false }
    var isCut = false
    let counts = representative(event.id, in: event.trace)?.ordinal == event.ordinal
    let children = waiting.children(of: event.id)
    let joined = counts ? children.filter { !$0.hasNoTrace && $0.traceOrID == event.trace } : []
    if !joined.isEmpty {
      let top = joined.count == 1 && joined[0].ordinal == event.ordinal ? nil : topAncestor(of: event)
      for child in joined where child.ordinal != event.ordinal && child.ordinal != top {
        addEdge(child: child, cause: event, trace: event.trace, &outcome)
      }
      // The child that would close a cycle is cut; it waits on, should the cycle be broken elsewhere.
      isCut = joined.contains { $0.ordinal == top }
      let done = Set(joined.map(\.ordinal))
      waiting.remove(of: event.id) { done.contains($0.ordinal) && $0.ordinal != top }
    }
    for child in children where child.hasNoTrace && child.ordinal != event.ordinal {
      if heir(of: event.id, source: child.source, excluding: child.ordinal)?.ordinal == event.ordinal,
        let known = load(ordinal: child.ordinal, id: child.traceOrID)
      {
        pending.append(PendingTrace(event: known, trace: event.trace))
      }
    }
    return isCut
  }

  /// Where the chain of causes above an event ends; nil if it has none.
  ///
  /// A waiting child of the event at the end of that chain would close a cycle. Complexity: O(depth); as long as the
  /// chain is hot it reads columns only.
  private func topAncestor(of event: KnownEvent) -> Int64? {
    var walk = CauseWalk(state: self, trace: event.trace)
    var current = event.ordinal
    var steps = 0
    while let parent = walk.parent(of: current), steps < CauseWalk.stepsMax {
      current = parent
      steps += 1
      if current == event.ordinal { break }
    }
    return steps == 0 ? nil : current
  }
}

/// Goes from events to their causes within one trace, hot and sealed.
struct CauseWalk {
  /// No trace is deeper; it ends a walk over damaged data.
  static let stepsMax = 50_000_000

  private let state: StoreState
  private let trace: IdentifierKey
  private var healed: [Int64: Int64]?
  private var sealed: [Int64: Int64]?

  init(state: StoreState, trace: IdentifierKey) {
    self.state = state
    self.trace = trace
  }

  mutating func parent(of ordinal: Int64) -> Int64? {
    if let generation = state.generation(of: ordinal), let place = generation.index.place(ordinal) {
      let cause = generation.index.causes[place]
      if cause != HotIndex.none {
        if cause & HotIndex.externalCause == 0 { return generation.index.ordinal(Int(cause)) }
        return generation.index.externalCauses[Int(cause & ~HotIndex.externalCause)].ordinal
      }
      return generation === state.active ? nil : healedParent(of: ordinal)
    }
    return healedParent(of: ordinal) ?? sealedParent(of: ordinal)
  }

  private mutating func healedParent(of ordinal: Int64) -> Int64? {
    if healed == nil {
      var map: [Int64: Int64] = [:]
      for generation in state.generations {
        for edge in generation.index.healed { map[edge.childOrdinal] = edge.causeOrdinal }
      }
      healed = map
    }
    return healed?[ordinal]
  }

  /// From the trace's sealed events, read once.
  private mutating func sealedParent(of ordinal: Int64) -> Int64? {
    if sealed == nil {
      var first: [IdentifierKey: Int64] = [:]
      var causes: [(ordinal: Int64, cause: IdentifierKey)] = []
      for segment in state.segments where segment.mayContain(trace: trace) {
        state.reading(segment) { (reader) throws(StoreError) in
          try reader.forEachEvent(ofTraceKey: trace) { event, _ in
            first[event.idKey] = min(first[event.idKey] ?? .max, event.ordinal)
            let cause = event.flags.contains(.causeIsSpan) ? IdentifierKey.zero : event.causeKey
            if !cause.isZero, cause != event.idKey { causes.append((event.ordinal, cause)) }
            return .proceed
          }
        }
      }
      var map: [Int64: Int64] = [:]
      for (ordinal, cause) in causes { map[ordinal] = first[cause] }
      sealed = map
    }
    return sealed?[ordinal]
  }
}
