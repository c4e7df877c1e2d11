import Compression

/// How a call ends.
struct CallStatus {
  var code: Int
  var message = ""
  var trailers: [(name: String, value: String)] = []

  static let ok = CallStatus(code: 0)
  static let unauthenticated = CallStatus(code: 16, message: "Unauthenticated")
  static let accessDenied = CallStatus(code: 7, message: "Access Denied", trailers: [("exception", "access-denied")])
  static let thrown = CallStatus(code: 2, message: "Exception was thrown by handler.")
  static let notReady = CallStatus(code: 14, message: "Server Is Not Ready")

  static func notLeader(_ host: String, _ port: Int) -> CallStatus {
    CallStatus(
      code: 5, message: "Leader info available",
      trailers: [("exception", "not-leader"), ("leader-endpoint-host", host), ("leader-endpoint-port", "\(port)")])
  }

  /// As the headers of the last frame carry it, in the order of a Kestrel server.
  var headers: [(name: String, value: String)] {
    trailers + [("grpc-status", "\(code)")] + (message.isEmpty ? [] : [("grpc-message", Self.encoded(message))])
  }

  /// What gRPC demands of texts in headers: everything but printable ASCII, and the percent sign, as %XX.
  static func encoded(_ text: String) -> String {
    var out = ""
    for byte in text.utf8 {
      if byte >= 0x20 && byte < 0x7f && byte != 0x25 {
        out.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        out += "%" + String(UInt8(byte), radix: 16, uppercase: true).leftPadded
      }
    }
    return out
  }
}

extension CallStatus {
  /// From recorded headers; the text stays encoded as it was, so it is decoded here.
  init?(recorded headers: [(name: String, value: String)]) {
    guard let text = headers.first(where: { $0.name == "grpc-status" })?.value, let code = Int(text) else { return nil }
    let usual: Set<String> = [
      ":status", "content-type", "date", "server", "content-length", "grpc-status", "grpc-message",
    ]
    self.code = code
    message = Self.decoded(headers.first { $0.name == "grpc-message" }?.value ?? "")
    trailers = headers.filter { !usual.contains($0.name) }
  }

  private static func decoded(_ text: String) -> String {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == 0x25, rest.count >= 2, let high = hexValue(rest[rest.startIndex]),
        let low = hexValue(rest[rest.startIndex + 1])
      {
        bytes.append(high << 4 | low)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}

extension String {
  fileprivate var leftPadded: String { count < 2 ? "0" + self : self }
}

enum Produced {
  /// Ask again when these bytes are gone.
  case more
  /// Nothing to say until that time (nanoseconds), or until the log changes.
  case waiting(until: UInt64?)
  case finished(CallStatus)
  /// The stream of the call ends, but no status is sent.
  case endedWithoutStatus
}

/// What is sent in answer to one call.
class Answer {
  /// A refusal that goes with the headers, without a body.
  var refusal: CallStatus? { nil }
  var headers: [(name: String, value: String)] { [] }
  /// It hears of new events.
  var isLive: Bool { false }

  /// One message of a call on which the client keeps sending; the first one, too.
  func take(_ message: UnsafeRawBufferPointer) {}

  /// The client has said everything, or has gone.
  func clientFinished() {}

  /// Appends framed messages, at most `messagesMax` and about a quarter of a mebibyte; says how many and what follows.
  func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    (0, .waiting(until: nil))
  }

  static let bytesAtOnce = 256 << 10
}

/// A call that is refused at once.
final class Refusal: Answer {
  private let status: CallStatus
  init(_ status: CallStatus) { self.status = status }
  override var refusal: CallStatus? { status }
}

/// A call that is never answered.
final class Silence: Answer {}

/// Some messages, and the status.
final class Messages: Answer {
  private var rest: ArraySlice<[UInt8]>
  private let status: CallStatus

  init(_ messages: [[UInt8]], _ status: CallStatus = .ok) {
    rest = messages[...]
    self.status = status
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    var count = 0
    while count < messagesMax, out.count < Self.bytesAtOnce, let message = rest.popFirst() {
      out.append(message: message)
      count += 1
    }
    return (count, rest.isEmpty ? .finished(status) : .more)
  }
}

/// A recorded call, message by message, at once or in the time it took.
final class Replay: Answer {
  private let steps: [Recording.Step]
  private let idsAsText: Bool?
  /// 0: as fast as the client takes it.
  private let speed: Double
  private let repacks: Bool
  private var place = 0
  private var began: UInt64?
  private let rewriter = Rewriter()

  init(_ call: Recording.Call, idsAsText: Bool?, speed: Double, acceptsGzip: Bool) {
    steps = call.steps
    self.idsAsText = idsAsText
    self.speed = speed
    repacks = !acceptsGzip
  }

  override var isLive: Bool { true }

  override var refusal: CallStatus? {
    guard case .headers(let headers, endsStream: true)? = steps.first?.what else { return nil }
    return CallStatus(recorded: headers)
  }

  override var headers: [(name: String, value: String)] {
    guard case .headers(let headers, endsStream: false)? = steps.first?.what else { return [] }
    return headers.filter { $0.name.hasPrefix("grpc-encoding") }
  }

  override func produce(into out: ByteQueue, messagesMax: Int, now: UInt64) -> (count: Int, then: Produced) {
    let start = began ?? now
    began = start
    var count = 0
    while place < steps.count {
      if speed > 0 {
        let due = start + UInt64(max(0, steps[place].time - steps[0].time) / speed * 1e9)
        if due > now { return (count, .waiting(until: due)) }
      }
      switch steps[place].what {
      case .message(let bytes, let isCompressed):
        if count >= messagesMax || out.count >= Self.bytesAtOnce { return (count, .more) }
        append(bytes, isCompressed, to: out)
        count += 1
      case .trailers(let headers): return (count, .finished(CallStatus(recorded: headers) ?? .ok))
      case .headers, .goAway: break
      // The client's own end: a recording says nothing of what would have come.
      case .end: return (count, .waiting(until: nil))
      }
      place += 1
    }
    return (count, .waiting(until: nil))
  }

  private func append(_ bytes: [UInt8], _ isCompressed: Bool, to out: ByteQueue) {
    if isCompressed && !repacks { return out.append(message: bytes, flag: 1) }
    let plain = isCompressed ? (try? Gzip.decompress(bytes, outputBytesMax: 64 << 20)) ?? bytes : bytes
    plain.withUnsafeBytes { rewriter.append($0, Rewriter.Change(idsAsText: idsAsText), to: out) }
  }
}
