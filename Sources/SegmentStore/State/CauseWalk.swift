import EventModel
import TraceStore

extension StoreState {
  /// Walks that are longer than this leave shortcuts behind.
  private static let stepsBetweenShortcuts = 16
  private static let shortcutsMax = 1 << 18

  /// Where the chain of causes above an event ends; nil if it has none.
  ///
  /// A waiting child of the event at the end of that chain would close a cycle. Long walks note where they ended, so
  /// that the next one along the same way jumps there: chains only grow at their ends, and when an edge is taken back
  /// all is forgotten. Complexity: about O(log depth), amortized.
  func topAncestor(of event: KnownEvent) -> Int64? {
    var walk = CauseWalk(state: self, trace: event.trace)
    var current = event.ordinal
    var steps = 0
    var passed: [Int64] = []
    while steps < CauseWalk.stepsMax {
      if !shortcuts.isEmpty, let far = shortcuts[current], far != event.ordinal {
        passed.append(current)
        current = far
        steps += 1
        continue
      }
      guard let parent = walk.parent(of: current) else { break }
      if steps % Self.stepsBetweenShortcuts == 0 { passed.append(current) }
      current = parent
      steps += 1
      if current == event.ordinal { break }
    }
    if steps >= Self.stepsBetweenShortcuts || passed.count > 2 {
      if shortcuts.count + passed.count > Self.shortcutsMax { shortcuts.removeAll() }
      for ordinal in passed where ordinal != current { shortcuts[ordinal] = current }
    }
    return steps == 0 ? nil : current
  }

  /// The children that get an edge to this event because it is in their trace: those that wait for its id, and, where
  /// its id is the trace's correlation id, those whose cause was a root marker so far.
  ///
  /// - Parameter edgeless: only those that have no edge. An event that is new in its trace needs not ask for it.
  func joining(_ event: KnownEvent, edgeless: Bool) -> [WaitingTable.Child] {
    var joined = waiting.children(of: event.id).filter { !$0.hasNoTrace && $0.traceOrID == event.trace }
    guard event.id == event.trace else { return joined }
    let edges = EdgeWork(self)
    forEachNaming(event.id, inTrace: event.trace) { child in
      guard child.ordinal != event.ordinal, child.isRootMarker,
        representative(child.id, in: event.trace)?.ordinal == child.ordinal
      else { return }
      if edgeless, edges.parent(child.ordinal, child.created) != nil { return }
      if !joined.contains(where: { $0.ordinal == child.ordinal }) { joined.append(waitingChild(child)) }
    }
    joined.sort { $0.ordinal < $1.ordinal }
    return joined
  }

  /// Calls `body` with the events of a trace that name `cause`, and with some others of the trace.
  private func forEachNaming(_ cause: IdentifierKey, inTrace trace: IdentifierKey, _ body: (KnownEvent) -> Void) {
    for generation in generations {
      for place in generation.index.places(ofTrace: trace) where generation.index.mayName(cause, place) {
        // The event that is being stored is in its trace, but looks for its cause itself.
        if generation === active, !generation.index.has(HotIndex.Flag.counts, place) { continue }
        if generation === active, generation.index.hasCause(place) { continue }
        if self.trace(generation, place) == trace, let event = load(generation, place) { body(event) }
      }
    }
    for segment in segments where segment.mayContain(trace: trace) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: trace) { event, stored in
          if event.causeKey == cause {
            let known = known(sealed: event, stored: stored)
            if known.trace == trace { body(known) }
          }
          return .proceed
        }
      }
    }
    for assignment in late.events(ofTrace: trace) {
      if let event = load(ordinal: assignment.ordinal, id: assignment.id.key) { body(event) }
    }
  }
}

/// Goes from events to their causes within one trace, hot and sealed.
struct CauseWalk {
  /// No trace is deeper; it ends a walk over damaged data.
  static let stepsMax = 50_000_000

  private let state: StoreState
  private let trace: IdentifierKey
  private var healed: [Int64: Int64]?

  init(state: StoreState, trace: IdentifierKey) {
    self.state = state
    self.trace = trace
  }

  mutating func parent(of ordinal: Int64) -> Int64? {
    if let generation = state.generation(of: ordinal), let place = generation.index.place(ordinal) {
      if let cause = generation.index.causeOrdinal(of: place) { return cause }
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
  private func sealedParent(of ordinal: Int64) -> Int64? {
    if let known = state.sealed.parents(ofTrace: trace) { return known[ordinal] }
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
    state.sealed.keep(map, ofTrace: trace)
    return map[ordinal]
  }
}
