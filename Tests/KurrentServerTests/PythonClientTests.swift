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
}
