import EventModel

/// A bounded map from (128-bit key, number) to flags that forgets what was not touched for longest.
///
/// Two generations: what is touched moves to the young one; when that is full, the old one is dropped and the young one
/// takes its place. So between half of and the whole capacity is remembered, without lists and without work per entry.
struct GenerationTable {
  private struct Generation {
    var high: [UInt64]
    var low: [UInt64]
    var number: [UInt32]
    /// 0 marks a free place.
    var flags: [UInt8]
    var count = 0

    init(places: Int) {
      high = Array(repeating: 0, count: places)
      low = high
      number = Array(repeating: 0, count: places)
      flags = Array(repeating: 0, count: places)
    }

    @inline(__always) func place(_ key: IdentifierKey, _ number: UInt32) -> Int {
      let mask = flags.count - 1
      var place = Int(truncatingIfNeeded: key.mixed &+ UInt64(number) &* 0x9e37_79b9_7f4a_7c15 >> 7) & mask
      while flags[place] != 0 && (high[place] != key.high || low[place] != key.low || self.number[place] != number) {
        place = (place + 1) & mask
      }
      return place
    }

    mutating func set(_ key: IdentifierKey, _ number: UInt32, _ newFlags: UInt8) {
      if (count + 1) * 4 > flags.count * 3 { grow() }
      let at = place(key, number)
      if flags[at] == 0 {
        count += 1
        high[at] = key.high
        low[at] = key.low
        self.number[at] = number
      }
      flags[at] = newFlags
    }

    private mutating func grow() {
      let before = self
      self = Generation(places: before.flags.count * 2)
      for at in 0..<before.flags.count where before.flags[at] != 0 {
        set(IdentifierKey(high: before.high[at], low: before.low[at]), before.number[at], before.flags[at])
      }
    }
  }

  private let halfMax: Int
  private var young = Generation(places: 256)
  private var old = Generation(places: 256)
  /// Entries of the old generation that are in the young one too.
  private var promotedCount = 0
  /// Entries forgotten so far.
  private(set) var evictedCount: Int64 = 0

  /// - Parameter max: entries remembered at most.
  init(max: Int) { halfMax = Swift.max(1, max / 2) }

  var count: Int { young.count + old.count - promotedCount }

  /// The flags of an entry, 0 if it is not known. Touches it. Complexity: O(1).
  mutating func flags(_ key: IdentifierKey, _ number: UInt32) -> UInt8 {
    let at = young.place(key, number)
    if young.flags[at] != 0 { return young.flags[at] }
    return old.flags[old.place(key, number)]
  }

  /// - Precondition: `flags` is not 0.
  mutating func set(_ key: IdentifierKey, _ number: UInt32, _ flags: UInt8) {
    if young.flags[young.place(key, number)] == 0 {
      if young.count >= halfMax {
        evictedCount += Int64(old.count - promotedCount)
        old = young
        young = Generation(places: 256)
        promotedCount = 0
      } else if old.flags[old.place(key, number)] != 0 {
        promotedCount += 1
      }
    }
    // The old generation may hold a stale copy: it is never read while the young one has the key.
    young.set(key, number, flags)
  }
}
