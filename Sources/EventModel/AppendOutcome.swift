/// What the store did with one event of a batch.
@frozen public enum Disposition: UInt8, Sendable {
  case accepted
  /// Stored before, with the same content.
  case duplicate
  /// An event of this identity is stored, with other content; the stored one stays.
  case conflict
}

/// The names under which an event and its edges are counted.
public struct EventLabels: Hashable, Sendable {
  public var source: String
  /// "" where absent.
  public var service: String
  public var handler: String
  public var type: String
  public var identity: HandlerIdentity

  public init(source: String, service: String, handler: String, type: String, identity: HandlerIdentity) {
    self.source = source
    self.service = service
    self.handler = handler
    self.type = type
    self.identity = identity
  }
}

/// How the cause of an accepted event stands at the moment of storing.
@frozen public enum CauseState: UInt8, Sendable {
  /// No cause, or a root marker with no event behind it.
  case root
  /// The cause is a stored event of the same trace: `AppendOutcome.edges` has the edge.
  case resolved
  /// The cause is a stored event, of another trace.
  case otherTrace
  /// The cause is not stored (yet).
  case unresolved
  /// An OpenTelemetry span id.
  case span
  /// The event names itself as its cause.
  case itself
  /// The edge would close a cycle, and is cut.
  case cycle
  /// Nothing is derived: system events, reports, and later events of one id in one trace.
  case none
}

/// One accepted event, as the metrics need it. Names are behind `label`, an index into the store's label table.
@frozen public struct AcceptedEvent: Sendable {
  public var ordinal: Int64
  public var label: UInt32
  public var created: Timestamp
  public var payloadBytes: UInt32
  public var failure: FailureKind
  public var eventClass: EventClass
  public var causeState: CauseState
  /// The event's place in `EventBatch` that was appended.
  public var indexInBatch: UInt32
  /// Zero for an event in no trace.
  public var trace: IdentifierKey
  /// Zero where no cause is named.
  public var cause: IdentifierKey
  /// The event is the first stored one of its trace.
  public var startsTrace: Bool

  public init(
    ordinal: Int64, label: UInt32, created: Timestamp, payloadBytes: UInt32, failure: FailureKind,
    eventClass: EventClass, causeState: CauseState, indexInBatch: UInt32, trace: IdentifierKey, cause: IdentifierKey,
    startsTrace: Bool
  ) {
    self.ordinal = ordinal
    self.label = label
    self.created = created
    self.payloadBytes = payloadBytes
    self.failure = failure
    self.eventClass = eventClass
    self.causeState = causeState
    self.indexInBatch = indexInBatch
    self.trace = trace
    self.cause = cause
    self.startsTrace = startsTrace
  }
}

/// A child and its cause in one trace, known since the later of the two was stored.
public struct CausalEdge: Sendable {
  /// Label of the child: its handler is the one that reacted.
  public var childLabel: UInt32
  public var causeLabel: UInt32
  public var childOrdinal: Int64
  public var causeOrdinal: Int64
  public var childCreated: Timestamp
  /// Created of the child minus created of the cause; may be negative; held at the bounds, never wrapped.
  public var latencyNanoseconds: Int64
  public var childFailure: FailureKind
  public var correlation: Identifier
  public var cause: IdentifierKey
  /// The child was stored before its cause.
  public var healed: Bool

  public init(
    childLabel: UInt32, causeLabel: UInt32, childOrdinal: Int64, causeOrdinal: Int64, childCreated: Timestamp,
    latencyNanoseconds: Int64, childFailure: FailureKind, correlation: Identifier, cause: IdentifierKey, healed: Bool
  ) {
    self.childLabel = childLabel
    self.causeLabel = causeLabel
    self.childOrdinal = childOrdinal
    self.causeOrdinal = causeOrdinal
    self.childCreated = childCreated
    self.latencyNanoseconds = latencyNanoseconds
    self.childFailure = childFailure
    self.correlation = correlation
    self.cause = cause
    self.healed = healed
  }
}

/// What became of one batch.
public struct AppendOutcome: Sendable {
  /// One for each event of the batch, in order.
  public var dispositions: [Disposition] = []
  public var accepted: [AcceptedEvent] = []
  /// Edges of the accepted events, and of older events whose cause arrived with this batch.
  public var edges: [CausalEdge] = []
  /// Labels used for the first time since the store was opened: index and names. Index 0 is the overflow label.
  public var newLabels: [(index: UInt32, labels: EventLabels)] = []
  public var duplicateCount = 0
  public var conflictCount = 0

  public init() {}
}
