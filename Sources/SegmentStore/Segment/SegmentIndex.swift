import EventModel

/// What the index of a segment is asked for.
enum IndexKind: UInt64 {
  /// A trace, by its correlation id.
  case correlation = 1
  case eventID = 2
  case stream = 3
  /// The cause of an event that is no event of the same trace in this segment.
  case outsideCause = 4
}

/// A key of the index: 64 well-mixed bits of kind and identifier. Part of the file format: FORMAT.md section 6.
@inline(__always) func indexHash(_ kind: IndexKind, _ key: IdentifierKey) -> UInt64 {
  indexHash(kind, mixed: key.mixed)
}

@inline(__always) func indexHash(_ kind: IndexKind, mixed: UInt64) -> UInt64 {
  var x = mixed &+ kind.rawValue &* 0x9e37_79b9_7f4a_7c15
  x ^= x >> 32
  x &*= 0xd6e8_feb8_6659_fd93
  return x ^ (x >> 32)
}

/// Where the entries of a key are: which chunk, which part of it, and the bits that are compared there.
struct IndexPlace {
  static let partCount = 64
  static let partBits: UInt64 = 6

  var chunk: Int
  var part: Int
  /// The 58 bits of the product behind chunk and part; its highest bits are the fingerprint.
  private var rest: UInt64

  @inline(__always) init(hash: UInt64, chunkCount: Int) {
    let product = hash.multipliedFullWidth(by: UInt64(chunkCount))
    chunk = Int(product.high)
    part = Int(product.low >> (64 - Self.partBits))
    rest = product.low << Self.partBits
  }

  @inline(__always) func fingerprint(bits: Int) -> UInt32 { UInt32(truncatingIfNeeded: rest >> UInt64(64 - bits)) }
}

/// How many bits of an entry are what.
struct IndexEntryLayout: Equatable {
  /// 3 bytes while at least 10 bits of fingerprint are left beside the block number; 4 beyond.
  var entryBytes: Int
  var blockBits: Int
  var fingerprintBits: Int { entryBytes * 8 - blockBits }

  init(blockCount: Int) {
    var bits = 1
    while 1 << bits < blockCount { bits += 1 }
    blockBits = bits
    entryBytes = bits <= 14 ? 3 : 4
  }

  init?(entryBytes: Int, blockBits: Int) {
    guard entryBytes == 3 || entryBytes == 4, blockBits >= 1, blockBits <= 20 else { return nil }
    self.entryBytes = entryBytes
    self.blockBits = blockBits
  }
}

/// One page of the index: a header, where each of 64 parts ends, and the entries.
enum IndexChunk {
  static let version: UInt8 = 1
  static let headerBytes = 4
  /// Entries for which a chunk is planned. A page of 4 KiB takes 1,305, three standard deviations more; one chunk in 500
  /// needs a second page, which costs less than the room that smaller chunks would leave empty in every page.
  static let entryCountMean = 1_205

  static func chunkCount(entryCount: Int) -> Int { max(1, (entryCount + entryCountMean - 1) / entryCountMean) }

  /// - Parameter entries: of this chunk, grouped by part; `partEnds` counts them from the chunk's first.
  static func encode(entries: ArraySlice<UInt32>, partEnds: [Int], layout: IndexEntryLayout) -> [UInt8] {
    var writer = ByteWriter()
    // A stream that is in very many blocks makes one chunk long.
    let wide = entries.count > Int(UInt16.max)
    writer.put(version)
    writer.put(UInt8(wide ? 4 : 2))
    writer.put(UInt8(layout.entryBytes))
    writer.put(UInt8(layout.blockBits))
    for end in partEnds {
      if wide { writer.put(UInt32(end)) } else { writer.put(UInt16(end)) }
    }
    for entry in entries {
      writer.put(UInt16(truncatingIfNeeded: entry))
      writer.put(UInt8(truncatingIfNeeded: entry >> 16))
      if layout.entryBytes == 4 { writer.put(UInt8(truncatingIfNeeded: entry >> 24)) }
    }
    return writer.bytes
  }

