public import EventModel
public import EventSource
import HandlerMetrics
public import Platform
public import TraceStore

/// Everything between a source and the store: a bounded queue, one writer thread with group commit, then metrics and
/// live readers.
///
/// What `submit` and the other calls return is stored; what they throw is not acknowledged. `start` first, `stop` last;
/// the store is closed by its owner, after `stop`.
public final class IngestPipeline: @unchecked Sendable {
  // `@unchecked Sendable`: the mutable state is inside `state` and the queue, each with its own lock; the threads are
  // set in `start` and joined in `stop`, which their owner calls once each.
  struct State {
    var isStopping = false
    var problem: StoreError?
    /// Source and bytes of the last refused batch, for the probe.
    var refused = (source: "", bytes: 0)
    var isMaintenanceQueued = false
    var runners: [any SourceRunner] = []
    var rules: [String: ReadingRules] = [:]
    var defaultRules = ReadingRules()
  }

  public let limits: IngestLimits
  /// Live events.
  public let tail: TailHub
  public let metrics: ClewMetrics?
  let store: any TraceStore
  let clock: any WallClock
  let log: Log
  let registry: SourceRegistry
  let queue: WorkQueue
  let state = Locked(State())
  private var writer: WorkerThread?
  private var ticker: Ticker?

  public init(
    store: any TraceStore, metrics: ClewMetrics? = nil, clock: any WallClock = SystemClock(), log: Log = Log(),
    limits: IngestLimits = IngestLimits()
  ) {
    self.store = store
    self.metrics = metrics
    self.clock = clock
    self.log = log
    self.limits = limits
    tail = TailHub(subscribersMax: limits.tailSubscribersMax, metrics: metrics)
    registry = SourceRegistry(metrics: metrics)
    queue = WorkQueue(countMax: limits.queueBatchesMax, bytesMax: limits.queueBytesMax)
  }

  /// Starts the writer and the clock thread.
  public func start() {
    metrics?.updatePipeline { _ in }
    writer = WorkerThread(name: "clew-writer") { self.write() }
    ticker = Ticker(seconds: limits.tickSeconds) { self.tick() }
  }

  /// Stores everything that was accepted, syncs, then ends all threads. Later calls throw `.closed`.
  public func stop() {
    let runners = state.withLock { state -> [any SourceRunner] in
      state.isStopping = true
      defer { state.runners = [] }
      return state.runners
    }
    for runner in runners { runner.cancel() }
    for runner in runners { runner.join() }
    ticker?.stop()
    queue.close()
    writer?.join()
    tail.close()
  }

  /// How events of every source are read that has no rules of its own.
  public func setDefaultRules(_ rules: ReadingRules) { state.withLock { $0.defaultRules = rules } }

  /// How the events of a source are read when they come by POST; else by the default rules.
  public func setRules(_ rules: ReadingRules, source: String) { state.withLock { $0.rules[source] = rules } }

  func rules(source: String) -> ReadingRules { state.withLock { $0.rules[source] ?? $0.defaultRules } }

  /// Stores a batch, together with what else is waiting, and returns when it is as durable as it asks for.
  ///
  /// Any thread. Waits while the queue is full.
  public func submit(_ batch: SourceBatch) throws(StoreError) -> AppendOutcome {
    switch enqueue(batch, until: nil) {
    case .success(let ticket): try ticket.wait().outcome
    case .failure: throw Self.closed
    }
  }

  /// Makes everything stored so far survive the loss of power.
  public func sync() throws(StoreError) {
    let ticket = Ticket<Void>()
    guard queue.push(.sync(ticket)) == .added else { throw Self.closed }
    try ticket.wait()
  }

  /// Seals what is hot, and waits until it is published.
  public func seal() throws(StoreError) {
    let ticket = Ticket<Void>()
    guard queue.push(.seal(ticket)) == .added else { throw Self.closed }
    try ticket.wait()
  }

  public var status: IngestStatus {
    let (problem, isStopping) = state.withLock { ($0.problem, $0.isStopping) }
    return IngestStatus(
      isAcknowledging: problem == nil, problem: problem, queuedBatches: queue.count, isStopped: isStopping,
      sources: registry.all)
  }

  static let closed = StoreError(.closed, "the pipeline is stopping", hint: "send the events again after the restart")

  enum EnqueueError: Error { case full, closed }

  func enqueue(_ batch: SourceBatch, until deadline: Instant?) -> Result<Ticket<AppendedBatch>, EnqueueError> {
    let ticket = Ticket<AppendedBatch>()
    switch queue.push(.append(batch, ticket), until: deadline) {
    case .added: return .success(ticket)
    case .full: return .failure(.full)
    case .closed: return .failure(.closed)
    }
  }

  // MARK: The writer's thread

