import EventModel

/// Children that wait for their cause: it is not stored (yet), or is stored in another trace or in none.
///
/// Root markers are not among them: an event behind one has the id of its own trace, and looks for them in its trace.
///
/// Bounded; what does not fit is counted, and its edge is found by whoever reads the trace, but by no statistics.
struct WaitingTable {
  struct Child {
    var cause: IdentifierKey
    var ordinal: Int64
    var created: Timestamp
    var label: UInt32
    var source: UInt32
    var failure: FailureKind
    /// The child is in no trace: then `traceOrID` is its own id, under which others may wait for it.
    var hasNoTrace: Bool
    var traceOrID: IdentifierKey
    /// No event of the cause's id is stored, and it is no root marker.
    var isUnresolved = false
  }

  private struct Entry {
    var child: Child
    var next: UInt32
  }

  private var entries: ContiguousArray<Entry> = []
  private var free: ContiguousArray<UInt32> = []
  private var slots = ContiguousArray<UInt32>(repeating: WaitingTable.empty, count: 16)
  private var usedSlots = 0
  private(set) var count = 0
  private(set) var droppedCount = 0
  private(set) var unresolvedCount = 0
  private let countMax: Int
  private static let empty = UInt32.max
  private static let removed = UInt32.max - 1
  private static let end = UInt32.max

  init(countMax: Int) { self.countMax = countMax }

  var memoryBytes: Int { entries.capacity * MemoryLayout<Entry>.stride + slots.capacity * 4 + free.capacity * 4 }

  /// - Returns: false if the table is full.
  mutating func insert(_ child: Child) -> Bool {
    guard count < countMax else {
      droppedCount += 1
      return false
    }
    if (usedSlots + 1) * 4 > slots.count * 3 { rebuild() }
    let index: UInt32
    if let old = free.popLast() {
      index = old
      entries[Int(index)] = Entry(child: child, next: Self.end)
    } else {
      index = UInt32(entries.count)
      entries.append(Entry(child: child, next: Self.end))
    }
    count += 1
    if child.isUnresolved { unresolvedCount += 1 }
    if let slot = slot(of: child.cause) {
      entries[Int(index)].next = slots[slot]
      slots[slot] = index
    } else {
      place(index)
    }
    return true
  }

  private mutating func place(_ index: UInt32) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: entries[Int(index)].child.cause.mixed >> 20) & mask
    while slots[slot] != Self.empty { slot = (slot + 1) & mask }
    slots[slot] = index
    usedSlots += 1
  }

  private mutating func rebuild() {
    let heads = slots.filter { $0 < Self.removed }
    var size = 16
    while size < heads.count * 4 { size *= 2 }
    slots = ContiguousArray(repeating: Self.empty, count: size)
    usedSlots = 0
    for head in heads { place(head) }
  }

  @inline(__always) private func slot(of cause: IdentifierKey) -> Int? {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: cause.mixed >> 20) & mask
    while slots[slot] != Self.empty {
      if slots[slot] != Self.removed && entries[Int(slots[slot])].child.cause == cause { return slot }
      slot = (slot + 1) & mask
    }
    return nil
  }

  @inline(__always) func hasChildren(of cause: IdentifierKey) -> Bool { slot(of: cause) != nil }

  /// All children of a cause, by ordinal.
  func children(of cause: IdentifierKey) -> [Child] {
    guard let slot = slot(of: cause) else { return [] }
    var found: [Child] = []
    var index = slots[slot]
    while index != Self.end {
      found.append(entries[Int(index)].child)
      index = entries[Int(index)].next
    }
    return found.sorted { $0.ordinal < $1.ordinal }
  }

  /// Takes the children of `cause` out for which `isDone` says so. Complexity: O(children of that cause).
  mutating func remove(of cause: IdentifierKey, where isDone: (Child) -> Bool) {
    guard let slot = slot(of: cause) else { return }
    var head = slots[slot]
    var previous = Self.end
    var index = head
    while index != Self.end {
      let next = entries[Int(index)].next
      if isDone(entries[Int(index)].child) {
        if previous == Self.end { head = next } else { entries[Int(previous)].next = next }
        free.append(index)
        count -= 1
        if entries[Int(index)].child.isUnresolved { unresolvedCount -= 1 }
      } else {
        previous = index
      }
      index = next
    }
    slots[slot] = head == Self.end ? Self.removed : head
  }

  /// An event of that id is stored now, in whatever trace.
  ///
  /// - Returns: whether children wait for that id.
  @inline(__always) mutating func causeIsStored(_ cause: IdentifierKey) -> Bool {
    if count == 0 { return false }
    guard let slot = slot(of: cause) else { return false }
    var index = slots[slot]
    // Those that came later lie in front: behind one whose cause was stored already, all are of that kind.
    while index != Self.end, entries[Int(index)].child.isUnresolved {
      entries[Int(index)].child.isUnresolved = false
      unresolvedCount -= 1
      index = entries[Int(index)].next
    }
    return true
  }

  func forEach(_ body: (Child) -> Void) {
    for head in slots where head < Self.removed {
      var index = head
      while index != Self.end {
        body(entries[Int(index)].child)
        index = entries[Int(index)].next
      }
    }
  }

  /// Takes out every child of these ordinals: their segment is gone.
  mutating func remove(ordinals: ClosedRange<Int64>) {
    var causes: [IdentifierKey] = []
    forEach { if ordinals.contains($0.ordinal) { causes.append($0.cause) } }
    for cause in causes { remove(of: cause) { ordinals.contains($0.ordinal) } }
  }

  mutating func remove(ordinals: Set<Int64>) {
    var causes: [IdentifierKey] = []
    forEach { if ordinals.contains($0.ordinal) { causes.append($0.cause) } }
    for cause in causes { remove(of: cause) { ordinals.contains($0.ordinal) } }
  }
}
