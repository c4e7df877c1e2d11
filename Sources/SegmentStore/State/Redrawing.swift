import EventModel
import Platform
import TraceStore

/// Draws the edges of some events again.
///
/// An edge is a pure function of what is stored: it goes to the first event of the cause's id in the trace, from the
/// first event of its own id there, and not where a cycle is cut. So what was is noted before events change their
/// traces, what is to be is worked out afterwards, and the difference is applied. The events must be all whose own id,
/// or whose cause's id, is that of an event that changes its trace: edges of others change only where a cycle through
/// one of these was, or will be, cut.
struct Redrawing {
  private struct Node {
    var event: KnownEvent
    /// The cause that the edge went to.
    var edge: Int64?
    var counted: Bool
    var waited: Bool
  }

  private struct Group: Hashable {
    var cause: IdentifierKey
    var trace: IdentifierKey
  }

  private let state: StoreState
  private var nodes: [Int64: Node] = [:]

  /// - Parameters:
  ///   - events: as they are before anything changes.
  ///   - told: edges that are new with the event that is being stored.
  init(_ state: StoreState, _ events: [KnownEvent], _ told: ArraySlice<CausalEdge>) {
    self.state = state
    for edge in told where state.drawnAgain[edge.childOrdinal] == nil {
      state.drawnAgain[edge.childOrdinal] = StoreState.EdgeBefore(hadOne: false, id: nil)
    }
    for (trace, members) in Dictionary(grouping: events, by: \.trace) {
      let walk = CauseWalk(state: state, trace: trace)
      for event in members { add(event, trace.isZero ? nil : walk.parent(of: event.ordinal)) }
      if !trace.isZero { addCuts(above: members, walk) }
    }
    forgetWhatWasDrawn()
  }

  private mutating func add(_ event: KnownEvent, _ edge: Int64?) {
    nodes[event.ordinal] = Node(
      event: event, edge: edge, counted: state.counts(event), waited: state.shouldWait(event))
    if state.drawnAgain[event.ordinal] == nil {
      state.drawnAgain[event.ordinal] = StoreState.EdgeBefore(hadOne: edge != nil, id: event.id)
    } else {
      state.drawnAgain[event.ordinal]?.id = event.id
    }
  }

  /// The children whose edges are cut, of cycles that the edges lead to: they may get theirs.
  private mutating func addCuts(above events: [KnownEvent], _ walk: CauseWalk) {
    var passed: Set<Int64> = []
    for event in events {
      var current = event.ordinal
      while passed.insert(current).inserted {
        guard let next = walk.parent(of: current) else {
          if nodes[current] == nil, let end = walk.end(current), state.structuralParent(end) != nil { add(end, nil) }
          break
        }
        current = next
      }
    }
  }

  /// Who counts and who waits is found out again.
  private func forgetWhatWasDrawn() {
    var groups: [Group: Set<Int64>] = [:]
    for node in nodes.values {
      if let place = state.active.index.place(node.event.ordinal) {
        state.active.index.clear(HotIndex.Flag.counts | HotIndex.Flag.waits, place)
      }
      groups[Group(cause: node.event.cause, trace: node.event.trace), default: []].insert(node.event.ordinal)
    }
    for (group, ordinals) in groups {
      state.waiting.remove(of: group.cause, inTrace: group.trace) { ordinals.contains($0.ordinal) }
    }
  }

  // MARK: Afterwards

  /// Gives all events the edges they have now.
  mutating func finish() {
    state.shortcuts.removeAll()
    var causes: [Int64: KnownEvent] = [:]
    for (ordinal, node) in nodes {
      var event = node.event
      event.trace = state.traceNow(event)
      nodes[ordinal]?.event = event
      if let cause = state.structuralParent(event) { causes[ordinal] = cause }
    }
    let cuts = findCuts(causes)
    for (ordinal, node) in nodes.sorted(by: { $0.key < $1.key }) {
      let counts = state.counts(node.event)
      apply(node, cause: cuts.contains(ordinal) ? nil : causes[ordinal], counts: counts)
    }
  }

  /// Where the cycles are cut that these events are on, or lead to.
  private mutating func findCuts(_ causes: [Int64: KnownEvent]) -> Set<Int64> {
    var cuts: Set<Int64> = []
    for (trace, members) in Dictionary(grouping: nodes.values, by: \.event.trace) where !trace.isZero {
      let walk = CauseWalk(state: state, trace: trace)
      let starts = members.map(\.event.ordinal).sorted()
      let found = CycleCuts.find(from: starts) { ordinal in
        nodes[ordinal] == nil ? walk.parentThroughCuts(of: ordinal) : causes[ordinal]?.ordinal
      }
      for cycle in found {
        cuts.insert(cycle.cut)
        // A cycle without any of these events was there before, and was cut there.
        guard nodes[cycle.cut] == nil, cycle.members.contains(where: { nodes[$0] != nil }) else { continue }
        if let event = state.event(cycle.cut, in: trace) { add(event, cycle.cause) }
      }
    }
    return cuts
  }

