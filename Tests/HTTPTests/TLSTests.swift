import Glibc
import HTTPClient
import HTTPServer
import Platform
import TestSupport
import Testing

@Suite("HTTP over TLS") struct TLSTests {
  private let certificates: TestCertificates

  init() throws { certificates = try TestCertificates() }

  private func server(
    clientCA: String? = nil, _ change: (inout HTTPServerConfiguration) -> Void = { _ in }
  ) throws -> TestServer {
    try TestServer {
      $0.tls = TLSFiles(
        certificateFile: certificates.file("server.pem"), keyFile: certificates.file("server-key.pem"),
        clientCAFile: clientCA.map { certificates.file($0) })
      $0.limits.fileCheckSeconds = 0.05
      change(&$0)
    }
  }

  private func client(_ certificate: String? = nil, ca: String? = "ca.pem", token: String? = nil) -> HTTPClient {
    HTTPClient(
      options: HTTPClientOptions(
        caFile: ca.map { certificates.file($0) },
        clientCertificateFile: certificate.map { certificates.file("\($0).pem") },
        clientKeyFile: certificate.map { certificates.file("\($0)-key.pem") }, bearerToken: token))
  }

  private func url(_ server: TestServer, _ path: String) -> String { "https://127.0.0.1:\(server.port)\(path)" }

  @Test func `requests and large bodies go through TLS`() throws {
    let server = try server()
    let client = client()
    #expect(try client.request("GET", url(server, "/hello")).text == "hello")
    #expect(try client.request("GET", url(server, "/big")).body == TestHandler.bigBody)
    let body = [UInt8](repeating: 3, count: TestHandler.bodyBytesMax)
    #expect(try client.request("POST", url(server, "/post"), body: body).text.hasPrefix("\(body.count) "))
    let tooLarge = try client.request("POST", url(server, "/post"), body: body + body)
    #expect(tooLarge.status == 413)
    #expect(tooLarge.text.contains("body_too_large"))
  }

