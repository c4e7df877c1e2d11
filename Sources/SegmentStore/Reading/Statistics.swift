import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    let view = try view()
    var tables = StatisticsTables()
    let names = LabelNumbers()
    try view.forEachEdge(in: range, names) { edge in tables.add(edge) }
    try view.forEachFailure(in: range, names) { child, count in tables.addFailures(child, count) }
    return tables.handlerStatistics(names)
  }

  public func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] {
    let view = try view()
    let names = LabelNumbers()
    var counts: [[Int]: (count: Int, failures: Int)] = [:]
    try view.forEachEdge(in: range, names) { edge in
      let key = [edge.child, edge.causeType]
      counts[key, default: (0, 0)].count += 1
      if edge.isFailure { counts[key, default: (0, 0)].failures += 1 }
    }
    let rows = counts.map { key, value in
      let child = names.keys[key[0]]
      return FlowEdge(
        source: child.source, causeType: names.types[key[1]], service: child.service, handler: child.handler,
        effectType: child.type, count: value.count, failureCount: value.failures)
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
    counters.sealWaits = figures.sealWaits
    counters.merges = figures.merges
    counters.mergedBytesRead = figures.mergedBytesRead
    counters.mergedBytesWritten = figures.mergedBytesWritten
    counters.eventsMerged = figures.eventsMerged
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
    counters.lateAssignmentCount = state.late.count
  }
}

/// What statistics are grouped by: names as bytes, for Swift takes texts for equal that only look the same.
struct LabelKey: Hashable {
  let source: String
  let service: String
  let handler: String
  let type: String

  init(_ labels: EventLabels) {
    source = labels.source
    service = labels.service
    handler = labels.handler
    type = labels.type
  }

  private var names: [String] { [source, service, handler, type] }

  static func == (a: Self, b: Self) -> Bool {
    zip(a.names, b.names).allSatisfy { $0.utf8.elementsEqual($1.utf8) }
  }

  func hash(into hasher: inout Hasher) {
    for name in names {
      for byte in name.utf8 { hasher.combine(byte) }
      hasher.combine(UInt8.max)
    }
  }
}

/// Numbers for the names of one answer: each file has label numbers of its own, and names are compared once for each
/// file and not for each edge.
final class LabelNumbers {
  private(set) var keys: [LabelKey] = []
  private(set) var types: [String] = []
  private var numbers: [LabelKey: Int] = [:]
  private var typeNumbers: [[UInt8]: Int] = [:]

  /// The numbers of names, and of the type among them.
  func number(_ labels: EventLabels) -> (label: Int, type: Int) {
    let key = LabelKey(labels)
    let type = Array(labels.type.utf8)
    if numbers[key] == nil {
      numbers[key] = keys.count
      keys.append(key)
    }
    if typeNumbers[type] == nil {
      typeNumbers[type] = types.count
      types.append(labels.type)
    }
    return (numbers[key] ?? 0, typeNumbers[type] ?? 0)
  }
}

/// One edge with the numbers of its names.
struct NumberedEdge {
  var child: Int
  var causeType: Int
  var latency: Int64
  var isFailure: Bool
}

extension StoreView {
  /// Calls `body` with every edge whose child was created in the range.
  func forEachEdge(
    in range: TimeRange, _ names: LabelNumbers, _ body: (NumberedEdge) -> Void
  ) throws(StoreError) {
    for segment in segments where !segment.isDamaged {
      try reading(segment) { (reader) throws(StoreError) in
        var numbers: [UInt32: (label: Int, type: Int)] = [:]
        for (index, labels) in try reader.labels() { numbers[index] = names.number(labels) }
        try reader.forEachEdge(in: range) { edge in
          if late.isVoid(edge.childOrdinal, in: segment.row.firstOrdinal) { return }
          if let child = numbers[edge.childLabel], let cause = numbers[edge.causeLabel] {
            body(numbered(edge, child.label, cause.type))
          }
        }
      }
    }
    for generation in generations {
      let (edges, numbers) = hot(generation, names)
      for edge in edges where range.contains(edge.childCreated) {
        if late.isVoid(edge.childOrdinal, in: generation.index.firstOrdinal) { continue }
        if let child = numbers[edge.childLabel], let cause = numbers[edge.causeLabel] {
          body(numbered(edge, child.label, cause.type))
        }
      }
    }
  }

