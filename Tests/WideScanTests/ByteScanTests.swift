import TestSupport
import Testing
import WideScan

/// Every function against a loop over single bytes: each of the 256 at each place, among others of each kind.
@Suite("Bytes compared at once") struct ByteScanTests {
  /// What a function must say of these bytes, the lowest bit first.
  private func bits(_ bytes: [UInt8], _ isHit: (UInt8) -> Bool) -> UInt64 {
    bytes.indices.reduce(0) { isHit(bytes[$1]) ? $0 | 1 << UInt64($1) : $0 }
  }

  private func check(
    _ count: Int, _ scan: (UnsafeRawPointer) -> UInt64, _ isHit: (UInt8) -> Bool, _ what: String
  ) {
    for filler: UInt8 in [0x61, 0x22, 0x00, 0xff] {
      for byte in UInt8.min...UInt8.max {
        for place in 0..<count {
          var bytes = [UInt8](repeating: filler, count: count)
          bytes[place] = byte
          let found = unsafe bytes.withUnsafeBytes { unsafe scan($0.baseAddress!) }
          guard found == bits(bytes, isHit) else {
            Issue.record("\(what): byte \(byte) at \(place) among \(filler): \(String(found, radix: 2))")
            return
          }
        }
      }
    }
  }

  @Test func `what a JSON string cannot just go on with`() {
    let isSpecial: (UInt8) -> Bool = { $0 == 0x22 || $0 == 0x5c || $0 < 0x20 || $0 >= 0x80 }
    unsafe check(64, { unsafe ByteScan.specialInString64($0) }, isSpecial, "64")
    unsafe check(32, { unsafe UInt64(ByteScan.specialInString32($0)) }, isSpecial, "32")
  }

  @Test func `quotes and backslashes`() {
    unsafe check(64, { unsafe ByteScan.quoteOrBackslash64($0) }, { $0 == 0x22 || $0 == 0x5c }, "64")
  }

  @Test func `what ends a number or a literal`() {
    let ends = Array(",:{}[]\" \t\r\n".utf8)
    unsafe check(
      16, { unsafe UInt64(ByteScan.endOfPlain16($0)) }, { ends.contains($0) }, "16")
  }

  @Test func `everything but digits, and blanks`() {
    unsafe check(16, { unsafe UInt64(ByteScan.noDigit16($0)) }, { !(0x30...0x39).contains($0) }, "digits")
    unsafe check(32, { unsafe UInt64(ByteScan.blank32($0)) }, { $0 == 0x20 }, "blanks")
  }

  @Test func `two ranges of any length are the same if every byte of them is`() {
    for count in 0...80 {
      let one = (0..<(count + 2)).map { UInt8(truncatingIfNeeded: $0 * 7) }
      for place in one.indices {
        var other = one
        other[place] ^= 0x80
        // From the second byte on, so that no word is where the processor would like it; one byte behind does not count.
        let isSame = unsafe one.withUnsafeBytes { first in
          unsafe other.withUnsafeBytes { unsafe ByteScan.isSame(first.baseAddress! + 1, $0.baseAddress! + 1, count) }
        }
        #expect(isSame == (place < 1 || place > count), "\(count) bytes, another one at \(place)")
      }
    }
  }

  @Test func `two ranges are the same up to the count that is asked for, whatever stands behind`() {
    let one = (0..<32).map { UInt8($0 * 7) }
    for place in 0..<32 {
      var other = one
      other[place] ^= 1
      for count in 0...32 {
        let isSame = unsafe one.withUnsafeBytes { first in
          unsafe other.withUnsafeBytes { unsafe ByteScan.isSame32(first.baseAddress!, $0.baseAddress!, count) }
        }
        #expect(isSame == (count <= place), "\(count) bytes, another one at \(place)")
      }
    }
    let all = unsafe one.withUnsafeBytes { unsafe ByteScan.isSame32($0.baseAddress!, $0.baseAddress!, 32) }
    #expect(all)
  }

  @Test func `32 bytes are copied, and none behind them`() {
    let source = (0..<40).map { UInt8($0) }
    var target = [UInt8](repeating: 0xee, count: 40)
    unsafe source.withUnsafeBytes { from in
      unsafe target.withUnsafeMutableBytes { unsafe ByteScan.copy32($0.baseAddress!, from.baseAddress!) }
    }
    #expect(target == source[..<32] + [UInt8](repeating: 0xee, count: 8))
  }

  @Test func `of 16 words those with a tag, and those that are full`() {
    var random = SeededRandom(seed: 3)
    for _ in 0..<2_000 {
      let words = (0..<16).map { _ in
        random.oneIn(3) ? UInt32.max : UInt32([0x07, 0x70, 0xff].randomElement(using: &random)!) << 24 | 5
      }
      for tag: UInt32 in [0x07, 0x08, 0xff] {
        let (tagged, full) = unsafe words.withUnsafeBytes {
          unsafe ByteScan.tags16($0.baseAddress!, mask: 0xff00_0000, tag: tag << 24)
        }
        #expect(tagged == words.indices.reduce(0) { words[$1] >> 24 == tag ? $0 | 1 << UInt32($1) : $0 })
        #expect(full == words.indices.reduce(0) { words[$1] == .max ? $0 | 1 << UInt32($1) : $0 })
      }
    }
  }
}
