import EventModel
import HTTPClient
import Platform
import WireFormats

/// Mails about orders, written by a consumer of a persistent subscription (a group) to `$all`: it takes what the event
/// store gives it, acknowledges what it has done, asks for some events again, and parks those that it will never manage.
///
/// `prepare` by any thread, then `run` by one.
final class MailGroup {
  static let name = "notifications"
  static let types = ["OrderConfirmed", "OrderCancelled"]
  static let createPath = "persistent_subscriptions.PersistentSubscriptions/Create"
  static let readPath = "persistent_subscriptions.PersistentSubscriptions/Read"
  private static let bufferSize = 10

  /// What the thread of the group needs of the shop.
  struct Shop {
    var source: String
    var isStopping: () -> Bool
    var pause: (Double) -> Void
    var report: ([[UInt8]]) -> Void
    /// What went wrong; nil: it goes well again.
    var problem: (String?) -> Void
  }

  private let access: EventStoreAccess
  private let call: OpenCall
  private let store: EventStoreAppend
  private var random: ShopRandom
  /// Events that were given for the first time.
  private var number = 0
  private var lines: [[UInt8]] = []

  init(_ access: EventStoreAccess, seed: UInt64) {
    self.access = access
    call = OpenCall(access, Self.readPath)
    store = EventStoreAppend(access, seed: seed &+ 1)
    random = ShopRandom(seed: seed &+ 2)
  }

  /// Makes the group where it is not there yet; it begins at the end of the log.
  func prepare() throws(ShopProblem) {
    var node = EventStoreNode(access)
    for attempt in 0...access.servers.count {
      var request = access.request(node.server, Self.createPath, Self.createRequest)
      request.deadlineSeconds = 10
      let status: GRPCStatus
      do {
        status = try GRPCCall(request, options: access.options).collect(until: Instant.now.advanced(bySeconds: 11))
          .status
      } catch {
        if attempt == access.servers.count { throw ShopProblem(error) }
        node.fail()
        continue
      }
      if status.code == 0 || status.trailers["exception"] == "persistent-subscription-exists" { return }
      let problem = EventStoreAccess.problem(status, node.server)
      if !node.follow(status) { throw problem }
    }
    throw ShopProblem("no node of the cluster leads", hint: "Try again in a moment")
  }

  func run(_ shop: Shop) {
    while !shop.isStopping() {
      do throws(ShopProblem) {
        try serve(shop)
        shop.problem(nil)
      } catch {
        call.close()
        shop.problem("the group \(Self.name): \(error)")
        shop.pause(1)
      }
    }
  }

  private func serve(_ shop: Shop) throws(ShopProblem) {
    if !call.isOpen {
      // Again: somebody may have removed it.
      try prepare()
      try call.send(Self.readRequest)
    }
    var given: [GroupMessage] = []
    try call.receive(until: Instant.now.advanced(bySeconds: 0.1)) { message in
      if let event = GroupMessage(message) { given.append(event) }
    }
    store.idle()
    for event in given where !shop.isStopping() { try handle(event, shop) }
    if !lines.isEmpty { shop.report(lines) }
    lines = []
  }

  /// Every twelfth event is beyond help, and every twelfth needs a second attempt.
  private func handle(_ event: GroupMessage, _ shop: Shop) throws(ShopProblem) {
    // No event of this shop.
    if event.correlation.isEmpty { return try call.send(Self.acknowledgement(event.id)) }
    let attempt = event.retries + 1
    if attempt == 1 { number += 1 }
    func report(_ state: HandlerReport.State, _ error: (type: String, message: String)? = nil, attempt: Int) {
      lines.append(
        ShopHandler.mailer.report(
          state, source: shop.source, on: event.id, at: SystemClock().now(), attempt: attempt, error: error))
    }
    report(.started, attempt: attempt)
    shop.pause(Double(random.milliseconds(25)) / 1e9)
    if attempt == 1, number % 12 == 2 {
      let error = ("NoAddress", "the customer has no mail address")
      report(.failed, error, attempt: attempt)
      return try call.send(Self.refusal(event.id, .park, reason: error.1))
    }
    if attempt == 1, number % 12 == 5 {
      let error = ("SMTPError", "421 try again later")
      report(.failed, error, attempt: attempt)
      report(.retrying, error, attempt: attempt + 1)
      return try call.send(Self.refusal(event.id, .retry, reason: error.1))
    }
    let order = event.stream.split(separator: "-", maxSplits: 1).last ?? "0"
    let type = event.type == "OrderConfirmed" ? "ConfirmationMailSent" : "CancellationMailSent"
    let data = JSONValue.object([JSONValue.Member("template", .string(type))]).encoded
    try store.write([
      ShopEvent(
        id: random.identifier(), stream: "mail-\(order)", type: type, created: SystemClock().now(), data: data,
        metadata: ShopHandler.mailer.metadata(correlation: event.correlation, cause: event.id))
    ])
    report(.succeeded, attempt: attempt)
    try call.send(Self.acknowledgement(event.id))
  }
}

