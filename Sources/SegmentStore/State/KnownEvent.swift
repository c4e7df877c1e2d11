import EventModel

/// A stored event as far as deriving needs it.
struct KnownEvent {
  var ordinal: Int64
  var id: IdentifierKey
  var source: UInt32
  var created: Timestamp
  var label: UInt32
  var failure: FailureKind
  var eventClass: EventClass
  var ownsCorrelation: Bool
  /// The effective trace; zero for an event in no trace.
  var trace: IdentifierKey
  /// Zero where it names none, or a span. Not filled for candidates found through the hot index.
  var cause: IdentifierKey = .zero
  var causeIsSpan = false

  init(
    ordinal: Int64, id: IdentifierKey, source: UInt32, created: Timestamp, label: UInt32, failure: FailureKind,
    eventClass: EventClass, ownsCorrelation: Bool, trace: IdentifierKey
  ) {
    self.ordinal = ordinal
    self.id = id
    self.source = source
    self.created = created
    self.label = label
    self.failure = failure
    self.eventClass = eventClass
    self.ownsCorrelation = ownsCorrelation
    self.trace = trace
  }

  init(_ event: EventView, label: UInt32, trace: IdentifierKey) {
    self.init(
      ordinal: event.ordinal, id: event.idKey, source: event.sourceIndex, created: event.created, label: label,
      failure: event.failure, eventClass: event.eventClass,
      ownsCorrelation: unsafe !event.correlationBytes.isEmpty, trace: trace)
    causeIsSpan = event.flags.contains(.causeIsSpan)
    if !causeIsSpan { cause = event.causeKey }
  }

  /// The cause is the trace's correlation id: a root, unless an event of the trace has that id.
  var isRootMarker: Bool { !trace.isZero && cause == trace && cause != id }

  /// A new event; in its own trace, or none.
  init(_ draft: UnsafePointer<HotDraft>, ordinal: Int64) {
    unsafe self.init(
      ordinal: ordinal, id: draft.pointee.id, source: draft.pointee.source,
      created: Timestamp(nanoseconds: draft.pointee.created), label: draft.pointee.label,
      failure: draft.pointee.failure, eventClass: draft.pointee.eventClass,
      ownsCorrelation: draft.pointee.has(HotIndex.Flag.ownsCorrelation), trace: draft.pointee.correlation)
    unsafe causeIsSpan = draft.pointee.has(HotIndex.Flag.causeIsSpan)
    unsafe cause = draft.pointee.eventCause
  }
}
