import WideScan

// Reading, comparing and hashing bytes behind pointers. Callers have checked the lengths.

typealias BytePointer = UnsafePointer<UInt8>

@inline(__always) func load64(_ p: BytePointer) -> UInt64 {
  unsafe UnsafeRawPointer(p).loadUnaligned(as: UInt64.self).littleEndian
}

@inline(__always) func load32(_ p: BytePointer) -> UInt32 {
  unsafe UnsafeRawPointer(p).loadUnaligned(as: UInt32.self).littleEndian
}

@inline(__always) func load16(_ p: BytePointer) -> UInt16 {
  unsafe UnsafeRawPointer(p).loadUnaligned(as: UInt16.self).littleEndian
}

/// As `ByteScan.isSame`, without asking how many: `known` is in a `Pool`, and `p` can be read up to `readable`.
@inline(__always) func equalBytes(
  _ known: BytePointer, _ p: BytePointer, _ count: Int, readable: BytePointer
) -> Bool {
  if count <= 32, unsafe readable - p >= 32 { return unsafe ByteScan.isSame32(known, p, count) }
  return unsafe ByteScan.isSame(known, p, count)
}

/// The first 1 to 8 bytes in one word, the rest of it zero.
@inline(__always) func shortWord(_ p: BytePointer, _ count: Int) -> UInt64 {
  if count >= 8 { return unsafe load64(p) }
  if count >= 4 { return unsafe UInt64(load32(p)) | UInt64(load32(p + count - 4)) << UInt64(8 * (count - 4)) }
  if count == 0 { return 0 }
  return unsafe UInt64(p[0]) | UInt64(p[count >> 1]) << UInt64(8 * (count >> 1)) | UInt64(p[count - 1])
    << UInt64(8 * (count - 1))
}

/// Not part of any format: only dictionaries being built use it.
@inline(__always) func hashBytes(_ p: BytePointer, _ count: Int) -> UInt64 {
  var hash = UInt64(truncatingIfNeeded: count) &* 0x9e37_79b9_7f4a_7c15
  if count <= 8 {
    hash = unsafe (hash ^ shortWord(p, count)) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ (hash >> 29)) &* 0xc4ce_b9fe_1a85_ec53
    return hash ^ (hash >> 32)
  }
  var offset = 0
  while offset + 16 < count {
    hash = unsafe hashFold(hash ^ load64(p + offset), load64(p + offset + 8))
    offset += 16
  }
  // The last 16 bytes may overlap those before; of less than 16, the two words overlap.
  let last = max(count - 16, 0)
  return unsafe hashFold(hash ^ load64(p + last), load64(p + count - 8))
}

@inline(__always) private func hashFold(_ one: UInt64, _ other: UInt64) -> UInt64 {
  let product = (one ^ 0xff51_afd7_ed55_8ccd).multipliedFullWidth(by: other ^ 0xc4ce_b9fe_1a85_ec53)
  // With the factors, so that one that happens to be zero does not take the other with it.
  return product.high ^ product.low ^ one ^ other
}

@inline(__always) func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }

/// Where the next of two bytes is, at or after `from`; `end` if there is none. Bytes can be read up to `readable`.
@inline(__always) func nextQuoteOrBackslash(
  _ from: BytePointer, _ end: BytePointer, readable: BytePointer
) -> BytePointer {
  var p = unsafe from
  while unsafe p < end, unsafe readable - p >= 64 {
    let hit = unsafe ByteScan.quoteOrBackslash64(p)
    if hit != 0 { return unsafe min(p + hit.trailingZeroBitCount, end) }
    unsafe p += 64
  }
  let ones: UInt64 = 0x0101_0101_0101_0101
  let highs: UInt64 = 0x8080_8080_8080_8080
  while unsafe end - p >= 8 {
    let word = unsafe load64(p)
    let quotes = word ^ (ones &* 0x22)
    let slashes = word ^ (ones &* 0x5c)
    let hit = ((quotes &- ones) & ~quotes | (slashes &- ones) & ~slashes) & highs
    if hit != 0 { return unsafe p + hit.trailingZeroBitCount >> 3 }
    unsafe p += 8
  }
  while unsafe p < end, unsafe p[0] != 0x22, unsafe p[0] != 0x5c { unsafe p += 1 }
  return unsafe min(p, end)
}

/// The quote that ends a string whose content starts at `from`; nil if there is none.
@inline(__always) func closingQuote(
  _ from: BytePointer, _ end: BytePointer, readable: BytePointer
) -> BytePointer? {
  var p = unsafe from
  while true {
    unsafe p = unsafe nextQuoteOrBackslash(p, end, readable: readable)
    if unsafe p >= end { return nil }
    if unsafe p[0] == 0x22 { return unsafe p }
    unsafe p += 2
    if unsafe p >= end { return nil }
  }
}

