import Platform
import TestSupport
import Testing
import WireFormats

/// A server that vanishes without a word: its machine lost power, or a firewall forgot the connection.
@Suite(
  .serialized,
  .enabled(
    if: NetworkNamespace.hindrance == nil, Comment(rawValue: NetworkNamespace.hindrance ?? "namespaces can be made")))
struct KurrentVanishTests {
  @Test func `a server that vanishes is given up after keepAliveTimeout, and read on when it is back`() throws {
    let directory = try TemporaryDirectory("vanish")
    let network = try NetworkNamespace()
    let server = try KurrentServer(in: (network.name, network.address))
    try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall, visible: 40)
    let parameters = "&keepAliveInterval=1000&keepAliveTimeout=2000"
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server, parameters)])
    #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
    let before = try clew.eventCount
    #expect(before > 0)

    // No event waits, so silence alone proves nothing: only the system's own questions find out.
    try network.vanish()
    #expect(eventually(within: 60) { (try? clew.sourceState) == "retrying" }, "\(clew.said)")
    #expect(clew.process.errorText.contains("timed out"), "\(clew.process.errorText)")
    #expect(!clew.process.errorText.contains("gone silent"))

    try server.command(#"{"do":"visible"}"#)
    try network.comeBack()
    let count = splitLines(try KurrentClew.calmExport()).count
    #expect(count > before && clew.hasStored(count, within: 60))
    #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
    try clew.stop()
    #expect(try Clew.output(["export", "events", "--data", directory.path]) == KurrentClew.calmExport())
  }
}
