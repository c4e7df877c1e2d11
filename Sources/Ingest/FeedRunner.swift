import EventModel
public import EventSource
import HandlerMetrics
import Platform
public import TraceStore

/// Reads one event store on a thread of its own and stores what it brings, with its place in the same transaction;
/// beside it a second thread asks for the head of the log.
///
/// One batch is being stored while the next one is received and read. Batches are stored in their order, each one only
/// after the one before it: a place never gets into the store before the events in front of it.
final class FeedRunner: SourceRunner, FeedSink, @unchecked Sendable {
  // `@unchecked Sendable`: `shared` has its own lock; `waiting`, `taken`, `lastReason` and `backoff` belong to the
  // reading thread; the threads are set in `start`, before any join.
  struct Times {
    /// Between two questions for the head.
    var headSeconds = 5.0
    /// Between two questions for those who read the log.
    var readersSeconds = 15.0
    /// A batch that waits so long for the store ends the subscription: an unread connection would be ended by the
    /// server.
    var storeSeconds = 5.0
    /// Without an event that is known to be there, a subscription that is so long silent is dead.
    var silenceSeconds = 20.0
  }

  private struct Shared {
    var isCancelled = false
    /// Behind the last batch that the feed handed over, and when.
    var taken: SourcePosition?
    var takenAt = Instant.now
    /// Behind the last batch that is stored.
    var stored: SourcePosition?
    var isConnected = false
    var isCaughtUp = false
    var readers = ReaderBook()
    /// The last head showed that there is nothing that was not read.
    var headSaysCaughtUp = false
  }

  private struct Waiting {
    var batch: FeedBatch
    var source: SourceBatch
    var ticket: Ticket<AppendedBatch>?
  }

  private let pipeline: IngestPipeline
  private let name: String
  private let feed: any EventFeed
  private let times: Times
  private let lock = Lock()
  private var shared = Shared()
  /// Handed over and not stored yet: two at most.
  private var waiting: [Waiting] = []
  private var taken: SourceCheckpoint?
  private var backoff: Backoff
  private var lastReason: FeedProblem.Reason?
  private var threads: [WorkerThread] = []

  init(
    pipeline: IngestPipeline, name: String, feed: any EventFeed, checkpoint: SourceCheckpoint?, times: Times = Times()
  ) {
    self.pipeline = pipeline
    self.name = name
    self.feed = feed
    self.times = times
    taken = checkpoint
    shared.taken = checkpoint?.position
    shared.stored = checkpoint?.position
    backoff = Backoff(secondsMin: pipeline.limits.retrySecondsMin, secondsMax: pipeline.limits.retrySecondsMax)
  }

  func start() {
    threads = [
      WorkerThread(name: "clew-feed") { [self] in run() }, WorkerThread(name: "clew-head") { [self] in watchHead() },
    ]
  }

  func cancel() {
    lock.withLock {
      shared.isCancelled = true
      lock.wakeAll()
    }
    feed.cancel()
  }

  func join() { for thread in threads { thread.join() } }

  private var shouldStop: Bool { lock.withLock { shared.isCancelled } }

  /// - Returns: false if the runner was stopped meanwhile.
  private func pause(_ seconds: Double) -> Bool {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    return lock.withLock {
      while !shared.isCancelled && Instant.now < deadline { _ = lock.wait(until: deadline) }
      return !shared.isCancelled
    }
  }

  // MARK: Reading

  private func run() {
    while !shouldStop {
      do throws(FeedProblem) {
        try feed.read(from: taken, into: self)
        disconnected()
        if shouldStop { break }
        guard drain() else { break }
      } catch {
        disconnected()
        if shouldStop { break }
        // What came before the problem is stored first: then nothing is in the way when it goes on.
        guard drain() else { break }
        note(error)
      }
    }
    _ = drain(onlyNow: true)
    update { $0.state = .stopped }
  }

  private func disconnected() {
    lock.withLock {
      shared.isConnected = false
      shared.isCaughtUp = false
    }
  }

  private func note(_ problem: FeedProblem) {
    lastReason = problem.reason
    var seconds = backoff.next()
    // The leader is known, and who was too slow begins again at once; the second time in a row is a time to wait.
    if backoff.attempts == 1, problem.reason == .notLeader || problem.reason == .dropped { seconds = 0 }
    // Many sidecars shall not come back in one instant.
    seconds *= Double.random(in: 0.5...1)
    update { status in
      status.state = problem.reason == .refused ? .refused : .retrying
      status.problem = problem.description
      status.retries += 1
    }
    let shown = (seconds * 10).rounded() / 10
    pipeline.log.limitedWarning("source \(name)", "\(problem); trying again in \(shown) s")
    _ = pause(seconds)
  }

