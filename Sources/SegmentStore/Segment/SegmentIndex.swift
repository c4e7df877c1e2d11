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

/// Where the entries of a key are: in which chunk, in which part of it, and at which place there.
struct IndexPlace {
  static let partCount = 32
  /// Bits of a place in its part: with some 1,500 entries in the 32 parts of a chunk, one question in 90 for a key that is
  /// not there finds an entry.
  static let restBits: UInt64 = 12
  /// Parts are made of cells while chunks are sorted.
  static let cellsPerPart = 4
  static let cellCount = partCount * cellsPerPart
  static let placeBits: UInt64 = 17

  var chunk: Int
  /// What is behind the chunk in the product.
  let low: UInt64

  @inline(__always) init(hash: UInt64, chunkCount: Int) {
    let product = hash.multipliedFullWidth(by: UInt64(chunkCount))
    chunk = Int(product.high)
    low = product.low
  }

  @inline(__always) var place: UInt64 { low >> (64 - Self.placeBits) }
  @inline(__always) var part: Int { Int(low >> (64 - Self.placeBits + Self.restBits)) }
  @inline(__always) var rest: UInt64 { place & (1 << Self.restBits - 1) }
  @inline(__always) var cell: Int { Int(place) / (1 << Int(Self.placeBits) / Self.cellCount) }
}

/// How the entries of a chunk are written: the difference of a place to that of the entry before it in the part as so
/// many ones as it has multiples of `1 << restBits`, a zero, and the bits below; then the number of the block.
struct IndexEntryLayout: Equatable {
  var restBits: Int
  var blockBits: Int

  init(restBits: Int, blockCount: Int) {
    var bits = 1
    while 1 << bits < blockCount { bits += 1 }
    blockBits = bits
    self.restBits = restBits
  }

  init?(restBits: Int, blockBits: Int) {
    guard restBits <= Int(IndexPlace.restBits), blockBits >= 1, blockBits <= 20 else { return nil }
    self.restBits = restBits
    self.blockBits = blockBits
  }
}

/// One page of the index: a header, where each of 32 parts ends, and the entries, bit after bit.
enum IndexChunk {
  static let version: UInt8 = 2
  static let headerBytes = 4
  /// Behind the last entry, so that eight bytes can be read at each.
  static let paddingBytes = 8

  /// So many that a chunk fits a page of 4 KiB with three standard deviations of their number more; one chunk in 500 needs
  /// a second page, which costs less than the room that smaller chunks would leave empty in every page.
  static func chunkCount(entryCount: Int, blockCount: Int) -> Int {
    let layout = IndexEntryLayout(restBits: 0, blockCount: blockCount)
    // Bits of a page for entries; of an entry, in eighths: 7.9 for its place.
    let most =
      8 * (4_096 - 35 - 13 - headerBytes - paddingBytes - 2 * IndexPlace.partCount) * 8
      / (layout.blockBits * 8 + 63)
    var deviation = 1
    while deviation * deviation < most { deviation += 1 }
    let mean = most - 3 * deviation
    return max(1, (entryCount + mean - 1) / mean)
  }

  /// So that the differences of places have one or two ones.
  static func restBits(entriesPerChunk: Int) -> Int {
    var bits = Int(IndexPlace.restBits)
    while bits > 0, entriesPerChunk << bits > 3 << Int(IndexPlace.placeBits - 2) { bits -= 1 }
    return bits
  }

  /// - Parameter entries: of this chunk in the order of their places: `place << 20 | block - 1`, the place without its
  ///   highest bits; `partEnds` counts them from the chunk's first.
  static func encode(entries: ArraySlice<UInt64>, partEnds: [Int], layout: IndexEntryLayout) -> [UInt8] {
    var bits = BitWriter()
    var bitEnds: [Int] = []
    var first = entries.startIndex
    for end in partEnds {
      var last: UInt64 = 0
      for entry in entries[first..<(entries.startIndex + end)] {
        let rest = entry >> 20 & (1 << IndexPlace.restBits - 1)
        bits.putRice(rest &- last, bits: UInt64(layout.restBits))
        bits.put(entry & 0xf_ffff, bits: UInt64(layout.blockBits))
        last = rest
      }
      first = entries.startIndex + end
      bitEnds.append(bits.count)
    }
    var writer = ByteWriter()
    // A stream that is in very many blocks makes one chunk long.
    let wide = bits.count > Int(UInt16.max)
    writer.put(version)
    writer.put(UInt8(wide ? 4 : 2))
    writer.put(UInt8(layout.restBits))
    writer.put(UInt8(layout.blockBits))
    for end in bitEnds {
      if wide { writer.put(UInt32(end)) } else { writer.put(UInt16(end)) }
    }
    writer.bytes += bits.finished
    for _ in 0..<paddingBytes { writer.put(UInt8(0)) }
    return writer.bytes
  }

