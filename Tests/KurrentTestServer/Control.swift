import WireFormats

/// Why a command was not carried out.
struct ControlError: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

extension Server {
  /// Carries out a command; the answer is a line of JSON without its line feed.
  func execute(_ line: [UInt8]) -> [UInt8] {
    var answer = JSONWriter()
    do {
      let command = try JSONValue.parse(line)
      answer.beginObject()
      answer.key("ok")
      answer.bool(true)
      try carryOut(command, &answer)
      answer.endObject()
    } catch {
      answer = JSONWriter()
      answer.beginObject()
      answer.key("ok")
      answer.bool(false)
      answer.key("error")
      answer.string("\(error)")
      answer.endObject()
    }
    return answer.bytes
  }

  private func carryOut(_ command: JSONValue, _ answer: inout JSONWriter) throws {
    switch command["do"]?.string {
    case "ping": break
    case "log": try load(command, &answer)
    case "append": try append(command, &answer)
    case "visible": try setVisible(command)
    case "play": startPlay(from: command["from"]?.int ?? 0, speed: command["speed"]?.double ?? 1)
    case "scavenge":
      let from = UInt64(command["from"]?.int ?? 0)
      let count = services.log.scavenge(from: from, to: UInt64(command["to"]?.int ?? Int.max))
      number("count", count, &answer)
    case "answers":
      number("count", services.add(answers: try Recording(file: try text(command, "file"))), &answer)
    case "page": services.pages[try text(command, "path")] = try pageBody(command)
    case "replay": try addReplay(command)
    case "fault": try addFault(command)
    case "faultless":
      faults = []
      chaos = nil
      services.forgetReplays()
    case "chaos":
      let kinds = try (command["kinds"]?.array ?? []).map { try kind($0) }
      chaos = Chaos(
        seed: UInt64(command["seed"]?.int ?? 1), meanMessages: command["everyMessages"]?.int ?? 1000, kinds: kinds)
    case "behave": try behave(command)
    case "emit": try emit(command)
    case "calls": writeCalls(command, &answer)
    case "counters": writeCounters(&answer)
    case "drop": dropConnections()
    case "listen": try setListening(command["on"]?.bool ?? true)
    case "stop": stop(lingerNanoseconds: nanoseconds(command["lingerMilliseconds"]))
    default: throw ControlError("unknown command \(command["do"]?.string ?? "")")
    }
  }

  private func text(_ command: JSONValue, _ key: String) throws -> String {
    guard let text = command[key]?.string else { throw ControlError("\(key) is missing") }
    return text
  }

  private func number(_ key: String, _ value: Int, _ answer: inout JSONWriter) {
    answer.key(key)
    answer.int(value)
  }

  private func nanoseconds(_ milliseconds: JSONValue?) -> UInt64 { UInt64(milliseconds?.int ?? 0) * 1_000_000 }

  // MARK: The log

  private func load(_ command: JSONValue, _ answer: inout JSONWriter) throws {
    let log = services.log
    log.removeAll()
    let version = try log.load(
      file: try text(command, "file"), call: command["call"]?.int, copies: command["copies"]?.int ?? 1)
    services.behaviour.version = Version(command["version"]?.string ?? version) ?? services.behaviour.version
    if let visible = command["visible"]?.int { log.visible = min(visible, log.entries.count) }
    number("count", log.entries.count, &answer)
    logChanged()
  }

  private func append(_ command: JSONValue, _ answer: inout JSONWriter) throws {
    for value in command["events"]?.array ?? [] {
      var event = NewEvent(stream: try text(value, "stream"))
      if let type = value["type"]?.string { event.type = type }
      if let id = value["id"]?.string { event.id = EventID(text: id.utf8) }
      event.isJSON = value["json"]?.bool ?? true
      event.data = bytes(value, "data")
      event.metadata = bytes(value, "metadata")
      if let count = value["dataBytes"]?.int {
        event.data = [0x22] + [UInt8](repeating: 0x78, count: max(0, count - 2)) + [0x22]
      }
      if let commit = value["commit"]?.int {
        event.position = LogPosition(commit: UInt64(commit), prepare: UInt64(value["prepare"]?.int ?? commit))
      }
      if let created = value["created"]?.int { event.created = UInt64(created) }
      services.log.append(event)
    }
    if let head = services.log.head { number("head", Int(head.commit), &answer) }
    logChanged()
  }

