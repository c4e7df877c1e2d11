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

  @Test func `server and Clew die again and again, and every event is stored once and in order`() throws {
    let copies = 250
    let expected = try calmExport(copies: copies)
    let count = splitLines(expected).count
    let directory = try TemporaryDirectory("chaos")
    var server = try KurrentServer()
    let port = server.port
    let kinds = ["cut", "reset", "close", "endWithoutStatus"].map { #"{"kind":"\#($0)"}"# }.joined(separator: ",")
    func prepare(_ round: Int) throws {
      try server.load(Self.fixture, call: 10, copies: copies, visible: round * 2500)
      try server.command(#"{"do":"chaos","seed":\#(round),"everyMessages":300,"kinds":[\#(kinds)]}"#)
    }
    try prepare(1)
    var clew = try ClewServer(directory.path, ["--source", url(server)])
    for round in 2...6 {
      _ = eventually(within: 3) { (try? eventCount(clew)) ?? 0 > round * 300 }
      if round % 2 == 0 {
        clew.killHard()
        clew = try ClewServer(directory.path, ["--source", url(server)])
        try server.command(#"{"do":"visible","add":2500}"#)
      } else {
        server.process.kill()
        _ = server.process.wait(seconds: 20)
        server = try KurrentServer(port: port)
        try prepare(round)
      }
    }
    try server.command(#"{"do":"faultless"}"#)
    try server.command(#"{"do":"visible"}"#)
    #expect(hasRead(clew, count, within: 120))
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
