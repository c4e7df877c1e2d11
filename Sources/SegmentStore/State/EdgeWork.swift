import EventModel
import TraceStore

/// Draws edges again, one child after the other, and tells at the end which children have one now and had none before.
struct EdgeWork {
  private let state: StoreState
  /// Of failed children of older files: whether they counted before.
  private var counted: [Int64: Bool] = [:]
  private var ids: [Int64: IdentifierKey] = [:]

  init(_ state: StoreState) { self.state = state }

  /// The edge of this child is new with the event that is being stored.
  mutating func hadNone(_ child: Int64) { state.hadEdge[child] = false }

  /// Notes how a child stands before anything is moved.
  mutating func remember(_ event: KnownEvent) {
    ids[event.ordinal] = event.id
    if state.hadEdge[event.ordinal] == nil {
      state.hadEdge[event.ordinal] = parent(event.ordinal, event.created) != nil
    }
    if event.failure != .none, state.active.index.place(event.ordinal) == nil {
      counted[event.ordinal] = counts(event)
    }
  }

  /// Who counts is found out again, and not taken from what was noted.
  func forgetWhoCounts(_ event: KnownEvent) {
    if let place = state.active.index.place(event.ordinal) { state.active.index.clear(HotIndex.Flag.counts, place) }
  }

  private func counts(_ event: KnownEvent) -> Bool {
    event.trace.isZero || state.representative(event.id, in: event.trace)?.ordinal == event.ordinal
  }

  /// Gives one child the edge that the rules say, or none.
  mutating func relink(_ ordinal: Int64, _ id: IdentifierKey) {
    guard let event = state.load(ordinal: ordinal, id: id) else { return }
    ids[ordinal] = id
    let counts = counts(event)
    if let place = state.active.index.place(ordinal) {
      if counts && !event.trace.isZero { state.active.index.set(HotIndex.Flag.counts, place) }
      if !counts { state.active.index.clear(HotIndex.Flag.counts, place) }
    }
    correctFailure(event, counts)
    var cause: KnownEvent?
    if counts, !event.trace.isZero, !event.cause.isZero, event.cause != event.id {
      cause = state.representative(event.cause, in: event.trace)
    }
    let current = parent(ordinal, event.created)
    if current?.ordinal != cause?.ordinal {
      if current != nil { remove(event.ordinal, event.created, in: event.trace) }
      if let cause, !closesCycle(event, cause) { state.setEdge(event, cause) } else { cause = nil }
    }
    state.waiting.remove(of: event.cause) { $0.ordinal == ordinal }
    if cause == nil, counts { state.waitAgain(event) }
  }

  private func correctFailure(_ event: KnownEvent, _ counts: Bool) {
    guard event.failure != .none, let before = counted[event.ordinal], before != counts else { return }
    var correction =
      state.late.correction(of: event.ordinal)
      ?? FailureCorrection(
        ordinal: event.ordinal, delta: 0, labels: state.labels.names(event.label) { state.sources.name($0) },
        created: event.created)
    correction.delta += counts ? 1 : -1
    state.late.set(correction)
    state.active.index.corrections.append(correction)
  }

  /// Of the members of a cycle the one stored last loses its effect: either this edge is not drawn, or another goes.
  private mutating func closesCycle(_ event: KnownEvent, _ cause: KnownEvent) -> Bool {
    var last = cause.ordinal
    var effectOfLast: (ordinal: Int64, created: Timestamp)?
    var current: (ordinal: Int64, created: Timestamp) = (cause.ordinal, cause.created)
    var steps = 0
    while let next = parent(current.ordinal, current.created), steps < CauseWalk.stepsMax {
      if next.ordinal > last {
        last = next.ordinal
        effectOfLast = current
      }
      if next.ordinal == event.ordinal {
        guard let effect = effectOfLast else { return true }
        remove(effect.ordinal, effect.created, in: event.trace, isCut: true)
        return false
      }
      current = next
      steps += 1
    }
    return false
  }