  private func numbered(_ edge: SegmentEdge, _ child: Int, _ causeType: Int) -> NumberedEdge {
    NumberedEdge(child: child, causeType: causeType, latency: edge.latency, isFailure: edge.childFailure != .none)
  }

  /// The edges of a hot file, and the names they use; taken inside the lock, in one go.
  private func hot(
    _ generation: HotGeneration, _ names: LabelNumbers
  ) -> ([SegmentEdge], [UInt32: (label: Int, type: Int)]) {
    store.lock.withLock {
      var edges: [SegmentEdge] = []
      var numbers: [UInt32: (label: Int, type: Int)] = [:]
      generation.index.forEachEdge { edge in
        edges.append(edge)
        if numbers[edge.childLabel] == nil { numbers[edge.childLabel] = names.number(labels(edge.childLabel)) }
        if numbers[edge.causeLabel] == nil { numbers[edge.causeLabel] = names.number(labels(edge.causeLabel)) }
      }
      return (edges, numbers)
    }
  }

  /// Inside the store's lock.
  private func labels(_ label: UInt32) -> EventLabels {
    store.state.labels.names(label) { store.state.sources.name($0) }
  }

  /// Calls `body` with the names of failed events that were created in the range, and how many they are.
  func forEachFailure(
    in range: TimeRange, _ names: LabelNumbers, _ body: (Int, Int) -> Void
  ) throws(StoreError) {
    for segment in segments where !segment.isDamaged {
      try reading(segment) { (reader) throws(StoreError) in
        var numbers: [UInt32: Int] = [:]
        for (index, labels) in try reader.labels() { numbers[index] = names.number(labels).label }
        try reader.forEachFailure(in: range) { failure in
          if let number = numbers[failure.label] { body(number, 1) }
        }
      }
    }
    for generation in generations {
      var counts: [UInt32: Int] = [:]
      store.lock.withLock {
        generation.index.forEachFailure { label, created in
          if range.contains(created) { counts[label, default: 0] += 1 }
        }
        for (label, count) in counts { body(names.number(labels(label)).label, count) }
      }
    }
    for correction in late.corrections where range.contains(correction.created) {
      body(names.number(correction.labels).label, correction.delta)
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
  private var edgeCount = 0

  private mutating func reserve(_ number: Int) {
    while rows.count <= number { rows.append(Row()) }
  }

  mutating func add(_ edge: NumberedEdge) {
    reserve(edge.child)
    edgeCount += 1
    if edgeCount == Self.exactEdgeCountMax { sketchAll() }
    if edgeCount >= Self.exactEdgeCountMax {
      if rows[edge.child].sketch == nil { rows[edge.child].sketch = LatencySketch() }
      rows[edge.child].sketch?.add(edge.latency)
    } else {
      rows[edge.child].latencies.append(edge.latency)
    }
  }

  mutating func addFailures(_ number: Int, _ count: Int) {
    reserve(number)
    rows[number].failureCount += count
  }

  private mutating func sketchAll() {
    for row in rows.indices {
      var sketch = LatencySketch()
      for latency in rows[row].latencies { sketch.add(latency) }
      rows[row].latencies = []
      rows[row].sketch = sketch
    }
  }

  func handlerStatistics(_ names: LabelNumbers) -> [HandlerStatistics] {
    var all: [HandlerStatistics] = []
    for (number, row) in rows.enumerated() {
      let count = row.sketch?.count ?? row.latencies.count
      if count > 0 || row.failureCount > 0 { all.append(statistics(names.keys[number], row)) }
    }
    return all.sorted { $0.isBefore($1) }
  }

  private func statistics(_ key: LabelKey, _ row: Row) -> HandlerStatistics {
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
}
