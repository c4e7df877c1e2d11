import WireFormats

/// Which answer a call gets: the part of the server that knows the event store's services.
final class Services {
  var behaviour = Behaviour()
  let log = EventLog()
  var groups: [Group] = []
  /// Calls have written: whoever waits for events is to be woken.
  var hasNews = false
  /// Where this server is, for gossip.
  var host = "127.0.0.1"
  var port = 0
  private var answers: [String: [Recording.Call]] = [:]
  /// Which of several answers to the same question comes next.
  private var turns: [String: Int] = [:]
  private var replays: [ReplayRule] = []
  /// Bodies of plain HTTP answers by path.
  var pages: [String: [UInt8]] = [:]

  struct ReplayRule {
    var path: String
    var call: Recording.Call
    var speed: Double
    /// 0: every call.
    var times: Int
    var onlySubscriptions: Bool
  }

  func add(replay: ReplayRule) { replays.append(replay) }

  func forgetReplays() { replays = [] }

  /// Takes the answers of a recording to all calls but reads and writes.
  func add(answers recording: Recording) -> Int {
    var count = 0
    for call in recording.calls where !call.path.contains("Streams/") && !call.path.hasSuffix("Subscriptions/Read") {
      let isAnswered = call.steps.contains { if case .end(by: "server", _) = $0.what { true } else { false } }
      guard isAnswered else { continue }
      answers[call.path, default: []].append(call)
      count += 1
    }
    return count
  }

  // MARK: Who may

  private enum Access { case anonymous, known(User), wrong, open }

  private func access(_ call: Call) -> Access {
    if behaviour.users.isEmpty { return .open }
    guard let header = call.header("authorization") else { return .anonymous }
    guard header.hasPrefix("Basic "), let bytes = Base64.decode(Array(header.dropFirst(6).utf8)) else { return .wrong }
    let text = String(decoding: bytes, as: UTF8.self)
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    guard parts.count == 2, let user = behaviour.users.first(where: { $0.name == parts[0] && $0.password == parts[1] })
    else { return .wrong }
    return .known(user)
  }

  private func refusal(_ call: Call) -> CallStatus? {
    switch access(call) {
    case .open: return nil
    case .wrong: return .unauthenticated
    case .anonymous:
      let isOpen = call.path.hasSuffix("Gossip/Read") || call.path.hasSuffix("GetSupportedMethods")
      return isOpen ? nil : .accessDenied
    case .known(let user):
      if !user.mayWrite, ["Append", "/Create"].contains(where: call.path.hasSuffix) { return .accessDenied }
      guard call.path.hasSuffix("Streams/Read"), !user.mayReadAll else { return nil }
      guard let request = try? ReadRequest(call.message) else { return nil }
      return request.isAll || request.stream.hasPrefix("$") ? .accessDenied : nil
    }
  }

  // MARK: Answers

  func answer(_ call: Call) -> Answer {
    if behaviour.silent.contains(where: { call.path.hasSuffix($0) }) { return Silence() }
    if let refusal = refusal(call) { return Refusal(refusal) }
    if let replay = replay(call) { return replay }
    let needsLeader = call.header("requires-leader")?.lowercased() == "true"
    if call.path.hasSuffix("Streams/Read") { return read(call, needsLeader: needsLeader) }
    if let leader = behaviour.leader {
      if needsLeader { return Refusal(.notLeader(leader.host, leader.port)) }
      if call.path.hasSuffix("Projections/Statistics") { return Silence() }
      if call.path.contains("PersistentSubscriptions/") { return Refusal(.notReady) }
    }
    if call.path.hasSuffix("PersistentSubscriptions/Read") { return GroupRead(self, call) }
    if let answer = groupAnswer(call) { return answer }
    if call.path.hasSuffix("Gossip/Read") { return Messages([gossip()]) }
    if let recorded = recordedAnswer(call) {
      return Replay(recorded, idsAsText: nil, speed: 0, acceptsGzip: call.acceptsGzip)
    }
    if call.path.hasSuffix("GetSupportedMethods") { return Messages([features()]) }
    if call.path.hasSuffix("BatchAppend") { return BatchAppend(self) }
    if call.path.hasSuffix("Append") { return Append(call, self) }
    return Refusal(CallStatus(code: 12, message: "Service is unimplemented."))
  }

  /// Writes an event on behalf of a call.
  func append(_ event: NewEvent) -> (position: LogPosition, revision: UInt64) {
    hasNews = true
    return log.append(event)
  }

  private func replay(_ call: Call) -> Answer? {
    let request = call.path.hasSuffix("Streams/Read") ? try? ReadRequest(call.message) : nil
    let found = replays.firstIndex {
      call.path.hasSuffix($0.path) && (!$0.onlySubscriptions || request?.isSubscription == true)
    }
    guard let found else { return nil }
    let rule = replays[found]
    if rule.times == 1 { replays.remove(at: found) } else if rule.times > 1 { replays[found].times -= 1 }
    return Replay(rule.call, idsAsText: request?.idsAsText, speed: rule.speed, acceptsGzip: call.acceptsGzip)
  }

