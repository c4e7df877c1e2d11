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
    var shown: [UInt8] = []
    shown.reserveCapacity(36)
    for digit in 0..<32 {
      if digit == 8 || digit == 12 || digit == 16 || digit == 20 { shown.append(0x2d) }
      let word = digit < 16 ? key.high : key.low
      let nibble = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (digit & 15))) & 15
      shown.append(nibble < 10 ? 0x30 + nibble : 0x57 + nibble)
    }
    return shown
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
    let dashes = end - start == 36
    guard dashes || end - start == 32 else { return nil }
    var high: UInt64 = 0
    var low: UInt64 = 0
    var digit = 0
    var index = start
    while index < end {
      if dashes && (digit == 8 || digit == 12 || digit == 16 || digit == 20) {
        guard unsafe text[index] == 0x2d else { return nil }
        index += 1
      }
      let value = unsafe hexValue(text[index])
      if value == 0xff { return nil }
      if digit < 16 { high = high << 4 | UInt64(value) } else { low = low << 4 | UInt64(value) }
      digit += 1
      index += 1
    }
    return IdentifierKey(high: high, low: low)
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
