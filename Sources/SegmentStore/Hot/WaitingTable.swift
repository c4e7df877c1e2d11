import EventModel

/// Children that wait for their cause: it is not stored (yet), or is stored in another trace or in none.
///
/// Root markers are not among them: an event behind one has the id of its own trace, and looks for them in its trace.
/// Children of one cause in one trace, and those of one cause that are in no trace, are groups that are found at once,
/// however many others wait for that cause.
///
/// Bounded; what does not fit is counted, and its edge is found by whoever reads the trace, but by no statistics.
struct WaitingTable {
  /// The wide fields come first: there may be a million of them.
  struct Child {
    var cause: IdentifierKey
    var traceOrID: IdentifierKey
    var ordinal: Int64
    var created: Timestamp
    var label: UInt32
    var source: UInt32
    var failure: FailureKind
    /// The child is in no trace: then `traceOrID` is its own id, under which others may wait for it.
    var hasNoTrace: Bool
    /// No event of the cause's id is stored, and it is no root marker.
    var isUnresolved: Bool

    init(
      cause: IdentifierKey, ordinal: Int64, created: Timestamp, label: UInt32, source: UInt32, failure: FailureKind,
      hasNoTrace: Bool, traceOrID: IdentifierKey, isUnresolved: Bool = false
    ) {
      self.cause = cause
      self.traceOrID = traceOrID
      self.ordinal = ordinal
      self.created = created
      self.label = label
      self.source = source
      self.failure = failure
      self.hasNoTrace = hasNoTrace
      self.isUnresolved = isUnresolved
    }

    /// Zero: in none.
    var trace: IdentifierKey { hasNoTrace ? .zero : traceOrID }
  }

  private struct Entry {
    var child: Child
    /// Of the same cause, whatever their traces; the one that came last is the first.
    var next: UInt32
    var previous: UInt32
    /// Of the same cause and trace.
    var nextInGroup: UInt32
  }

  /// Open addressing over the first entries of lists, with 8 bits of their hash beside each: most questions are of
  /// causes that nobody waits for, and are answered without a look at any entry.
  private struct Slots {
    private var words = ContiguousArray<UInt32>(repeating: WaitingTable.empty, count: 16)
    private var usedCount = 0

    private static let headMask: UInt32 = 0xff_ffff

    var memoryBytes: Int { words.capacity * 4 }

    @inline(__always) private static func tag(_ hash: UInt64) -> UInt32 {
      UInt32(truncatingIfNeeded: hash >> 32) & ~headMask
    }

    @inline(__always) private func home(_ hash: UInt64) -> Int {
      Int(truncatingIfNeeded: hash >> 20) & (words.count - 1)
    }

    @inline(__always) func head(_ slot: Int) -> UInt32 { words[slot] & Self.headMask }

    mutating func setHead(_ slot: Int, _ head: UInt32) { words[slot] = words[slot] & ~Self.headMask | head }

    mutating func place(_ head: UInt32, _ hash: UInt64) {
      let mask = words.count - 1
      var slot = home(hash)
      while words[slot] != WaitingTable.empty { slot = (slot + 1) & mask }
      words[slot] = Self.tag(hash) | head
      usedCount += 1
    }

    /// A question ends at the first empty slot, which must be near.
    var isFull: Bool { (usedCount + 1) * 8 > words.count * 5 }

    /// A removed slot before an empty one says no more than an empty one.
    mutating func remove(_ slot: Int) {
      let mask = words.count - 1
      words[slot] = WaitingTable.removed
      guard words[(slot + 1) & mask] == WaitingTable.empty else { return }
      var last = slot
      while words[last] == WaitingTable.removed {
        words[last] = WaitingTable.empty
        usedCount -= 1
        last = (last - 1) & mask
      }
    }

    mutating func rebuild(_ hashOf: (UInt32) -> UInt64) {
      var all: [UInt32] = []
      forEachHead { all.append($0) }
      var size = 16
      while size < all.count * 2 { size *= 2 }
      words = ContiguousArray(repeating: WaitingTable.empty, count: size)
      usedCount = 0
      for head in all { place(head, hashOf(head)) }
    }

    func forEachHead(_ body: (UInt32) -> Void) {
      for word in words where word & Self.headMask < WaitingTable.entriesMax { body(word & Self.headMask) }
    }

    @inline(__always) func find(_ hash: UInt64, where matches: (UInt32) -> Bool) -> Int? {
      let mask = words.count - 1
      let tag = Self.tag(hash)
      var slot = home(hash)
      while true {
        let word = words[slot]
        if word == WaitingTable.empty { return nil }
        if word & ~Self.headMask == tag, word != WaitingTable.removed, matches(word & Self.headMask) { return slot }
        slot = (slot + 1) & mask
      }
    }
  }

  private var entries: ContiguousArray<Entry> = []
  private var free: ContiguousArray<UInt32> = []
  private var causes = Slots()
  private var groups = Slots()
  private(set) var count = 0
  private(set) var droppedCount = 0
  private(set) var unresolvedCount = 0
  private let countMax: Int
  private static let empty = UInt32.max
  private static let removed = UInt32.max - 1
  /// Numbers of entries have 24 bits, and the two above mean something else.
  private static let entriesMax: UInt32 = 0xff_fffe
  private static let end = UInt32.max

  init(countMax: Int) { self.countMax = min(countMax, Int(Self.entriesMax)) }

  var memoryBytes: Int {
    entries.capacity * MemoryLayout<Entry>.stride + causes.memoryBytes + groups.memoryBytes + free.capacity * 4
  }