/// The number that eight digits are, the first in the lowest byte.
@inline(__always) func decimalWord(_ word: UInt64) -> UInt64 {
  let pairs = ((word & 0x0f0f_0f0f_0f0f_0f0f) &* 2561) >> 8 & 0x00ff_00ff_00ff_00ff
  let quads = (pairs &* 6_553_601) >> 16 & 0x0000_ffff_0000_ffff
  return (quads &* 42_949_672_960_001) >> 32
}

/// The number that 1 to 16 digits are. Reads eight bytes from its first one, or up to its last one.
@inline(__always) func decimal(_ p: BytePointer, _ count: Int) -> UInt64 {
  if count <= 8 { return unsafe decimalWord(load64(p) << UInt64(64 - 8 * count)) }
  return unsafe decimalWord(load64(p) << UInt64(128 - 8 * count)) &* 100_000_000 &+ decimalWord(load64(p + count - 8))
}

/// The value of eight lower-case hexadecimal digits, the first in the lowest byte; `bad` gets bits where there are none.
@inline(__always) func hexWord(_ word: UInt64, _ bad: inout UInt64) -> UInt64 {
  let ones: UInt64 = 0x0101_0101_0101_0101
  let highs: UInt64 = 0x8080_8080_8080_8080
  let plain = word & ~highs
  let isDigit = (plain &+ ones &* (0x80 - 0x30)) & ~(plain &+ ones &* (0x7f - 0x39)) & highs
  let isLetter = (plain &+ ones &* (0x80 - 0x61)) & ~(plain &+ ones &* (0x7f - 0x66)) & highs
  bad |= ((isDigit | isLetter) & ~word) ^ highs
  let nibbles = (word & (ones &* 0x0f)) &+ (isLetter >> 7) &* 9
  let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff
  let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff
  return UInt64(UInt32(truncatingIfNeeded: quads | quads >> 16).byteSwapped)
}

/// Lower case for upper-case hexadecimal digits; makes lower-case letters invalid.
@inline(__always) func loweredHexWord(_ word: UInt64) -> UInt64 {
  // 0x40 is set in letters only: upper case gets 0x20, lower case loses it.
  word ^ ((word & 0x4040_4040_4040_4040) >> 1)
}

struct UUIDWords: Equatable, BitwiseCopyable {
  var high: UInt64
  var low: UInt64

  @inline(__always) static func == (a: Self, b: Self) -> Bool { (a.high ^ b.high) | (a.low ^ b.low) == 0 }

  @inline(__always) var hash: UInt64 {
    let mixed = (high ^ low) &* 0x9e37_79b9_7f4a_7c15
    return mixed ^ (mixed >> 32)
  }
}

/// 36 bytes: a lower-case UUID with dashes.
@inline(__always) func dashedUUID(_ p: BytePointer) -> UUIDWords? {
  guard unsafe p[8] == 0x2d, unsafe p[13] == 0x2d, unsafe p[18] == 0x2d, unsafe p[23] == 0x2d else { return nil }
  let second = unsafe UInt64(load32(p + 9)) | UInt64(load32(p + 14)) << 32
  let third = unsafe UInt64(load32(p + 19)) | UInt64(load32(p + 24)) << 32
  var bad: UInt64 = 0
  let words = unsafe UUIDWords(
    high: hexWord(load64(p), &bad) << 32 | hexWord(second, &bad),
    low: hexWord(third, &bad) << 32 | hexWord(load64(p + 28), &bad))
  return bad == 0 ? words : nil
}

/// 36 bytes: an upper-case UUID with dashes.
func upperUUID(_ p: BytePointer) -> UUIDWords? {
  guard unsafe p[8] == 0x2d, unsafe p[13] == 0x2d, unsafe p[18] == 0x2d, unsafe p[23] == 0x2d else { return nil }
  let second = unsafe UInt64(load32(p + 9)) | UInt64(load32(p + 14)) << 32
  let third = unsafe UInt64(load32(p + 19)) | UInt64(load32(p + 24)) << 32
  var bad: UInt64 = 0
  let words = unsafe UUIDWords(
    high: hexWord(loweredHexWord(load64(p)), &bad) << 32 | hexWord(loweredHexWord(second), &bad),
    low: hexWord(loweredHexWord(third), &bad) << 32 | hexWord(loweredHexWord(load64(p + 28)), &bad))
  return bad == 0 ? words : nil
}