  /// The answer to the very same question, else to one of the same method; one after the other, the last for ever.
  private func recordedAnswer(_ call: Call) -> Recording.Call? {
    guard let all = answers[call.path] else { return nil }
    let same = all.filter { $0.sent.first ?? [] == call.message }
    let chosen = same.isEmpty ? all.filter { $0.status?.code == 0 } : same
    guard !chosen.isEmpty else { return all.last }
    let key = call.path + "\u{0}" + (same.isEmpty ? "" : String(decoding: call.message, as: UTF8.self))
    let turn = turns[key, default: 0]
    turns[key] = turn + 1
    return chosen[min(turn, chosen.count - 1)]
  }

  private func read(_ call: Call, needsLeader: Bool) -> Answer {
    guard let request = try? ReadRequest(call.message) else { return Refusal(.thrown) }
    if let refusal = mistake(request) { return refusal }
    let notLeader = needsLeader ? behaviour.leader.map { CallStatus.notLeader($0.host, $0.port) } : nil
    if let notLeader, !request.isSubscription || behaviour.version < Version(24, 2) { return Refusal(notLeader) }
    if !request.isAll { return StreamRead(log, request, behaviour) }
    var filter: EventFilter?
    var verdict: ((String) -> Bool)?
    if case .filter(let asked) = request.filter {
      verdict = asked.verdict()
      if verdict == nil { return Refusal(.thrown) }
      filter = asked
    }
    let view = LogView(log, filter, verdict)
    if request.isSubscription {
      var refused = notLeader
      if isForeign(request.from) {
        if behaviour.version < Version(24, 2) { return Refusal(.thrown) }
        refused = refused ?? CallStatus(code: 3, message: "Trying to read from an invalid position.")
      }
      return AllSubscription(view, request, behaviour, refusedAfterConfirmation: refused)
    }
    if isForeign(request.from) {
      let name = behaviour.version < Version(24, 2) ? "Error" : "InvalidPosition"
      return Refusal(CallStatus(code: 2, message: "Unexpected ReadAllResult: \(name)"))
    }
    return AllRead(view, request)
  }

  /// What real servers find wrong with a request.
  private func mistake(_ request: ReadRequest) -> Answer? {
    let target = request.isAll ? "All" : "Stream"
    let kind = request.isSubscription ? "Subscription" : request.count == nil ? "None" : "Count"
    let direction = request.isBackwards ? "Backwards" : "Forwards"
    if case .missing = request.filter {
      let text = "The combination of (\(target), \(kind), \(direction), None) is invalid."
      return Refusal(CallStatus(code: 3, message: text))
    }
    if request.idsAsText == nil {
      if behaviour.version < Version(24, 6) { return Silence() }
      let type = "EventStore.Client.Streams.ReadReq+Types+Options+Types+UUIDOption"
      let argument = "'uuidOption' is a required argument of type \(type)"
      return Refusal(CallStatus(code: 3, message: behaviour.version < Version(25, 0) ? "" : argument))
    }
    if case .filter(let filter) = request.filter {
      if filter.window == nil {
        let name = "EventStore.Client.Streams.ReadReq+Types+Options+Types+FilterOptions+WindowOneofCase"
        return Refusal(CallStatus(code: 3, message: "'None' is not a valid \(name)"))
      }
      if request.isSubscription && filter.multiplier == 0 { return Refusal(.thrown) }
    }
    if case .position(let position) = request.from, position.prepare > position.commit { return Refusal(.thrown) }
    if request.isSubscription && request.isBackwards || kind == "None" {
      let text = "The combination of (\(target), \(kind), \(direction), NoFilter) is invalid."
      return Refusal(CallStatus(code: 3, message: text))
    }
    return nil
  }

  private func isForeign(_ from: ReadRequest.From) -> Bool {
    guard behaviour.refusesForeignPositions, case .position(let position) = from, position.commit > 0 else {
      return false
    }
    let index = log.index(behind: LogPosition(commit: position.commit, prepare: 0), inclusive: true)
    if let head = log.head, position > head { return false }
    return index >= log.visible || log.entries[index].position.commit != position.commit
  }

  private func gossip() -> [UInt8] {
    let own = Member(
      host: host, port: port, state: behaviour.leader == nil ? 8 : 6, isAlive: true,
      id: EventID(high: 0x7d8a_9e0b_1c2d_4e3f, low: 0x8899_aabb_ccdd_eeff))
    let members = behaviour.members.isEmpty ? [own] : behaviour.members
    return built { all in
      for member in members {
        all.append(field: 1) {
          $0.append(field: 1) { member.id.append(to: $0, asText: false) }
          $0.append(field: 2, varint: 17_954_222_472_595_400)
          $0.append(field: 3, varint: UInt64(member.state))
          if member.isAlive { $0.append(field: 4, varint: 1) }
          $0.append(field: 5) {
            $0.append(field: 1, text: member.host)
            $0.append(field: 2, varint: UInt64(member.port))
          }
        }
      }
    }
  }

  /// Where no recording says more: the reads, and the version.
  private func features() -> [UInt8] {
    built { all in
      for (method, features) in [("read", ["position", "events"]), ("append", [])] {
        all.append(field: 1) {
          $0.append(field: 1, text: method)
          $0.append(field: 2, text: "event_store.client.streams.streams")
          for feature in features { $0.append(field: 3, text: feature) }
        }
      }
      all.append(field: 2, text: behaviour.version.numbers.map(String.init).joined(separator: "."))
    }
  }
}
