import EventModel
import PrometheusText

/// By which signal a (handler, cause) pair failed.
enum FailureReason: Int, CaseIterable {
  case failureEvent, metadata, reported, timeout

  var name: String {
    switch self {
    case .failureEvent: "failure_event"
    case .metadata: "metadata"
    case .reported: "reported"
    case .timeout: "timeout"
    }
  }

  init(_ kind: FailureKind) { self = kind == .eventType ? .failureEvent : .metadata }
}

/// Why a further attempt counts as one.
enum RetryReason: Int, CaseIterable {
  case reported, redelivered, duplicateReaction

  var name: String {
    switch self {
    case .reported: "reported"
    case .redelivered: "redelivered"
    case .duplicateReaction: "duplicate_reaction"
    }
  }
}

/// The handler families; where they carry no event type, the index of a series is the number of the handler.
struct HandlerTables {
  var executions: HandlerTypeTable
  var failures: HandlerTypeTable
  var reactions: HandlerTypeTable
  var retries = ReasonTable<RetryReason>(MetricCatalogue.handlerRetries)
  var clockSkew = SeriesTable(MetricCatalogue.handlerClockSkew)
  var info = SeriesTable(MetricCatalogue.handlerInfo)
  var latency: ExemplarHistogram
  var reported: ReportedTables
  /// Created time of the newest reaction, nil before the first.
  var lastReaction: [Timestamp?] = []
  private var known = 0

  init(options: MetricsOptions) {
    executions = HandlerTypeTable(MetricCatalogue.handlerExecutions, max: options.labelSetsMax)
    failures = HandlerTypeTable(
      MetricCatalogue.handlerFailures, lastValues: FailureReason.allCases.map(\.name), max: options.labelSetsMax)
    reactions = HandlerTypeTable(MetricCatalogue.handlerReactions, max: options.labelSetsMax)
    latency = ExemplarHistogram(MetricCatalogue.handlerReactionLatency, options)
    reported = ReportedTables(options: options)
  }

  /// Gives every handler up to this one its zeros, and returns it.
  mutating func grown(_ handler: Int, _ directory: LabelDirectory) -> Int {
    while known <= handler {
      let values = directory.handlerValues(known)
      let entry = directory.handlers[known]
      let bits = entry.isOverflow ? Folded.handler : 0
      retries.add(values) { $0.name }
      _ = clockSkew.add(values, folded: bits)
      _ = info.add(values + [LabelValue.none, Array(entry.identity.utf8)], folded: bits)
      info.values[known] = 1
      _ = latency.addSeries()
      lastReaction.append(nil)
      reported.addHandler()
      known += 1
    }
    return handler
  }

  /// Label bytes of a handler, for families that have no other label.
  func labels(_ handler: Int) -> [UInt8] { clockSkew.labels[handler] }
}

/// Families that only handlers which report have: absent, not 0, for all others.
struct ReportedTables {
  var queueWait: ExemplarHistogram
  var processing: ExemplarHistogram
  var criticalTime: ExemplarHistogram
  var inflight: [Int64] = []
  /// By handler: the series in the three histograms, -1 before its first report.
  private(set) var series: [Int32] = []

  init(options: MetricsOptions) {
    queueWait = ExemplarHistogram(MetricCatalogue.handlerQueueWait, options)
    processing = ExemplarHistogram(MetricCatalogue.handlerProcessing, options)
    criticalTime = ExemplarHistogram(MetricCatalogue.handlerCriticalTime, options)
  }

  mutating func addHandler() {
    series.append(-1)
    inflight.append(0)
  }

  mutating func seriesOfReporting(_ handler: Int) -> Int {
    if series[handler] < 0 {
      series[handler] = Int32(queueWait.addSeries())
      _ = processing.addSeries()
      _ = criticalTime.addSeries()
    }
    return Int(series[handler])
  }
}

/// The causality families.
struct CausalityTables {
  enum Conflict: Int, CaseIterable { case itself, cycle, correlationMismatch, idReused }

  var edges: EdgeTable
  var missing: TypeTable
  var orphans: TypeTable
  var conflicts = ReasonTable<Conflict>(MetricCatalogue.causationConflicts)
  var unresolved = SeriesTable(MetricCatalogue.causationUnresolved)

  init(options: MetricsOptions) {
    edges = EdgeTable(max: options.edgeLabelSetsMax)
    missing = TypeTable(MetricCatalogue.causationMissing, max: options.labelSetsMax)
    orphans = TypeTable(MetricCatalogue.causationOrphans, max: options.labelSetsMax)
  }

  var sourceCount: Int { unresolved.count }

  mutating func addSource(_ name: [UInt8]) {
    _ = unresolved.add([name])
    conflicts.add([name]) { reason in
      switch reason {
      case .itself: "self"
      case .cycle: "cycle"
      case .correlationMismatch: "correlation_mismatch"
      case .idReused: "id_reused"
      }
    }
  }
}

/// Remembers (handler, cause) pairs, so that each execution and each failure counts once. Bounded.
struct PairBook {
  enum Flag {
    static let executed: UInt8 = 1
    static let failed: UInt8 = 2
    static let succeeded: UInt8 = 4
    static let retried: UInt8 = 8
  }

  var executions: GenerationTable
  var reactions: GenerationTable

  init(options: MetricsOptions) {
    executions = GenerationTable(max: options.executionsMax)
    reactions = GenerationTable(max: options.executionsMax)
  }
}
