import EventModel
import HTTPServer
import TraceAssembly
import TraceStore
import WireFormats

/// Pages of a trace go on in the view of it that the first page showed: `v<last ordinal>.<cursor>`.
struct ViewCursor: Equatable {
  var snapshot: Int64
  var cursor: TraceCursor

  init(snapshot: Int64, cursor: TraceCursor) {
    self.snapshot = snapshot
    self.cursor = cursor
  }

  init?(_ text: String) {
    let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, parts[0].hasPrefix("v"), let snapshot = Int64(parts[0].dropFirst()), snapshot >= 0,
      let cursor = TraceCursor(String(parts[1]))
    else { return nil }
    self.init(snapshot: snapshot, cursor: cursor)
  }

  var text: String { "v\(snapshot).\(cursor.text)" }
}

extension ClewAPI {
  func trace(_ call: Call) throws(APIError) -> HTTPResponse {
    let id = try call.pathIdentifier("correlationId")
    var view: ViewCursor?
    if let text = call.text("cursor") {
      view = ViewCursor(text)
      if view == nil { throw badCursor() }
    }
    var whole: TracePayloads?
    let cached = try trees.tree(
      of: id, snapshot: view?.snapshot, &whole,
      payloadBytesMax: call.flag("payload") ? min(Self.wholePayloadBytesMax, options.payloadBytesMax) : 0, in: call.turn
    )
    let tree = cached.tree
    guard tree.count > 0 else { throw try unknownTrace(id) }
    var range = tree.places
    if let root = call.identifier("root") {
      guard let subtree = tree.subtree(of: root) else {
        throw APIError(
          404, "event_not_in_trace", "the trace has no event \(shown(root.description))",
          hint: "root takes the id of an event of this trace")
      }
      range = subtree
    }
    let rows = cached.rows(folding: call.flag("fold"))
    guard let page = rows.page(in: range, after: view?.cursor, limit: call.count("limit")) else { throw badCursor() }
    let (shownRows, payloads, cut) = try withPayloads(
      page.rows, tree, wanted: call.flag("payload") && whole == nil)
    var next = page.next
    if cut, let last = shownRows.last { next = TraceCursor(lastOrdinal: ordinal(of: last, tree)) }
    // A variable that is handed over as `inout` is copied for each row.
    let known = whole
    let bytes = known?.byteCount ?? payloads.values.reduce(0) { $0 + $1.payloadByteCount }
    return Self.answer(reserving: 700 * shownRows.count + bytes + 2048) { json in
      json.summary(tree.summary)
      json.warnings(tree.warnings.map { AnswerWarning(code: $0.code.rawValue, message: $0.message) })
      json.key("warningCounts")
      json.object { json in
        for (code, count) in tree.warningCounts.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
          json.member(code.rawValue, count)
        }
      }
      json.array("phantomCauses", tree.phantoms.prefix(100)) { json, phantom in
        json.object {
          $0.member("id", phantom.id)
          $0.member("effectCount", phantom.children.count)
        }
      }
      json.array("events", shownRows) { json, row in
        switch row {
        case .event(let place): json.traceRow(place, cached, known, payloads)
        case .fold(let fold): json.foldRow(fold, tree)
        }
      }
      json.member("nextCursor", next.map { ViewCursor(snapshot: cached.snapshot, cursor: $0).text })
    }
  }

  /// Traces with payloads up to here are read in one go; of bigger ones the page's payloads are read.
  private static let wholePayloadBytesMax = 2 << 20

  private func badCursor() -> APIError {
    APIError.badParameter(
      "cursor", "is none of this trace and subtree", hint: "give nextCursor of the page before unchanged, or none")
  }

  private func ordinal(of row: TraceRow, _ tree: TraceTree) -> Int64 {
    switch row {
    case .event(let place): tree.record(at: place).ordinal
    case .fold(let fold): fold.firstFoldedOrdinal
    }
  }

  private func unknownTrace(_ id: Identifier) throws(APIError) -> APIError {
    let located = try reading { () throws(StoreError) in try reader.locate([id]) }
    var hint = "search with GET /api/v1/traces?q=…; events without correlation are found by id and stream"
    if let trace = located[id] {
      hint =
        trace.map { "an event has this id; its trace is \($0)" }
        ?? "an event has this id and is in no trace: GET /api/v1/events/\(id)"
    }
    let missing = storeWarnings().first.map { " (\($0.message))" } ?? ""
    return APIError(
      404, "trace_not_found", "no event of a trace \(shown(id.description)) is stored\(missing)", hint: hint)
  }

  /// Reads the payloads of a page, as much as an answer may hold: what does not fit is left to the next page.
  private func withPayloads(
    _ rows: [TraceRow], _ tree: TraceTree, wanted: Bool
  ) throws(APIError) -> (rows: [TraceRow], payloads: [Int64: StoredEvent], cut: Bool) {
    guard wanted else { return (rows, [:], false) }
    var payloads: [Int64: StoredEvent] = [:]
    var bytes = 0
    var index = 0
    // Payloads may be large: the first few tell how many can be read at once.
    var step = 8
    while index < rows.count {
      let end = min(index + step, rows.count)
      var ordinals: Set<Int64> = []
      for case .event(let place) in rows[index..<end] { ordinals.insert(tree.record(at: place).ordinal) }
      let read = try reading { () throws(StoreError) in
        try reader.payloads(ofTrace: tree.contents.correlation, ordinals: ordinals)
      }
      for event in read {
        bytes += event.payloadByteCount
        payloads[event.ordinal] = event
      }
      index = end
      if bytes >= options.payloadBytesMax { return (Array(rows[..<index]), payloads, index < rows.count) }
      let average = max(64, bytes / max(1, index))
      step = min(max(1, (options.payloadBytesMax - bytes) / average / 2), rows.count)
    }
    return (rows, payloads, false)
  }
}

