import EventModel
public import Platform
public import TraceStore

/// The store on disk: a hot file that is written, sealed segments, and a catalog that says which of them count.
///
/// All writing calls come from one thread; readers come from any. `Catalog/` knows the files, `Hot/` the hot file and
/// its index in memory, `Segment/` the sealed files, `State/` what follows from events, `Reading/` answers, and
/// `Writing/` appends, seals, deletes and recovers.
public final class SegmentStore: TraceStore, @unchecked Sendable {
  // `@unchecked Sendable`: `state` is changed inside `lock` only; its files, which the sealer replaces, are also read
  // inside it only, everything else of it inside it or by the one writing thread. The rest is immutable or has its own
  // lock.
  public let directory: String
  let options: StoreOptions
  let clock: any WallClock
  var fileSystem: any FileSystem { options.fileSystem }
  let log: Log
  let lock = Lock()
  let state: StoreState
  let catalog: Locked<Catalog?>
  let blockCache: BlockCache
  let figures = Locked(StoreFigures())
  let limiter: SegmentLimiter?
  let sealer = SealerSignal()
  let mergeRetry = Locked(MergeRetry())
  /// Of the writing thread alone.
  let plan = AppendPlan()
  let directoryLock: DirectoryLock?
  private let sealerThread = Locked<WorkerThread?>(nil)
  private let closed = Locked(false)
  /// The segments when dictionaries were loaded for the last time.
  let preloadedNames = Locked<[String]>([])
  let transactionsSinceLook = Locked(0)

  var isWritable: Bool { options.mode == .readWrite }

  /// Opens a directory, recovering from whatever state a crash left it in.
  ///
  /// A store opened read-only shows what was stored when it was opened; opening it again shows what came since.
  ///
  /// - Throws: `.locked` if another process writes to it, `.unsupportedFormat` if a newer Clew wrote it, `.corrupted`
  ///   if the catalog itself is damaged (a damaged segment is set aside), `.notFound` if it is opened read-only and
  ///   does not exist, `.diskFull`, `.inputOutput`.
  public static func open(
    directory: String, options: StoreOptions = StoreOptions(), clock: any WallClock = SystemClock(), log: Log = Log()
  ) throws(StoreError) -> SegmentStore {
    let store = try SegmentStore(directory, options, clock, log)
    do {
      try store.recover()
    } catch {
      store.directoryLock?.release()
      throw error
    }
    if store.isWritable { store.startSealer() }
    return store
  }

  private init(_ directory: String, _ options: StoreOptions, _ clock: any WallClock, _ log: Log) throws(StoreError) {
    self.directory = directory
    self.options = options
    self.clock = clock
    self.log = log
    state = StoreState(options: options, log: log)
    blockCache = BlockCache(bytesMax: options.blockCacheBytes)
    limiter =
      options.mode == .readOnly
      ? nil
      : SegmentLimiter(connectionsMax: options.segmentConnectionsMax, bytesMax: options.segmentCacheBytes)
    if options.mode == .readWrite {
      try mapping { () throws(FileError) in try options.fileSystem.makeDirectory(directory) }
      directoryLock = try DirectoryLock(directory, options.fileSystem)
    } else {
      directoryLock = nil
      guard options.fileSystem.exists(directory + "/" + DirectoryLayout.catalogName) else {
        throw StoreError(
          .notFound, "\(directory) holds no store", hint: "check --data, or let `clew import` write to it first")
      }
    }
    catalog = Locked(nil)
  }

  deinit { close() }

  private func startSealer() {
    let weak = WeakStore(self)
    let signal = sealer
    sealerThread.withLock { thread in
      thread = WorkerThread(name: "sealer") {
        weak.store?.preload()
        while signal.waitForWork() { weak.store?.sealAndMerge() }
      }
    }
  }

  /// On the sealer's thread.
  private func sealAndMerge() {
    sealFrozen()
    // Merging may take a minute, and makes another segment.
    preload()
    mergeWhileDue()
    preload()
  }

  func path(_ name: String) -> String { directory + "/" + name }

  func requireOpen() throws(StoreError) {
    if closed.withLock({ $0 }) { throw StoreError(.closed, "the store in \(directory) is closed", hint: "") }
  }

