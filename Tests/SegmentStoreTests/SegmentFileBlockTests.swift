import EventModel
import TestSupport
import Testing

@testable import SegmentStore

@Suite struct SegmentFileBlockTests {
  static func block(seed: UInt64 = 1, level: Int = 6, eventCount: Int = 6) -> (plan: SegmentPlan, bytes: [UInt8]) {
    let plan = SegmentPlan.random(seed: seed, eventCount: eventCount, payloadBytes: 30)
    var builder = BlockBuilder()
    for (trace, places) in plan.groups {
      builder.beginRun(trace: trace.flatMap { Identifier($0) }, continues: false)
      for place in places { plan.batch.withEvent(at: place) { builder.append($0) } }
      builder.endRun(goesOn: false)
    }
    return (plan, builder.finish(number: 3, level: level))
  }

  static func decode(_ bytes: [UInt8]) throws(BlockDecodeError) -> FrameBlock {
    unsafe try bytes.withRawBytes { (all) throws(BlockDecodeError) in unsafe try FrameBlock(decoding: all) }
  }

  @Test(arguments: [0, 1, 6, 9]) func `a block gives back its runs and frames`(level: Int) throws {
    let (plan, bytes) = Self.block(seed: 5, level: level, eventCount: 50)
    let block = try Self.decode(bytes)
    #expect(block.number == 3 && block.eventCount == 50)
    #expect(block.runs.map(\.trace) == plan.groups.map { $0.trace.flatMap { Identifier($0) } })
    for (run, group) in zip(block.runs, plan.groups) {
      let frames = run.events.map { index in block.withEvent(at: index) { unsafe Array($0.bytes) } }
      #expect(frames == group.places.map { plan.frame($0) })
    }
  }

  @Test(arguments: [0, 6]) func `every truncated prefix of a block is refused`(level: Int) {
    let (_, bytes) = Self.block(level: level)
    for length in 0..<bytes.count {
      #expect(throws: BlockDecodeError.self) { try Self.decode(Array(bytes[0..<length])) }
    }
    #expect(throws: BlockDecodeError.self) { try Self.decode(bytes + [0]) }
  }

  @Test(arguments: [0, 6]) func `every flipped bit of a block is refused`(level: Int) {
    let (_, bytes) = Self.block(level: level)
    for bit in 0..<(bytes.count * 8) {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      #expect(throws: BlockDecodeError.self) { try Self.decode(flipped) }
    }
  }

  /// Damage that a checksum would hide: what if the checksum is right, and the content is not?
  @Test func `a damaged payload with a right checksum is refused or well-formed, and never traps`() {
    let (_, bytes) = Self.block(level: 0)
    for bit in (BlockHeader.Offset.version * 8)..<(bytes.count * 8) {
      var flipped = bytes
      flipped[bit / 8] ^= 1 << UInt8(bit % 8)
      let checksum = unsafe flipped.withRawBytes { unsafe BlockHeaderFields.checksum(of: $0) }
      unsafe withUnsafeBytes(of: checksum.littleEndian) {
        unsafe flipped.replaceSubrange(BlockHeader.Offset.checksum..<BlockHeader.Offset.checksum + 4, with: $0)
      }
      if let block = try? Self.decode(flipped) {
        #expect(block.runs.allSatisfy { $0.events.upperBound <= block.eventCount })
      }
    }
  }

  @Test func `a header that promises more than DEFLATE can give is refused before anything is allocated`() {
    var (_, bytes) = Self.block(level: 6)
    unsafe withUnsafeBytes(of: UInt32(SegmentLimits.blockRawBytesMax).littleEndian) {
      unsafe bytes.replaceSubrange(BlockHeader.Offset.rawLength..<BlockHeader.Offset.rawLength + 4, with: $0)
    }
    let checksum = unsafe bytes.withRawBytes { unsafe BlockHeaderFields.checksum(of: $0) }
    unsafe withUnsafeBytes(of: checksum.littleEndian) {
      unsafe bytes.replaceSubrange(BlockHeader.Offset.checksum..<BlockHeader.Offset.checksum + 4, with: $0)
    }
    #expect(throws: BlockDecodeError.badHeader(field: "length")) { try Self.decode(bytes) }
  }

  @Test func `a later version is told apart from damage`() {
    var (_, bytes) = Self.block()
    bytes[BlockHeader.Offset.version] = 2
    let checksum = unsafe bytes.withRawBytes { unsafe BlockHeaderFields.checksum(of: $0) }
    unsafe withUnsafeBytes(of: checksum.littleEndian) {
      unsafe bytes.replaceSubrange(BlockHeader.Offset.checksum..<BlockHeader.Offset.checksum + 4, with: $0)
    }
    #expect(throws: BlockDecodeError.unsupportedVersion(2)) { try Self.decode(bytes) }
  }

