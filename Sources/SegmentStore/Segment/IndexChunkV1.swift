/// A page of the index as format 1 has it: where each of 64 parts ends, and entries of 3 or 4 bytes.
enum IndexChunkV1 {
  static let version: UInt8 = 1
  private static let partCount = 64
  private static let partBits: UInt64 = 6

  /// - Precondition: the chunk has a header.
  static func probe(
    _ chunk: UnsafeRawBufferPointer, place: IndexPlace, into blocks: inout [Int]
  ) throws(CodingError) {
    let endBytes = unsafe Int(chunk[1])
    guard endBytes == 2 || endBytes == 4 else { throw .badValue(field: "part width", atByte: 1) }
    let (entryBytes, blockBits) = unsafe (Int(chunk[2]), UInt32(chunk[3]))
    guard entryBytes == 3 || entryBytes == 4, blockBits >= 1, blockBits <= 20 else {
      throw .badValue(field: "entry layout", atByte: 2)
    }
    let first = IndexChunk.headerBytes + partCount * endBytes
    guard chunk.count >= first else { throw .truncated(atByte: chunk.count) }
    func end(of part: Int) -> Int {
      let offset = IndexChunk.headerBytes + part * endBytes
      if endBytes == 2 {
        return unsafe Int(UInt16(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
      }
      return unsafe Int(UInt32(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    let part = Int(place.low >> (64 - partBits))
    let from = part == 0 ? 0 : end(of: part - 1)
    let to = end(of: part)
    guard from <= to, first + to * entryBytes <= chunk.count else {
      throw .badValue(field: "part end", atByte: IndexChunk.headerBytes + part * endBytes)
    }
    let wanted = UInt32(
      truncatingIfNeeded: (place.low << partBits) >> UInt64(64 - entryBytes * 8 + Int(blockBits)))
    for index in from..<to {
      let offset = first + index * entryBytes
      var entry = unsafe UInt32(UInt16(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
      unsafe entry |= UInt32(chunk[offset + 2]) << 16
      if entryBytes == 4 { unsafe entry |= UInt32(chunk[offset + 3]) << 24 }
      if entry >> blockBits == wanted { blocks.append(Int(entry & (1 << blockBits - 1)) + 1) }
    }
  }
}
