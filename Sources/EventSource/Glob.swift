/// A pattern in which `*` stands for any bytes; everything else is meant literally, and case counts.
struct Glob: Hashable, Sendable {
  private let pattern: [UInt8]
  /// Length of the text before the first and behind the last `*`; both 0 where there is none.
  private let headCount: Int
  private let tailCount: Int
  private let hasStar: Bool
  /// The last bytes of the tail, up to 8, as they lie at the end of a text, and which of them count.
  private let lastWord: UInt64
  private let lastMask: UInt64

  init(_ pattern: String) {
    self.pattern = Array(pattern.utf8)
    hasStar = self.pattern.contains(0x2a)
    headCount = hasStar ? self.pattern.firstIndex(of: 0x2a) ?? 0 : 0
    tailCount = hasStar ? self.pattern.count - 1 - (self.pattern.lastIndex(of: 0x2a) ?? 0) : 0
    let last = self.pattern.suffix(min(hasStar ? tailCount : self.pattern.count, 8))
    var word: UInt64 = 0
    var mask: UInt64 = 0
    for byte in last.reversed() {
      let shift = 56 - UInt64(mask.nonzeroBitCount)
      word |= UInt64(byte) << shift
      mask |= 0xff << shift
    }
    lastWord = word
    lastMask = mask
  }

  /// Complexity: O(pattern × text) at worst, without recursion; mostly the last bytes decide.
  @inline(__always) func matches(_ text: UnsafeRawBufferPointer) -> Bool {
    if text.count >= 8 {
      let last = unsafe text.loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self).littleEndian
      if (last ^ lastWord) & lastMask != 0 { return false }
    }
    return unsafe matchesWhole(text)
  }

  private func matchesWhole(_ text: UnsafeRawBufferPointer) -> Bool {
    guard hasStar else { return unsafe text.count == pattern.count && hasHead(text, pattern.count) }
    guard text.count >= headCount + tailCount else { return false }
    var place = pattern.count - 1
    var index = text.count - 1
    for _ in 0..<tailCount {
      if unsafe text[index] != pattern[place] { return false }
      place -= 1
      index -= 1
    }
    guard unsafe hasHead(text, headCount) else { return false }
    return unsafe headCount + 1 + tailCount == pattern.count || matchesByStars(text)
  }

  private func hasHead(_ text: UnsafeRawBufferPointer, _ count: Int) -> Bool {
    for index in 0..<count where unsafe text[index] != pattern[index] { return false }
    return true
  }

  private func matchesByStars(_ text: UnsafeRawBufferPointer) -> Bool {
    var place = 0
    var index = 0
    var star = -1
    var resume = 0
    while index < text.count {
      if place < pattern.count, pattern[place] == 0x2a {
        star = place
        resume = index
        place += 1
      } else if place < pattern.count, unsafe pattern[place] == text[index] {
        place += 1
        index += 1
      } else if star >= 0 {
        place = star + 1
        resume += 1
        index = resume
      } else {
        return false
      }
    }
    while place < pattern.count, pattern[place] == 0x2a { place += 1 }
    return place == pattern.count
  }
}
