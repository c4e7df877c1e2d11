/// A pattern in which `*` stands for any bytes; everything else is meant literally, and case counts.
struct Glob: Hashable, Sendable {
  private let pattern: [UInt8]

  init(_ pattern: String) { self.pattern = Array(pattern.utf8) }

  /// Complexity: O(pattern × text) at worst, without recursion.
  func matches(_ text: UnsafeRawBufferPointer) -> Bool {
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
