/// An event id, correlation id or causation id.
///
/// 32 hexadecimal digits, with or without dashes or braces and in any case, are one 128-bit UUID. Any other text is
/// kept byte for byte, after white space around it was removed, up to `textBytesMax` bytes.
public struct Identifier: Hashable, Sendable {
  /// Longest text that is taken as an identifier; longer ones are refused, never cut.
  public static let textBytesMax = 256

  enum Storage: Hashable, Sendable {
    case uuid(IdentifierKey)
    case text([UInt8])
  }

  let storage: Storage

  public init(uuid: IdentifierKey) { storage = .uuid(uuid) }

  /// - Precondition: `text` is what `scan` called a text: trimmed, not empty, at most 256 bytes, no UUID.
  public init(text: [UInt8]) {
    precondition(!text.isEmpty && text.count <= Self.textBytesMax, "an identifier has 1 to 256 bytes")
    storage = .text(text)
  }

  /// The identifier a person or a program wrote, or nil if it means "absent" or is too long.
  public init?(_ written: String) {
    var written = written
    let scanned = written.withUTF8 { unsafe Identifier.scan(UnsafeRawBufferPointer($0)) }
    switch scanned {
    case .uuid(let key): self.init(uuid: key)
    case .text(let range):
      self.init(text: Array(Array(written.utf8)[range]))
    case .absent, .tooLong: return nil
    }
  }

  /// The key under which indexes know this identifier. Complexity: O(1) for a UUID, O(length) for a text.
  public var key: IdentifierKey {
    switch storage {
    case .uuid(let key): key
    case .text(let bytes): unsafe bytes.withUnsafeBytes { unsafe IdentifierKey.hashing($0) }
    }
  }

  /// The UUID; nil for a text.
  public var uuid: IdentifierKey? {
    if case .uuid(let key) = storage { key } else { nil }
  }

  public var isUUID: Bool {
    if case .uuid = storage { true } else { false }
  }

  /// The bytes as shown: a lower-case dashed UUID, or the text.
  public var shownBytes: [UInt8] {
    switch storage {
    case .uuid(let key): Identifier.dashed(key)
    case .text(let bytes): bytes
    }
  }

  /// The bytes as stored: 16 bytes, most significant first, or the text.
  public var storedBytes: [UInt8] {
    switch storage {
    case .text(let bytes): return bytes
    case .uuid(let key):
      return (0..<16).map { index in
        UInt8(truncatingIfNeeded: (index < 8 ? key.high : key.low) >> UInt64(56 - 8 * (index & 7)))
      }
    }
  }
}

extension Identifier: CustomStringConvertible, Comparable {
  public var description: String { String(decoding: shownBytes, as: UTF8.self) }

  /// By the bytes as shown.
  public static func < (a: Self, b: Self) -> Bool {
    if case .uuid(let x) = a.storage, case .uuid(let y) = b.storage { return x < y }
    return a.shownBytes.lexicographicallyPrecedes(b.shownBytes)
  }

  static func dashed(_ key: IdentifierKey) -> [UInt8] {
    unsafe Array(unsafeUninitializedCapacity: 36) { shown, count in
      unsafe writeDashed(key, to: UnsafeMutableRawBufferPointer(shown))
      count = 36
    }
  }

  /// Writes a UUID as shown. Complexity: O(1).
  ///
  /// - Precondition: `shown` has 36 bytes.
  public static func writeDashed(_ key: IdentifierKey, to shown: UnsafeMutableRawBufferPointer) {
    precondition(shown.count == 36, "a dashed UUID has 36 bytes")
    let first = hexDigits(UInt32(truncatingIfNeeded: key.high >> 32))
    let second = hexDigits(UInt32(truncatingIfNeeded: key.high))
    let third = hexDigits(UInt32(truncatingIfNeeded: key.low >> 32))
    let last = hexDigits(UInt32(truncatingIfNeeded: key.low))
    unsafe shown[8] = 0x2d
    unsafe shown[13] = 0x2d
    unsafe shown[18] = 0x2d
    unsafe shown[23] = 0x2d
    unsafe shown.storeBytes(of: first.bigEndian, as: UInt64.self)
    unsafe shown.storeBytes(of: UInt32(truncatingIfNeeded: second >> 32).bigEndian, toByteOffset: 9, as: UInt32.self)
    unsafe shown.storeBytes(of: UInt32(truncatingIfNeeded: second).bigEndian, toByteOffset: 14, as: UInt32.self)
    unsafe shown.storeBytes(of: UInt32(truncatingIfNeeded: third >> 32).bigEndian, toByteOffset: 19, as: UInt32.self)
    unsafe shown.storeBytes(of: UInt32(truncatingIfNeeded: third).bigEndian, toByteOffset: 24, as: UInt32.self)
    unsafe shown.storeBytes(of: last.bigEndian, toByteOffset: 28, as: UInt64.self)
  }

  /// Eight lower-case digits, the most significant one in the highest byte; all at once.
  @inline(__always) private static func hexDigits(_ word: UInt32) -> UInt64 {
    var nibbles = UInt64(word)
    nibbles = (nibbles << 16 | nibbles) & 0x0000_ffff_0000_ffff
    nibbles = (nibbles << 8 | nibbles) & 0x00ff_00ff_00ff_00ff
    nibbles = (nibbles << 4 | nibbles) & 0x0f0f_0f0f_0f0f_0f0f
    let isLetter = (nibbles &+ 0x0606_0606_0606_0606) >> 4 & 0x0101_0101_0101_0101
    return nibbles &+ 0x3030_3030_3030_3030 &+ isLetter &* 0x27
  }
}

