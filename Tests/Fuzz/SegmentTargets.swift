import EventModel
import Glibc
import Platform
import TestSupport
import TraceStore

@testable import SegmentStore

let segmentTargets: [FuzzTarget] = [
  FuzzTarget(name: "block-v1", bytesMax: 4096, seeds: blockSeeds, run: blockV1),
  FuzzTarget(name: "block-header", bytesMax: 512, seeds: headerSeeds, run: blockHeader),
  FuzzTarget(name: "chunk-rows", bytesMax: 2048, seeds: chunkSeeds, run: chunkRows),
  FuzzTarget(name: "index-chunk", bytesMax: 4096, seeds: indexSeeds, run: indexChunk),
  FuzzTarget(name: "filter", bytesMax: 512, seeds: { [[UInt8](repeating: 0x5a, count: 64)] }, run: filter),
  FuzzTarget(name: "sqlite-pages", bytesMax: 16384, seeds: pageSeeds, run: sqlitePages),
  FuzzTarget(name: "segment-file", bytesMax: 262_144, seeds: segmentSeeds, run: segmentFile),
  FuzzTarget(name: "catalog", bytesMax: 131_072, seeds: catalogSeeds, run: catalog),
]

// MARK: Blocks

@Sendable private func blockSeeds() -> [[UInt8]] {
  (0..<4).map { seed in
    payload(
      shortEvents(seed: UInt64(20 + seed), 3).enumerated().map { number, event in
        FrameRun(trace: event.correlation, continues: false, goesOn: false, frames: [frame(event, number + 1)])
      })
  }
}

private func frame(_ event: HostileEvent, _ ordinal: Int) -> [UInt8] {
  var batch = EventBatch()
  event.append(to: &batch)
  var numbered = EventBatch()
  batch.withEvent(at: 0) { numbered.append($0, ordinal: Int64(ordinal), sourceIndex: 1) }
  return numbered.bytes
}

private struct FrameRun {
  var trace: Identifier?
  var continues: Bool
  var goesOn: Bool
  var frames: [[UInt8]]
}

/// What a block of the first format holds: the directory of runs, then all frames.
private func payload(_ runs: [FrameRun]) -> [UInt8] {
  var writer = ByteWriter()
  writer.put(UInt32(runs.count))
  for run in runs {
    let trace = run.trace?.storedBytes ?? []
    let kind: BlockV1.TraceKind = run.trace == nil ? .none : run.trace?.isUUID == true ? .uuid : .text
    writer.put(UInt32(run.frames.count))
    writer.put(kind.rawValue)
    writer.put((run.continues ? BlockV1.continuesFlag : 0) | (run.goesOn ? BlockV1.goesOnFlag : 0))
    writer.put(UInt16(trace.count))
    writer.bytes += trace
  }
  for run in runs { writer.bytes += run.frames.joined() }
  return writer.bytes
}

/// A block around a payload, with lengths and checksum that are right.
private func block(around payload: [UInt8], eventCount: UInt32) -> [UInt8] {
  var block = ByteWriter()
  block.put(BlockHeader.magic)
  block.put(UInt8(1))
  block.put(UInt8(0))
  block.put(UInt16(0))
  block.put(UInt32(1))
  block.put(eventCount)
  block.put(UInt32(payload.count))
  block.put(UInt32(payload.count))
  block.put(UInt32(0))
  block.bytes += payload
  fixChecksum(&block.bytes)
  return block.bytes
}

private func fixChecksum(_ block: inout [UInt8]) {
  let checksum = block.withUnsafeBytes { BlockHeaderFields.checksum(of: $0) }
  block.withUnsafeMutableBytes {
    $0.storeBytes(of: checksum.littleEndian, toByteOffset: BlockHeader.Offset.checksum, as: UInt32.self)
  }
}

/// The number of events that the directory claims, so that decoding goes on behind it.
private func claimedEvents(_ payload: [UInt8]) -> UInt32 {
  payload.withUnsafeBytes { all in
    var reader = ByteReader(all)
    var total: UInt32 = 0
    guard let runs = try? reader.get(UInt32.self), runs < 10_000 else { return 0 }
    for _ in 0..<runs {
      guard let count = try? reader.get(UInt32.self), (try? reader.get(UInt16.self)) != nil,
        let length = try? reader.get(UInt16.self), (try? reader.getSlice(Int(length))) != nil
      else { return total }
      total &+= count
    }
    return total
  }
}

@Sendable private func blockV1(_ input: [UInt8]) {
  let bytes = block(around: input, eventCount: claimedEvents(input))
  guard let decoded = bytes.withUnsafeBytes({ try? FrameBlock(decoding: $0) }) else { return }
  let again = decoded.runs.map { run in
    let frames = run.events.map { index in
      decoded.withEvent(at: index) { event -> [UInt8] in
        touch(event)
        return Array(event.bytes)
      }
    }
    return FrameRun(trace: run.trace, continues: run.continues, goesOn: run.goesOn, frames: frames)
  }
  demand(payload(again) == input, "a block is built again as it was")
}

