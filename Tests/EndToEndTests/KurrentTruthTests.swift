import Platform
import TestSupport
import Testing
import WireFormats

/// What the built program makes of what real servers sent, beside what others found out about the same events.
@Suite(.serialized, .enabled(if: TestSupport.hasSharedData, "needs the shared data")) struct KurrentTruthTests {
  private static let recordings = "\(TestSupport.sharedDataDirectory ?? "")/kurrentdb/es-24.10.14/"

  /// Follows a log to its end.
  ///
  /// - Parameter speed: the log is written while it is followed, so many times as fast as it once was; nil: it is there.
  private func follow(_ file: String, into directory: String, speed: Int? = nil) throws {
    let server = try KurrentServer()
    try server.load(Self.recordings + file, visible: speed == nil ? nil : 0)
    let clew = try ClewServer(directory, ["--source", KurrentClew.url(server)])
    if let speed {
      #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
      try server.command(#"{"do":"play","speed":\#(speed)}"#)
    }
    // Everything is written, its end was seen, and nothing lies before it that is not stored.
    func isAtEnd() throws -> Bool {
      guard try server.counter("visible") == server.counter("events") else { return false }
      let source = try clew.source
      return try source["headPosition"]?.string == "\(server.counter("head"))" && source["lagSeconds"]?.double == 0
        && source["state"]?.string == "live"
    }
    #expect(eventually(within: 120) { (try? isAtEnd()) == true }, "\(clew.said)")
    try clew.stop()
  }

  private func lines(_ kind: String, _ directory: String) throws -> [JSONValue] {
    try splitLines(try Clew.output(["export", kind, "--data", directory])).map { try JSONValue.parse($0) }
  }

  private func handlers(_ directory: String) throws -> [String: JSONValue] {
    let rows = try JSONValue.parse(Clew.output(["handlers", "--json", "--data", directory]))["handlers"]?.array ?? []
    return Dictionary(
      rows.map { row in
        (["service", "handler", "eventType"].map { row[$0]?.string ?? "" }.joined(separator: "|"), row)
      }, uniquingKeysWith: { first, _ in first })
  }

  /// Seconds of an answer in units of 100 ns.
  private func ticks(_ seconds: JSONValue?) -> Int? { seconds?.double.map { Int(($0 * 1e7).rounded()) } }

  @Test func `traces, edges, latencies and failures of bulk are those of the truth`() throws {
    let directory = try TemporaryDirectory("bulk")
    try follow("bulk.messages.gz", into: directory.path)
    let truth = try JSONValue.parse(Files.read(Self.recordings + "bulk.truth.json", bytesMax: 1 << 20))
    let known = GroundTruth("bulk", ofStore: truth)
    try known.expectTraces(splitLines(Clew.output(["export", "traces", "--data", directory.path])))
    try known.expectEdges(splitLines(Clew.output(["export", "edges", "--data", directory.path])))
    let found = try handlers(directory.path)
    let wanted = try #require(truth["latency_by_service_handler_type"]?.members)
    #expect(found.values.filter { $0["count"]?.int ?? 0 > 0 }.count == wanted.count)
    for member in wanted {
      let (key, figures) = (member.key, member.value)
      #expect(found[key]?["count"]?.int == figures["n"]?.int, "\(key)")
      #expect(ticks(found[key]?["minSeconds"]) == figures["min"]?.int, "\(key)")
      #expect(ticks(found[key]?["maxSeconds"]) == figures["max"]?.int, "\(key)")
    }
    var failures: [String: Int] = [:]
    for row in found.values where row["failureCount"]?.int ?? 0 > 0 {
      failures["\(row["service"]?.string ?? "")|\(row["handler"]?.string ?? "")", default: 0] +=
        row["failureCount"]?.int ?? 0
    }
    let failed = truth["failures_by_service_handler"]?.members ?? []
    #expect(failures == Dictionary(failed.map { ($0.key, $0.value.int ?? 0) }, uniquingKeysWith: { first, _ in first }))
  }

  @Test func `what services say they produced hangs below what they handled, with the latency of the events' times`()
    throws
  {
    let directory = try TemporaryDirectory("live-shop")
    try follow("live-shop.jsonl.gz", into: directory.path, speed: 10)
    var parents: [String: String] = [:]
    for edge in try lines("edges", directory.path) {
      if let child = edge["childId"]?.string { parents[child] = edge["parentId"]?.string }
    }
    var events: [String: JSONValue] = [:]
    for event in try lines("events", directory.path) {
      if let id = event["id"]?.string { events[id] = event }
    }
    var checked = 0
    var latencies: [String: [Int]] = [:]
    for line in splitLines(try unzipped(Self.recordings + "live-shop.truth.jsonl.gz")) {
      let record = try JSONValue.parse(line)
      guard record["kind"]?.string == "handled", let cause = record["eventId"]?.string else { continue }
      let produced = (record["produced"]?.array ?? []).compactMap { $0.string }
      for id in produced where events[id] != nil {
        var above = parents[id]
        if let near = above, let event = events[id], let parent = events[near] {
          let key =
            "\(record["service"]?.string ?? "")|\(record["handler"]?.string ?? "")|\(event["type"]?.string ?? "")"
          latencies[key, default: []].append(try time(event) - time(parent))
        }
        while let next = above, next != cause, produced.contains(next) { above = parents[next] }
        try #require(above == cause, "\(id) of \(record) hangs below \(String(describing: above))")
        checked += 1
      }
    }
    #expect(checked > 2_000)
    let found = try handlers(directory.path)
    #expect(latencies.count >= 5 && found.count >= latencies.count)
    for (key, values) in latencies {
      let row = try #require(found[key], "\(key)")
      #expect(row["count"]?.int == values.count, "\(key)")
      #expect(ticks(row["minSeconds"]) == values.min() && ticks(row["maxSeconds"]) == values.max(), "\(key)")
    }
  }

  /// When an event was created, in units of 100 ns.
  private func time(_ event: JSONValue) throws -> Int {
    let text = try #require(event["created"]?.string)
    return Int(try #require(RFC3339.parse(text)) / 100)
  }
}
