import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// Inputs that are large in one direction: deep, wide, many names, huge payloads.
@Suite("Large inputs", .enabled(if: TestSupport.hasSharedData, "needs the shared data beside the checkout"))
struct LargeInputTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("large") }

  func importing(_ name: String) throws -> JSONValue {
    let shared = try #require(TestSupport.sharedDataDirectory)
    return try Clew.json(["import", "\(shared)/\(name).ndjson.gz", "--data", directory.path, "--json", "--seal"])
  }

  /// The most memory the process ever had, in MiB.
  func peakMemory(_ server: ClewServer) throws -> Int {
    let status = String(decoding: try Files.read("/proc/\(server.pid)/status", bytesMax: 65536), as: UTF8.self)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return (Int(line.split { !$0.isNumber }.first ?? "") ?? 0) / 1024
  }

  @Test func `a chain 20,000 deep is a tree 20,000 deep`() throws {
    _ = try importing("nasty-deep")
    let id = "524ba4be-823d-51a2-ae12-2d84fa047c02"
    let trace = try JSONValue.parse(Clew.lines(["export", "traces", "--data", directory.path])[0])
    #expect(trace["depth"]?.int == 20_000)
    #expect(trace["edgeCount"]?.int == 19_999)
    let text = try Clew.output(["trace", id, "--data", directory.path])
    #expect(!text.isEmpty)
    let server = try ClewServer(directory.path)
    let page = try server.json("/api/v1/traces/\(id)?limit=100")
    #expect(page["events"]?.array?.count == 100)
    #expect(page["events"]?.array?.last?["depth"]?.int == 100)
    try server.stop()
  }

  @Test func `a trace of 100,001 events pages whole, folds, and stays in bounded memory`() throws {
    _ = try importing("nasty-wide")
    let id = "ccfb209d-496a-5269-81a0-36596a06422d"
    let server = try ClewServer(directory.path)
    var seen: Set<String> = []
    var cursor = ""
    repeat {
      let page = try server.json("/api/v1/traces/\(id)?limit=10000\(cursor)")
      for event in try #require(page["events"]?.array) {
        let id = event["id"]?.string ?? ""
        #expect(seen.insert(id).inserted)
      }
      cursor = page["nextCursor"]?.string.map { "&cursor=\($0)" } ?? ""
    } while !cursor.isEmpty && seen.count <= 100_001
    #expect(seen.count == 100_001)

    let folded = try server.json("/api/v1/traces/\(id)?fold=true")
    let rows = try #require(folded["events"]?.array)
    #expect(rows.count < 100)
    let folds = rows.compactMap { row in row["fold"]?.members == nil ? nil : row["fold"] }
    let fold = try #require(folds.first)
    #expect(fold["count"]?.int == 100_000, "a fold counts all siblings of the type, those shown included")
    #expect((fold["p50Seconds"]?.double).map { abs($0 - 0.5) < 0.005 } == true)

    let rowsOfHandlers = try server.json("/api/v1/handlers")["handlers"]?.array ?? []
    let handlers = try #require(rowsOfHandlers.first { $0["count"]?.int == 100_000 })
    for (key, micros) in [("p50Seconds", 500_000.0), ("p90Seconds", 900_000), ("p99Seconds", 990_000)] {
      let said = try #require(handlers[key]?.double) * 1e6
      #expect(abs(said - micros) <= 0.01 * micros)
    }
    #expect(handlers["maxSeconds"]?.double == 1.0)
    #expect(try peakMemory(server) < 600)
    try server.stop()
  }

  @Test func `10,000 event types and handlers end in overflow with sums intact`() throws {
    let shared = try #require(TestSupport.sharedDataDirectory)
    let server = try ClewServer(directory.path, environment: ["CLEW_LIVE_WINDOW": "all"])
    let lines = try splitLines(unzipped("\(shared)/nasty-types.ndjson.gz"))
    // A cause for each event makes handler series of them.
    var body: [UInt8] = []
    for (index, line) in lines.enumerated() {
      let event = try JSONValue.parse(line)
      let correlation = event["metadata"]?["$correlationId"]?.string ?? ""
      let cause = "cause-\(index)"
      body += Array(
        """
        {"id":"\(cause)","stream":"causes-\(index)","type":"Cause","created":"2020-01-01T00:00:00Z",\
        "metadata":{"$correlationId":"\(correlation)","service":"s","handler":"h"}}\n
        """.utf8)
      let text = String(decoding: line, as: UTF8.self)
      body += Array(
        text.replacing(
          "\"$correlationId\"", with: "\"$causationId\":\"\(cause)\",\"$correlationId\"", maxReplacements: 1
        )
        .utf8)
      body.append(0x0a)
    }
    let sums = try server.postLines(body)
    #expect(sums.accepted == 20_000)
    let samples = Sample.all(try server.get("/metrics", headers: [("accept", "text/plain")]).text)
    func total(_ name: String) -> Double { samples.filter { $0.name == name }.reduce(0) { $0 + $1.value } }
    func series(_ name: String) -> Int { samples.filter { $0.name == name }.count }
    #expect(total("clew_events_ingested_total") == 20_000)
    #expect(total("clew_handler_reactions_total") == 10_000)
    #expect(total("clew_handler_reaction_latency_seconds_count") == 10_000)
    #expect(total("clew_handler_executions_total") == 10_000)
    #expect(series("clew_events_ingested_total") <= 502)
    #expect(series("clew_handler_reaction_latency_seconds_count") <= 2_001)
    #expect(samples.contains { $0.name == "clew_handler_reactions_total" && $0.labels["handler"] == "_overflow" })
    #expect(samples.contains { $0.name == "clew_events_ingested_total" && $0.labels["event_type"] == "_overflow" })
    #expect(total("clew_metric_overflow_total") > 0)
    #expect(try peakMemory(server) < 600)
    try server.stop()
  }

  @Test func `payloads of 4 MiB are kept and of 17 MiB refused with the limit named`() throws {
    let shared = try #require(TestSupport.sharedDataDirectory)
    let counts = try importing("nasty-huge")
    #expect(counts["accepted"]?.int == 3)
    #expect(counts["refused"]?.int == 1)
    #expect(counts["refusals"]?[0]?["line"]?.int == 3)
    #expect(counts["refusals"]?[0]?["reason"]?.string?.contains("16842752") == true)
    let lines = try splitLines(unzipped("\(shared)/nasty-huge.ndjson.gz"))
    let exported = try Clew.lines(["export", "events", "--data", directory.path])
    #expect(exported.count == 3)
    let kept = try JSONValue.parse(exported[1])
    #expect(kept["data"] == (try JSONValue.parse(lines[1]))["data"])
  }
}