  /// Adds the numbers of the blocks that may hold the key.
  static func probe(
    _ chunk: UnsafeRawBufferPointer, place: IndexPlace, into blocks: inout [Int]
  ) throws(CodingError) {
    guard chunk.count >= headerBytes else { throw .truncated(atByte: 0) }
    if unsafe chunk[0] == IndexChunkV1.version {
      return unsafe try IndexChunkV1.probe(chunk, place: place, into: &blocks)
    }
    guard unsafe chunk[0] == version else { throw .badValue(field: "chunk version", atByte: 0) }
    let endBytes = unsafe Int(chunk[1])
    guard endBytes == 2 || endBytes == 4 else { throw .badValue(field: "part width", atByte: 1) }
    guard let layout = unsafe IndexEntryLayout(restBits: Int(chunk[2]), blockBits: Int(chunk[3])) else {
      throw .badValue(field: "entry layout", atByte: 2)
    }
    let first = headerBytes + IndexPlace.partCount * endBytes
    guard chunk.count >= first + paddingBytes else { throw .truncated(atByte: chunk.count) }
    func end(of part: Int) -> Int {
      let offset = headerBytes + part * endBytes
      if endBytes == 2 {
        return unsafe Int(UInt16(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt16.self)))
      }
      return unsafe Int(UInt32(littleEndian: chunk.loadUnaligned(fromByteOffset: offset, as: UInt32.self)))
    }
    var bit = place.part == 0 ? 0 : end(of: place.part - 1)
    let to = end(of: place.part)
    guard bit <= to, to <= (chunk.count - first - paddingBytes) * 8 else {
      throw .badValue(field: "part end", atByte: headerBytes + place.part * endBytes)
    }
    /// At least 57 bits from `bit` on, which is in front of `to`.
    func window() -> UInt64 {
      unsafe UInt64(
        littleEndian: chunk.loadUnaligned(fromByteOffset: first + bit >> 3, as: UInt64.self)) >> UInt64(bit & 7)
    }
    let wanted = place.rest
    var rest: UInt64 = 0
    while bit < to {
      var ones = (~window()).trailingZeroBitCount
      // So many in a row are rare: an entry far from the one before it.
      while ones >= 32 {
        rest += 32 << UInt64(layout.restBits)
        bit += 32
        guard bit < to else { throw .badValue(field: "entry", atByte: first) }
        ones = (~window()).trailingZeroBitCount
      }
      bit += ones + 1
      guard bit < to else { throw .badValue(field: "entry", atByte: first) }
      let word = window()
      rest += UInt64(ones) << UInt64(layout.restBits) + word & (1 << UInt64(layout.restBits) - 1)
      bit += layout.restBits + layout.blockBits
      guard bit <= to else { throw .badValue(field: "entry", atByte: first) }
      if rest > wanted { return }
      if rest == wanted {
        blocks.append(Int(word >> UInt64(layout.restBits) & (1 << UInt64(layout.blockBits) - 1)) + 1)
      }
    }
  }
}

/// Bits one behind the other, the first in the lowest bit of the first byte.
private struct BitWriter {
  private var bytes: [UInt8] = []
  private var pending: UInt64 = 0
  private var pendingBits: UInt64 = 0

  init() { bytes.reserveCapacity(4096) }

  var count: Int { bytes.count * 8 + Int(pendingBits) }

  /// - Parameter bits: at most 32.
  @inline(__always) mutating func put(_ value: UInt64, bits: UInt64) {
    pending |= value << pendingBits
    pendingBits += bits
    while pendingBits >= 8 {
      bytes.append(UInt8(truncatingIfNeeded: pending))
      pending >>= 8
      pendingBits -= 8
    }
  }

  @inline(__always) mutating func putRice(_ value: UInt64, bits: UInt64) {
    var ones = value >> bits
    while ones >= 16 {
      put(0xffff, bits: 16)
      ones -= 16
    }
    put(1 << ones - 1, bits: ones + 1)
    put(value & (1 << bits - 1), bits: bits)
  }

  var finished: [UInt8] { pendingBits == 0 ? bytes : bytes + [UInt8(truncatingIfNeeded: pending)] }
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
    let chunkCount = IndexChunk.chunkCount(entryCount: count, blockCount: blockCount)
    let layout = IndexEntryLayout(
      restBits: IndexChunk.restBits(entriesPerChunk: count / chunkCount), blockCount: blockCount)
    let all = [correlations, eventIDs, streams, outsideCauses]
    // Counting sort by (chunk, cell).
    var ends = [Int](repeating: 0, count: chunkCount * IndexPlace.cellCount + 1)
    for keys in all {
      for hash in keys.hashes {
        let place = IndexPlace(hash: hash, chunkCount: chunkCount)
        ends[place.chunk * IndexPlace.cellCount + place.cell + 1] += 1
      }
    }
    for index in 1..<ends.count { ends[index] += ends[index - 1] }
    var next = ends
    var entries = [UInt64](repeating: 0, count: count)
    for keys in all {
      for index in keys.hashes.indices {
        let place = IndexPlace(hash: keys.hashes[index], chunkCount: chunkCount)
        let cell = place.chunk * IndexPlace.cellCount + place.cell
        entries[next[cell]] = place.place << 20 | UInt64(keys.blocks[index])
        next[cell] += 1
      }
    }
    for cell in 0..<(ends.count - 1) { Self.sort(&entries, ends[cell]..<ends[cell + 1]) }
    for chunk in 0..<chunkCount {
      let first = chunk * IndexPlace.cellCount
      let start = ends[first]
      let partEnds = (1...IndexPlace.partCount).map { ends[first + $0 * IndexPlace.cellsPerPart] - start }
      let range = start..<ends[first + IndexPlace.cellCount]
      try body(chunk, IndexChunk.encode(entries: entries[range], partEnds: partEnds, layout: layout))
    }
  }

  private static func sort(_ entries: inout [UInt64], _ range: Range<Int>) {
    // A cell has a dozen entries, unless a stream is in very many blocks.
    if range.count > 64 { return entries[range].sort() }
    for place in range.dropFirst() where entries[place] < entries[place - 1] {
      let entry = entries[place]
      var to = place
      while to > range.lowerBound, entries[to - 1] > entry {
        entries[to] = entries[to - 1]
        to -= 1
      }
      entries[to] = entry
    }
  }
}
