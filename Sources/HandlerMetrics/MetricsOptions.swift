import PrometheusText

/// What an operator may set of the metrics.
public struct MetricsOptions: Sendable {
  /// Which events feed the live counters (handler, trace and causality families).
  public enum LiveWindow: Sendable, Equatable {
    /// Events created at most this many seconds before they were read.
    case seconds(Double)
    /// Every event, however old.
    case all
  }

  public var liveWindow = LiveWindow.seconds(300)
  /// Bounds by family name, in the family's unit; families that are not named keep their defaults.
  public var buckets: [String: [Double]] = [:]

  /// Names of the exemplars' labels; nil leaves the label out.
  public var exemplarTraceLabel: String? = "trace_id"
  public var exemplarCorrelationLabel: String? = "correlation_id"

  // Bounds of label sets.
  public var sourcesMax = 200
  public var eventTypesPerSourceMax = 500
  public var handlersMax = 2_000
  public var labelSetsMax = 10_000
  public var edgeLabelSetsMax = 2_000
  public var rootTypesMax = 200
  public var versionsPerTypeMax = 50
  public var endpointsMax = 50

  // Bounds of tables.
  /// (handler, cause) pairs remembered, so that each is counted once.
  public var executionsMax = 400_000
  /// Children remembered that wait for their cause.
  public var waitingMax = 100_000
  public var openTracesMax = 100_000
  public var waitingReportsMax = 10_000
  public var runsMax = 100_000
  public var streamRevisionsMax = 200_000

  // Times, in seconds.
  /// An event whose cause did not come in this time counts as an orphan.
  public var orphanGraceSeconds = 30.0
  /// A run that was reported as started and says nothing more counts as failed (timeout) after this time.
  public var leaseSeconds = 900.0
  /// A trace without events for this long is closed.
  public var traceIdleSeconds = 600.0
  /// An open trace that is older counts as stuck.
  public var traceStuckSeconds = 3_600.0
  /// An open trace that is older is closed as timed out.
  public var traceDeadlineSeconds = 86_400.0

  /// Event types that end a trace, exact names.
  public var completingTypes: Set<String> = []
  public var failingTypes: Set<String> = []
  /// Event types that are roots though they do not begin their trace, exact names.
  public var rootTypes: Set<String> = []

  public init() {}

  /// Reactions take from milliseconds to half an hour.
  public static let latencyBuckets: [Double] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800,
  ]
  /// Business flows take from a tenth of a second to a day.
  public static let durationBuckets: [Double] = [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400]
  /// Local I/O and queries.
  public static let localBuckets: [Double] = [0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10]
  public static let sizeBuckets: [Double] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000, 100000, 1_000_000]

  /// The bounds of a histogram family: configured, or its default.
  public func bounds(_ family: String) -> [Double] {
    if let configured = buckets[family] { return configured }
    if family.hasPrefix("clew_store_") || family.hasPrefix("clew_query_") { return Self.localBuckets }
    switch family {
    case MetricCatalogue.traceDuration.name: return Self.durationBuckets
    case MetricCatalogue.traceSize.name: return Self.sizeBuckets
    default: return Self.latencyBuckets
    }
  }

  /// The first mistake in the bounds as a sentence, or nil.
  public func bucketMistake() -> String? {
    for (family, bounds) in buckets.sorted(by: { $0.key < $1.key }) {
      guard MetricCatalogue.all.contains(where: { $0.name == family && $0.kind == .histogram }) else {
        return "\(family) is no histogram of Clew"
      }
      if bounds.isEmpty || bounds.count > 200 { return "\(family) needs 1 to 200 bounds" }
      if !bounds.allSatisfy({ $0.isFinite && $0 >= 0 && $0 < 1e9 }) {
        return "\(family): bounds are numbers from 0 to 1e9"
      }
      if !zip(bounds, bounds.dropFirst()).allSatisfy(<) { return "\(family): bounds must ascend" }
    }
    return nil
  }
}
