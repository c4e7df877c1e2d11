import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    let view = try view()
    var tables = StatisticsTables()
    try view.forEachEdge(in: range) { edge in tables.add(edge) }
    try view.forEachFailure(in: range) { child in tables.addFailure(child) }
    return tables.handlerStatistics()
  }

  public func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] {
    let view = try view()
    struct Key: Hashable {
      var child: LabelKey
      var causeType: String
    }
    var counts: [Key: (count: Int, failures: Int)] = [:]
    try view.forEachEdge(in: range) { edge in
      let key = Key(child: edge.child, causeType: edge.causeType)
      counts[key, default: (0, 0)].count += 1
      if edge.isFailure { counts[key, default: (0, 0)].failures += 1 }
    }
    let rows = counts.map { key, value in
      FlowEdge(
        source: key.child.source, causeType: key.causeType, service: key.child.service, handler: key.child.handler,
        effectType: key.child.type, count: value.count, failureCount: value.failures)
    }
    return rows.sorted { $0.isBefore($1) }
  }

  public func statistics() throws(StoreError) -> StoreStatistics {
    try requireOpen()
    var statistics = lock.withLock { hotStatistics() }
    let bytes = try mapping { () throws(FileError) in try DirectoryLayout.bytesByKind(directory) }
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
    statistics.damagedSegmentCount += state.quarantined.count + state.damagedHot.count
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
    counters.syncs = figures.syncs
    counters.transactionCount = figures.transactionCount
    counters.writeErrorsByOperation = figures.writeErrors
    counters.segmentsDropped = figures.segmentsDropped
    counters.eventsDropped = figures.eventsDropped
    lock.withLock { fill(&counters) }
    counters.bytesByKind = (try? DirectoryLayout.bytesByKind(directory)) ?? [:]
    if let volume = try? Files.volume(directory) {
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
    counters.lateAssignmentCount = state.late.count
  }
}

/// What statistics are grouped by.
struct LabelKey: Hashable {
  var source: String
  var service: String
  var handler: String
  var type: String

  init(_ labels: EventLabels) {
    source = labels.source
    service = labels.service
    handler = labels.handler
    type = labels.type
  }
}

/// One edge with its names.
struct NamedEdge {
  var child: LabelKey
  var causeType: String
  var latency: Int64
  var isFailure: Bool
}

extension StoreView {
  /// Calls `body` with every edge whose child was created in the range.
  func forEachEdge(in range: TimeRange, _ body: (NamedEdge) -> Void) throws(StoreError) {
    for segment in segments where !segment.isDamaged {
      try reading(segment) { (reader) throws(StoreError) in
        var names: [UInt32: LabelKey] = [:]
        for (index, labels) in try reader.labels() { names[index] = LabelKey(labels) }
        let void = LabelKey(EventLabels(source: "", service: "", handler: "", type: "", identity: .none))
        try reader.forEachEdge(in: range) { edge in
          if isVoid(edge.childOrdinal, in: segment.row.firstOrdinal) { return }
          body(
            NamedEdge(
              child: names[edge.childLabel] ?? void, causeType: names[edge.causeLabel]?.type ?? "",
              latency: edge.latency, isFailure: edge.childFailure != .none))
        }
      }
    }
    for generation in generations {
      let (edges, names) = hot(generation)
      for edge in edges where range.contains(edge.childCreated) {
        if isVoid(edge.childOrdinal, in: generation.index.firstOrdinal) { continue }
        guard let child = names[edge.childLabel], let cause = names[edge.causeLabel] else { continue }
        body(
          NamedEdge(
            child: child, causeType: cause.type, latency: edge.latency, isFailure: edge.childFailure != .none))
      }
    }
  }

  /// A later move took the edge back.
  private func isVoid(_ child: Int64, in firstOrdinal: Int64) -> Bool { late.isVoid(child, in: firstOrdinal) }

  /// The edges of a hot file, and the names they use; taken inside the lock, in one go.
  private func hot(_ generation: HotGeneration) -> ([SegmentEdge], [UInt32: LabelKey]) {
    store.lock.withLock {
      var edges: [SegmentEdge] = []
      var names: [UInt32: LabelKey] = [:]
      generation.index.forEachEdge { edges.append($0) }
      for edge in edges {
        for label in [edge.childLabel, edge.causeLabel] where names[label] == nil { names[label] = name(label) }
      }
      return (edges, names)
    }
  }

