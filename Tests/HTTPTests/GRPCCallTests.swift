import HTTPClient
import Platform
import TestSupport
import Testing

/// The client against Google's own gRPC library.
@Suite(.serialized) struct GRPCCallTests {
  /// A server in a process of its own; it ends with the object.
  final class PythonServer {
    let process: ChildProcess
    let address: String

    init() throws {
      let program = TestSupport.packageRoot + "/Tests/HTTPTests/Programs/grpc_server.py"
      let process = try ChildProcess("/usr/bin/python3", [program])
      self.process = process
      let isReady = eventually(within: 60) { process.outputText.contains("\n") || !process.isRunning }
      guard isReady, let port = Int(process.outputText.prefix { $0 != "\n" }) else {
        throw TestSupportError("the gRPC server does not start: \(process.errorText)")
      }
      address = "http://127.0.0.1:\(port)"
    }

    func request(_ method: String, _ text: String = "") -> GRPCRequest {
      GRPCRequest(server: address, path: "/test.Test/\(method)", message: Array(text.utf8))
    }
  }

  private func collect(_ request: GRPCRequest) throws -> (texts: [String], status: GRPCStatus) {
    let result = try GRPCCall(request).collect(until: Instant.now.advanced(bySeconds: 30))
    return (result.messages.map { String(decoding: $0, as: UTF8.self) }, result.status)
  }

  @Test func `calls with one answer, many, and none end with the server's status`() throws {
    let server = try PythonServer()
    let echo = try collect(server.request("Echo", "hello"))
    #expect(echo.texts == ["hello"] && echo.status.code == 0)
    let many = try collect(server.request("Stream", "5000"))
    #expect(many.texts == (0..<5000).map(String.init) && many.status.code == 0)
    let none = try collect(server.request("Stream", "0"))
    #expect(none.texts == [] && none.status.code == 0)
    let broken = try collect(server.request("Break"))
    #expect(broken.texts == ["0", "1", "2"] && broken.status.code == GRPCStatus.aborted)
    #expect(broken.status.message == "Operation timed out: Consumer too slow")
  }

  @Test func `a refused call carries its decoded text and the trailers`() throws {
    let server = try PythonServer()
    let refused = try collect(server.request("Refuse")).status
    #expect(refused.code == GRPCStatus.notFound)
    #expect(refused.message == "Größe 100 % nicht gefunden\n")
    #expect(refused.trailers["exception"] == "not-leader" && refused.trailers["leader-endpoint-port"] == "2113")
    // The server resets the stream right behind its refusal. Where both come in one read libcurl tells only the reset,
    // which callers take for an interruption: they ask again.
    var status: GRPCStatus?
    let deadline = Instant.now.advanced(bySeconds: 30)
    while status == nil, Instant.now < deadline {
      do {
        status = try collect(server.request("Nowhere")).status
      } catch let error as HTTPClientError where error.code == .interrupted { continue }
    }
    #expect(status?.code == GRPCStatus.unimplemented)
  }

  @Test func `metadata reaches the server, and no compression is offered`() throws {
    let server = try PythonServer()
    var request = server.request("Metadata")
    request.metadata = [("requires-leader", "true")]
    let lines = try collect(request).texts.joined()
    #expect(lines.contains("requires-leader: true"))
    #expect(!lines.contains("accept-encoding"))
  }

  @Test func `messages of 16 MiB are whole, longer ones than allowed are refused`() throws {
    let server = try PythonServer()
    let size = 16 << 20
    #expect(try collect(server.request("Large", "\(size)")).texts.first?.utf8.count == size)
    var small = server.request("Large", "\(size)")
    small.messageBytesMax = 1 << 20
    #expect { _ = try collect(small) } throws: { ($0 as? HTTPClientError)?.code == .responseTooLarge }
  }

  @Test func `a waiting call returns at its deadline, when it is cancelled, and when the server is killed`() throws {
    let server = try PythonServer()
    var limited = server.request("Hang")
    limited.deadlineSeconds = 0.3
    do {
      let end = try collect(limited)
      #expect(end.status.code == GRPCStatus.deadlineExceeded)
    } catch let error as HTTPClientError {
      #expect(error.code == .timeout)
    }

    let call = try GRPCCall(server.request("Hang"))
    var count = 0
    #expect(try call.receive(until: Instant.now.advanced(bySeconds: 30)) { _ in count += 1 } == .open)
    #expect(count == 1)
    #expect(try call.receive(until: Instant.now.advanced(bySeconds: 0.05)) { _ in count += 1 } == .open)
    let canceller = WorkerThread(name: "canceller") { call.cancel() }
    let end = try call.receive(until: Instant.now.advanced(bySeconds: 30)) { _ in count += 1 }
    canceller.join()
    #expect(end == .ended(GRPCStatus(code: GRPCStatus.cancelled, message: "by us")))

    let cut = try GRPCCall(server.request("Hang"))
    #expect(try cut.receive(until: Instant.now.advanced(bySeconds: 30)) { _ in count += 1 } == .open)
    server.process.kill()
    #expect { _ = try cut.receive(until: Instant.now.advanced(bySeconds: 30)) { _ in } } throws: {
      ($0 as? HTTPClientError)?.code == .interrupted
    }
    // The kernel may still be taking the dead process's socket down.
    #expect { _ = try collect(server.request("Echo")) } throws: {
      [.refused, .interrupted].contains(($0 as? HTTPClientError)?.code)
    }
  }

  @Test func `a call that keeps sending is answered message by message, until a side has said enough`() throws {
    let server = try PythonServer()
    var request = server.request("Chat", "0")
    request.keepsSending = true
    let call = try GRPCCall(request)
    var texts: [String] = []
    func next() throws -> GRPCCall.Progress {
      try call.receive(until: Instant.now.advanced(bySeconds: 30)) { message in
        texts.append(unsafe String(decoding: message.bytes, as: UTF8.self))
      }
    }
    #expect(try next() == .open)
    for number in 1...50 {
      // Each time the upload rests before something is said again.
      call.send(Array("\(number)".utf8))
      while texts.count <= number { #expect(try next() == .open) }
    }
    call.send([UInt8](repeating: 0x78, count: 3_000_000))
    while texts.count < 52 { #expect(try next() == .open) }
    #expect(texts.last?.utf8.count == 3_000_006)
    #expect(texts.dropLast() == (0...50).map { "again \($0)" }[...])
    call.finishSending()
    #expect(try call.collect(until: Instant.now.advanced(bySeconds: 30)).status.code == 0)

    let other = try GRPCCall(request)
    other.send(Array("enough".utf8))
    let end = try other.collect(until: Instant.now.advanced(bySeconds: 30))
    // The server resets the stream behind its status: what it said just before may be lost with it.
    #expect(end.status.code == GRPCStatus.aborted && end.messages.count <= 1)
  }

  @Test func `a server that speaks no gRPC is told from one that refuses`() throws {
    let server = try TestServer()
    let request = GRPCRequest(server: server.url, path: "/hello", message: [])
    #expect { _ = try collect(request) } throws: { $0 is HTTPClientError }
  }
}