extension Identifier {
  /// What a written identifier turned out to be.
  @frozen public enum Scanned: Equatable, Sendable {
    case uuid(IdentifierKey)
    /// The range of the text without the white space around it.
    case text(Range<Int>)
    /// Empty, blank, or the nil UUID.
    case absent
    case tooLong
  }

  /// Reads an identifier from the UTF-8 bytes of its text (not quoted, not escaped).
  ///
  /// White space is space, tab, line feed, vertical tab, form feed and carriage return. Complexity: O(length).
  public static func scan(_ written: UnsafeRawBufferPointer) -> Scanned {
    var start = 0
    var end = written.count
    while start < end, unsafe isBlank(written[start]) { start += 1 }
    while end > start, unsafe isBlank(written[end - 1]) { end -= 1 }
    if start == end { return .absent }
    if let key = unsafe uuid(written, start, end) { return key.isZero ? .absent : .uuid(key) }
    return end - start > textBytesMax ? .tooLong : .text(start..<end)
  }

  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }

  /// 16 hexadecimal digits and nothing else: an OpenTelemetry span id, which is a link and not a cause.
  public static func isSpanID(_ text: UnsafeRawBufferPointer) -> Bool {
    guard text.count == 16 else { return false }
    return unsafe text.allSatisfy { hexValue($0) != 0xff }
  }

  static func uuid(_ text: UnsafeRawBufferPointer, _ from: Int, _ to: Int) -> IdentifierKey? {
    var start = from
    var end = to
    if end - start >= 34, unsafe text[start] == 0x7b, unsafe text[end - 1] == 0x7d {
      start += 1
      end -= 1
    }
    // Where the four groups of 8 digits start; in the dashed form the middle ones are split by a dash.
    guard let base = text.baseAddress else { return nil }
    let digits = unsafe base + start
    if end - start == 32 {
      return unsafe key(
        digits.loadUnaligned(as: UInt64.self), digits.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
        digits.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
        digits.loadUnaligned(fromByteOffset: 24, as: UInt64.self))
    }
    guard end - start == 36, unsafe text[start + 8] == 0x2d, unsafe text[start + 13] == 0x2d,
      unsafe text[start + 18] == 0x2d,
      unsafe text[start + 23] == 0x2d
    else { return nil }
    let second =
      unsafe UInt64(digits.loadUnaligned(fromByteOffset: 9, as: UInt32.self).littleEndian)
      | UInt64(digits.loadUnaligned(fromByteOffset: 14, as: UInt32.self).littleEndian) << 32
    let third =
      unsafe UInt64(digits.loadUnaligned(fromByteOffset: 19, as: UInt32.self).littleEndian)
      | UInt64(digits.loadUnaligned(fromByteOffset: 24, as: UInt32.self).littleEndian) << 32
    return unsafe key(
      digits.loadUnaligned(as: UInt64.self), second.littleEndian, third.littleEndian,
      digits.loadUnaligned(fromByteOffset: 28, as: UInt64.self))
  }

  /// The key of four groups of 8 digits, each as it lies in memory.
  @inline(__always) private static func key(_ a: UInt64, _ b: UInt64, _ c: UInt64, _ d: UInt64) -> IdentifierKey? {
    guard let first = eightDigits(a.littleEndian), let second = eightDigits(b.littleEndian),
      let third = eightDigits(c.littleEndian), let fourth = eightDigits(d.littleEndian)
    else { return nil }
    return IdentifierKey(high: first << 32 | second, low: third << 32 | fourth)
  }

  /// The value of 8 hexadecimal digits, the first one in the lowest byte; nil if one is none. All bytes at once: the
  /// high bit of each byte says whether it is in a range, and no addition carries, because all bytes are below 128.
  @inline(__always) private static func eightDigits(_ word: UInt64) -> UInt64? {
    let ones: UInt64 = 0x0101_0101_0101_0101
    let highs: UInt64 = 0x8080_8080_8080_8080
    let plain = word & ~highs
    let lower = plain | ones &* 0x20
    let isDigit = (plain &+ ones &* (0x80 - 0x30)) & ~(plain &+ ones &* (0x7f - 0x39)) & highs
    let isLetter = (lower &+ ones &* (0x80 - 0x61)) & ~(lower &+ ones &* (0x7f - 0x66)) & highs
    guard (isDigit | isLetter) & ~word & highs == highs else { return nil }
    let nibbles = (word & (ones &* 0x0f)) &+ (isLetter >> 7) &* 9
    let pairs = (nibbles << 4 | nibbles >> 8) & 0x00ff_00ff_00ff_00ff
    let quads = (pairs | pairs >> 8) & 0x0000_ffff_0000_ffff
    let all = UInt32(truncatingIfNeeded: quads | quads >> 16)
    return UInt64(all.byteSwapped)
  }

  @inline(__always) static func hexValue(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    case 0x41...0x46: byte - 0x37
    default: 0xff
    }
  }
}
