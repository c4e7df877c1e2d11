/// 128 bits that stand for an identifier in indexes: the bits of a UUID, or a hash of any other text.
///
/// Two different texts may share a key, so whoever finds something by key compares the identifier's bytes
/// before it answers. The hash is part of the file format (`SegmentStore/FORMAT.md`) and never changes.
@frozen public struct IdentifierKey: Hashable, Sendable, Comparable {
  public let high: UInt64
  public let low: UInt64

  @inlinable public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }

  /// True for the nil UUID, which means "absent" wherever an identifier is optional.
  @inlinable public var isZero: Bool { high == 0 && low == 0 }

  @inlinable public static var zero: IdentifierKey { IdentifierKey(high: 0, low: 0) }

  /// Big-endian order of the 16 bytes.
  @inlinable public static func < (a: Self, b: Self) -> Bool { a.high != b.high ? a.high < b.high : a.low < b.low }

  /// A well-mixed 64-bit value of the key, for hash tables and filters; part of the file format.
  @inlinable public var mixed: UInt64 {
    var x = high ^ (low &* 0x9e37_79b9_7f4a_7c15)
    x ^= x >> 32
    x &*= 0xd6e8_feb8_6659_fd93
    x ^= x >> 32
    x &*= 0xd6e8_feb8_6659_fd93
    return x ^ (x >> 32)
  }

  /// The key of a text that is no UUID.
  ///
  /// Two multiply-and-fold lanes over 8-byte little-endian words, the last one padded with zeros, the length as
  /// first word. Complexity: O(length).
  @inlinable public static func hashing(_ text: UnsafeRawBufferPointer) -> IdentifierKey {
    var a: UInt64 = 0x9e37_79b9_7f4a_7c15 ^ UInt64(text.count)
    var b: UInt64 = 0xc2b2_ae3d_27d4_eb4f &+ UInt64(text.count)
    var offset = 0
    while offset < text.count {
      let word =
        offset + 8 <= text.count
        ? unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
        : unsafe lastWord(text, offset)
      a = mixWord(a ^ word, 0xff51_afd7_ed55_8ccd)
      b = mixWord(b &+ word &* 0x1656_67b1_9e37_79f9, 0xc4ce_b9fe_1a85_ec53)
      offset += 8
    }
    a = mixWord(a ^ (b &<< 17 | b &>> 47), 0x9fb2_1c65_1e98_df25)
    b = mixWord(b ^ a, 0xff51_afd7_ed55_8ccd)
    return IdentifierKey(high: a, low: b)
  }

  /// The 1 to 7 bytes from `offset` on, the first one lowest: without a loop over them, since every event is asked for it.
  @inlinable static func lastWord(_ text: UnsafeRawBufferPointer, _ offset: Int) -> UInt64 {
    let count = text.count - offset
    if text.count >= 8 {
      let word = unsafe text.loadUnaligned(fromByteOffset: text.count - 8, as: UInt64.self).littleEndian
      return word >> UInt64(64 - 8 * count)
    }
    if count >= 4 {
      // The two overlap where there are fewer than eight: in the same bits of the same bytes.
      let first = unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt32.self).littleEndian
      let last = unsafe text.loadUnaligned(fromByteOffset: text.count - 4, as: UInt32.self).littleEndian
      return UInt64(first) | UInt64(last) << UInt64(8 * (count - 4))
    }
    let middle = unsafe UInt64(text[offset + count / 2]) << UInt64(8 * (count / 2))
    return unsafe UInt64(text[offset]) | middle | UInt64(text[text.count - 1]) << UInt64(8 * (count - 1))
  }

  @inlinable static func mixWord(_ value: UInt64, _ factor: UInt64) -> UInt64 {
    var x = value
    x ^= x &>> 32
    x &*= factor
    x ^= x &>> 29
    x &*= 0x94d0_49bb_1331_11eb
    return x ^ (x &>> 32)
  }
}
