public import CWideScan

/// Compares many bytes at once, and says of each in one bit how that went: the lowest bit is the first byte's.
///
/// What a loop finds after so many turns, the processor guesses wrong each time the number changes; a bit mask has no
/// turns. Every function with a number in its name reads so many bytes (or words): the caller has seen to it that they are
/// there.
@unsafe public enum ByteScan {
  /// A quote, a backslash, a control character or a byte of a character that is not ASCII: what a JSON string cannot
  /// just go on with.
  @inlinable @inline(__always) public static func specialInString64(_ start: UnsafeRawPointer) -> UInt64 {
    unsafe clew_special_in_string_64(start)
  }

  @inlinable @inline(__always) public static func specialInString32(_ start: UnsafeRawPointer) -> UInt32 {
    unsafe clew_special_in_string_32(start)
  }

  @inlinable @inline(__always) public static func quoteOrBackslash64(_ start: UnsafeRawPointer) -> UInt64 {
    unsafe clew_quote_or_backslash_64(start)
  }

  /// What ends a number or a literal of JSON: comma, colon, braces, brackets, quote, and white space.
  @inlinable @inline(__always) public static func endOfPlain16(_ start: UnsafeRawPointer) -> UInt16 {
    unsafe clew_end_of_plain_16(start)
  }

  /// Everything but the ten digits.
  @inlinable @inline(__always) public static func noDigit16(_ start: UnsafeRawPointer) -> UInt16 {
    unsafe clew_no_digit_16(start)
  }

  @inlinable @inline(__always) public static func blank32(_ start: UnsafeRawPointer) -> UInt32 {
    unsafe clew_blank_32(start)
  }

  /// Whether the first `count` bytes are the same: 32 at most, but 32 are read of both.
  @inlinable @inline(__always) public static func isSame32(
    _ one: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int
  ) -> Bool {
    unsafe UInt64(clew_difference_32(one, other)) & ((1 &<< UInt64(truncatingIfNeeded: count)) &- 1) == 0
  }

  /// Whether `count` bytes are the same; reads nothing behind them.
  @inlinable @inline(__always) public static func isSame(
    _ one: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int
  ) -> Bool {
    @inline(__always) func isSame<Word: FixedWidthInteger & BitwiseCopyable>(_ offset: Int, _: Word.Type) -> Bool {
      unsafe one.loadUnaligned(fromByteOffset: offset, as: Word.self)
        == other.loadUnaligned(fromByteOffset: offset, as: Word.self)
    }
    // The last word may overlap what is compared already: no turns for single bytes.
    if count >= 8 {
      var offset = 0
      while offset &+ 8 < count {
        if !isSame(offset, UInt64.self) { return false }
        offset &+= 8
      }
      return isSame(count &- 8, UInt64.self)
    }
    if count >= 4 { return isSame(0, UInt32.self) && isSame(count &- 4, UInt32.self) }
    if count == 0 { return true }
    return isSame(0, UInt8.self) && isSame(count / 2, UInt8.self) && isSame(count &- 1, UInt8.self)
  }

  /// Copies 32 bytes, whatever of them is wanted: cheaper than to ask how many.
  @inlinable @inline(__always) public static func copy32(
    _ target: UnsafeMutableRawPointer, _ source: UnsafeRawPointer
  ) { unsafe clew_copy_32(target, source) }

  /// Of 16 words of 32 bits in the order of the processor: those that have `tag` under `mask`, and those whose bits are
  /// all set.
  @inlinable @inline(__always) public static func tags16(
    _ start: UnsafeRawPointer, mask: UInt32, tag: UInt32
  ) -> (tagged: UInt32, full: UInt32) {
    let both = unsafe clew_tags_16(start, mask, tag)
    return (both & 0xffff, both >> 16)
  }
}
