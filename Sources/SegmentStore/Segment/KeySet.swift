/// A set of 64-bit hashes that is emptied in constant time: for the streams of one block, the events of one trace.
struct KeySet {
  private var slots: [UInt64] = [UInt64](repeating: 0, count: 64)
  private var stamps: [UInt32] = [UInt32](repeating: 0, count: 64)
  private var stamp: UInt32 = 1
  private(set) var count = 0

  mutating func removeAll() {
    count = 0
    stamp &+= 1
    // A set that once was huge gives its memory back; and stamps must not come round again.
    if stamp == 0 || slots.count > 1 << 16 {
      slots = [UInt64](repeating: 0, count: 64)
      stamps = [UInt32](repeating: 0, count: 64)
      stamp = 1
    }
  }

  @inline(__always) private func slot(of hash: UInt64) -> Int {
    let mask = slots.count - 1
    var index = Int(truncatingIfNeeded: hash) & mask
    while stamps[index] == stamp && slots[index] != hash { index = (index + 1) & mask }
    return index
  }

  /// - Returns: false if it was there already.
  @discardableResult @inline(__always) mutating func insert(_ hash: UInt64) -> Bool {
    if count * 2 >= slots.count { grow() }
    let index = slot(of: hash)
    if stamps[index] == stamp { return false }
    stamps[index] = stamp
    slots[index] = hash
    count += 1
    return true
  }

  @inline(__always) func contains(_ hash: UInt64) -> Bool { stamps[slot(of: hash)] == stamp }

  private mutating func grow() {
    let oldSlots = slots
    let oldStamps = stamps
    slots = [UInt64](repeating: 0, count: oldSlots.count * 2)
    stamps = [UInt32](repeating: 0, count: oldSlots.count * 2)
    for index in oldSlots.indices where oldStamps[index] == stamp {
      let place = slot(of: oldSlots[index])
      slots[place] = oldSlots[index]
      stamps[place] = stamp
    }
  }
}
