import HTTPServer
import Platform
import TestSupport
import Testing

/// Clients that keep a connection busy without ever finishing a request, or send what no server wants.
@Suite("Hostile HTTP clients") struct HostileClientTests {
  private func impatientServer(_ change: (inout HTTPServerLimits) -> Void = { _ in }) throws -> TestServer {
    try TestServer {
      $0.limits.requestSeconds = 0.6
      $0.limits.lingerSeconds = 0.5
      change(&$0.limits)
    }
  }

  private func isAlive(_ server: TestServer) throws -> Bool {
    // More than one try, because on a busy machine this client may be the slow one.
    try eventually(within: 5) {
      try RawClient(server.port).exchange("GET /livez HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200
    }
  }

  @Test(arguments: [
    "", "G", "GET /hello HTTP/1.1\r\nhost: h\r\n", "POST /post HTTP/1.1\r\ncontent-length: 5\r\n\r\nab",
  ])
  func `half a request and then silence is cut off`(_ start: String) throws {
    let server = try impatientServer()
    let client = try RawClient(server.port)
    client.send(start)
    #expect(try isAlive(server))
    #expect(client.ends(within: 5))
    #expect(eventually { server.counters.connectionsTimedOut == 1 })
    #expect(eventually { server.counters.connectionsOpen == 0 && server.counters.requestsRunning == 0 })
    #expect(server.counters.bodyBytesInFlight == 0)
    if start.count > 1 {
      #expect(String(decoding: client.received, as: UTF8.self).contains("request_timeout"))
    }
  }

  @Test(arguments: ["GET /hello HTTP/1.1\r\nx: ", "POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n"])
  func `a client that sends a byte now and then is cut off all the same`(_ start: String) throws {
    let server = try impatientServer()
    let client = try RawClient(server.port)
    client.send(start)
    let begin = Instant.now
    while client.send("a") {
      if client.ends(within: 0.05) || Instant.now.seconds(since: begin) > 10 { break }
    }
    #expect(client.isAtEnd)
    #expect(Instant.now.seconds(since: begin) < 5)
    #expect(eventually { server.counters.connectionsTimedOut == 1 })
  }

  @Test func `an upload that gets on is not cut off`() throws {
    let server = try impatientServer { $0.bodyBytesPerSecondMin = 1000 }
    let client = try RawClient(server.port)
    client.send("POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 20000\r\n\r\n")
    let begin = Instant.now
    for _ in 0..<20 {
      client.send([UInt8](repeating: 7, count: 1000))
      #expect(!client.ends(within: 0.06))
    }
    #expect(Instant.now.seconds(since: begin) > 1)
    #expect(client.response()?.status == 200)
  }

  @Test func `an idle connection is closed after its time`() throws {
    let server = try impatientServer { $0.keepAliveSeconds = 0.5 }
    let client = try RawClient(server.port)
    #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
    #expect(client.ends(within: 5))
    #expect(client.received.isEmpty)
    #expect(server.counters.connectionsTimedOut == 0)
  }

  @Test func `endless headers end with 431 or the connection`() throws {
    let server = try impatientServer { $0.requestSeconds = 10 }
    let client = try RawClient(server.port)
    client.send("GET /hello HTTP/1.1\r\n")
    let line = Array(("x-filler: " + String(repeating: "a", count: 1000) + "\r\n").utf8)
    var sent = 0
    while sent < 100_000_000, client.send(line, seconds: 2) { sent += line.count }
    #expect(sent < 20_000_000)
    let response = client.response()
    #expect(response == nil || response?.status == 431 || response?.status == 413)
    #expect(try isAlive(server))
    let long = try RawClient(server.port)
    long.send("GET /" + String(repeating: "a", count: 200_000) + " HTTP/1.1\r\nhost: h\r\n\r\n")
    let answer = long.response()
    #expect(answer == nil || answer?.status == 414)
  }

  @Test func `garbage ends its own connection only`() throws {
    let server = try impatientServer()
    var random = SeededRandom(seed: 4711)
    for round in 0..<60 {
      let client = try RawClient(server.port)
      var bytes = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
      if round % 3 == 0 {
        bytes = Array("GET /echo/a\u{0}b HTTP/1.1\r\nhost: h\r\n".utf8) + bytes + Array("\r\n\r\n".utf8)
      }
      if round % 3 == 1 { bytes = Array("POST /post HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n".utf8) + bytes }
      client.send(bytes)
      client.finishSending()
      #expect(client.ends(within: 10), "round \(round)")
    }
    #expect(try isAlive(server))
    #expect(eventually { server.counters.connectionsOpen == 0 && server.counters.requestsRunning == 0 })
    #expect(server.counters.connectionsWithoutRequest > 0)
    #expect(server.counters.bodyBytesInFlight == 0)
  }

  @Test func `a thousand connections at once do not keep essential routes from answering`() throws {
    let server = try TestServer {
      $0.limits.connectionsWorkingMax = 300
      $0.limits.connectionsMax = 1500
      $0.limits.requestSeconds = 8
    }
    var clients: [RawClient] = []
    for index in 0..<1000 {
      let client = try RawClient(server.port)
      client.send(index % 2 == 0 ? "GET /hello HTTP/1.1\r\nhost: " : "")
      clients.append(client)
    }
    #expect(eventually { server.counters.connectionsOpen == 1000 })
    for path in ["/livez", "/metrics"] {
      let begin = Instant.now
      #expect(try RawClient(server.port).exchange("GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
      #expect(Instant.now.seconds(since: begin) < 4)
    }
    let refused = try #require(try RawClient(server.port).exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n"))
    #expect(refused.status == 503)
    #expect(refused.header("retry-after") == "1")
    #expect(refused.header("connection")?.lowercased() == "close")
    #expect(refused.text.contains("overloaded"))
    // Those that never finish their request are gone after a while, and everybody is served again.
    #expect(eventually(within: 25) { server.counters.connectionsTimedOut == 1000 })
    #expect(eventually { server.counters.connectionsOpen == 0 })
    #expect(try RawClient(server.port).exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
    #expect(server.counters.refusals == [.overloaded: 1])
    clients = []
  }

  @Test func `beyond the hard limit the oldest that say nothing make room, and each end is counted`() throws {
    let server = try TestServer {
      $0.limits.connectionsWorkingMax = 50
      $0.limits.connectionsMax = 100
      $0.limits.requestSeconds = 3
    }
    let clients = try (0..<300).map { _ in try RawClient(server.port) }
    // Long before the first runs into its time.
    #expect(eventually(within: 2.5) { (try? isAlive(server)) == true })
    #expect(server.counters.connectionsTimedOut == 0)
    #expect(server.counters.connectionsEvicted > 0)
    #expect(clients.filter { $0.ends(within: 8) }.count == 300)
    #expect(
      eventually {
        let counters = server.counters
        return counters.connectionsRejected + counters.connectionsEvicted + counters.connectionsTimedOut >= 300
      })
  }

  @Test func `connections at work are not ended for others`() throws {
    let server = try TestServer {
      $0.limits.connectionsWorkingMax = 8
      $0.limits.connectionsMax = 10
    }
    let busy = try (0..<5).map { _ in
      let client = try RawClient(server.port)
      client.send("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n")
      return client
    }
    #expect(eventually { server.handler.waiting.withLock { $0 } == 5 })
    let others = try (0..<50).map { _ in try RawClient(server.port) }
    #expect(eventually { server.counters.connectionsEvicted + server.counters.connectionsRejected >= 40 })
    server.handler.gate.open()
    for client in busy { #expect(client.response()?.text == "at last") }
    #expect(others.count == 50)
  }
}
