import EventModel
import Platform
import TraceStore

extension StoreState {
  /// Gives their traces to all events that wait in `pending`, and to those that inherit from them.
  func settlePending(_ outcome: inout AppendOutcome) {
    while let next = pending.popLast() {
      guard let event = load(ordinal: next.event.ordinal, id: next.event.id), event.trace != next.trace,
        !event.ownsCorrelation
      else { continue }
      // An inherited trace gives way to a trace of the event's own id, and to the new trace of its heir; that of its own
      // id gives way to nothing.
      let mayMove = event.trace.isZero || next.trace == event.id || next.replaces && event.trace != event.id
      if mayMove { move(event, to: next.trace, &outcome) }
    }
  }

  private func move(_ event: KnownEvent, to trace: IdentifierKey, _ outcome: inout AppendOutcome) {
    let oldTrace = event.trace
    var event = event
    waiting.remove(of: event.cause) { $0.ordinal == event.ordinal }
    if let place = active.index.place(event.ordinal) {
      active.index.clear(HotIndex.Flag.waits | HotIndex.Flag.counts, place)
      let number = active.index.traceTable.find(trace)
      let text = number == nil ? text(ofTrace: trace) : nil
      active.index.assign(place, to: trace, known: number, text: text)
      if number == nil, isTraceStoredBefore(trace) { active.index.setOlderFragments(active.index.traces[place]) }
    } else {
      if late.isFull {
        log.limitedWarning(
          "store", "more than \(LateTable.countMax) late assignments: event \(event.ordinal) stays out")
        return
      }
      let assignment = LateAssignment(
        ordinal: event.ordinal, id: identifier(of: event), trace: identifier(ofTrace: trace))
      late.set(assignment)
      active.index.late.append(assignment)
      noteOlderFragments(trace)
    }
    event.trace = trace
    if !oldTrace.isZero { collectHeirs(of: event, in: oldTrace) }
    _ = settleCause(event, &outcome)
    _ = heal(event, &outcome)
  }

  /// The newest generation must look for this trace's events in older ones, too.
  private func noteOlderFragments(_ trace: IdentifierKey) {
    if let number = active.index.traceTable.find(trace) { active.index.setOlderFragments(number) }
  }

  /// Those that inherited the old trace through this event get its new one.
  private func collectHeirs(of event: KnownEvent, in oldTrace: IdentifierKey) {
    var heirs: [KnownEvent] = []
    forEachLoaded(ofTrace: oldTrace) { candidate in
      if candidate.cause == event.id, !candidate.ownsCorrelation, candidate.ordinal != event.ordinal {
        heirs.append(candidate)
      }
    }
    for candidate in heirs
    where heir(of: event.id, source: candidate.source, excluding: candidate.ordinal)?.ordinal == event.ordinal {
      pending.append(PendingTrace(event: candidate, trace: event.trace, replaces: true))
    }
  }

  /// Calls `body` with every stored event of a trace, its cause filled in.
  private func forEachLoaded(ofTrace trace: IdentifierKey, _ body: (KnownEvent) -> Void) {
    for generation in generations {
      for place in generation.index.places(ofTrace: trace) where self.trace(generation, place) == trace {
        if let event = load(generation, place) { body(event) }
      }
    }
    for segment in segments where segment.mayContain(trace: trace) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: trace) { event, stored in
          let known = known(sealed: event, stored: stored)
          if known.trace == trace { body(known) }
          return .proceed
        }
      }
    }
    for assignment in late.events(ofTrace: trace) {
      if let event = load(ordinal: assignment.ordinal, id: assignment.id.key) { body(event) }
    }
  }

  /// One stored event with its cause, read from where it is; nil if it cannot be read.
  func load(ordinal: Int64, id: IdentifierKey) -> KnownEvent? {
    if let generation = generation(of: ordinal), let place = generation.index.place(ordinal) {
      return load(generation, place)
    }
    var found: KnownEvent?
    for segment in segments where segment.ordinals.contains(ordinal) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: id) { event, stored in
          guard event.ordinal == ordinal else { return .proceed }
          found = known(sealed: event, stored: stored)
          return .stop
        }
      }
    }
    return found
  }

  private func load(_ generation: HotGeneration, _ place: Int) -> KnownEvent? {
    var event = known(generation, place)
    do {
      try generation.withEvent(generation.location(place)) { (frame) throws(StoreError) in
        event.causeIsSpan = frame.flags.contains(.causeIsSpan)
        event.cause = event.causeIsSpan ? .zero : frame.causeKey
      }
      return event
    } catch {
      log.limitedWarning("store", "event \(event.ordinal) cannot be read: \(error)")
      return nil
    }
  }

  /// The id of a stored event as an identifier.
  private func identifier(of event: KnownEvent) -> Identifier {
    var id = Identifier(uuid: event.id)
    if let generation = generation(of: event.ordinal), let place = generation.index.place(event.ordinal) {
      if generation.index.has(HotIndex.Flag.idIsUUID, place) { return id }
      try? generation.withEvent(generation.location(place)) { (frame) throws(StoreError) in id = frame.id }
      return id
    }
    for segment in segments where segment.ordinals.contains(event.ordinal) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: event.id) { frame, _ in
          if frame.ordinal == event.ordinal { id = frame.id }
          return .proceed
        }
      }
    }
    return id
  }
}
