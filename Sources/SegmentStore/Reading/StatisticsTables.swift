import EventModel
import TraceStore

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

/// Latencies and failures by names. Counts, minima and maxima are exact; percentiles too as long as no sketch was added
/// and there are not too many edges, else they are within 1 %, so that memory stays bounded.
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
    if edgeCount >= Self.exactEdgeCountMax && rows[edge.child].sketch == nil {
      rows[edge.child].sketch = LatencySketch()
    }
    if rows[edge.child].sketch == nil {
      rows[edge.child].latencies.append(edge.latency)
    } else {
      rows[edge.child].sketch?.add(edge.latency)
    }
  }

  mutating func add(_ edges: NumberedEdges) {
    reserve(edges.child)
    var sketch = takeSketch(edges.child)
    sketch.merge(edges.latencies)
    rows[edges.child].sketch = sketch
  }

  /// What the row has, as a sketch; the row is without it then.
  private mutating func takeSketch(_ row: Int) -> LatencySketch {
    var sketch = rows[row].sketch ?? LatencySketch()
    rows[row].sketch = nil
    for latency in rows[row].latencies { sketch.add(latency) }
    rows[row].latencies = []
    return sketch
  }

  mutating func addFailures(_ number: Int, _ count: Int) {
    reserve(number)
    rows[number].failureCount += count
  }

  private mutating func sketchAll() {
    for row in rows.indices { rows[row].sketch = takeSketch(row) }
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
