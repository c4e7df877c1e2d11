public import EventModel
import PrometheusText

/// The event that a report names as its cause.
public struct ReportedCause: Sendable {
  public var created: Timestamp
  public var type: String
  public var correlation: Identifier?

  public init(created: Timestamp, type: String, correlation: Identifier?) {
    self.created = created
    self.type = type
    self.correlation = correlation
  }
}

/// Runs that handlers reported, and reports whose cause is not known yet; bounded.
struct RunBook {
  struct Key: Hashable {
    var handler: Int
    /// Tells handlers apart whose labels were folded.
    var identity: UInt32
    var cause: IdentifierKey
    var attempt: UInt32
  }

  struct Run {
    var started: Timestamp?
    var ended: Timestamp?
    /// In the gauge.
    var isInflight = false
    var hasTimedOut = false
    var leaseEnds = Timestamp.distantFuture
    /// The attempt is counted as a retry.
    var isCountedRetry = false
    var causeType = -1
  }

  struct Waiting {
    var report: HandlerReport
    var arrival: Timestamp
  }

  private let options: MetricsOptions
  private(set) var runs: [Key: Run] = [:]
  private var queue: [Key] = []
  private var head = 0
  private(set) var waiting: [IdentifierKey: [Waiting]] = [:]
  private(set) var waitingCount = 0
  private var waitingQueue: [(key: IdentifierKey, arrival: Timestamp)] = []
  private(set) var evictedCount: Int64 = 0
  private(set) var evictedReportCount: Int64 = 0

  init(options: MetricsOptions) { self.options = options }

  subscript(key: Key) -> Run? { runs[key] }

  /// - Returns: the run that had to go for it, if any.
  mutating func store(_ key: Key, _ run: Run) -> (key: Key, run: Run)? {
    if runs.updateValue(run, forKey: key) != nil { return nil }
    queue.append(key)
    guard runs.count > options.runsMax else { return nil }
    while head < queue.count {
      let oldest = queue[head]
      head += 1
      if head > 4096 && head * 2 > queue.count {
        queue.removeFirst(head)
        head = 0
      }
      if oldest != key, let run = runs.removeValue(forKey: oldest) {
        evictedCount += 1
        return (oldest, run)
      }
    }
    return nil
  }

  mutating func wait(_ report: HandlerReport, _ arrival: Timestamp) -> Waiting? {
    waiting[report.cause.key, default: []].append(Waiting(report: report, arrival: arrival))
    waitingQueue.append((report.cause.key, arrival))
    waitingCount += 1
    if waitingCount <= options.waitingReportsMax { return nil }
    evictedReportCount += 1
    return takeOldest()
  }

  /// All reports that wait for this event.
  mutating func take(_ cause: IdentifierKey) -> [Waiting] {
    guard let found = waiting.removeValue(forKey: cause) else { return [] }
    waitingCount -= found.count
    return found
  }

  /// The oldest waiting report if it came before `time`.
  mutating func takeArrived(before time: Timestamp) -> Waiting? {
    while let first = waitingQueue.first, waiting[first.key] == nil { waitingQueue.removeFirst() }
    guard let first = waitingQueue.first, first.arrival < time else { return nil }
    return takeOldest()
  }

  private mutating func takeOldest() -> Waiting? {
    while !waitingQueue.isEmpty {
      let key = waitingQueue.removeFirst().key
      guard var list = waiting[key] else { continue }
      let taken = list.removeFirst()
      waiting[key] = list.isEmpty ? nil : list
      waitingCount -= 1
      return taken
    }
    return nil
  }

  /// Keys of runs whose lease has ended. Complexity: O(runs).
  func overdue(_ now: Timestamp) -> [Key] {
    runs.filter { $0.value.isInflight && $0.value.leaseEnds <= now }.map(\.key)
  }
}

