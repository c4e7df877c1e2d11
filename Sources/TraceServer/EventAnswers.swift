import EventModel
import HTTPServer
import TraceAssembly
import TraceStore
import WireFormats

extension ClewAPI {
  func event(_ call: Call) throws(APIError) -> HTTPResponse {
    let id = try call.pathIdentifier("eventId")
    let limit = call.count("limit")
    let events = try reading { () throws(StoreError) in try reader.namesakes(id, limit: limit + 1) }
    guard let event = events.first else { throw try unknownEvent(id, call) }
    let effects = try reading { () throws(StoreError) in try reader.effects(of: id, limit: limit + 1) }
    var tree: CachedTree?
    if let correlation = event.correlation { tree = try trees.tree(of: correlation, in: call.turn) }
    let cause = try cause(of: event, tree?.tree)
    let others = events.dropFirst()
    return Self.answer(reserving: 4096) { json in
      json.key("event")
      json.storedEvent(event)
      json.key("trace")
      if let tree, tree.tree.count > 0 { json.object { $0.summary(tree.tree.summary) } } else { json.null() }
      json.key("cause")
      if let cause { json.storedEvent(cause) } else { json.null() }
      json.array("effects", effects.prefix(limit)) { $0.storedEvent($1) }
      json.member("effectsTruncated", effects.count > limit)
      json.array("others", others) { $0.storedEvent($1) }
      json.warnings(eventWarnings(event, tree?.tree))
    }
  }

  /// Events of one id among which the cause is looked for.
  private static let causesMax = 1_000

  private func unknownEvent(_ id: Identifier, _ call: Call) throws(APIError) -> APIError {
    let missing = storeWarnings().first.map { " (\($0.message))" } ?? ""
    let isTrace = try trees.tree(of: id, in: call.turn).tree.count > 0
    return APIError(
      404, "event_not_found", "no event \(shown(id.description)) is stored\(missing)",
      hint: isTrace
        ? "this is a correlation id: GET /api/v1/traces/\(id)" : "check the id; GET /api/v1/stats shows what is stored")
  }

  /// The parent in the tree; else whatever stored event has the cause's id: same source first, lowest ordinal.
  private func cause(of event: StoredEvent, _ tree: TraceTree?) throws(APIError) -> StoredEvent? {
    guard let cause = event.cause, !event.causeIsSpan, cause != event.id else { return nil }
    var known = try reading { () throws(StoreError) in try reader.namesakes(cause, limit: Self.causesMax) }
    if !known.isEmpty {
      known[0].data = nil
      known[0].metadata = nil
    }
    if let tree, let place = tree.place(ofOrdinal: event.ordinal), let parent = tree.parent(at: place) {
      let ordinal = tree.record(at: parent).ordinal
      if let found = known.first(where: { $0.ordinal == ordinal }) { return found }
    }
    return known.first { $0.source == event.source } ?? known.first
  }

  private func eventWarnings(_ event: StoredEvent, _ tree: TraceTree?) -> [AnswerWarning] {
    var warnings = storeWarnings()
    if let tree, let place = tree.place(ofOrdinal: event.ordinal) {
      warnings += tree.warnings(at: place).map { AnswerWarning(code: $0.code.rawValue, message: $0.message) }
    }
    return warnings
  }

  func stream(_ call: Call) throws(APIError) -> HTTPResponse {
    guard let name = String(validating: call.pathValues["stream"] ?? [], as: UTF8.self), !name.isEmpty else {
      throw APIError(400, "invalid_stream", "the stream's name is no UTF-8", hint: "percent-encode its UTF-8 bytes")
    }
    var after: Int64 = 0
    if let cursor = call.text("cursor") {
      guard cursor.hasPrefix("s"), let ordinal = Int64(cursor.dropFirst()), ordinal >= 0 else {
        throw APIError.badParameter(
          "cursor", "is none of a stream", hint: "give nextCursor of the page before, or none")
      }
      after = ordinal
    }
    let (events, more) = try streamPage(name, after: after, call)
    if events.isEmpty && after == 0 {
      throw APIError(
        404, "stream_not_found", "no event of a stream \(shown(name)) is stored",
        hint: "names are compared byte for byte; a / inside is written as %2F")
    }
    return Self.answer(reserving: 600 * events.count + 512) { json in
      json.member("stream", name)
      json.array("events", events) { $0.storedEvent($1) }
      json.member("nextCursor", more ? events.last.map { "s\($0.ordinal)" } : nil)
      json.warnings(storeWarnings())
    }
  }

  /// Reads in steps, so that a page of large payloads ends before it grows beyond its bound.
  private func streamPage(
    _ name: String, after: Int64, _ call: Call
  ) throws(APIError) -> (events: [StoredEvent], more: Bool) {
    let (limit, payload) = (call.count("limit"), call.flag("payload"))
    var events: [StoredEvent] = []
    var bytes = 0
    var step = payload ? 8 : limit + 1
    while events.count <= limit {
      let last = events.last?.ordinal ?? after
      let wanted = min(step, limit + 1 - events.count)
      let read = try reading { () throws(StoreError) in
        try reader.stream(name, after: last, limit: wanted, payload: payload)
      }
      events += read
      for event in read { bytes += (event.data?.bytes.count ?? 0) + (event.metadata?.bytes.count ?? 0) }
      if read.count < wanted { return (events, false) }
      if bytes >= options.payloadBytesMax { return (events, true) }
      step = min(max(1, (options.payloadBytesMax - bytes) / max(64, bytes / events.count) / 2), limit + 1)
      try call.turn?.yield()
    }
    return (Array(events.prefix(limit)), true)
  }
}

extension JSONWriter {
  /// An event as it is stored, with its payload where it was read.
  mutating func storedEvent(_ event: StoredEvent) {
    object { json in
      json.member("id", event.id as Identifier?)
      json.member("type", event.type)
      json.name("stream", event.stream)
      json.member("revision", count: event.revision.map { Int($0) })
      json.member("source", event.source)
      json.position(event.position, ordinal: event.ordinal)
      json.member("createdAt", event.created as Timestamp?)
      json.member("correlationId", event.correlation)
      json.member("causationId", event.cause)
      json.name("service", event.service)
      json.name("handler", event.handler)
      json.member("failed", event.failure != .none)
      json.name("schemaVersion", event.schemaVersion)
      json.member("ordinal", event.ordinal)
      json.payload("data", event.data)
      json.payload("metadata", event.metadata)
    }
  }
}
