public import EventSource
import EventModel
import HandlerMetrics
import Platform
public import TraceStore

/// When to try again: pauses that double from the shortest to the longest. A value, so that tests need no clock.
struct Backoff {
  let secondsMin: Double
  let secondsMax: Double
  private(set) var attempts = 0

  init(secondsMin: Double, secondsMax: Double) {
    self.secondsMin = secondsMin
    self.secondsMax = secondsMax
  }

  /// The pause before the next attempt.
  mutating func next() -> Double {
    attempts += 1
    return min(secondsMax, secondsMin * Double(1 << min(attempts - 1, 20)))
  }

  mutating func reset() { attempts = 0 }
}

/// One thread that reads one followed file and stores what it brings, with the file's place in the same transaction.
final class FollowRunner: SourceRunner, @unchecked Sendable {
  // `@unchecked Sendable`: `isCancelled` is touched inside `lock` only; `thread` is set in `start`, before any join.
  private let lock = Lock()
  private var isCancelled = false
  private var thread: WorkerThread?
  private let pipeline: IngestPipeline
  private let name: String
  private let file: FollowedFile
  private var rotationsSeen = 0
  private var truncationsSeen = 0

  init(pipeline: IngestPipeline, name: String, file: FollowedFile) {
    self.pipeline = pipeline
    self.name = name
    self.file = file
  }

  func start() { thread = WorkerThread(name: "clew-follow") { [self] in run() } }

  func cancel() {
    lock.withLock {
      isCancelled = true
      lock.wakeAll()
    }
    file.cancel()
  }

  func join() { thread?.join() }

  private var shouldStop: Bool { lock.withLock { isCancelled } }

  private func pause(_ seconds: Double) {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    lock.withLock {
      while !isCancelled && Instant.now < deadline { _ = lock.wait(until: deadline) }
    }
  }

  private func run() {
    var backoff = Backoff(secondsMin: pipeline.limits.retrySecondsMin, secondsMax: pipeline.limits.retrySecondsMax)
    while !shouldStop {
      do throws(EventReadError) {
        if let batch = try file.nextBatch(until: Instant.now.advanced(bySeconds: 0.5)) {
          guard store(batch) else { break }
        }
        if backoff.attempts > 0 { pipeline.metrics?.countReconnect(.error, source: name) }
        backoff.reset()
        noteState()
      } catch {
        let seconds = backoff.next()
        update { status in
          status.state = .retrying
          status.problem = error.description
          status.retries += 1
        }
        pipeline.log.limitedWarning("source \(name)", "\(error); trying again in \(seconds) s")
        pause(seconds)
      }
    }
    update { $0.state = .stopped }
  }

  private func noteState() {
    let isCaughtUp = file.isCaughtUp
    let head = file.headOffset.map(Int64.init)
    update { status in
      status.state = head == nil ? .starting : isCaughtUp ? .live : .catchingUp
      status.problem = head == nil ? "\(file.path) is not there (yet)" : nil
      status.headPosition = head
    }
    let counters = file.counters
    if counters.rotations > rotationsSeen {
      pipeline.log.info("source \(name)", "\(file.path) was replaced by a new file")
    }
    if counters.truncations > truncationsSeen {
      pipeline.log.warning("source \(name)", "\(file.path) became shorter: reading it from its start")
    }
    rotationsSeen = counters.rotations
    truncationsSeen = counters.truncations
  }

  /// Stores a batch, again and again until the store takes it: it is nowhere else.
  ///
  /// - Returns: false when the pipeline stops; the file is then read again from its last stored place.
  private func store(_ batch: FollowedFile.Batch) -> Bool {
    let source = SourceBatch(
      source: name, events: batch.read.events, identity: .eventID, durability: .process,
      checkpoint: batch.checkpoint)
    var backoff = Backoff(secondsMin: pipeline.limits.retrySecondsMin, secondsMax: pipeline.limits.retrySecondsMax)
    while true {
      do throws(StoreError) {
        let outcome = try pipeline.submit(source)
        finish(batch, outcome)
        return true
      } catch {
        if error.code == .closed || shouldStop { return false }
        update { status in
          status.state = .waitingForStore
          status.problem = error.description
          status.retries += 1
        }
        pause(backoff.next())
        if shouldStop { return false }
      }
    }
  }

  private func finish(_ batch: FollowedFile.Batch, _ outcome: AppendOutcome) {
    for refusal in batch.read.refusals {
      pipeline.log.limitedWarning(
        "source \(name)", "refused line \(refusal.line) before offset \(batch.read.endOffset): \(refusal.reason)")
    }
    pipeline.metrics?.recordDropped(batch.read.refused, .decode, source: name)
    let now = pipeline.clock.now()
    update { status in
      status.accepted += outcome.accepted.count
      status.duplicate += outcome.duplicateCount
      status.conflict += outcome.conflictCount
      status.refused += batch.read.refused
      status.position = batch.checkpoint.position
      status.lastReadAt = now
    }
  }

  private func update(_ change: (inout SourceStatus) -> Void) {
    pipeline.registry.update(
      SourceStatus(name: name, kind: .file, state: .starting, location: file.path), name, change)
  }
}

extension IngestPipeline {
  /// Follows a file on a thread of its own, from where it was last stored, until `stop`.
  ///
  /// - Throws: `StoreError` if the last place cannot be read.
  public func follow(path: String, source: String, rules: ReadingRules = ReadingRules()) throws(StoreError) {
    let checkpoint = try store.checkpoints(ofSource: source).first { $0.subStream.isEmpty }
    let file = FollowedFile(path: path, source: source, checkpoint: checkpoint, rules: rules, clock: clock)
    setRules(rules, source: source)
    metrics?.addSource(source)
    registry.update(SourceStatus(name: source, kind: .file, state: .starting, location: path), source) { _ in }
    let runner = FollowRunner(pipeline: self, name: source, file: file)
    let isStopping = state.withLock { state -> Bool in
      if !state.isStopping { state.runners.append(runner) }
      return state.isStopping
    }
    if isStopping { throw Self.closed }
    runner.start()
  }
}
