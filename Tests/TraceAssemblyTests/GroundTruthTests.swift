import EventModel
import TestSupport
import Testing
import TraceAssembly
import TraceStore
import WireFormats

/// Real event files, from the memory store through assembly to the figures that other programs computed from their
/// sources.
@Suite("Ground truth", .enabled(if: TestSupport.hasSharedData, "\(TestSupport.sharedDataHint)"))
struct GroundTruthTests {
  @Test(arguments: SharedEvents.hashed)
  func `traces, edges and latencies are those of the sources`(_ name: String) throws {
    let truth = try SharedEvents.truth(name)
    let store = MemoryTraceStore()
    let events = try SharedEvents.events(name)
    #expect(events.count == truth["lines"]?.int)
    var counts = (accepted: 0, duplicate: 0, conflict: 0, edges: 0)
    for start in stride(from: 0, to: events.count, by: 1000) {
      let batch = SourceBatch(Array(events[start..<min(start + 1000, events.count)]))
      for outcome in try store.append([batch]) {
        counts.accepted += outcome.accepted.count
        counts.duplicate += outcome.duplicateCount
        counts.conflict += outcome.conflictCount
        counts.edges += outcome.edges.count
      }
    }
    // The truth counts an id once in the whole file; some of its copies are in another stream.
    #expect(counts.accepted >= truth["unique_events"]?.int ?? 0)
    #expect(counts.edges == truth["edges"]?.int)

    var traceLines: [String] = []
    var edgeLines: [String] = []
    try store.traces(in: .all, after: nil) { (contents) throws(StoreError) in
      let tree = TraceTree.assemble(contents)
      traceLines.append(Self.line(tree.summary))
      for place in tree.places {
        guard let parent = tree.parent(at: place) else { continue }
        edgeLines.append("\(tree.record(at: place).id) \(tree.record(at: parent).id)\n")
      }
      return .proceed
    }
    let sorted = traceLines.sorted().joined()
    #expect(sorted == String(decoding: try SharedEvents.bytes(name + ".traces.txt.gz"), as: UTF8.self))
    #expect(SHA256.hex(Array(sorted.utf8)) == truth["traces_sha256"]?.string)
    #expect(SHA256.hex(Array(edgeLines.sorted().joined().utf8)) == truth["edges_sha256"]?.string)
    try checkHandlers(store, truth)
  }

  private static func line(_ summary: TraceSummary) -> String {
    func shown(_ time: Timestamp?) -> String { time.map { RFC3339.string(nanoseconds: $0.nanoseconds) } ?? "" }
    return "\(summary.correlation) \(summary.eventCount) \(summary.edgeCount) \(summary.rootCount) "
      + "\(summary.orphanCount) \(summary.depth) \(shown(summary.firstEventAt)) \(shown(summary.lastEventAt))\n"
  }

  /// Counts, negatives, minima, maxima and percentiles exact (the memory store keeps every latency).
  private func checkHandlers(_ store: MemoryTraceStore, _ truth: JSONValue) throws {
    let rows = try store.handlerStatistics(in: .all)
    let wanted = try #require(truth["latency_by_service_handler_type"]?.members)
    let timed = rows.filter { $0.count > 0 }
    #expect(timed.count == wanted.count)
    for row in timed {
      let key = "\(row.service)|\(row.handler)|\(row.eventType)"
      let figures = try #require(wanted.first { $0.key == key }?.value, "\(key)")
      #expect(row.count == figures["n"]?.int && row.negativeCount == figures["negative"]?.int, "\(key)")
      let found = [row.minimum, row.p50, row.p90, row.p99, row.maximum].map { $0.map { Int($0 / 1000) } }
      #expect(found == ["min", "p50", "p90", "p99", "max"].map { figures[$0]?.int }, "\(key)")
    }
    var failures: [String: Int] = [:]
    for row in rows where row.failureCount > 0 {
      failures["\(row.service)|\(row.handler)", default: 0] += row.failureCount
    }
    let errors = truth["errors"]?["by_service_handler"]?.members ?? []
    #expect(failures == Dictionary(uniqueKeysWithValues: errors.map { ($0.key, $0.value.int ?? 0) }))
  }

  @Test func `the deep and the wide file assemble as they say`() throws {
    for name in ["nasty-deep", "nasty-wide"] {
      let truth = try SharedEvents.truth(name)
      let store = MemoryTraceStore()
      _ = try store.append([SourceBatch(try SharedEvents.events(name))])
      let trace = try #require(truth["correlation_id"]?.string.flatMap { Identifier($0) })
      let tree = TraceTree.assemble(try store.trace(trace))
      #expect(tree.summary.eventCount == truth["unique_events"]?.int)
      #expect(tree.summary.edgeCount == truth["edges"]?.int)
      #expect(tree.summary.depth == truth["depth"]?.int)
      if name == "nasty-wide" {
        let page = try #require(TraceRows(tree, fold: FoldRule()).page(in: tree.places, limit: 100))
        guard case .fold(let fold) = page.rows.last else { throw TestSupportError("the last row is no fold") }
        #expect(fold.count == 100_000)
        #expect(
          [fold.p50, fold.p90, fold.p99, fold.maximum] == [500_000_000, 900_000_000, 990_000_000, 1_000_000_000])
      }
    }
  }
}