  /// Takes an edge back. A child that was cut because of a cycle through it may get its own again.
  private mutating func remove(_ child: Int64, _ created: Timestamp, in trace: IdentifierKey, isCut: Bool = false) {
    if state.hadEdge[child] == nil { state.hadEdge[child] = true }
    var top: Int64?
    var current: (ordinal: Int64, created: Timestamp) = (child, created)
    while let next = parent(current.ordinal, current.created), next.ordinal != child {
      current = next
      top = next.ordinal
    }
    state.removeEdge(child)
    if isCut {
      if let event = state.event(child, in: trace) {
        ids[child] = event.id
        state.waitAgain(event)
      }
    } else if let top, let event = state.event(top, in: trace), state.isWaiting(event) {
      relinkLater.append((top, event.id))
    }
  }

  private var relinkLater: [(ordinal: Int64, id: IdentifierKey)] = []

  /// Tells which edges are new.
  mutating func finish(_ outcome: inout AppendOutcome, edgesBefore: Int) {
    var rounds = 0
    while !relinkLater.isEmpty && rounds < 1_000 {
      let next = relinkLater.removeFirst()
      if state.hadEdge[next.ordinal] == nil { state.hadEdge[next.ordinal] = false }
      relink(next.ordinal, next.id)
      rounds += 1
    }
    let touched = state.hadEdge
    let old = outcome.edges[edgesBefore...].filter { ids[$0.childOrdinal] == nil }
    outcome.edges.replaceSubrange(edgesBefore..., with: old)
    for (child, had) in touched.sorted(by: { $0.key < $1.key }) where !had {
      guard let id = ids[child], let event = state.load(ordinal: child, id: id),
        let cause = parent(child, event.created), let known = state.representative(event.cause, in: event.trace),
        known.ordinal == cause.ordinal
      else { continue }
      state.tell(event, known, &outcome)
    }
  }

  /// The cause that a child's edge names now, with its time.
  func parent(_ child: Int64, _ created: Timestamp) -> (ordinal: Int64, created: Timestamp)? {
    let active = state.active
    if let place = active.index.place(child) {
      return active.index.edge(of: place).map { ($0.causeOrdinal, created.advanced(byNanoseconds: 0 &- $0.latency)) }
    }
    for generation in state.generations.reversed() {
      let first = generation.index.firstOrdinal
      if generation !== active && state.late.isVoid(child, in: first) { continue }
      var edge = generation.index.healed.last { $0.childOrdinal == child }
      if edge == nil, let place = generation.index.place(child) { edge = generation.index.edge(of: place) }
      if let edge { return (edge.causeOrdinal, created.advanced(byNanoseconds: 0 &- edge.latency)) }
    }
    let instant = TimeRange(since: created, until: created.advanced(byNanoseconds: 1))
    for segment in state.segments.reversed() where segment.ordinals.upperBound >= child {
      if state.late.isVoid(child, in: segment.row.firstOrdinal) { continue }
      var edge: SegmentEdge?
      state.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEdge(in: instant) { if $0.childOrdinal == child { edge = $0 } }
      }
      if let edge { return (edge.causeOrdinal, created.advanced(byNanoseconds: 0 &- edge.latency)) }
    }
    return nil
  }
}

extension StoreState {
  /// One event of a trace, by ordinal.
  func event(_ ordinal: Int64, in trace: IdentifierKey) -> KnownEvent? {
    if let id = idOfHot(ordinal) { return load(ordinal: ordinal, id: id) }
    var found: KnownEvent?
    forEachLoaded(ofTrace: trace) { if $0.ordinal == ordinal { found = $0 } }
    return found
  }

  func idOfHot(_ ordinal: Int64) -> IdentifierKey? {
    guard let generation = generation(of: ordinal), let place = generation.index.place(ordinal) else { return nil }
    return generation.index.id(place)
  }

  func isWaiting(_ event: KnownEvent) -> Bool {
    waiting.children(of: event.cause).contains { $0.ordinal == event.ordinal } || event.isRootMarker
  }

  /// Takes an edge out of the file that is written, and makes those of older files void.
  func removeEdge(_ child: Int64) {
    shortcuts.removeAll()
    if let place = active.index.place(child) { return active.index.clearCause(place) }
    active.index.healed.removeAll { $0.childOrdinal == child }
    let void = VoidEdge(child: child, before: active.index.firstOrdinal)
    late.set(void)
    active.index.voidEdges.append(void)
  }
}
