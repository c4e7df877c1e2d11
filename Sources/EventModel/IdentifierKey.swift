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
      var word: UInt64 = 0
      if offset + 8 <= text.count {
        word = unsafe text.loadUnaligned(fromByteOffset: offset, as: UInt64.self).littleEndian
      } else {
        for index in 0..<(text.count - offset) {
          word |= unsafe UInt64(text[offset + index]) << UInt64(8 * index)
        }
      }
      a = mixWord(a ^ word, 0xff51_afd7_ed55_8ccd)
      b = mixWord(b &+ word &* 0x1656_67b1_9e37_79f9, 0xc4ce_b9fe_1a85_ec53)
      offset += 8
    }
    a = mixWord(a ^ (b &<< 17 | b &>> 47), 0x9fb2_1c65_1e98_df25)
    b = mixWord(b ^ a, 0xff51_afd7_ed55_8ccd)
    return IdentifierKey(high: a, low: b)
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
