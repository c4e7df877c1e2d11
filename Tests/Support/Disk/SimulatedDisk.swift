import Platform

/// A disk in memory, with everything that can go wrong with one; SQLite works on the same files through a VFS of its
/// own (`SimulatedVFS`).
///
/// The fault model:
/// * Any operation may fail, once or from then on: with `EIO`, with `ENOSPC`, or, a write, after a part of it.
/// * The process may be killed at any operation: what was written is there, of the operation itself nothing, all or (a
///   write) a part. Locks go, nameless files go.
/// * Power may be lost at any operation. What was synced is there. Of the rest each write is there, or not, or in part
///   (512-byte sectors, each for itself), whatever came before or after it; bytes that no write reached are zero. Of the
///   unsynced changes of a directory (create, rename, remove) those up to some point are there.
/// * A sync that fails makes nothing durable, and what it was asked for stays in doubt: a later sync that succeeds may
///   leave it out, as kernels do.
/// * The disk may be full: a write takes what fits, and fails.
///
/// Not simulated: bits that change by themselves (`flip`), reads of something else than was written, and a sync that
/// fails, then a kill before the process could act on it, then a loss of power.
///
/// What happens follows from the seed and the order of operations alone. Thread-safe.
public final class SimulatedDisk: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.

  /// What is to go wrong.
  public struct Fault: Sendable {
    public enum Kind: Sendable, Equatable {
      case fail(code: Int32)
      /// A write stops in the middle of its bytes with `ENOSPC`; anything else fails with it.
      case shortWrite
      /// This operation and all later ones fail, until `reboot`.
      case crash
    }

    public enum Scope: Sendable {
      /// Reading, opening and examining count too.
      case everything
      case changes
    }

    public var kind: Kind
    /// The first one that fails, counted from 1 since `arm`.
    public var operation: Int
    /// False: one operation fails, and then all goes well. True: all from the first one on.
    public var isLasting: Bool
    public var scope: Scope

    public init(_ kind: Kind, at operation: Int, isLasting: Bool = false, scope: Scope = .changes) {
      self.kind = kind
      self.operation = operation
      self.isLasting = isLasting
      self.scope = scope
    }
  }

  public enum Restart: Sendable {
    /// The process died, the system lives.
    case kill
    case powerLoss
  }

  /// What the disk refuses, as the system's code.
  struct Refusal: Error {
    static let inputOutput: Int32 = 5
    static let notFound: Int32 = 2
    static let exists: Int32 = 17
    static let noSpace: Int32 = 28
    var code: Int32
  }

  enum Operation { case open, read, write, truncate, sync, create, rename, remove, list, examine, syncDirectory }

  let lock = Lock()
  public let vfsName: String
  var vfs: SimulatedVFS?
  var random: SeededRandom
  var lastCode: Int32 = 0
  var nodeCount: UInt64 = 0
  private(set) var generation = 0
  private var isCrashed = false
  private var armed: Fault?
  private var counted = 0
  private var fired = 0
  private var capacity: Int?
  var usedBytes = 0

  /// Names as the process sees them.
  var names: [String: DiskNode] = [:]
  var directories: Set<String> = ["/", "/data"]
  /// Names as the disk holds them.
  var durableNames: [String: DiskNode] = [:]
  var pendingEntries: [EntryChange] = []

  public init(seed: UInt64 = 1) {
    random = SeededRandom(seed: seed)
    vfsName = "clew-simulated-\(Self.nextNumber.withLock { number in number += 1; return number })"
    vfs = SimulatedVFS(self)
  }

  private static let nextNumber = Locked(0)

  deinit { vfs?.unregister() }

  /// The files for one life of a process: they end at the next `reboot`.
  public func mount() -> SimulatedFiles { SimulatedFiles(disk: self, generation: lock.withLock { generation }) }

  // MARK: Faults

  /// Counts operations from 0 again; nil: nothing fails.
  public func arm(_ fault: Fault?) {
    lock.withLock {
      armed = fault
      counted = 0
      fired = 0
    }
  }

  /// Operations of the armed fault's scope since `arm`.
  public var operationCount: Int { lock.withLock { counted } }
  /// How many operations were made to fail since `arm`.
  public var faultCount: Int { lock.withLock { fired } }
  public var hasCrashed: Bool { lock.withLock { isCrashed } }

  /// Nil: no limit. Less than what is used: nothing can be added.
  public func setCapacity(_ bytes: Int?) { lock.withLock { capacity = bytes } }
  public var bytesUsed: Int { lock.withLock { usedBytes } }
  var capacityNow: Int? { capacity }
  var isCrashedNow: Bool { isCrashed }

  /// Whether an operation is done, inside `lock`.
  ///
  /// - Returns: how much of a write is done before it fails with `code`; nil: all goes well.
  func admit(_ operation: Operation, bytes: Int = 0) throws(Refusal) -> (bytes: Int, code: Int32)? {
    if isCrashed { throw refusal(Refusal.inputOutput) }
    guard let fault = armed else { return nil }
    switch operation {
    case .open, .read, .list, .examine: if fault.scope == .changes { return nil }
    default: break
    }
    counted += 1
    guard fault.isLasting ? counted >= fault.operation : counted == fault.operation else { return nil }
    fired += 1
    let isWrite = bytes > 0
    switch fault.kind {
    case .fail(let code): throw refusal(code)
    case .shortWrite:
      if isWrite { return (Int.random(in: 0..<bytes, using: &random), Refusal.noSpace) }
      throw refusal(Refusal.noSpace)
    case .crash:
      isCrashed = true
      lastCode = Refusal.inputOutput
      if random.oneIn(3) { throw refusal(Refusal.inputOutput) }
      let done = isWrite && random.oneIn(2) ? Int.random(in: 0...bytes, using: &random) : bytes
      return (done, Refusal.inputOutput)
    }
  }

  func refusal(_ code: Int32) -> Refusal {
    lastCode = code
    return Refusal(code: code)
  }

  /// Starts the system again after a crash, or crashes it first. Everything opened before stays dead.
  public func reboot(_ restart: Restart) {
    lock.withLock {
      generation += 1
      isCrashed = false
      armed = nil
      if restart == .powerLoss { losePower() }
      var all: Set<ObjectIdentifier> = []
      usedBytes = 0
      for node in names.values where all.insert(ObjectIdentifier(node)).inserted {
        node.endAllLocks()
        node.endDoubt()
        node.isNamed = true
        usedBytes += node.content.count
      }
    }
  }

  private func losePower() {
    // Sometimes everything that could be lost is, sometimes nothing: both find mistakes that chance would not.
    let keepOf16 = [0, 2, 8, 14, 16][Int.random(in: 0..<5, using: &random)]
    var kept = 0
    while kept < pendingEntries.count, Int.random(in: 0..<16, using: &random) < keepOf16 { kept += 1 }
    for change in pendingEntries.prefix(kept) { change.apply(to: &durableNames) }
    pendingEntries = []
    names = durableNames
    var all: Set<ObjectIdentifier> = []
    for name in names.keys.sorted() {
      guard let node = names[name], all.insert(ObjectIdentifier(node)).inserted else { continue }
      node.losePower(keepOf16: keepOf16, &random)
    }
  }

  // MARK: Looking at the disk, and damaging it

  /// Every name with its content, in order; beside the fault model.
  public func snapshot() -> [(path: String, content: [UInt8])] {
    lock.withLock { names.keys.sorted().map { ($0, names[$0]?.content ?? []) } }
  }

  public func content(_ path: String) -> [UInt8]? { lock.withLock { names[path]?.content } }

  /// Replaces or creates a file, durably.
  public func put(_ path: String, _ content: [UInt8]) {
    lock.withLock {
      let node = DiskNode(number: nextNodeNumber())
      node.content = content
      usedBytes += content.count - (names[path]?.content.count ?? 0)
      names[path] = node
      durableNames[path] = node
    }
  }

  /// Changes one bit of a file, durably.
  public func flip(_ path: String, bit: Int) {
    guard var content = content(path) else { return }
    content[bit / 8] ^= 1 << UInt8(bit % 8)
    put(path, content)
  }

  /// From now on a file cannot be read, or not even be opened and examined; nil: it can.
  public func refuse(_ path: String, code: Int32?, opening: Bool = false) {
    lock.withLock { names[path]?.refusal = code.map { ($0, opening) } }
  }

  /// Deletes a file, durably.
  public func delete(_ path: String) {
    lock.withLock {
      usedBytes -= names[path]?.content.count ?? 0
      names[path] = nil
      durableNames[path] = nil
    }
  }

  /// A disk with the same files, all of them durable.
  public func copy(seed: UInt64) -> SimulatedDisk {
    let copy = SimulatedDisk(seed: seed)
    let directories = lock.withLock { self.directories }
    copy.lock.withLock { copy.directories = directories }
    for (path, content) in snapshot() { copy.put(path, content) }
    return copy
  }
}

/// A change of a directory.
enum EntryChange {
  case link(String, DiskNode)
  case rename(String, String)
  case remove(String)

  func apply(to names: inout [String: DiskNode]) {
    switch self {
    case .link(let path, let node): names[path] = node
    case .rename(let from, let to):
      guard let node = names[from] else { return }
      names[from] = nil
      names[to] = node
    case .remove(let path): names[path] = nil
    }
  }

  func concerns(_ directory: String) -> Bool {
    switch self {
    case .link(let path, _), .remove(let path): Files.directory(of: path) == directory
    case .rename(let from, let to): Files.directory(of: from) == directory || Files.directory(of: to) == directory
    }
  }
}
