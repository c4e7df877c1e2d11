import Platform
import TestSupport
import Testing
import WireFormats

@testable import TraceServer

@Suite("Ground truth", .enabled(if: TestSupport.hasSharedData, "\(TestSupport.sharedDataHint)"))
struct TruthTests {
  private func sha256(_ lines: [String]) throws -> String {
    let text = lines.sorted().map { $0 + "\n" }.joined()
    return String(try ChildProcess.run("/usr/bin/sha256sum", input: Array(text.utf8)).outputText.prefix(64))
  }

  @Test(arguments: ["tt-dev", "tt-dev-endform", "ob-dev", "sepsis-dev", "zipkin-real"])
  func `exports of a posted file are its traces and edges`(name: String) throws {
    let directory = try #require(TestSupport.sharedDataDirectory)
    let truth = try JSONValue.parse(Files.read("\(directory)/\(name).truth.json", bytesMax: 64 << 20))
    let unpacked = try ChildProcess.run("/usr/bin/gzip", ["-dc", "\(directory)/\(name).ndjson.gz"])
    let spill = try TemporaryDirectory()
    let api = ServingAPI {
      $0.sortMemoryBytes = 100_000
      $0.temporaryDirectory = spill.path
    }
    let counts = api.post(unpacked.outputText).json
    #expect(counts["lines"]?.int == truth["lines"]?.int)
    #expect(counts["accepted"]?.int == truth["unique_events"]?.int)
    #expect(counts["refused"]?.int == 0)

    let traces = api.get("/api/v1/export/traces").lines
    #expect(traces == traces.sorted())
    let summaries = try traces.map { line in
      let trace = try JSONValue.parse(line)
      let numbers = ["eventCount", "edgeCount", "rootCount", "orphanCount", "depth"].map { "\(trace[$0]?.int ?? -1)" }
      let texts = [trace["correlationId"], trace["firstEventAt"], trace["lastEventAt"]].map { $0?.string ?? "" }
      return ([texts[0]] + numbers + texts[1...]).joined(separator: " ")
    }
    #expect(try sha256(summaries) == truth["traces_sha256"]?.string)

    let edges = api.get("/api/v1/export/edges").lines
    #expect(edges == edges.sorted())
    let pairs = try edges.map { line in
      let edge = try JSONValue.parse(line)
      return "\(edge["childId"]?.string ?? "") \(edge["parentId"]?.string ?? "")"
    }
    #expect(try sha256(pairs) == truth["edges_sha256"]?.string)
    #expect(api.get("/api/v1/export/events").lines.count == truth["unique_events"]?.int)
  }
}