  private func apply(_ node: Node, cause: KnownEvent?, counts: Bool) {
    let event = node.event
    let waits = state.shouldWait(event)
    if let place = state.active.index.place(event.ordinal) {
      if counts && !event.trace.isZero { state.active.index.set(HotIndex.Flag.counts, place) }
      if cause == nil { state.active.index.clearCause(place) }
    } else {
      if counts != node.counted { correctFailure(event, counts: counts) }
      // An edge that its file must go on counting is not drawn a second time, and waits for nothing.
      if cause?.ordinal != node.edge, !state.removeEdge(ofOlder: event.ordinal, wasDrawn: node.edge != nil) { return }
      if cause?.ordinal != node.edge || waits != node.waited || counts != node.counted {
        state.noteReworked(event.ordinal, event.id)
      }
    }
    if let cause, cause.ordinal != node.edge { state.setEdge(event, cause) }
    // Those whose edges are cut get them when the cycle is broken: they wait for nothing.
    if waits { state.wait(event) }
  }

  private func correctFailure(_ event: KnownEvent, counts: Bool) {
    guard event.failure != .none else { return }
    guard state.late.mayNote(correctionOf: event.ordinal) else { return state.refuse(\.failures, event.ordinal) }
    var correction =
      state.late.correction(of: event.ordinal)
      ?? FailureCorrection(
        ordinal: event.ordinal, delta: 0, labels: state.labels.names(event.label) { state.sources.name($0) },
        created: event.created)
    correction.delta += counts ? 1 : -1
    state.late.set(correction)
    state.active.index.corrections[event.ordinal] = correction
  }
}

extension StoreState {
  /// Notes that what files say of who waits for a cause does not hold for an event. Bounded: what is beyond stands after
  /// a restart as its file says, until its cause comes.
  func noteReworked(_ ordinal: Int64, _ id: IdentifierKey) {
    if !reworked.contains(ordinal), reworked.count >= reworkedMax { return refuse(\.waiting, ordinal) }
    reworked.insert(ordinal)
    active.index.reworked[ordinal] = id
  }

  /// Counts, and tells, that a bound keeps something from being noted of an event of a finished file.
  func refuse(_ kind: WritableKeyPath<LateRefusals, Int>, _ ordinal: Int64) {
    refused[keyPath: kind] += 1
    log.limitedWarning(
      "store", "too many changes of sealed events are noted: event \(ordinal) stays as its segment says")
  }

  /// How a child stood before the event that is being stored.
  struct EdgeBefore {
    var hadOne: Bool
    /// Nil: its edge was told, and nothing was drawn again since.
    var id: IdentifierKey?
  }

  /// Whether an event waits for its cause.
  func shouldWait(_ event: KnownEvent) -> Bool {
    if event.eventClass != .domain || event.cause.isZero { return false }
    if event.trace.isZero { return true }
    if event.cause == event.id || event.isRootMarker || !counts(event) { return false }
    return representative(event.cause, in: event.trace) == nil
  }

  /// One event of a trace, by ordinal.
  func event(_ ordinal: Int64, in trace: IdentifierKey) -> KnownEvent? {
    if let generation = generation(of: ordinal), let place = generation.index.place(ordinal) {
      return load(generation, place)
    }
    var found: KnownEvent?
    forEachLoaded(ofTrace: trace) { if $0.ordinal == ordinal { found = $0 } }
    return found
  }

  /// Takes an edge of an older file's child back; the file itself stays as it is.
  ///
  /// - Returns: false if that cannot be noted, and the edge goes on counting.
  func removeEdge(ofOlder child: Int64, wasDrawn: Bool) -> Bool {
    if active.index.healed.remove(child) != nil || !wasDrawn { return true }
    guard late.mayNote(voidOf: child) else {
      refuse(\.edges, child)
      return false
    }
    let void = VoidEdge(child: child, before: active.index.firstOrdinal)
    late.set(void)
    active.index.voidEdges[child] = void
    return true
  }

  /// Whether the file that is written holds an edge of that child.
  func hasEdge(_ child: Int64) -> Bool {
    if let place = active.index.place(child) { return active.index.hasCause(place) }
    return active.index.healed[child] != nil
  }

  /// Tells which children have an edge now and had none before the event that is being stored.
  func tellAgain(_ outcome: inout AppendOutcome, edgesBefore first: Int) {
    let told = outcome.edges[first...].filter { drawnAgain[$0.childOrdinal]?.id == nil }
    outcome.edges.replaceSubrange(first..., with: told)
    for (child, before) in drawnAgain where !before.hadOne {
      guard let id = before.id, hasEdge(child), let event = load(ordinal: child, id: id),
        let cause = structuralParent(event)
      else { continue }
      tell(event, cause, &outcome)
    }
    drawnAgain.removeAll()
  }
}