@Sendable private func headerSeeds() -> [[UInt8]] {
  blockSeeds().map { block(around: $0, eventCount: claimedEvents($0)) }
}

/// The bytes as they are, and with a checksum that holds.
@Sendable private func blockHeader(_ input: [UInt8]) {
  _ = input.withUnsafeBytes { try? FrameBlock(decoding: $0) }
  guard input.count >= BlockHeader.bytes else { return }
  var fixed = input
  let stored = UInt32(fixed.count - BlockHeader.bytes)
  fixed.withUnsafeMutableBytes {
    $0.storeBytes(of: BlockHeader.magic.littleEndian, toByteOffset: BlockHeader.Offset.magic, as: UInt32.self)
    $0.storeBytes(of: stored.littleEndian, toByteOffset: BlockHeader.Offset.storedLength, as: UInt32.self)
  }
  fixChecksum(&fixed)
  _ = fixed.withUnsafeBytes { try? FrameBlock(decoding: $0) }
}

// MARK: Rows, index, filter

@Sendable private func chunkSeeds() -> [[UInt8]] {
  let id = Identifier("00000000-0000-0000-0000-000000000001")!
  let text = Identifier("text")!
  let time = Timestamp(nanoseconds: 5)
  let edges = (0..<3).map {
    SegmentEdge(
      childLabel: 1, causeLabel: 2, childCreated: time, latency: -7, childFailure: .none, childOrdinal: 9 + $0,
      causeOrdinal: 3)
  }
  let unresolved = [id, text].map {
    UnresolvedChild(
      cause: $0, childID: $0, ordinal: 4, created: time, label: 1, trace: nil, failure: .metadata, sourceIndex: 1)
  }
  let uncorrelated = [id, text].map {
    UncorrelatedEvent(ordinal: 4, id: $0, cause: nil, sourceIndex: 1, label: 1, created: time, failure: .none)
  }
  return [
    [0] + ChunkCoding.encode(edges[...]), [1] + ChunkCoding.encode([SegmentFailure(label: 1, created: time)][...]),
    [2] + ChunkCoding.encode(unresolved[...]), [3] + ChunkCoding.encode(uncorrelated[...]),
    [4] + ChunkCoding.encode([HealedChild(ordinal: 4), HealedChild(ordinal: 400)][...]),
  ]
}

@Sendable private func chunkRows(_ input: [UInt8]) {
  var dice = Dice(input)
  let kind = dice.byte() % 5
  let raw = dice.rest()
  switch kind {
  case 0: again(SegmentEdge.self, raw)
  case 1: again(SegmentFailure.self, raw)
  case 2: again(UnresolvedChild.self, raw)
  case 3: again(UncorrelatedEvent.self, raw)
  default: again(HealedChild.self, raw)
  }
}

private func again<Row: ChunkRow>(_ type: Row.Type, _ raw: [UInt8]) {
  guard let rows = raw.withUnsafeBytes({ try? ChunkCoding.decode(type, $0) }) else { return }
  let encoded = ChunkCoding.encode(rows[...])
  guard let same = encoded.withUnsafeBytes({ try? ChunkCoding.decode(type, $0) }) else { broken("rows are read again") }
  demand("\(same)" == "\(rows)", "rows come back")
}

@Sendable private func indexSeeds() -> [[UInt8]] {
  var seeds: [[UInt8]] = []
  for blockCount in [3, 40_000] {
    var builder = IndexBuilder()
    for number in 0..<200 {
      let mixed = UInt64(number) &* 0x9e37_79b9_7f4a_7c15
      builder.add(.eventID, mixed: mixed, block: 1 + number % blockCount)
    }
    builder.forEachChunk(blockCount: blockCount) { _, chunk in seeds.append([UInt8](repeating: 7, count: 8) + chunk) }
  }
  return seeds
}

@Sendable private func indexChunk(_ input: [UInt8]) {
  var dice = Dice(input)
  let hash = (0..<8).reduce(UInt64(0)) { sum, _ in sum << 8 | UInt64(dice.byte()) }
  let chunk = dice.rest()
  for part in 0..<64 {
    var blocks: [Int] = []
    let place = IndexPlace(hash: hash &+ UInt64(part) << 58, chunkCount: 1)
    chunk.withUnsafeBytes { try? IndexChunk.probe($0, place: place, into: &blocks) }
    // The shortest entry has two bits.
    demand(blocks.count <= chunk.count * 4, "no more blocks than entries")
    demand(blocks.allSatisfy { $0 >= 1 && $0 <= SegmentLimits.blockCountMax }, "numbers of blocks")
  }
}

