/// One file of a simulated disk, with or without a name. Touched inside the disk's lock only.
final class DiskNode {
  /// A write, or a cut, that may not be on the disk.
  private struct Change {
    var offset: Int
    /// What stood there, and the size of the file.
    var before: [UInt8]
    var sizeBefore: Int
    var after: [UInt8]
    /// Of a cut: the size after it.
    var size: Int?
    var state: State
  }

  private enum State { case pending, inDoubt, durable }

  static let sectorBytes = 512

  let number: UInt64
  var isNamed = true
  /// The code that reading is refused with, and whether opening is, too.
  var refusal: (code: Int32, opening: Bool)?
  /// As the process sees it.
  var content: [UInt8] = []
  /// Since the content was on the disk as a whole.
  private var changes: [Change] = []

  /// `flock`.
  var advisoryHolder: ObjectIdentifier?
  // SQLite's locks, by handle.
  var sharedHolders: Set<ObjectIdentifier> = []
  var reservedHolder: ObjectIdentifier?
  var pendingHolder: ObjectIdentifier?
  var exclusiveHolder: ObjectIdentifier?
  /// The index of a WAL, which lives in memory and dies with the process.
  var shared: SharedIndex?

  init(number: UInt64) { self.number = number }

  func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) {
    if unsafe bytes.isEmpty { return }
    let sizeBefore = content.count
    let end = offset + bytes.count
    let before = offset < sizeBefore ? Array(content[offset..<min(end, sizeBefore)]) : []
    unsafe changes.append(
      Change(
        offset: offset, before: before, sizeBefore: sizeBefore, after: Array(bytes), size: nil, state: .pending))
    if end > sizeBefore { content += [UInt8](repeating: 0, count: end - sizeBefore) }
    unsafe content.withUnsafeMutableBytes { all in
      unsafe UnsafeMutableRawBufferPointer(rebasing: all[offset..<end]).copyMemory(from: bytes)
    }
  }

  func resize(_ size: Int) {
    let before = size < content.count ? Array(content[size...]) : []
    changes.append(
      Change(offset: size, before: before, sizeBefore: content.count, after: [], size: size, state: .pending))
    setSize(size)
  }

  func sync() {
    for index in changes.indices where changes[index].state == .pending { changes[index].state = .durable }
    if changes.allSatisfy({ $0.state == .durable }) { changes = [] }
  }

  /// What was to be synced may be dropped by the system.
  func failSync() {
    for index in changes.indices where changes[index].state == .pending { changes[index].state = .inDoubt }
  }

  private func setSize(_ size: Int) {
    if size < content.count {
      content.removeLast(content.count - size)
    } else {
      content += [UInt8](repeating: 0, count: size - content.count)
    }
  }

  func losePower(keepOf16: Int, _ random: inout SeededRandom) {
    let all = changes
    changes = []
    for change in all.reversed() {
      setSize(change.sizeBefore)
      if !change.before.isEmpty {
        content.replaceSubrange(change.offset..<(change.offset + change.before.count), with: change.before)
      }
    }
    for change in all {
      let isKept = change.state == .durable || Int.random(in: 0..<16, using: &random) < keepOf16
      if let size = change.size {
        if isKept { setSize(size) }
      } else if isKept && (change.state == .durable || !random.oneIn(4)) {
        put(change.after[...], at: change.offset)
      } else if keepOf16 > 0 && keepOf16 < 16 && random.oneIn(2) {
        tear(change, &random)
      }
    }
  }

  /// Some sectors of a write.
  private func tear(_ change: Change, _ random: inout SeededRandom) {
    var start = 0
    while start < change.after.count {
      let sectorEnd = ((change.offset + start) / Self.sectorBytes + 1) * Self.sectorBytes
      let end = min(change.after.count, sectorEnd - change.offset)
      if random.oneIn(2) { put(change.after[start..<end], at: change.offset + start) }
      start = end
    }
  }

  private func put(_ bytes: ArraySlice<UInt8>, at offset: Int) {
    if content.count < offset + bytes.count { setSize(offset + bytes.count) }
    content.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
  }

  /// The next process knows nothing of a sync that failed in this one, and cannot make up for it.
  func endDoubt() {
    for index in changes.indices where changes[index].state == .inDoubt { changes[index].state = .pending }
  }

  func endAllLocks() {
    advisoryHolder = nil
    sharedHolders = []
    reservedHolder = nil
    pendingHolder = nil
    exclusiveHolder = nil
    shared = nil
  }
}

/// The memory that connections to one WAL share, and its eight locks. `@safe`: regions live as long as the object.
@safe final class SharedIndex {
  static let lockCount = 8
  private(set) var regions: [UnsafeMutableRawPointer] = unsafe []
  var sharedHolders = Array(repeating: Set<ObjectIdentifier>(), count: lockCount)
  var exclusiveHolders: [ObjectIdentifier?] = Array(repeating: nil, count: lockCount)

  func region(_ number: Int, bytes: Int, extend: Bool) -> UnsafeMutableRawPointer? {
    while unsafe regions.count <= number {
      if !extend { return nil }
      let region = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 8)
      unsafe region.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
      unsafe regions.append(region)
    }
    return unsafe regions[number]
  }

  func release(_ handle: ObjectIdentifier) {
    for place in 0..<Self.lockCount {
      sharedHolders[place].remove(handle)
      if exclusiveHolders[place] == handle { exclusiveHolders[place] = nil }
    }
  }

  deinit { unsafe regions.forEach { unsafe $0.deallocate() } }
}
