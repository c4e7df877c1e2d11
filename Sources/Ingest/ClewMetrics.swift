public import EventModel
public import HandlerMetrics
public import Platform
public import PrometheusText
import TraceStore

/// All live metrics behind one lock, which is taken once for each batch and once for each family of a scrape.
///
/// Counters start at 0 with the process (`MetricsRecorder`).
public final class ClewMetrics: @unchecked Sendable {
  // `@unchecked Sendable`: the recorder and the gauges are touched inside `lock` only; `queries` has its own lock.
  private let lock = Lock()
  private let recorder: MetricsRecorder
  private var pipelineGauges = PipelineGauges()
  private let clock: any WallClock
  public let options: MetricsOptions
  /// Requests to the API.
  public let queries: QueryMetrics

  struct PipelineGauges {
    var queuedBatches: Int64 = 0
    var isAcknowledging = true
    var storeFailures: Int64 = 0
    var tailSubscribers: Int64 = 0
    var tailDropped: Int64 = 0
    var isUsed = false
  }

  public init(options: MetricsOptions = MetricsOptions(), clock: any WallClock = SystemClock()) {
    self.options = options
    self.clock = clock
    recorder = MetricsRecorder(options: options)
    queries = QueryMetrics(options: options)
  }

  /// Counts what became of one batch: one lock, no text.
  public func record(_ outcome: AppendOutcome, events: EventBatch, source: String, arrival: Timestamp) {
    lock.withLock { recorder.record(outcome, events: events, source: source, arrival: arrival) }
  }

  /// Counts one report that was stored for the first time.
  ///
  /// - Parameter cause: nil where the event it names is not stored; the report then waits for it.
  public func record(_ report: HandlerReport, cause: ReportedCause?, arrival: Timestamp) {
    lock.withLock { recorder.record(report, cause: cause, arrival: arrival) }
  }

  /// An event that reports may wait for is stored after all.
  public func provide(_ cause: ReportedCause, for key: IdentifierKey) {
    lock.withLock { recorder.provide(cause, for: key) }
  }

  public func recordDropped(_ count: Int, _ reason: DropReason, source: String) {
    if count == 0 { return }
    lock.withLock { recorder.recordDropped(count, reason, source: source) }
  }

  /// Closes traces, ends waits and leases. Call about once a second.
  public func tick() {
    let now = clock.now()
    lock.withLock { recorder.tick(now: now) }
  }

  /// Brings back what was open when the process ended; no counter moves.
  public func restore(traces: [RestoredTrace], reports: [(report: HandlerReport, cause: ReportedCause?)]) {
    let now = clock.now()
    lock.withLock {
      recorder.restore(traces, now: now)
      recorder.restore(reports, now: now)
    }
  }

  /// Makes a source known, with zeros for all its counters.
  public func addSource(_ source: String) { lock.withLock { recorder.addSource(source) } }

  public func setGauges(_ gauges: SourceGauges, source: String) {
    lock.withLock { recorder.setGauges(gauges, source: source) }
  }

  public func countReconnect(_ reason: MetricsRecorder.ReconnectReason, source: String) {
    lock.withLock { recorder.countReconnect(reason, source: source) }
  }

  func updatePipeline(_ change: (inout PipelineGauges) -> Void) {
    lock.withLock {
      pipelineGauges.isUsed = true
      change(&pipelineGauges)
    }
  }

  /// Adds every family that is counted here; each is written from one consistent copy.
  public func addFamilies(to page: inout MetricPage) {
    let now = clock.now()
    for family in MetricsRecorder.families {
      page.add(family) { writer in
        self.lock.withLock { self.recorder.write(family, into: &writer, now: now) }
      }
    }
    let gauges = lock.withLock { pipelineGauges }
    if gauges.isUsed {
      page.add(MetricCatalogue.ingestQueueBatches, value: Double(gauges.queuedBatches))
      page.add(MetricCatalogue.ingestAcknowledging, value: gauges.isAcknowledging ? 1 : 0)
      page.add(MetricCatalogue.ingestStoreFailures, value: Double(gauges.storeFailures))
      page.add(MetricCatalogue.tailSubscribers, value: Double(gauges.tailSubscribers))
      page.add(MetricCatalogue.tailDropped, value: Double(gauges.tailDropped))
    }
    queries.addFamilies(to: &page)
  }
}

/// Requests to the API, by route template.
public final class QueryMetrics: Sendable {
  private let tables: Locked<QueryTables>

  public init(options: MetricsOptions = MetricsOptions()) { tables = Locked(QueryTables(options: options)) }

  public func begin(_ endpoint: String) { tables.withLock { $0.begin(endpoint) } }

  /// A request that began is over, however it is counted: the counterpart of `begin` where `finished` is called with
  /// `began: false`.
  public func ended(_ endpoint: String) { tables.withLock { $0.ended(endpoint) } }

  /// - Parameter began: `begin` was called for this request.
  public func finished(
    _ endpoint: String, status: Int, seconds: Double, began: Bool = true
  ) {
    tables.withLock {
      $0.finished(endpoint, status: status, nanoseconds: Int64(seconds * 1e9), began: began)
    }
  }

  /// So many bytes were read from segments to serve a request to this route.
  public func scanned(_ endpoint: String, bytes: Int) {
    if bytes > 0 { tables.withLock { $0.scanned(endpoint, bytes: bytes) } }
  }

  public func addFamilies(to page: inout MetricPage) {
    page.add(MetricCatalogue.queryScannedBytes) { writer in
      self.tables.withLock { $0.writeScannedBytes(into: &writer) }
    }
    page.add(MetricCatalogue.queries) { writer in self.tables.withLock { $0.writeQueries(into: &writer) } }
    page.add(MetricCatalogue.queryDuration) { writer in self.tables.withLock { $0.writeDurations(into: &writer) } }
    page.add(MetricCatalogue.queriesInflight) { writer in self.tables.withLock { $0.writeInflight(into: &writer) } }
  }
}
