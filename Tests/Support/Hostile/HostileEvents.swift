public import EventModel
import WireFormats

/// One event whose payloads, names and ids are hard on readers and codecs.
public struct HostileEvent: Sendable {
  public var id: Identifier
  public var correlation: Identifier?
  public var cause: Identifier?
  public var stream: String
  public var type: String
  public var created: Timestamp
  public var revision: Int64?
  public var data: Payload?
  public var metadata: Payload?

  init(
    id: Identifier, stream: String, type: String, created: Timestamp, revision: Int64?, data: Payload?,
    metadata: Payload?
  ) {
    self.id = id
    self.stream = stream
    self.type = type
    self.created = created
    self.revision = revision
    self.data = data
    self.metadata = metadata
  }

  /// What was stored of an event, as far as its line says it.
  public init(_ event: StoredEvent) {
    self.init(
      id: event.id, stream: event.stream, type: event.type, created: event.created, revision: event.revision,
      data: event.data, metadata: event.metadata)
    correlation = event.ownCorrelation
    cause = event.cause
  }

  /// Appends the event as a source does that knows ids without metadata.
  public func append(to batch: inout EventBatch) {
    var flags: EventFrame.Flags = []
    if id.isUUID { flags.insert(.idIsUUID) }
    if correlation?.isUUID ?? false { flags.insert(.correlationIsUUID) }
    if cause?.isUUID ?? false { flags.insert(.causeIsUUID) }
    if let data { flags.formUnion(data.isJSON ? [.hasData, .dataIsJSON] : .hasData) }
    if let metadata { flags.formUnion(metadata.isJSON ? [.hasMetadata, .metadataIsJSON] : .hasMetadata) }
    var bytes: [UInt8] = []
    let ranges = [
      id.storedBytes, correlation?.storedBytes ?? [], cause?.storedBytes ?? [], Array(stream.utf8), Array(type.utf8),
      metadata?.bytes ?? [], data?.bytes ?? [],
    ].map { part in
      bytes += part
      return bytes.count - part.count..<bytes.count
    }
    unsafe bytes.withUnsafeBytes { all in
      let parts = unsafe ranges.map { unsafe UnsafeRawBufferPointer(rebasing: all[$0]) }
      var draft = unsafe EventDraft()
      unsafe draft.flags = flags
      unsafe draft.created = created
      unsafe draft.revision = revision
      unsafe draft.id = unsafe parts[0]
      unsafe draft.correlation = unsafe parts[1]
      unsafe draft.cause = unsafe parts[2]
      unsafe draft.stream = unsafe parts[3]
      unsafe draft.type = unsafe parts[4]
      unsafe draft.metadata = unsafe parts[5]
      unsafe draft.data = unsafe parts[6]
      unsafe batch.append(draft)
    }
  }

  /// The line that `export events` prints of it; reading it gives the same event.
  ///
  /// - Precondition: `metadata` says `correlation` and `cause`, if it is read again.
  public var line: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.key("id")
    json.string(id.shownBytes)
    if !stream.isEmpty { json.member("stream", stream) }
    json.member("type", type)
    json.member("created", RFC3339.string(nanoseconds: created.nanoseconds))
    if let revision { json.member("revision", revision) }
    for (name, payload) in [("data", data), ("metadata", metadata)] {
      guard let payload else { continue }
      if payload.isJSON {
        json.key(name)
        json.raw(payload.bytes)
      } else {
        json.member(name + "Base64", String(decoding: Base64.encode(payload.bytes), as: UTF8.self))
      }
    }
    json.endObject()
    return json.bytes
  }
}

/// Traces of hostile events from a seed: few types and traces, so that what a codec learns of one event is tried on
/// the next.
public struct HostileEvents {
  public var payloads: HostilePayloads
  private var number = 0
  private var traces: [(correlation: Identifier, ids: [Identifier])] = []
  /// The time of the last event, in nanoseconds.
  private var time: Int64 = 1_767_225_600_000_000_000
  private let seed: UInt64

  public init(seed: UInt64) {
    self.seed = seed
    payloads = HostilePayloads(seed: seed)
  }

  public mutating func events(_ count: Int) -> [HostileEvent] { (0..<count).map { _ in next() } }

  public mutating func next() -> HostileEvent {
    number += 1
    step()
    let id = identifier(prefix: "id")
    var event = HostileEvent(
      id: id, stream: name("s"), type: name("T"), created: Timestamp(nanoseconds: time), revision: revision(),
      data: nil, metadata: nil)
    if !oneIn(8) { place(&event) }
    payloads.values.created = time
    payloads.values.known =
      [event.id, event.correlation, event.cause].compactMap(\.self).map(\.description).map(Self.escaped)
      + ["shop", "bill\\u0069ng"]
    if !oneIn(12) {
      let bytes = payloads.any()
      event.data = Payload(bytes: bytes, isJSON: Self.standsInALine(bytes))
    }
    event.metadata = metadata(event)
    return event
  }

