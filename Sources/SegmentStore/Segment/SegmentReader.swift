import EventModel
import Platform
import SegmentBlocks
import TraceStore

/// Reads one sealed segment. Any method may be called from any thread at any time.
///
/// In memory: descriptor, zone maps (88 bytes a block), filters (about 1.5 bytes an event), bounds of chunks; all else
/// is in `resources`, which are got when something is asked for and can be released at any time. Every byte that goes
/// into an answer was checked by a checksum.
final class SegmentReader: Sendable {
  /// Bytes of blocks that each thread has read.
  static let bytesRead = ThreadCounter()

  static let unreadableHint = "check the disk and the system's log; the next start tries to read it again"
  static let damageHint = "run `clew verify`; `clew inspect` shows what can still be read"

  let path: String
  let files: any FileSystem
  let descriptor: SegmentDescriptor
  /// In the order of their numbers: block n is `blocks[n - 1]`.
  let blocks: [BlockZone]
  let chunkBounds: [String: [ChunkBounds]]
  /// Rows by table, as the manifest says.
  let rowCounts: [String: Int]

  /// Of the format: 1 or 3.
  let version: Int64
  private let tapeRowBytes: Int
  let resources: SegmentResources
  private let correlations: BloomFilter
  private let eventIDs: BloomFilter
  private let outsideCauses: BloomFilter
  /// By the block in which they start; no two overlap in more than one block.
  private let longTraces: [SegmentTrace]
  let cache: BlockCache
  private let cacheKey: Int
  let indexChunkCount: Int

  /// Opens a segment and reads what stays in memory.
  ///
  /// - Throws: `.corrupted` if the file is cut short or a row fails its checksum, `.unsupportedFormat` if a newer Clew
  ///   wrote it, `.unreadable` if the disk refuses, `.notFound`, `.inputOutput`.
  static func open(
    path: String, cache: BlockCache, files: any FileSystem = RealFileSystem()
  ) throws(StoreError) -> SegmentReader {
    let opened: OpenedSegment
    do {
      opened = try OpenedSegment(path: path, files: files)
    } catch {
      // A disk that refuses once is asked once more: what is left out now, events that come find no causes in.
      guard error.code == .unreadable else { throw error }
      opened = try OpenedSegment(path: path, files: files)
    }
    return try SegmentReader(opened, cache: cache, files: files)
  }

