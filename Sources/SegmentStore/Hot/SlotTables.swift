import SegmentBlocks
import WideScan

/// Open addressing over numbers below 2^24 with 8 bits of their hash beside each, so that a question touches one cache
/// line and, but for one entry in 256, no row that it is not after. Nothing is ever removed.
///
/// Owned by a class that calls `free` once, in its `deinit`.
@safe struct TagSlots {
  // `@safe`: `slots` has `size` elements from `init` or `grow` on, whole cache lines of them, and every index is below
  // `size`.
  private var slots: UnsafeMutablePointer<UInt32>
  private var size: Int
  private(set) var used = 0
  static let numberMax = 0xff_fffe
  private static let empty = UInt32.max
  private static let tagMask: UInt32 = 0xff00_0000
  /// A cache line.
  private static let lineSlots = 16

  /// At most four fifths are used: 500,000 events fit the size that 5 * 2^n gives, with little to spare.
  init() {
    size = 80
    unsafe slots = Self.make(size)
  }

  private static func make(_ size: Int) -> UnsafeMutablePointer<UInt32> {
    let slots = unsafe UnsafeMutableRawPointer.allocate(byteCount: size * 4, alignment: 64)
      .bindMemory(to: UInt32.self, capacity: size)
    unsafe slots.initialize(repeating: empty, count: size)
    return unsafe slots
  }

  func free() { unsafe UnsafeMutableRawPointer(slots).deallocate() }

  var memoryBytes: Int { size * 4 }

  @inline(__always) private func home(_ hash: UInt64) -> Int {
    Int(truncatingIfNeeded: ((hash >> 32) &* UInt64(truncatingIfNeeded: size)) >> 32)
  }

  @inline(__always) private static func tag(_ hash: UInt64) -> UInt32 { UInt32(truncatingIfNeeded: hash) & tagMask }

  /// - Precondition: `number` is at most `numberMax`.
  @inline(__always) mutating func insert(_ hash: UInt64, _ number: UInt32, hashOf: (UInt32) -> UInt64) {
    if isFull { grow(hashOf) }
    insertIntoRoom(hash, number)
  }

  /// The next number needs a larger table.
  @inline(__always) var isFull: Bool { (used + 1) * 5 > size * 4 }

  /// - Precondition: the table is not full.
  @inline(__always) mutating func insertIntoRoom(_ hash: UInt64, _ number: UInt32) {
    used += 1
    place(hash, number)
  }

  @inline(__always) private func place(_ hash: UInt64, _ number: UInt32) {
    unsafe slots[search(hash) { _ in false }.end] = Self.tag(hash) | number
  }

  /// A table twice as large, of the numbers below `count` that have a hash, in their order: what the hashes are made of
  /// is read from front to back, which is better than the table where it is the larger memory of the two.
  @inline(__always) mutating func rebuild(of count: Int, _ hashOf: (UInt32) -> UInt64?) {
    free()
    makeLarger()
    used = 0
    var first = 0
    while first < count {
      let end = min(first + 64, count)
      for number in first..<end { if let hash = hashOf(UInt32(number)) { prefetch(hash) } }
      for number in first..<end { if let hash = hashOf(UInt32(number)) { insertIntoRoom(hash, UInt32(number)) } }
      first = end
    }
  }

  private mutating func makeLarger() {
    size *= 2
    unsafe slots = Self.make(size)
  }

  @inline(never) private mutating func grow(_ hashOf: (UInt32) -> UInt64) {
    let old = unsafe slots
    let oldSize = size
    makeLarger()
    for index in 0..<oldSize where unsafe old[index] != Self.empty {
      let number = unsafe old[index] & ~Self.tagMask
      place(hashOf(number), number)
    }
    unsafe UnsafeMutableRawPointer(old).deallocate()
  }

  @inline(__always) func find(_ hash: UInt64, where matches: (UInt32) -> Bool) -> UInt32? {
    search(hash, where: matches).found
  }

