import EventModel
import Platform
import SegmentBlocks
import Synchronization
import TraceStore

/// The part of a reader that can be let go and got again at any time: connections, the kinds of events, dictionaries.
///
/// `release` closes what is not lent out at the moment and forgets the rest; the next question opens the file again.
/// Whoever owns many readers calls it on those that were not used for the longest time: `lastUse`, `memoryBytes` and
/// `connectionCount` say which. Any method may be called from any thread.
final class SegmentResources: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only, or atomic.
  static let connectionCountMax = 4
  /// About what SQLite holds for a connection with its page cache.
  static let connectionBytes = 240 << 10

  private let path: String
  private let name: String
  private let files: any FileSystem
  private let rowCounts: [String: Int]
  private let lock = Lock()
  private var idle: [SegmentConnection] = []
  private var openCount = 0
  /// Falls when no more can be opened: the file has been deleted by retention, or descriptors are short.
  private var openMax = SegmentResources.connectionCountMax
  /// Rises with `release`: connections that were lent before are closed when they come back.
  private var generation = 0
  private var loadedKinds: LoadedKinds?
  private var loadedDictionary: SegmentDictionary?
  /// A thread loads the dictionary; the others wait for it: several megabytes are not made twice.
  private var isLoadingDictionary = false
  private let used = Atomic<UInt64>(0)
  private let clock: SegmentUseClock
  /// Called, outside all locks, when a connection was opened or something was loaded.
  private let grown = Locked<(@Sendable () -> Void)?>(nil)

  init(
    path: String, name: String, files: any FileSystem, rowCounts: [String: Int], first: SegmentConnection,
    clock: SegmentUseClock
  ) {
    self.path = path
    self.name = name
    self.files = files
    self.rowCounts = rowCounts
    self.clock = clock
    idle = [first]
    openCount = 1
    touch()
  }

  /// It counts as used now.
  func touch() { used.store(clock.next(), ordering: .relaxed) }

  /// Higher is more recent; comparable between readers of one block cache.
  var lastUse: UInt64 { used.load(ordering: .relaxed) }
  var connectionCount: Int { lock.withLock { openCount } }
  /// About what it holds in memory, page caches of SQLite included.
  var memoryBytes: Int {
    lock.withLock {
      openCount * Self.connectionBytes + (loadedKinds?.memoryBytes ?? 0) + (loadedDictionary?.memoryBytes ?? 0)
    }
  }

  /// What is to be done when there is more than before.
  func onGrowth(_ body: @escaping @Sendable () -> Void) { grown.withLock { $0 = body } }

  /// What can be let go: the less it costs to get again for the memory that it takes, the sooner.
  enum Part: Int, Comparable, CaseIterable {
    /// Connections that are not lent out.
    case connections
    /// And dictionaries: megabytes, some 10 ms to read.
    case dictionary
    /// And the kinds of events: half a megabyte that takes as long to read as the dictionaries.
    case kinds

    static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
  }

  /// Lets go of everything up to a part.
  func release(_ part: Part) {
    let closed: [SegmentConnection] = lock.withLock {
      generation += 1
      let closed = idle
      openCount -= closed.count
      idle = []
      openMax = Self.connectionCountMax
      if part >= .dictionary { loadedDictionary = nil }
      if part >= .kinds { loadedKinds = nil }
      return closed
    }
    // Closed here, outside the lock.
    _ = closed
  }

  func withConnection<R>(_ body: (SegmentConnection) throws(StoreError) -> R) throws(StoreError) -> R {
    touch()
    let (connection, lentIn) = try borrow()
    defer { giveBack(connection, lentIn) }
    return try body(connection)
  }

  private func borrow() throws(StoreError) -> (SegmentConnection, Int) {
    let (known, lentIn): (SegmentConnection?, Int) = lock.withLock {
      while idle.isEmpty && openCount >= openMax { lock.wait() }
      if let connection = idle.popLast() { return (connection, generation) }
      openCount += 1
      return (nil, generation)
    }
    if let known { return (known, lentIn) }
    do {
      let made = try SegmentConnection(path: path, name: name, files: files)
      grown.withLock { $0 }?()
      return (made, lentIn)
    } catch {
      let alone = lock.withLock {
        openCount -= 1
        openMax = max(1, openCount)
        return openCount == 0
      }
      if alone { throw error }
      // Others are open: their turn will come.
      return try borrow()
    }
  }

  private func giveBack(_ connection: SegmentConnection, _ lentIn: Int) {
    lock.withLock {
      if lentIn == generation { idle.append(connection) } else { openCount -= 1 }
      lock.wakeAll()
    }
  }

  // MARK: What is loaded

  /// Every row of a table of ours, in order, checked.
  func forEachRow(
    of table: SegmentTable, _ body: (Int, [RowValue]) throws(StoreError) -> Void
  ) throws(StoreError) {
    try withConnection { (connection) throws(StoreError) in
      try connection.forEachRow(of: table, count: rowCounts[table.nameText] ?? 0, body)
    }
  }

  /// The kinds of events of the segment.
  func kinds() throws(StoreError) -> LoadedKinds {
    touch()
    if let known = lock.withLock({ loadedKinds }) { return known }
    let loaded = try LoadedKinds(self, name)
    lock.withLock { loadedKinds = loaded }
    grown.withLock { $0 }?()
    return loaded
  }

  /// What `tools` gives is loaded. Asking for that is no use.
  var hasTools: Bool { lock.withLock { loadedKinds != nil && loadedDictionary != nil } }

  func tools() throws(StoreError) -> BlockTools {
    let kinds = try self.kinds()
    let known = lock.withLock { () -> SegmentDictionary? in
      while isLoadingDictionary { lock.wait() }
      if loadedDictionary == nil { isLoadingDictionary = true }
      return loadedDictionary
    }
    if let known { return BlockTools(kinds: kinds.table, dictionary: known) }
    defer {
      lock.withLock {
        isLoadingDictionary = false
        lock.wakeAll()
      }
    }
    return BlockTools(kinds: kinds.table, dictionary: try loadDictionary())
  }

  private func loadDictionary() throws(StoreError) -> SegmentDictionary {
    var chunks: [[UInt8]] = []
    try forEachRow(of: .dictionaries) { (id, row) throws(StoreError) in
      guard row[0].text == SegmentFormat.bodyName else { return }
      guard let chunk = row[2].blob else { throw SegmentReader.damage(name, "dictionaries \(id)", "it is no blob") }
      chunks.append(chunk)
    }
    let dictionary: SegmentDictionary
    do {
      dictionary = try SegmentDictionary(decoding: chunks)
    } catch { throw SegmentReader.damage(name, "dictionaries", "\(error)") }
    lock.withLock { loadedDictionary = dictionary }
    grown.withLock { $0 }?()
    return dictionary
  }
}

