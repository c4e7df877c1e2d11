import PrometheusText

extension MetricsRecorder {
  /// One bounded family, with its label sets, its bound, and what was folded.
  private struct Bounded {
    var family: MetricFamily
    var count: Int
    var max: Int
    /// By bit of `Folded`: measurements that went into a folded series.
    var folded: [(bit: UInt8, measurements: Int64)]
  }

  func writeOwn(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.metricSeries:
      writer.begin(family)
      for bounded in boundedFamilies() {
        writer.sample(family.rendered([bounded.family.name]), Int64(bounded.count))
      }
    case MetricCatalogue.metricSeriesLimit:
      writer.begin(family)
      for bounded in boundedFamilies() { writer.sample(family.rendered([bounded.family.name]), Int64(bounded.max)) }
    case MetricCatalogue.metricOverflow:
      writer.begin(family)
      for bounded in boundedFamilies() {
        for fold in bounded.folded {
          writer.sample(family.rendered([bounded.family.name, Folded.name(fold.bit)]), fold.measurements)
        }
      }
    case MetricCatalogue.stateEvictions:
      writer.begin(family)
      for (table, count) in evictions() { writer.sample(family.rendered([table]), count) }
    default: return false
    }
    return true
  }

  private func evictions() -> [(String, Int64)] {
    [
      ("executions", pairs.executions.evictedCount), ("open_traces", traces.evictedCount),
      ("reactions", pairs.reactions.evictedCount), ("revisions", revisions.evictedCount),
      ("runs", runs.evictedCount), ("waiting", waiting.evictedCount),
      ("waiting_reports", runs.evictedReportCount),
    ]
  }

  /// By name of the family.
  private func boundedFamilies() -> [Bounded] {
    func counter(_ table: SeriesTable, _ max: Int, _ bits: [UInt8]) -> Bounded {
      Bounded(family: table.family, count: table.count, max: max, folded: bits.map { ($0, table.foldedSum($0)) })
    }
    let type = [Folded.eventType]
    let both = [Folded.eventType, Folded.handler]
    let sets = options.labelSetsMax
    var all = [
      counter(eventsIngested.table, sets, type), counter(causality.missing.table, sets, type),
      counter(causality.orphans.table, sets, type), counter(versions.table, sets, type + [Folded.version]),
      counter(handlers.executions.table, sets, both), counter(handlers.failures.table, sets, both),
      counter(handlers.reactions.table, sets, both),
      counter(causality.edges.table, options.edgeLabelSetsMax, both),
      counter(handlers.clockSkew, sets, [Folded.handler]),
    ]
    let overflowing = (0..<handlers.clockSkew.count).filter { handlers.clockSkew.folded[$0] != 0 }
    all.append(
      Bounded(
        family: MetricCatalogue.handlerReactionLatency, count: handlers.clockSkew.count, max: sets,
        folded: [(Folded.handler, overflowing.reduce(0) { $0 + Int64(handlers.latency.table.total($1)) })]))
    all.append(
      Bounded(
        family: MetricCatalogue.handlerRetries, count: handlers.retries.table.count,
        max: sets * RetryReason.allCases.count,
        folded: [
          (
            Folded.handler,
            overflowing.reduce(0) { sum, handler in
              sum + RetryReason.allCases.reduce(0) { $0 + handlers.retries[handler, $1] }
            }
          )
        ]))
    let durations = traces.durationLabels
    all.append(
      Bounded(
        family: MetricCatalogue.traceDuration, count: durations.count, max: options.rootTypesMax,
        folded: [
          (
            Folded.eventType,
            (0..<durations.count).filter { durations.folded[$0] != 0 }
              .reduce(0) { $0 + Int64(traces.duration.table.total($1)) }
          )
        ]))
    return all.sorted { $0.family.name < $1.family.name }
  }
}
