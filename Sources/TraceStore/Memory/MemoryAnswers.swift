internal import EventModel

/// Names by which figures are grouped, as bytes: source, service, handler, type, and for flow the cause's type. By which
/// rule the handler was found does not matter.
private struct NameKey: Hashable {
  private var names: [[UInt8]]

  init(_ labels: EventLabels, causeType: String = "") {
    names = [labels.source, labels.service, labels.handler, labels.type, causeType].map { Array($0.utf8) }
  }

  func text(_ index: Int) -> String { String(decoding: names[index], as: UTF8.self) }
}

extension MemoryState {
  func contents(of trace: Identifier) -> TraceContents {
    var names = NameTable()
    var records: [TraceRecord] = []
    for index in causality.membersByTrace[trace] ?? [] {
      frames.withEvent(at: index) { event in
        let source = names.intern(sources[Int(event.sourceIndex)])
        records.append(TraceRecord(event, source: source, names: &names))
      }
    }
    return TraceContents(correlation: trace, records: records, names: names)
  }

  /// Traces with an event in the range, newest first.
  func places(in range: TimeRange) -> [TracePlace] {
    var places: [TracePlace] = []
    for (trace, members) in causality.membersByTrace {
      let times = members.map { facts[$0].created }
      guard let first = times.min(), times.contains(where: range.contains) else { continue }
      places.append(TracePlace(firstEvent: first, correlation: trace))
    }
    return places.sorted { $0.isBefore($1) }
  }

  /// Edges whose child was created in the range, as (child, cause).
  private func edges(in range: TimeRange) -> [(child: Int, cause: Int)] {
    facts.indices.compactMap { index in
      guard causality.hasEdge(index), range.contains(facts[index].created) else { return nil }
      return causality.nodes[index].parent.map { (index, $0) }
    }
  }

  /// A failure counts once for each event that counts: later events of one id in one trace do not, nor do system
  /// events and reports.
  private func failures(in range: TimeRange) -> [Int] {
    facts.indices.filter { index in
      facts[index].failure != .none && facts[index].eventClass == .domain && range.contains(facts[index].created)
        && (causality.nodes[index].trace == nil || causality.isRepresentative(index))
    }
  }

  func handlerStatistics(in range: TimeRange) -> [HandlerStatistics] {
    var latencies: [NameKey: [Int64]] = [:]
    var failureCounts: [NameKey: Int] = [:]
    for (child, cause) in edges(in: range) {
      let latency = facts[child].created.since(facts[cause].created)
      latencies[NameKey(labels[Int(facts[child].label)]), default: []].append(latency)
    }
    for index in failures(in: range) { failureCounts[NameKey(labels[Int(facts[index].label)]), default: 0] += 1 }
    return Set(latencies.keys).union(failureCounts.keys)
      .map { key in
        let sorted = (latencies[key] ?? []).sorted()
        func ranked(_ q: Double) -> Int64? {
          sorted.isEmpty ? nil : sorted[LatencySketch.rank(q, sorted.count) - 1]
        }
        return HandlerStatistics(
          source: key.text(0), service: key.text(1), handler: key.text(2), eventType: key.text(3), count: sorted.count,
          negativeCount: sorted.count { $0 < 0 }, failureCount: failureCounts[key] ?? 0, minimum: sorted.first,
          p50: ranked(0.5), p90: ranked(0.9), p99: ranked(0.99), maximum: sorted.last)
      }
      .sorted { $0.isBefore($1) }
  }

  func flow(in range: TimeRange) -> [FlowEdge] {
    var counts: [NameKey: (count: Int, failures: Int)] = [:]
    for (child, cause) in edges(in: range) {
      let key = NameKey(labels[Int(facts[child].label)], causeType: labels[Int(facts[cause].label)].type)
      counts[key, default: (0, 0)].count += 1
      if facts[child].failure != .none { counts[key, default: (0, 0)].failures += 1 }
    }
    return
      counts.map { key, value in
        FlowEdge(
          source: key.text(0), causeType: key.text(4), service: key.text(1), handler: key.text(2),
          effectType: key.text(3), count: value.count, failureCount: value.failures)
      }
      .sorted { $0.isBefore($1) }
  }

  func statistics() -> StoreStatistics {
    var statistics = StoreStatistics()
    for (index, fact) in facts.enumerated() {
      if fact.eventClass == .report {
        statistics.reportCount += 1
        continue
      }
      statistics.eventCount += 1
      statistics.oldestEvent = min(statistics.oldestEvent ?? fact.created, fact.created)
      statistics.newestEvent = max(statistics.newestEvent ?? fact.created, fact.created)
      // Asked only without a parent: with one it would walk up the tree.
      if causality.nodes[index].parent == nil, causality.causeState(index) == .unresolved {
        statistics.unresolvedCount += 1
      }
    }
    statistics.traceCount = causality.membersByTrace.count
    statistics.hotEventCount = statistics.eventCount
    statistics.rawBytes = frames.bytes.count
    statistics.storedBytes = frames.bytes.count
    statistics.bytesByKind = ["hot": frames.bytes.count]
    return statistics
  }
}
