import Compression
import EventSource
import HandlerMetrics
import Ingest
import Platform
import PrometheusText
import TestSupport
import Testing
import WireFormats

@Suite("Metrics of real events", .enabled(if: TestSupport.hasSharedData, Comment(rawValue: TestSupport.sharedDataHint)))
struct TruthTests {
  @Test(arguments: ["tt-dev-endform", "zipkin-real", "sepsis-dev"])
  func `histograms hold the ground truth's counts`(_ name: String) throws {
    let directory = try #require(TestSupport.sharedDataDirectory)
    let truth = try JSONValue.parse(Files.read("\(directory)/\(name).truth.json", bytesMax: 64 << 20))
    let bounds = try #require(truth["latency_bounds_us"]?.array).map { Double($0.int ?? 0) / 1e6 }
    var options = MetricsOptions()
    options.buckets[MetricCatalogue.handlerReactionLatency.name] = bounds
    let bench = try Bench(options: options)
    let result = bench.pipeline.importEvents(from: try EventFileReader(path: "\(directory)/\(name).ndjson.gz"))
    #expect(result.failure == nil)
    let page = bench.page()
    #expect(page.problems == [])
    var byHandler: [[String]: [Double]] = [:]
    var skew: [[String]: Double] = [:]
    for sample in page.samples {
      let value = Double(sample.value) ?? .nan
      if sample.name == "clew_handler_reaction_latency_seconds_bucket" {
        byHandler[sample.labels[1...2].map(\.value), default: []].append(value)
      } else if sample.name == "clew_handler_clock_skew_total" {
        skew[sample.labels[1...2].map(\.value)] = value
      }
    }
    var expected: [[String]: [Double]] = [:]
    var negatives: [[String]: Double] = [:]
    for member in try #require(truth["latency_by_service_handler"]?.members) {
      let parts = member.key.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
      // Labels are trimmed, so names that differ in the white space around them share a series.
      let names = parts.map { part -> String in
        let trimmed = part.drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed()
        return trimmed.isEmpty ? "_none" : String(trimmed)
      }
      let negative = member.value["negative"]?.int ?? 0
      let buckets =
        (member.value["le_us"]?.array ?? []).map { Double(($0.int ?? 0) - negative) }
        + [Double((member.value["n"]?.int ?? 0) - negative)]
      let before = expected[names] ?? Array(repeating: 0, count: buckets.count)
      expected[names] = zip(before, buckets).map { $0 + $1 }
      negatives[names, default: 0] += Double(negative)
    }
    for (names, buckets) in expected {
      #expect(byHandler[names] == buckets, "\(names)")
      #expect(skew[names] == negatives[names], "\(names)")
    }
    #expect(page.sum("clew_causal_edges_total") == Double(truth["edges"]?.int ?? -1))
    bench.clock.advance(seconds: 31)
    bench.metrics.tick()
    #expect(bench.page().sum("clew_causation_orphans_total") == Double(truth["orphans"]?.int ?? -1))
  }
}
