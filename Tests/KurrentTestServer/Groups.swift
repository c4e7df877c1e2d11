/// A persistent subscription: who reads it, what was given, what came back.
final class Group {
  let stream: String
  let name: String
  private let view: LogView
  /// Where the next event of the log is looked for.
  private var next: Int
  private var retries: [(index: Int, count: Int)] = []
  fileprivate var inFlight: [EventID: (index: Int, count: Int, reader: Int)] = [:]
  fileprivate var readers: [Int: (name: String, user: String)] = [:]
  private let retriesMax: Int
  private(set) var parked = 0
  private(set) var given = 0
  private var newest: LogPosition?

  /// - Parameter stream: nil: `$all`.
  init(stream: String?, name: String, filter: EventFilter?, retriesMax: Int, fromEnd: Bool, log: EventLog) {
    self.stream = stream ?? "$all"
    self.name = name
    self.retriesMax = retriesMax
    var chosen = filter
    if let stream { chosen = EventFilter(streamPrefix: stream) }
    view = LogView(log, chosen, chosen?.verdict())
    next = fromEnd ? log.visible : 0
  }

  /// The next event for a reader, as the server sends it.
  fileprivate func take(_ reader: Int) -> [UInt8]? {
    var chosen = retries.isEmpty ? nil : retries.removeFirst()
    while chosen == nil, next < view.log.visible {
      if view.matches(next), !view.log.entries[next].isGone { chosen = (next, 0) }
      next += 1
    }
    guard let chosen else { return nil }
    let event = ByteQueue(capacity: 512)
    view.log.append(chosen.index, idsAsText: true, to: event)
    let message = UnsafeRawBufferPointer(rebasing: event.bytes[5...])
    guard let facts = EventFacts(message) else { return nil }
    inFlight[facts.id] = (chosen.index, chosen.count, reader)
    newest = max(newest ?? facts.position, facts.position)
    given += 1
    return built { out in
      var outer = Fields(message)
      while outer.next() {
        guard outer.number == 1 else { continue }
        out.append(field: 1) { read in
          read.append(outer.slice)
          read.append(field: 5, varint: UInt64(chosen.count))
        }
      }
    }
  }

  fileprivate func acknowledge(_ id: EventID) { inFlight[id] = nil }

  /// As NACK says: park (1), retry (2), skip (3).
  fileprivate func refuse(_ id: EventID, _ action: UInt64) {
    guard let event = inFlight.removeValue(forKey: id) else { return }
    if action == 2, event.count < retriesMax {
      retries.append((event.index, event.count + 1))
    } else if action != 3 {
      parked += 1
    }
  }

  /// What the reader had goes to another one.
  fileprivate func leave(_ reader: Int) {
    readers[reader] = nil
    for (id, event) in inFlight where event.reader == reader {
      inFlight[id] = nil
      retries.append((event.index, event.count + 1))
    }
  }

  /// Message SubscriptionInfo. The checkpoint lies before whatever is not done.
  var info: [UInt8] {
    let pending = (inFlight.values.map(\.index) + retries.map(\.index)).min()
    let done = pending.map { index in index > 0 ? view.log.entries[index - 1].position : nil } ?? newest
    return built { info in
      info.append(field: 1, text: stream)
      info.append(field: 2, text: name)
      info.append(field: 3, text: "Live")
      for reader in readers.values {
        info.append(field: 4) {
          $0.append(field: 2, text: reader.user)
          $0.append(field: 8, varint: UInt64(inFlight.count))
          $0.append(field: 9, text: reader.name)
        }
      }
      info.append(field: 6, varint: UInt64(given))
      if let done { info.append(field: 8, text: place(done)) }
      if let newest { info.append(field: 9, text: place(newest)) }
      info.append(field: 24, varint: UInt64(inFlight.count))
      info.append(field: 26, text: "RoundRobin")
      info.append(field: 28, varint: UInt64(parked))
    }
  }

  /// Places of streams are not told: only `$all` is read in groups here that have numbers worth telling.
  private func place(_ position: LogPosition) -> String {
    stream == "$all" ? "C:\(position.commit)/P:\(position.prepare)" : ""
  }
}

/// `PersistentSubscriptions.Read`: events on one side, what became of them on the other.
final class GroupRead: Answer {
  private let services: Services
  private let number: Int
  private let who: (name: String, user: String)
  private var group: Group?
  private var room = 10
  private var isConfirmed = false
  private var problem: CallStatus?

  init(_ services: Services, _ call: Call) {
    self.services = services
    number = call.number
    who = (call.header("connection-name") ?? "", "system")
  }

  deinit { group?.leave(number) }

  override var isLive: Bool { true }