  @Test func `a server whose certificate is not trusted gets no request`() throws {
    let server = try server()
    let error = #expect(throws: HTTPClientError.self) {
      try client(ca: "other-ca.pem").request("GET", url(server, "/hello"))
    }
    #expect(error?.code == .tls)
    #expect(server.handler.requests.withLock { $0.isEmpty })
    let careless = HTTPClient(options: HTTPClientOptions(verifiesServer: false))
    #expect(try careless.request("GET", url(server, "/hello")).text == "hello")
  }

  @Test func `a client certificate is demanded and verified`() throws {
    let server = try server(clientCA: "ca.pem")
    #expect(try client("client").request("GET", url(server, "/hello")).status == 200)
    #expect(try client("client").request("POST", url(server, "/post"), body: [1]).status == 200)
    let missing = try client().request("GET", url(server, "/hello"))
    #expect(missing.status == 403)
    #expect(missing.text.contains("client_certificate"))
    // A certificate of another authority: some TLS libraries do not even show it, so either way it is no entry.
    let foreign = try client("foreign-client").request("GET", url(server, "/hello"))
    #expect(foreign.status == 403)
    #expect(try client().request("GET", url(server, "/livez")).status == 200)
    #expect(server.counters.refusals[.certificate] == 2)
  }

  @Test func `what a client certificate allows is configured, and a token can add to it`() throws {
    let server = try server(clientCA: "ca.pem") {
      $0.clientCertificateRights = .read
      $0.writeToken = .value("secret-write-token")
    }
    #expect(try client("client").request("GET", url(server, "/hello")).status == 200)
    #expect(try client("client").request("POST", url(server, "/post"), body: [1]).status == 403)
    let both = client("client", token: "secret-write-token")
    #expect(try both.request("POST", url(server, "/post"), body: [1]).status == 200)
    #expect(try client(token: "secret-write-token").request("GET", url(server, "/hello")).status == 403)
    #expect(try client("client", token: "wrong").request("GET", url(server, "/hello")).status == 401)
  }

  @Test func `a client CA lets a server listen beyond loopback`() throws {
    let server = try server(clientCA: "ca.pem") { $0.host = "0.0.0.0" }
    #expect(try client().request("GET", url(server, "/hello")).status == 403)
  }

  @Test func `certificates change under load, and no request is refused`() throws {
    let server = try server()
    let stopped = Locked(false)
    let problems = Locked<[String]>([])
    let answered = Locked(0)
    let workers = (0..<4).map { index in
      WorkerThread(name: "load-\(index)") {
        // Two of them keep their connections, two make a new one for each request.
        let kept = HTTPClient(options: HTTPClientOptions(verifiesServer: false))
        while !stopped.withLock({ $0 }) {
          let client = index < 2 ? kept : HTTPClient(options: HTTPClientOptions(verifiesServer: false))
          do {
            let response = try client.request("GET", "https://127.0.0.1:\(server.port)/hello")
            if response.status == 200 {
              answered.withLock { $0 += 1 }
            } else {
              problems.withLock { $0.append("\(response.status)") }
            }
          } catch {
            problems.withLock { $0.append("\(error)") }
          }
        }
      }
    }
    defer {
      stopped.withLock { $0 = true }
      for worker in workers { worker.join() }
    }
    for round in 1...3 {
      // The new certificate comes from another authority, so that one sees which is in use.
      let authority = round % 2 == 1 ? "other-ca" : "ca"
      try certificates.makeCertificate("next", by: authority, "ip_address = 127.0.0.1\ntls_www_server")
      // Between the two renames certificate and key do not match; that must harm nobody.
      try Files.rename(certificates.file("next.pem"), to: certificates.file("server.pem"))
      try Files.rename(certificates.file("next-key.pem"), to: certificates.file("server-key.pem"))
      let fresh = client(ca: "\(authority).pem")
      #expect(eventually { (try? fresh.request("GET", url(server, "/hello")).status) == 200 })
      #expect(eventually { server.counters.certificateReloads == round })
    }
    #expect(eventually { answered.withLock { $0 } > 100 })
    #expect(problems.withLock { $0 } == [])
  }

  @Test func `unusable certificate files leave the old ones in use`() throws {
    let server = try server()
    try certificates.directory.write("server.pem", "not a certificate")
    #expect(eventually { server.counters.certificateReloadFailures > 0 })
    #expect(try client().request("GET", url(server, "/hello")).status == 200)
    #expect(server.counters.certificateReloads == 0)
  }

  @Test func `certificate and key that do not belong together do not start`() throws {
    let error = #expect(throws: HTTPServerError.self) {
      try server { $0.tls?.keyFile = certificates.file("client-key.pem") }
    }
    #expect(error?.code == .badCertificate)
    let noCA = #expect(throws: HTTPServerError.self) { try server(clientCA: "server-key.pem") }
    #expect(noCA?.code == .badCertificate)
    #expect(noCA?.message.contains("client CA") == true)
  }

  @Test func `plain text on a TLS port and silence in the handshake are ended`() throws {
    let server = try server { $0.limits.requestSeconds = 0.5 }
    let plain = try RawClient(server.port)
    plain.send("GET /hello HTTP/1.1\r\nhost: h\r\n\r\n")
    #expect(plain.ends(within: 5))
    let silent = try RawClient(server.port)
    #expect(silent.ends(within: 5))
    #expect(eventually { server.counters.connectionsOpen == 0 })
    // The time holds for handshakes too, and a busy machine may need more than one.
    #expect(eventually { (try? client().request("GET", url(server, "/hello")).status) == 200 })
  }

  @Test func `streams over TLS end when the client stops`() throws {
    let server = try server()
    var received = 0
    let response = try client().stream(url(server, "/flood")) { chunk in
      received += chunk.count
      return received < 500_000
    }
    #expect(response.status == 200)
    #expect(received >= 500_000)
    #expect(eventually(within: 5) { server.handler.streams.withLock { $0.allSatisfy { $0.isCancelled } } })
  }
}