  /// Text, or `…Base64`.
  private func bytes(_ value: JSONValue, _ key: String) -> [UInt8] {
    if let text = value[key]?.string { return Array(text.utf8) }
    return value[key + "Base64"]?.string.flatMap { Base64.decode(Array($0.utf8)) } ?? []
  }

  private func setVisible(_ command: JSONValue) throws {
    let log = services.log
    if let more = command["add"]?.int {
      log.visible = min(log.visible + more, log.entries.count)
    } else {
      log.visible = min(command["count"]?.int ?? log.entries.count, log.entries.count)
    }
    logChanged()
  }

  private func addReplay(_ command: JSONValue) throws {
    let recording = try Recording(file: try text(command, "file"))
    let number = command["call"]?.int ?? recording.calls.first?.number
    guard let call = recording.calls.first(where: { $0.number == number }) else { throw ControlError("no such call") }
    if let version = Version(recording.version) { services.behaviour.version = version }
    services.add(
      replay: Services.ReplayRule(
        path: command["path"]?.string ?? call.path, call: call, speed: command["speed"]?.double ?? 0,
        times: command["times"]?.int ?? 0, onlySubscriptions: command["onlySubscriptions"]?.bool ?? false))
  }

  private func emit(_ command: JSONValue) throws {
    for call in openCalls where call.isSubscription {
      if let text = command["message"]?.string, let bytes = Base64.decode(Array(text.utf8)) { call.emit(bytes) }
      if command["caughtUp"]?.bool == true, let subscription = call.answer as? AllSubscription {
        if let message = subscription.caughtUpMessage() { call.emit(message) }
      }
    }
    flushAll()
  }

  // MARK: Faults

  private func addFault(_ command: JSONValue) throws {
    let fault = Fault(
      path: command["path"]?.string ?? "Streams/Read", after: command["after"]?.int ?? 0,
      isBeforeHeaders: command["beforeHeaders"]?.bool ?? false, times: command["times"]?.int ?? 1,
      onlySubscriptions: command["onlySubscriptions"]?.bool ?? false, kind: try kind(command))
    if command["now"]?.bool == true {
      for call in openCalls where call.path.hasSuffix(fault.path) && (!fault.onlySubscriptions || call.isSubscription) {
        call.strike(fault)
      }
      flushAll()
    } else {
      faults.append(fault)
    }
  }

  private func kind(_ value: JSONValue) throws -> Fault.Kind {
    switch value["kind"]?.string {
    case "status":
      let trailers = (value["trailers"]?.members ?? []).map { (name: $0.key, value: $0.value.string ?? "") }
      return .status(
        CallStatus(code: value["code"]?.int ?? 2, message: value["message"]?.string ?? "", trailers: trailers))
    case "endWithoutStatus": return .endWithoutStatus
    case "reset": return .reset(UInt32(value["code"]?.int ?? 2))
    case "goAway": return .goAway(nanoseconds(value["lingerMilliseconds"]))
    case "close": return .close
    case "cut": return .cut
    case "hang": return .hang
    case "freeze": return .freeze
    case "truncated": return .truncated(status: value["status"]?.bool ?? true)
    case "announced": return .announced(value["bytes"]?.int ?? 0xffff_ffff)
    case "garbage": return .garbage
    case "badFlag": return .badFlag
    case "message": return .message(bytes(value, "message"))
    case "http": return .http(status: value["status"]?.int ?? 502, body: value["body"]?.string ?? "")
    default: throw ControlError("unknown kind of fault \(value["kind"]?.string ?? "")")
    }
  }
}
