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
    let walk = CauseWalk(state: self, trace: event.trace)
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

  /// Whether the newest event lies on a cycle: the child on it, whose edge is cut, is the end of its chain of causes.
  func closesCycle(_ event: KnownEvent) -> Bool {
    guard let top = topAncestor(of: event) else { return false }
    guard let last = CauseWalk(state: self, trace: event.trace).end(top) else { return false }
    return structuralParent(last)?.ordinal == event.ordinal
  }

  /// The cause of an event if it is an event of the same trace, whether the edge to it is cut or not.
  func structuralParent(_ event: KnownEvent) -> KnownEvent? {
    guard !event.trace.isZero, !event.cause.isZero, event.cause != event.id, counts(event) else { return nil }
    return representative(event.cause, in: event.trace)
  }

  /// Whether it is the first stored event of its id in its trace, or in none.
  func counts(_ event: KnownEvent) -> Bool {
    event.trace.isZero || representative(event.id, in: event.trace)?.ordinal == event.ordinal
  }

  /// The children that get an edge to this event because it is in their trace: those that wait for its id, and, where
  /// its id is the trace's correlation id, those whose cause was a root marker so far.
  func joining(_ event: KnownEvent) -> [WaitingTable.Child] {
    var joined = waiting.children(of: event.id, inTrace: event.trace)
    guard event.id == event.trace else { return joined }
    let known = Set(joined.map(\.ordinal))
    var seen = known
    forEachNaming(event.id, inTrace: event.trace) { child in
      guard child.ordinal != event.ordinal, child.isRootMarker, seen.insert(child.ordinal).inserted,
        representative(child.id, in: event.trace)?.ordinal == child.ordinal
      else { return }
      joined.append(waitingChild(child))
    }
    if joined.count > known.count { joined.sort { $0.ordinal < $1.ordinal } }
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

/// Goes from events to their causes within one trace, hot and sealed, along the edges that are drawn. Made for one
/// question: it keeps what it read.
final class CauseWalk {
  /// No trace is deeper; it ends a walk over damaged data.
  static let stepsMax = 50_000_000

  private let state: StoreState
  private let trace: IdentifierKey
  private var kept: SealedTrace?

  init(state: StoreState, trace: IdentifierKey) {
    self.state = state
    self.trace = trace
  }

  /// The cause that an event has an edge to.
  func parent(of ordinal: Int64) -> Int64? { hotParent(of: ordinal) ?? sealed(ordinal)?.parents[ordinal] }

  /// As `parent`, also where a cycle among sealed events is cut.
  func parentThroughCuts(of ordinal: Int64) -> Int64? {
    if let parent = hotParent(of: ordinal) { return parent }
    guard let sealed = sealed(ordinal) else { return nil }
    return sealed.parents[ordinal] ?? sealed.cuts[ordinal]
  }

  /// The trace's sealed events; nil for an event that is hot.
  private func sealed(_ ordinal: Int64) -> SealedTrace? { state.isHot(ordinal) ? nil : sealedTrace() }

  private func hotParent(of ordinal: Int64) -> Int64? {
    let active = state.active
    if let place = active.index.place(ordinal) { return active.index.causeOrdinal(of: place) }
    for generation in state.generations.reversed() {
      if let edge = generation.index.healed[ordinal], isValid(ordinal, generation) { return edge.causeOrdinal }
    }
    guard let generation = state.generation(of: ordinal), let place = generation.index.place(ordinal),
      isValid(ordinal, generation)
    else { return nil }
    return generation.index.causeOrdinal(of: place)
  }

  private func isValid(_ child: Int64, _ generation: HotGeneration) -> Bool {
    generation === state.active || !state.late.isVoid(child, in: generation.index.firstOrdinal)
  }

  /// An event without an edge, with its cause.
  func end(_ ordinal: Int64) -> KnownEvent? {
    if let generation = state.generation(of: ordinal), let place = generation.index.place(ordinal) {
      return state.load(generation, place)
    }
    return sealedTrace().ends[ordinal]
  }

  /// The trace's sealed events, read once and kept until the next trace is asked for.
  private func sealedTrace() -> SealedTrace {
    if let known = kept ?? state.sealed.trace(trace) { return known }
    var events: [KnownEvent] = []
    for segment in state.segments where segment.mayContain(trace: trace) {
      state.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: trace) { event, stored in
          let known = state.known(sealed: event, stored: stored)
          if known.trace == trace { events.append(known) }
          return .proceed
        }
      }
    }
    for assignment in state.late.events(ofTrace: trace) where state.generation(of: assignment.ordinal) == nil {
      if let event = state.load(ordinal: assignment.ordinal, id: assignment.id.key) { events.append(event) }
    }
    let made = SealedTrace(events)
    kept = made
    state.sealed.keep(made, ofTrace: trace)
    return made
  }
}

/// Edges between the sealed events of one trace.
final class SealedTrace {
  /// By child; the edge that a cycle is cut at is not among them.
  private(set) var parents: [Int64: Int64] = [:]
  private(set) var cuts: [Int64: Int64] = [:]
  /// Those that name a cause, and have no edge to a sealed one.
  private(set) var ends: [Int64: KnownEvent] = [:]

  init(_ events: [KnownEvent]) {
    var firsts: [IdentifierKey: Int64] = [:]
    for event in events { firsts[event.id] = min(firsts[event.id] ?? .max, event.ordinal) }
    for event in events where event.cause != event.id && firsts[event.id] == event.ordinal {
      if let parent = firsts[event.cause] { parents[event.ordinal] = parent }
    }
    // Every cycle has an event whose cause was stored after it.
    for cycle in CycleCuts.find(from: parents.keys.filter { parents[$0] ?? 0 > $0 }, parent: { parents[$0] }) {
      cuts[cycle.cut] = cycle.cause
      parents[cycle.cut] = nil
    }
    for event in events where parents[event.ordinal] == nil && !event.cause.isZero && event.cause != event.id {
      ends[event.ordinal] = event
    }
  }
}

/// A cycle of causes. Of its members the one stored last loses its effect.
struct CausalCycle {
  var members: [Int64]
  /// The child whose edge is cut.
  var cut: Int64
  /// Where that edge would go: to the member that was stored last.
  var cause: Int64
}

enum CycleCuts {
  /// All cycles that are reached from `starts`. Complexity: O(events that are passed).
  static func find(from starts: [Int64], parent: (Int64) -> Int64?) -> [CausalCycle] {
    var cycles: [CausalCycle] = []
    /// By event: the walk that passed it first.
    var passed: [Int64: Int] = [:]
    for (number, start) in starts.enumerated() {
      var current = start
      while passed[current] == nil {
        passed[current] = number
        guard let next = parent(current) else { break }
        current = next
        if passed[current] == number { cycles.append(cycle(through: current, parent)) }
      }
    }
    return cycles
  }

  private static func cycle(through member: Int64, _ parent: (Int64) -> Int64?) -> CausalCycle {
    var cycle = CausalCycle(members: [], cut: member, cause: .min)
    var current = member
    repeat {
      cycle.members.append(current)
      guard let next = parent(current) else { break }
      if next > cycle.cause { (cycle.cut, cycle.cause) = (current, next) }
      current = next
    } while current != member
    return cycle
  }
}
