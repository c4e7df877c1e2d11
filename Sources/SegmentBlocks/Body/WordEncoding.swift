import EventModel
import WideScan

/// Texts of words that recur: DEFLATE sees a block only, and must learn the words of the segment in each anew.
extension EncodedBlock {
  @inline(never) mutating func putWordsOrText(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    if unsafe count <= BodyLimit.wordedBytes && putWords(list, path, p, count) { return }
    unsafe putText(list, path, p, count, ValueKind.text)
  }

  /// False, and only the words are noted, where there is no blank or most words are new.
  private mutating func putWords(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) -> Bool {
    unsafe wordNumbers.count = 0
    unsafe wordEnds.count = 0
    var known = 0
    var start = 0
    while true {
      let end = unsafe nextBlank(p + start, p + count, readable: fields.end) - p
      if start == 0, end == count { return false }
      let number = unsafe word(p + start, end - start)
      if number > 0 { known += 1 }
      unsafe wordNumbers.append(number)
      unsafe wordEnds.append(UInt32(truncatingIfNeeded: end))
      if end == count { break }
      start = end + 1
    }
    if unsafe known * 2 < wordNumbers.count { return false }
    unsafe putKind(list, path, ValueKind.words)
    unsafe putNumber(ValueKind.words, UInt64(wordNumbers.count))
    start = 0
    for index in unsafe 0..<wordNumbers.count {
      let end = unsafe Int(wordEnds[index])
      unsafe put(word: Int(wordNumbers[index]) - 1, p + start, end - start)
      start = end + 1
    }
    return true
  }

  @inline(__always) private mutating func put(word number: Int, _ p: BytePointer, _ count: Int) {
    if number < 0 {
      unsafe wordCodes.append(0)
      unsafe putNumber(ValueKind.words, UInt64(count))
      unsafe texts.append(p, count, readable: fields.end)
    } else if number < BodyLimit.nearWords {
      unsafe wordCodes.append(UInt8(truncatingIfNeeded: number + 1))
    } else {
      let rest = number - BodyLimit.nearWords
      unsafe wordCodes.append(UInt8(truncatingIfNeeded: BodyLimit.nearWords + 1 + rest >> 8))
      unsafe hexBytes.append(UInt8(truncatingIfNeeded: rest))
    }
  }

  /// The segment's number of a word, plus one; it gets one when it is seen for the second time. 0: none.
  @inline(__always) private func word(_ p: BytePointer, _ count: Int) -> UInt32 {
    guard count <= BodyLimit.wordBytes,
      case .again(let place, let entry) = unsafe tables.pointee.words.look(hashBytes(p, count))
    else { return 0 }
    if entry > 0 {
      let start = unsafe Int(tables.pointee.wordStarts[entry - 1])
      let length = unsafe Int(tables.pointee.wordStarts[entry]) - start
      let isSame =
        unsafe length == count
        && equalBytes(tables.pointee.wordBytes.start + start, p, count, readable: fields.end)
      return isSame ? UInt32(truncatingIfNeeded: entry) : 0
    }
    let number = unsafe tables.pointee.wordStarts.count - 1
    guard unsafe number < tables.pointee.words.entriesMax else { return 0 }
    unsafe tables.pointee.words.setEntry(place, number)
    unsafe tables.pointee.wordBytes.append(p, count)
    unsafe tables.pointee.wordStarts.append(UInt32(tables.pointee.wordBytes.count))
    return UInt32(truncatingIfNeeded: number + 1)
  }
}

/// Where the next blank is, at or after `from`; `end` if there is none.
@inline(__always) private func nextBlank(
  _ from: BytePointer, _ end: BytePointer, readable: BytePointer
) -> BytePointer {
  var p = unsafe from
  while unsafe p < end, unsafe readable - p >= 32 {
    let hit = unsafe ByteScan.blank32(p)
    if hit != 0 { return unsafe min(p + hit.trailingZeroBitCount, end) }
    unsafe p += 32
  }
  while unsafe p < end, unsafe p[0] != 0x20 { unsafe p += 1 }
  return unsafe min(p, end)
}