/// Counts uses over all readers of a store, so that they can be ordered by their last one.
final class SegmentUseClock: Sendable {
  private let count = Atomic<UInt64>(0)

  func next() -> UInt64 { count.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// The kinds of events of a segment and the labels that they are counted under.
final class LoadedKinds: Sendable {
  let table: SegmentKinds
  /// By number.
  let labels: [EventLabels]
  /// For each kind the number of its label.
  let labelOfKind: [UInt32]
  /// The label of events whose kind the segment had no room for.
  let overflowLabel: UInt32
  let memoryBytes: Int

  fileprivate init(_ resources: SegmentResources, _ name: String) throws(StoreError) {
    var labels: [EventLabels] = []
    try resources.forEachRow(of: .labels) { (id, row) throws(StoreError) in
      guard let (index, names) = EventLabels.row(row), Int(index) == labels.count else {
        throw SegmentReader.damage(name, "labels \(id)", "a value is impossible")
      }
      labels.append(names)
    }
    var kinds: [EventKind] = []
    var numbers: [UInt32] = []
    try resources.forEachRow(of: .kinds) { (id, row) throws(StoreError) in
      guard let kind = EventKind(row: row, labels: labels), let label = row[0].integer else {
        throw SegmentReader.damage(name, "kinds \(id)", "a value is impossible")
      }
      kinds.append(kind)
      numbers.append(UInt32(label))
    }
    var followers: [UInt8]?
    try resources.forEachRow(of: .dictionaries) { (id, row) throws(StoreError) in
      guard followers == nil, row[0].text == SegmentFormat.followersName else { return }
      followers = Self.inflate(row)
      if followers == nil { throw SegmentReader.damage(name, "dictionaries \(id)", "it cannot be inflated") }
    }
    guard let followers else { throw SegmentReader.damage(name, "dictionaries", "the followers are missing") }
    do {
      table = unsafe try followers.withRawBytes { (bytes) throws(BlockError) in
        unsafe try SegmentKinds(kinds: kinds, followers: bytes)
      }
    } catch { throw SegmentReader.damage(name, "dictionaries", "\(error)") }
    self.labels = labels
    labelOfKind = numbers
    overflowLabel = UInt32(labels.lastIndex { $0.service == "_overflow" && $0.type == "_overflow" } ?? 0)
    memoryBytes = table.memoryBytes + labels.count * 160 + numbers.count * 4
  }

  /// The raw bytes of a row of `dictionaries`; nil if they do not inflate to what it says.
  static func inflate(_ row: [RowValue]) -> [UInt8]? {
    guard let size = row[1].integer, let chunk = row[2].blob, size >= 0,
      size <= Int64(SegmentLimits.chunkRawBytesMax), size <= Int64(chunk.count) * Int64(SegmentLimits.inflationMax)
    else { return nil }
    return ChunkCoding.inflate(chunk, rawBytes: Int(size))
  }

  @inline(__always) func label(_ kind: UInt32) -> UInt32 {
    kind & BlockHead.localKindFlag != 0 ? overflowLabel : labelOfKind[Int(kind)]
  }
}

extension EventLabels {
  /// A row of `labels`: its number and its names; nil if a value is impossible.
  static func row(_ row: [RowValue]) -> (index: UInt32, labels: EventLabels)? {
    guard let index = row[0].integer.flatMap(UInt32.init(exactly:)), let source = row[1].text,
      let service = row[2].text, let handler = row[3].text, let type = row[4].text,
      let identity = row[5].integer.flatMap(UInt8.init(exactly:)).flatMap(HandlerIdentity.init(rawValue:))
    else { return nil }
    return (index, EventLabels(source: source, service: service, handler: handler, type: type, identity: identity))
  }
}
