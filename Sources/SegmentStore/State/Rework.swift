import EventModel
import Platform
import TraceStore

/// Works out again what an arrival changes in what was derived before: an event that has a trace gets another one, an
/// id is stored a second time and changes from whom others inherit, or an older event becomes the one that counts.
///
/// Rare, and exact: the closure of all that may be affected is taken, its traces are worked out from nothing, and the
/// edges around whatever changed are drawn again. Cost: for each affected id, reading the traces that it is sealed in.
struct Rework {
  let state: StoreState
  private var affected: [Int64: KnownEvent] = [:]
  /// By the id that they name as their cause.
  private var effects: [IdentifierKey: [KnownEvent]] = [:]
  private let sealedEffects = SealedEffects()

  init(_ state: StoreState) { self.state = state }

  /// - Parameters:
  ///   - roots: events whose trace may change.
  ///   - edgesBefore: edges of `outcome` behind this number belong to the event that is being stored.
  mutating func run(_ roots: [KnownEvent], _ outcome: AppendOutcome, edgesBefore: Int) {
    state.sealed.keepsEverything = true
    defer { state.sealed.keepsEverything = false }
    collect(roots)
    let changed = changedTraces()
    if changed.isEmpty { return }
    var dirty: [Int64: KnownEvent] = [:]
    var ids: Set<IdentifierKey> = []
    for (event, _) in changed where ids.insert(event.id).inserted {
      for known in (effects[event.id] ?? state.effects(of: event.id, sealedEffects)) + state.namesakes(of: event.id) {
        dirty[known.ordinal] = known
      }
    }
    for (event, _) in changed { dirty[event.ordinal] = event }
    var redrawing = Redrawing(state, Array(dirty.values), outcome.edges[edgesBefore...])
    for (event, trace) in changed { state.put(event, into: trace) }
    redrawing.finish()
  }

  /// All events without a correlation that inherit, through however many others, from the roots.
  private mutating func collect(_ roots: [KnownEvent]) {
    var pending = roots
    var seen: Set<IdentifierKey> = []
    while let event = pending.popLast() {
      if event.eventClass == .domain, !event.ownsCorrelation { affected[event.ordinal] = event }
      guard seen.insert(event.id).inserted else { continue }
      let found = state.effects(of: event.id, sealedEffects)
      effects[event.id] = found
      for effect in found where !effect.ownsCorrelation && affected[effect.ordinal] == nil {
        pending.append(effect)
      }
    }
  }

  /// The affected events whose trace is another one than before, by ordinal.
  private func changedTraces() -> [(event: KnownEvent, trace: IdentifierKey)] {
    var traces: [Int64: IdentifierKey] = [:]
    /// Affected events by the affected one that they inherit from.
    var heirs: [Int64: [Int64]] = [:]
    for (ordinal, event) in affected {
      if state.isTraceStored(event.id) {
        traces[ordinal] = event.id
      } else if !event.cause.isZero,
        let giver = state.heir(of: event.cause, source: event.source, excluding: ordinal)
      {
        if affected[giver.ordinal] != nil {
          heirs[giver.ordinal, default: []].append(ordinal)
        } else if !giver.trace.isZero {
          traces[ordinal] = giver.trace
        }
      }
    }
    var pending = Array(traces.keys)
    while let giver = pending.popLast() {
      for heir in heirs[giver] ?? [] where traces[heir] == nil {
        traces[heir] = traces[giver]
        pending.append(heir)
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
  ///
  /// - Parameter sealed: the same for all ids that one question asks for; nil: it asks for this one alone.
  func effects(of id: IdentifierKey, _ sealed: SealedEffects? = nil) -> [KnownEvent] {
    var found: [Int64: KnownEvent] = [:]
    func add(_ event: KnownEvent) {
      if event.cause == id, event.eventClass == .domain { found[event.ordinal] = event }
    }
    for generation in generations {
      for place in generation.index.chainedPlaces(causedBy: id) { load(generation, place).map(add) }
    }
    // Read once for all that is asked of the id.
    if self.sealed.keepsEverything { forEachSealed(id: id) { _ in } }
    for segment in segments where !segment.isDamaged {
      reading(segment) { (reader) throws(StoreError) in
        for trace in try storedTraces(of: id, segment, reader) {
          if let sealed {
            try sealed.forEach(causedBy: id, inTrace: trace, segment, reader, self, add)
          } else {
            try SealedEffects.forEachRead(causedBy: id, inTrace: trace, reader, self, add)
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

  /// The traces that a segment has events of an id in.
  private func storedTraces(
    of id: IdentifierKey, _ segment: SegmentHandle, _ reader: SegmentReader
  ) throws(StoreError) -> Set<IdentifierKey> {
    if let known = sealed.namesakes(id) {
      return Set(known.events.filter { segment.ordinals.contains($0.ordinal) && !$0.trace.isZero }.map(\.trace))
    }
    var traces: Set<IdentifierKey> = []
    try reader.forEachEvent(withIDKey: id) { _, stored in
      if let stored { traces.insert(stored.key) }
      return .proceed
    }
    return traces
  }

  /// All domain events of one id, their causes filled in.
  func namesakes(of id: IdentifierKey) -> [KnownEvent] {
    var found: [KnownEvent] = []
    for generation in generations {
      generation.index.forEach(id: id) { place in
        if generation.index.isDomain(place), let event = load(generation, place) { found.append(event) }
      }
    }
    forEachSealed(id: id) { if $0.eventClass == .domain { found.append($0) } }
    return found
  }

  /// Whether an event may be put into another trace; told where not.
  func mayPut(_ event: KnownEvent) -> Bool {
    if active.index.place(event.ordinal) != nil || late.mayNote(assignmentOf: event.ordinal) { return true }
    refuse(\.traces, event.ordinal)
    return false
  }

  /// Puts an event into a trace, or out of all, if it may be.
  func put(_ event: KnownEvent, into trace: IdentifierKey) {
    if !mayPut(event) { return }
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
    sealed.forgetTrace()
    let known = late.assignment(of: event.ordinal)
    let old = event.trace.isZero ? nil : identifier(ofTrace: event.trace)
    let assignment = LateAssignment(
      ordinal: event.ordinal, id: identifier(of: event), trace: trace.isZero ? nil : identifier(ofTrace: trace),
      stored: known == nil ? old : known?.stored)
    late.set(assignment)
    active.index.late[event.ordinal] = assignment
    if let number = active.index.traceTable.find(trace) { active.index.traceTable.setOlderFragments(number) }
  }
}