  // MARK: The sink

  func connected(isCaughtUp: Bool) {
    lock.withLock {
      shared.isConnected = true
      shared.isCaughtUp = isCaughtUp
      shared.takenAt = Instant.now
    }
    if let reason = lastReason {
      pipeline.metrics?.countReconnect(reason.asMetric, source: name)
      pipeline.log.info("source \(name)", "reading again from \(taken?.position.description ?? "the start")")
    }
    lastReason = nil
    // A server that confirms and then refuses is no progress: then the pauses grow.
    if isCaughtUp { backoff.reset() }
    noteState()
  }

  func take(_ batch: FeedBatch) -> FeedAnswer {
    var source = SourceBatch(source: name, events: batch.events, identity: .position, durability: .process)
    if var checkpoint = batch.checkpoint {
      checkpoint.source = name
      source.checkpoint = checkpoint
      taken = checkpoint
    }
    lock.withLock {
      shared.taken = taken?.position
      shared.takenAt = Instant.now
      shared.isCaughtUp = batch.isCaughtUp
    }
    waiting.append(Waiting(batch: batch, source: source, ticket: nil))
    let deadline = Instant.now.advanced(bySeconds: times.storeSeconds)
    while let first = waiting.first {
      guard let ticket = first.ticket else {
        guard case .success(let ticket) = pipeline.enqueue(first.source, until: deadline) else {
          return shouldStop ? .stop : .release
        }
        waiting[0].ticket = ticket
        break
      }
      do throws(StoreError) {
        guard let stored = try ticket.wait(until: deadline) else { return shouldStop ? .stop : .release }
        finish(waiting.removeFirst().batch, stored.outcome)
      } catch {
        waiting[0].ticket = nil
        noteStore(error)
        return shouldStop || error.code == .closed ? .stop : .release
      }
    }
    return shouldStop ? .stop : .goOn
  }

  /// Settles what the writer has done meanwhile.
  func idle() -> FeedAnswer {
    while let ticket = waiting.first?.ticket, ticket.isComplete {
      do throws(StoreError) {
        let stored = try ticket.wait()
        finish(waiting.removeFirst().batch, stored.outcome)
      } catch {
        waiting[0].ticket = nil
        noteStore(error)
        return shouldStop || error.code == .closed ? .stop : .release
      }
    }
    return shouldStop ? .stop : .goOn
  }

  /// Stores what was handed over, again and again until the store takes it: it is nowhere else.
  ///
  /// - Parameter onlyNow: at the end what the writer has is waited for, and nothing is tried again: it comes again.
  /// - Returns: false when the pipeline stops.
  private func drain(onlyNow: Bool = false) -> Bool {
    var pauses = Backoff(secondsMin: pipeline.limits.retrySecondsMin, secondsMax: pipeline.limits.retrySecondsMax)
    while let first = waiting.first {
      do throws(StoreError) {
        if let ticket = first.ticket {
          let stored = try ticket.wait()
          finish(waiting.removeFirst().batch, stored.outcome)
          continue
        }
        if onlyNow { return false }
        guard case .success(let ticket) = pipeline.enqueue(first.source, until: nil) else { return false }
        waiting[0].ticket = ticket
      } catch {
        waiting[0].ticket = nil
        if onlyNow || error.code == .closed || shouldStop { return false }
        noteStore(error)
        if !pause(pauses.next()) { return false }
      }
    }
    return true
  }

  private func noteStore(_ error: StoreError) {
    update { status in
      status.state = .waitingForStore
      status.problem = error.description
      status.retries += 1
    }
  }

  private func finish(_ batch: FeedBatch, _ outcome: AppendOutcome) {
    // A subscription that brought something before it broke was progress: the next one need not wait long.
    backoff.reset()
    for refusal in batch.refusals {
      pipeline.log.limitedWarning("source \(name)", "refused an event at \(refusal.reason)")
    }
    pipeline.metrics?.recordDropped(batch.refused, .decode, source: name)
    pipeline.metrics?.recordDropped(batch.links, .filtered, source: name)
    if let place = batch.checkpoint?.position { lock.withLock { shared.stored = place } }
    let now = pipeline.clock.now()
    update { status in
      status.accepted += outcome.accepted.count
      status.duplicate += outcome.duplicateCount
      status.conflict += outcome.conflictCount
      status.refused += batch.refused
      status.position = batch.checkpoint?.position ?? status.position
      status.lastReadAt = now
    }
    if !batch.readers.isEmpty { noteReaders { $0.take(batch.readers) } }
    noteState()
  }

