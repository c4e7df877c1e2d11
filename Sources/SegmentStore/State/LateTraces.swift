import EventModel
import Platform
import TraceStore

extension StoreState {
  /// Gives their traces to all events that wait in `pending`, and to those that inherit from them.
  ///
  /// - Parameter edgesBefore: edges of `outcome` behind this number belong to the event that is being stored.
  func settlePending(_ outcome: inout AppendOutcome, edgesBefore: Int) {
    while let next = pending.popLast() {
      guard let event = load(ordinal: next.event.ordinal, id: next.event.id), event.trace != next.trace,
        !event.ownsCorrelation
      else { continue }
      if event.trace.isZero, representative(event.id, in: next.trace) == nil {
        enterLate(event, next.trace, &outcome, edgesBefore: edgesBefore)
      } else {
        var rework = Rework(self)
        didRework = rework.run([event], &outcome, edgesBefore: edgesBefore) || didRework
      }
    }
  }

  /// The usual case: an event in no trace gets one, in which its id is new.
  private func enterLate(
    _ event: KnownEvent, _ trace: IdentifierKey, _ outcome: inout AppendOutcome, edgesBefore: Int
  ) {
    var event = event
    waiting.remove(of: event.cause) { $0.ordinal == event.ordinal }
    put(event, into: trace)
    event.trace = trace
    _ = settleCause(event, &outcome)
    if heal(event, &outcome) {
      // Not the newest event closed the cycle: whose effect goes is worked out again.
      var edges = EdgeWork(self)
      for edge in outcome.edges[edgesBefore...] { edges.hadNone(edge.childOrdinal) }
      for child in joining(event, edgeless: true) {
        if let known = self.event(child.ordinal, in: trace) {
          edges.remember(known)
          edges.relink(known.ordinal, known.id)
        }
      }
      edges.finish(&outcome, edgesBefore: edgesBefore)
      didRework = true
    }
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
