public import EventModel
public import PrometheusText

extension MetricsRecorder {
  /// Every family that `write` knows.
  public static let families: [MetricFamily] =
    [
      MetricCatalogue.eventsIngested, MetricCatalogue.eventsBackfilled, MetricCatalogue.eventsIngestedBytes,
      MetricCatalogue.eventsDropped, MetricCatalogue.ingestDelay, MetricCatalogue.eventSchemaVersions,
      MetricCatalogue.metricSeries, MetricCatalogue.metricSeriesLimit, MetricCatalogue.metricOverflow,
      MetricCatalogue.stateEvictions,
    ] + MetricCatalogue.source + MetricCatalogue.handler + MetricCatalogue.trace + MetricCatalogue.causality

  /// Writes one family, one consistent copy of it: the owner holds the lock meanwhile.
  ///
  /// - Precondition: the family is one of `families`.
  public func write(_ family: MetricFamily, into writer: inout MetricWriter, now: Timestamp) {
    if writeIngest(family, &writer) || writeSource(family, &writer) || writeHandler(family, &writer)
      || writeReported(family, &writer) || writeTrace(family, &writer, now) || writeCausality(family, &writer)
      || writeOwn(family, &writer)
    {
      return
    }
    preconditionFailure("\(family.name) is counted elsewhere")
  }

