import EventModel

extension HotIndex {
  /// Calls `body` with every edge that belongs to this file: of its own children, and of older ones that it healed.
  func forEachEdge(_ body: (SegmentEdge) -> Void) {
    for place in 0..<count { if let edge = edge(of: place) { body(edge) } }
    for edge in healed.edges { body(edge) }
  }

  /// The edge of an event to its cause; nil if it has none.
  func edge(of place: Int) -> SegmentEdge? {
    if !hasCause(place) { return nil }
    let time = Timestamp(nanoseconds: created(place))
    if let cause = causePlace(place) {
      return SegmentEdge(
        childLabel: label(place), causeLabel: label(cause), childCreated: time,
        latency: time.since(Timestamp(nanoseconds: created(cause))), childFailure: failure(place),
        childOrdinal: ordinal(place), causeOrdinal: ordinal(cause))
    }
    guard let cause = externalCause(place) else { return nil }
    return SegmentEdge(
      childLabel: label(place), causeLabel: cause.label, childCreated: time, latency: cause.latency,
      childFailure: failure(place), childOrdinal: ordinal(place), causeOrdinal: cause.ordinal)
  }

  /// Whether the failure of an event is counted: later events of one id in one trace do not count.
  @inline(__always) func countsAsFailure(_ place: Int) -> Bool {
    failure(place) != .none && isDomain(place) && (trace(place) == 0 || has(Flag.counts, place))
  }

  /// Calls `body` with label and time of every failed event that counts.
  func forEachFailure(_ body: (UInt32, Timestamp) -> Void) {
    for place in 0..<count where countsAsFailure(place) {
      body(label(place), Timestamp(nanoseconds: created(place)))
    }
  }
}
