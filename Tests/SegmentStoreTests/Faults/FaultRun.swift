import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// A store on a simulated disk, what it acknowledged, and so what it must hold.
final class FaultRun {
  static let directory = "/data/store"

  let disk: SimulatedDisk
  var options: StoreOptions
  let clock: SettableClock
  private(set) var life: SegmentStore?
  /// What was acknowledged, transaction by transaction.
  private var history: [[SourceBatch]] = []
  /// So many of them survive the loss of power.
  private var durableCount = 0
  /// Asked for and not acknowledged: after a crash it may be there as a whole, or not at all.
  private var attempted: [SourceBatch]?
  private(set) var memory = MemoryTraceStore()
  private var sources: Set<String> = []
  /// Whole segments go: answers are compared event by event only.
  var dropsEvents = false

  init(_ disk: SimulatedDisk, options: StoreOptions = FaultRun.options(), clock: SettableClock = SettableClock()) {
    self.disk = disk
    self.options = options
    self.clock = clock
  }

  static func options(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    var options = StoreOptions()
    options.sealAfter = .seconds(1_000_000_000)
    options.retention.freeDiskBytes = 0
    options.blockCacheBytes = 1 << 20
    options.hotCacheBytes = 1 << 20
    change(&options)
    return options
  }

  /// An open store that merges nothing and syncs everything, with one segment.
  static func withSegment(of numbers: ClosedRange<Int>) throws -> FaultRun {
    let run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    run.options.durability = .power
    try run.open()
    try run.append(FaultLoopTests.batches(numbers))
    try run.seal()
    return run
  }

  /// The same store on a disk of its own.
  ///
  /// - Precondition: it is closed.
  func copy(seed: UInt64) throws -> FaultRun {
    let copy = FaultRun(disk.copy(seed: seed), options: options, clock: SettableClock(clock.now()))
    copy.history = history
    copy.durableCount = history.count
    copy.sources = sources
    copy.dropsEvents = dropsEvents
    for batches in history { _ = try copy.memory.append(batches) }
    return copy
  }

  var store: SegmentStore {
    get throws {
      guard let life else { throw StoreError(.closed, "the store of the test is not open", hint: "") }
      return life
    }
  }

  // MARK: What is done

  func open() throws {
    options.fileSystem = disk.mount()
    let opened = try SegmentStore.open(directory: Self.directory, options: options, clock: clock, log: Log { _ in })
    life = opened
    if opened.state.generations.count > 1 { try? opened.sealer.runRound() }
  }

  func close() {
    life?.close()
    life = nil
  }

  func append(_ batches: [SourceBatch]) throws {
    attempted = batches
    let outcomes = try store.append(batches)
    attempted = nil
    let expected = try memory.append(batches)
    history.append(batches)
    sources.formUnion(batches.map(\.source))
    let wantsSync = options.durability == .auto && batches.contains { $0.durability == .synced }
    if wantsSync || options.durability == .power { durableCount = history.count }
    if dropsEvents { return }
    for (outcome, wanted) in zip(outcomes, expected) {
      try #require(outcome.dispositions == wanted.dispositions)
      try #require(outcome.accepted.map(\.ordinal) == wanted.accepted.map(\.ordinal))
    }
  }

  func sync() throws {
    try store.sync()
    durableCount = history.count
  }

  func seal() throws {
    try store.seal()
    durableCount = history.count
  }

  func applyRetention() throws {
    dropsEvents = true
    try store.applyRetention(now: clock.now())
  }

  func merge() throws {
    try store.mergeNow()
  }

  /// A segment that could not be read is set aside until the next start.
  var isDegraded: Bool {
    life?.missingParts().contains { if case .damagedSegment = $0 { true } else { false } } ?? false
  }

  /// Reads while the disk may refuse: an answer that comes is right.
  func read() throws {
    let store = try store
    let expected = try memory.makeEventCursor(after: 0).next(limit: 100_000)
    let walked = try store.makeEventCursor(after: 0).next(limit: 100_000)
    if dropsEvents || isDegraded { return }
    try #require(walked.map(Self.shown) == expected.map(Self.shown))
  }

