import EventModel

extension HotIndex {
  /// Calls `body` with every edge that belongs to this file: of its own children, and of older ones that it healed.
  func forEachEdge(_ body: (SegmentEdge) -> Void) {
    for place in 0..<count where causes[place] != Self.none { body(edge(place)) }
    for edge in healed { body(edge) }
  }

  /// The edge of an event to its cause; nil if it has none.
  func edge(of place: Int) -> SegmentEdge? { causes[place] == Self.none ? nil : edge(place) }

  /// - Precondition: the event has a cause.
  private func edge(_ place: Int) -> SegmentEdge {
    let time = Timestamp(nanoseconds: created[place])
    let reference = causes[place]
    if reference & Self.externalCause != 0 {
      let cause = externalCauses[Int(reference & ~Self.externalCause)]
      return SegmentEdge(
        childLabel: label(place), causeLabel: cause.label, childCreated: time, latency: cause.latency,
        childFailure: failure(place), childOrdinal: ordinal(place), causeOrdinal: cause.ordinal)
    }
    let cause = Int(reference)
    return SegmentEdge(
      childLabel: label(place), causeLabel: label(cause), childCreated: time,
      latency: time.since(Timestamp(nanoseconds: created[cause])), childFailure: failure(place),
      childOrdinal: ordinal(place), causeOrdinal: ordinal(cause))
  }

  /// Calls `body` with label and time of every failed event; later events of one id in one trace do not count.
  func forEachFailure(_ body: (UInt32, Timestamp) -> Void) {
    for place in 0..<count where failure(place) != .none && eventClass(place) == .domain {
      if traces[place] == 0 || has(Flag.counts, place) {
        body(label(place), Timestamp(nanoseconds: created[place]))
      }
    }
  }
}
