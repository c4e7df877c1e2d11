/// Names by number; number 0 is the empty name, which means "absent".
///
/// Looked up several times for each event of a trace: open addressing over the bytes, no allocation for a known name.
public struct NameTable: Sendable {
  /// Of all names, back to back: a trace has dozens, which are written as JSON and never were a `String` on the way.
  @usableFromInline internal var bytes: [UInt8] = []
  /// By number; the first is the empty name.
  @usableFromInline internal var known: [Known] = [Known(end: 0, hash: 0)]
  /// Numbers; 0 is a free place, for the empty name is never looked up here.
  private var slots: [UInt32] = []
  /// Names that were asked for lately, by their ends: most questions repeat one of them, and are answered without a hash
  /// of the whole name. Names that share a place push each other out; nothing depends on who is there.
  private var recent: [Recent] = []

  @usableFromInline internal struct Known: Sendable {
    /// Where the name ends in `bytes`; it begins where the one before ends.
    @usableFromInline var end: Int
    var hash: UInt32
  }

  private struct Recent {
    var ends = NameEnds()
    var number: UInt32 = 0
  }

  public init() {}

  /// How many there are, the empty one included.
  public var count: Int { known.count }

  /// All names by number. Complexity: O(bytes of all names).
  public var names: [String] { (0..<UInt32(count)).map { self[$0] } }

  /// What is no UTF-8 becomes U+FFFD. Complexity: O(length).
  public subscript(index: UInt32) -> String {
    unsafe withBytes(of: index) { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// The name as it was given. The bytes must not escape.
  @inlinable @inline(__always) public func withBytes<R>(of index: UInt32, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    unsafe bytes.withUnsafeBufferPointer { all in
      unsafe body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[range(Int(index))])))
    }
  }

  @inlinable @inline(__always) internal func range(_ number: Int) -> Range<Int> {
    (number == 0 ? 0 : known[number - 1].end)..<known[number].end
  }

  /// The number of a name, given as UTF-8 bytes. Complexity: O(length).
  public mutating func intern(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if unsafe name.isEmpty { return 0 }
    if recent.isEmpty { begin() }
    let ends = unsafe NameEnds(name)
    let place = ends.place(of: Self.recentCount)
    let last = recent[place]
    // No name is empty, so that a free place equals none. Up to 16 bytes the ends are the whole name.
    if last.ends == ends, unsafe name.count <= 16 || isSame(Int(last.number), name) { return last.number }
    let number = unsafe lookUp(name, ends.hash(name))
    recent[place] = Recent(ends: ends, number: number)
    return number
  }

  private static let recentCount = 64

  /// Room for what nearly all traces have.
  @inline(never) private mutating func begin() {
    recent = Array(repeating: Recent(), count: Self.recentCount)
    bytes.reserveCapacity(2048)
    known.reserveCapacity(32)
  }

  private mutating func lookUp(_ name: UnsafeRawBufferPointer, _ hash: UInt32) -> UInt32 {
    if known.count * 2 > slots.count { grow() }
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while slots[slot] != 0 {
      let number = Int(slots[slot])
      if unsafe known[number].hash == hash && isSame(number, name) { return UInt32(number) }
      slot = (slot + 1) & mask
    }
    let number = UInt32(known.count)
    unsafe bytes.append(contentsOf: name)
    known.append(Known(end: bytes.count, hash: hash))
    slots[slot] = number
    return number
  }

  public mutating func intern(_ name: [UInt8]) -> UInt32 { unsafe name.withUnsafeBytes { unsafe intern($0) } }

  public mutating func intern(_ name: String) -> UInt32 {
    var name = name
    return name.withUTF8 { unsafe intern(UnsafeRawBufferPointer($0)) }
  }

  @inline(__always) private func isSame(_ number: Int, _ name: UnsafeRawBufferPointer) -> Bool {
    let range = range(number)
    if range.count != name.count { return false }
    return unsafe bytes.withUnsafeBufferPointer {
      unsafe Self.isSame(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: $0[range])), name)
    }
  }

  /// - Precondition: they have one length. By words, the last of which may overlap the one before it.
  @inline(__always) private static func isSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    @inline(__always) func differs(at offset: Int) -> Bool {
      unsafe a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        != b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    guard a.count >= 8 else {
      for index in 0..<a.count where unsafe a[index] != b[index] { return false }
      return true
    }
    var offset = 0
    while offset + 8 <= a.count {
      if differs(at: offset) { return false }
      offset += 8
    }
    return !differs(at: a.count - 8)
  }

  private mutating func grow() {
    let size = max(64, slots.count * 2)
    slots = Array(repeating: 0, count: size)
    for number in known.indices.dropFirst() {
      var slot = Int(known[number].hash) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = UInt32(number)
    }
  }
}

/// Length, first and last bytes of a name.
private struct NameEnds: Equatable {
  var count = 0
  var head: UInt64 = 0
  var tail: UInt64 = 0

  /// Of no name.
  init() {}

  /// - Precondition: it is not empty. Of fewer than 16 bytes some are in both.
  @inline(__always) init(_ name: UnsafeRawBufferPointer) {
    count = name.count
    if name.count >= 8 {
      head = unsafe name.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
      tail = unsafe name.loadUnaligned(fromByteOffset: name.count - 8, as: UInt64.self)
    } else {
      for index in 0..<name.count { unsafe head = head << 8 | UInt64(name[index]) }
    }
  }

  /// Of the whole name, of which these are the ends.
  ///
  /// Seeded: who chooses names cannot choose such as share their hashes, and would make a look-up read them all.
  @inline(__always) func hash(_ name: UnsafeRawBufferPointer) -> UInt32 {
    var hash = Self.fold(head ^ Self.seed.first, tail ^ Self.seed.second &+ UInt64(truncatingIfNeeded: count))
    var offset = 8
    while offset < count &- 8 {
      hash = Self.fold(
        unsafe hash ^ name.loadUnaligned(fromByteOffset: offset, as: UInt64.self), Self.seed.second)
      offset &+= 8
    }
    return UInt32(truncatingIfNeeded: hash ^ hash >> 32)
  }

  private static let seed = (first: UInt64.random(in: .min ... .max), second: UInt64.random(in: .min ... .max) | 1)

  @inline(__always) private static func fold(_ a: UInt64, _ b: UInt64) -> UInt64 {
    let product = a.multipliedFullWidth(by: b)
    return product.high ^ product.low
  }

  /// - Parameter size: a power of two.
  @inline(__always) func place(of size: Int) -> Int {
    let mixed = (head ^ tail &* 0x9E37_79B9_7F4A_7C15 ^ UInt64(truncatingIfNeeded: count)) &* 0xFF51_AFD7_ED55_8CCD
    return Int(truncatingIfNeeded: mixed >> 48) & (size - 1)
  }
}
