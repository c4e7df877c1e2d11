import EventModel
import HTTPServer
import HandlerMetrics
import Ingest
import Platform
import PrometheusText
import TraceStore

extension ClewAPI {
  #if compiler(>=6.4)
    private static let swiftVersion = "6.4"
  #elseif compiler(>=6.3)
    private static let swiftVersion = "6.3"
  #else
    private static let swiftVersion = "6.2"
  #endif

  /// What the exposition before took and had, to say and to make room for.
  struct LastScrape: Sendable {
    var seconds: Double?
    var byteCount = 0
  }

  func metricsPage(_ call: Call) -> HTTPResponse {
    let started = Instant.now
    let before = lastScrape.withLock { $0 }
    let format = ExpositionFormat.negotiate(accept: call.request.header("accept"))
    var page = MetricPage()
    metrics?.addFamilies(to: &page)
    storeCounters?().add(to: &page)
    moreFamilies?(&page)
    addOwn(before, to: &page)
    Self.add([exports, trees.huge, lookUps, scans].map(\.figures), to: &page)
    ProcessFigures.read().add(to: &page)
    let bytes = page.render(format, capacity: before.byteCount + before.byteCount / 8)
    let seconds = Instant.now.seconds(since: started)
    lastScrape.withLock { $0 = LastScrape(seconds: seconds, byteCount: bytes.count) }
    return HTTPResponse(
      status: 200, headers: [("content-type", format.contentType), ("vary", "accept")], body: .bytes(bytes))
  }

  private static func add(_ gates: [Gate.Figures], to page: inout MetricPage) {
    page.add(MetricCatalogue.queryGatePlaces, gates.map { (labels: [$0.name], value: Double($0.places)) })
    page.add(MetricCatalogue.queryGateWaiting, gates.map { (labels: [$0.name], value: Double($0.waiting)) })
    page.add(MetricCatalogue.queryGateRefusals, gates.map { (labels: [$0.name], value: Double($0.refusals)) })
    var table = HistogramTable(bounds: StoreCounters.Durations.bounds)
    for gate in gates {
      _ = table.addSeries(bucketCounts: gate.waits.bucketCounts, sumUnits: gate.waits.sumNanoseconds)
    }
    let made = table
    let family = MetricCatalogue.queryGateWait
    page.add(family) { writer in
      writer.begin(family)
      for (series, gate) in gates.enumerated() { writer.histogram(family.rendered([gate.name]), made, series: series) }
    }
  }

  private func addOwn(_ before: LastScrape, to page: inout MetricPage) {
    page.add(
      MetricCatalogue.buildInfo, [(labels: [options.version, options.revision, Self.swiftVersion], value: 1)])
    if let seconds = before.seconds { page.add(MetricCatalogue.scrapeDuration, value: seconds) }
    if let loaded = options.configurationLoadedAt {
      page.add(MetricCatalogue.configReload, value: loaded.secondsSinceEpoch)
    }
  }
}
