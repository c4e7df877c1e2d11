import EventModel
import SegmentBlocks

/// The traces of one hot file, by number from 1: 28 bytes for each, and its slot.
@safe final class TraceTable {
  // `@safe`: `storage` lives from `init` to `deinit`, which owns all memory behind it; numbers are only those that `add`
  // gave. A structure behind a pointer, because the fields of a class are checked for exclusive use at every access.
  @unsafe private struct Storage {
    var slabs: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    var count: UInt32 = 0
    var slots = TagSlots()
  }

  private enum Row {
    static let bytes = 28
    static let high = 0
    static let low = 8
    static let firstCreated = 16
    static let tail = 24
    static let olderFlag: UInt32 = 1 << 24
    static let textFlag: UInt32 = 1 << 25
    static let tailMask: UInt32 = 0xff_ffff
  }

  private static let slabShift: UInt32 = 10
  private static let slabRows = 1 << 10
  private static let slabCount = (TagSlots.numberMax >> 10) + 1
  private let storage: UnsafeMutablePointer<Storage>
  private let hash = HotHash.ofProcess
  /// Correlation ids that are no UUIDs, by trace number.
  private var texts: [UInt32: [UInt8]] = [:]
  private var textBytes = 0

  init() {
    unsafe storage = .allocate(capacity: 1)
    let slabs = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: Self.slabCount)
    unsafe slabs.initialize(repeating: nil, count: Self.slabCount)
    unsafe storage.initialize(to: Storage(slabs: slabs))
  }

  deinit {
    for slab in 0..<Self.slabCount { unsafe storage.pointee.slabs[slab]?.deallocate() }
    unsafe storage.pointee.slabs.deallocate()
    unsafe storage.pointee.slots.free()
    unsafe storage.deinitialize(count: 1)
    unsafe storage.deallocate()
  }

  var count: Int { unsafe Int(storage.pointee.count) }

  @inline(__always) private func row(_ number: UInt32) -> UnsafeMutableRawPointer {
    assert(number > 0 && number <= count)
    let index = number &- 1
    let slab = unsafe storage.pointee.slabs[Int(index >> Self.slabShift)].unsafelyUnwrapped
    return unsafe slab + Int(index) % Self.slabRows * Row.bytes
  }

  @inline(__always) private func word(_ number: UInt32) -> UInt32 {
    unsafe row(number).loadUnaligned(fromByteOffset: Row.tail, as: UInt32.self)
  }

  @inline(__always) private func setWord(_ number: UInt32, _ word: UInt32) {
    unsafe row(number).storeBytes(of: word, toByteOffset: Row.tail, as: UInt32.self)
  }

  func find(_ key: IdentifierKey) -> UInt32? { find(key, hash.key(key)) }

  @inline(__always) func find(_ key: IdentifierKey, _ hash: UInt64) -> UInt32? {
    unsafe storage.pointee.slots.find(hash) { self.key($0 + 1) == key }.map { $0 + 1 }
  }

  /// Asks for what `find` needs, first the slot, then the row.
  @inline(__always) func prefetch(_ hash: UInt64) { unsafe storage.pointee.slots.prefetch(hash) }
  @inline(__always) func prefetchRow(_ hash: UInt64) {
    guard let index = unsafe storage.pointee.slots.guess(hash) else { return }
    unsafe Prefetch.ends(row(index + 1), Row.bytes)
  }

  /// - Precondition: the trace has no number yet.
  func add(_ key: IdentifierKey, text: [UInt8]?) -> UInt32 {
    let index = unsafe storage.pointee.count
    let slab = Int(index >> Self.slabShift)
    if unsafe storage.pointee.slabs[slab] == nil {
      unsafe storage.pointee.slabs[slab] = .allocate(byteCount: Self.slabRows * Row.bytes, alignment: 8)
    }
    unsafe storage.pointee.count = index + 1
    let number = index + 1
    let row = unsafe row(number)
    unsafe row.storeBytes(of: key.high, toByteOffset: Row.high, as: UInt64.self)
    unsafe row.storeBytes(of: key.low, toByteOffset: Row.low, as: UInt64.self)
    unsafe row.storeBytes(of: .max, toByteOffset: Row.firstCreated, as: Int64.self)
    setWord(number, Row.tailMask | (text == nil ? 0 : Row.textFlag))
    unsafe storage.pointee.slots.insert(hash.key(key), index) { hash.key(self.key($0 + 1)) }
    if let text {
      texts[number] = text
      textBytes += text.count + 48
    }
    return number
  }

  @inline(__always) func key(_ number: UInt32) -> IdentifierKey {
    let row = unsafe row(number)
    return unsafe IdentifierKey(
      high: row.loadUnaligned(fromByteOffset: Row.high, as: UInt64.self),
      low: row.loadUnaligned(fromByteOffset: Row.low, as: UInt64.self))
  }

  @inline(__always) func identifier(_ number: UInt32) -> Identifier {
    if word(number) & Row.textFlag != 0, let text = texts[number] { return Identifier(text: text) }
    return Identifier(uuid: key(number))
  }

  /// The place of the event that came last; `HotIndex.none` if all of its events left it.
  @inline(__always) func tail(_ number: UInt32) -> UInt32 {
    let tail = word(number) & Row.tailMask
    return tail == Row.tailMask ? HotIndex.none : tail
  }

  func firstCreated(_ number: UInt32) -> Timestamp { Timestamp(nanoseconds: firstNanoseconds(number)) }

  @inline(__always) private func firstNanoseconds(_ number: UInt32) -> Int64 {
    unsafe row(number).loadUnaligned(fromByteOffset: Row.firstCreated, as: Int64.self)
  }

  /// The trace had events in older files when this one got its first.
  @inline(__always) func hasOlderFragments(_ number: UInt32) -> Bool { word(number) & Row.olderFlag != 0 }
  func setOlderFragments(_ number: UInt32) { setWord(number, word(number) | Row.olderFlag) }

  @inline(__always) func added(_ number: UInt32, last: UInt32, created: Int64) {
    setWord(number, word(number) & ~Row.tailMask | last)
    if created < firstNanoseconds(number) { setFirst(number, created) }
  }

  @inline(__always) private func setFirst(_ number: UInt32, _ created: Int64) {
    unsafe row(number).storeBytes(of: created, toByteOffset: Row.firstCreated, as: Int64.self)
  }

  /// - Parameter last: nil if no event is left.
  func removed(_ number: UInt32, last: UInt32?, firstCreated: Int64) {
    setWord(number, word(number) & ~Row.tailMask | (last ?? Row.tailMask))
    setFirst(number, firstCreated)
  }

  /// What was touched: memory that was only reserved is not there.
  var memoryBytes: Int { unsafe count * Row.bytes + textBytes + storage.pointee.slots.memoryBytes }
}
