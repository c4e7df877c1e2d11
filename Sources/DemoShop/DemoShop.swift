import EventModel
public import Platform

/// A small event-sourced shop, for `clew demo`: registrations, orders, payments and shipments with a process manager,
/// failures, retries and a slow projection. It posts its events to a server of Clew, or writes them to an event store
/// that Clew follows, at a steady rate, as any application would; its handlers report to Clew. What happens is a
/// function of the seed; only when it happens depends on the clock, and with an event store on what that gives back.
public final class DemoShop: Sendable {
  public struct Options: Sendable {
    /// `http://127.0.0.1:9797`, without a path.
    public var server: String
    public var ordersPerMinute: Double
    public var seed: UInt64
    /// History that is posted at the start, so that every view has something at once. An event store stamps events
    /// itself, so there it has none.
    public var historySeconds: Double
    /// Nil: events are posted to Clew.
    public var store: EventStoreAccess?
    /// Name of the source that Clew reads the event store as.
    public var source = "shop"

    public init(server: String, ordersPerMinute: Double = 120, seed: UInt64 = 1, historySeconds: Double = 240) {
      self.server = server
      self.ordersPerMinute = ordersPerMinute
      self.seed = seed
      self.historySeconds = historySeconds
    }
  }

  /// What was posted so far, and ids to try out.
  public struct Progress: Sendable {
    public var events = 0
    public var reports = 0
    public var historyDone = false
    /// The newest flow that is over, one without and one with a failure.
    public var sample: ShopSample?
    public var failedSample: ShopSample?
    /// Posts in a row that failed, and why the last one did.
    public var failures = 0
    public var problem: String?
    /// Why the consumer of the event store does not work at the moment.
    public var groupProblem: String?

    public init() {}
  }

  private struct Control {
    var stopping = false
    var progress = Progress()
  }

  /// Records of one post; the server takes more, but a post should be short.
  private static let postRecordsMax = 1000
  private static let tickSeconds = 0.2
  /// An event store stamps events when they are written, so they must be written when they are due.
  private static let storeTickSeconds = 0.01

  private let options: Options
  private let clock: any WallClock
  private let log: Log
  private let clew: ClewPost
  private let wake = Lock()
  private let control = Locked(Control())
  private let threads = Locked<[WorkerThread]>([])

  public init(options: Options, clock: any WallClock = SystemClock(), log: Log) {
    self.options = options
    self.clock = clock
    self.log = log
    clew = ClewPost(server: options.server)
  }

  public var progress: Progress { control.withLock { $0.progress } }

  /// Makes what the event store must have before the shop opens.
  ///
  /// - Throws: what is wrong with the event store, or with the rights there.
  public static func prepare(_ store: EventStoreAccess) throws(ShopProblem) {
    try MailGroup(store, seed: 0).prepare()
  }

  /// Opens the shop: threads of its own work until `stop`.
  public func start() {
    var workers = [WorkerThread(name: "demo shop") { self.run() }]
    if let store = options.store {
      workers.append(WorkerThread(name: "demo mailer") { self.sendMails(store) })
    }
    threads.withLock { $0 = workers }
  }

  /// Closes the shop and waits for its threads.
  public func stop() {
    control.withLock { $0.stopping = true }
    wake.withLock { wake.wakeAll() }
    let workers = threads.withLock { workers in
      defer { workers = [] }
      return workers
    }
    for worker in workers { worker.join() }
  }

  private func run() {
    let store: any ShopStore = options.store.map { EventStoreAppend($0, seed: options.seed) } ?? clew
    let hasStore = options.store != nil
    let history = hasStore ? 0 : options.historySeconds
    let setting = ShopSetting(source: hasStore ? options.source : "shop", mailsAreReactions: hasStore)
    var simulation = ShopSimulation(
      seed: options.seed, start: clock.now().advanced(byNanoseconds: -Int64(history * 1e9)),
      ordersPerMinute: max(0.1, options.ordersPerMinute), setting: setting)
    // Reports go together, five times a second.
    var reports: [[UInt8]] = []
    var reported = Instant.now
    while !stopping {
      let now = clock.now()
      let records = simulation.records(until: now, limit: Self.postRecordsMax)
      reports += records.filter { $0.kind == .report }.map(\.line)
      if records.isEmpty { store.idle() } else { deliver(records, store) }
      if !reports.isEmpty, !hasStore || Instant.now.seconds(since: reported) >= Self.tickSeconds {
        deliver(reports)
        reports = []
        reported = Instant.now
      }
      if records.count == Self.postRecordsMax { continue }
      control.withLock { $0.progress.historyDone = true }
      pause(hasStore ? Self.storeTickSeconds : Self.tickSeconds)
    }
  }

  /// The consumer of the event store.
  private func sendMails(_ store: EventStoreAccess) {
    let group = MailGroup(store, seed: options.seed)
    group.run(
      MailGroup.Shop(
        source: options.source, isStopping: { self.stopping }, pause: { self.pause($0) },
        report: { self.deliver($0) },
        problem: { problem in
          if let problem { self.log.limitedWarning("shop", problem) }
          self.control.withLock { $0.progress.groupProblem = problem }
        }))
  }

  private var stopping: Bool { control.withLock { $0.stopping } }

  private func pause(_ seconds: Double) {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    wake.withLock {
      while !stopping, wake.wait(until: deadline) {}
    }
  }

  /// Writes until it is taken: identity makes a repeated post harmless.
  private func deliver(_ records: [ShopRecord], _ store: any ShopStore) {
    let events = records.compactMap(\.event)
    if !events.isEmpty, !retry("events", { () throws(ShopProblem) in try store.write(events) }) { return }
    control.withLock { control in
      control.progress.events += events.count
      for sample in records.lazy.compactMap(\.completes) {
        if sample.failed { control.progress.failedSample = sample } else { control.progress.sample = sample }
      }
    }
  }

  private func deliver(_ reports: [[UInt8]]) {
    if !retry("handler reports", { () throws(ShopProblem) in try self.clew.report(reports) }) { return }
    control.withLock { $0.progress.reports += reports.count }
  }

  /// - Returns: false if the shop closes before it went well.
  private func retry(_ what: String, _ body: () throws(ShopProblem) -> Void) -> Bool {
    var attempt = 0
    while !stopping {
      do throws(ShopProblem) {
        try body()
        if attempt > 0 { control.withLock { ($0.progress.failures, $0.progress.problem) = (0, nil) } }
        return true
      } catch {
        attempt += 1
        log.limitedWarning("shop", "cannot deliver \(what): \(error)")
        control.withLock { ($0.progress.failures, $0.progress.problem) = (attempt, error.description) }
        pause(min(5, 0.2 * Double(attempt)))
      }
    }
    return false
  }
}
