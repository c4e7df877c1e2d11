import EventModel
import Platform
import TraceStore

/// Reads one sealed segment. Any method may be called from any thread at any time.
///
/// In memory: descriptor, zone maps (100 bytes a block), filters (about 1.5 bytes an event), bounds of chunks; all else
/// is read when it is asked for. Every byte that goes into an answer was checked by a checksum.
final class SegmentReader: Sendable {
  static let damageHint = "run `clew verify`; `clew inspect` shows what can still be read"

  let path: String
  let files: any FileSystem
  let descriptor: SegmentDescriptor
  /// In the order of their numbers: block n is `blocks[n - 1]`.
  let blocks: [BlockZone]
  let chunkBounds: [String: [ChunkBounds]]
  /// Rows by table, as the manifest says.
  let rowCounts: [String: Int]

  let pool: ConnectionPool
  private let correlations: BloomFilter
  private let eventIDs: BloomFilter
  private let outsideCauses: BloomFilter
  /// By the block in which the trace starts.
  private let longTraces: [Int: SegmentTrace]
  private let cache: BlockCache
  private let cacheKey: Int
  let indexChunkCount: Int

  /// Opens a segment and reads what stays in memory.
  ///
  /// - Throws: `.corrupted` if the file is cut short or a row fails its checksum, `.unsupportedFormat` if a newer Clew
  ///   wrote it, `.notFound`, `.inputOutput`.
  static func open(
    path: String, cache: BlockCache, files: any FileSystem = RealFileSystem()
  ) throws(StoreError) -> SegmentReader {
    let opened = try OpenedSegment(path: path, files: files)
    return try SegmentReader(opened, cache: cache, files: files)
  }

  private init(_ opened: OpenedSegment, cache: BlockCache, files: any FileSystem) throws(StoreError) {
    self.files = files
    path = opened.path
    descriptor = opened.descriptor
    blocks = opened.zones
    chunkBounds = opened.chunkBounds
    rowCounts = opened.rowCounts
    indexChunkCount = opened.rowCount(SegmentTable.indexChunks)
    longTraces = Dictionary(opened.longTraces.map { ($0.firstBlock, $0) }, uniquingKeysWith: { first, _ in first })
    (correlations, eventIDs, outsideCauses) = (opened.filters[0], opened.filters[1], opened.filters[2])
    pool = ConnectionPool(
      path: opened.path, name: opened.descriptor.name, files: files, first: opened.connection)
    self.cache = cache
    cacheKey = cache.registerSegment()
  }

  deinit { cache.removeSegment(cacheKey) }

  static func damage(_ name: String, _ place: String, _ message: String) -> StoreError {
    StoreError(.corrupted, "segment \(name) is damaged: \(place): \(message)", hint: damageHint)
  }

  func damage(_ place: String, _ message: String) -> StoreError {
    Self.damage(descriptor.name, place, message)
  }

  // MARK: What is here

  /// False: no event of this segment is in the trace. True: perhaps (about one answer in a hundred is wrong).
  func mayContain(correlation: IdentifierKey) -> Bool {
    correlations.mayContain(indexHash(.correlation, correlation))
  }

  func mayContain(eventID: IdentifierKey) -> Bool { eventIDs.mayContain(indexHash(.eventID, eventID)) }

  /// Whether an event names this cause without being in one trace with it in this segment.
  func mayContain(outsideCause: IdentifierKey) -> Bool {
    outsideCauses.mayContain(indexHash(.outsideCause, outsideCause))
  }

  func mayContain(outsideCauseMixed mixed: UInt64) -> Bool {
    outsideCauses.mayContain(indexHash(.outsideCause, mixed: mixed))
  }

  /// The trace that starts in a block and goes on in the next one.
  func longTrace(startingIn block: Int) -> SegmentTrace? { longTraces[block] }

  // MARK: Lookups

  /// Every event of a trace with the trace as stored, by ordinal. The views must not escape.
  ///
  /// Cost: nothing if the filter says no; else one chunk of the index and each block that holds a part of the trace.
  func forEachEvent(
    ofTrace correlation: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let key = correlation.key
    guard mayContain(correlation: key) else { return }
    for number in try candidates(.correlation, key) {
      let block = try self.block(number)
      for run in block.runs where run.key == key && run.trace == correlation {
        if try walk(block, run, body) == .stop { return }
      }
    }
  }

  /// Every event with this id (several sources may use one id), in the order of blocks.
  func forEachEvent(
    withID id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    guard mayContain(eventID: id.key) else { return }
    let wanted = WantedIdentifier(id)
    try forEachEvent(inBlocksOf: .eventID, id.key, where: { wanted.isID(of: $0) }, body)
  }

  /// Every event that names `id` as its cause and is not in one trace with an event of that id in this segment; in the
  /// order of blocks. Some of those that are may come too: tell them apart by ordinal.
  func forEachEvent(
    causedByOutside id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    guard mayContain(outsideCause: id.key) else { return }
    let wanted = WantedIdentifier(id)
    try forEachEvent(inBlocksOf: .outsideCause, id.key, where: { wanted.isCause(of: $0) }, body)
  }