@Sendable private func filter(_ input: [UInt8]) {
  guard var filter = input.withUnsafeBytes({ BloomFilter(bytes: $0) }) else { return }
  demand(filter.bytes == input, "a filter is written as it was")
  for hash: UInt64 in [0, 1, .max, UInt64(input.count) &* 0x9e37_79b9_7f4a_7c15] {
    filter.insert(hash)
    demand(filter.mayContain(hash), "a filter forgets nothing")
  }
}

// MARK: Files

/// A file of this process's own in memory.
private func withFile(_ bytes: [UInt8], _ body: (String) -> Void) {
  let path = "/dev/shm/clew-fuzz-\(getpid()).db"
  guard let file = fopen(path, "w") else { return }
  fwrite(bytes, 1, bytes.count, file)
  fclose(file)
  body(path)
  unlink(path)
}

private func smallSegment(pageBytes: Int) throws -> [UInt8] {
  let directory = try TemporaryDirectory("fuzz")
  let path = directory.file("seg.db")
  let writer = try SegmentWriter(path: path, pageBytes: pageBytes)
  for (number, event) in shortEvents(seed: 40, 6).enumerated() {
    var batch = EventBatch()
    event.append(to: &batch)
    var numbered = EventBatch()
    batch.withEvent(at: 0) { numbered.append($0, ordinal: Int64(number + 1), sourceIndex: 0) }
    guard number == 0 || event.correlation != nil else { continue }
    try writer.beginTrace(Identifier("trace-\(number)"))
    try numbered.withEvent(at: 0) { (event) throws(StoreError) in try writer.add(event) }
    try writer.endTrace()
  }
  var extras = SegmentExtras()
  extras.sources = [(0, "default")]
  _ = try writer.finish(extras)
  return try Files.read(path, bytesMax: 8 << 20)
}

@Sendable private func pageSeeds() throws -> [[UInt8]] { [try smallSegment(pageBytes: 512)] }

@Sendable private func segmentSeeds() throws -> [[UInt8]] {
  [try smallSegment(pageBytes: 1024), try smallSegment(pageBytes: 4096)]
}

@Sendable private func sqlitePages(_ input: [UInt8]) {
  withFile(input) { path in
    guard let inspector = try? SegmentInspector(path: path) else { broken("a file that is there opens") }
    _ = inspector.inspect()
    try? inspector.forEachReadableEvent(payload: true) { _ in .proceed }
  }
}

@Sendable private func segmentFile(_ input: [UInt8]) {
  withFile(input) { path in
    _ = try? SegmentVerifier.verify(path: path)
    guard let reader = try? SegmentReader.open(path: path, cache: BlockCache(bytesMax: 1 << 20)) else { return }
    _ = try? reader.forEachEvent(ofTrace: Identifier("trace-1")!) { _, _ in .proceed }
    _ = try? reader.forEachEvent(inStream: Array("s1-1".utf8)) { _, _ in .proceed }
    _ = try? reader.extras()
  }
}

@Sendable private func catalogSeeds() throws -> [[UInt8]] {
  let directory = try TemporaryDirectory("fuzz")
  var options = StoreOptions()
  options.retention.freeDiskBytes = 0
  let store = try SegmentStore.open(directory: directory.path, options: options)
  var batch = EventBatch()
  for event in shortEvents(seed: 41, 6) { event.append(to: &batch) }
  _ = try store.append([SourceBatch(source: "s", events: batch, identity: .eventID, durability: .process)])
  try store.seal()
  store.close()
  let shell = try ChildProcess.run(
    "sqlite3", [directory.file("catalog.db"), "PRAGMA journal_mode=DELETE; VACUUM"])
  guard shell.exitCode == 0 else { throw TestSupportError("sqlite3: \(shell.errorText)") }
  return [try Files.read(directory.file("catalog.db"), bytesMax: 8 << 20)]
}

@Sendable private func catalog(_ input: [UInt8]) {
  withFile(input) { path in
    guard let catalog = try? Catalog(path, create: false) else { return }
    _ = try? catalog.load()
    try? catalog.forEachRow(CatalogRow.Source.self) { _, _ in }
    try? catalog.forEachRow(CatalogSegment.self) { _, _ in }
    try? catalog.forEachRow(CatalogRow.Hot.self) { _, _ in }
    try? catalog.forEachRow(SourceCheckpoint.self) { _, _ in }
    try? catalog.forEachRow(LateAssignment.self) { _, _ in }
    try? catalog.forEachRow(VoidEdge.self) { _, _ in }
    try? catalog.forEachRow(FailureCorrection.self) { _, _ in }
    try? catalog.forEachRow(DroppedRange.self) { _, _ in }
    catalog.close()
  }
}
