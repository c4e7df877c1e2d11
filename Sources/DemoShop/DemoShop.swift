import EventModel
import HTTPClient
public import Platform
import WireFormats

/// A small event-sourced shop, for `clew demo`: registrations, orders, payments and shipments with a process manager,
/// failures, retries and a slow projection. It posts its events and handler reports to a server, at a steady rate, as
/// any application would. What happens is a function of the seed; only when it happens depends on the clock.
public final class DemoShop: Sendable {
  public struct Options: Sendable {
    /// `http://127.0.0.1:9797`, without a path.
    public var server: String
    public var ordersPerMinute: Double
    public var seed: UInt64
    /// History that is posted at the start, so that every view has something at once.
    public var historySeconds: Double

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

    public init() {}
  }

  private struct Control {
    var stopping = false
    var progress = Progress()
  }

  /// Records of one post; the server takes more, but a post should be short.
  private static let postRecordsMax = 1000
  private static let tickSeconds = 0.2

  private let options: Options
  private let clock: any WallClock
  private let log: Log
  private let client: HTTPClient
  private let wake = Lock()
  private let control = Locked(Control())
  private let thread = Locked<WorkerThread?>(nil)

  public init(options: Options, clock: any WallClock = SystemClock(), log: Log) {
    self.options = options
    self.clock = clock
    self.log = log
    client = HTTPClient(options: HTTPClientOptions(connectSeconds: 2, requestSeconds: 30))
  }

  public var progress: Progress { control.withLock { $0.progress } }

  /// Opens the shop: a thread of its own posts until `stop`.
  public func start() {
    let worker = WorkerThread(name: "demo shop") { self.run() }
    thread.withLock { $0 = worker }
  }

  /// Closes the shop and waits for its thread.
  public func stop() {
    control.withLock { $0.stopping = true }
    wake.withLock { wake.wakeAll() }
    thread.withLock { worker in
      defer { worker = nil }
      return worker
    }?.join()
  }

  private func run() {
    let start = clock.now().advanced(byNanoseconds: -Int64(options.historySeconds * 1e9))
    var simulation = ShopSimulation(
      seed: options.seed, start: start, ordersPerMinute: max(0.1, options.ordersPerMinute))
    while !stopping {
      let now = clock.now()
      let records = simulation.records(until: now, limit: Self.postRecordsMax)
      if !records.isEmpty { deliver(records) }
      if records.count == Self.postRecordsMax { continue }
      control.withLock { $0.progress.historyDone = true }
      pause(Self.tickSeconds)
    }
  }

  private var stopping: Bool { control.withLock { $0.stopping } }

  private func pause(_ seconds: Double) {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    wake.withLock {
      while !stopping, wake.wait(until: deadline) {}
    }
  }

  /// Posts until the server has taken it: identity makes a repeated post harmless.
  private func deliver(_ records: [ShopRecord]) {
    let events = records.filter { $0.kind == .event }
    let reports = records.filter { $0.kind == .report }
    if !post(events, "/api/v1/events?source=shop") || !post(reports, "/api/v1/handler-reports") { return }
    control.withLock { control in
      control.progress.events += events.count
      control.progress.reports += reports.count
      for sample in records.lazy.compactMap(\.completes) {
        if sample.failed { control.progress.failedSample = sample } else { control.progress.sample = sample }
      }
    }
  }

  private func post(_ records: [ShopRecord], _ path: String) -> Bool {
    if records.isEmpty { return true }
    var body: [UInt8] = []
    for record in records { body += record.line + [0x0a] }
    var attempt = 0
    while !stopping {
      let problem: String
      do {
        let answer = try client.request(
          "POST", options.server + path, headers: [("Content-Type", "application/x-ndjson")], body: body)
        if answer.status == 200 {
          control.withLock { ($0.progress.failures, $0.progress.problem) = (0, nil) }
          return true
        }
        problem = "status \(answer.status): \(answer.text.prefix(200))"
      } catch {
        problem = error.message
      }
      attempt += 1
      log.limitedWarning("shop", "cannot post to \(path): \(problem)")
      control.withLock { ($0.progress.failures, $0.progress.problem) = (attempt, problem) }
      pause(min(5, 0.2 * Double(attempt)))
    }
    return false
  }
}
