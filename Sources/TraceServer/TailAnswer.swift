import EventModel
import HTTPServer
import Ingest
import Platform
import TraceStore
import WireFormats

/// Which events a reader wants: all that are given must hold.
struct TailFilter: Sendable, Equatable {
  var type: String?
  /// With a `*` at its end: every stream that begins so.
  var stream: String?
  var handler: String?
  var service: String?
  var source: String?
  var correlation: Identifier?
  var failed: Bool?

  func matches(_ event: StoredEvent) -> Bool {
    if event.eventClass == .report { return false }
    if let type, !isSame(event.type, type) { return false }
    if let stream {
      let fits =
        stream.hasSuffix("*") ? event.stream.utf8.starts(with: stream.utf8.dropLast()) : isSame(event.stream, stream)
      if !fits { return false }
    }
    if let handler, !isSame(event.handler ?? "", handler) { return false }
    if let service, !isSame(event.service ?? "", service) { return false }
    if let source, !isSame(event.source, source) { return false }
    if let correlation, event.correlation != correlation { return false }
    if let failed, (event.failure != .none) != failed { return false }
    return true
  }

  /// Names are told apart byte by byte; `==` of texts would take two spellings of one character for the same.
  private func isSame(_ a: String, _ b: String) -> Bool { a.utf8.elementsEqual(b.utf8) }
}

extension ClewAPI {
  func tail(_ call: Call) throws(APIError) -> HTTPResponse {
    guard let pipeline else {
      throw APIError(
        503, "read_only", "there are no live events here: this is only a reader of the directory",
        hint: "ask a running clew serve")
    }
    var filter = TailFilter(
      type: call.text("type"), stream: call.text("stream"), handler: call.text("handler"),
      service: call.text("service"), source: call.text("source"), correlation: call.identifier("correlationId"))
    if case .flag(let failed)? = call.parameters["failed"] { filter.failed = failed }
    let after = try resumePoint(call)
    let chunks = TailChunks(
      hub: pipeline.tail, reader: reader, filter: filter, after: after, payload: call.flag("payload"),
      heartbeatSeconds: options.heartbeatSeconds, log: log)
    guard after != nil || chunks.subscribe() else { throw .busy("readers of live events") }
    var response = HTTPResponse(
      status: 200, headers: [("content-type", "text/event-stream"), ("x-accel-buffering", "no")],
      body: .chunks(chunks))
    response.mayCompress = false
    return response
  }

  /// The ordinal behind which a reader goes on; nil: with what is stored from now on.
  private func resumePoint(_ call: Call) throws(APIError) -> Int64? {
    guard let text = call.request.header("last-event-id") ?? call.text("after") else { return nil }
    if let ordinal = Int64(text), ordinal >= 0 { return ordinal }
    throw APIError.badParameter(
      "after", "\(shown(text)) is no id of this stream of events", hint: "give the id of the last event you got")
  }
}

/// Server-sent events: first what is stored behind the point of resumption, then what is stored from then on, each
/// event once.
final class TailChunks: ChunkSource, @unchecked Sendable {
  // `@unchecked Sendable`: `shared` is behind its own lock; everything else is only touched by the one thread that
  // calls `next` (and before it by the one that made this).
  private struct Shared {
    var subscription: TailSubscription?
    var isCancelled = false
  }

  private let shared = Locked(Shared())
  private let hub: TailHub
  private let reader: any TraceReader
  private let filter: TailFilter
  private let payload: Bool
  private let heartbeatSeconds: Double
  private let log: Log
  private var cursor: (any EventCursor)?
  /// Events up to this ordinal were sent, or did not match.
  private var last: Int64
  private var isReplaying: Bool
  /// Stored events that are read at once: few where they are large.
  private var replayStep = 8
  private static let replayBytes = 1 << 20
  private var hasBegun = false
  private var json = JSONWriter(reserving: 4096)

  init(
    hub: TailHub, reader: any TraceReader, filter: TailFilter, after: Int64?, payload: Bool, heartbeatSeconds: Double,
    log: Log
  ) {
    self.hub = hub
    self.reader = reader
    self.filter = filter
    self.payload = payload
    self.heartbeatSeconds = heartbeatSeconds
    self.log = log
    last = after ?? 0
    isReplaying = after != nil
  }

  deinit { cancel() }

  func next() -> [UInt8]? {
    if !hasBegun {
      // The client learns at once that it is connected.
      hasBegun = true
      return Array("retry: 2000\n: connected\n\n".utf8)
    }
    while !shared.withLock({ $0.isCancelled }) {
      guard let bytes = isReplaying ? replay() : live() else { return nil }
      if !bytes.isEmpty { return bytes }
    }
    return nil
  }

  func cancel() {
    let subscription = shared.withLock { state -> TailSubscription? in
      state.isCancelled = true
      defer { state.subscription = nil }
      return state.subscription
    }
    subscription?.cancel()
  }

  /// Starts to listen; false if there are too many readers.
  func subscribe() -> Bool {
    let filter = filter
    guard let made = hub.subscribe(payload: payload, { filter.matches($0) }) else { return false }
    let isCancelled = shared.withLock { state -> Bool in
      if !state.isCancelled { state.subscription = made }
      return state.isCancelled
    }
    if isCancelled { made.cancel() }
    return true
  }

  private var isSubscribed: Bool { shared.withLock { $0.subscription != nil } }

  /// Stored events. When there are no more, listening starts, and what was stored in between is read once more: so
  /// nothing is missed, and no queue runs over while much is replayed.
  private func replay() -> [UInt8]? {
    do throws(StoreError) {
      if cursor == nil { cursor = try reader.makeEventCursor(after: last) }
      let events = try cursor?.next(limit: replayStep) ?? []
      guard events.isEmpty else {
        let read = events.reduce(0) { $0 + $1.payloadByteCount }
        replayStep = read > Self.replayBytes ? max(1, replayStep / 4) : min(100, replayStep * 2)
        var bytes: [UInt8] = []
        for event in events {
          last = max(last, event.ordinal)
          if filter.matches(event) { append(event, to: &bytes) }
        }
        return bytes
      }
      cursor = nil
      if isSubscribed {
        isReplaying = false
      } else if !subscribe() {
        return finish("too many readers of live events")
      }
      return []
    } catch {
      return finish("\(error)")
    }
  }

  private func live() -> [UInt8]? {
    guard let subscription = shared.withLock({ $0.subscription }),
      let items = subscription.next(until: Instant.now.advanced(bySeconds: heartbeatSeconds))
    else { return nil }
    if items.isEmpty { return Array(": heartbeat\n\n".utf8) }
    var bytes: [UInt8] = []
    for item in items {
      switch item {
      case .lost(let count): bytes += Array("event: lost\ndata: {\"count\":\(count)}\n\n".utf8)
      case .event(let event):
        if event.ordinal <= last { continue }
        last = event.ordinal
        append(event, to: &bytes)
      }
    }
    return bytes
  }

  /// The client comes again by itself, with the id of the last event it got.
  private func finish(_ reason: String) -> [UInt8]? {
    log.limitedWarning("tail", "a reader of live events was sent away: \(reason)")
    return nil
  }

  private func append(_ event: StoredEvent, to bytes: inout [UInt8]) {
    json.removeAll()
    var event = event
    if !payload {
      event.data = nil
      event.metadata = nil
    }
    json.storedEvent(event)
    bytes += Array("id: \(event.ordinal)\nevent: event\ndata: ".utf8)
    json.append(to: &bytes)
    bytes += [0x0a, 0x0a]
  }
}