  /// Adds the numbers of the blocks that may hold the key.
  static func probe(
    _ chunk: UnsafeRawBufferPointer, place: IndexPlace, into blocks: inout [Int]
  ) throws(CodingError) {
    guard chunk.count >= headerBytes else { throw .truncated(atByte: 0) }
    guard unsafe chunk[0] == version else { throw .badValue(field: "chunk version", atByte: 0) }
    let endBytes = unsafe Int(chunk[1])
    guard endBytes == 2 || endBytes == 4 else { throw .badValue(field: "part width", atByte: 1) }
    guard let layout = unsafe IndexEntryLayout(entryBytes: Int(chunk[2]), blockBits: Int(chunk[3])) else {
      throw .badValue(field: "entry layout", atByte: 2)
    }
    let first = headerBytes + IndexPlace.partCount * endBytes
    guard chunk.count >= first else { throw .truncated(atByte: chunk.count) }
    func end(of part: Int) -> Int {
      let offset = headerBytes + part * endBytes
      if endBytes == 2 {
        return unsafe Int(UInt16(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
      }
      return unsafe Int(UInt32(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    let from = place.part == 0 ? 0 : end(of: place.part - 1)
    let to = end(of: place.part)
    guard from <= to, first + to * layout.entryBytes <= chunk.count else {
      throw .badValue(field: "part end", atByte: headerBytes + place.part * endBytes)
    }
    let wanted = place.fingerprint(bits: layout.fingerprintBits)
    for index in from..<to {
      let offset = first + index * layout.entryBytes
      var entry = unsafe UInt32(UInt16(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
      unsafe entry |= UInt32(chunk[offset + 2]) << 16
      if layout.entryBytes == 4 { unsafe entry |= UInt32(chunk[offset + 3]) << 24 }
      if entry >> UInt32(layout.blockBits) == wanted {
        blocks.append(Int(entry & (1 << UInt32(layout.blockBits) - 1)) + 1)
      }
    }
  }
}

/// Collects the keys of a segment, 12 bytes each, and makes the chunks.
struct IndexBuilder {
  /// The keys of one kind, and the block of each.
  struct Keys {
    fileprivate(set) var hashes: [UInt64] = []
    fileprivate var blocks: [UInt32] = []
  }

  private(set) var correlations = Keys()
  private(set) var eventIDs = Keys()
  private(set) var streams = Keys()
  private(set) var outsideCauses = Keys()

  var count: Int {
    correlations.hashes.count + eventIDs.hashes.count + streams.hashes.count + outsideCauses.hashes.count
  }

  /// - Parameter mixed: `IdentifierKey.mixed`.
  @inline(__always) mutating func add(_ kind: IndexKind, mixed: UInt64, block: Int) {
    let hash = indexHash(kind, mixed: mixed)
    let number = UInt32(block - 1)
    switch kind {
    case .correlation:
      correlations.hashes.append(hash)
      correlations.blocks.append(number)
    case .eventID:
      eventIDs.hashes.append(hash)
      eventIDs.blocks.append(number)
    case .stream:
      streams.hashes.append(hash)
      streams.blocks.append(number)
    case .outsideCause:
      outsideCauses.hashes.append(hash)
      outsideCauses.blocks.append(number)
    }
  }

  /// Calls `body` with every chunk, in order. Complexity: O(keys).
  func forEachChunk<E: Error>(blockCount: Int, _ body: (Int, [UInt8]) throws(E) -> Void) throws(E) {
    let layout = IndexEntryLayout(blockCount: blockCount)
    let chunkCount = IndexChunk.chunkCount(entryCount: count)
    let all = [correlations, eventIDs, streams, outsideCauses]
    // Counting sort by (chunk, part).
    var ends = [Int](repeating: 0, count: chunkCount * IndexPlace.partCount + 1)
    for keys in all {
      for hash in keys.hashes {
        let place = IndexPlace(hash: hash, chunkCount: chunkCount)
        ends[place.chunk * IndexPlace.partCount + place.part + 1] += 1
      }
    }
    for index in 1..<ends.count { ends[index] += ends[index - 1] }
    var next = ends
    var entries = [UInt32](repeating: 0, count: count)
    for keys in all {
      for index in keys.hashes.indices {
        let place = IndexPlace(hash: keys.hashes[index], chunkCount: chunkCount)
        let part = place.chunk * IndexPlace.partCount + place.part
        entries[next[part]] =
          place.fingerprint(bits: layout.fingerprintBits) << UInt32(layout.blockBits) | keys.blocks[index]
        next[part] += 1
      }
    }
    for chunk in 0..<chunkCount {
      let first = chunk * IndexPlace.partCount
      let start = ends[first]
      let partEnds = (1...IndexPlace.partCount).map { ends[first + $0] - start }
      let range = start..<ends[first + IndexPlace.partCount]
      try body(chunk, IndexChunk.encode(entries: entries[range], partEnds: partEnds, layout: layout))
    }
  }
}
