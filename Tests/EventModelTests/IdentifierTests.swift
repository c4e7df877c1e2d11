import EventModel
import TestSupport
import Testing

@Suite("Identifiers") struct IdentifierTests {
  static let uuid = "86dc11ae-fbad-5b08-ba44-1636728e2cb6"

  @Test(arguments: [
    "86dc11ae-fbad-5b08-ba44-1636728e2cb6", "86DC11AE-FBAD-5B08-BA44-1636728E2CB6",
    "{86dc11ae-fbad-5b08-ba44-1636728e2cb6}", "86dc11aefbad5b08ba441636728e2cb6", "{86DC11AEFBAD5B08BA441636728E2CB6}",
    " 86dc11ae-fbad-5b08-ba44-1636728e2cb6\t\r\n",
  ])
  func `32 hexadecimal digits in any spelling are one UUID, shown dashed and in lower case`(_ written: String) {
    #expect(Identifier(written)?.description == Self.uuid)
    #expect(Identifier(written) == Identifier(Self.uuid))
    #expect(Identifier(written)?.isUUID == true)
  }

  @Test(arguments: [
    "urn:uuid:86dc11ae-fbad-5b08-ba44-1636728e2cb6", "8efff798038103d269b633813fc703", "order-42/2024 № 7",
    "86dc11ae-fbad-5b08-ba44-1636728e2cbg", "86dc11aef-bad-5b08-ba44-1636728e2cb6", "{86dc11aefbad5b08ba441636728e2cb6",
    "00efff798038103d269b633813fc70300", "a",
  ])
  func `any other text is kept byte for byte`(_ written: String) {
    #expect(Identifier(written)?.description == written)
    #expect(Identifier(written)?.isUUID == false)
  }

  @Test func `leading zeros are never stripped`() {
    #expect(Identifier("008efff798038103d269b633813fc703") != Identifier("8efff798038103d269b633813fc703"))
  }

  @Test(arguments: ["", "   \t ", "00000000-0000-0000-0000-000000000000", "{00000000000000000000000000000000}"])
  func `empty, blank and the nil UUID mean absent`(_ written: String) {
    var written = written
    let scanned = written.withUTF8 { unsafe Identifier.scan(UnsafeRawBufferPointer($0)) }
    #expect(scanned == .absent)
  }

  @Test func `a text has at most 256 bytes, white space around it not counted`() {
    let longest = String(repeating: "x", count: 256)
    #expect(Identifier("  \(longest)  ")?.description == longest)
    #expect(Identifier(longest + "x") == nil)
  }

  @Test func `only 16 hexadecimal digits are a span id`() {
    func isSpan(_ text: String) -> Bool {
      var text = text
      return text.withUTF8 { unsafe Identifier.isSpanID(UnsafeRawBufferPointer($0)) }
    }
    #expect(isSpan("00f067aa0ba902b7"))
    #expect(isSpan("00F067AA0BA902B7"))
    #expect(!isSpan("00f067aa0ba902b"))
    #expect(!isSpan("00f067aa0ba902bg"))
    #expect(!isSpan("4bf92f3577b34da6a3ce929d0e0e4736"))
  }

  @Test func `order is that of the bytes as shown`() {
    let ids = ["B", "a", Self.uuid, "86dc11ae", "0", "ffffffff-ffff-ffff-ffff-ffffffffffff"].compactMap {
      Identifier($0)
    }
    #expect(
      ids.sorted().map(\.description) == ids.map(\.description).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
  }

  @Test func `the stored bytes and the key of a UUID are its 16 bytes`() throws {
    let id = try #require(Identifier("00112233-4455-6677-8899-aabbccddeeff"))
    #expect(id.storedBytes == (0..<16).map { UInt8($0 * 0x11) })
    #expect(id.key == IdentifierKey(high: 0x0011_2233_4455_6677, low: 0x8899_aabb_ccdd_eeff))
  }

  @Test func `the key of a text is part of the file format and never changes`() throws {
    // A change of these values makes every stored index unreadable.
    let known: [(String, UInt64, UInt64)] = [
      ("a", 820_739_933_757_018_737, 8_221_892_255_092_062_875),
      ("order-42", 13_964_672_984_273_447_186, 11_704_518_968_087_326_607),
      ("order-42/2024 № 7", 17_975_686_472_179_172_610, 4_597_764_306_781_058_080),
    ]
    for (text, high, low) in known { #expect(Identifier(text)?.key == IdentifierKey(high: high, low: low)) }
    let keys = (0..<20_000).compactMap { Identifier("order-\($0)")?.key }
    #expect(Set(keys).count == 20_000)
    #expect(Set(keys.map { $0.mixed % 1024 }).count == 1024)
  }

  /// The hash is part of the file format: these values were computed by a second implementation of its description.
  @Test func `the key of a text of any length is the one that files hold`() {
    func key(_ bytes: [UInt8]) -> IdentifierKey { unsafe bytes.withUnsafeBytes { unsafe IdentifierKey.hashing($0) } }
    #expect(key([]) == IdentifierKey(high: 0x90f8_bd6b_2783_593b, low: 0x5ae2_a72c_9817_c613))
    #expect(key(Array("abc".utf8)) == IdentifierKey(high: 0xca91_b9c1_a970_baf1, low: 0xde9e_bb17_b799_c6a1))
    #expect(key(Array("order-17".utf8)) == IdentifierKey(high: 0x076c_3c93_dd00_b89c, low: 0x2fa4_57b9_f091_5daa))
    // All lengths from 0 to 40, folded into one.
    var (high, low): (UInt64, UInt64) = (0, 0)
    for count in 0...40 {
      let key = key((0..<count).map { UInt8($0 + 1) })
      high = high &* 31 &+ key.high
      low = low &* 31 &+ key.low
    }
    #expect((high, low) == (0xe4d1_3a4b_ecc9_2b26, 0x229e_4732_7c5a_7e2c))
  }
}
