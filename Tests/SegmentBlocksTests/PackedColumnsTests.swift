import Compression
import SegmentBlocks
import TestSupport
import Testing

@Suite("Packed columns") struct PackedColumnsTests {
  static func unpacked(_ packed: [UInt8], _ count: Int) throws(BodyError) -> [UInt8] {
    var room = [UInt8](repeating: 0, count: count)
    let decompressor = DeflateDecompressor()
    unsafe try packed.withUnsafeBufferPointer { (packed) throws(BodyError) in
      unsafe try room.withUnsafeMutableBufferPointer { (room) throws(BodyError) in
        unsafe try PackedColumns.unpack(
          UnsafeRawBufferPointer(packed), into: UnsafeMutableRawBufferPointer(room), decompressor)
      }
    }
    return room
  }

  static func packed(_ bytes: [UInt8], _ ends: [Int]) -> [UInt8] {
    unsafe bytes.withUnsafeBytes { unsafe PackedColumns.pack($0, ends: ends, DeflateCompressor(level: 6)) }
  }

  static let sample = [UInt8](repeating: 7, count: 3000) + (0..<900).map { UInt8($0 % 250) }

  @Test(arguments: [[3900], [0, 3900], [1, 3000, 3900], [10, 10, 2000, 3900]])
  func `parts come back as a whole`(_ ends: [Int]) throws {
    #expect(try Self.unpacked(Self.packed(Self.sample, ends), 3900) == Self.sample)
  }

  @Test func `random bytes are stored, not blown up`() throws {
    var random = SeededRandom(seed: 5)
    let bytes = random.bytes(2000)
    let packed = Self.packed(bytes, [1000, 2000])
    #expect(packed.count < 2020)
    #expect(try Self.unpacked(packed, 2000) == bytes)
  }

  @Test func `prefixes, other lengths and changed bytes end in an error or in bytes`() {
    let packed = Self.packed(Self.sample, [100, 3000, 3900])
    for length in 0..<packed.count {
      #expect(throws: BodyError.self) { try Self.unpacked(Array(packed[..<length]), 3900) }
    }
    #expect(throws: BodyError.self) { try Self.unpacked(packed, 3899) }
    #expect(throws: BodyError.self) { try Self.unpacked(packed, 3901) }
    #expect(throws: BodyError.self) { try Self.unpacked(packed + [0], 3900) }
    for bit in 0..<(packed.count * 8) {
      var changed = packed
      changed[bit / 8] ^= 1 << UInt8(bit % 8)
      _ = try? Self.unpacked(changed, 3900)
    }
  }
}