  @inline(__always) private static func hash(_ cause: IdentifierKey, _ trace: IdentifierKey) -> UInt64 {
    HotHash.fold(cause.mixed, trace.mixed ^ 0x9e37_79b9_7f4a_7c15)
  }

  @inline(__always) private func causeSlot(_ cause: IdentifierKey) -> Int? {
    causes.find(cause.mixed) { entries[Int($0)].child.cause == cause }
  }

  @inline(__always) private func groupSlot(_ cause: IdentifierKey, _ trace: IdentifierKey) -> Int? {
    groups.find(Self.hash(cause, trace)) {
      entries[Int($0)].child.cause == cause && entries[Int($0)].child.trace == trace
    }
  }

  /// - Precondition: the child is not in the table.
  /// - Returns: false if the table is full.
  mutating func insert(_ child: Child) -> Bool {
    guard count < countMax else {
      droppedCount += 1
      return false
    }
    let index = newEntry(child)
    count += 1
    if child.isUnresolved { unresolvedCount += 1 }
    if let slot = causeSlot(child.cause) {
      let first = causes.head(slot)
      entries[Int(index)].next = first
      entries[Int(first)].previous = index
      causes.setHead(slot, index)
    } else {
      if causes.isFull { causes.rebuild { entries[Int($0)].child.cause.mixed } }
      causes.place(index, child.cause.mixed)
    }
    if let slot = groupSlot(child.cause, child.trace) {
      entries[Int(index)].nextInGroup = groups.head(slot)
      groups.setHead(slot, index)
    } else {
      if groups.isFull {
        groups.rebuild { Self.hash(entries[Int($0)].child.cause, entries[Int($0)].child.trace) }
      }
      groups.place(index, Self.hash(child.cause, child.trace))
    }
    return true
  }

  private mutating func newEntry(_ child: Child) -> UInt32 {
    let entry = Entry(child: child, next: Self.end, previous: Self.end, nextInGroup: Self.end)
    if let old = free.popLast() {
      entries[Int(old)] = entry
      return old
    }
    entries.append(entry)
    return UInt32(entries.count - 1)
  }

  /// The children of a cause in one trace, or with `.zero` those in none, by ordinal.
  func children(of cause: IdentifierKey, inTrace trace: IdentifierKey) -> [Child] {
    guard count > 0, let slot = groupSlot(cause, trace) else { return [] }
    var found: [Child] = []
    var isSorted = true
    var index = groups.head(slot)
    while index != Self.end {
      let child = entries[Int(index)].child
      if let last = found.last, last.ordinal < child.ordinal { isSorted = false }
      found.append(child)
      index = entries[Int(index)].nextInGroup
    }
    // The last one that came is the first of the list.
    found.reverse()
    return isSorted ? found : found.sorted { $0.ordinal < $1.ordinal }
  }

  func hasChildren(of cause: IdentifierKey, inTrace trace: IdentifierKey) -> Bool {
    count > 0 && groupSlot(cause, trace) != nil
  }

  /// Takes those children of a cause in one trace out for which `isDone` says so. Complexity: O(children of the group).
  mutating func remove(of cause: IdentifierKey, inTrace trace: IdentifierKey, where isDone: (Child) -> Bool) {
    guard count > 0, let slot = groupSlot(cause, trace) else { return }
    var head = groups.head(slot)
    var previous = Self.end
    var index = head
    while index != Self.end {
      let entry = entries[Int(index)]
      if isDone(entry.child) {
        if previous == Self.end {
          head = entry.nextInGroup
        } else {
          entries[Int(previous)].nextInGroup = entry.nextInGroup
        }
        unlink(index, entry)
      } else {
        previous = index
      }
      index = entry.nextInGroup
    }
    if head == Self.end { groups.remove(slot) } else { groups.setHead(slot, head) }
  }

  /// Takes an entry out of the list of its cause.
  private mutating func unlink(_ index: UInt32, _ entry: Entry) {
    if entry.previous == Self.end {
      if let slot = causes.find(entry.child.cause.mixed, where: { $0 == index }) {
        if entry.next == Self.end { causes.remove(slot) } else { causes.setHead(slot, entry.next) }
      }
    } else {
      entries[Int(entry.previous)].next = entry.next
    }
    if entry.next != Self.end { entries[Int(entry.next)].previous = entry.previous }
    free.append(index)
    count -= 1
    if entry.child.isUnresolved { unresolvedCount -= 1 }
  }

  /// An event of that id is stored now, in whatever trace.
  ///
  /// - Returns: whether children wait for that id.
  @inline(__always) mutating func causeIsStored(_ cause: IdentifierKey) -> Bool {
    if count == 0 { return false }
    guard let slot = causeSlot(cause) else { return false }
    var index = causes.head(slot)
    // Those that came later lie in front: behind one whose cause was stored already, all are of that kind.
    while index != Self.end, entries[Int(index)].child.isUnresolved {
      entries[Int(index)].child.isUnresolved = false
      unresolvedCount -= 1
      index = entries[Int(index)].next
    }
    return true
  }

  func forEach(_ body: (Child) -> Void) {
    causes.forEachHead { head in
      var index = head
      while index != Self.end {
        body(entries[Int(index)].child)
        index = entries[Int(index)].next
      }
    }
  }

  /// Takes out every child of these ordinals: their segment is gone.
  mutating func remove(ordinals: ClosedRange<Int64>) { remove { ordinals.contains($0.ordinal) } }

  mutating func remove(ordinals: Set<Int64>) { remove { ordinals.contains($0.ordinal) } }

  private mutating func remove(where isGone: (Child) -> Bool) {
    var found: [Child] = []
    forEach { if isGone($0) { found.append($0) } }
    for child in found { remove(of: child.cause, inTrace: child.trace) { isGone($0) } }
  }
}
