import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// The real server among clients that behave badly; `HTTPTests` has the library's side of it in detail.
@Suite("Hostile clients", .serialized) struct HostileClientTests {
  /// A connection that sends what it is told and reads what comes.
  final class RawClient {
    let number: Int32

    init(_ server: ClewServer) throws {
      number = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = (UInt16(server.url.split(separator: ":").last ?? "") ?? 0).bigEndian
      address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
      let result = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      if result != 0 { throw TestSupportError("cannot connect") }
      var limit = timeval(tv_sec: 20, tv_usec: 0)
      unsafe setsockopt(number, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit { close(number) }

    @discardableResult func send(_ text: String) -> Bool { send(Array(text.utf8)) }

    @discardableResult func send(_ bytes: [UInt8]) -> Bool {
      unsafe Glibc.send(number, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count
    }

    /// What comes until the server closes, or 20 s of silence.
    func readAll(most: Int = 1 << 20) -> String {
      var all: [UInt8] = []
      var buffer = [UInt8](repeating: 0, count: 65536)
      while all.count < most {
        let count = unsafe recv(number, &buffer, buffer.count, 0)
        if count <= 0 { break }
        all += buffer[0..<count]
      }
      return String(decoding: all, as: UTF8.self)
    }
  }

  @Test func `metrics and livez answer while 1,000 connections say nothing`() throws {
    let directory = try TemporaryDirectory("hostile")
    let server = try ClewServer(directory.path)
    var limit = rlimit()
    unsafe getrlimit(__rlimit_resource_t(7), &limit)
    limit.rlim_cur = min(limit.rlim_max, 4096)
    unsafe setrlimit(__rlimit_resource_t(7), &limit)
    let silent = try (0..<1000).map { index in
      let client = try RawClient(server)
      client.send(index % 2 == 0 ? "GET /api/v1/traces HTTP/1.1\r\nHos" : "P")
      return client
    }
    for _ in 0..<10 {
      #expect(try server.get("/livez").status == 200)
      #expect(try server.get("/metrics").status == 200)
    }
    #expect(silent.count == 1000)
    try server.stop()
  }

  @Test func `paths with dots, encoded slashes and unknown methods get our form`() throws {
    let directory = try TemporaryDirectory("hostile-paths")
    let server = try ClewServer(directory.path)
    for path in [
      "/api/v1/traces/../../etc/passwd", "/../../etc/passwd", "/api/v1/traces/..%2f..%2fetc", "/%2e%2e/%2e%2e",
    ] {
      let client = try RawClient(server)
      client.send("GET \(path) HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let answer = client.readAll()
      #expect(answer.hasPrefix("HTTP/1.1 404"), "\(path): \(answer.prefix(60))")
      #expect(answer.contains("{\"error\":{\"code\":"), "\(path)")
    }
    for method in ["BREW", "DELETE", "TRACE"] {
      let client = try RawClient(server)
      client.send("\(method) /api/v1/traces HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
      let answer = client.readAll()
      #expect(answer.hasPrefix("HTTP/1.1 405") || answer.hasPrefix("HTTP/1.1 501"), "\(method): \(answer.prefix(60))")
    }
    try server.stop()
  }

  @Test func `a gzip bomb and a body over the limit are refused and counted`() throws {
    let directory = try TemporaryDirectory("hostile-bodies")
    let server = try ClewServer(directory.path)
    let bomb = try ChildProcess.run("sh", ["-c", "head -c 1000000000 /dev/zero | gzip -9"]).output
    let client = HTTPClient(options: HTTPClientOptions(requestSeconds: 60))
    let answer = try client.request(
      "POST", server.url + "/api/v1/events", headers: [("content-encoding", "gzip")], body: bomb)
    #expect(answer.status == 413, "\(answer.text)")
    #expect(answer.text.contains("\"hint\""))
    let announced = try RawClient(server)
    announced.send("POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
    #expect(announced.readAll().hasPrefix("HTTP/1.1 413"))
    let refused = Sample.all(try server.get("/metrics", headers: [("accept", "text/plain")]).text)
      .first { $0.name == "clew_http_refusals_total" && $0.labels["reason"] == "body_too_large" }
    #expect((refused?.value ?? 0) >= 2)
    try server.stop()
  }

  @Test func `a reader of the tail that stops reading holds nobody up`() throws {
    let directory = try TemporaryDirectory("hostile-tail")
    let server = try ClewServer(directory.path)
    let stalled = try RawClient(server)
    stalled.send("GET /api/v1/tail HTTP/1.1\r\nHost: x\r\n\r\n")
    for start in stride(from: 0, to: 40_000, by: 1000) {
      let answer = try server.post("/api/v1/events", (start..<(start + 1000)).flatMap { KillLoopTests.line($0) })
      #expect(answer.status == 200)
    }
    #expect(try server.get("/livez").status == 200)
    try server.stop()
  }

  @Test func `a place beyond the end of everything ends nothing`() throws {
    let directory = try TemporaryDirectory("hostile-places")
    let server = try ClewServer(directory.path)
    #expect(try server.post("/api/v1/events", KillLoopTests.line(0)).status == 200)
    for place in ["9223372036854775807", "9223372036854775806", "4611686018427387904"] {
      let client = try RawClient(server)
      client.send("GET /api/v1/tail HTTP/1.1\r\nHost: x\r\nLast-Event-ID: \(place)\r\n\r\n")
      let other = try RawClient(server)
      other.send("GET /api/v1/tail?after=\(place) HTTP/1.1\r\nHost: x\r\n\r\n")
      for query in ["streams/order-0?cursor=\(place)", "traces?limit=\(place)", "streams/order-0?limit=\(place)"] {
        #expect(try server.get("/api/v1/\(query)").status < 500)
      }
    }
    #expect(try server.post("/api/v1/events", KillLoopTests.line(1)).status == 200)
    #expect(server.process.isRunning)
    try server.stop()
  }

  @Test func `tokens keep readers and writers apart`() throws {
    let directory = try TemporaryDirectory("tokens")
    let read = try directory.write("read.token", "reader-secret-1\n")
    let write = try directory.write("write.token", "writer-secret-1\n")
    let server = try ClewServer(
      directory.file("data"), ["--read-token-file", read, "--token-file", write])
    func status(_ method: String, _ path: String, _ token: String?) throws -> Int {
      let client = HTTPClient(options: HTTPClientOptions(bearerToken: token))
      return try client.request(method, server.url + path, body: method == "POST" ? KillLoopTests.line(0) : []).status
    }
    #expect(try status("GET", "/api/v1/stats", nil) == 401)
    #expect(try status("GET", "/api/v1/stats", "wrong") == 401)
    #expect(try status("GET", "/metrics", "reader-secret-1") == 200)
    #expect(try status("POST", "/api/v1/events", "reader-secret-1") == 403)
    #expect(try status("POST", "/api/v1/events", "writer-secret-1") == 200)
    #expect(try status("GET", "/livez", nil) == 200)
    try directory.write("read.token", "reader-secret-2\n")
    #expect(eventually(within: 20) { (try? status("GET", "/api/v1/stats", "reader-secret-2")) == 200 })
    #expect(try status("GET", "/api/v1/stats", "reader-secret-1") == 401)
    try server.stop()
    #expect(!server.process.errorText.contains("secret"))
  }
}
