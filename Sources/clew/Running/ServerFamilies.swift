import HandlerMetrics
import HTTPServer
import Platform
import PrometheusText

/// Writes what the HTTP server counts onto the metrics page. The server is made after the API that serves the page, so
/// it is handed over later.
final class ServerFamilies: Sendable {
  private let server = Locked<HTTPServer?>(nil)

  func use(_ server: HTTPServer) { self.server.withLock { $0 = server } }

  /// Breaks the circle of server, API and page.
  func release() { server.withLock { $0 = nil } }

  func add(to page: inout MetricPage) {
    guard let counters = server.withLock({ $0?.counters }) else { return }
    page.add(MetricCatalogue.httpConnections, value: Double(counters.connectionsOpen))
    page.add(MetricCatalogue.httpConnectionsAccepted, value: Double(counters.connectionsAccepted))
    page.add(
      MetricCatalogue.httpConnectionsCut,
      [
        (["evicted"], Double(counters.connectionsEvicted)),
        (["limit"], Double(counters.connectionsRejected)),
        (["no_request"], Double(counters.connectionsWithoutRequest)),
        (["stalled_reader"], Double(counters.readersStalled)),
        (["timeout"], Double(counters.connectionsTimedOut)),
      ])
    page.add(
      MetricCatalogue.httpRefusals,
      HTTPServerCounters.Refusal.allCases.sorted { $0.rawValue < $1.rawValue }
        .map { ([$0.rawValue], Double(counters.refusals[$0] ?? 0)) })
    page.add(MetricCatalogue.httpStreams, value: Double(counters.streamsOpen))
    page.add(MetricCatalogue.httpBodyBytes, value: Double(counters.bodyBytesInFlight))
    page.add(
      MetricCatalogue.httpCertificateReloads,
      [
        (["refused"], Double(counters.certificateReloadFailures)),
        (["used"], Double(counters.certificateReloads)),
      ])
  }
}