  private init(_ opened: OpenedSegment, cache: BlockCache, files: any FileSystem) throws(StoreError) {
    self.files = files
    path = opened.path
    descriptor = opened.descriptor
    version = opened.version
    tapeRowBytes = opened.tapeRowBytes
    blocks = opened.zones
    chunkBounds = opened.chunkBounds
    rowCounts = opened.rowCounts
    indexChunkCount = opened.rowCount(SegmentTable.indexChunks)
    longTraces = opened.longTraces
    (correlations, eventIDs, outsideCauses) = (opened.filters[0], opened.filters[1], opened.filters[2])
    resources = SegmentResources(
      path: opened.path, name: opened.descriptor.name, files: files, rowCounts: opened.rowCounts,
      first: opened.connection, clock: cache.useClock)
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

  /// Notes which of many new events may have an id that is here. All questions are asked at once, so to say: each is a
  /// cache miss, and there are as many of them as segments.
  func noteOlder(_ drafts: UnsafeMutablePointer<HotDraft>, _ count: Int) {
    for number in 0..<count { unsafe eventIDs.prefetch(indexHash(.eventID, drafts[number].id)) }
    for number in 0..<count where unsafe mayContain(eventID: drafts[number].id) {
      unsafe drafts[number].mayBeOlder = true
    }
  }

  func mayContain(eventID: IdentifierKey) -> Bool { eventIDs.mayContain(indexHash(.eventID, eventID)) }

  /// Whether an event names this cause without being in one trace with it in this segment.
  func mayContain(outsideCause: IdentifierKey) -> Bool {
    outsideCauses.mayContain(indexHash(.outsideCause, outsideCause))
  }

  func mayContain(outsideCauseMixed mixed: UInt64) -> Bool {
    outsideCauses.mayContain(indexHash(.outsideCause, mixed: mixed))
  }

  /// The trace that starts in a block and goes on in the next one. Complexity: O(log n).
  func longTrace(startingIn block: Int) -> SegmentTrace? {
    let place = longTracesStarting(before: block)
    return place < longTraces.count && longTraces[place].firstBlock == block ? longTraces[place] : nil
  }

  /// The trace that has a block for itself: one that began before it and goes on behind it. Complexity: O(log n).
  func onlyTrace(ofBlock number: Int) -> SegmentTrace? {
    let place = longTracesStarting(before: number)
    return place > 0 && longTraces[place - 1].lastBlock > number ? longTraces[place - 1] : nil
  }

  private func longTracesStarting(before block: Int) -> Int {
    var low = 0
    var high = longTraces.count
    while low < high {
      let middle = (low + high) / 2
      if longTraces[middle].firstBlock < block { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// The blocks that may hold a trace, ascending. Another trace whose key looks alike to the index may have hundreds of
  /// blocks: none is read that it has for itself.
  func candidates(ofTrace isWanted: (Identifier) -> Bool, _ key: IdentifierKey) throws(StoreError) -> [Int] {
    try candidates(.correlation, key).filter { number in
      guard let trace = onlyTrace(ofBlock: number)?.correlation else { return true }
      return isWanted(trace)
    }
  }

  // MARK: Lookups

  /// Every event of a trace with the trace as stored, by ordinal. The views must not escape.
  ///
  /// Cost: nothing if the filter says no; else one chunk of the index and each block that holds a part of the trace.
  /// - Parameter payloads: false where neither metadata nor data is looked at, which may then be empty.
  func forEachEvent(
    ofTrace correlation: Identifier, payloads: Bool = true, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let key = correlation.key
    guard mayContain(correlation: key) else { return }
    let numbers = try candidates(ofTrace: { $0 == correlation }, key)
    for number in numbers where try deserves(.correlation, key, correlation, block: number, of: numbers) {
      let block = try self.block(number)
      for (index, run) in block.runs.enumerated() where run.key == key && run.trace == correlation {
        if try walk(block, index, payloads: payloads, body) == .stop { return }
        // A trace begins once in a segment.
        if !run.goesOn { return }
      }
    }
  }

  /// Every event with this id (several sources may use one id), in the order of blocks.
  func forEachEvent(
    withID id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let wanted = WantedIdentifier(id)
    try forEachEvent(withIDKey: id.key, of: id) { (event, trace) throws(StoreError) in
      wanted.isID(of: event) ? try body(event, trace) : .proceed
    }
  }

  /// Every event that names `id` as its cause and is not in one trace with an event of that id in this segment; in the
  /// order of blocks. Some of those that are may come too: tell them apart by ordinal.
  func forEachEvent(
    causedByOutside id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let wanted = WantedIdentifier(id)
    try forEachEvent(causedByOutsideKey: id.key, of: id) { (event, trace) throws(StoreError) in
      wanted.isCause(of: event) ? try body(event, trace) : .proceed
    }
  }

  /// Every event of a stream with an ordinal above `after`, in the order of blocks, not of ordinals.
  func forEachEvent(
    inStream stream: [UInt8], after: Int64 = .min, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let key = unsafe stream.withRawBytes { unsafe IdentifierKey.hashing($0) }
    for number in try candidates(.stream, key) where blocks[number - 1].lastOrdinal > after {
      let next = try walkRuns(ofStream: stream, try block(number)) { (event, trace) throws(StoreError) in
        guard event.ordinal > after, unsafe event.stream.elementsEqual(stream) else { return .proceed }
        return try body(event, trace)
      }
      if next == .stop { return }
    }
  }

  /// Every event of one block, run by run.
  func forEachEvent(
    ofBlock number: Int, _ body: (EventView, Identifier?) throws(StoreError) -> Walk
  ) throws(StoreError) {
    _ = try walkAll(try block(number), body)
  }

  /// The traces that start in a block.
  func tracesOfBlock(_ number: Int) throws(StoreError) -> [SegmentTrace] {
    let block = try self.block(number)
    var traces: [SegmentTrace] = []
    for run in block.runs where !run.continues {
      guard let correlation = run.trace else { continue }
      if run.goesOn {
        guard let whole = longTrace(startingIn: number), whole.correlation == correlation else {
          throw damage("long_traces", "a trace that starts in block \(number) is missing")
        }
        traces.append(whole)
        continue
      }
      var trace = SegmentTrace.empty
      trace.correlation = correlation
      trace.firstBlock = number
      trace.lastBlock = number
      for event in run.events { trace.note(block.created(event)) }
      traces.append(trace)
    }
    return traces
  }

  // MARK: Blocks and index

  /// The numbers of the blocks that may hold a key, ascending.
  func candidates(_ kind: IndexKind, _ key: IdentifierKey) throws(StoreError) -> [Int] {
    let place = IndexPlace(hash: indexHash(kind, key), chunkCount: indexChunkCount)
    var found: [Int] = []
    try resources.withConnection { (connection) throws(StoreError) in
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

  /// A block, if it is in the cache.
  func cachedBlock(_ number: Int) -> DecodedBlock? { cache.block(number, ofSegment: cacheKey) }

  /// A block, from the cache or inflated.
  ///
  /// - Parameter keeps: whether it is put into the cache.
  func block(_ number: Int, keeps: Bool = true) throws(StoreError) -> DecodedBlock {
    if let cached = cachedBlock(number) { return cached }
    let block = try readBlock(number)
    if keeps { cache.insert(block, ofSegment: cacheKey) }
    return block
  }

  /// A block, past the cache.
  func readBlock(_ number: Int) throws(StoreError) -> DecodedBlock {
    let block = version == 1 ? try readFrames(number) : try readColumns(number)
    let zone = blocks[number - 1]
    guard block.number == number, block.eventCount == zone.eventCount, block.rawBytes == zone.rawBytes else {
      throw damage("block \(number)", "it is not the block that its zone describes")
    }
    return block
  }

  private func readFrames(_ number: Int) throws(StoreError) -> DecodedBlock {
    let stored = try resources.withConnection { (connection) throws(StoreError) in try connection.block(number) }
    Self.bytesRead.add(stored.count)
    do {
      return unsafe DecodedBlock(
        try stored.withRawBytes { (bytes) throws(BlockDecodeError) in unsafe try FrameBlock(decoding: bytes) })
    } catch {
      if case .unsupportedVersion = error {
        throw StoreError(
          .unsupportedFormat, "segment \(descriptor.name): block \(number): \(error)", hint: "use a newer Clew")
      }
      throw damage("block \(number)", "\(error)")
    }
  }

  private func readColumns(_ number: Int) throws(StoreError) -> DecodedBlock {
    let kinds = try resources.kinds()
    return try cache.withWorkbench { (bench) throws(StoreError) in
      let head = try readHead(number, kinds, bench)
      try readTape(.dataTape, blocks[number - 1].dataStart, blocks[number - 1].dataBytes, bench)
      do throws(BlockError) {
        let data = unsafe try bench.row.withRawBytes { (row) throws(BlockError) in
          unsafe try bench.data.decode(row, head: head, kinds: kinds.table, order: bench.heads.order)
        }
        return DecodedBlock(data)
      } catch { throw blockError(number, error) }
    }
  }

  private func blockError(_ number: Int, _ error: BlockError) -> StoreError {
    if case .unsupportedVersion = error {
      return StoreError(
        .unsupportedFormat, "segment \(descriptor.name): block \(number): \(error)", hint: "use a newer Clew")
    }
    return damage("block \(number)", "\(error)")
  }

  private func readTape(
    _ table: SegmentTable, _ start: Int, _ count: Int, _ bench: BlockWorkbench
  ) throws(StoreError) {
    Self.bytesRead.add(count)
    try resources.withConnection { (connection) throws(StoreError) in
      try connection.readTape(table, from: start, count: count, rowBytes: tapeRowBytes, into: &bench.row)
    }
  }

  /// The traces of a block's runs, without inflating its data.
  func traces(ofBlock number: Int, _ head: BlockHead) throws(StoreError) -> RunTraces {
    let kinds = try resources.kinds()
    return unsafe try withDataRow(number) { (row) throws(BlockError) in
      unsafe try RunTraces(row, head: head, kinds: kinds.table)
    }
  }

  /// Lends the data row of a block as it is stored.
  func withDataRow<R>(
    _ number: Int, _ body: (UnsafeRawBufferPointer) throws(BlockError) -> R
  ) throws(StoreError) -> R {
    try cache.withWorkbench { (bench) throws(StoreError) in
      try readTape(.dataTape, blocks[number - 1].dataStart, blocks[number - 1].dataBytes, bench)
      do throws(BlockError) {
        return unsafe try bench.row.withRawBytes(body)
      } catch { throw blockError(number, error) }
    }
  }

  private func readHead(
    _ number: Int, _ kinds: LoadedKinds, _ bench: BlockWorkbench, withOrdinals: Bool = true
  ) throws(StoreError) -> BlockHead {
    let zone = blocks[number - 1]
    try readTape(.headTape, zone.headStart, zone.headBytes, bench)
    let head: BlockHead
    do {
      head = unsafe try bench.row.withRawBytes { (row) throws(BlockError) in
        unsafe try bench.heads.decode(row, number: number, kinds: kinds.table, withOrdinals: withOrdinals)
      }
    } catch { throw blockError(number, error) }
    guard head.eventCount == zone.eventCount, head.frameBytes == zone.rawBytes else {
      throw damage("block \(number)", "its head is not the one that its zone describes")
    }
    return head
  }

  // MARK: Heads

  /// Whether the segment has heads, kinds and sketches: those of format 1 have none.
  var hasHeads: Bool { version >= 2 }

  /// The kinds of the segment's events, for heads, and the labels that they are counted under.
  ///
  /// - Precondition: `hasHeads`.
  func kinds() throws(StoreError) -> LoadedKinds { try resources.kinds() }

  /// What is known of a block's events without their ids and bodies.
  ///
  /// - Precondition: `hasHeads`.
  /// - Parameter withOrdinals: false leaves ordinals out.
  func head(of number: Int, withOrdinals: Bool = true) throws(StoreError) -> BlockHead {
    let kinds = try resources.kinds()
    return try cache.withWorkbench { (bench) throws(StoreError) in
      try readHead(number, kinds, bench, withOrdinals: withOrdinals)
    }
  }

  /// Calls `body` with the head of one block after the other. Cost: about 0.1 us an event.
  ///
  /// - Precondition: `hasHeads`, and the numbers are those of blocks.
  func forEachHead<S: Sequence>(
    inBlocks numbers: S, _ body: (BlockHead) throws(StoreError) -> Walk
  ) throws(StoreError) where S.Element == Int {
    let kinds = try resources.kinds()
    try cache.withWorkbench { (bench) throws(StoreError) in
      for number in numbers where try body(readHead(number, kinds, bench)) == .stop { return }
    }
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
