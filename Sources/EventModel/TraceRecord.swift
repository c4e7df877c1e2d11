/// One event of a trace without its payload, small enough for traces of a million events: names are indexes into
/// `TraceContents.names`.
public struct TraceRecord: Sendable, Hashable {
  public var ordinal: Int64
  public var id: Identifier
  public var cause: Identifier?
  public var created: Timestamp
  public var position: SourcePosition
  /// -1 where the source gave none.
  public var revision: Int64
  public var source: UInt32
  public var stream: UInt32
  public var type: UInt32
  public var service: UInt32
  public var handler: UInt32
  public var schemaVersion: UInt32
  public var causeIsSpan: Bool
  /// The event carries the correlation id itself; false: it was inherited.
  public var ownsCorrelation: Bool
  public var failure: FailureKind
  public var handlerIdentity: HandlerIdentity

  /// Copies the fixed fields of a frame; the names are interned into `names`.
  public init(_ event: EventView, source: UInt32, names: inout NameTable) {
    ordinal = event.ordinal
    id = event.id
    cause = event.cause
    created = event.created
    position = event.position
    revision = event.revision ?? -1
    self.source = source
    stream = unsafe names.intern(event.stream)
    type = unsafe names.intern(event.type)
    service = unsafe names.intern(event.service)
    handler = unsafe names.intern(event.handler)
    schemaVersion = unsafe names.intern(event.schemaVersion)
    causeIsSpan = event.flags.contains(.causeIsSpan)
    ownsCorrelation = unsafe !event.correlationBytes.isEmpty
    failure = event.failure
    handlerIdentity = event.handlerIdentity
  }
}

/// Why an answer may be incomplete.
public enum MissingPart: Hashable, Sendable {
  /// A segment failed its checksums and was set aside.
  case damagedSegment(name: String)
  /// Events with these ordinals were deleted by retention.
  case droppedByRetention(ordinals: ClosedRange<Int64>)
  /// Events of this source with ordinals in this range were deleted by retention; what other sources gave is there.
  case droppedOfSource(name: String, ordinals: ClosedRange<Int64>)
}

/// All stored events of one trace, by ordinal, before assembly.
public struct TraceContents: Sendable {
  public var correlation: Identifier
  /// By ordinal, ascending; includes events whose id occurs twice (assembly drops the later ones with a warning).
  public var records: [TraceRecord]
  public var names: NameTable
  public var missing: [MissingPart]

  public init(correlation: Identifier, records: [TraceRecord], names: NameTable, missing: [MissingPart] = []) {
    self.correlation = correlation
    self.records = records
    self.names = names
    self.missing = missing
  }
}
