public import EventModel

extension EventView {
  /// What the producer said is the same: everything but where the event is stored (ordinal, source, position) and
  /// what our own rules derive from it (class, failure, handler, service, schema version), which may change between
  /// two readings of one event.
  public func hasSameContent(as other: EventView) -> Bool {
    // A report is told apart by its id alone: time and texts may differ when it is sent again.
    if eventClass == .report && other.eventClass == .report { return true }
    return unsafe created == other.created && revision == other.revision && flags == other.flags
      && sameBytes(idBytes, other.idBytes) && sameBytes(stream, other.stream) && sameBytes(type, other.type)
      && sameBytes(correlationBytes, other.correlationBytes) && sameBytes(causeBytes, other.causeBytes)
      && sameBytes(metadata, other.metadata) && sameBytes(data, other.data)
  }
}

private func sameBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
  unsafe a.count == b.count && a.elementsEqual(b)
}