extension MetricsRecorder {
  /// Counts one report that was stored for the first time (the store drops repeated ones).
  ///
  /// - Parameter cause: nil if no event with its cause's id is stored; the report then waits for it as long as an orphan
  ///   does.
  public func record(_ report: HandlerReport, cause: ReportedCause?, arrival: Timestamp) {
    guard isLive(report.at, arrival) else { return }
    if let cause {
      apply(report, cause, arrival)
    } else if let evicted = runs.wait(report, arrival) {
      apply(evicted.report, nil, evicted.arrival)
    }
  }

  /// Brings back runs that were in flight when the process ended: states and gauges, no counters.
  ///
  /// - Parameter reports: as stored, in the order of storing, not older than a lease.
  public func restore(_ reports: [(report: HandlerReport, cause: ReportedCause?)], now: Timestamp) {
    var last: [RunBook.Key: (HandlerReport, ReportedCause?)] = [:]
    var ended: Set<RunBook.Key> = []
    for (report, cause) in reports {
      let key = runKey(report)
      if report.state == .started { last[key] = (report, cause) } else { ended.insert(key) }
    }
    let open = last.filter { !ended.contains($0.key) }
    for (key, (report, cause)) in open.sorted(by: { $0.value.0.at < $1.value.0.at }) {
      var run = RunBook.Run()
      run.started = report.at
      run.isInflight = true
      run.leaseEnds = min(report.at, now).advanced(byNanoseconds: Int64(options.leaseSeconds * 1e9))
      run.isCountedRetry = true
      run.causeType = cause.map { directory.type($0.type, source: directory.handlers[key.handler].source) } ?? -1
      _ = handlers.reported.seriesOfReporting(key.handler)
      handlers.reported.inflight[key.handler] += 1
      if let evicted = runs.store(key, run) { forget(evicted.key, evicted.run) }
    }
  }

  private func runKey(_ report: HandlerReport) -> RunBook.Key {
    let source = sourceIndex(report.source)
    let handler = handlers.grown(
      directory.handler(service: report.service, handler: report.handler, identity: "reported", source: source),
      directory)
    return RunBook.Key(
      handler: handler, identity: directory.identity(of: handler, service: report.service, name: report.handler),
      cause: report.cause.key, attempt: report.attempt)
  }

  /// The cause of waiting reports was stored.
  func wakeReports(_ event: AcceptedEvent, _ view: EventView, _ slot: LabelSlot, _ arrival: Timestamp) {
    for waiting in runs.take(view.idKey) {
      let cause = ReportedCause(created: event.created, type: slot.names.type, correlation: view.correlation)
      apply(waiting.report, cause, waiting.arrival)
    }
  }

  /// The event behind this key is stored: reports that wait for it go on.
  public func provide(_ cause: ReportedCause, for key: IdentifierKey) {
    for waiting in runs.take(key) { apply(waiting.report, cause, waiting.arrival) }
  }

  /// Leases and waits that have ended.
  func expireRuns(_ now: Timestamp) {
    let grace = Int64(options.orphanGraceSeconds * 1e9)
    while let given = runs.takeArrived(before: now.advanced(byNanoseconds: -grace)) {
      apply(given.report, nil, given.arrival)
    }
    for key in runs.overdue(now) {
      guard var run = runs[key] else { continue }
      run.isInflight = false
      run.hasTimedOut = true
      handlers.reported.inflight[key.handler] -= 1
      _ = runs.store(key, run)
      countPair(key, run.causeType, failure: .timeout, isEnd: true)
    }
  }

  private func apply(_ report: HandlerReport, _ cause: ReportedCause?, _ arrival: Timestamp) {
    let key = runKey(report)
    var run = runs[key] ?? RunBook.Run()
    let series = handlers.reported.seriesOfReporting(key.handler)
    if let cause {
      run.causeType = directory.type(cause.type, source: directory.handlers[key.handler].source)
    }
    if report.attempt > 1 && !run.isCountedRetry {
      run.isCountedRetry = true
      handlers.retries[key.handler, .reported] += 1
    }
    if report.state == .started {
      start(&run, report, cause, arrival, key.handler, series)
    } else {
      end(&run, report, cause, arrival, key.handler, series)
    }
    keep(key, run)
    switch report.state {
    case .started: countPair(key, run.causeType, failure: nil, isEnd: false)
    case .succeeded: countPair(key, run.causeType, failure: nil, isEnd: true)
    case .failed: countPair(key, run.causeType, failure: .reported, isEnd: true)
    case .retrying:
      countPair(key, run.causeType, failure: nil, isEnd: false)
      announceRetry(key)
    }
  }

