import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    let names = LabelNumbers()
    var tables = StatisticsTables()
    try view().forEachFigure(in: range, names) { figure in
      switch figure {
      case .edge(let edge): tables.add(edge)
      case .edges(let edges): tables.add(edges)
      case .failures(let label, let count): tables.addFailures(label, count)
      }
    }
    return tables.handlerStatistics(names)
  }

  public func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] {
    let names = LabelNumbers()
    var counts: [UInt64: (count: Int, failures: Int)] = [:]
    func add(_ child: Int, _ causeType: Int, _ count: Int, _ failures: Int) {
      let key = UInt64(child) << 32 | UInt64(causeType)
      let old = counts[key] ?? (0, 0)
      counts[key] = (old.count + count, old.failures + failures)
    }
    try view().forEachFigure(in: range, names) { figure in
      switch figure {
      case .edge(let edge): add(edge.child, edge.causeType, 1, edge.isFailure ? 1 : 0)
      case .edges(let edges): add(edges.child, edges.causeType, edges.latencies.count, edges.failureCount)
      case .failures: break
      }
    }
    let rows = counts.map { key, value in
      let child = names.keys[Int(key >> 32)]
      return FlowEdge(
        source: child.source, causeType: names.types[Int(key & 0xffff_ffff)], service: child.service,
        handler: child.handler, effectType: child.type, count: value.count, failureCount: value.failures)
    }
    return rows.sorted { $0.isBefore($1) }
  }

  public func statistics() throws(StoreError) -> StoreStatistics {
    try requireOpen()
    var statistics = lock.withLock { hotStatistics() }
    let bytes = try mapping { () throws(FileError) in try DirectoryLayout.bytesByKind(directory, fileSystem) }
    statistics.bytesByKind = bytes
    statistics.storedBytes = bytes.values.reduce(0, +)
    return statistics
  }

  private func hotStatistics() -> StoreStatistics {
    var statistics = StoreStatistics()
    func note(_ first: Timestamp, _ last: Timestamp) {
      statistics.oldestEvent = min(statistics.oldestEvent ?? first, first)
      statistics.newestEvent = max(statistics.newestEvent ?? last, last)
    }
    for segment in state.segments {
      if segment.isDamaged {
        statistics.damagedSegmentCount += 1
        continue
      }
      let row = segment.row
      statistics.eventCount += row.eventCount
      statistics.reportCount += row.reportCount
      statistics.traceCount += row.startedTraceCount
      statistics.rawBytes += row.rawBytes
      statistics.segmentCount += 1
      if row.eventCount > 0 { note(row.firstCreated, row.lastCreated) }
    }
    for generation in state.generations {
      let count = generation.index.count - generation.index.reportCount
      statistics.eventCount += count
      statistics.hotEventCount += count
      statistics.reportCount += generation.index.reportCount
      statistics.traceCount += generation.index.startedTraceCount
      statistics.rawBytes += generation.index.rawBytes
      if count > 0 { note(generation.index.firstCreated, generation.index.lastCreated) }
    }
    statistics.damagedSegmentCount += state.quarantined.count + state.lostNames.count
    statistics.unresolvedCount = state.waiting.unresolvedCount
    statistics.unresolvedDropped = state.waiting.droppedCount
    return statistics
  }

  /// The figures behind the store metrics.
  public var counters: SegmentStoreCounters {
    var counters = SegmentStoreCounters()
    let figures = figures.withLock { $0 }
    counters.rawBytesAppended = figures.rawBytesAppended
    counters.rawBytesSealed = figures.rawBytesSealed
    counters.bytesSealed = figures.bytesSealed
    counters.eventsSealed = figures.eventsSealed
    counters.seals = figures.seals
    counters.sealFailureCount = figures.sealFailureCount
    counters.sealWaits = figures.sealWaits
    counters.merges = figures.merges
    counters.mergedBytesRead = figures.mergedBytesRead
    counters.mergedBytesWritten = figures.mergedBytesWritten
    counters.eventsMerged = figures.eventsMerged
    let held = limiter?.figures ?? SegmentLimiter.Figures()
    counters.segmentConnectionCount = held.connectionCount
    counters.segmentCacheBytes = held.bytes
    counters.segmentReleaseCount = held.releaseCount
    counters.mergeFailureCount = figures.mergeFailureCount
    counters.syncs = figures.syncs
    counters.transactionCount = figures.transactionCount
    counters.writeErrorsByOperation = figures.writeErrors
    counters.segmentsDropped = figures.segmentsDropped
    counters.eventsDropped = figures.eventsDropped
    lock.withLock { fill(&counters) }
    counters.bytesByKind = (try? DirectoryLayout.bytesByKind(directory, fileSystem)) ?? [:]
    if let volume = try? fileSystem.volume(directory) {
      counters.volumeAvailableBytes = volume.available
      counters.volumeCapacityBytes = volume.capacity
    }
    return counters
  }

  private func fill(_ counters: inout SegmentStoreCounters) {
    let statistics = hotStatistics()
    counters.segmentsByState = [
      "hot": state.generations.count, "live": statistics.segmentCount, "quarantined": statistics.damagedSegmentCount,
    ]
    counters.oldestEvent = statistics.oldestEvent
    counters.hotEventCount = statistics.hotEventCount
    counters.hotIndexBytes =
      state.generations.reduce(0) { $0 + $1.index.memoryBytes } + state.waiting.memoryBytes
    counters.unresolvedCount = statistics.unresolvedCount
    counters.unresolvedDropped = statistics.unresolvedDropped
    counters.labelCount = state.labels.count
    counters.labelOverflowCount = state.labels.overflowCount
    counters.lateChangesByKind = [
      "trace": state.late.assignmentCount, "edge": state.late.voidCount, "failure": state.late.correctionCount,
      "waiting": state.reworked.count,
    ]
    counters.lateRefusalsByKind = [
      "trace": state.refused.traces, "edge": state.refused.edges, "failure": state.refused.failures,
      "waiting": state.refused.waiting,
    ]
  }
}
