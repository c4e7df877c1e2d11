import TestSupport
import Testing
import WireFormats

/// The examples of protobuf.dev, "Encoding", and what hostile bytes do.
struct ProtobufTests {
  /// Every field of a message as text, read by its wire type.
  private func read(_ bytes: [UInt8]) throws(ProtobufError) -> [String] {
    var found: [String] = []
    try unsafe bytes.withUnsafeBufferPointer { (all) throws(ProtobufError) in
      var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(all))
      while unsafe try reader.next() {
        let field = unsafe reader.field
        switch unsafe reader.wireType {
        case .varint: found.append(unsafe "\(field)=\(try reader.varint())")
        case .bytes: found.append(unsafe "\(field)=\(Array(try reader.slice()))")
        case .fixed32: found.append(unsafe "\(field)=\(try reader.float())")
        case .fixed64: found.append(unsafe "\(field)=\(try reader.double())")
        default:
          unsafe try reader.skip()
          found.append("\(field)")
        }
      }
    }
    return found
  }

  @Test func `fields of the published examples are read`() throws {
    #expect(try read([0x08, 0x96, 0x01]) == ["1=150"])
    #expect(try read([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]) == ["2=\(Array("testing".utf8))"])
    #expect(try read([0x1a, 0x03, 0x08, 0x96, 0x01]) == ["3=[8, 150, 1]"])
    #expect(try read([]) == [])
    // A field number of two bytes, and a varint with more bytes than it needs.
    #expect(try read([0xa0, 0x06, 0x81, 0x80, 0x00]) == ["100=1"])
  }

  @Test func `what is written is read again`() throws {
    var writer = ProtobufWriter()
    writer.put(1, varint: .max)
    writer.put(2, int: -1)
    writer.put(3, zigzag: -3)
    writer.put(4, float: 1.5)
    writer.put(5, double: -2.25)
    writer.put(6, text: "größer")
    writer.put(536_870_911) { inner in inner.put(1, bool: true) }
    try unsafe writer.bytes.withUnsafeBufferPointer { all in
      var reader = unsafe ProtobufReader(UnsafeRawBufferPointer(all))
      #expect(unsafe try reader.next() && reader.varint() == .max)
      #expect(unsafe try reader.next() && reader.int() == -1)
      #expect(unsafe try reader.next() && reader.zigzag() == -3)
      #expect(unsafe try reader.next() && reader.float() == 1.5)
      #expect(unsafe try reader.next() && reader.double() == -2.25)
      #expect(unsafe try reader.next() && reader.text() == "größer")
      #expect(unsafe try reader.next() && reader.field == 536_870_911)
      var inner = unsafe try reader.message()
      #expect(unsafe try inner.next() && inner.bool())
      #expect(unsafe try !reader.next())
    }
  }

  @Test func `groups are passed over whole, however deep`() throws {
    let depth = 100_000
    let deep = [UInt8](repeating: 0x0b, count: depth) + [UInt8](repeating: 0x0c, count: depth) + [0x10, 0x05]
    #expect(try read(deep) == ["1", "2=5"])
    #expect(try read([0x0b, 0x12, 0x01, 0x0c, 0x0c]) == ["1"])
  }

  @Test(arguments: [
    ([0x08], ProtobufError.Reason.endsEarly), ([0x08, 0x80], .endsEarly), ([0x12, 0x05, 1, 2], .endsEarly),
    ([0x0d, 1, 2, 3], .endsEarly), ([0x00, 0x01], .badFieldNumber), ([0x0e], .badWireType), ([0x0c], .unbalancedGroup),
    ([0x0b, 0x10, 0x01], .unbalancedGroup), ([0x0b, 0x14], .unbalancedGroup),
    ([0x08] + [UInt8](repeating: 0xff, count: 10), .varintTooLong),
    ([0x12] + [UInt8](repeating: 0xff, count: 9) + [1], .endsEarly),
  ])
  func `bytes that are no message are refused with the reason`(bytes: [UInt8], reason: ProtobufError.Reason) {
    #expect { _ = try read(bytes) } throws: { ($0 as? ProtobufError)?.reason == reason }
  }

  @Test func `no bytes stop the reader`() {
    var random = SeededRandom(seed: 6)
    for _ in 0..<20_000 {
      let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
        UInt8.random(in: .min ... .max, using: &random)
      }
      _ = try? read(bytes)
    }
  }
}
