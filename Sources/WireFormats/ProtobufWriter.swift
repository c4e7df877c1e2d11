/// Writes the fields of a protobuf message, in the order of the calls.
///
/// Values are written even where they are the default of their type: presence matters in a oneof.
public struct ProtobufWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  /// int32, int64, uint32, uint64, bool and enum.
  public mutating func put(_ field: Int, varint value: UInt64) {
    tag(field, .varint)
    put(rawVarint: value)
  }

  /// int32 and int64.
  public mutating func put(_ field: Int, int value: Int64) { put(field, varint: UInt64(bitPattern: value)) }

  /// sint32 and sint64.
  public mutating func put(_ field: Int, zigzag value: Int64) {
    put(field, varint: UInt64(bitPattern: value << 1 ^ value >> 63))
  }

  public mutating func put(_ field: Int, bool value: Bool) { put(field, varint: value ? 1 : 0) }

  public mutating func put(_ field: Int, float value: Float) {
    tag(field, .fixed32)
    for shift in stride(from: UInt32(0), to: 32, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
    }
  }

  public mutating func put(_ field: Int, double value: Double) {
    tag(field, .fixed64)
    for shift in stride(from: UInt64(0), to: 64, by: 8) {
      bytes.append(UInt8(truncatingIfNeeded: value.bitPattern >> shift))
    }
  }

  public mutating func put(_ field: Int, bytes value: [UInt8]) {
    tag(field, .bytes)
    put(rawVarint: UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  public mutating func put(_ field: Int, text value: String) { put(field, bytes: Array(value.utf8)) }

  /// A message within this one.
  public mutating func put(_ field: Int, message body: (inout ProtobufWriter) -> Void) {
    var inner = ProtobufWriter()
    body(&inner)
    put(field, bytes: inner.bytes)
  }

  private mutating func tag(_ field: Int, _ type: ProtobufReader.WireType) {
    precondition((1...536_870_911).contains(field), "field numbers are 1 to 536,870,911")
    put(rawVarint: UInt64(field) << 3 | UInt64(type.rawValue))
  }

  private mutating func put(rawVarint value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
