import EventModel
import Platform
import TraceStore

extension StoreState {
  /// Gives their traces to the events in `pending`, and to those that inherit from them, where nothing that was derived
  /// before has to change.
  ///
  /// - Returns: those where it has to.
  func settlePending(_ outcome: inout AppendOutcome) -> [KnownEvent] {
    var others: [KnownEvent] = []
    while let next = pending.popLast() {
      guard var event = load(ordinal: next.ordinal, id: next.id) else { continue }
      let trace = inheritedTrace(event)
      if event.ownsCorrelation || event.trace == trace { continue }
      let isNew = event.trace.isZero && representative(event.id, in: trace) == nil
      if isNew, !wouldCloseCycle(event, in: trace) {
        // The event goes on waiting.
        if !mayPut(event) { continue }
        waiting.remove(of: event.cause, inTrace: .zero) { $0.ordinal == event.ordinal }
        put(event, into: trace)
        event.trace = trace
        _ = settleCause(event, &outcome)
        _ = heal(event, &outcome)
      } else {
        others.append(event)
      }
    }
    return others
  }

  /// Whether the end of the chain of causes above an event would be its effect in that trace.
  private func wouldCloseCycle(_ event: KnownEvent, in trace: IdentifierKey) -> Bool {
    if event.cause.isZero || event.cause == event.id { return false }
    guard waiting.hasChildren(of: event.id, inTrace: trace) || event.id == trace,
      let cause = representative(event.cause, in: trace)
    else { return false }
    var event = event
    event.trace = trace
    let top = topAncestor(of: cause) ?? cause.ordinal
    return joining(event).contains { $0.ordinal == top }
  }

  /// Calls `body` with every stored event of a trace, its cause filled in.
  func forEachLoaded(ofTrace trace: IdentifierKey, _ body: (KnownEvent) -> Void) {
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

  func load(_ generation: HotGeneration, _ place: Int) -> KnownEvent? {
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
  func identifier(of event: KnownEvent) -> Identifier {
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
