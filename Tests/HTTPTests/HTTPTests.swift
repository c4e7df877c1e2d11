import Glibc
import HTTPServer
import Platform
import TestSupport

/// A running server with the routes of `TestHandler`, stopped when the last reference goes.
final class TestServer: Sendable {
  let server: HTTPServer
  let handler: TestHandler
  let port: Int
  var counters: HTTPServerCounters { server.counters }
  var url: String { "http://127.0.0.1:\(port)" }

  init(
    handler: TestHandler = TestHandler(), log: Log = .quiet,
    _ change: (inout HTTPServerConfiguration) -> Void = { _ in }
  ) throws {
    var configuration = HTTPServerConfiguration(port: 0)
    change(&configuration)
    self.handler = handler
    server = HTTPServer(configuration: configuration, handler: handler, log: log)
    port = try server.start()
  }

  deinit {
    handler.gate.open()
    server.stop(deadlineSeconds: 2)
  }
}

extension Log {
  static var quiet: Log { Log(minimum: .error) { _ in } }
}

/// Holds threads until it is opened.
final class Gate: Sendable {
  private let lock = Lock()
  private let isOpen = Locked(false)

  func open() {
    lock.withLock {
      isOpen.withLock { $0 = true }
      lock.wakeAll()
    }
  }

  /// Bounded, so that a test that fails does not hang.
  func wait(seconds: Double = 20) {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    lock.withLock {
      while !isOpen.withLock({ $0 }) { if !lock.wait(until: deadline) { return } }
    }
  }
}

/// Gives the same piece until it is cancelled, a limit is reached, or waits for ever after `quietAfter` pieces.
final class TestStream: ChunkSource {
  private let lock = Lock()
  private let state = Locked((given: 0, cancelled: false))
  private let piece: [UInt8]
  private let count: Int
  private let quietAfter: Int
  let failed: Bool

  init(piece: [UInt8], count: Int, quietAfter: Int = .max, failed: Bool = false) {
    self.piece = piece
    self.count = count
    self.quietAfter = quietAfter
    self.failed = failed
  }

  var isCancelled: Bool { state.withLock { $0.cancelled } }
  var given: Int { state.withLock { $0.given } }

  func next() -> [UInt8]? {
    lock.withLock {
      while !isCancelled && given >= quietAfter { lock.wait() }
      if isCancelled || given >= count { return nil }
      state.withLock { $0.given += 1 }
      return piece
    }
  }

  func cancel() {
    lock.withLock {
      state.withLock { $0.cancelled = true }
      lock.wakeAll()
    }
  }
}

/// A few routes, one for each thing to be shown.
final class TestHandler: HTTPHandler {
  static let bodyBytesMax = 256 * 1024

  let gate = Gate()
  let streams = Locked<[TestStream]>([])
  let requests = Locked<[HTTPRequest]>([])
  let finishedRoutes = Locked<[(route: String, status: Int, seconds: Double)]>([])
  let waiting = Locked(0)

  func policy(method: String, path: [[UInt8]]) -> RequestPolicy {
    switch path.first.map({ String(decoding: $0, as: UTF8.self) }) {
    case "livez": RequestPolicy(route: "/livez", rights: .none, essential: true)
    case "metrics": RequestPolicy(route: "/metrics", rights: .read, essential: true)
    case "post": RequestPolicy(route: "/post", rights: .write, bodyBytesMax: Self.bodyBytesMax)
    default: RequestPolicy(route: "/" + (path.isEmpty ? "" : "any"), rights: .read)
    }
  }

  func respond(to request: HTTPRequest) -> HTTPResponse {
    requests.withLock { $0.append(request) }
    switch request.pathText.first {
    case "post": return .text("\(request.body.count) \(request.body.reduce(0) { ($0 &* 31) &+ Int($1) })")
    case "metrics": return .text(String(repeating: "clew_test_total{a=\"b\"} 1\n", count: 400))
    case "big": return HTTPResponse(status: 200, body: .bytes(TestHandler.bigBody))
    case "plain":
      var response = HTTPResponse.text(String(repeating: "x", count: 100_000))
      response.mayCompress = false
      return response
    case "slow":
      waiting.withLock { $0 += 1 }
      gate.wait()
      return .text("at last")
    case "events": return stream("data: x\n\n", count: .max, quietAfter: 3, type: "text/event-stream")
    case "flood": return stream(String(repeating: "y", count: 60_000) + "\n", count: .max, type: "text/event-stream")
    case "export": return stream("{\"n\":1}\n", count: 5_000, type: "application/x-ndjson")
    case "endless": return stream("{\"n\":1}\n", count: .max, quietAfter: 10, type: "application/x-ndjson")
    case "broken": return stream("{\"n\":1}\n", count: 10, type: "application/x-ndjson", failed: true)
    case "echo": return echo(request)
    case "missing": return refusal(status: 404, code: "not_found", message: "nothing", hint: "")
    default: return .text("hello")
    }
  }

  static let bigBody = (0..<3_000).flatMap { [UInt8](repeating: UInt8($0 % 251), count: 1_000) }

  private func stream(
    _ piece: String, count: Int, quietAfter: Int = .max, type: String, failed: Bool = false
  ) -> HTTPResponse {
    let stream = TestStream(piece: Array(piece.utf8), count: count, quietAfter: quietAfter, failed: failed)
    streams.withLock { $0.append(stream) }
    return HTTPResponse(status: 200, headers: [("content-type", type)], body: .chunks(stream))
  }

  /// `seg|seg?name=value&…`, every byte outside of letters and digits as `<hex>`.
  private func echo(_ request: HTTPRequest) -> HTTPResponse {
    func shown(_ bytes: [UInt8]) -> String {
      bytes.map { byte -> String in
        let scalar = Unicode.Scalar(byte)
        let plain = byte < 0x80 && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
        return plain ? String(Character(scalar)) : "<\(String(byte, radix: 16))>"
      }.joined()
    }
    let path = request.path.dropFirst().map(shown).joined(separator: "|")
    let query = request.query.map { "\(shown(Array($0.name.utf8)))=\(shown($0.value))" }.joined(separator: "&")
    return .text(path + "?" + query)
  }

  func refusal(status: Int, code: String, message: String, hint: String) -> HTTPResponse {
    .json(
      Array("{\"error\":{\"code\":\"\(code)\",\"message\":\"\(message)\",\"hint\":\"\(hint)\"}}".utf8), status: status)
  }

  func finished(route: String, status: Int, seconds: Double) {
    finishedRoutes.withLock { $0.append((route, status, seconds)) }
  }
}