  @Test func `random bytes are no chunk of columns, and no chunk of the index`() {
    var random = SeededRandom(seed: 77)
    for round in 0..<3_000 {
      var bytes = random.bytes(Int.random(in: 0..<400, using: &random))
      if round % 2 == 0, bytes.count > 4 {
        bytes.replaceSubrange(0..<4, with: [round % 4 == 0 ? 1 : 2, 2, 6, 11])
      }
      unsafe bytes.withRawBytes { all in
        _ = unsafe try? ChunkCoding.decode(SegmentEdge.self, all)
        _ = unsafe try? ChunkCoding.decode(UnresolvedChild.self, all)
        _ = unsafe try? ChunkCoding.decode(UncorrelatedEvent.self, all)
        var blocks: [Int] = []
        let place = IndexPlace(hash: random.next(), chunkCount: 1)
        unsafe try? IndexChunk.probe(all, place: place, into: &blocks)
        #expect(blocks.allSatisfy { $0 >= 1 && $0 <= SegmentLimits.blockCountMax })
      }
    }
  }

  @Test(arguments: [1, 2, 300, 16_384, 16_385, 1 << 20])
  func `the index finds every key in the block it was given`(blockCount: Int) throws {
    var random = SeededRandom(seed: UInt64(blockCount))
    var builder = IndexBuilder()
    var keys: [(mixed: UInt64, block: Int)] = []
    for _ in 0..<20_000 {
      keys.append((random.next(), Int.random(in: 1...blockCount, using: &random)))
      builder.add(.eventID, mixed: keys[keys.count - 1].mixed, block: keys[keys.count - 1].block)
    }
    // A stream that is in very many blocks.
    for block in 1...min(blockCount, 70_000) { builder.add(.stream, mixed: 42, block: block) }
    var chunks: [[UInt8]] = []
    builder.forEachChunk(blockCount: blockCount) { chunks.append($1) }
    func find(_ kind: IndexKind, _ mixed: UInt64) throws -> [Int] {
      let place = IndexPlace(hash: indexHash(kind, mixed: mixed), chunkCount: chunks.count)
      var blocks: [Int] = []
      unsafe try chunks[place.chunk].withRawBytes { (all) throws(CodingError) in
        unsafe try IndexChunk.probe(all, place: place, into: &blocks)
      }
      return blocks
    }
    for key in keys { #expect(try find(.eventID, key.mixed).contains(key.block)) }
    #expect(Set(try find(.stream, 42)).isSuperset(of: 1...min(blockCount, 70_000)))
    var falseHits = 0
    for _ in 0..<5_000 { falseHits += try find(.correlation, random.next()).count }
    #expect(falseHits < 1_000)
  }

  @Test func `a filter forgets nothing and is wrong in about one case of a hundred`() throws {
    var random = SeededRandom(seed: 3)
    let keys = (0..<20_000).map { _ in random.next() }
    var filter = BloomFilter(expectedKeyCount: keys.count)
    for key in keys { filter.insert(key) }
    let read = unsafe filter.bytes.withRawBytes { unsafe BloomFilter(bytes: $0) }
    let copy = try #require(read)
    #expect(keys.allSatisfy { copy.mayContain($0) })
    let wrong = (0..<20_000).count { _ in copy.mayContain(random.next()) }
    #expect(wrong < 500)
  }

  @Test func `a cache stays within its bound and forgets what was not used for longest`() throws {
    let cache = BlockCache(bytesMax: 100_000)
    let segment = cache.registerSegment()
    for number in 1...60 {
      let plan = SegmentPlan.random(seed: UInt64(number), eventCount: 10, payloadBytes: 300)
      var builder = BlockBuilder()
      builder.beginRun(trace: nil, continues: false)
      for place in 0..<10 { plan.batch.withEvent(at: place) { builder.append($0) } }
      builder.endRun(goesOn: false)
      cache.insert(DecodedBlock(try Self.decode(builder.finish(number: number, level: 1))), ofSegment: segment)
      #expect(cache.block(1, ofSegment: segment)?.number == 1)
      #expect(cache.counters.bytes <= 100_000)
    }
    #expect(cache.block(2, ofSegment: segment) == nil)
    #expect(cache.block(60, ofSegment: segment)?.number == 60)
    cache.removeSegment(segment)
    #expect(cache.counters.bytes == 0 && cache.block(60, ofSegment: segment) == nil)
  }
}
