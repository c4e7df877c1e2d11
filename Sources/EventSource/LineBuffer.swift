import Platform

/// Bytes of an input that were read and not yet given out as lines. Memory is bounded by the longest line allowed.
struct LineBuffer {
  enum Next {
    /// A line without its line feed, as a range of `bytes`.
    case line(Range<Int>)
    /// A line that was skipped because it is longer than allowed.
    case tooLong
    /// No whole line is left.
    case needsMore
  }

  static let chunkBytes = 256 * 1024

  private(set) var bytes: [UInt8]
  private var start = 0
  private var end = 0
  /// Up to here no line feed was found.
  private var searched = 0
  private var isSkipping = false
  private let lineBytesMax: Int
  /// Where in the input the first byte that was not given out stands.
  private(set) var offset: Int

  init(lineBytesMax: Int, offset: Int = 0) {
    self.lineBytesMax = lineBytesMax
    self.offset = offset
    bytes = [UInt8](repeating: 0, count: Self.chunkBytes)
  }

  /// Bytes that are not given out yet, those of a line that is being skipped not counted.
  var pendingBytes: Int { end - start }

  /// True if what was not given out starts with gzip's two bytes (no JSON does).
  var startsLikeGzip: Bool { end - start >= 2 && bytes[start] == 0x1f && bytes[start + 1] == 0x8b }

  /// The next whole line.
  mutating func next() -> Next {
    while true {
      let found = unsafe bytes.withUnsafeBytes { all in
        unsafe ByteSearch.first(0x0a, in: UnsafeRawBufferPointer(rebasing: all[searched..<end]))
      }
      guard let found else { return withoutLineFeed() }
      let feed = searched + found
      let line = start..<feed
      offset += feed + 1 - start
      start = feed + 1
      searched = start
      if isSkipping {
        isSkipping = false
        return .tooLong
      }
      return line.count > lineBytesMax ? .tooLong : .line(line)
    }
  }

  private mutating func withoutLineFeed() -> Next {
    searched = end
    if isSkipping || end - start > lineBytesMax {
      isSkipping = true
      offset += end - start
      start = 0
      end = 0
      searched = 0
    }
    return .needsMore
  }

  /// What is left at the end of the input, if anything is: a line without its line feed.
  mutating func last() -> Next {
    defer {
      offset += end - start
      start = end
      searched = end
    }
    if isSkipping {
      isSkipping = false
      return .tooLong
    }
    return start == end ? .needsMore : .line(start..<end)
  }

  /// Lets `body` write behind the bytes that are there, and gives how many it wrote.
  ///
  /// - Precondition: every whole line was taken, so that what is left is at most one line long.
  mutating func fill<E: Error>(_ body: (UnsafeMutableRawBufferPointer) throws(E) -> Int) throws(E) -> Int {
    if start > 0 {
      let rest = end - start
      if rest > 0 {
        unsafe bytes.withUnsafeMutableBytes {
          unsafe $0.copyMemory(from: UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer($0)[start..<end]))
        }
      }
      searched -= start
      start = 0
      end = rest
    }
    if end == bytes.count { grow() }
    let room = end
    let count = unsafe try bytes.withUnsafeMutableBufferPointer { (all) throws(E) -> Int in
      unsafe try body(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(all)[room...]))
    }
    end += count
    return count
  }

  private mutating func grow() {
    let wanted = min(bytes.count * 2, lineBytesMax + Self.chunkBytes)
    bytes += [UInt8](repeating: 0, count: max(wanted - bytes.count, Self.chunkBytes))
  }

  /// Gives back what a long line needed.
  mutating func shrinkIfEmpty() {
    if start == end, bytes.count > 4 << 20 {
      bytes = [UInt8](repeating: 0, count: Self.chunkBytes)
      start = 0
      end = 0
      searched = 0
    }
  }

  /// Forgets everything; the input goes on at `offset`.
  mutating func restart(at offset: Int) {
    start = 0
    end = 0
    searched = 0
    isSkipping = false
    self.offset = offset
  }
}