  /// Ends the process, however it goes, and begins the next one.
  func restart(_ restart: SimulatedDisk.Restart) throws {
    crash(restart)
    try open()
    try settle(restart)
  }

  func crash(_ restart: SimulatedDisk.Restart) {
    close()
    disk.reboot(restart)
  }

  /// Finds out which transactions are there: all that had to be, and then up to some point.
  func settle(_ restart: SimulatedDisk.Restart) throws {
    let least = restart == .powerLoss ? min(durableCount, history.count) : history.count
    let found = MemoryTraceStore()
    for batches in history.prefix(least) { _ = try found.append(batches) }
    var count = least
    let rest = Array(history.dropFirst(least)) + (attempted.map { [$0] } ?? [])
    while try !holdsWhat(found) {
      if count - least == rest.count { throw Unexplained(text: "after \(restart): \(try difference(least))") }
      _ = try found.append(rest[count - least])
      count += 1
    }
    history = Array((history + (attempted.map { [$0] } ?? [])).prefix(count))
    if count > least { sources.formUnion(history.joined().map(\.source)) }
    if restart == .powerLoss { durableCount = history.count } else { durableCount = min(durableCount, history.count) }
    attempted = nil
    memory = found
  }

  private func holdsWhat(_ expected: MemoryTraceStore) throws -> Bool {
    let store = try store
    if store.lastOrdinal != expected.lastOrdinal { return false }
    for source in sources where try store.checkpoints(ofSource: source) != expected.checkpoints(ofSource: source) {
      return false
    }
    return true
  }

  private func difference(_ least: Int) throws -> String {
    let store = try store
    let places = try sources.sorted().map { "\($0) \(try store.checkpoints(ofSource: $0).map(\.position.major))" }
    return "last ordinal \(store.lastOrdinal), checkpoints \(places), of \(history.count) transactions \(least) must be"
      + " there (\(memory.lastOrdinal) events were acknowledged); missing \(store.missingParts())"
  }

  // MARK: What must be true

  func check() throws {
    let store = try store
    if dropsEvents { try compareEvents() } else { try StoreComparison(subject: store, memory: memory).compare() }
    for source in sources {
      try #require(try store.checkpoints(ofSource: source) == memory.checkpoints(ofSource: source))
    }
    let report = try SegmentStore.verify(Self.directory, on: disk.mount())
    try #require(report.isClean, "\(report.problems)")
  }

  /// What was not deleted is there, once, and in the order of ordinals.
  private func compareEvents() throws {
    let store = try store
    var gone: [ClosedRange<Int64>] = []
    for part in store.missingParts() {
      guard case .droppedByRetention(let range) = part else {
        Issue.record("\(part)")
        continue
      }
      gone.append(range)
    }
    let all = try memory.makeEventCursor(after: 0).next(limit: 100_000)
    let walked = try store.makeEventCursor(after: 0).next(limit: 100_000)
    let wanted = all.filter { event in !gone.contains { $0.contains(event.ordinal) } }
    try #require(walked.map(Self.shown) == wanted.map(Self.shown))
    for event in walked {
      let found = try store.events(withID: event.id).filter { $0.eventClass != .report }
      try #require(found == walked.filter { $0.id == event.id })
    }
    for trace in Set(walked.compactMap(\.correlation)) {
      let records = try store.trace(trace).records.map(\.ordinal)
      try #require(records == walked.filter { $0.correlation == trace }.map(\.ordinal))
    }
  }

  private static func shown(_ event: StoredEvent) -> String {
    "\(event.ordinal) \(event.source) \(event.id) \(String(describing: event.ownCorrelation)) \(event.stream)"
      + " \(String(decoding: event.data?.bytes ?? [], as: UTF8.self))"
  }
}

/// The store holds nothing that it may hold.
struct Unexplained: Error, CustomStringConvertible {
  var text: String
  var description: String { text }
}

/// Time as the test says.
final class SettableClock: WallClock {
  private let time: Locked<Timestamp>
  init(_ start: Timestamp = TestEvent.epoch) { time = Locked(start) }
  func now() -> Timestamp { time.withLock { $0 } }
  func advance(seconds: Int64) { time.withLock { $0 = $0.advanced(byNanoseconds: seconds * 1_000_000_000) } }
}
