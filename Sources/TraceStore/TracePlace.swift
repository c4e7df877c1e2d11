public import EventModel

extension TracePlace {
  /// True if this place comes earlier in the list of traces: newest first event first, of equal times the smaller
  /// correlation id.
  public func isBefore(_ other: TracePlace) -> Bool {
    firstEvent != other.firstEvent ? firstEvent > other.firstEvent : correlation < other.correlation
  }
}

extension TraceContents {
  /// Where the trace stands in the list of traces: the smallest creation time of all its records counts. Nil for a
  /// trace without records.
  public var place: TracePlace? {
    guard let first = records.map(\.created).min() else { return nil }
    return TracePlace(firstEvent: first, correlation: correlation)
  }
}

extension HandlerStatistics {
  /// By the bytes of source, service, handler, event type: the order in which stores give statistics.
  public func isBefore(_ other: HandlerStatistics) -> Bool {
    namesPrecede([source, service, handler, eventType], [other.source, other.service, other.handler, other.eventType])
  }
}

extension FlowEdge {
  /// By count, descending, then by the bytes of source, cause type, service, handler, effect type.
  public func isBefore(_ other: FlowEdge) -> Bool {
    if count != other.count { return count > other.count }
    return namesPrecede(
      [source, causeType, service, handler, effectType],
      [other.source, other.causeType, other.service, other.handler, other.effectType])
  }
}

private func namesPrecede(_ a: [String], _ b: [String]) -> Bool {
  for (x, y) in zip(a, b) where !x.utf8.elementsEqual(y.utf8) { return x.utf8.lexicographicallyPrecedes(y.utf8) }
  return false
}
