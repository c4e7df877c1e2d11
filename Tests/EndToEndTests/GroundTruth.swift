import Platform
import TestSupport
import Testing
import WireFormats

/// Files that are committed, so that a stranger's machine runs the tests that need them.
enum Fixtures {
  static func path(_ name: String) -> String { "\(TestSupport.packageRoot)/Tests/Fixtures/\(name)" }
}

/// What is known of one event file, from its sources and not from Clew.
struct GroundTruth {
  var name: String
  var file: String
  var values: JSONValue
  /// Event stores tell times in units of 100 ns, and truths of theirs have seven digits of a second.
  private var hasShortTimes = false

  /// The files whose trees are known to the last edge: all of them beside the checkout, one committed.
  static let names =
    TestSupport.hasSharedData ? ["tt-dev", "tt-dev-endform", "ob-dev", "sepsis-dev", "zipkin-real"] : ["zipkin-real"]

  init(_ name: String) throws {
    self.name = name
    if let directory = TestSupport.sharedDataDirectory {
      file = "\(directory)/\(name).ndjson.gz"
      values = try JSONValue.parse(Files.read("\(directory)/\(name).truth.json", bytesMax: 64 << 20))
    } else {
      file = Fixtures.path("\(name).ndjson.gz")
      values = try JSONValue.parse(unzipped(Fixtures.path("\(name).truth.json.gz")))
    }
  }

  /// Of what an event store holds.
  init(_ name: String, ofStore values: JSONValue) {
    self.name = name
    self.values = values
    file = ""
    hasShortTimes = true
  }

  /// `corr events edges roots orphans maxdepth first last`, sorted: the lines behind `traces_sha256`.
  func expectTraces(_ exported: [[UInt8]]) throws {
    let lines = try exported.map { line in
      let trace = try JSONValue.parse(line)
      func time(_ key: String) -> String {
        let text = trace[key]?.string ?? "?"
        guard hasShortTimes else { return text }
        let parts = text.dropLast().split(separator: ".")
        let fraction = parts.count > 1 ? String(parts[1]) : ""
        return "\(parts[0]).\((fraction + "0000000").prefix(7))Z"
      }
      func number(_ key: String) -> String { trace[key]?.int.map(String.init) ?? "?" }
      return [
        trace["correlationId"]?.string ?? "?", number("eventCount"), number("edgeCount"), number("rootCount"),
        number("orphanCount"), number("depth"), time("firstEventAt"), time("lastEventAt"),
      ].joined(separator: " ")
    }
    #expect(lines == lines.sorted(), "export traces is sorted")
    let text = lines.sorted().map { $0 + "\n" }.joined()
    #expect(try sha256(text) == values["traces_sha256"]?.string, "\(name): traces")
  }

  func expectEdges(_ exported: [[UInt8]]) throws {
    let lines = try exported.map { line in
      let edge = try JSONValue.parse(line)
      return "\(edge["childId"]?.string ?? "?") \(edge["parentId"]?.string ?? "?")"
    }
    #expect(lines == lines.sorted(), "export edges is sorted")
    #expect(try sha256(lines.sorted().map { $0 + "\n" }.joined()) == values["edges_sha256"]?.string, "\(name): edges")
  }

  /// `handlers` is the answer of `clew handlers --json`.
  func expectHandlers(_ handlers: JSONValue) throws {
    let expected = try #require(values["latency_by_service_handler_type"]?.members)
    let rows = try #require(handlers["handlers"]?.array)
    var byKey: [String: JSONValue] = [:]
    var failures: [String: Int] = [:]
    for row in rows {
      let pair = "\(row["service"]?.string ?? "")|\(row["handler"]?.string ?? "")"
      failures[pair, default: 0] += row["failureCount"]?.int ?? 0
      if row["count"]?.int != 0 { byKey["\(pair)|\(row["eventType"]?.string ?? "")"] = row }
    }
    #expect(Set(byKey.keys) == Set(expected.map(\.key)), "\(name): the same handlers and types")
    for member in expected {
      guard let row = byKey[member.key] else { continue }
      #expect(row["count"]?.int == member.value["n"]?.int, "\(name) \(member.key): count")
      #expect(row["negativeCount"]?.int == member.value["negative"]?.int, "\(name) \(member.key): negative")
      #expect(micros(row["minSeconds"]) == member.value["min"]?.int, "\(name) \(member.key): min")
      #expect(micros(row["maxSeconds"]) == member.value["max"]?.int, "\(name) \(member.key): max")
      for (ours, theirs) in [("p50Seconds", "p50"), ("p90Seconds", "p90"), ("p99Seconds", "p99")] {
        let known = try #require(member.value[theirs]?.double)
        let said = try #require(row[ours]?.double) * 1e6
        #expect(abs(said - known) <= 0.01 * abs(known) + 0.000_5, "\(name) \(member.key): \(ours)")
      }
    }
    let known = values["errors"]?["by_service_handler"]?.members ?? []
    let expectedFailures = Dictionary(uniqueKeysWithValues: known.map { ($0.key, $0.value.int ?? -1) })
    #expect(failures.filter { $0.value != 0 } == expectedFailures, "\(name): failures")
  }

  private func micros(_ seconds: JSONValue?) -> Int? {
    seconds?.double.map { Int(($0 * 1e6).rounded()) }
  }
}

/// Everything that must hold of a directory into which a file went, however it got there.
func expectTruth(_ truth: GroundTruth, _ directory: String) throws {
  try truth.expectTraces(Clew.lines(["export", "traces", "--data", directory]))
  try truth.expectEdges(Clew.lines(["export", "edges", "--data", directory]))
  try truth.expectHandlers(Clew.json(["handlers", "--json", "--data", directory]))
  let stats = try Clew.json(["stats", "--json", "--data", directory])
  #expect(stats["eventCount"]?.int == truth.values["unique_events"]?.int)
  #expect(stats["traceCount"]?.int == truth.values["traces"]?.int)
}

func sha256(_ text: String) throws -> String {
  let result = try ChildProcess.run("sha256sum", input: Array(text.utf8))
  return String(result.outputText.prefix(64))
}