  override func take(_ message: UnsafeRawBufferPointer) {
    var fields = Fields(message)
    while fields.next() {
      switch fields.number {
      case 1: begin(fields.slice)
      case 2: for id in Self.ids(fields.slice) { group?.acknowledge(id) }
      case 3:
        var action: UInt64 = 0
        var nack = Fields(fields.slice)
        while nack.next() { if nack.number == 3 { action = nack.value } }
        for id in Self.ids(fields.slice) { group?.refuse(id, action) }
      default: break
      }
    }
  }

  private func begin(_ options: UnsafeRawBufferPointer) {
    let asked = GroupOptions(options)
    room = max(1, asked.bufferSize)
    group = services.groups.first { $0.stream == asked.stream ?? "$all" && $0.name == asked.name }
    group?.readers[number] = who
    if group == nil {
      problem = CallStatus(
        code: 5, message: "Subscription group \(asked.name) does not exist.",
        trailers: [("exception", "persistent-subscription-does-not-exist")])
    }
  }

  /// Acknowledged ids stand under 2, in a NACK too.
  private static func ids(_ bytes: UnsafeRawBufferPointer) -> [EventID] {
    var ids: [EventID] = []
    var fields = Fields(bytes)
    while fields.next() { if fields.number == 2 { ids.append(EventID(message: fields.slice)) } }
    return ids
  }

  override func clientFinished() {
    group?.leave(number)
    problem = problem ?? .ok
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    if let problem { return (0, .finished(problem)) }
    guard let group else { return (0, .waiting(until: nil)) }
    var count = 0
    if !isConfirmed {
      isConfirmed = true
      out.append(message: built { $0.append(field: 2) { $0.append(field: 1, text: "\(group.stream)::\(group.name)") } })
      count += 1
    }
    while count < messagesMax, group.inFlight.values.filter({ $0.reader == number }).count < room,
      let event = group.take(number)
    {
      out.append(message: event)
      count += 1
    }
    return (count, .waiting(until: nil))
  }
}

/// Options of Create and of Read.
struct GroupOptions {
  /// Nil: `$all`.
  var stream: String?
  var name = ""
  var bufferSize = 10
  var retriesMax = 10
  var fromEnd = false
  var filter: EventFilter?

  init(_ bytes: UnsafeRawBufferPointer, isCreate: Bool = false) {
    var fields = Fields(bytes)
    while fields.next() {
      switch (fields.number, isCreate) {
      case (1, _): stream = Self.name(fields.slice)
      case (2, _): name = String(decoding: fields.slice, as: UTF8.self)
      case (3, true): readSettings(fields.slice)
      case (3, false): bufferSize = Int(fields.value)
      case (4, true):
        var options = Fields(fields.slice)
        while options.next() {
          if options.number == 1 { stream = Self.name(options.slice) }
          if options.number == 4 { fromEnd = true }
        }
      case (5, true): readAll(fields.slice)
      default: break
      }
    }
  }

  private mutating func readSettings(_ bytes: UnsafeRawBufferPointer) {
    var settings = Fields(bytes)
    while settings.next() { if settings.number == 5 { retriesMax = Int(settings.value) } }
  }

  private mutating func readAll(_ bytes: UnsafeRawBufferPointer) {
    var options = Fields(bytes)
    while options.next() {
      if options.number == 3 { fromEnd = true }
      if options.number == 4 { filter = EventFilter(options.slice) }
    }
  }

  private static func name(_ bytes: UnsafeRawBufferPointer) -> String {
    var name = ""
    var fields = Fields(bytes)
    while fields.next() { if fields.number == 3 { name = String(decoding: fields.slice, as: UTF8.self) } }
    return name
  }
}

extension Services {
  /// `Create`, `List` and `GetInfo`; nil for other methods, and where no group was ever made here.
  func groupAnswer(_ call: Call) -> Answer? {
    if call.path.hasSuffix("PersistentSubscriptions/Create") { return create(call) }
    if groups.isEmpty { return nil }
    if call.path.hasSuffix("PersistentSubscriptions/List") {
      let groups = groups
      return Messages([built { all in for group in groups { all.append(field: 1, bytes: group.info) } }])
    }
    return nil
  }

  private func create(_ call: Call) -> Answer {
    var options = GroupOptions(UnsafeRawBufferPointer(start: nil, count: 0))
    call.message.withUnsafeBytes { bytes in
      var fields = Fields(bytes)
      while fields.next() { if fields.number == 1 { options = GroupOptions(fields.slice, isCreate: true) } }
    }
    if groups.contains(where: { $0.stream == options.stream ?? "$all" && $0.name == options.name }) {
      return Refusal(
        CallStatus(
          code: 6, message: "Subscription group \(options.name) exists.",
          trailers: [("exception", "persistent-subscription-exists")]))
    }
    groups.append(
      Group(
        stream: options.stream, name: options.name, filter: options.filter, retriesMax: options.retriesMax,
        fromEnd: options.fromEnd, log: log))
    return Messages([[]])
  }
}
