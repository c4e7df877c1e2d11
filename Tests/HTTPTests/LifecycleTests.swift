import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP server life cycle") struct LifecycleTests {
  @Test func `two servers on one port: the second says what to do`() throws {
    let first = try TestServer()
    let error = #expect(throws: HTTPServerError.self) { try TestServer { $0.port = first.port } }
    #expect(error?.code == .addressInUse)
    #expect(error?.message.contains("127.0.0.1:\(first.port)") == true)
    #expect(error?.hint.contains("ss -ltnp") == true)
    #expect(try RawClient(first.port).exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
  }

  @Test func `a port can be used again at once`() throws {
    let port = try freePort()
    for _ in 0..<5 {
      let server = try TestServer { $0.port = Int(port) }
      let client = try RawClient(server.port)
      #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
      server.server.stop()
      #expect(client.ends(within: 5))
    }
  }

  @Test func `a stop lets running requests finish`() throws {
    let server = try TestServer()
    let clients = try (0..<5).map { _ in
      let client = try RawClient(server.port)
      client.send("GET /slow HTTP/1.1\r\nhost: h\r\n\r\n")
      return client
    }
    let idle = try RawClient(server.port)
    #expect(eventually { server.handler.waiting.withLock { $0 } == 5 })
    let stopper = WorkerThread(name: "stopper") { server.server.stop(deadlineSeconds: 10) }
    // Nobody new gets in.
    #expect(eventually { (try? RawClient(server.port)) == nil })
    server.handler.gate.open()
    for client in clients {
      let response = client.response()
      #expect(response?.text == "at last")
      #expect(response?.header("connection")?.lowercased() == "close")
    }
    stopper.join()
    #expect(idle.ends(within: 5))
    #expect(server.counters.connectionsOpen == 0)
    #expect(server.counters.requestsRunning == 0)
  }

  @Test func `a stop under load ends in time and leaves no answer half`() throws {
    let server = try TestServer()
    let port = server.port
    let started = Locked(0)
    let halves = Locked(0)
    let workers = (0..<8).map { index in
      WorkerThread(name: "load-\(index)") {
        while let client = try? RawClient(port) {
          client.send("GET /\(index % 2 == 0 ? "plain" : "export") HTTP/1.1\r\nhost: h\r\n\r\n")
          guard let response = client.response(within: 10) else { continue }
          started.withLock { $0 += 1 }
          let expected = index % 2 == 0 ? 100_000 : 40_000
          let whole = response.body.count == expected
          if response.complete && !whole && response.status == 200 { halves.withLock { $0 += 1 } }
        }
      }
    }
    #expect(eventually { started.withLock { $0 } > 50 })
    let begin = Instant.now
    server.server.stop(deadlineSeconds: 5)
    #expect(Instant.now.seconds(since: begin) < 6)
    for worker in workers { worker.join() }
    #expect(halves.withLock { $0 } == 0)
    #expect(server.counters.connectionsOpen == 0)
    #expect(server.counters.streamsOpen == 0)
  }

  @Test func `a stop does not wait for clients that do not finish`() throws {
    let server = try TestServer()
    let half = try RawClient(server.port)
    half.send("POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 100\r\n\r\nabc")
    let reader = try RawClient(server.port, receiveBufferBytes: 4096)
    reader.send("GET /big HTTP/1.1\r\nhost: h\r\n\r\n")
    #expect(eventually { server.counters.requestsRunning == 2 })
    let begin = Instant.now
    server.server.stop(deadlineSeconds: 0.5)
    #expect(Instant.now.seconds(since: begin) < 4)
    #expect(half.ends(within: 5))
    #expect(server.counters.requestsRunning == 0)
    server.server.stop()
  }

  @Test func `a server that was not stopped stops with its last reference`() throws {
    let client: RawClient
    do {
      let server = HTTPServer(configuration: HTTPServerConfiguration(port: 0), handler: TestHandler(), log: .quiet)
      client = try RawClient(try server.start())
      #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
    }
    #expect(client.ends(within: 5))
  }

  @Test func `many clients at once are all answered`() throws {
    let server = try TestServer()
    let url = server.url
    let failures = Locked(0)
    let workers = (0..<16).map { index in
      WorkerThread(name: "client-\(index)") {
        let client = HTTPClient()
        for _ in 0..<50 {
          if (try? client.request("POST", url + "/post", body: [1, 2, 3]).status) != 200 {
            failures.withLock { $0 += 1 }
          }
        }
      }
    }
    for worker in workers { worker.join() }
    #expect(failures.withLock { $0 } == 0)
    #expect(server.counters.requests == 800)
    #expect(server.counters.connectionsAccepted <= 16)
    #expect(server.counters.responseBytes > 0)
  }
}