  /// An event with data of this kind.
  public mutating func event(_ kind: HostilePayloads.Kind) -> HostileEvent {
    var event = next()
    let bytes = payloads.payload(kind)
    event.data = Payload(bytes: bytes, isJSON: Self.standsInALine(bytes))
    return event
  }

  /// Whether bytes count as JSON that can be shown as it is.
  public static func standsInALine(_ bytes: [UInt8]) -> Bool {
    unsafe bytes.withUnsafeBytes { all in
      guard let whole = unsafe try? JSONScanner.scan(all) else { return false }
      return whole.onOneLine && whole.value.start == 0 && whole.value.end == bytes.count
    }
  }

  private mutating func oneIn(_ count: Int) -> Bool { payloads.values.random.oneIn(count) }

  private mutating func below(_ count: Int) -> Int { payloads.values.below(count) }

  /// Time goes on, stands still, or jumps.
  private mutating func step() {
    switch below(20) {
    case 0: break
    case 1: time -= Int64(below(5_000_000))
    case 2 where oneIn(40): time = Int64(truncatingIfNeeded: payloads.values.random.next()) >> Int64(below(3))
    case 3: time = 1_767_225_600_000_000_000 + Int64(number) * 1_000_000_000
    default: time = time &+ Int64(below(3_000_000))
    }
  }

  private mutating func revision() -> Int64? {
    switch below(8) {
    case 0: nil
    case 1: Int64(below(3))
    case 2 where oneIn(20): Int64.max
    default: Int64(number)
    }
  }

  private mutating func identifier(prefix: String) -> Identifier {
    switch below(10) {
    case 0: Identifier("\(prefix)/\(seed)-\(number)")!
    case 1: Identifier("é\"\\\(prefix)\u{1}\(seed) \(number)")!
    case 2: Identifier(String(repeating: "x", count: 240) + "\(number)")!
    default: Identifier(payloads.values.uuid())!
    }
  }

  private mutating func name(_ letter: String) -> String {
    switch below(24) {
    case 0: return "\(letter)-é\u{2028}\"\\\u{1}\u{2}"
    case 1 where oneIn(10): return String(repeating: letter, count: 8192)
    case 2: return "\(letter)-\(payloads.values.uuid())"
    case 3 where letter == "s": return ""
    default: return "\(letter)\(below(6))-\(below(4))"
    }
  }

  /// Puts an event into one of the open traces, behind one of its events most of the time.
  private mutating func place(_ event: inout HostileEvent) {
    if traces.isEmpty || oneIn(9) { traces.append((identifier(prefix: "trace"), [])) }
    if traces.count > 8 { traces.removeFirst() }
    let chosen = below(traces.count)
    event.correlation = traces[chosen].correlation
    event.cause =
      switch below(10) {
      case 0: nil
      case 1: Identifier(payloads.values.uuid())
      case 2: traces[chosen].correlation
      default: traces[chosen].ids.randomElement(using: &payloads.values.random)
      }
    traces[chosen].ids.append(event.id)
  }

  /// An object that says the event's ids, with hostile members around them; for an event in no trace anything.
  private mutating func metadata(_ event: HostileEvent) -> Payload? {
    guard let correlation = event.correlation else {
      if oneIn(2) { return nil }
      let bytes = oneIn(3) ? payloads.payload(.scalar) : payloads.values.random.bytes(below(40))
      return Payload(bytes: bytes, isJSON: Self.standsInALine(bytes))
    }
    var text = "{\"$correlationId\":\"\(Self.escaped(correlation.description))\""
    if let cause = event.cause { text += ",\"$causationId\":\"\(Self.escaped(cause.description))\"" }
    if oneIn(3) { text += ",\"x\":\(payloads.values.scalar())" }
    if oneIn(4) { text += " ,\t\"y\" : [\(payloads.values.scalar()),{\"z\":\(payloads.values.scalar())}]" }
    if oneIn(6) { text += ",\"x\":\(payloads.values.number())" }
    let bytes = Array((text + "}").utf8)
    return Payload(bytes: bytes, isJSON: Self.standsInALine(bytes))
  }

  /// As it stands between the quotes of a JSON string.
  private static func escaped(_ text: String) -> String {
    var json: [UInt8] = []
    unsafe Array(text.utf8).withUnsafeBytes { unsafe JSONText.appendQuoted($0, to: &json) }
    return String(decoding: json.dropFirst().dropLast(), as: UTF8.self)
  }
}
