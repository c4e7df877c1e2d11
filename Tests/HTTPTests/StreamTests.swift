import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP streams") struct StreamTests {
  private func get(_ path: String) -> String { "GET \(path) HTTP/1.1\r\nhost: h\r\n\r\n" }

  private func stream(_ server: TestServer) -> TestStream? { server.handler.streams.withLock { $0.first } }

  @Test func `a stream arrives piece by piece and ends`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    let response = try #require(client.exchange(get("/export")))
    #expect(response.complete)
    #expect(response.body.count == 40_000)
    #expect(client.exchange(get("/hello"))?.text == "hello")
    #expect(server.counters.streamsAborted == 0)
    #expect(server.counters.streamsOpen == 0)
  }

  @Test func `events arrive while the stream goes on`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send(get("/events"))
    #expect(client.read(within: 5) { String(decoding: $0, as: UTF8.self).split(separator: "data: x").count == 4 })
    #expect(!client.isAtEnd)
    #expect(server.counters.streamsOpen == 1)
  }

  @Test func `a client that goes away ends its stream though nothing is sent`() throws {
    let server = try TestServer()
    do {
      let client = try RawClient(server.port)
      client.send(get("/events"))
      #expect(client.read(within: 5) { $0.count > 100 })
    }
    #expect(eventually(within: 5) { stream(server)?.isCancelled == true })
    #expect(eventually { server.counters.streamsOpen == 0 && server.counters.connectionsOpen == 0 })
  }

  @Test func `a client that goes away in the middle of data ends its stream`() throws {
    let server = try TestServer()
    do {
      let client = try RawClient(server.port)
      client.send(get("/flood"))
      #expect(client.read(within: 5) { $0.count > 1_000_000 })
    }
    #expect(eventually(within: 5) { stream(server)?.isCancelled == true })
    #expect(eventually { server.counters.streamsAborted == 1 && server.counters.streamsOpen == 0 })
    #expect(eventually { server.handler.finishedRoutes.withLock { $0.count } == 1 })
  }

  @Test func `a client that ends its sending side still gets the whole export`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send(get("/export"))
    client.finishSending()
    #expect(client.response()?.body.count == 40_000)
  }

  @Test(arguments: ["/flood", "/big"])
  func `a reader that stops reading is cut off and counted`(_ path: String) throws {
    let server = try TestServer { $0.limits.writeStallSeconds = 0.7 }
    let client = try RawClient(server.port, receiveBufferBytes: 4096)
    let begin = Instant.now
    client.send(get(path))
    #expect(client.read(within: 5) { $0.count > 100 })
    #expect(eventually(within: 8) { server.counters.readersStalled == 1 })
    #expect(Instant.now.seconds(since: begin) > 0.6)
    #expect(eventually { server.counters.connectionsOpen == 0 && server.counters.streamsOpen == 0 })
    if path == "/flood" { #expect(stream(server)?.isCancelled == true) }
  }

  @Test func `a slow reader that goes on reading is not cut off`() throws {
    let server = try TestServer { $0.limits.writeStallSeconds = 1.5 }
    let client = try RawClient(server.port, receiveBufferBytes: 4096)
    client.send(get("/big"))
    let begin = Instant.now
    var wanted = 0
    while Instant.now.seconds(since: begin) < 3.5 {
      wanted = client.received.count + 20_000
      client.read(within: 2) { $0.count >= wanted }
      // The pace of this reader, not a wait for anything.
      _ = eventually(within: 0.1) { false }
    }
    #expect(client.received.count < TestHandler.bigBody.count)
    #expect(client.response(within: 20)?.body == TestHandler.bigBody)
    #expect(server.counters.readersStalled == 0)
  }

  @Test func `an answer that could not be completed is no complete answer`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    let response = try #require(client.exchange(get("/broken")))
    #expect(response.body.count == 80)
    #expect(!response.complete)
    #expect(client.isAtEnd)
  }

  @Test func `a stop ends streams, and an export that is cut does not look complete`() throws {
    let server = try TestServer()
    let events = try RawClient(server.port)
    events.send(get("/events"))
    let export = try RawClient(server.port)
    export.send(get("/endless"))
    #expect(events.read(within: 5) { $0.count > 150 })
    #expect(export.read(within: 5) { $0.count > 150 })
    let begin = Instant.now
    server.server.stop(deadlineSeconds: 5)
    #expect(Instant.now.seconds(since: begin) < 3)
    #expect(events.response()?.complete == true)
    #expect(export.response()?.complete == false)
    #expect(server.counters.connectionsOpen == 0)
  }
}