// What the group says: messages CreateReq and ReadReq of persistent.proto, as the official clients fill them.
extension MailGroup {
  enum Refusal: UInt64 { case park = 1, retry }

  static var createRequest: [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { options in
      options.put(2, text: name)
      options.put(3) { settings in
        // Three retries; an event is given again after 30 s; checkpoints after 5 events, or one after a second.
        for (field, value) in [
          (5, 3), (7, 1), (8, 5), (10, 500), (11, 20), (12, 500), (13, 1), (14, 30_000), (15, 1_000),
        ] as [(Int, UInt64)] {
          settings.put(field, varint: value)
        }
      }
      options.put(5) { all in
        all.put(3) { _ in }
        all.put(4) { filter in
          filter.put(2) { type in
            for name in types { type.put(2, text: name) }
          }
          filter.put(3, varint: 32)
          filter.put(5, varint: 1)
        }
      }
    }
    return request.bytes
  }

  static var readRequest: [UInt8] {
    var request = ProtobufWriter()
    request.put(1) { options in
      options.put(5) { _ in }
      options.put(2, text: name)
      options.put(3, varint: UInt64(bufferSize))
      options.put(4) { form in form.put(2) { _ in } }
    }
    return request.bytes
  }

  static func acknowledgement(_ id: String) -> [UInt8] {
    var request = ProtobufWriter()
    request.put(2) { ack in ack.put(2) { $0.put(2, text: id) } }
    return request.bytes
  }

  static func refusal(_ id: String, _ action: Refusal, reason: String) -> [UInt8] {
    var request = ProtobufWriter()
    request.put(3) { nack in
      nack.put(2) { $0.put(2, text: id) }
      nack.put(3, varint: action.rawValue)
      nack.put(4, text: reason)
    }
    return request.bytes
  }
}

/// What a group gives: message ReadResp of persistent.proto, as far as the mailer wants to know it.
struct GroupMessage {
  var id = ""
  var stream = ""
  var type = ""
  var correlation = ""
  var retries = 0

  /// Nil for what is no event.
  init?(_ message: [UInt8]) {
    let isRead = unsafe message.withUnsafeBufferPointer { typed -> Bool in
      do throws(ProtobufError) {
        unsafe try read(ProtobufReader(UnsafeRawBufferPointer(typed)))
        return true
      } catch { return false }
    }
    guard isRead, !id.isEmpty else { return nil }
  }

  private mutating func read(_ given: ProtobufReader) throws(ProtobufError) {
    var reader = unsafe given
    while unsafe try reader.next() {
      guard unsafe reader.field == 1 else {
        unsafe try reader.skip()
        continue
      }
      var event = unsafe try reader.message()
      while unsafe try event.next() {
        switch unsafe event.field {
        case 1: unsafe try readRecord(event.message())
        case 5: retries = unsafe Int(clamping: try event.int())
        default: unsafe try event.skip()
        }
      }
    }
  }

  private mutating func readRecord(_ given: ProtobufReader) throws(ProtobufError) {
    var reader = unsafe given
    while unsafe try reader.next() {
      switch unsafe reader.field {
      case 1: id = unsafe try Self.text(2, in: reader.message())
      case 2: stream = unsafe try Self.text(3, in: reader.message())
      case 6:
        let entry = unsafe try reader.slice()
        if unsafe try Self.text(1, in: ProtobufReader(entry)) == "type" {
          type = unsafe try Self.text(2, in: ProtobufReader(entry))
        }
      case 7:
        let metadata = unsafe try? JSONValue.parse(Array(reader.slice()))
        correlation = metadata?["$correlationId"]?.string ?? ""
      default: unsafe try reader.skip()
      }
    }
  }

  static func text(_ field: Int, in given: ProtobufReader) throws(ProtobufError) -> String {
    var reader = unsafe given
    var text = ""
    while unsafe try reader.next() {
      if unsafe reader.field == field { text = unsafe try reader.text() } else { unsafe try reader.skip() }
    }
    return text
  }
}