extension JSONWriter {
  /// The members of a trace's summary, as `export traces` prints them.
  mutating func summary(_ summary: TraceSummary) {
    member("correlationId", summary.correlation as Identifier?)
    member("eventCount", summary.eventCount)
    member("edgeCount", summary.edgeCount)
    member("rootCount", summary.rootCount)
    member("orphanCount", summary.orphanCount)
    member("depth", summary.depth)
    member("firstEventAt", summary.firstEventAt)
    member("lastEventAt", summary.lastEventAt)
    seconds("durationSeconds", summary.durationNanoseconds)
    member("failureCount", summary.failureCount)
  }

  mutating func traceRow(
    _ place: Int, _ cached: CachedTree, _ whole: TracePayloads?, _ some: [Int64: StoredEvent]
  ) {
    let tree = cached.tree
    // Handed over where it lies: a copy of the record holds and lets go what its identifiers are made of.
    object { $0.members(of: tree.contents.records[tree.recordNumber(at: place)], place, cached, whole, some) }
  }

  private mutating func members(
    of record: TraceRecord, _ place: Int, _ cached: CachedTree, _ whole: TracePayloads?, _ some: [Int64: StoredEvent]
  ) {
    let tree = cached.tree
    key(plain: "id")
    identifier(record.id)
    key(plain: "type")
    unsafe tree.contents.names.withBytes(of: record.type) { unsafe string($0) }
    key(plain: "stream")
    name(record.stream, tree.contents.names)
    key(plain: "revision")
    if record.revision < 0 { null() } else { int(Int(record.revision)) }
    key(plain: "source")
    unsafe tree.contents.names.withBytes(of: record.source) { unsafe string($0) }
    position(record.position, ordinal: record.ordinal)
    key(plain: "createdAt")
    time(nanoseconds: record.created.nanoseconds)
    key(plain: "causationId")
    identifier(record.cause)
    key(plain: "causeKind")
    string(tree.causeKind(at: place).rawValue)
    key(plain: "parentId")
    identifier(tree.parent(at: place).map { tree.contents.records[tree.recordNumber(at: $0)].id })
    key(plain: "depth")
    int(tree.depth(at: place))
    key(plain: "service")
    name(record.service, tree.contents.names)
    key(plain: "handler")
    name(record.handler, tree.contents.names)
    key(plain: "failed")
    bool(record.failure != .none)
    key(plain: "reactionLatencySeconds")
    if let latency = tree.reactionLatency(at: place) { decimal(billionths: latency) } else { null() }
    key(plain: "schemaVersion")
    name(record.schemaVersion, tree.contents.names)
    key(plain: "onCriticalPath")
    bool(cached.isCritical(place))
    warnings(tree.warnings(at: place).map { AnswerWarning(code: $0.code.rawValue, message: $0.message) })
    if let whole {
      unsafe whole.forEachPayload(ofOrdinal: record.ordinal) { unsafe payload($0, $1, isJSON: $2) }
    } else if !some.isEmpty, let stored = some[record.ordinal] {
      payload("data", stored.data)
      payload("metadata", stored.metadata)
    }
  }

  mutating func foldRow(_ fold: SiblingFold, _ tree: TraceTree) {
    object { json in
      json.member("type", tree.contents.names[fold.type])
      json.member("parentId", tree.record(at: fold.parent).id as Identifier?)
      json.member("depth", fold.depth)
      json.key("fold")
      json.object {
        $0.member("count", fold.count)
        $0.member("foldedCount", fold.foldedCount)
        $0.member("failureCount", fold.failureCount)
        $0.seconds("minSeconds", fold.minimum)
        $0.seconds("p50Seconds", fold.p50)
        $0.seconds("p90Seconds", fold.p90)
        $0.seconds("p99Seconds", fold.p99)
        $0.seconds("maxSeconds", fold.maximum)
      }
    }
  }
}
