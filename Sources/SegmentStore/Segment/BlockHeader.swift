import Compression

/// The 28 bytes in front of every block. FORMAT.md section 4 draws them; a test holds the two together.
enum BlockHeader {
  static let bytes = 28
  /// `CLWB`, as bytes in this order.
  static let magic: UInt32 = 0x4257_4c43
  /// The block codec of this program: whole traces as rows of event frames (`BlockV1`).
  static let version: UInt8 = 1

  enum Offset {
    /// u32: `magic`.
    static let magic = 0
    /// u8: version of the payload's layout.
    static let version = 4
    /// u8: `PayloadCodec`.
    static let codec = 5
    /// u16: reserved, 0; a reader refuses anything else.
    static let reserved = 6
    /// u32: number of the block in its segment, 1 for the first.
    static let number = 8
    /// u32: events in the block.
    static let eventCount = 12
    /// u32: bytes of the payload before compression.
    static let rawLength = 16
    /// u32: bytes of the payload as stored, behind the header.
    static let storedLength = 20
    /// u32: CRC-32 of bytes 0..<24 of the header, then of the stored payload.
    static let checksum = 24
  }
}

/// How the payload of a block is compressed.
enum PayloadCodec: UInt8 {
  case stored = 0
  /// Raw DEFLATE (RFC 1951).
  case deflate = 1
}

/// Why a block could not be decoded. Closed on purpose: readers decide by case.
enum BlockDecodeError: Error, Equatable {
  case truncated(needed: Int, available: Int)
  case noBlock
  case unsupportedVersion(UInt8)
  case unknownCodec(UInt8)
  case badHeader(field: String)
  case checksumMismatch(stored: UInt32, computed: UInt32)
  case notInflatable
  /// A run or frame inside the payload; the byte is counted in the inflated payload.
  case badPayload(reason: String, atByte: Int)
}

extension BlockDecodeError: CustomStringConvertible {
  var description: String {
    switch self {
    case .truncated(let needed, let available): "cut short: \(needed) bytes needed, \(available) there"
    case .noBlock: "no block starts here"
    case .unsupportedVersion(let version): "block version \(version) is newer than this program"
    case .unknownCodec(let codec): "unknown codec \(codec)"
    case .badHeader(let field): "impossible \(field) in the block header"
    case .checksumMismatch(let stored, let computed): "checksum \(stored) expected, \(computed) found"
    case .notInflatable: "the compressed payload is damaged"
    case .badPayload(let reason, let byte): "\(reason) at byte \(byte) of the payload"
    }
  }
}

/// A checked header.
struct BlockHeaderFields: Equatable {
  var number: Int
  var codec: PayloadCodec
  var eventCount: Int
  var rawLength: Int
  var storedLength: Int

  /// Checks the header, the lengths and the checksum; `block` must be exactly one block.
  init(checking block: UnsafeRawBufferPointer) throws(BlockDecodeError) {
    guard block.count >= BlockHeader.bytes else {
      throw .truncated(needed: BlockHeader.bytes, available: block.count)
    }
    func word(_ offset: Int) -> UInt32 {
      unsafe UInt32(littleEndian: block.loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
    guard word(BlockHeader.Offset.magic) == BlockHeader.magic else { throw .noBlock }
    storedLength = Int(word(BlockHeader.Offset.storedLength))
    guard block.count == BlockHeader.bytes + storedLength else {
      throw .truncated(needed: BlockHeader.bytes + storedLength, available: block.count)
    }
    // Before the version: length and checksum stay where they are in later versions, so that damage and novelty are told
    // apart.
    let stored = word(BlockHeader.Offset.checksum)
    let computed = unsafe BlockHeaderFields.checksum(of: block)
    guard stored == computed else { throw .checksumMismatch(stored: stored, computed: computed) }
    let version = unsafe block[BlockHeader.Offset.version]
    guard version == BlockHeader.version else { throw .unsupportedVersion(version) }
    guard let codec = unsafe PayloadCodec(rawValue: block[BlockHeader.Offset.codec]) else {
      throw unsafe .unknownCodec(block[BlockHeader.Offset.codec])
    }
    self.codec = codec
    let reserved = unsafe block.loadUnaligned(fromByteOffset: BlockHeader.Offset.reserved, as: UInt16.self)
    guard reserved == 0 else { throw .badHeader(field: "reserved bytes") }
    number = Int(word(BlockHeader.Offset.number))
    eventCount = Int(word(BlockHeader.Offset.eventCount))
    rawLength = Int(word(BlockHeader.Offset.rawLength))
    guard number >= 1, number <= SegmentLimits.blockCountMax else { throw .badHeader(field: "block number") }
    guard rawLength <= SegmentLimits.blockRawBytesMax else { throw .badHeader(field: "length") }
    switch codec {
    case .stored: guard rawLength == storedLength else { throw .badHeader(field: "length") }
    case .deflate:
      guard rawLength <= storedLength * SegmentLimits.inflationMax else { throw .badHeader(field: "length") }
    }
  }

  static func checksum(of block: UnsafeRawBufferPointer) -> UInt32 {
    let head = unsafe CRC32.checksum(UnsafeRawBufferPointer(rebasing: block[..<BlockHeader.Offset.checksum]), seed: 0)
    return unsafe CRC32.checksum(UnsafeRawBufferPointer(rebasing: block[BlockHeader.bytes...]), seed: head)
  }
}
