public import EventModel
public import TraceStore

/// One event, written compactly: identifiers and names as text, time in milliseconds after `epoch`.
public struct TestEvent: Sendable {
  /// 2026-01-01T00:00:00Z.
  public static let epoch = Timestamp(nanoseconds: 1_767_225_600_000_000_000)

  public var id: String
  public var correlation: String?
  public var cause: String?
  public var stream: String
  public var type: String
  public var created: Timestamp
  public var service: String
  public var handler: String
  public var handlerIdentity: HandlerIdentity
  public var failure: FailureKind
  public var eventClass: EventClass
  public var schemaVersion: String
  public var position: SourcePosition
  public var revision: Int64?
  /// Nil: not given. Said to be JSON unless `payloadIsJSON` is false.
  public var data: String?
  public var metadata: String?
  public var payloadIsJSON = true

  /// - Parameters:
  ///   - trace: the event's own correlation id.
  ///   - at: milliseconds after `epoch`; `created` outranks it.
  public init(
    _ id: String, trace: String? = nil, cause: String? = nil, stream: String = "order-1",
    type: String = "OrderPlaced", at milliseconds: Int64 = 0, created: Timestamp? = nil, service: String = "",
    handler: String = "", handlerIdentity: HandlerIdentity? = nil, failure: FailureKind = .none,
    eventClass: EventClass = .domain, schemaVersion: String = "", position: UInt64 = 0, minor: UInt64 = 0,
    revision: Int64? = nil, data: String? = nil, metadata: String? = nil
  ) {
    self.id = id
    correlation = trace
    self.cause = cause
    self.stream = stream
    self.type = type
    self.created = created ?? Self.epoch.advanced(byNanoseconds: milliseconds * 1_000_000)
    self.service = service
    self.handler = handler
    self.handlerIdentity = handlerIdentity ?? (handler.isEmpty ? .none : .metadata)
    self.failure = failure
    self.eventClass = eventClass
    self.schemaVersion = schemaVersion
    self.position = SourcePosition(major: position, minor: minor)
    self.revision = revision
    self.data = data
    self.metadata = metadata
  }

  /// Appends the event to a batch as a reader would.
  ///
  /// - Precondition: the identifiers are valid (1 to 256 bytes, id not the nil UUID).
  public func append(to batch: inout EventBatch) {
    var flags: EventFrame.Flags = []
    var bytes: [UInt8] = []
    func part(_ added: [UInt8]) -> Range<Int> {
      bytes += added
      return bytes.count - added.count..<bytes.count
    }
    func identifier(_ text: String?, _ flag: EventFrame.Flags) -> [UInt8] {
      guard let text, let identifier = Identifier(text) else { return [] }
      if identifier.isUUID { flags.insert(flag) }
      return identifier.storedBytes
    }
    let parts = [
      part(identifier(id, .idIsUUID)), part(identifier(correlation, .correlationIsUUID)),
      part(identifier(cause, .causeIsUUID)), part(Array(stream.utf8)), part(Array(type.utf8)),
      part(Array(service.utf8)), part(Array(handler.utf8)), part(Array(schemaVersion.utf8)),
      part(Array((metadata ?? "").utf8)), part(Array((data ?? "").utf8)),
    ]
    if cause.map(isSpan) ?? false { flags.insert(.causeIsSpan) }
    if data != nil { flags.formUnion(payloadIsJSON ? [.hasData, .dataIsJSON] : .hasData) }
    if metadata != nil { flags.formUnion(payloadIsJSON ? [.hasMetadata, .metadataIsJSON] : .hasMetadata) }
    unsafe bytes.withUnsafeBytes { all in
      var draft = unsafe EventDraft()
      unsafe fill(&draft, flags, parts.map { unsafe UnsafeRawBufferPointer(rebasing: all[$0]) })
      unsafe batch.append(draft)
    }
  }

  private func fill(_ draft: inout EventDraft, _ flags: EventFrame.Flags, _ parts: [UnsafeRawBufferPointer]) {
    unsafe draft.flags = flags
    unsafe draft.eventClass = eventClass
    unsafe draft.failure = failure
    unsafe draft.handlerIdentity = handlerIdentity
    unsafe draft.created = created
    unsafe draft.position = position
    unsafe draft.revision = revision
    unsafe draft.id = unsafe parts[0]
    unsafe draft.correlation = unsafe parts[1]
    unsafe draft.cause = unsafe parts[2]
    unsafe draft.stream = unsafe parts[3]
    unsafe draft.type = unsafe parts[4]
    unsafe draft.service = unsafe parts[5]
    unsafe draft.handler = unsafe parts[6]
    unsafe draft.schemaVersion = unsafe parts[7]
    unsafe draft.metadata = unsafe parts[8]
    unsafe draft.data = unsafe parts[9]
  }

  private func isSpan(_ text: String) -> Bool {
    var text = text
    return text.withUTF8 { unsafe Identifier.isSpanID(UnsafeRawBufferPointer($0)) }
  }
}

extension EventBatch {
  public init(_ events: [TestEvent]) {
    self.init()
    for event in events { event.append(to: &self) }
  }
}

extension SourceBatch {
  /// Events as a sender posts them: told apart by id, no checkpoint.
  public init(
    _ events: [TestEvent], source: String = "default", identity: IdentityRule = .eventID,
    durability: BatchDurability = .process, checkpoint: SourceCheckpoint? = nil
  ) {
    self.init(
      source: source, events: EventBatch(events), identity: identity, durability: durability, checkpoint: checkpoint)
  }
}
