/// Bytes that a producer gave as data or metadata, unchanged.
public struct Payload: Hashable, Sendable {
  public var bytes: [UInt8]
  /// The bytes are valid UTF-8 JSON on one line, so that they can stand inside JSON as they are; else they are shown
  /// as base64.
  public var isJSON: Bool

  public init(bytes: [UInt8], isJSON: Bool) {
    self.bytes = bytes
    self.isJSON = isJSON
  }
}

/// One stored event with everything that is known of it, as owned values: what reading commands show.
///
/// Names are valid UTF-8. Not for the path between reading and storing: that works on `EventView`.
public struct StoredEvent: Hashable, Sendable {
  public var ordinal: Int64
  public var source: String
  public var id: Identifier
  /// "" where the source gave none.
  public var stream: String
  public var type: String
  public var created: Timestamp
  public var position: SourcePosition
  public var revision: Int64?
  /// The correlation id the event itself carries.
  public var ownCorrelation: Identifier?
  /// The trace the event belongs to: its own correlation, or an inherited one; nil for an event in no trace.
  public var correlation: Identifier?
  public var cause: Identifier?
  public var causeIsSpan: Bool
  public var service: String?
  public var handler: String?
  public var handlerIdentity: HandlerIdentity
  public var failure: FailureKind
  public var eventClass: EventClass
  public var schemaVersion: String?
  /// Nil where the producer gave none, or where the reader did not ask for payloads.
  public var data: Payload?
  public var metadata: Payload?

  /// Bytes of data and metadata.
  public var payloadByteCount: Int { (data?.bytes.count ?? 0) + (metadata?.bytes.count ?? 0) }

  /// Copies a frame; `source` and `correlation` are what the store knows beside it.
  ///
  /// - Parameter payload: false leaves `data` and `metadata` nil.
  public init(_ event: EventView, source: String, correlation: Identifier?, payload: Bool) {
    ordinal = event.ordinal
    self.source = source
    id = event.id
    stream = unsafe String(decoding: event.stream, as: UTF8.self)
    type = unsafe String(decoding: event.type, as: UTF8.self)
    created = event.created
    position = event.position
    revision = event.revision
    ownCorrelation = event.correlation
    self.correlation = correlation
    cause = event.cause
    causeIsSpan = event.flags.contains(.causeIsSpan)
    service = unsafe event.service.isEmpty ? nil : String(decoding: event.service, as: UTF8.self)
    handler = unsafe event.handler.isEmpty ? nil : String(decoding: event.handler, as: UTF8.self)
    handlerIdentity = event.handlerIdentity
    failure = event.failure
    eventClass = event.eventClass
    schemaVersion = unsafe event.schemaVersion.isEmpty ? nil : String(decoding: event.schemaVersion, as: UTF8.self)
    if payload {
      if event.flags.contains(.hasData) {
        data = Payload(bytes: unsafe Array(event.data), isJSON: event.flags.contains(.dataIsJSON))
      }
      if event.flags.contains(.hasMetadata) {
        metadata = Payload(bytes: unsafe Array(event.metadata), isJSON: event.flags.contains(.metadataIsJSON))
      }
    }
  }
}
