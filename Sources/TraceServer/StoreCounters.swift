public import EventModel
import HandlerMetrics
import PrometheusText

/// What a store counted since it was opened, as values: the composition root fills it from the concrete store.
public struct StoreCounters: Sendable {
  /// Durations by bucket.
  public struct Durations: Sendable {
    /// Upper bounds in seconds; one more bucket is beyond all.
    public static let bounds: [Double] = MetricsOptions.localBuckets

    /// Not cumulative; one more than `bounds`. Empty means that nothing is counted.
    public var bucketCounts: [UInt64]
    public var sumNanoseconds: Int64

    public init(bucketCounts: [UInt64] = [], sumNanoseconds: Int64 = 0) {
      self.bucketCounts = bucketCounts
      self.sumNanoseconds = sumNanoseconds
    }

    mutating func add(nanoseconds: Int64) {
      var bucket = 0
      while bucket < Self.bounds.count && Double(nanoseconds) > Self.bounds[bucket] * 1e9 { bucket += 1 }
      bucketCounts[bucket] += 1
      sumNanoseconds += nanoseconds
    }
  }

  /// `open`, `sealed`, `corrupt`.
  public var segmentsByState: [String: Int] = [:]
  /// `events`, `index`, `journal`.
  public var bytesByKind: [String: Int] = [:]
  /// Bytes handed to the encoder of segments, and bytes it made of them.
  public var rawBytes = 0
  public var writtenBytes = 0
  public var sealDuration = Durations()
  public var sealWait = Durations()
  public var fsyncDuration = Durations()
  public var mergeDuration = Durations()
  /// `read`, `written`.
  public var mergedBytesByDirection: [String: Int] = [:]
  /// By retention.
  public var deletedSegments = 0
  public var deletedEvents = 0
  /// To sealed segments, and what they and loaded dictionaries hold.
  public var segmentConnections = 0
  public var segmentCacheBytes = 0
  public var segmentReleases = 0
  /// Of sealed events: what is noted beside their segments, and what was not because the bounds were reached. `trace`,
  /// `edge`, `failure`, `waiting`.
  public var lateChangesByKind: [String: Int] = [:]
  public var lateRefusalsByKind: [String: Int] = [:]
  /// `append`, `fsync`, `seal`, `merge`, `delete`.
  public var writeErrorsByOperation: [String: Int] = [:]
  /// Of the volume; nil where the system does not say.
  public var availableBytes: Int?
  public var capacityBytes: Int?
  public var oldestEvent: Timestamp?

  public init() {}

  func add(to page: inout MetricPage) {
    page.add(MetricCatalogue.storeSegments, Self.samples(segmentsByState))
    page.add(MetricCatalogue.storeSizeBytes, Self.samples(bytesByKind))
    page.add(MetricCatalogue.storeRawBytes, value: Double(rawBytes))
    page.add(MetricCatalogue.storeWrittenBytes, value: Double(writtenBytes))
    Self.add(sealDuration, MetricCatalogue.storeSealDuration, to: &page)
    Self.add(sealWait, MetricCatalogue.storeSealWait, to: &page)
    Self.add(mergeDuration, MetricCatalogue.storeMergeDuration, to: &page)
    page.add(MetricCatalogue.storeMergedBytes, Self.samples(mergedBytesByDirection))
    page.add(MetricCatalogue.storeDeletedSegments, value: Double(deletedSegments))
    page.add(MetricCatalogue.storeDeletedEvents, value: Double(deletedEvents))
    page.add(MetricCatalogue.storeOpenSegments, value: Double(segmentConnections))
    page.add(MetricCatalogue.storeSegmentCache, value: Double(segmentCacheBytes))
    page.add(MetricCatalogue.storeSegmentReleases, value: Double(segmentReleases))
    page.add(MetricCatalogue.storeLateChanges, Self.samples(lateChangesByKind))
    page.add(MetricCatalogue.storeLateRefusals, Self.samples(lateRefusalsByKind))
    Self.add(fsyncDuration, MetricCatalogue.storeFsyncDuration, to: &page)
    page.add(MetricCatalogue.storeWriteErrors, Self.samples(writeErrorsByOperation))
    if let availableBytes { page.add(MetricCatalogue.storeAvailableBytes, value: Double(availableBytes)) }
    if let capacityBytes { page.add(MetricCatalogue.storeCapacityBytes, value: Double(capacityBytes)) }
    if let oldestEvent { page.add(MetricCatalogue.storeOldestEvent, value: oldestEvent.secondsSinceEpoch) }
  }

  private static func samples(_ counts: [String: Int]) -> [(labels: [String], value: Double)] {
    counts.map { (labels: [$0.key], value: Double($0.value)) }
  }

  private static func add(_ durations: Durations, _ family: MetricFamily, to page: inout MetricPage) {
    guard durations.bucketCounts.count == Durations.bounds.count + 1 else { return }
    var table = HistogramTable(bounds: Durations.bounds)
    let series = table.addSeries(bucketCounts: durations.bucketCounts, sumUnits: durations.sumNanoseconds)
    let made = table
    page.add(family) { writer in
      writer.begin(family)
      writer.histogram([], made, series: series)
    }
  }
}
