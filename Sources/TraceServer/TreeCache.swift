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

  init(tree: TraceTree, snapshot: Int64) {
    self.tree = tree
    self.snapshot = snapshot
    plain = TraceRows(tree)
  }

  func rows(folding: Bool) -> TraceRows {
    if !folding { return plain }
    if let known = folded.withLock({ $0 }) { return known }
    let made = TraceRows(tree, fold: FoldRule())
    folded.withLock { $0 = made }
    return made
  }

  /// The event lies on the path to the one that was created last.
  func isCritical(_ place: Int) -> Bool {
    // Who is on the way to it has it below.
    tree.criticalPath.last.map { tree.subtree(at: place).contains($0) } ?? false
  }
}

/// Reads and assembles traces, and keeps large ones for the pages that follow. How many are read at once, the gate of
/// look-ups bounds; huge ones have a gate of their own, and give their turn up meanwhile.
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
  let huge: Gate
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
    huge = Gate("huge_traces", places: 2, waitSeconds: 60, what: "huge traces")
  }

  /// Events of all trees that are kept.
  var eventCount: Int { lock.withLock { keptEvents } }

  /// The tree of a trace; one without events if the trace is unknown.
  ///
  /// - Parameter turn: the caller's place among the look-ups.
  func tree(of correlation: Identifier, in turn: Gate.Pass?) throws(APIError) -> CachedTree {
    var payloads: TracePayloads?
    return try tree(of: correlation, snapshot: nil, &payloads, payloadBytesMax: 0, in: turn)
  }

  /// - Parameters:
  ///   - snapshot: the view that a cursor names; where it is not kept any more, the present one is given.
  ///   - payloads: becomes all payloads of the trace, if it is read now and they have at most `payloadBytesMax` bytes.
  ///   - payloadBytesMax: 0: no payloads are wanted.
  ///   - turn: the caller's place among the look-ups.
  func tree(
    of correlation: Identifier, snapshot: Int64?, _ payloads: inout TracePayloads?, payloadBytesMax: Int,
    in turn: Gate.Pass?
  ) throws(APIError) -> CachedTree {
    if let snapshot, let known = find(Key(correlation: correlation, snapshot: snapshot)) { return known }
    let key = Key(correlation: correlation, snapshot: reader.lastOrdinal)
    let own = Loading()
    if let known = try known(key, orBegin: own, turn) { return known }
    defer { end(own, key, nil) }
    if !lock.withLock({ knownHuge.contains(correlation) }),
      let tree = try usual(key, &payloads, payloadBytesMax: payloadBytesMax)
    {
      end(own, key, tree)
      return tree
    }
    return try loadHuge(key, own, turn)
  }

  /// The tree of a trace; nil if it turns out huge. Then what was read is let go, and read again in the turn of huge ones:
  /// any number of requests may wait for that, and none of them holds a trace meanwhile.
  private func usual(
    _ key: Key, _ payloads: inout TracePayloads?, payloadBytesMax: Int
  ) throws(APIError) -> CachedTree? {
    let contents: TraceContents
    if payloadBytesMax > 0 {
      (contents, payloads) = try reading { () throws(StoreError) in
        try reader.trace(key.correlation, withPayloadsUpTo: payloadBytesMax)
      }
    } else {
      contents = try read(key)
    }
    if contents.records.count > hugeEvents {
      payloads = nil
      return nil
    }
    return try assemble(contents, key)
  }

  /// A tree that is kept, or that another request reads at the moment: it is read once for all that want it. Nil if
  /// the caller has to read it, for which `own` stands from now on.
  private func known(_ key: Key, orBegin own: Loading, _ turn: Gate.Pass?) throws(APIError) -> CachedTree? {
    let deadline = Instant.now.advanced(bySeconds: Self.loadWaitSeconds)
    while true {
      let (tree, other) = lock.withLock { () -> (CachedTree?, Loading?) in
        if let other = loading[key] { return (nil, other) }
        if let entry = kept[key] { return (touch(key, entry.tree), nil) }
        loading[key] = own
        return (nil, nil)
      }
      guard let other else { return tree }
      // Who reads may need the turn that this one has.
      if let tree = try outside(turn, { () throws(APIError) in try wait(for: other, until: deadline) }) { return tree }
    }
  }

  private func wait(for other: Loading, until deadline: Instant) throws(APIError) -> CachedTree? {
    let (isOver, tree) = lock.withLock { () -> (Bool, CachedTree?) in
      while !other.isOver { if !lock.wait(until: deadline) { break } }
      return (other.isOver, other.tree)
    }
    if !isOver { throw .busy("traces") }
    return tree
  }

  private func loadHuge(_ key: Key, _ own: Loading, _ turn: Gate.Pass?) throws(APIError) -> CachedTree {
    lock.withLock {
      if knownHuge.count >= 1_000 { knownHuge.removeAll() }
      knownHuge.insert(key.correlation)
    }
    return try outside(turn) { () throws(APIError) in
      let tree = try huge.pass { () throws(APIError) in try assemble(try read(key), key) }
      end(own, key, tree)
      return tree
    }
  }

  private func outside<R>(_ turn: Gate.Pass?, _ body: () throws(APIError) -> R) throws(APIError) -> R {
    if let turn { try turn.outside(body) } else { try body() }
  }

  /// The load is over, with this tree or without any; only the first end counts.
  private func end(_ own: Loading, _ key: Key, _ tree: CachedTree?) {
    if let tree { keep(tree, key) }
    lock.withLock {
      if own.isOver { return }
      own.isOver = true
      own.tree = tree
      loading[key] = nil
      lock.wakeAll()
    }
  }

  private func read(_ key: Key) throws(APIError) -> TraceContents {
    try reading { () throws(StoreError) in try reader.trace(key.correlation) }
  }

  private func assemble(_ contents: TraceContents, _ key: Key) throws(APIError) -> CachedTree {
    let tree = try TraceTree.assemble(contents) { (outside) throws(APIError) in
      try reading { () throws(StoreError) in try reader.locate(outside) }
    }
    return CachedTree(tree: tree, snapshot: key.snapshot)
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
