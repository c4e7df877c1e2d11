import EventModel
import Platform
import TraceStore

/// Works out again what an arrival changes in what was derived before: an event that has a trace gets another one, an
/// id is stored a second time and changes from whom others inherit, or an older event becomes the one that counts.
///
/// Rare, and exact: the closure of all that may be affected is taken, its traces are worked out from nothing, and the
/// edges around whatever changed are drawn again. Cost: reading all events that name an affected one.
struct Rework {
  let state: StoreState
  private var affected: [Int64: KnownEvent] = [:]
  private var edges: EdgeWork

  init(_ state: StoreState) {
    self.state = state
    edges = EdgeWork(state)
  }

  /// - Parameters:
  ///   - roots: events whose trace may change.
  ///   - edgesBefore: edges of `outcome` behind this number belong to the event that is being stored.
  /// - Returns: true if anything changed.
  mutating func run(_ roots: [KnownEvent], _ outcome: inout AppendOutcome, edgesBefore: Int) -> Bool {
    collect(roots)
    let changed = changedTraces()
    if changed.isEmpty { return false }
    var dirty: [Int64: KnownEvent] = [:]
    for (event, _) in changed {
      for known in [event] + state.effects(of: event.id) + state.namesakes(of: event.id) {
        if known.eventClass == .domain { dirty[known.ordinal] = known }
      }
    }
    let order = dirty.values.sorted { $0.ordinal < $1.ordinal }
    for event in outcome.edges[edgesBefore...] { edges.hadNone(event.childOrdinal) }
    for event in order { edges.remember(event) }
    for event in order { edges.forgetWhoCounts(event) }
    for event in order { state.waiting.remove(of: event.cause) { $0.ordinal == event.ordinal } }
    for (event, trace) in changed { state.put(event, into: trace) }
    for event in order { edges.relink(event.ordinal, event.id) }
    edges.finish(&outcome, edgesBefore: edgesBefore)
    return true
  }

  /// All events without a correlation that inherit, through however many others, from the roots.
  private mutating func collect(_ roots: [KnownEvent]) {
    var pending = roots
    var seen: Set<IdentifierKey> = []
    while let event = pending.popLast() {
      if event.eventClass == .domain, !event.ownsCorrelation { affected[event.ordinal] = event }
      guard seen.insert(event.id).inserted else { continue }
      for effect in state.effects(of: event.id) where !effect.ownsCorrelation && effect.eventClass == .domain {
        if affected[effect.ordinal] == nil { pending.append(effect) }
      }
    }
  }

  /// The affected events whose trace is another one than before.
  private func changedTraces() -> [(event: KnownEvent, trace: IdentifierKey)] {
    var traces: [Int64: IdentifierKey] = [:]
    var heirs: [Int64: KnownEvent] = [:]
    for (ordinal, event) in affected {
      if state.isTraceCarried(event.id) {
        traces[ordinal] = event.id
      } else if !event.cause.isZero {
        heirs[ordinal] = state.heir(of: event.cause, source: event.source, excluding: ordinal)
      }
    }
    var isSettled = false
    while !isSettled {
      isSettled = true
      for (ordinal, heir) in heirs where traces[ordinal] == nil {
        let trace = affected[heir.ordinal] == nil ? heir.trace : traces[heir.ordinal] ?? .zero
        if !trace.isZero {
          traces[ordinal] = trace
          isSettled = false
        }
      }
    }
    return affected.values.sorted { $0.ordinal < $1.ordinal }.compactMap { event in
      let trace = traces[event.ordinal] ?? .zero
      return trace == event.trace ? nil : (event, trace)
    }
  }
}

extension StoreState {
  /// Domain events that name `id` as their cause, by ordinal; spans left out.
  func effects(of id: IdentifierKey) -> [KnownEvent] {
    var found: [Int64: KnownEvent] = [:]
    func add(_ event: KnownEvent) {
      if event.cause == id, event.eventClass == .domain { found[event.ordinal] = event }
    }
    for generation in generations {
      for place in generation.index.places(causedBy: id) { load(generation, place).map(add) }
    }
    for segment in segments where !segment.isDamaged {
      var traces: Set<IdentifierKey> = []
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: id) { _, stored in
          if let stored { traces.insert(stored.key) }
          return .proceed
        }
        for trace in traces {
          try reader.forEachEvent(ofTraceKey: trace) { event, stored in
            add(known(sealed: event, stored: stored))
            return .proceed
          }
        }
        try reader.forEachEvent(causedByOutsideKey: id) { event, stored in
          add(known(sealed: event, stored: stored))
          return .proceed
        }
      }
    }
    return found.values.sorted { $0.ordinal < $1.ordinal }
  }

  /// All domain events of one id, their causes filled in.
  func namesakes(of id: IdentifierKey) -> [KnownEvent] {
    var found: [KnownEvent] = []
    forEachKnown(id: id) { if $0.eventClass == .domain { found.append($0) } }
    return found.compactMap { load(ordinal: $0.ordinal, id: id) }.sorted { $0.ordinal < $1.ordinal }
  }

  /// Whether an event carries this correlation id itself: every stored trace has such an event.
  func isTraceCarried(_ trace: IdentifierKey) -> Bool { isTraceStored(trace) }

  /// Puts an event into a trace, or out of all.
  func put(_ event: KnownEvent, into trace: IdentifierKey) {
    shortcuts.removeAll()
    if let place = active.index.place(event.ordinal) {
      active.index.clear(HotIndex.Flag.waits | HotIndex.Flag.counts, place)
      if trace.isZero { return active.index.unassign(place) }
      if let known = active.index.traceTable.find(trace) { return active.index.assign(place, to: known) }
      let number = active.index.traceTable.add(trace, text: text(ofTrace: trace))
      active.index.assign(place, to: number)
      if isTraceStoredBefore(trace) { active.index.traceTable.setOlderFragments(number) }
      return
    }
    if late.isFull {
      log.limitedWarning("store", "more than \(LateTable.countMax) late changes: event \(event.ordinal) stays as it is")
      return
    }
    let known = late.assignment(of: event.ordinal)
    let old = event.trace.isZero ? nil : identifier(ofTrace: event.trace)
    let assignment = LateAssignment(
      ordinal: event.ordinal, id: identifier(of: event), trace: trace.isZero ? nil : identifier(ofTrace: trace),
      stored: known == nil ? old : known?.stored)
    late.set(assignment)
    active.index.late.append(assignment)
    if let number = active.index.traceTable.find(trace) { active.index.traceTable.setOlderFragments(number) }
  }
}
