import Compression
import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP request bodies") struct BodyTests {
  private static let limit = TestHandler.bodyBytesMax

  private func post(_ headers: String, _ body: [UInt8] = []) -> [UInt8] {
    Array("POST /post HTTP/1.1\r\nhost: h\r\n\(headers)\r\n".utf8) + body
  }

  private func exchange(_ server: TestServer, _ bytes: [UInt8]) throws -> RawResponse {
    let client = try RawClient(server.port)
    client.send(bytes)
    return try #require(client.response())
  }

  private func chunk(_ bytes: [UInt8]) -> [UInt8] {
    Array((String(bytes.count, radix: 16) + "\r\n").utf8) + bytes + Array("\r\n".utf8)
  }

  private func text(of bytes: [UInt8]) -> String { "\(bytes.count) \(bytes.reduce(0) { ($0 &* 31) &+ Int($1) })" }

  @Test func `bodies arrive whole, in every form`() throws {
    let server = try TestServer()
    let body = (0..<Self.limit).map { UInt8(truncatingIfNeeded: $0 / 3) }
    let plain = try exchange(server, post("content-length: \(body.count)\r\n", body))
    #expect(plain.text == text(of: body))
    let chunks = stride(from: 0, to: body.count, by: 1000).flatMap { chunk(Array(body[$0...].prefix(1000))) }
    let chunked = try exchange(server, post("transfer-encoding: chunked\r\n", chunks + Array("0\r\n\r\n".utf8)))
    #expect(chunked.text == text(of: body))
    let packed = Gzip.compress(body)
    let unpacked = try exchange(
      server, post("content-encoding: gzip\r\ncontent-length: \(packed.count)\r\n", packed))
    #expect(unpacked.text == text(of: body))
    let same = try exchange(server, post("content-encoding: identity\r\ncontent-length: 2\r\n", [1, 2]))
    #expect(same.text == text(of: [1, 2]))
    #expect(eventually { server.counters.bodyBytesInFlight == 0 })
  }

  @Test func `a body that is announced too large is refused before it is sent`() throws {
    let server = try TestServer()
    let response = try exchange(server, post("content-length: \(Self.limit + 1)\r\n"))
    #expect(response.status == 413)
    #expect(response.text.contains("body_too_large"))
    #expect(response.text.contains("\(Self.limit)"))
    #expect(response.header("connection")?.lowercased() == "close")
    let huge = try exchange(server, post("content-length: 99999999999999999\r\nexpect: 100-continue\r\n"))
    #expect(huge.status == 413)
    #expect(server.counters.refusals[.bodyTooLarge] == 2)
    let get = try #require(
      try RawClient(server.port).exchange("GET /hello HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc"))
    #expect(get.status == 413)
  }

  @Test func `who sends everything without waiting can read the refusal`() throws {
    let server = try TestServer()
    for _ in 0..<5 {
      let client = try RawClient(server.port)
      let body = [UInt8](repeating: 1, count: 8 * Self.limit)
      #expect(client.send(post("content-length: \(body.count)\r\n", body)))
      #expect(client.response()?.status == 413)
      #expect(client.ends())
    }
  }

  @Test func `a chunked body is refused where it becomes too large, though it never ends`() throws {
    let server = try TestServer { $0.limits.lingerSeconds = 1 }
    let client = try RawClient(server.port)
    client.send(post("transfer-encoding: chunked\r\n"))
    let piece = chunk([UInt8](repeating: 65, count: 10_000))
    let begin = Instant.now
    while client.send(piece), !client.read(within: 0, until: { $0.count > 0 }) {
      if Instant.now.seconds(since: begin) > 10 { break }
    }
    let response = try #require(client.response())
    #expect(response.status == 413)
    #expect(response.text.contains("body_too_large"))
    while client.send(piece, seconds: 5) { if Instant.now.seconds(since: begin) > 10 { break } }
    #expect(Instant.now.seconds(since: begin) < 8)
    #expect(eventually { server.counters.connectionsOpen == 0 })
    #expect(server.counters.bodyBytesInFlight == 0)
    #expect(server.handler.finishedRoutes.withLock { $0.map { $0.status } } == [413])
  }

  @Test func `a body longer than announced is no part of the request`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send(post("content-length: 3\r\n", Array("abcdefgh\r\n\r\n".utf8)))
    #expect(client.response()?.text == text(of: Array("abc".utf8)))
    #expect(client.ends())
    #expect(server.handler.requests.withLock { $0.count } == 1)
  }

  @Test func `a body shorter than announced never reaches the handler`() throws {
    let server = try TestServer()
    do {
      let client = try RawClient(server.port)
      client.send(post("content-length: 1000\r\n", Array("abc".utf8)))
      #expect(eventually { server.counters.bodyBytesInFlight == 3 })
    }
    #expect(eventually { server.counters.bodyBytesInFlight == 0 && server.counters.connectionsOpen == 0 })
    #expect(server.handler.requests.withLock { $0.isEmpty })
  }

  @Test func `a gzip bomb is refused at its bound`() throws {
    let server = try TestServer { $0.limits.bodyBytesInFlightMax = 2 * Self.limit }
    let bomb = Gzip.compress([UInt8](repeating: 0, count: 100_000_000), level: 9)
    #expect(bomb.count < Self.limit)
    let response = try exchange(server, post("content-encoding: gzip\r\ncontent-length: \(bomb.count)\r\n", bomb))
    #expect(response.status == 413)
    #expect(server.counters.refusals[.bodyTooLarge] == 1)
    #expect(eventually { server.counters.bodyBytesInFlight == 0 })
  }

  struct Refused: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var headers: String
    var body = "abc"
    var status: Int
    var code: String
  }

  @Test(arguments: [
    Refused(
      testDescription: "brotli", headers: "content-encoding: br\r\ncontent-length: 3\r\n", status: 415,
      code: "content_encoding"),
    Refused(
      testDescription: "no gzip", headers: "content-encoding: gzip\r\ncontent-length: 3\r\n", status: 400,
      code: "bad_gzip"),
    Refused(
      testDescription: "two lengths", headers: "content-length: 3\r\ntransfer-encoding: chunked\r\n", status: 400,
      code: "ambiguous_length"),
    Refused(
      testDescription: "transfer encoding", headers: "transfer-encoding: gzip, chunked\r\n", status: 501,
      code: "transfer_encoding"),
    Refused(
      testDescription: "expectation", headers: "expect: a miracle\r\ncontent-length: 3\r\n", status: 417,
      code: "expectation"),
  ])
  func `what is not understood is refused in our form`(_ refused: Refused) throws {
    let server = try TestServer { $0.limits.lingerSeconds = 0.2 }
    let response = try exchange(server, post(refused.headers, Array(refused.body.utf8)))
    #expect(response.status == refused.status)
    #expect(response.text.contains(refused.code))
  }

  @Test func `who asks before sending is told to go on`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send(post("expect: 100-continue\r\ncontent-length: 3\r\n"))
    #expect(client.response()?.status == 100)
    client.send("abc")
    #expect(client.response()?.text == text(of: Array("abc".utf8)))
  }

  @Test func `bodies of all connections together are bounded`() throws {
    let server = try TestServer { $0.limits.bodyBytesInFlightMax = 300_000 }
    let slow = try (0..<2).map { _ in
      let client = try RawClient(server.port)
      client.send(post("content-length: 200000\r\n", [UInt8](repeating: 1, count: 140_000)))
      return client
    }
    #expect(eventually { server.counters.bodyBytesInFlight == 280_000 })
    let refused = try exchange(server, post("content-length: 100000\r\n", [UInt8](repeating: 1, count: 100_000)))
    #expect(refused.status == 503)
    #expect(refused.header("retry-after") == "1")
    #expect(server.counters.refusals[.memory] == 1)
    #expect(eventually { server.counters.bodyBytesInFlight == 280_000 })
    // Small ones still go through.
    #expect(try exchange(server, post("content-length: 3\r\n", [1, 2, 3])).status == 200)
    slow[0].send([UInt8](repeating: 1, count: 60_000))
    slow[1].finishSending()
    #expect(eventually { server.counters.bodyBytesInFlight == 0 })
  }
}
