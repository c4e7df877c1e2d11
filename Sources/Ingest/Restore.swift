import EventModel
import EventSource
import HandlerMetrics
import Platform
public import TraceStore
import WireFormats

extension IngestPipeline {
  /// Rebuilds from the store what metrics must know across a restart: open traces and runs in flight. Counters stay 0.
  ///
  /// Bounded: traces with an event within the idle time, and the newest reports within a lease. Call before `start`.
  public func restoreMetrics() throws(StoreError) {
    guard let metrics else { return }
    metrics.restore(traces: try openTraces(metrics.options), reports: try recentReports(metrics.options))
  }

  private func openTraces(_ options: MetricsOptions) throws(StoreError) -> [RestoredTrace] {
    let since = clock.now().advanced(byNanoseconds: -Int64(options.traceIdleSeconds * 1e9))
    var restored: [RestoredTrace] = []
    try store.traces(in: TimeRange(since: since), after: nil) { (contents) throws(StoreError) -> Walk in
      guard let first = contents.records.first else { return .proceed }
      let root = contents.records.first { $0.cause == nil } ?? first
      let types = contents.names
      let isOver = contents.records.contains {
        options.completingTypes.contains(types[$0.type]) || options.failingTypes.contains(types[$0.type])
      }
      if !isOver {
        restored.append(
          RestoredTrace(
            correlation: contents.correlation.key, source: types[first.source], rootEventType: types[root.type],
            firstCreated: contents.records.map(\.created).min() ?? first.created,
            lastCreated: contents.records.map(\.created).max() ?? first.created,
            eventCount: contents.records.count))
      }
      return restored.count < options.openTracesMax ? .proceed : .stop
    }
    // Newest first as they come; the book wants the least active first.
    return restored.sorted { $0.lastCreated < $1.lastCreated }
  }

  private func recentReports(
    _ options: MetricsOptions
  ) throws(StoreError) -> [(report: HandlerReport, cause: ReportedCause?)] {
    let since = clock.now().advanced(byNanoseconds: -Int64(options.leaseSeconds * 1e9))
    var found: [(report: HandlerReport, cause: ReportedCause?)] = []
    // Reports are rare among events: a lease's worth of them lies within the last half million.
    var after = max(0, store.lastOrdinal - 500_000)
    while true {
      let page = try store.stream(HandlerReport.stream, after: after, limit: 1000, payload: true)
      for event in page where event.created >= since {
        guard let report = HandlerReport(stored: event) else { continue }
        found.append((report, nil))
      }
      guard let last = page.last, page.count == 1000 else { break }
      after = last.ordinal
      if found.count > options.runsMax { found.removeFirst(found.count - options.runsMax) }
    }
    for index in found.indices {
      found[index].cause = reportedCause(found[index].report.cause, source: found[index].report.source)
    }
    return found
  }
}

extension HandlerReport {
  /// A report as the store gives it back; nil for any other event.
  init?(stored event: StoredEvent) {
    guard event.eventClass == .report, let cause = event.cause, let handler = event.handler,
      let last = event.type.split(separator: ".").last, let state = State(rawValue: String(last))
    else { return nil }
    let data = event.data.flatMap { try? JSONValue.parse($0.bytes) }
    self.init(
      source: event.source, service: event.service ?? "", handler: handler, cause: cause,
      attempt: UInt32(clamping: data?["attempt"]?.int ?? 1), state: state, at: event.created,
      errorType: data?["errorType"]?.string, message: data?["message"]?.string)
  }
}