  /// As `find`; where nothing is found also where the search ended: at the slot in which it would be.
  @inline(__always) func search(_ hash: UInt64, where matches: (UInt32) -> Bool) -> (found: UInt32?, end: Int) {
    let tag = Self.tag(hash)
    let home = home(hash)
    // A whole line at once; of the first one the slots from the home on.
    var line = home & ~(Self.lineSlots - 1)
    var wanted = UInt32(0xffff) &<< UInt32(truncatingIfNeeded: home - line)
    while true {
      let (tagged, full) = unsafe ByteScan.tags16(slots + line, mask: Self.tagMask, tag: tag)
      let free = full & wanted
      // Those in front of the first empty slot.
      var candidates = tagged & wanted & ((free & (0 &- free)) &- 1)
      while candidates != 0 {
        let index = line + candidates.trailingZeroBitCount
        let number = unsafe slots[index] & ~Self.tagMask
        if matches(number) { return (number, index) }
        candidates &= candidates - 1
      }
      if free != 0 { return (nil, line + free.trailingZeroBitCount) }
      line += Self.lineSlots
      if line == size { line = 0 }
      wanted = 0xffff
    }
  }

  /// - Precondition: the table is not full, and `slot` is where a search for the hash just ended in vain.
  @inline(__always) mutating func insert(_ hash: UInt64, _ number: UInt32, at slot: Int) {
    assert(unsafe slots[slot] == Self.empty)
    used += 1
    unsafe slots[slot] = Self.tag(hash) | number
  }

  /// Asks for what a later question reads first.
  @inline(__always) func prefetch(_ hash: UInt64) { unsafe Prefetch.line(slots + home(hash)) }

  /// The first number under that tag, to prefetch its row.
  @inline(__always) func guess(_ hash: UInt64) -> UInt32? { find(hash) { _ in true } }
}

/// The last event of each stream, under 32 bits of a hash: streams that share them share a list, and whoever reads it
/// compares the stream.
///
/// Owned by a class that calls `free` once, in its `deinit`.
@safe struct StreamSlots {
  // `@safe`: `slots` has `size` elements from `init` or `grow` on, and every index is below `size`.
  private var slots: UnsafeMutablePointer<UInt64>
  private var size: Int
  private(set) var used = 0
  private static let empty = UInt64.max

  init() {
    size = 64
    unsafe slots = .allocate(capacity: size)
    unsafe slots.initialize(repeating: Self.empty, count: size)
  }

  func free() { unsafe slots.deallocate() }

  var memoryBytes: Int { size * 8 }

  @inline(__always) private func home(_ slot: UInt64) -> Int {
    Int(truncatingIfNeeded: ((slot >> 32) &* UInt64(truncatingIfNeeded: size)) >> 32)
  }

  /// Makes `place` the last event of the stream.
  ///
  /// - Returns: the one before; nil if it is the first.
  @inline(__always) mutating func exchange(_ hash: UInt64, _ place: UInt32) -> UInt32? {
    if (used + 1) * 5 > size * 4 { grow() }
    var index = home(hash)
    let slot = hash & ~0xffff_ffff | UInt64(place)
    while unsafe slots[index] != Self.empty {
      let old = unsafe slots[index]
      if old >> 32 == hash >> 32 {
        unsafe slots[index] = slot
        return UInt32(truncatingIfNeeded: old)
      }
      index += 1
      if index == size { index = 0 }
    }
    used += 1
    unsafe slots[index] = slot
    return nil
  }

  func last(_ hash: UInt64) -> UInt32? {
    var index = home(hash)
    while unsafe slots[index] != Self.empty {
      let slot = unsafe slots[index]
      if slot >> 32 == hash >> 32 { return UInt32(truncatingIfNeeded: slot) }
      index += 1
      if index == size { index = 0 }
    }
    return nil
  }

  @inline(__always) func prefetch(_ hash: UInt64) { unsafe Prefetch.line(slots + home(hash)) }

  private mutating func grow() {
    let old = unsafe slots
    let oldSize = size
    size *= 2
    unsafe slots = .allocate(capacity: size)
    unsafe slots.initialize(repeating: Self.empty, count: size)
    for oldIndex in 0..<oldSize where unsafe old[oldIndex] != Self.empty {
      let slot = unsafe old[oldIndex]
      var index = home(slot)
      while unsafe slots[index] != Self.empty {
        index += 1
        if index == size { index = 0 }
      }
      unsafe slots[index] = slot
    }
    unsafe old.deallocate()
  }
}
