import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// Real event files with known trees and figures.
@Suite("Ground truth")
struct TruthTests {
  @Test(arguments: GroundTruth.names)
  func `an import in one go gives the known trees and figures, and so does the restarted server`(_ name: String) throws
  {
    let truth = try GroundTruth(name)
    let directory = try TemporaryDirectory("truth")
    let counts = try Clew.json(["import", truth.file, "--data", directory.path, "--json", "--seal"])
    #expect(counts["lines"]?.int == truth.values["lines"]?.int)
    #expect(counts["accepted"]?.int == truth.values["unique_events"]?.int)
    let conflicts = truth.values["conflicting_duplicates"]?.int ?? -1
    #expect(counts["conflict"]?.int == conflicts)
    #expect(counts["duplicate"]?.int == (truth.values["duplicate_lines"]?.int ?? -1) - conflicts)
    #expect(counts["refused"]?.int == 0)
    try expectTruth(truth, directory.path)

    let server = try ClewServer(directory.path)
    try truth.expectHandlers(server.json("/api/v1/handlers"))
    try truth.expectTraces(splitLines(server.get("/api/v1/export/traces").body))
    try truth.expectEdges(splitLines(server.get("/api/v1/export/edges").body))
    try server.stop()
    try expectTruth(truth, directory.path)
    #expect(try Clew.run(["verify", "--data", directory.path]).exitCode == 0)
  }

  @Test(arguments: GroundTruth.names)
  func `three imports with SIGKILL in between and the whole file again give the same`(_ name: String) throws {
    let truth = try GroundTruth(name)
    let directory = try TemporaryDirectory("truth-killed")
    let content = try unzipped(truth.file)
    var random = SeededRandom(seed: 17)
    for part in 1...2 {
      // The input stays open, so the program is in the middle of its work when it is killed.
      let child = try ChildProcess(Clew.path(), ["import", "-", "--data", directory.path])
      let size = content.count * part / 3 + Int.random(in: 0..<1000, using: &random)
      child.write(Array(content[0..<size]))
      _ = eventually(within: 5) { (try? Files.list(directory.path))?.contains { $0.hasPrefix("hot-") } ?? false }
      child.kill(SIGKILL)
      #expect(child.wait() == .killed(signal: SIGKILL))
    }
    let counts = try Clew.json(["import", "-", "--data", directory.path, "--json"], input: content)
    #expect(counts["lines"]?.int == truth.values["lines"]?.int)
    try expectTruth(truth, directory.path)
    #expect(try Clew.run(["verify", "--data", directory.path]).exitCode == 0)
  }

  @Test(arguments: GroundTruth.names)
  func `posting the file gives the same, before and after a SIGKILL`(_ name: String) throws {
    let truth = try GroundTruth(name)
    let directory = try TemporaryDirectory("truth-posted")
    // Sealing every 5,000 events makes traces span segments.
    let server = try ClewServer(directory.path, environment: ["CLEW_SEAL_EVENTS": "5000"])
    let sums = try server.postLines(unzipped(truth.file))
    #expect(sums.accepted == truth.values["unique_events"]?.int)
    try truth.expectHandlers(server.json("/api/v1/handlers"))
    try truth.expectTraces(splitLines(server.get("/api/v1/export/traces").body))
    try truth.expectEdges(splitLines(server.get("/api/v1/export/edges").body))
    server.killHard()
    try expectTruth(truth, directory.path)
  }
}
