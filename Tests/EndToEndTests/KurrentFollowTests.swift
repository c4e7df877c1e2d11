import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// The built program follows the KurrentDB test server: nothing lost, nothing twice, whatever the server does.
@Suite(.serialized) struct KurrentFollowTests {
  private static let fixture = TestSupport.packageRoot + "/Tests/Fixtures/kurrentdb/deleted-and-truncated.jsonl.gz"

  private func state(_ clew: ClewServer) throws -> String {
    try clew.json("/api/v1/sources")["sources"]?[0]?["state"]?.string ?? ""
  }

  private func eventCount(_ clew: ClewServer) throws -> Int { try clew.json("/api/v1/stats")["eventCount"]?.int ?? -1 }

  private func url(_ server: KurrentServer) -> String {
    // A name of its own: the port changes from test to test, and the name is part of every event's identity.
    "kurrentdb://\(server.address)?tls=false&name=shop&discoveryInterval=1"
  }

  private func hasRead(_ clew: ClewServer, _ count: Int, within seconds: Double) -> Bool {
    eventually(within: seconds) { (try? eventCount(clew)) == count }
  }

  /// What a calm server gives: the events as lines.
  private func calmExport(copies: Int) throws -> [UInt8] {
    let directory = try TemporaryDirectory("calm")
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10, copies: copies)
    let clew = try ClewServer(directory.path, ["--source", url(server)])
    #expect(eventually(within: 60) { (try? state(clew)) == "live" })
    try clew.stop()
    return try Clew.output(["export", "events", "--data", directory.path])
  }

  @Test func `each way to break a subscription costs no event and stores none twice`() throws {
    let expected = try calmExport(copies: 20)
    let count = splitLines(expected).count
    #expect(count > 100)
    let directory = try TemporaryDirectory("faults")
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10, copies: 20)
    for kind in ["cut", "reset", "close", "endWithoutStatus", "garbage", "badFlag", "announced", "truncated", "goAway"]
    {
      try server.command(
        #"{"do":"fault","kind":"\#(kind)","after":40,"onlySubscriptions":true}"#)
    }
    try server.fault(
      "status", after: 40,
      more: #""onlySubscriptions":true,"code":10,"message":"Operation timed out: Consumer too slow""#)
    let clew = try ClewServer(directory.path, ["--source", url(server)])
    #expect(hasRead(clew, count, within: 120))
    #expect(try server.counter("faults") == 10)
    try clew.stop()
    #expect(try Clew.output(["export", "events", "--data", directory.path]) == expected)
  }

  @Test func `for a minute server and Clew die, hang and forget, and every event is stored once and in order`() throws {
    let copies = 500
    let expected = try calmExport(copies: copies)
    let count = splitLines(expected).count
    let directory = try TemporaryDirectory("chaos")
    var server = try KurrentServer()
    let port = server.port
    let kinds = ["cut", "reset", "close", "endWithoutStatus", "hang", "freeze"].map { #"{"kind":"\#($0)"}"# }
    var visible = 2_000
    var round = 0
    func prepare() throws {
      try server.load(Self.fixture, call: 10, copies: copies, visible: visible)
      try server.command(
        #"{"do":"chaos","seed":\#(round + 1),"everyMessages":700,"kinds":[\#(kinds.joined(separator: ","))]}"#)
    }
    try prepare()
    var clew = try ClewServer(directory.path, ["--source", url(server)])
    let end = Instant.now.advanced(bySeconds: 60)
    while Instant.now < end {
      round += 1
      // Load meanwhile: each time some are stored, some more are written.
      for _ in 0..<40 {
        let before = try eventCount(clew)
        visible += 10
        try server.command(#"{"do":"visible","count":\#(visible)}"#)
        _ = eventually(within: 0.1) { (try? eventCount(clew)) ?? 0 > before }
      }
      switch round % 4 {
      case 0:
        clew.killHard()
        clew = try ClewServer(directory.path, ["--source", url(server)])
      case 1:
        server.process.kill()
        _ = server.process.wait(seconds: 20)
        server = try KurrentServer(port: port)
        try prepare()
      case 2: try server.command(#"{"do":"drop"}"#)
      default: try server.command(#"{"do":"fault","kind":"hang","now":true,"onlySubscriptions":true}"#)
      }
    }
    #expect(round > 5)
    try server.command(#"{"do":"faultless"}"#)
    // The last one that hangs is found out by Clew alone.
    try server.command(#"{"do":"fault","kind":"hang","now":true,"onlySubscriptions":true}"#)
    try server.command(#"{"do":"visible"}"#)
    #expect(hasRead(clew, count, within: 120), "\(clew.said)")
    try clew.stop()
    #expect(try Clew.output(["export", "events", "--data", directory.path]) == expected)
  }

  @Test func `readiness names a source that is not there, and stays`() throws {
    let directory = try TemporaryDirectory("absent")
    let address = "kurrentdb://127.0.0.1:1?tls=false&name=shop&maxDiscoverAttempts=1"
    let clew = try ClewServer(directory.path, ["--source", address])
    #expect(eventually(within: 30) { (try? clew.json("/readyz")["sources"]?[0]?["state"]?.string) == "retrying" })
    let ready = try clew.json("/readyz")
    #expect(ready["ready"]?.bool == true)
    #expect(ready["sources"]?[0]?["problem"]?.string?.contains("127.0.0.1:1") == true, "\(ready)")
    try clew.stop()
  }

  private func readers(_ clew: ClewServer) throws -> [String: JSONValue] {
    let all = try clew.json("/api/v1/sources")["sources"]?[0]?["readers"]?.array ?? []
    return Dictionary(all.map { ($0["name"]?.string ?? "", $0) }, uniquingKeysWith: { first, _ in first })
  }

  @Test(
    .enabled(if: TestSupport.hasSharedData, "needs the shared data"), arguments: ["es-24.10.14", "kdb-26.1.0"]
  )
  func `who else reads the store is listed, as its services say it`(_ version: String) throws {
    let recordings = "\(TestSupport.sharedDataDirectory ?? "")/kurrentdb/\(version)/"
    let directory = try TemporaryDirectory("readers")
    let server = try KurrentServer()
    try server.load(Self.fixture, call: 10)
    try server.answers(recordings + "persistent-subscriptions.jsonl.gz")
    try server.answers(recordings + "projections.jsonl")
    let clew = try ClewServer(directory.path, ["--source", url(server)])
    #expect(eventually(within: 60) { (try? readers(clew)["billing"]) != nil })
    let billing = try #require(try readers(clew)["billing"])
    #expect(billing["kind"]?.string == "persistent_subscription" && billing["reads"]?.string == "order-work")
    #expect(billing["checkpoint"]?[0]?["stream"]?.string == "order-work", "\(billing)")
    #expect(billing["parked"]?.int != nil && billing["condition"]?.string == "running", "\(billing)")
    #expect(try readers(clew)["$streams"]?["kind"]?.string == "projection")
    try clew.stop()
  }

  @Test(
    .enabled(if: TestSupport.hasSharedData, "needs the shared data"), arguments: ["es-24.10.14", "kdb-26.1.0"]
  )
  func `who else reads the store is listed, as their checkpoints in it say it`(_ version: String) throws {
    let recordings = "\(TestSupport.sharedDataDirectory ?? "")/kurrentdb/\(version)/"
    let directory = try TemporaryDirectory("readers")
    let server = try KurrentServer()
    try server.load(recordings + "projections-and-groups-in-all.jsonl")
    let clew = try ClewServer(directory.path, ["--source", url(server)])
    #expect(eventually(within: 60) { (try? readers(clew)["billing"]) != nil })
    let found = try readers(clew)
    #expect(found["billing"]?["kind"]?.string == "persistent_subscription", "\(found.keys.sorted())")
    #expect(found.values.contains { $0["kind"]?.string == "projection" }, "\(found.keys.sorted())")
    #expect(found.values.allSatisfy { $0["checkpoint"]?[0] != nil }, "\(found)")
    try clew.stop()
  }

  @Test func `through TLS with a private authority`() throws {
    let certificates = try TestCertificates()
    let directory = try TemporaryDirectory("tls")
    let server = try KurrentServer(tls: (certificates.file("server.pem"), certificates.file("server-key.pem")))
    try server.load(Self.fixture, call: 10)
    let address = "kurrentdb://\(server.address)?name=shop&tlsCaFile=\(certificates.file("ca.pem"))"
    let clew = try ClewServer(directory.path, ["--source", address])
    #expect(eventually(within: 60) { (try? state(clew)) == "live" })
    let count = try eventCount(clew)
    let expected = splitLines(try calmExport(copies: 1)).count
    #expect(count == expected, "live means that everything that was there is stored")
    try clew.stop()
  }

  @Test func `a server that demands a client certificate gets it, and the lack of it is said`() throws {
    let certificates = try TestCertificates()
    let directory = try TemporaryDirectory("client-certificate")
    let server = try KurrentServer(
      tls: (certificates.file("server.pem"), certificates.file("server-key.pem")),
      clientAuthority: certificates.file("ca.pem"))
    try server.load(Self.fixture, call: 10)
    let address = "kurrentdb://\(server.address)?name=shop&tlsCaFile=\(certificates.file("ca.pem"))"
    let refused = try Clew.run(["sources", "check", address], seconds: 60)
    #expect(refused.exitCode == 1 && refused.outputText.contains("✗"), "\(refused.outputText) \(refused.errorText)")
    let own = "&userCertFile=\(certificates.file("client.pem"))&userKeyFile=\(certificates.file("client-key.pem"))"
    let clew = try ClewServer(directory.path, ["--source", address + own])
    #expect(eventually(within: 60) { (try? state(clew)) == "live" }, "\(clew.said)")
    #expect(try eventCount(clew) > 0)
    try clew.stop()
  }

  @Test func `wrong authority, wrong password, no right and wrong scheme are four different errors`() throws {
    let certificates = try TestCertificates()
    let server = try KurrentServer(tls: (certificates.file("server.pem"), certificates.file("server-key.pem")))
    try server.load(Self.fixture, call: 10)
    let poor = #"{"name":"poor","password":"p","mayReadAll":false}"#
    try server.command(#"{"do":"behave","users":[{"name":"admin","password":"changeit"},\#(poor)]}"#)
    let trusted = "tlsCaFile=\(certificates.file("ca.pem"))"
    let addresses = [
      "kurrentdb://admin:changeit@\(server.address)?tlsCaFile=\(certificates.file("other-ca.pem"))",
      "kurrentdb://admin:wrong@\(server.address)?\(trusted)",
      "kurrentdb://poor:p@\(server.address)?\(trusted)",
      "kurrentdb://admin:changeit@\(server.address)?tls=false",
    ]
    var errors: Set<String> = []
    for address in addresses {
      let result = try Clew.run(["sources", "check", address], seconds: 60)
      #expect(result.exitCode != 0)
      errors.insert(result.outputText + result.errorText)
    }
    #expect(errors.count == 4)
    let fine = try Clew.run(["sources", "check", "kurrentdb://admin:changeit@\(server.address)?\(trusted)"])
    #expect(fine.exitCode == 0, "\(fine.outputText) \(fine.errorText)")
  }
}
