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
    for member in try #require(truth["latency_by_service_handler"]?.members) {
      let parts = member.key.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let names = parts.map { $0.isEmpty ? "_none" : $0 }
      let negative = member.value["negative"]?.int ?? 0
      let expected =
        (member.value["le_us"]?.array ?? []).map { Double(($0.int ?? 0) - negative) }
        + [Double((member.value["n"]?.int ?? 0) - negative)]
      #expect(byHandler[names] == expected, "\(member.key)")
      #expect(skew[names] == Double(negative), "\(member.key)")
    }
    #expect(page.sum("clew_causal_edges_total") == Double(truth["edges"]?.int ?? -1))
    bench.clock.advance(seconds: 31)
    bench.metrics.tick()
    #expect(bench.page().sum("clew_causation_orphans_total") == Double(truth["orphans"]?.int ?? -1))
  }
}