  private func start(
    _ run: inout RunBook.Run, _ report: HandlerReport, _ cause: ReportedCause?, _ arrival: Timestamp,
    _ handler: Int, _ series: Int
  ) {
    guard run.started == nil else { return }
    run.started = report.at
    if let cause { observe(\.queueWait, report.at.since(cause.created), cause, handler, series, arrival) }
    if let ended = run.ended {
      // The end came first: its run was never in flight here.
      observe(\.processing, ended.since(report.at), cause, handler, series, arrival)
    } else {
      run.isInflight = true
      run.leaseEnds = arrival.advanced(byNanoseconds: Int64(options.leaseSeconds * 1e9))
      handlers.reported.inflight[handler] += 1
    }
  }

  private func end(
    _ run: inout RunBook.Run, _ report: HandlerReport, _ cause: ReportedCause?, _ arrival: Timestamp,
    _ handler: Int, _ series: Int
  ) {
    if run.isInflight {
      run.isInflight = false
      handlers.reported.inflight[handler] -= 1
    }
    // Of two ends of one attempt the first is observed; the second still says what became of the pair.
    guard run.ended == nil else { return }
    run.ended = report.at
    if let started = run.started {
      observe(\.processing, report.at.since(started), cause, handler, series, arrival)
    }
    if report.state == .succeeded, let cause {
      observe(\.criticalTime, report.at.since(cause.created), cause, handler, series, arrival)
    }
  }

  private func observe(
    _ histogram: WritableKeyPath<ReportedTables, ExemplarHistogram>, _ nanoseconds: Int64, _ cause: ReportedCause?,
    _ handler: Int, _ series: Int, _ arrival: Timestamp
  ) {
    if nanoseconds < 0 {
      handlers.clockSkew.values[handler] += 1
    } else {
      handlers.reported[keyPath: histogram].observe(series, nanoseconds, cause?.correlation, at: arrival)
    }
  }

  /// A report of `retrying` counts the next attempt, which then does not count again when it starts.
  private func announceRetry(_ key: RunBook.Key) {
    var next = key
    next.attempt = key.attempt &+ 1
    var run = runs[next] ?? RunBook.Run()
    if !run.isCountedRetry {
      run.isCountedRetry = true
      handlers.retries[key.handler, .reported] += 1
    }
    keep(next, run)
  }

  private func keep(_ key: RunBook.Key, _ run: RunBook.Run) {
    if let evicted = runs.store(key, run) { forget(evicted.key, evicted.run) }
  }

  private func forget(_ key: RunBook.Key, _ run: RunBook.Run) {
    if run.isInflight { handlers.reported.inflight[key.handler] -= 1 }
  }

  private func countPair(_ key: RunBook.Key, _ causeType: Int, failure: FailureReason?, isEnd: Bool) {
    let source = directory.handlers[key.handler].source
    let type = causeType >= 0 ? causeType : directory.noneType(source)
    let executions = handlers.executions.group(handler: key.handler, type: type, &directory)
    let failures = handlers.failures.group(handler: key.handler, type: type, &directory)
    _ = handlers.grown(directory.handlers.count - 1, directory)
    if isEnd {
      recordPair(
        key.handler, key.identity, key.cause, executions: executions, failures: failures, failure: failure,
        retry: false)
      return
    }
    let flags = pairs.executions.flags(key.cause, key.identity)
    if flags & PairBook.Flag.executed == 0 {
      pairs.executions.set(key.cause, key.identity, flags | PairBook.Flag.executed)
      handlers.executions.table.values[executions] += 1
    }
  }
}
