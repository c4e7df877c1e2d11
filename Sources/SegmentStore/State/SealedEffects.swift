import EventModel
import TraceStore

/// The sealed events of traces by the cause that they name, kept while one question asks for the effects of many events
/// of a trace: without it the trace would be read for each of them, and a chain as often as it has links.
final class SealedEffects {
  /// Events that are kept, of all traces together: some 40 MB; a trace that has more is read for each event.
  static let countMax = 200_000

  private struct Part: Hashable {
    var firstOrdinal: Int64
    var trace: IdentifierKey
  }

  private var known: [Part: [IdentifierKey: [KnownEvent]]] = [:]
  private var tooLarge: Set<Part> = []
  private var count = 0

  /// Calls `body` with the domain events that name a cause in the part of a trace that a segment holds, and with some
  /// others.
  func forEach(
    causedBy cause: IdentifierKey, inTrace trace: IdentifierKey, _ segment: SegmentHandle, _ reader: SegmentReader,
    _ state: StoreState, _ body: (KnownEvent) -> Void
  ) throws(StoreError) {
    let part = Part(firstOrdinal: segment.row.firstOrdinal, trace: trace)
    if known[part] == nil, !tooLarge.contains(part) { try read(part, reader, state) }
    if let effects = known[part] {
      effects[cause]?.forEach(body)
      return
    }
    try Self.forEachRead(causedBy: cause, inTrace: trace, reader, state, body)
  }

  /// The same, keeping nothing.
  static func forEachRead(
    causedBy cause: IdentifierKey, inTrace trace: IdentifierKey, _ reader: SegmentReader, _ state: StoreState,
    _ body: (KnownEvent) -> Void
  ) throws(StoreError) {
    try reader.forEachEvent(ofTraceKey: trace) { event, stored in
      if event.causeKey == cause { body(state.known(sealed: event, stored: stored)) }
      return .proceed
    }
  }

  private func read(_ part: Part, _ reader: SegmentReader, _ state: StoreState) throws(StoreError) {
    var effects: [IdentifierKey: [KnownEvent]] = [:]
    var size = 0
    try reader.forEachEvent(ofTraceKey: part.trace) { event, stored in
      if event.eventClass != .domain || event.causeKey.isZero { return .proceed }
      size += 1
      if size > Self.countMax { return .stop }
      effects[event.causeKey, default: []].append(state.known(sealed: event, stored: stored))
      return .proceed
    }
    if size > Self.countMax {
      tooLarge.insert(part)
      return
    }
    if count + size > Self.countMax {
      known = [:]
      count = 0
    }
    known[part] = effects
    count += size
  }
}
