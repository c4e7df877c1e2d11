import EventModel
import WireFormats

/// Something that will happen in the shop: an event, or what a handler reports of itself.
struct ShopRecord: Sendable {
  enum Kind: Sendable { case event, report }

  var due: Timestamp
  /// Keeps records of one time in the order they were planned.
  var number = 0
  var kind: Kind
  /// One line of JSON, without the line feed.
  var line: [UInt8]
  /// Set on the last record of a flow: the flow can be shown now.
  var completes: ShopSample?

  static func < (a: ShopRecord, b: ShopRecord) -> Bool { a.due != b.due ? a.due < b.due : a.number < b.number }
}

/// Ids to try out.
public struct ShopSample: Sendable, Equatable {
  public var correlation: String
  public var event: String
  public var stream: String
  public var failed: Bool
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
  private(set) var records: [ShopRecord] = []
  private(set) var first: (id: String, stream: String)?
  private(set) var failed = false
  var random: ShopRandom

  init(random: ShopRandom) {
    self.random = random
    correlation = self.random.identifier()
  }

  mutating func event(
    _ type: String, _ stream: String, by handler: ShopHandler, at: Timestamp, cause: String?, error: String? = nil,
    schema: String? = nil, data: [(String, JSONValue)] = []
  ) -> Event {
    let id = random.identifier()
    var json = JSONWriter()
    json.beginObject()
    json.member("id", id)
    json.member("stream", stream)
    json.member("type", type)
    json.member("created", RFC3339.string(nanoseconds: at.nanoseconds))
    json.key("data")
    json.value(.object(data.map { JSONValue.Member($0.0, $0.1) }))
    json.key("metadata")
    json.beginObject()
    json.member("$correlationId", correlation)
    if let cause { json.member("$causationId", cause) }
    json.member("service", handler.service)
    json.member("handler", handler.name)
    if let schema { json.member("schemaVersion", schema) }
    if let error {
      json.member("status", "failed")
      json.member("error", error)
      failed = true
    }
    json.endObject()
    json.endObject()
    records.append(ShopRecord(due: at, kind: .event, line: json.bytes))
    if first == nil { first = (id, stream) }
    return Event(id: id, at: at)
  }

  /// A handler's own word on how it fared.
  mutating func report(
    _ state: HandlerReport.State, by handler: ShopHandler, on cause: String, at: Timestamp, attempt: Int = 1,
    error: (type: String, message: String)? = nil
  ) {
    var json = JSONWriter()
    json.beginObject()
    json.member("source", "shop")
    json.member("service", handler.service)
    json.member("handler", handler.name)
    json.member("causeId", cause)
    json.member("attempt", attempt)
    json.member("state", state.rawValue)
    json.member("at", RFC3339.string(nanoseconds: at.nanoseconds))
    if let error {
      json.member("errorType", error.type)
      json.member("message", error.message)
    }
    json.endObject()
    records.append(ShopRecord(due: at, kind: .report, line: json.bytes))
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
