import WideScan

/// Where a value stands in the text, and the node of the shape's tree that leads to it.
struct Token: BitwiseCopyable {
  var start: UInt32
  var length: UInt32
  var node: UInt32 = 0
}

/// Cuts a JSON text into values and the rest. It checks nothing: whatever it finds, the values put back into the rest
/// give the text again.
///
/// `@unsafe`: its memory is fixed, and freed by its owner.
@unsafe struct Tokenizer {
  let tokens = UnsafeMutablePointer<Token>.allocate(capacity: BodyLimit.slotsPerTemplate)
  /// The key before each token, in the text; length 0 if there is none.
  let keys = UnsafeMutablePointer<Token>.allocate(capacity: BodyLimit.slotsPerTemplate)
  let skeleton = UnsafeMutablePointer<UInt8>.allocate(capacity: BodyLimit.skeletonBytes + 8)
  var tokenCount = 0
  var skeletonCount = 0

  func deallocate() {
    unsafe tokens.deallocate()
    unsafe keys.deallocate()
    unsafe skeleton.deallocate()
  }

  /// False if the text is better kept whole: too many values, too much besides them, or bytes that mark places.
  mutating func cut(_ text: BytePointer, _ count: Int) -> Bool {
    unsafe tokenCount = 0
    unsafe skeletonCount = 0
    guard count > 0, count < 1 << 30, unsafe text[0] == 0x7b || text[0] == 0x5b else { return false }
    let end = unsafe text + count
    var p = unsafe text
    var key = Token(start: 0, length: 0)
    while unsafe p < end {
      guard unsafe skeletonCount < BodyLimit.skeletonBytes - 8, unsafe tokenCount < BodyLimit.slotsPerTemplate else {
        return false
      }
      switch unsafe p[0] {
      case 0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a, 0x20, 0x0a, 0x09, 0x0d:
        unsafe skeleton[skeletonCount] = unsafe p[0]
        unsafe skeletonCount += 1
        unsafe p += 1
      case 0x22:
        guard let quote = unsafe closingQuote(p + 1, end, readable: end) else { return false }
        let length = unsafe quote - p - 1
        if unsafe quote + 1 < end, unsafe quote[1] == 0x3a {
          guard unsafe copyKey(p, length + 3) else { return false }
          key = unsafe Token(start: UInt32(p + 1 - text), length: UInt32(length))
        } else {
          unsafe put(text, p + 1, length, 1, key)
        }
        unsafe p = unsafe quote + 1
        if unsafe skeleton[skeletonCount - 1] == 0x3a { unsafe p += 1 }
      default:
        let last = unsafe Tokenizer.endOfPlain(p, end, readable: end)
        guard unsafe last > p else { return false }
        unsafe put(text, p, last - p, 2, key)
        unsafe p = unsafe last
      }
    }
    return true
  }

  private mutating func put(_ text: BytePointer, _ at: BytePointer, _ length: Int, _ mark: UInt8, _ key: Token) {
    if mark == 1 {
      unsafe skeleton[skeletonCount] = 0x22
      unsafe skeleton[skeletonCount + 1] = 1
      unsafe skeleton[skeletonCount + 2] = 0x22
      unsafe skeletonCount += 3
    } else {
      unsafe skeleton[skeletonCount] = 2
      unsafe skeletonCount += 1
    }
    unsafe tokens[tokenCount] = unsafe Token(start: UInt32(at - text), length: UInt32(length))
    unsafe keys[tokenCount] = key
    unsafe tokenCount += 1
  }

  /// The key with its quotes and the colon; false where it holds a mark or is too long.
  private mutating func copyKey(_ from: BytePointer, _ count: Int) -> Bool {
    guard unsafe skeletonCount + count < BodyLimit.skeletonBytes - 8 else { return false }
    for index in 0..<count {
      if unsafe from[index] <= 2 { return false }
      unsafe skeleton[skeletonCount + index] = unsafe from[index]
    }
    unsafe skeletonCount += count
    return true
  }

  /// Where a value that is no string ends.
  @inline(__always) static func endOfPlain(
    _ from: BytePointer, _ end: BytePointer, readable: BytePointer
  ) -> BytePointer {
    var p = unsafe from
    while unsafe p < end, unsafe readable - p >= 16 {
      let hit = unsafe ByteScan.endOfPlain16(p)
      if hit != 0 { return unsafe min(p + hit.trailingZeroBitCount, end) }
      unsafe p += 16
    }
    while unsafe p < end {
      switch unsafe p[0] {
      case 0x2c, 0x7d, 0x5d, 0x20, 0x22, 0x7b, 0x5b, 0x3a, 0x0a, 0x0d, 0x09: return unsafe p
      default: unsafe p += 1
      }
    }
    return unsafe min(p, end)
  }
}

extension DictionaryTables {
  /// The template of the tokenizer's skeleton, added if it is new; nil if there is no more room.
  mutating func template(_ text: BytePointer, _ tokenizer: inout Tokenizer) -> UInt32? {
    let length = unsafe tokenizer.skeletonCount
    let hash = unsafe hashBytes(tokenizer.skeleton, length)
    var place = unsafe templateIndex.place(hash)
    while unsafe templateIndex.table[place] != 0 {
      let number = unsafe Int(templateIndex.table[place]) - 1
      let known = unsafe templates[number]
      if Int(known.length) == length,
        unsafe ByteScan.isSame(templateBytes.start + Int(known.start), tokenizer.skeleton, length)
      {
        return UInt32(number)
      }
      place = unsafe templateIndex.next(place)
    }
    guard unsafe templates.count < BodyLimit.templates, unsafe templateBytes.count + length <= BodyLimit.templateBytes,
      unsafe templatePaths.count + tokenizer.tokenCount <= BodyLimit.slots
    else { return nil }
    if unsafe templates.count >= BodyLimit.templates / 2 || templateBytes.count >= BodyLimit.templateBytes / 2 {
      // What is left is for those that come again.
      if case .first = unsafe seenTemplates.look(hash) { return nil }
    }
    let firstPath = unsafe templatePaths.count
    for index in unsafe 0..<tokenizer.tokenCount {
      let key = unsafe tokenizer.keys[index]
      var path = 1
      if key.length > 0, key.length <= BodyLimit.keyBytes {
        path = unsafe keys.find(text + Int(key.start), Int(key.length), &arena) ?? 1
      }
      unsafe templatePaths.append(UInt16(path))
    }
    unsafe templates.append(
      Template(
        start: UInt32(templateBytes.count), length: UInt32(length), firstPath: UInt32(firstPath),
        slotCount: UInt32(tokenizer.tokenCount)))
    unsafe templateBytes.append(tokenizer.skeleton, length)
    unsafe templateIndex.table[place] = unsafe UInt32(templates.count)
    return unsafe UInt32(templates.count - 1)
  }
}
