import SegmentBlocks

/// A set of keys that says "not here", or "perhaps": six bits of one 64-byte line for each key, so that a question costs
/// one cache miss. With 10 bits a key about one answer in a hundred is a false "perhaps".
///
/// Part of the file format: FORMAT.md section 7.
struct BloomFilter: Sendable {
  static let bitsPerKey = 10
  static let wordsPerLine = 8
  static let bitsPerProbe = 6

  private(set) var words: [UInt64]
  private let lineCount: UInt64

  init(expectedKeyCount: Int) {
    let lines = max(1, (expectedKeyCount * Self.bitsPerKey + 511) / 512)
    lineCount = UInt64(lines)
    words = [UInt64](repeating: 0, count: lines * Self.wordsPerLine)
  }

  /// Nil unless the bytes are whole lines, at least one.
  init?(bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0, bytes.count.isMultiple(of: Self.wordsPerLine * 8) else { return nil }
    lineCount = UInt64(bytes.count / (Self.wordsPerLine * 8))
    words = (0..<(bytes.count / 8)).map { index in
      unsafe UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: index * 8, as: UInt64.self))
    }
  }

  var bytes: [UInt8] {
    var writer = ByteWriter()
    writer.bytes.reserveCapacity(words.count * 8)
    for word in words { writer.put(word) }
    return writer.bytes
  }

  mutating func insert(_ hash: UInt64) {
    let line = Int(hash.multipliedFullWidth(by: lineCount).high) * Self.wordsPerLine
    var bits = Self.bits(of: hash)
    for _ in 0..<Self.bitsPerProbe {
      words[line + Int(bits >> 6 & 7)] |= 1 << (bits & 63)
      bits >>= 9
    }
  }

  @inline(__always) func mayContain(_ hash: UInt64) -> Bool {
    let line = Int(hash.multipliedFullWidth(by: lineCount).high) * Self.wordsPerLine
    var bits = Self.bits(of: hash)
    for _ in 0..<Self.bitsPerProbe {
      if words[line + Int(bits >> 6 & 7)] & (1 << (bits & 63)) == 0 { return false }
      bits >>= 9
    }
    return true
  }

  /// Asks for the line that a key's bits are in.
  @inline(__always) func prefetch(_ hash: UInt64) {
    let line = Int(hash.multipliedFullWidth(by: lineCount).high) * Self.wordsPerLine
    unsafe words.withUnsafeBufferPointer { all in
      if let base = all.baseAddress { unsafe Prefetch.line(base + line) }
    }
  }

  /// 54 bits that are independent of the high bits of the hash, which choose the line.
  @inline(__always) private static func bits(of hash: UInt64) -> UInt64 {
    let x = (hash ^ (hash >> 32)) &* 0xd6e8_feb8_6659_fd93
    return x ^ (x >> 32)
  }
}
