import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP access") struct AccessTests {
  private static let readToken = "read-0123456789abcdef"
  private static let writeToken = "write-0123456789abcdef"

  private func protectedServer() throws -> TestServer {
    try TestServer {
      $0.readToken = .value(Self.readToken)
      $0.writeToken = .value(Self.writeToken)
    }
  }

  private func ask(_ server: TestServer, _ method: String, _ path: String, _ authorization: String?) throws
    -> RawResponse
  {
    let line = authorization.map { "authorization: \($0)\r\n" } ?? ""
    let body = method == "POST" ? "content-length: 2\r\n\r\nab" : "\r\n"
    return try #require(try RawClient(server.port).exchange("\(method) \(path) HTTP/1.1\r\nhost: h\r\n\(line)\(body)"))
  }

  struct Case: Sendable {
    var method: String
    var path: String
    var authorization: String?
    var status: Int
    init(_ method: String, _ path: String, _ authorization: String?, _ status: Int) {
      self.method = method
      self.path = path
      self.authorization = authorization
      self.status = status
    }
  }

  @Test(arguments: [
    Case("GET", "/hello", nil, 401),
    Case("GET", "/hello", "Bearer wrong", 401),
    Case("GET", "/hello", "Bearer ", 401),
    Case("GET", "/hello", "Bearer \(readToken)x", 401),
    Case("GET", "/hello", "Basic \(readToken)", 401),
    Case("GET", "/hello", "Bearer \(readToken)", 200),
    Case("GET", "/hello", "bearer   \(readToken)", 200),
    Case("GET", "/hello", "Bearer \(writeToken)", 200),
    Case("GET", "/metrics", nil, 401),
    Case("GET", "/livez", nil, 200),
    Case("GET", "/livez", "Bearer wrong", 200),
    Case("POST", "/post", nil, 401),
    Case("POST", "/post", "Bearer \(readToken)", 403),
    Case("POST", "/post", "Bearer \(writeToken)", 200),
  ])
  func `tokens allow what they are for`(_ asked: Case) throws {
    let server = try protectedServer()
    let response = try ask(server, asked.method, asked.path, asked.authorization)
    #expect(response.status == asked.status)
    #expect((response.header("www-authenticate") == "Bearer") == (asked.status == 401))
    #expect(server.counters.refusals[.unauthorized, default: 0] == (asked.status == 401 ? 1 : 0))
    #expect(server.counters.refusals[.forbidden, default: 0] == (asked.status == 403 ? 1 : 0))
    if asked.status >= 400 { #expect(server.handler.requests.withLock { $0.isEmpty }) }
  }

  @Test func `the time to refuse a token does not tell how much of it was right`() throws {
    let server = try protectedServer()
    let client = try RawClient(server.port)
    func seconds(_ token: String) -> Double {
      let begin = Instant.now
      _ = client.exchange("GET /hello HTTP/1.1\r\nhost: h\r\nauthorization: Bearer \(token)\r\n\r\n")
      return Instant.now.seconds(since: begin)
    }
    let nothing = String(repeating: "x", count: Self.readToken.count)
    let almost = Self.readToken.dropLast() + "x"
    var times: ([Double], [Double]) = ([], [])
    for _ in 0..<200 {
      times.0.append(seconds(nothing))
      times.1.append(seconds(String(almost)))
    }
    let (a, b) = (times.0.sorted()[100], times.1.sorted()[100])
    // What is compared are digests; here only gross differences could show.
    #expect(abs(a - b) < max(a, b) * 0.5 + 0.0002)
  }

  @Test func `who is refused need not send the body`() throws {
    let server = try protectedServer()
    let client = try RawClient(server.port)
    client.send("POST /post HTTP/1.1\r\nhost: h\r\ncontent-length: 100000\r\n\r\n")
    #expect(client.response()?.status == 401)
  }

  @Test func `token files are read again when they change`() throws {
    let directory = try TemporaryDirectory("http-token")
    let path = try directory.write("token", "  first\n")
    let server = try TestServer {
      $0.writeToken = .file(path)
      $0.limits.fileCheckSeconds = 0.05
    }
    #expect(try ask(server, "POST", "/post", "Bearer first").status == 200)
    try directory.write("token", "second-token\n")
    #expect(try eventually { try ask(server, "POST", "/post", "Bearer second-token").status == 200 })
    #expect(try ask(server, "POST", "/post", "Bearer first").status == 401)
    // Nothing in it, or no file: the last good one stays.
    try directory.write("token", "\n")
    #expect(try !eventually(within: 0.5) { try ask(server, "POST", "/post", "Bearer second-token").status != 200 })
    try Files.remove(path)
    #expect(try !eventually(within: 0.5) { try ask(server, "POST", "/post", "Bearer second-token").status != 200 })
    #expect(try ask(server, "POST", "/post", "Bearer ").status == 401)
    try directory.write("token", "third")
    #expect(try eventually { try ask(server, "POST", "/post", "Bearer third").status == 200 })
  }

  @Test func `a page of another site may not write where nobody shows credentials`() throws {
    let server = try TestServer()
    func post(_ origin: String) throws -> Int? {
      try RawClient(server.port).exchange(
        "POST /post HTTP/1.1\r\nhost: 127.0.0.1:\(server.port)\r\norigin: \(origin)\r\ncontent-length: 0\r\n\r\n")?
        .status
    }
    #expect(try post("http://127.0.0.1:\(server.port)") == 200)
    #expect(try post("http://evil.example") == 403)
    #expect(try post("null") == 403)
  }

  struct Start: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var code: HTTPServerError.Code
    var says: String
    var change: @Sendable (inout HTTPServerConfiguration) -> Void
  }

  @Test(arguments: [
    Start(testDescription: "every interface", code: .unprotected, says: "--insecure") { $0.host = "0.0.0.0" },
    Start(testDescription: "every IPv6 interface", code: .unprotected, says: "token") { $0.host = "::" },
    Start(testDescription: "star", code: .unprotected, says: "token") { $0.host = "*" },
    Start(testDescription: "empty token", code: .badToken, says: "empty") { $0.readToken = .value(" \n") },
    Start(testDescription: "token with a blank", code: .badToken, says: "blanks") { $0.readToken = .value("a b") },
    Start(testDescription: "no token file", code: .badToken, says: "/nowhere/token") {
      $0.readToken = .file("/nowhere/token")
    },
    Start(testDescription: "foreign address", code: .badAddress, says: "no address of this machine") {
      $0.host = "192.0.2.1"
      $0.allowUnprotected = true
    },
    Start(testDescription: "no host", code: .badAddress, says: "cannot be resolved") {
      $0.host = "no.such.host.invalid"
    },
    Start(testDescription: "no port", code: .badAddress, says: "65535") { $0.port = 65536 },
    Start(testDescription: "no certificate", code: .badCertificate, says: "/nowhere/cert.pem") {
      $0.tls = TLSFiles(certificateFile: "/nowhere/cert.pem", keyFile: "/nowhere/key.pem")
    },
  ])
  func `a server that would be unsafe or cannot listen does not start, and says why`(_ start: Start) throws {
    var configuration = HTTPServerConfiguration(port: 0)
    start.change(&configuration)
    // Only trying shows whose address it is.
    let isFoundByTrying = start.testDescription == "foreign address"
    #expect(((try? HTTPServer.check(configuration)) != nil) == isFoundByTrying)
    do {
      _ = try TestServer(start.change)
      Issue.record("it started")
    } catch let error as HTTPServerError {
      #expect(error.code == start.code)
      #expect(error.description.contains(start.says))
      #expect(!error.hint.isEmpty)
    }
  }

  @Test func `beyond loopback a token suffices, and so does saying that it is insecure`() throws {
    let withToken = try TestServer {
      $0.host = "0.0.0.0"
      $0.readToken = .value(Self.readToken)
    }
    #expect(try ask(withToken, "GET", "/hello", nil).status == 401)
    let insecure = try TestServer {
      $0.host = "0.0.0.0"
      $0.allowUnprotected = true
    }
    #expect(try ask(insecure, "GET", "/hello", nil).status == 200)
  }
}
