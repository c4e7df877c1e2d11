import Compression

/// The 24 bytes in front of a head. FORMAT.md section 5 draws them.
public enum HeadRow {
  public static let bytes = 24
  /// `CLWH`, as bytes in this order.
  public static let magic: UInt32 = 0x4857_4c43

  public enum Offset {
    /// u32: `magic`.
    public static let magic = 0
    /// u8: 3.
    public static let version = 4
    /// 3 bytes: reserved, 0; a reader refuses anything else.
    public static let reserved = 5
    /// u32: number of the block, 1 for the first.
    public static let number = 8
    /// u32: bytes of the columns before compression.
    public static let rawLength = 12
    /// u32: bytes behind the header.
    public static let storedLength = 16
    /// u32: CRC-32 of bytes 0..<20, then of everything behind the header.
    public static let checksum = 20
  }
}

/// The 28 bytes in front of the data of a block. Magic, version, number, event count, stored length and checksum are
/// where the first format had them.
public enum DataRow {
  public static let bytes = 28
  /// `CLWB`, as bytes in this order.
  public static let magic: UInt32 = 0x4257_4c43

  public enum Offset {
    public static let magic = 0
    /// u8: 3.
    public static let version = 4
    /// 3 bytes: reserved, 0; a reader refuses anything else.
    public static let reserved = 5
    /// u32: number of the block, 1 for the first.
    public static let number = 8
    public static let eventCount = 12
    /// u32: bytes of the columns before compression.
    public static let rawLength = 16
    /// u32: bytes behind the header.
    public static let storedLength = 20
    /// u32: CRC-32 of bytes 0..<24, then of everything behind the header.
    public static let checksum = 24
  }
}

/// The version of blocks that this target writes and reads.
public let blockVersion: UInt8 = 3

/// A checked header of a head row.
struct HeadHeader {
  static let bytes = HeadRow.bytes
  var number: Int
  var rawLength: Int

  init(checking row: UnsafeRawBufferPointer) throws(BlockError) {
    unsafe try checkRow(
      row, HeadRow.magic, HeadRow.bytes, lengthAt: HeadRow.Offset.storedLength, checksumAt: HeadRow.Offset.checksum)
    number = unsafe Int(word(row, HeadRow.Offset.number))
    rawLength = unsafe Int(word(row, HeadRow.Offset.rawLength))
    guard number >= 1, number <= BlockLimits.blockCountMax else { throw .badHeader(field: "block number") }
    guard rawLength <= BlockLimits.inflatedBytesMax else { throw .badHeader(field: "length") }
  }
}

/// A checked header of a data row.
struct DataHeader {
  static let bytes = DataRow.bytes
  var number: Int
  var eventCount: Int
  var rawLength: Int

  init(checking row: UnsafeRawBufferPointer) throws(BlockError) {
    unsafe try checkRow(
      row, DataRow.magic, DataRow.bytes, lengthAt: DataRow.Offset.storedLength, checksumAt: DataRow.Offset.checksum)
    number = unsafe Int(word(row, DataRow.Offset.number))
    eventCount = unsafe Int(word(row, DataRow.Offset.eventCount))
    rawLength = unsafe Int(word(row, DataRow.Offset.rawLength))
    guard number >= 1, number <= BlockLimits.blockCountMax else { throw .badHeader(field: "block number") }
    guard eventCount >= 1, eventCount <= BlockLimits.eventCountMax else { throw .badHeader(field: "event count") }
    guard rawLength <= BlockLimits.inflatedBytesMax else { throw .badHeader(field: "length") }
  }
}

private func word(_ row: UnsafeRawBufferPointer, _ offset: Int) -> UInt32 {
  unsafe UInt32(littleEndian: row.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
}

private func checkRow(
  _ row: UnsafeRawBufferPointer, _ magic: UInt32, _ headerBytes: Int, lengthAt: Int, checksumAt: Int
) throws(BlockError) {
  guard row.count >= headerBytes else { throw .truncated(needed: headerBytes, available: row.count) }
  guard unsafe word(row, 0) == magic else { throw .noBlock }
  let length = unsafe headerBytes + Int(word(row, lengthAt))
  guard row.count == length else { throw .truncated(needed: length, available: row.count) }
  let stored = unsafe word(row, checksumAt)
  let computed = unsafe rowChecksum(row, headerBytes: headerBytes, checksumAt: checksumAt)
  guard stored == computed else { throw .checksumMismatch(stored: stored, computed: computed) }
  guard unsafe row[4] == blockVersion else { throw unsafe .unsupportedVersion(row[4]) }
  guard unsafe row[5] == 0 && row[6] == 0 && row[7] == 0 else { throw .badHeader(field: "reserved bytes") }
}

func rowChecksum(_ row: UnsafeRawBufferPointer, headerBytes: Int, checksumAt: Int) -> UInt32 {
  let head = unsafe CRC32.checksum(UnsafeRawBufferPointer(rebasing: row[..<checksumAt]), seed: 0)
  return unsafe CRC32.checksum(UnsafeRawBufferPointer(rebasing: row[headerBytes...]), seed: head)
}

/// The rows of blocks without their meaning: for whoever looks for them past damage.
public enum BlockRow {
  /// The number of the block whose head this is, if it is one, whole and unchanged.
  public static func checkHead(_ row: UnsafeRawBufferPointer) throws(BlockError) -> Int {
    unsafe try HeadHeader(checking: row).number
  }

  /// The same of a data row.
  public static func checkData(_ row: UnsafeRawBufferPointer) throws(BlockError) -> Int {
    unsafe try DataHeader(checking: row).number
  }
}