/// 32 bytes: hexadecimal digits of one case.
func plainUUID(_ p: BytePointer, upper: Bool) -> UUIDWords? {
  var bad: UInt64 = 0
  @inline(__always) func word(_ offset: Int) -> UInt64 {
    unsafe hexWord(upper ? loweredHexWord(load64(p + offset)) : load64(p + offset), &bad)
  }
  let words = UUIDWords(high: word(0) << 32 | word(8), low: word(16) << 32 | word(24))
  return bad == 0 ? words : nil
}

/// Memory of equal elements that grows by doubling, and 32 bytes more that may be read and overwritten. Whoever holds it
/// frees it.
///
/// `@unsafe`: copies share the memory, and indexing is not checked.
@unsafe struct Pool<Element: BitwiseCopyable> {
  var start: UnsafeMutablePointer<Element>
  var count = 0
  var capacity: Int

  init(capacity: Int) {
    unsafe self.capacity = capacity
    unsafe start = Self.allocate(capacity)
  }

  /// At the beginning of a cache line.
  private static func allocate(_ capacity: Int) -> UnsafeMutablePointer<Element> {
    unsafe UnsafeMutableRawPointer.allocate(byteCount: capacity * MemoryLayout<Element>.stride + 32, alignment: 64)
      .bindMemory(to: Element.self, capacity: capacity)
  }

  @inline(__always) subscript(index: Int) -> Element {
    get { unsafe start[index] }
    nonmutating set { unsafe start[index] = newValue }
  }

  @inline(__always) mutating func reserve(_ more: Int) {
    if unsafe capacity - count < more { unsafe grow(more) }
  }

  @inline(never) mutating func grow(_ more: Int) { unsafe move(to: max(count + more, capacity * 2)) }

  /// Keeps no more room than there are elements, where that is worth it.
  mutating func fit() {
    if unsafe capacity - count > 64 { unsafe move(to: max(count, 1)) }
  }

  private mutating func move(to wanted: Int) {
    let other = unsafe Self.allocate(wanted)
    unsafe other.update(from: start, count: count)
    unsafe deallocate()
    unsafe start = unsafe other
    unsafe capacity = wanted
  }

  @inline(__always) mutating func append(_ element: Element) {
    unsafe reserve(1)
    unsafe start[count] = element
    unsafe count += 1
  }

  @inline(__always) mutating func append(_ from: UnsafePointer<Element>, _ more: Int) {
    unsafe reserve(more)
    unsafe (start + count).update(from: from, count: more)
    unsafe count += more
  }

  mutating func append(repeating element: Element, _ more: Int) {
    unsafe reserve(more)
    unsafe (start + count).update(repeating: element, count: more)
    unsafe count += more
  }

  func deallocate() { unsafe UnsafeMutableRawPointer(start).deallocate() }
}

extension Pool where Element == UInt8 {
  /// As `append`, of bytes that can be read up to `readable`: most are few, and 32 are copied faster than as many as there
  /// are.
  @inline(__always) mutating func append(_ from: BytePointer, _ more: Int, readable: BytePointer) {
    guard more <= 32, unsafe readable - from >= 32 else { return unsafe append(from, more) }
    unsafe reserve(more)
    unsafe ByteScan.copy32(start + count, from)
    unsafe count += more
  }

  @inline(__always) mutating func append(varint value: UInt64) {
    unsafe reserve(10)
    var rest = value
    while rest > 127 {
      unsafe start[count] = UInt8(truncatingIfNeeded: rest) | 0x80
      unsafe count += 1
      rest >>= 7
    }
    unsafe start[count] = UInt8(truncatingIfNeeded: rest)
    unsafe count += 1
  }

  @inline(__always) mutating func append(signed value: Int64) { unsafe append(varint: zigzag(value)) }

  /// 16 bytes, most significant first.
  @inline(__always) mutating func append(_ uuid: UUIDWords) {
    unsafe reserve(16)
    let raw = unsafe UnsafeMutableRawPointer(start + count)
    unsafe raw.storeBytes(of: uuid.high.bigEndian, as: UInt64.self)
    unsafe raw.storeBytes(of: uuid.low.bigEndian, toByteOffset: 8, as: UInt64.self)
    unsafe count += 16
  }
}

@inline(__always) func zigzag(_ value: Int64) -> UInt64 {
  UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63)
}

@inline(__always) func unzigzag(_ value: UInt64) -> Int64 {
  Int64(bitPattern: value >> 1) ^ -Int64(bitPattern: value & 1)
}
