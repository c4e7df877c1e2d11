import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP client") struct ClientTests {
  private static let secret = "very-secret-token"

  private func client(_ change: (inout HTTPClientOptions) -> Void = { _ in }) -> HTTPClient {
    var options = HTTPClientOptions(bearerToken: Self.secret)
    change(&options)
    return HTTPClient(options: options)
  }

  private func error(_ url: String, _ change: (inout HTTPClientOptions) -> Void = { _ in }) -> HTTPClientError? {
    do {
      _ = try client(change).request("GET", url)
      return nil
    } catch {
      #expect(!error.description.contains(Self.secret))
      #expect(!error.description.contains("hunter2"))
      #expect(!error.hint.isEmpty)
      return error
    }
  }

  @Test func `a request carries its method, headers, token and body`() throws {
    let server = try TestServer { $0.writeToken = .value(Self.secret) }
    let response = try client().request(
      "POST", server.url + "/post?a=b", headers: [("X-Test", "value"), ("Content-Type", "text/plain")],
      body: [65, 0, 66])
    #expect(response.status == 200)
    #expect(response.text.hasPrefix("3 "))
    #expect(response.header("content-type") == "text/plain; charset=utf-8")
    let request = try #require(server.handler.requests.withLock { $0.first })
    #expect(request.body == [65, 0, 66])
    #expect(request.header("x-test") == "value")
    #expect(request.header("content-type") == "text/plain")
    #expect(request.parameter("a") == "b")
    #expect(request.rights == .write)
    #expect(try client().request("HEAD", server.url + "/hello").status == 200)
    #expect(try client().request("DELETE", server.url + "/hello").status == 200)
    #expect(try client().request("PUT", server.url + "/post", body: []).text == "0 0")
    #expect(try client().request("GET", server.url + "/missing").status == 404)
  }

  @Test func `a connection is used again`() throws {
    let server = try TestServer()
    let client = client()
    for _ in 0..<10 { #expect(try client.request("GET", server.url + "/hello").status == 200) }
    #expect(server.counters.connectionsAccepted == 1)
  }

  @Test func `a large upload is sent after the server agreed`() throws {
    let server = try TestServer()
    let response = try client().request("POST", server.url + "/post", body: [UInt8](repeating: 1, count: 20_000_000))
    #expect(response.status == 413)
  }

  @Test func `what went wrong is said without secrets`() throws {
    let port = try freePort()
    #expect(error("http://user:hunter2@127.0.0.1:\(port)/?token=hunter2")?.code == .refused)
    #expect(error("http://user:hunter2@no.such.host.invalid/")?.code == .couldNotResolve)
    for url in ["ftp://host/", "file:///etc/passwd", "no url", "", "http://", "http://a b/"] {
      #expect(error(url)?.code == .badURL, "\(url)")
    }
    let server = try TestServer()
    #expect(error("https://127.0.0.1:\(server.port)/?hunter2")?.code == .tls)
    #expect(error(server.url + "/slow?x=hunter2") { $0.requestSeconds = 0.3 }?.code == .timeout)
    server.handler.gate.open()
    #expect(error(server.url + "/big") { $0.responseBytesMax = 100_000 }?.code == .responseTooLarge)
    #expect(error(server.url + "/broken")?.code == .interrupted)
    #expect(error(server.url + "/hello") { $0.bearerToken = "a\r\nx: hunter2" }?.code == .badURL)
  }

  @Test func `a stream is handed over as it arrives, and can be ended`() throws {
    let server = try TestServer()
    var pieces: [UInt8] = []
    let response = try client().stream(server.url + "/events") { chunk in
      pieces += chunk
      return pieces.count < 27
    }
    #expect(response.status == 200)
    #expect(response.body.isEmpty)
    #expect(String(decoding: pieces.prefix(27), as: UTF8.self) == String(repeating: "data: x\n\n", count: 3))
    let whole = Locked(0)
    #expect(
      try client().stream(server.url + "/export") { chunk in
        whole.withLock { $0 += chunk.count }
        return true
      }.status == 200)
    #expect(whole.withLock { $0 } == 40_000)
    let missing = try client().stream(server.url + "/missing") { _ in true }
    #expect(missing.status == 404)
    #expect(missing.text.contains("not_found"))
  }

  @Test func `a silent stream can be ended from outside`() throws {
    let server = try TestServer()
    let begin = Instant.now
    let response = try client().stream(
      server.url + "/events", shouldStop: { Instant.now.seconds(since: begin) > 0.5 }, onChunk: { _ in true })
    #expect(response.status == 200)
    #expect(Instant.now.seconds(since: begin) < 5)
    #expect(eventually(within: 5) { server.counters.streamsOpen == 0 })
  }
}
