/// A column of numbers of which only the high part is worth compressing.
///
/// The low 0 to 3 bytes of every number stand in the raw part, which goes past the codec; the rest is a varint in the
/// columns. How many bytes are low is the column's first byte.
enum NumberColumn {
  static let lowBytesMax = 3

  /// - Parameter values: zigzagged where they have a sign.
  static func encode(_ values: UnsafeBufferPointer<UInt64>, columns: inout ByteSink, raw: inout ByteSink) {
    let low = unsafe lowBytes(values)
    columns.append(UInt8(low))
    let shift = UInt64(low * 8)
    for index in 0..<values.count {
      let value = unsafe values[index]
      columns.append(varint: value &>> shift)
      var rest = value
      for _ in 0..<low {
        raw.append(UInt8(truncatingIfNeeded: rest))
        rest &>>= 8
      }
    }
  }

  static func decode(
    _ values: UnsafeMutableBufferPointer<UInt64>, columns: inout ByteCursor, raw: inout ByteCursor
  ) throws(BlockError) {
    let low = Int(try columns.byte())
    guard low <= lowBytesMax else { throw ByteCursor.impossible }
    // A copy stays in registers.
    var cursor = columns
    if low == 0 {
      for index in 0..<values.count { unsafe values[index] = try cursor.varint() }
      columns = cursor
      return
    }
    let bytes = unsafe try raw.slice(values.count * low)
    for index in 0..<values.count {
      let high = try cursor.varint()
      switch low {
      case 1: unsafe values[index] = unsafe high &<< 8 | UInt64(bytes[index])
      case 2: unsafe values[index] = unsafe high &<< 16 | UInt64(half(bytes, 2 &* index))
      default:
        let third = unsafe UInt64(bytes[3 &* index &+ 2]) &<< 16
        unsafe values[index] = unsafe high &<< 24 | third | UInt64(half(bytes, 3 &* index))
      }
    }
    columns = cursor
  }

  /// Two bytes of the raw part, in which all low bytes are.
  @inline(__always) private static func half(_ bytes: UnsafeRawBufferPointer, _ offset: Int) -> UInt16 {
    unsafe UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  /// As many as are noise: numbers of 14 bits have 1, of 22 bits 2. None where numbers repeat, which the codec sees.
  private static func lowBytes(_ values: UnsafeBufferPointer<UInt64>) -> Int {
    if values.count < 8 { return 0 }
    var bits = 0
    for index in 0..<values.count { unsafe bits += 64 - values[index].leadingZeroBitCount }
    let low = min(lowBytesMax, max(0, (bits * 2 / values.count - 1) / 16))
    if low == 0 { return 0 }
    var repeats = 0
    for index in 1..<values.count where unsafe values[index] == values[index - 1] { repeats += 1 }
    return repeats * 4 > values.count ? 0 : low
  }
}