  func requireWritable() throws(StoreError) {
    try requireOpen()
    if !isWritable {
      throw StoreError(.inputOutput, "\(directory) was opened for reading only", hint: "open it for writing")
    }
  }

  /// Runs `body` with the catalog, which several threads use.
  func withCatalog<R>(_ body: (Catalog) throws(StoreError) -> R) throws(StoreError) -> R {
    try catalog.withLock { (catalog) throws(StoreError) -> R in
      guard let catalog else { throw StoreError(.closed, "the catalog of \(directory) is closed", hint: "") }
      return try body(catalog)
    }
  }

  /// For tests: what happens at a named step; a crash is a thrown error.
  func reach(_ step: String) throws(StoreError) { try options.failurePoint?(step) }

  public func close() {
    let first = closed.withLock { closed -> Bool in
      defer { closed = true }
      return !closed
    }
    guard first else { return }
    sealer.stop()
    sealerThread.withLock { $0 }?.join()
    lock.withLock {
      state.generations = []
      state.segments = []
    }
    catalog.withLock { catalog in
      catalog?.close()
      catalog = nil
    }
    directoryLock?.release()
  }
}

/// The sealer's thread must not keep the store alive.
private final class WeakStore: @unchecked Sendable {
  // `@unchecked Sendable`: set once; weak references are safe to read from any thread.
  weak let store: SegmentStore?
  init(_ store: SegmentStore) { self.store = store }
}

/// Wakes the sealer, and tells those who wait for it how it went.
final class SealerSignal: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let lock = Lock()
  private var isWanted = false
  private var isStopped = false
  private var finishedRounds = 0
  private var sealedCount = 0
  private var mergesWanted = 0
  private var mergesAnswered = 0
  private var failure: StoreError?

  func wake() {
    lock.withLock {
      isWanted = true
      lock.wakeAll()
    }
  }

  func stop() {
    lock.withLock {
      isStopped = true
      lock.wakeAll()
    }
  }

  var isStopping: Bool { lock.withLock { isStopped } }

  /// - Returns: false when the thread shall end.
  func waitForWork() -> Bool {
    lock.withLock {
      while !isWanted && !isStopped { lock.wait() }
      isWanted = false
      return !isStopped
    }
  }

  /// Whether there is work, which the caller does then.
  func takeWork() -> Bool {
    lock.withLock {
      defer { isWanted = false }
      return isWanted && !isStopped
    }
  }

  /// How often somebody wanted to wait for merges so far.
  var mergeRequests: Int { lock.withLock { mergesWanted } }

  /// Nothing is left to be merged, or it cannot be.
  ///
  /// - Parameter requests: what `mergeRequests` was before the last look: who asked later waits for the next one.
  func finishedMerging(_ requests: Int) {
    lock.withLock {
      mergesAnswered = requests
      lock.wakeAll()
    }
  }

  /// Wakes the sealer and waits until it has looked for segments to merge, and merged them.
  func runMerges() {
    lock.withLock {
      mergesWanted += 1
      let mine = mergesWanted
      isWanted = true
      lock.wakeAll()
      while mergesAnswered < mine && !isStopped { lock.wait() }
    }
  }

  /// A seal ended, well or not.
  func finished(_ error: StoreError?) {
    lock.withLock {
      finishedRounds += 1
      failure = error
      lock.wakeAll()
    }
  }

  /// One hot file was sealed; the round goes on.
  func sealedOne() {
    lock.withLock {
      sealedCount += 1
      lock.wakeAll()
    }
  }

  /// Wakes the sealer and waits until it has sealed a hot file, or its round has ended.
  func waitForOne() throws(StoreError) {
    let error = lock.withLock { () -> StoreError? in
      let round = finishedRounds
      let sealed = sealedCount
      isWanted = true
      lock.wakeAll()
      while sealedCount == sealed && finishedRounds == round && !isStopped { lock.wait() }
      return finishedRounds == round ? nil : failure
    }
    if let error { throw error }
  }

  /// Wakes the sealer and waits until it has done, or failed at, another round.
  func runRound() throws(StoreError) {
    let error = lock.withLock { () -> StoreError? in
      let round = finishedRounds
      isWanted = true
      lock.wakeAll()
      while finishedRounds == round && !isStopped { lock.wait() }
      return failure
    }
    if let error { throw error }
  }
}
