import EventModel
import HandlerMetrics
import PrometheusText
import TestSupport
import Testing

@Suite("Catalogue") struct CatalogueTests {
  /// A page with one sample of every family.
  private func page(_ format: ExpositionFormat) -> [UInt8] {
    var page = MetricPage()
    for family in MetricCatalogue.all {
      page.add(family) { writer in
        writer.begin(family)
        let labels = family.rendered(family.labels.map { _ in "v" })
        if family.kind == .histogram {
          var table = HistogramTable(bounds: MetricsOptions().bounds(family.name))
          let series = table.addSeries()
          table.observe(series, 1_000_000)
          writer.histogram(labels, table, series: series)
        } else {
          writer.sample(labels, Int64(1))
        }
      }
    }
    return page.render(format)
  }

  @Test func `each family is there once, and readable in both formats`() {
    #expect(Set(MetricCatalogue.all.map(\.name)).count == MetricCatalogue.all.count)
    #expect(Exposition(page(.text), openMetrics: false).problems == [])
    let read = Exposition(page(.openMetrics), openMetrics: true)
    #expect(read.problems == [])
    #expect(read.families.count == MetricCatalogue.all.count)
  }

  @Test(.enabled(if: TestSupport.hasProgram("promtool"), "needs promtool (Debian package prometheus)"))
  func `promtool check metrics is silent`() throws {
    let result = try ChildProcess.run("/usr/bin/promtool", ["check", "metrics"], input: page(.text))
    #expect(result.outputText + result.errorText == "")
    #expect(result.exitCode == 0)
  }

  @Test(.enabled(if: TestSupport.hasProgram("promtool"), "needs promtool (Debian package prometheus)"))
  func `promtool is silent on a page with ugly names`() throws {
    let recording = Recording()
    for (index, name) in ["q\"", "b\\", "n\nl", "r\rt", "z\0z", "🧶", String(repeating: "ü", count: 5000)].enumerated() {
      try recording.append([
        event("c\(index)", "t\(index)", type: name, handler: name),
        event("r\(index)", "t\(index)", cause: "c\(index)", type: name, handler: name, failure: .metadata),
      ])
    }
    let result = try ChildProcess.run("/usr/bin/promtool", ["check", "metrics"], input: recording.bytes(.text))
    #expect(result.outputText + result.errorText == "")
  }

  @Test func `what the recorder writes is in the catalogue`() {
    #expect(Set(MetricsRecorder.families.map(\.name)).isSubset(of: Set(MetricCatalogue.all.map(\.name))))
    #expect(Set(MetricsRecorder.families.map(\.name)).count == MetricsRecorder.families.count)
  }

  @Test func `an empty recorder gives a page without problems`() {
    #expect(
      Recording().page().samples.allSatisfy { $0.name.hasPrefix("clew_metric") || $0.name.hasPrefix("clew_state") })
  }

  @Test func `mistakes in bounds are told`() {
    var options = MetricsOptions()
    #expect(options.bucketMistake() == nil)
    for bad in [[], [1, 1], [2, 1], [-1], [.nan], [.infinity], Array(repeating: 1, count: 201)] as [[Double]] {
      options.buckets = ["clew_ingest_delay_seconds": bad]
      #expect(options.bucketMistake() != nil, "\(bad)")
    }
    options.buckets = ["clew_nonsense": [1]]
    #expect(options.bucketMistake() == "clew_nonsense is no histogram of Clew")
  }
}