  private func writeIngest(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.eventsIngested: eventsIngested.table.write(into: &writer)
    case MetricCatalogue.eventsBackfilled: sources.backfilled.write(into: &writer)
    case MetricCatalogue.eventsIngestedBytes: sources.bytes.write(into: &writer)
    case MetricCatalogue.eventsDropped: sources.dropped.table.write(into: &writer)
    case MetricCatalogue.eventSchemaVersions: versions.table.write(into: &writer)
    case MetricCatalogue.ingestDelay:
      writeBySource(family, &writer) { index, labels, writer in
        ingestDelay.write(index, labels, options, into: &writer)
      }
    default: return false
    }
    return true
  }

  private func writeSource(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.sourceReconnects: sources.reconnects.table.write(into: &writer)
    case MetricCatalogue.sourceGaps: sources.gaps.write(into: &writer)
    case MetricCatalogue.sourceConnected: writeGauge(family, &writer) { $0.connected.map { $0 ? 1 : 0 } }
    case MetricCatalogue.sourceCatchingUp: writeGauge(family, &writer) { $0.catchingUp.map { $0 ? 1 : 0 } }
    case MetricCatalogue.sourceHeadPosition: writeGauge(family, &writer) { $0.headPosition }
    case MetricCatalogue.sourceLagEvents: writeGauge(family, &writer) { $0.lagEvents }
    case MetricCatalogue.sourceHeadObserved:
      writeGauge(family, &writer, isTime: true) { $0.headObservedNanoseconds }
    case MetricCatalogue.sourceLagSeconds: writeGauge(family, &writer, isTime: true) { $0.lagNanoseconds }
    case MetricCatalogue.sourcePosition:
      let known = sources
      writeBySource(family, &writer) { index, labels, writer in
        if let position = known.position[index] { writer.sample(labels, position) }
      }
    case MetricCatalogue.sourceLastEvent:
      let known = sources
      writeBySource(family, &writer) { index, labels, writer in
        if let newest = known.newest[index] { writer.sample(labels, nanoseconds: newest.nanoseconds) }
      }
    default: return false
    }
    return true
  }

  /// Writes a family whose value may be missing for a source. The order is taken first: `body` reads the tables.
  private func writeBySource(
    _ family: MetricFamily, _ writer: inout MetricWriter, _ body: (Int, [UInt8], inout MetricWriter) -> Void
  ) {
    let order = sources.gaps.sorted()
    writer.begin(family)
    for index in order { body(Int(index), sources.labels[Int(index)], &writer) }
  }

  private func writeGauge(
    _ family: MetricFamily, _ writer: inout MetricWriter, isTime: Bool = false, _ value: (SourceGauges) -> Int64?
  ) {
    // A copy: writing sorts inside `sources`, which must not be read at the same time.
    let known = sources
    writeBySource(family, &writer) { index, labels, writer in
      guard let value = value(known.gauges[index]) else { return }
      if isTime { writer.sample(labels, nanoseconds: value) } else { writer.sample(labels, value) }
    }
  }

  private func writeHandler(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.handlerExecutions: handlers.executions.table.write(into: &writer)
    case MetricCatalogue.handlerFailures: handlers.failures.table.write(into: &writer)
    case MetricCatalogue.handlerReactions: handlers.reactions.table.write(into: &writer)
    case MetricCatalogue.handlerRetries: handlers.retries.table.write(into: &writer)
    case MetricCatalogue.handlerClockSkew: handlers.clockSkew.write(into: &writer)
    case MetricCatalogue.handlerInfo: handlers.info.write(into: &writer)
    case MetricCatalogue.handlerReactionLatency:
      writeByHandler(family, &writer) { handler, labels, writer in
        handlers.latency.write(handler, labels, options, into: &writer)
      }
    case MetricCatalogue.handlerLastReaction:
      writeByHandler(family, &writer) { handler, labels, writer in
        if let last = handlers.lastReaction[handler] { writer.sample(labels, nanoseconds: last.nanoseconds) }
      }
    default: return false
    }
    return true
  }

  private func writeReported(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.handlerInflight:
      writeByReporting(family, &writer) { handler, _, labels, writer in
        writer.sample(labels, handlers.reported.inflight[handler])
      }
    case MetricCatalogue.handlerQueueWait:
      writeByReporting(family, &writer) { _, series, labels, writer in
        handlers.reported.queueWait.write(series, labels, options, into: &writer)
      }
    case MetricCatalogue.handlerProcessing:
      writeByReporting(family, &writer) { _, series, labels, writer in
        handlers.reported.processing.write(series, labels, options, into: &writer)
      }
    case MetricCatalogue.handlerCriticalTime:
      writeByReporting(family, &writer) { _, series, labels, writer in
        handlers.reported.criticalTime.write(series, labels, options, into: &writer)
      }
    default: return false
    }
    return true
  }

  private func writeByHandler(
    _ family: MetricFamily, _ writer: inout MetricWriter, _ body: (Int, [UInt8], inout MetricWriter) -> Void
  ) {
    writer.begin(family)
    for handler in handlers.clockSkew.sorted() {
      body(Int(handler), handlers.clockSkew.labels[Int(handler)], &writer)
    }
  }

  private func writeByReporting(
    _ family: MetricFamily, _ writer: inout MetricWriter, _ body: (Int, Int, [UInt8], inout MetricWriter) -> Void
  ) {
    writeByHandler(family, &writer) { handler, labels, writer in
      let series = Int(handlers.reported.series[handler])
      if series >= 0 { body(handler, series, labels, &writer) }
    }
  }

  private func writeTrace(_ family: MetricFamily, _ writer: inout MetricWriter, _ now: Timestamp) -> Bool {
    switch family {
    case MetricCatalogue.tracesStarted: traces.started.write(into: &writer)
    case MetricCatalogue.tracesClosed: traces.closed.table.write(into: &writer)
    case MetricCatalogue.traceDuration: traces.writeDurations(into: &writer)
    case MetricCatalogue.traceSize:
      writeBySource(family, &writer) { index, labels, writer in
        traces.size.write(index, labels, options, into: &writer)
      }
    case MetricCatalogue.tracesOpen, MetricCatalogue.tracesStuck, MetricCatalogue.tracesOldestOpen:
      writeOpenTraces(family, &writer, now)
    default: return false
    }
    return true
  }

  private func writeOpenTraces(_ family: MetricFamily, _ writer: inout MetricWriter, _ now: Timestamp) {
    var open = [Int64](repeating: 0, count: sources.count)
    var stuck = open
    var oldest = [Timestamp?](repeating: nil, count: sources.count)
    let limit = Int64(options.traceStuckSeconds * 1e9)
    traces.forEachOpen { trace in
      open[trace.source] += 1
      if now.since(trace.opened) > limit { stuck[trace.source] += 1 }
      oldest[trace.source] = min(oldest[trace.source] ?? trace.first, trace.first)
    }
    writeBySource(family, &writer) { index, labels, writer in
      switch family {
      case MetricCatalogue.tracesOpen: writer.sample(labels, open[index])
      case MetricCatalogue.tracesStuck: writer.sample(labels, stuck[index])
      default: if let first = oldest[index] { writer.sample(labels, nanoseconds: first.nanoseconds) }
      }
    }
  }

  private func writeCausality(_ family: MetricFamily, _ writer: inout MetricWriter) -> Bool {
    switch family {
    case MetricCatalogue.causalEdges: causality.edges.table.write(into: &writer)
    case MetricCatalogue.causationMissing: causality.missing.table.write(into: &writer)
    case MetricCatalogue.causationOrphans: causality.orphans.table.write(into: &writer)
    case MetricCatalogue.causationUnresolved: causality.unresolved.write(into: &writer)
    case MetricCatalogue.causationConflicts: causality.conflicts.table.write(into: &writer)
    default: return false
    }
    return true
  }
}
