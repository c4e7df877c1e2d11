import SegmentBlocks
import TraceStore

/// Finds the blocks on a tape of which rows may be missing or changed: blocks lie back to back, and behind damage the
/// next one is found by its magic bytes. Memory: one block and one row.
struct TapeScan {
  /// `@safe`: the closure looks at a buffer only while it is called.
  @safe struct Part {
    let magic: UInt32
    let headerBytes: Int
    let lengthOffset: Int
    let check: (UnsafeRawBufferPointer) throws(BlockError) -> Int

    static var head: Part {
      unsafe Part(
        magic: HeadRow.magic, headerBytes: HeadRow.bytes, lengthOffset: HeadRow.Offset.storedLength,
        check: { (row) throws(BlockError) in unsafe try BlockRow.checkHead(row) })
    }
    static var data: Part {
      unsafe Part(
        magic: DataRow.magic, headerBytes: DataRow.bytes, lengthOffset: DataRow.Offset.storedLength,
        check: { (row) throws(BlockError) in unsafe try BlockRow.checkData(row) })
    }
  }

  private let part: Part
  private let rowBytes: Int
  private let lastRow: Int
  private let row: (Int) -> [UInt8]?
  private var cached: (row: Int, bytes: [UInt8]?) = (0, nil)

  /// - Parameters:
  ///   - lastRow: the highest number of a row that was found.
  ///   - row: the bytes of a row, from 1; nil where it is missing.
  init(_ part: Part, rowBytes: Int, lastRow: Int, row: @escaping (Int) -> [UInt8]?) {
    self.part = part
    self.rowBytes = rowBytes
    self.lastRow = lastRow
    self.row = row
  }

  private mutating func load(_ number: Int) -> [UInt8]? {
    if cached.row != number { cached = (number, row(number)) }
    return cached.bytes
  }

  /// The bytes at a place of the tape; nil where a row is missing or too short.
  mutating func bytes(from start: Int, count: Int) -> [UInt8]? {
    guard count > 0, count <= SegmentLimits.rowBytesMax else { return nil }
    var found: [UInt8] = []
    var place = start
    while found.count < count {
      guard let row = load(place / rowBytes + 1) else { return nil }
      let offset = place % rowBytes
      let wanted = min(count - found.count, rowBytes - offset)
      guard row.count >= offset + wanted else { return nil }
      found += row[offset..<(offset + wanted)]
      place += wanted
    }
    return found
  }

  /// Calls `body` with the number, the place and the length of every block that passes its checks.
  mutating func forEachBlock(_ body: (Int, Int, Int) -> Void) {
    var place = 0
    let end = lastRow * rowBytes
    while place < end {
      if let (number, length) = block(at: place) {
        body(number, place, length)
        place += length
      } else {
        place = nextMagic(behind: place + 1, end)
      }
    }
  }

  private mutating func block(at place: Int) -> (number: Int, length: Int)? {
    guard let header = bytes(from: place, count: part.headerBytes), Self.word(header, 0) == part.magic else {
      return nil
    }
    let length = part.headerBytes + Int(Self.word(header, part.lengthOffset))
    guard length <= SegmentLimits.blockRawBytesMax, let whole = bytes(from: place, count: length) else { return nil }
    let number = unsafe whole.withUnsafeBytes { row in unsafe try? part.check(row) }
    return number.map { ($0, length) }
  }

  private mutating func nextMagic(behind start: Int, _ end: Int) -> Int {
    var place = start
    while place < end {
      let first = place / rowBytes + 1
      guard let row = load(first) else {
        place = first * rowBytes
        continue
      }
      // The magic may lie on two rows.
      let following = place / rowBytes + 2 <= lastRow ? load(first + 1)?.prefix(3) ?? [] : []
      let both = row + (row.count == rowBytes ? following : [])
      var offset = place % rowBytes
      while offset + 4 <= both.count {
        if both[offset] == UInt8(truncatingIfNeeded: part.magic), Self.word(both, offset) == part.magic {
          return place / rowBytes * rowBytes + offset
        }
        offset += 1
      }
      place = first * rowBytes
    }
    return end
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32 {
    (0..<4).reduce(0) { $0 | UInt32(bytes[offset + $1]) << UInt32(8 * $1) }
  }
}
