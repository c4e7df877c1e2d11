import Compression

/// The CRC-32 that every row carries in its last column, `crc`.
///
/// It covers the table's name, a zero byte, and every column but `crc` in order, the key included: a type byte (`i`, `t`,
/// `b`, `n`), then an integer as 8 bytes, or length (4 bytes) and bytes of a text or blob; all little-endian. A row that
/// is moved to another key or table fails, as one whose column changed its type does.
struct RowChecksum {
  private(set) var value: UInt32
  private var scratch: [UInt8] = []

  init(table: StaticString) {
    value = 0
    scratch.reserveCapacity(64)
    table.withUTF8Buffer { unsafe scratch.append(contentsOf: $0) }
    scratch.append(0)
    flush()
  }

  private mutating func flush() {
    value = unsafe scratch.withUnsafeBytes { unsafe CRC32.checksum($0, seed: value) }
    scratch.removeAll(keepingCapacity: true)
  }

  mutating func add(_ integer: Int64) {
    scratch.append(UInt8(ascii: "i"))
    unsafe withUnsafeBytes(of: integer.littleEndian) { unsafe scratch.append(contentsOf: $0) }
    flush()
  }

  mutating func add(_ integer: Int) { add(Int64(integer)) }

  mutating func add(_ text: String) {
    var text = text
    text.withUTF8 { unsafe add(text: UnsafeRawBufferPointer($0)) }
  }

  mutating func add(text: UnsafeRawBufferPointer) { unsafe add(text, tag: UInt8(ascii: "t")) }

  mutating func add(_ blob: UnsafeRawBufferPointer) { unsafe add(blob, tag: UInt8(ascii: "b")) }

  mutating func addNull() {
    scratch.append(UInt8(ascii: "n"))
    flush()
  }

  private mutating func add(_ bytes: UnsafeRawBufferPointer, tag: UInt8) {
    scratch.append(tag)
    unsafe withUnsafeBytes(of: UInt32(bytes.count).littleEndian) { unsafe scratch.append(contentsOf: $0) }
    flush()
    value = unsafe CRC32.checksum(bytes, seed: value)
  }
}