  /// Every event of a stream with an ordinal above `after`, in the order of blocks, not of ordinals.
  func forEachEvent(
    inStream stream: [UInt8], after: Int64 = .min, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let key = unsafe stream.withRawBytes { unsafe IdentifierKey.hashing($0) }
    for number in try candidates(.stream, key) where blocks[number - 1].lastOrdinal > after {
      let block = try self.block(number)
      for run in block.runs {
        for index in run.events {
          let next = try block.withEvent(at: index) { (event) throws(StoreError) -> Walk in
            guard event.ordinal > after, unsafe event.stream.elementsEqual(stream) else { return .proceed }
            return try body(event, run.trace)
          }
          if next == .stop { return }
        }
      }
    }
  }

  /// Every event of one block, run by run.
  func forEachEvent(
    ofBlock number: Int, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let block = try self.block(number)
    for run in block.runs where try walk(block, run, body) == .stop { return }
  }

  private func forEachEvent(
    inBlocksOf kind: IndexKind, _ key: IdentifierKey, where matches: (EventView) -> Bool,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    for number in try candidates(kind, key) {
      let block = try self.block(number)
      for run in block.runs {
        for index in run.events {
          let next = try block.withEvent(at: index) { (event) throws(StoreError) -> Walk in
            matches(event) ? try body(event, run.trace) : .proceed
          }
          if next == .stop { return }
        }
      }
    }
  }

  private func walk(
    _ block: DecodedBlock, _ run: DecodedBlock.Run,
    _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    for index in run.events {
      let next = try block.withEvent(at: index) { (event) throws(StoreError) in try body(event, run.trace) }
      if next == .stop { return .stop }
    }
    return .proceed
  }

  /// The traces that start in a block, in the order of their first events.
  func tracesOfBlock(_ number: Int) throws(StoreError) -> [SegmentTrace] {
    let block = try self.block(number)
    var traces: [SegmentTrace] = []
    for run in block.runs where !run.continues {
      guard let correlation = run.trace else { continue }
      if run.goesOn {
        guard let whole = longTraces[number], whole.correlation == correlation else {
          throw damage("long_traces", "a trace that starts in block \(number) is missing")
        }
        traces.append(whole)
        continue
      }
      var trace = SegmentTrace.empty
      trace.correlation = correlation
      trace.firstBlock = number
      trace.lastBlock = number
      for index in run.events { block.withEvent(at: index) { trace.note($0.created) } }
      traces.append(trace)
    }
    return traces
  }

  // MARK: Blocks and index

  /// The numbers of the blocks that may hold a key, ascending.
  func candidates(_ kind: IndexKind, _ key: IdentifierKey) throws(StoreError) -> [Int] {
    let place = IndexPlace(hash: indexHash(kind, key), chunkCount: indexChunkCount)
    var found: [Int] = []
    try pool.withConnection { (connection) throws(StoreError) in
      unsafe try connection.withIndexChunk(place.chunk) { (bytes) throws(CodingError) in
        unsafe try IndexChunk.probe(bytes, place: place, into: &found)
      }
    }
    found.sort()
    var distinct: [Int] = []
    for number in found where distinct.last != number { distinct.append(number) }
    guard distinct.last ?? 0 <= blocks.count else {
      throw damage("index_chunks \(place.chunk + 1)", "block \(distinct.last ?? 0) does not exist")
    }
    return distinct
  }

  /// A block, from the cache or inflated.
  func block(_ number: Int) throws(StoreError) -> DecodedBlock {
    if let cached = cache.block(number, ofSegment: cacheKey) { return cached }
    let block = try readBlock(number)
    cache.insert(block, ofSegment: cacheKey)
    return block
  }

  /// A block, past the cache.
  func readBlock(_ number: Int) throws(StoreError) -> DecodedBlock {
    let stored = try pool.withConnection { (connection) throws(StoreError) in try connection.block(number) }
    let block: DecodedBlock
    do {
      block = unsafe try stored.withRawBytes { (bytes) throws(BlockDecodeError) in
        unsafe try DecodedBlock(decoding: bytes)
      }
    } catch {
      if case .unsupportedVersion = error {
        throw StoreError(
          .unsupportedFormat, "segment \(descriptor.name): block \(number): \(error)", hint: "use a newer Clew")
      }
      throw damage("block \(number)", "\(error)")
    }
    let zone = blocks[number - 1]
    guard block.number == number, block.eventCount == zone.eventCount, block.rawBytes == zone.rawBytes else {
      throw damage("block \(number)", "it is not the block that `blocks` describes")
    }
    return block
  }
}

/// An identifier that events are compared with, by all its bytes.
struct WantedIdentifier {
  private let key: IdentifierKey
  private let isUUID: Bool
  private let bytes: [UInt8]

  init(_ identifier: Identifier) {
    key = identifier.key
    isUUID = identifier.isUUID
    bytes = identifier.storedBytes
  }

  @inline(__always) func isID(of event: EventView) -> Bool {
    unsafe event.flags.contains(.idIsUUID) == isUUID && event.idKey == key
      && (isUUID || event.idBytes.elementsEqual(bytes))
  }

  @inline(__always) func isCause(of event: EventView) -> Bool {
    unsafe event.flags.contains(.causeIsUUID) == isUUID && event.causeKey == key
      && (isUUID || event.causeBytes.elementsEqual(bytes))
  }
}
