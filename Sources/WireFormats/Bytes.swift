/// Eight bytes at a time.
enum SWAR {
  static let ones: UInt64 = 0x0101_0101_0101_0101
  static let highs: UInt64 = 0x8080_8080_8080_8080

  /// The high bit of every byte that ends a run of plain characters in a JSON string (quote, backslash, control
  /// character, not ASCII). Only the lowest bit that is set is exact; higher ones may be false alarms.
  @inline(__always) static func specialInString(_ word: UInt64) -> UInt64 {
    let quote = word ^ (ones &* 0x22)
    let backslash = word ^ (ones &* 0x5c)
    let found = (quote &- ones) | (backslash &- ones) | (word &- ones &* 0x20)
    return (found & ~word | word) & highs
  }
}

/// Hexadecimal digits.
enum Hex {
  /// 0xff for anything else.
  @inline(__always) static func value(_ byte: UInt8) -> UInt8 {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    case 0x41...0x46: byte - 0x37
    default: 0xff
    }
  }

  static let lowerDigits: [UInt8] = Array("0123456789abcdef".utf8)
}

/// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
public enum UTF8Validation {
  /// Bytes of the well-formed sequence at `start`; 0 if there is none.
  static func sequenceLength(_ start: UnsafeRawPointer, available: Int) -> Int {
    let first = unsafe start.load(as: UInt8.self)
    if first < 0x80 { return 1 }
    guard first >= 0xc2, first <= 0xf4 else { return 0 }
    let length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4
    guard available >= length else { return 0 }
    let second = unsafe start.load(fromByteOffset: 1, as: UInt8.self)
    let lowest: UInt8 = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80
    let highest: UInt8 = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf
    guard second >= lowest, second <= highest else { return 0 }
    for index in 2..<max(length, 2) {
      guard unsafe start.load(fromByteOffset: index, as: UInt8.self) & 0xc0 == 0x80 else { return 0 }
    }
    return length
  }

  /// The place of the first byte that is no part of a well-formed sequence; nil if all is well. Complexity: O(bytes).
  public static func firstInvalid(_ bytes: UnsafeRawBufferPointer) -> Int? {
    guard let base = bytes.baseAddress else { return nil }
    var index = 0
    while index < bytes.count {
      while index + 8 <= bytes.count,
        unsafe base.loadUnaligned(fromByteOffset: index, as: UInt64.self) & SWAR.highs == 0
      {
        index += 8
      }
      guard index < bytes.count else { break }
      let length = unsafe sequenceLength(base + index, available: bytes.count - index)
      if length == 0 { return index }
      index += length
    }
    return nil
  }

  public static func isValid(_ bytes: [UInt8]) -> Bool {
    unsafe bytes.withUnsafeBytes { unsafe firstInvalid($0) == nil }
  }
}
