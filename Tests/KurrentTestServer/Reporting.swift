import Platform
import WireFormats

extension Server {
  /// Changes what is named in the command, and nothing else.
  func behave(_ command: JSONValue) throws {
    for member in command.members ?? [] { try change(member.key, member.value) }
  }

  private func change(_ key: String, _ value: JSONValue) throws {
    switch key {
    case "do": break
    case "version":
      guard let version = Version(value.string ?? "") else { throw ControlError("no version") }
      services.behaviour.version = version
    case "caughtUp": services.behaviour.caughtUp = value.string.flatMap { CaughtUpForm(rawValue: $0) }
    case "frameBytes": services.behaviour.frameBytes = value.int
    case "framePauseMicroseconds": services.behaviour.framePauseNanoseconds = UInt64(value.int ?? 0) * 1000
    case "gzip": services.behaviour.gzip = value.string.flatMap { GzipMode(rawValue: $0) } ?? .off
    case "window": services.behaviour.window = value.int
    case "leader":
      services.behaviour.leader = value["port"]?.int.map { (value["host"]?.string ?? "127.0.0.1", $0) }
    case "users":
      services.behaviour.users = (value.array ?? []).map {
        User(
          name: $0["name"]?.string ?? "", password: $0["password"]?.string ?? "",
          mayReadAll: $0["mayReadAll"]?.bool ?? true, mayWrite: $0["mayWrite"]?.bool ?? true)
      }
    case "members": services.behaviour.members = (value.array ?? []).enumerated().map { Self.member($1, $0) }
    case "refusesForeignPositions": services.behaviour.refusesForeignPositions = value.bool ?? false
    case "silent": services.behaviour.silent = (value.array ?? []).compactMap(\.string)
    default: throw ControlError("unknown behaviour \(key)")
    }
  }

  private static func member(_ value: JSONValue, _ index: Int) -> Member {
    Member(
      host: value["host"]?.string ?? "127.0.0.1", port: value["port"]?.int ?? 0, state: value["state"]?.int ?? 8,
      isAlive: value["alive"]?.bool ?? true,
      id: EventID(high: 0x1111_2222_3333_4444, low: 0x8000_0000_0000_0001 + UInt64(index)))
  }

  /// The body of a recorded HTTP answer (`…​.http`: status line, headers, empty line, body), or a text.
  func pageBody(_ command: JSONValue) throws -> [UInt8] {
    guard let file = command["file"]?.string else { return Array((command["body"]?.string ?? "").utf8) }
    let whole = String(decoding: try Files.read(file, bytesMax: 16 << 20), as: UTF8.self)
    for separator in ["\r\n\r\n", "\n\n"] {
      if let range = whole.firstRange(of: separator) { return Array(whole[range.upperBound...].utf8) }
    }
    return []
  }

  func writeCalls(_ command: JSONValue, _ answer: inout JSONWriter) {
    let path = command["path"]?.string ?? ""
    answer.key("calls")
    answer.beginArray()
    for call in seenCalls where call.path.hasSuffix(path) && call.number > command["after"]?.int ?? 0 {
      answer.beginObject()
      answer.key("number")
      answer.int(call.number)
      answer.key("path")
      answer.string(call.path)
      answer.key("headers")
      answer.beginObject()
      for header in call.headers {
        answer.key(header.name)
        answer.string(header.value)
      }
      answer.endObject()
      answer.key("message")
      answer.string(Base64.encode(call.message))
      answer.key("sentMessages")
      answer.int(call.sentMessages)
      answer.key("end")
      answer.string(call.end)
      answer.endObject()
    }
    answer.endArray()
  }

  func writeCounters(_ answer: inout JSONWriter) {
    let log = services.log
    let figures = [
      ("calls", callCount), ("connections", connectionCount), ("messages", sentMessages), ("bytes", sentBytes),
      ("faults", struckFaults), ("events", log.entries.count), ("visible", log.visible),
      ("head", Int(log.head?.commit ?? 0)), ("cpuMicroseconds", Self.cpuMicroseconds()),
    ]
    for (name, value) in figures {
      answer.key(name)
      answer.int(value)
    }
  }
}
