import EventModel

/// Open addressing over 32-bit values; several values may stand under one hash. Values are never removed.
struct SlotTable {
  private var slots = ContiguousArray<UInt32>(repeating: SlotTable.empty, count: 16)
  private var used = 0
  private static let empty = UInt32.max

  var memoryBytes: Int { slots.capacity * 4 }

  @inline(__always) mutating func insert(_ hash: UInt64, _ value: UInt32, hashOf: (UInt32) -> UInt64) {
    // At most half full: probes that find nothing touch a column for every value they pass.
    if (used + 1) * 2 > slots.count { grow(hashOf) }
    used += 1
    place(hash, value)
  }

  @inline(__always) private mutating func place(_ hash: UInt64, _ value: UInt32) {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash >> 20) & mask
    while slots[index] != Self.empty { index = (index + 1) & mask }
    slots[index] = value
  }

  private mutating func grow(_ hashOf: (UInt32) -> UInt64) {
    let old = slots
    slots = ContiguousArray(repeating: Self.empty, count: old.count * 2)
    for value in old where value != Self.empty { place(hashOf(value), value) }
  }

  @inline(__always) func find(_ hash: UInt64, where matches: (UInt32) -> Bool) -> UInt32? {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash >> 20) & mask
    while slots[index] != Self.empty {
      if matches(slots[index]) { return slots[index] }
      index = (index + 1) & mask
    }
    return nil
  }

  @inline(__always) func forEach(_ hash: UInt64, _ body: (UInt32) -> Void) {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash >> 20) & mask
    while slots[index] != Self.empty {
      body(slots[index])
      index = (index + 1) & mask
    }
  }
}

/// The traces of one hot file, by number from 1.
struct TraceTable {
  private var keys: ContiguousArray<IdentifierKey> = [.zero]
  private var tails: ContiguousArray<UInt32> = [HotIndex.none]
  private var firstCreated: ContiguousArray<Int64> = [.max]
  private var older: ContiguousArray<Bool> = [false]
  private var slots = SlotTable()
  /// Correlation ids that are no UUIDs, by trace number.
  private var texts: [UInt32: [UInt8]] = [:]
  private var textBytes = 0

  var count: Int { keys.count - 1 }

  func find(_ key: IdentifierKey) -> UInt32? { slots.find(key.mixed) { keys[Int($0)] == key } }

  /// - Precondition: the trace has no number yet.
  mutating func add(_ key: IdentifierKey, text: [UInt8]?) -> UInt32 {
    let number = UInt32(keys.count)
    keys.append(key)
    tails.append(HotIndex.none)
    firstCreated.append(.max)
    older.append(false)
    slots.insert(key.mixed, number) { keys[Int($0)].mixed }
    if let text {
      texts[number] = text
      textBytes += text.count + 48
    }
    return number
  }

  func key(_ number: UInt32) -> IdentifierKey { keys[Int(number)] }

  func identifier(_ number: UInt32) -> Identifier {
    if let text = texts[number] { return Identifier(text: text) }
    return Identifier(uuid: keys[Int(number)])
  }

  func tail(_ number: UInt32) -> UInt32 { tails[Int(number)] }

  func firstCreated(_ number: UInt32) -> Timestamp { Timestamp(nanoseconds: firstCreated[Int(number)]) }

  /// The trace had events in older files when this one got its first.
  func hasOlderFragments(_ number: UInt32) -> Bool { older[Int(number)] }
  mutating func setOlderFragments(_ number: UInt32) { older[Int(number)] = true }

  mutating func added(_ number: UInt32, last: UInt32, created: Int64) {
    tails[Int(number)] = last
    if created < firstCreated[Int(number)] { firstCreated[Int(number)] = created }
  }

  mutating func removed(_ number: UInt32, last: UInt32, ifLast: UInt32, firstCreated first: Int64) {
    if tails[Int(number)] == ifLast { tails[Int(number)] = last }
    firstCreated[Int(number)] = first
  }

  var memoryBytes: Int {
    keys.capacity * 16 + tails.capacity * 4 + firstCreated.capacity * 8 + older.capacity + slots.memoryBytes + textBytes
  }
}