  /// Inside the store's lock.
  private func name(_ label: UInt32) -> LabelKey {
    LabelKey(store.state.labels.names(label) { store.state.sources.name($0) })
  }

  /// Calls `body` with the names of every failed event that was created in the range.
  func forEachFailure(in range: TimeRange, _ body: (LabelKey) -> Void) throws(StoreError) {
    for segment in segments where !segment.isDamaged {
      try reading(segment) { (reader) throws(StoreError) in
        var names: [UInt32: LabelKey] = [:]
        for (index, labels) in try reader.labels() { names[index] = LabelKey(labels) }
        try reader.forEachFailure(in: range) { failure in
          if let name = names[failure.label] { body(name) }
        }
      }
    }
    for generation in generations {
      let counts = store.lock.withLock { () -> [LabelKey: Int] in
        var counts: [UInt32: Int] = [:]
        generation.index.forEachFailure { label, created in
          if range.contains(created) { counts[label, default: 0] += 1 }
        }
        var named: [LabelKey: Int] = [:]
        for (label, count) in counts { named[name(label), default: 0] += count }
        return named
      }
      for (name, count) in counts { for _ in 0..<count { body(name) } }
    }
  }
}

/// Latencies and failures by names. Exact up to a number of edges; beyond, percentiles come from sketches (within 1 %),
/// so that memory stays bounded.
struct StatisticsTables {
  static let exactEdgeCountMax = 4_000_000

  private struct Row {
    var latencies: [Int64] = []
    var sketch: LatencySketch?
    var failureCount = 0
  }

  private var rows: [Row] = []
  private var numbers: [LabelKey: Int] = [:]
  private var lastKey: LabelKey?
  private var lastNumber = 0
  private var edgeCount = 0

  private mutating func number(_ key: LabelKey) -> Int {
    if let known = numbers[key] { return known }
    numbers[key] = rows.count
    rows.append(Row())
    return rows.count - 1
  }

  mutating func add(_ edge: NamedEdge) {
    let row = number(edge.child)
    edgeCount += 1
    if edgeCount == Self.exactEdgeCountMax { sketchAll() }
    if edgeCount >= Self.exactEdgeCountMax {
      rows[row].sketch = rows[row].sketch ?? LatencySketch()
      rows[row].sketch?.add(edge.latency)
    } else {
      rows[row].latencies.append(edge.latency)
    }
  }

  mutating func addFailure(_ key: LabelKey) { rows[number(key)].failureCount += 1 }

  private mutating func sketchAll() {
    for row in rows.indices {
      var sketch = LatencySketch()
      for latency in rows[row].latencies { sketch.add(latency) }
      rows[row].latencies = []
      rows[row].sketch = sketch
    }
  }

  func handlerStatistics() -> [HandlerStatistics] {
    let all = numbers.map { key, number -> HandlerStatistics in
      let row = rows[number]
      if let sketch = row.sketch {
        let ranked = sketch.quantiles([0.5, 0.9, 0.99])
        return HandlerStatistics(
          source: key.source, service: key.service, handler: key.handler, eventType: key.type, count: sketch.count,
          negativeCount: sketch.negativeCount, failureCount: row.failureCount, minimum: sketch.minimum,
          p50: ranked[0], p90: ranked[1], p99: ranked[2], maximum: sketch.maximum)
      }
      let sorted = row.latencies.sorted()
      func ranked(_ q: Double) -> Int64? {
        sorted.isEmpty ? nil : sorted[LatencySketch.rank(q, sorted.count) - 1]
      }
      return HandlerStatistics(
        source: key.source, service: key.service, handler: key.handler, eventType: key.type, count: sorted.count,
        negativeCount: sorted.prefix { $0 < 0 }.count, failureCount: row.failureCount, minimum: sorted.first,
        p50: ranked(0.5), p90: ranked(0.9), p99: ranked(0.99), maximum: sorted.last)
    }
    return all.sorted { $0.isBefore($1) }
  }
}
