import Compression
import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP requests") struct RequestTests {
  struct Target: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var target: String
    var shown: String?
  }

  @Test(arguments: [
    Target(testDescription: "plain", target: "/echo/a/b?x=1", shown: "a|b?x=1"),
    Target(testDescription: "encoded slash", target: "/echo/a%2Fb%2fc", shown: "a<2f>b<2f>c?"),
    Target(testDescription: "zero byte", target: "/echo/a%00b?x=%00", shown: "a<0>b?x=<0>"),
    Target(testDescription: "dots are names", target: "/echo/../../etc/passwd", shown: "<2e><2e>|<2e><2e>|etc|passwd?"),
    Target(testDescription: "encoded dots", target: "/echo/%2e%2e/%2E", shown: "<2e><2e>|<2e>?"),
    Target(testDescription: "empty segments", target: "/echo//a/", shown: "|a|?"),
    Target(testDescription: "plus", target: "/echo/a+b?a+b=c+d%2B", shown: "a<2b>b?a<20>b=c<20>d<2b>"),
    Target(
      testDescription: "separators encoded in the query", target: "/echo?a=%26%3D&b&=c", shown: "?a=<26><3d>&b=&=c"),
    Target(testDescription: "absolute form", target: "http://host:1/echo/a?b=c", shown: "a?b=c"),
    Target(testDescription: "not UTF-8", target: "/echo/%ff%fe", shown: "<ff><fe>?"),
    Target(testDescription: "bad escape", target: "/echo/%zz"),
    Target(testDescription: "half an escape", target: "/echo/a%4"),
    Target(testDescription: "lone percent in the query", target: "/echo?a=100%"),
    Target(testDescription: "no slash", target: "echo"),
  ])
  func `a target is split first and decoded afterwards`(_ target: Target) throws {
    let server = try TestServer()
    let response = try #require(try RawClient(server.port).exchange("GET \(target.target) HTTP/1.1\r\nhost: h\r\n\r\n"))
    if let shown = target.shown {
      #expect(response.status == 200)
      #expect(response.text == shown)
    } else {
      #expect(response.status == 400)
      #expect(response.text.contains("bad_target"))
      #expect(server.counters.refusals[.badRequest] == 1)
    }
  }

  @Test(arguments: [("BREW", 501), ("TRACE", 405), ("CONNECT", 405), ("get", 501), ("OPTIONS", 204), ("DELETE", 200)])
  func `methods that are not served are refused in our form`(_ method: String, _ status: Int) throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    let response = try #require(client.exchange("\(method) /hello HTTP/1.1\r\nhost: h\r\n\r\n"))
    #expect(response.status == status)
    if status > 300 { #expect(response.header("content-type") == "application/json") }
    if status != 200 { #expect(response.header("allow")?.contains("GET, HEAD, POST") == true) }
    // The connection goes on.
    #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
  }

  @Test func `head is answered like get, without a body`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send("HEAD /plain HTTP/1.1\r\nhost: h\r\n\r\n")
    let head = try #require(client.response(toHead: true))
    #expect(head.status == 200)
    #expect(head.header("content-length") == "100000")
    client.send("HEAD /export HTTP/1.1\r\nhost: h\r\n\r\n")
    #expect(client.response(toHead: true)?.status == 200)
    #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.text == "hello")
    #expect(server.handler.requests.withLock { $0.allSatisfy { $0.method == "GET" } })
    #expect(eventually { server.handler.streams.withLock { $0.allSatisfy { $0.isCancelled } } })
  }

  @Test func `many requests share a connection, also without waiting for answers`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    for _ in 0..<50 { #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.text == "hello") }
    let post = "POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc"
    client.send(String(repeating: post, count: 20))
    for _ in 0..<20 { #expect(client.response()?.text.hasPrefix("3 ") == true) }
    #expect(server.counters.connectionsAccepted == 1)
    #expect(server.counters.requests == 70)
    #expect(
      server.handler.finishedRoutes.withLock { $0.filter { $0.route == "/post" && $0.status == 200 }.count } == 20)
  }

  @Test func `a large answer arrives byte for byte`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    client.send("GET /big HTTP/1.1\r\nhost: h\r\n\r\n")
    #expect(client.response(within: 20)?.body == TestHandler.bigBody)
    #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.status == 200)
  }

  @Test func `answers are compressed for who asks and where it is allowed`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    func get(_ path: String, _ accept: String) throws -> RawResponse {
      try #require(client.exchange("GET \(path) HTTP/1.1\r\nhost: h\r\naccept-encoding: \(accept)\r\n\r\n"))
    }
    let plain = try get("/metrics", "identity")
    #expect(plain.header("content-encoding") == nil)
    #expect(plain.header("vary") == "accept-encoding")
    for accept in ["gzip", "deflate, gzip;q=0.5", "*", "GZIP ; q=1.0"] {
      let packed = try get("/metrics", accept)
      #expect(packed.header("content-encoding") == "gzip")
      #expect(packed.body.count < plain.body.count / 10)
      #expect(try Gzip.decompress(packed.body, outputBytesMax: 1 << 20) == plain.body)
    }
    #expect(try get("/metrics", "gzip;q=0, br").header("content-encoding") == nil)
    #expect(try get("/plain", "gzip").header("content-encoding") == nil)
    #expect(try get("/hello", "gzip").header("content-encoding") == nil)
  }

  @Test func `IPv6 addresses are listened on`() throws {
    let server = try TestServer { $0.host = "::1" }
    let client = try RawClient(server.port, host: "::1")
    #expect(client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.text == "hello")
    let both = try TestServer {
      $0.host = "::"
      $0.allowUnprotected = true
    }
    #expect(try RawClient(both.port).exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.text == "hello")
    #expect(try RawClient(both.port, host: "::1").exchange("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")?.text == "hello")
  }

  @Test func `old clients without keep-alive are answered and let go`() throws {
    let server = try TestServer()
    let client = try RawClient(server.port)
    #expect(client.exchange("GET /hello HTTP/1.0\r\n\r\n")?.text == "hello")
    #expect(client.ends())
    let other = try RawClient(server.port)
    #expect(other.exchange("GET /hello HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n")?.text == "hello")
    #expect(other.ends())
  }
}
