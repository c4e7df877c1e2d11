import EventModel
import Platform
import TraceAssembly
import TraceStore

/// An assembled trace, shared by all requests that page through it.
final class CachedTree: Sendable {
  let tree: TraceTree
  /// The store's last ordinal before the trace was read: the name of this view of it.
  let snapshot: Int64
  private let plain: TraceRows
  private let folded = Locked<TraceRows?>(nil)
  private let critical: Set<Int>

  init(tree: TraceTree, snapshot: Int64) {
    self.tree = tree
    self.snapshot = snapshot
    plain = TraceRows(tree)
    critical = Set(tree.criticalPath)
  }

  func rows(folding: Bool) -> TraceRows {
    if !folding { return plain }
    if let known = folded.withLock({ $0 }) { return known }
    let made = TraceRows(tree, fold: FoldRule())
    folded.withLock { $0 = made }
    return made
  }

  /// The event lies on the path to the one that was created last.
  func isCritical(_ place: Int) -> Bool { critical.contains(place) }
}

/// Reads and assembles traces, a bounded number at once, and keeps large ones for the pages that follow.
///
/// A tree is known by its trace and the store's last ordinal, so what is kept never hides new events; a cursor names
/// the view it pages through, and gets it as long as it is kept. The least recently used trees go when all together
/// have more than `treeCacheEvents` events; a bigger one is kept alone.
final class TreeCache: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  struct Key: Hashable {
    var correlation: Identifier
    var snapshot: Int64
  }

  /// The result of a load, for those who wait for it. Touched inside `lock` only.
  private final class Loading {
    var isOver = false
    var tree: CachedTree?
  }

  /// How long a request waits for another one that reads the same trace.
  static let loadWaitSeconds = 60.0

  /// Smaller trees are read again faster than they are worth keeping.
  static let keptEventsMin = 500

  private let reader: any TraceReader
  private let eventsMax: Int
  private let hugeEvents: Int
  private let reads: Gate
  private let huge: Gate
  private let lock = Lock()
  private var kept: [Key: (tree: CachedTree, used: UInt64)] = [:]
  /// What is being read, and what became of it: those who wait take it from here.
  private var loading: [Key: Loading] = [:]
  /// Traces that turned out huge: the next time they take their place before they are read. Bounded.
  private var knownHuge: Set<Identifier> = []
  private var keptEvents = 0
  private var clock: UInt64 = 0

  init(reader: any TraceReader, options: ClewAPI.Options) {
    self.reader = reader
    eventsMax = options.treeCacheEvents
    hugeEvents = options.hugeTraceEvents
    reads = Gate(places: options.traceReadsMax, waitSeconds: 30, what: "traces")
    huge = Gate(places: 2, waitSeconds: 60, what: "huge traces")
  }

  /// Events of all trees that are kept.
  var eventCount: Int { lock.withLock { keptEvents } }

  /// The tree of a trace; one without events if the trace is unknown.
  ///
  /// - Parameter snapshot: the view that a cursor names; where it is not kept any more, the present one is given.
  func tree(of correlation: Identifier, snapshot: Int64? = nil) throws(APIError) -> CachedTree {
    var payloads: TracePayloads?
    return try tree(of: correlation, snapshot: snapshot, &payloads, payloadBytesMax: 0)
  }

  /// - Parameters:
  ///   - payloads: becomes all payloads of the trace, if it is read now and they have at most `payloadBytesMax` bytes.
  ///   - payloadBytesMax: 0: no payloads are wanted.
  func tree(
    of correlation: Identifier, snapshot: Int64?, _ payloads: inout TracePayloads?, payloadBytesMax: Int
  ) throws(APIError) -> CachedTree {
    if let snapshot, let known = find(Key(correlation: correlation, snapshot: snapshot)) { return known }
    let key = Key(correlation: correlation, snapshot: reader.lastOrdinal)
    let own = Loading()
    if let known = try known(key, orBegin: own) { return known }
    defer {
      lock.withLock {
        own.isOver = true
        loading[key] = nil
        lock.wakeAll()
      }
    }
    let tree = try load(key, &payloads, payloadBytesMax)
    keep(tree, key)
    lock.withLock { own.tree = tree }
    return tree
  }

  /// A tree that is kept, or that another request reads at the moment: it is read once for all that want it. Nil if
  /// the caller has to read it, for which `own` stands from now on.
  private func known(_ key: Key, orBegin own: Loading) throws(APIError) -> CachedTree? {
    let deadline = Instant.now.advanced(bySeconds: Self.loadWaitSeconds)
    var isLate = false
    let known = lock.withLock { () -> CachedTree? in
      while let other = loading[key], !isLate {
        while !other.isOver && !isLate { isLate = !lock.wait(until: deadline) && !other.isOver }
        if let tree = other.tree { return tree }
      }
      if isLate { return nil }
      if let entry = kept[key] { return touch(key, entry.tree) }
      loading[key] = own
      return nil
    }
    if isLate { throw .busy("traces") }
    return known
  }

  private func load(_ key: Key, _ payloads: inout TracePayloads?, _ bytesMax: Int) throws(APIError) -> CachedTree {
    if lock.withLock({ knownHuge.contains(key.correlation) }) {
      return try huge.pass { () throws(APIError) in try assemble(try read(key), key) }
    }
    let place = try reads.enter()
    defer { withExtendedLifetime(place) {} }
    let contents: TraceContents
    if bytesMax > 0 {
      (contents, payloads) = try reading { () throws(StoreError) in
        try reader.trace(key.correlation, withPayloadsUpTo: bytesMax)
      }
    } else {
      contents = try read(key)
    }
    guard contents.records.count > hugeEvents else { return try assemble(contents, key) }
    lock.withLock {
      if knownHuge.count >= 1_000 { knownHuge.removeAll() }
      knownHuge.insert(key.correlation)
    }
    return try huge.pass { () throws(APIError) in try assemble(contents, key) }
  }

  private func read(_ key: Key) throws(APIError) -> TraceContents {
    try reading { () throws(StoreError) in try reader.trace(key.correlation) }
  }

  private func assemble(_ contents: TraceContents, _ key: Key) throws(APIError) -> CachedTree {
    let outside = TraceTree.causesOutside(contents)
    let known =
      outside.isEmpty ? [:] : try reading { () throws(StoreError) in try reader.locate(outside) }
    return CachedTree(tree: TraceTree.assemble(contents, externalCauses: known), snapshot: key.snapshot)
  }

  private func find(_ key: Key) -> CachedTree? {
    lock.withLock { kept[key].map { touch(key, $0.tree) } }
  }

  /// Inside `lock`.
  private func touch(_ key: Key, _ tree: CachedTree) -> CachedTree {
    clock += 1
    kept[key] = (tree, clock)
    return tree
  }

  private func keep(_ tree: CachedTree, _ key: Key) {
    guard tree.tree.count >= Self.keptEventsMin else { return }
    lock.withLock {
      keptEvents += tree.tree.count
      _ = touch(key, tree)
      while keptEvents > eventsMax, kept.count > 1, let oldest = kept.min(by: { $0.value.used < $1.value.used }) {
        keptEvents -= oldest.value.tree.tree.count
        kept[oldest.key] = nil
      }
    }
  }
}
