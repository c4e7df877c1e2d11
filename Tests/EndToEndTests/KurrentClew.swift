import HTTPClient
import Platform
import TestSupport
import WireFormats

/// What tests of following an event store ask again and again.
enum KurrentClew {
  /// `$all` of a real server, read from its start by call 10.
  static let fixture = TestSupport.packageRoot + "/Tests/Fixtures/kurrentdb/deleted-and-truncated.jsonl.gz"
  static let fixtureCall = 10

  /// A name of its own: the port changes from test to test, and the name is part of every event's identity.
  static func url(_ server: KurrentServer, _ parameters: String = "") -> String {
    "kurrentdb://\(server.address)?tls=false&name=shop&discoveryInterval=1\(parameters)"
  }

  /// What a calm server gives: the events as lines.
  static func calmExport(copies: Int = 1, _ parameters: String = "") throws -> [UInt8] {
    let directory = try TemporaryDirectory("calm")
    let server = try KurrentServer()
    try server.load(fixture, call: fixtureCall, copies: copies)
    let clew = try ClewServer(directory.path, ["--source", url(server, parameters)])
    guard eventually(within: 120, { (try? clew.sourceState) == "live" }) else {
      throw TestSupportError("the calm server is not followed: \(try clew.get("/api/v1/sources").text)")
    }
    try clew.stop()
    return try Clew.output(["export", "events", "--data", directory.path])
  }

  /// The recorded answers of the fixture's read, as messages.
  static func fixtureMessages() throws -> [[UInt8]] {
    try splitLines(unzipped(fixture)).compactMap { line in
      let record = try JSONValue.parse(line)
      guard record["call"]?.int == fixtureCall, record["kind"]?.string == "received" else { return nil }
      return record["message"]?.string.flatMap { Base64.decode(Array($0.utf8)) }
    }
  }
}

extension ClewServer {
  var source: JSONValue { get throws { try json("/api/v1/sources")["sources"]?[0] ?? .null } }
  var sourceState: String { get throws { try source["state"]?.string ?? "" } }
  /// For messages of tests.
  var said: String { (try? get("/api/v1/sources").text) ?? "no answer" }
  var eventCount: Int { get throws { try json("/api/v1/stats")["eventCount"]?.int ?? -1 } }

  func hasStored(_ count: Int, within seconds: Double) -> Bool {
    eventually(within: seconds) { (try? eventCount) == count }
  }
}
