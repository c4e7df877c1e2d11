import EventModel
import WireFormats

/// An event of the shop, as an event store takes it.
struct ShopEvent: Sendable {
  var id: String
  var stream: String
  var type: String
  /// By the shop's clock; an event store stamps its own.
  var created: Timestamp
  /// Both are JSON objects.
  var data: [UInt8]
  var metadata: [UInt8]

  /// One line of JSON, as Clew takes it, without the line feed.
  var line: [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("id", id)
    json.member("stream", stream)
    json.member("type", type)
    json.member("created", RFC3339.string(nanoseconds: created.nanoseconds))
    json.key("data")
    json.raw(data)
    json.key("metadata")
    json.raw(metadata)
    json.endObject()
    return json.bytes
  }
}

/// Something that will happen in the shop: an event, or what a handler reports of itself.
struct ShopRecord: Sendable {
  enum Content: Sendable {
    case event(ShopEvent)
    /// One line of JSON, without the line feed.
    case report([UInt8])
  }

  enum Kind: Sendable { case event, report }

  var due: Timestamp
  /// Keeps records of one time in the order they were planned.
  var number = 0
  var content: Content
  /// Set on the last record of a flow: the flow can be shown now.
  var completes: ShopSample?

  var kind: Kind {
    switch content {
    case .event: .event
    case .report: .report
    }
  }

  var line: [UInt8] {
    switch content {
    case .event(let event): event.line
    case .report(let line): line
    }
  }

  var event: ShopEvent? { if case .event(let event) = content { event } else { nil } }

  static func < (a: ShopRecord, b: ShopRecord) -> Bool { a.due != b.due ? a.due < b.due : a.number < b.number }
}

/// Ids to try out.
public struct ShopSample: Sendable, Equatable {
  public var correlation: String
  public var event: String
  public var stream: String
  public var failed: Bool
}

/// What differs between shops that post their events to Clew and shops that have an event store.
struct ShopSetting: Sendable {
  /// Name of the source that Clew reads the events from.
  var source = "shop"
  /// Mails of orders are written by somebody who reads the event store, and are not planned.
  var mailsAreReactions = false
}

/// Who produced an event.
struct ShopHandler: Sendable {
  var service: String
  var name: String

  static let registration = ShopHandler(service: "identity", name: "registration")
  static let checkout = ShopHandler(service: "shop", name: "checkout")
  static let orderProcess = ShopHandler(service: "shop", name: "order-process")
  static let inventory = ShopHandler(service: "warehouse", name: "stock-reservation")
  static let picking = ShopHandler(service: "warehouse", name: "picking")
  static let billing = ShopHandler(service: "billing", name: "payment")
  static let carrier = ShopHandler(service: "shipping", name: "carrier")
  static let mailer = ShopHandler(service: "notifications", name: "mailer")
  static let orderList = ShopHandler(service: "shop", name: "order-list-projection")
}

/// Plans the records of one business flow; each event follows its cause by some time.
struct FlowPlan {
  /// An event that was planned.
  struct Event {
    var id: String
    var at: Timestamp
  }

  let correlation: String
  let setting: ShopSetting
  private(set) var records: [ShopRecord] = []
  private(set) var first: (id: String, stream: String)?
  private(set) var failed = false
  var random: ShopRandom

  init(random: ShopRandom, setting: ShopSetting) {
    self.random = random
    self.setting = setting
    correlation = self.random.identifier()
  }

  mutating func event(
    _ type: String, _ stream: String, by handler: ShopHandler, at: Timestamp, cause: String?, error: String? = nil,
    schema: String? = nil, data: [(String, JSONValue)] = []
  ) -> Event {
    let id = random.identifier()
    let metadata = handler.metadata(correlation: correlation, cause: cause, error: error, schema: schema)
    if error != nil { failed = true }
    let content = JSONValue.object(data.map { JSONValue.Member($0.0, $0.1) }).encoded
    let event = ShopEvent(id: id, stream: stream, type: type, created: at, data: content, metadata: metadata)
    records.append(ShopRecord(due: at, content: .event(event)))
    if first == nil { first = (id, stream) }
    return Event(id: id, at: at)
  }

  /// A handler's own word on how it fared.
  mutating func report(
    _ state: HandlerReport.State, by handler: ShopHandler, on cause: String, at: Timestamp, attempt: Int = 1,
    error: (type: String, message: String)? = nil
  ) {
    let line = handler.report(state, source: setting.source, on: cause, at: at, attempt: attempt, error: error)
    records.append(ShopRecord(due: at, content: .report(line)))
  }

  /// The handler took up `cause` after `wait` and was done at `end`.
  mutating func handled(by handler: ShopHandler, _ cause: Event, end: Timestamp, waitShare: Double = 0.3) {
    let wait = Int64(Double(end.since(cause.at)) * waitShare)
    report(.started, by: handler, on: cause.id, at: cause.at.advanced(byNanoseconds: wait))
    report(.succeeded, by: handler, on: cause.id, at: end)
  }

  /// All records; the last event tells that the flow can be shown.
  func finished() -> [ShopRecord] {
    var all = records
    guard let first, let last = all.indices.max(by: { all[$0].due < all[$1].due }) else { return all }
    all[last].completes = ShopSample(
      correlation: correlation, event: first.id, stream: first.stream, failed: failed)
    return all
  }
}

extension ShopHandler {
  /// What every event of the shop says of itself: an object of JSON, with the keys that users of event stores use.
  func metadata(correlation: String, cause: String?, error: String? = nil, schema: String? = nil) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("$correlationId", correlation)
    if let cause { json.member("$causationId", cause) }
    json.member("service", service)
    json.member("handler", name)
    if let schema { json.member("schemaVersion", schema) }
    if let error {
      json.member("status", "failed")
      json.member("error", error)
    }
    json.endObject()
    return json.bytes
  }

  /// One line of JSON: how this handler fared with an event.
  func report(
    _ state: HandlerReport.State, source: String, on cause: String, at: Timestamp, attempt: Int = 1,
    error: (type: String, message: String)? = nil
  ) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("source", source)
    json.member("service", service)
    json.member("handler", name)
    json.member("causeId", cause)
    json.member("attempt", attempt)
    json.member("state", state.rawValue)
    json.member("at", RFC3339.string(nanoseconds: at.nanoseconds))
    if let error {
      json.member("errorType", error.type)
      json.member("message", error.message)
    }
    json.endObject()
    return json.bytes
  }
}