  private func write() {
    while let group = queue.popGroup(countMax: limits.groupBatchesMax, bytesMax: limits.groupBytesMax) {
      let waiting = Int64(queue.count)
      metrics?.updatePipeline { $0.queuedBatches = waiting }
      switch group[0] {
      case .append: append(group)
      case .sync(let ticket): ticket.complete(Result { () throws(StoreError) in try store.sync() })
      case .seal(let ticket): ticket.complete(Result { () throws(StoreError) in try store.seal() })
      case .maintain: maintain()
      }
    }
    do throws(StoreError) { try store.sync() } catch { log.error("ingest", "the last sync failed: \(error)") }
  }

  private func append(_ group: [Work]) {
    var batches: [SourceBatch] = []
    var tickets: [Ticket<AppendedBatch>] = []
    for case .append(let batch, let ticket) in group {
      batches.append(batch)
      tickets.append(ticket)
    }
    let arrival = clock.now()
    do throws(StoreError) {
      let outcomes = try store.append(batches)
      noteSuccess()
      for (index, outcome) in outcomes.enumerated() { publish(batches[index], outcome, arrival) }
      for (index, outcome) in outcomes.enumerated() {
        tickets[index].complete(.success(AppendedBatch(outcome: outcome, arrival: arrival)))
      }
    } catch {
      if tickets.count > 1 && error.code != .diskFull && error.code != .closed {
        // What is wrong with one batch must not cost the others: one transaction each.
        for work in group { append([work]) }
        return
      }
      // A limit is the matter of this batch alone: others are stored as before.
      if error.code == .limitExceeded {
        metrics?.updatePipeline { $0.storeFailures += 1 }
      } else {
        note(error, batches[0])
      }
      for ticket in tickets { ticket.complete(.failure(error)) }
    }
  }

  private func publish(_ batch: SourceBatch, _ outcome: AppendOutcome, _ arrival: Timestamp) {
    metrics?.record(outcome, events: batch.events, source: batch.source, arrival: arrival)
    tail.publish(outcome, batch.events, source: batch.source)
  }

  private func note(_ error: StoreError, _ batch: SourceBatch?) {
    metrics?.updatePipeline {
      $0.storeFailures += 1
      $0.isAcknowledging = false
    }
    let isNew = state.withLock { state -> Bool in
      defer { state.problem = error }
      if let batch { state.refused = (batch.source, batch.events.bytes.count) }
      return state.problem?.code != error.code
    }
    if isNew { log.error("ingest", "events are not acknowledged: \(error)") }
  }

  private func noteSuccess() {
    let hadProblem = state.withLock { state -> Bool in
      defer { state.problem = nil }
      return state.problem != nil
    }
    if hadProblem {
      metrics?.updatePipeline { $0.isAcknowledging = true }
      log.info("ingest", "events are stored again")
    }
  }

  private func maintain() {
    defer { state.withLock { $0.isMaintenanceQueued = false } }
    do throws(StoreError) {
      try store.applyRetention(now: clock.now())
    } catch {
      if error.code != .closed { log.limitedWarning("retention", "nothing was deleted: \(error)") }
    }
    // With a problem at hand nothing else may come to find out that it is over.
    if state.withLock({ $0.problem != nil }) { probe() }
  }

  /// The sub-stream under which the probe writes; no place of any source.
  public static let probeSubStream = "$clew-probe"

  /// Tries to write as much as was refused, and nothing of it remains: what fits now would have fitted.
  private func probe() {
    let refused = state.withLock { $0.refused }
    do throws(StoreError) {
      for fill in [min(max(refused.bytes, 4096), 1 << 20), 0] {
        let checkpoint = SourceCheckpoint(
          source: refused.source, subStream: Self.probeSubStream, position: SourcePosition(major: 0),
          token: String(repeating: "x", count: fill))
        _ = try store.append([
          SourceBatch(
            source: refused.source, events: EventBatch(), identity: .eventID, durability: .synced,
            checkpoint: checkpoint)
        ])
      }
      noteSuccess()
    } catch {
      if error.code != .closed { note(error, nil) }
    }
  }

  // MARK: The clock thread

  private func tick() {
    metrics?.tick()
    let isDue = maintenanceDue.withLock { due -> Bool in
      if Instant.now < due { return false }
      due = Instant.now.advanced(bySeconds: limits.maintenanceSeconds)
      return true
    }
    // With a problem, look every time: the pipeline resumes by itself.
    let isWanted = state.withLock { state -> Bool in
      guard isDue || state.problem != nil, !state.isMaintenanceQueued else { return false }
      state.isMaintenanceQueued = true
      return true
    }
    if isWanted, queue.push(.maintain, until: Instant.now) != .added {
      state.withLock { $0.isMaintenanceQueued = false }
    }
  }

  private let maintenanceDue = Locked(Instant(nanoseconds: 0))
}