  private func noteReaders(_ change: (inout ReaderBook) -> Void) {
    lock.withLock {
      change(&shared.readers)
      let book = shared.readers
      update { status in
        status.readers = book.all
        status.readersOmitted = book.omittedCount
        status.readersProblem = book.problem
      }
    }
  }

  private func noteState() {
    // Inside the lock: the thread that asks for the head must not overwrite what the reading one found out since.
    lock.withLock {
      guard shared.isConnected else { return }
      let isCaughtUp = shared.isCaughtUp || shared.headSaysCaughtUp
      let isStored = shared.stored == shared.taken
      update { status in
        // Who is told "live" for the first time finds everything that was there; after that, what is on its way is
        // no news.
        status.state = isCaughtUp && (isStored || status.state == .live) ? .live : .catchingUp
        status.problem = nil
      }
    }
  }

  private func update(_ change: (inout SourceStatus) -> Void) {
    pipeline.registry.update(
      SourceStatus(name: name, kind: .eventStore, state: .starting, location: feed.location), name, change)
  }

  // MARK: The head

  private func watchHead() {
    var seconds = min(1, times.headSeconds)
    var askedAt: Instant?
    while pause(seconds) {
      seconds = times.headSeconds
      let (place, takenBefore) = lock.withLock { (shared.stored, shared.taken) }
      var head = FeedHead()
      do throws(FeedProblem) {
        head = try feed.head(after: place)
      } catch {
        pipeline.log.debug("source \(name)", "the head is not known: \(error)")
      }
      note(head, place)
      endIfSilent(head, place, takenBefore)
      if askedAt.map({ Instant.now.seconds(since: $0) < times.readersSeconds }) ?? false { continue }
      guard lock.withLock({ shared.isConnected }) else { continue }
      askedAt = Instant.now
      let report = feed.readers()
      noteReaders { $0.take(report) }
    }
  }

  private func note(_ head: FeedHead, _ place: SourcePosition?) {
    lock.withLock { shared.headSaysCaughtUp = head.rest == .nothing && shared.stored == place }
    let now = pipeline.clock.now()
    update { status in
      status.headPosition = head.position.map { Int64(clamping: $0.major) }
      status.headObservedAt = head.position == nil ? status.headObservedAt : now
      status.lag =
        switch head.rest {
        case .unknown: nil
        case .nothing: 0
        case .since(let created): max(0, now.since(created))
        }
    }
    noteState()
  }

  /// An event lies behind the place for a while, nothing waits for the store, and yet it does not come.
  private func endIfSilent(_ head: FeedHead, _ place: SourcePosition?, _ takenBefore: SourcePosition?) {
    guard case .since = head.rest else { return }
    let isSilent = lock.withLock {
      shared.isConnected && shared.taken == takenBefore && shared.stored == place && shared.taken == place
        && Instant.now.seconds(since: shared.takenAt) > times.silenceSeconds
    }
    if isSilent { feed.interrupt() }
  }
}

extension FeedProblem.Reason {
  var asMetric: MetricsRecorder.ReconnectReason {
    switch self {
    case .dropped: .dropped
    case .timeout: .timeout
    case .auth: .auth
    case .notLeader: .notLeader
    case .serverClosed: .serverClosed
    case .error, .refused: .error
    }
  }
}

extension IngestPipeline {
  /// Follows an event store from where it was last stored, until `stop`.
  ///
  /// - Throws: `StoreError` if the last place cannot be read.
  public func follow(_ feed: any EventFeed, source: String, rules: ReadingRules) throws(StoreError) {
    let checkpoint = try store.checkpoints(ofSource: source).first { $0.subStream.isEmpty }
    setRules(rules, source: source)
    metrics?.addSource(source)
    registry.update(
      SourceStatus(name: source, kind: .eventStore, state: .starting, location: feed.location), source
    ) { $0.position = checkpoint?.position }
    let runner = FeedRunner(pipeline: self, name: source, feed: feed, checkpoint: checkpoint)
    let isStopping = state.withLock { state -> Bool in
      if !state.isStopping { state.runners.append(runner) }
      return state.isStopping
    }
    if isStopping { throw Self.closed }
    runner.start()
  }
}
