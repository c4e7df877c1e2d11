import TestSupport
import Testing
import WireFormats

/// The test server is itself tested by clients that other people wrote.
@Suite(.serialized) struct PythonClientTests {
  private static let fixture = TestSupport.packageRoot + "/Tests/Fixtures/kurrentdb/deleted-and-truncated.jsonl.gz"
  /// The read of `$all` in that recording.
  private static let call = 10

  private func compare(_ client: String, _ server: KurrentServer, subscribe: Bool) throws -> JSONValue {
    let python = try #require(TestSupport.pythonClient(client))
    let scheme = client == "kurrentdb" ? "kurrentdb" : "esdb"
    let program = TestSupport.packageRoot + "/Tests/KurrentServerTests/Programs/compare.py"
    let uri = "\(scheme)://\(server.address)?tls=false"
    let arguments = [program, client, uri, Self.fixture, "\(Self.call)"] + (subscribe ? ["subscribe"] : [])
    let result = try ChildProcess.run(python, arguments, seconds: 120)
    guard result.exitCode == 0 else { throw TestSupportError("\(client): \(result.errorText.suffix(2000))") }
    return try JSONValue.parse(result.output)
  }

  @Test(
    .enabled(
      if: TestSupport.pythonClient("kurrentdb") != nil && TestSupport.pythonClient("eventstoredb") != nil,
      Comment(rawValue: TestSupport.pythonClientHint)),
    arguments: ["kurrentdb", "eventstoredb"], [false, true])
  func `a real client reads and subscribes, and sees the recorded events`(_ client: String, _ subscribe: Bool) throws {
    let server = try KurrentServer()
    let count = try server.load(Self.fixture, call: Self.call)
    let outcome = try compare(client, server, subscribe: subscribe)
    #expect(outcome["expected"]?.int == count && outcome["seen"]?.int == count)
    #expect(outcome["firstDifference"]?.isNull == true, "\(outcome)")
    #expect(count > 50)
  }
  @Test(
    .enabled(
      if: TestSupport.pythonClient("kurrentdb") != nil && TestSupport.pythonClient("eventstoredb") != nil,
      Comment(rawValue: TestSupport.pythonClientHint)),
    arguments: ["kurrentdb", "eventstoredb"])
  func `a real client writes, and reads a group that gives again what is asked for and parks what is refused`(
    _ client: String
  ) throws {
    let server = try KurrentServer()
    let python = try #require(TestSupport.pythonClient(client))
    let program = TestSupport.packageRoot + "/Tests/KurrentServerTests/Programs/write.py"
    let scheme = client == "kurrentdb" ? "kurrentdb" : "esdb"
    let uri = "\(scheme)://\(server.address)?tls=false"
    let result = try ChildProcess.run(python, [program, client, uri], seconds: 120)
    try #require(result.exitCode == 0, "\(client): \(result.errorText.suffix(2000))")
    let outcome = try JSONValue.parse(result.output)
    let seen = (outcome["seen"]?.array ?? []).map { [$0[1]?.int, $0[2]?.int] }
    let wanted = [0, 1, 3, 4, 5, 7, 8, 9, 11]
    #expect(seen.dropLast() == wanted.map { [$0, 0] }[...], "\(outcome)")
    #expect(seen.last == [3, 1] && outcome["parked"]?.int == 1 && outcome["inFlight"]?.int == 0, "\(outcome)")
    #expect(outcome["source"]?.string == "$all", "\(outcome)")
    #expect(try server.counter("events") == 12)
  }
}
