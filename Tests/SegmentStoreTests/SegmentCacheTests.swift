// SegmentStoreTests
import EventModel
import Platform
import SegmentBlocks
import TestSupport
import Testing
import TraceStore

@testable import SegmentStore

/// What sealed segments keep in memory for the next look-up, and who gives it back first.
@Suite("Dictionaries of segments in memory") struct SegmentCacheTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("segment-cache") }

  private func readers(_ count: Int) throws -> [SegmentReader] {
    let cache = BlockCache(bytesMax: 1 << 20)
    return try (0..<count).map { number in
      let plan = SegmentPlan.random(seed: UInt64(number + 1), eventCount: 600, payloadBytes: 200)
      let path = directory.file("\(number).db")
      try plan.write(to: path)
      return try SegmentReader.open(path: path, cache: cache)
    }
  }

  @Test func `connections go alone, then dictionaries, and kinds of events last`() throws {
    let resources = try readers(1)[0].resources
    _ = try resources.tools()
    let everything = resources.memoryBytes
    resources.release(.connections)
    let loaded = resources.memoryBytes
    #expect(resources.connectionCount == 0 && loaded == everything - SegmentResources.connectionBytes)
    resources.release(.dictionary)
    let kinds = resources.memoryBytes
    #expect(kinds > 0 && kinds < loaded)
    // What is gone is read again.
    _ = try resources.tools()
    #expect(resources.memoryBytes == everything)
    resources.release(.kinds)
    #expect(resources.memoryBytes == 0)
    #expect(try resources.tools().dictionary.memoryBytes > 0)
  }

  @Test func `no more is let go than must be, and what was not used for the longest time first`() throws {
    let readers = try readers(5)
    for reader in readers { _ = try reader.resources.tools() }
    let order = [3, 1, 4, 0, 2]
    for number in order { readers[number].resources.touch() }
    let before = readers.map(\.resources.memoryBytes)
    let connection = SegmentResources.connectionBytes
    // One byte less than what is left without the connections of those that are not used.
    let limiter = SegmentLimiter(connectionsMax: 100, bytesMax: before.reduce(0, +) - 4 * connection - 1)
    for reader in readers { limiter.add(reader.resources) }
    let after = readers.map(\.resources.memoryBytes)
    for number in [1, 4, 0] { #expect(after[number] == before[number] - connection) }
    #expect(after[2] == before[2])
    #expect(after[3] < before[3] - connection && after[3] > 0, "its kinds stay")
    #expect(limiter.figures.bytes <= limiter.bytesMax && limiter.figures.releaseCount == 1)
  }

  @Test func `the one used last stays even where it alone is too much, and the others go wholly`() throws {
    let readers = try readers(3)
    for reader in readers { _ = try reader.resources.tools() }
    readers[1].resources.touch()
    let last = readers[1].resources.memoryBytes
    let limiter = SegmentLimiter(connectionsMax: 100, bytesMax: 1)
    for reader in readers { limiter.add(reader.resources) }
    #expect(readers.map(\.resources.memoryBytes) == [0, last, 0])
  }

  @Test func `too many connections go down to three quarters, and nothing that was loaded goes with them`() throws {
    let readers = try readers(8)
    for reader in readers { _ = try reader.resources.tools() }
    let before = readers.map(\.resources.memoryBytes)
    let limiter = SegmentLimiter(connectionsMax: 7, bytesMax: 1 << 30)
    for reader in readers { limiter.add(reader.resources) }
    #expect(limiter.figures.connectionCount == 5)
    for (number, reader) in readers.enumerated() {
      let connection = number < 3 ? SegmentResources.connectionBytes : 0
      #expect(reader.resources.memoryBytes == before[number] - connection)
    }
  }

  @Test func `connections that are lent out cost nobody what was loaded`() throws {
    let readers = try readers(6)
    for reader in readers { _ = try reader.resources.tools() }
    let before = readers.map(\.resources.memoryBytes)
    try readers[0].resources.withConnection { _ throws(StoreError) in
      try readers[1].resources.withConnection { _ throws(StoreError) in
        try readers[2].resources.withConnection { _ throws(StoreError) in
          // Two would be kept, but three are lent out.
          let limiter = SegmentLimiter(connectionsMax: 3, bytesMax: 1 << 30)
          for reader in readers { limiter.add(reader.resources) }
          #expect(limiter.figures.connectionCount > limiter.connectionsMax * 3 / 4)
          #expect(limiter.figures.releaseCount == 0)
        }
      }
    }
    for (number, reader) in readers.enumerated() {
      #expect(reader.resources.hasTools)
      #expect(reader.resources.memoryBytes >= before[number] - SegmentResources.connectionBytes)
    }
  }

  private func open(preloads: Bool) throws -> SegmentStore {
    var options = StoreOptions()
    options.sealEventCount = 1 << 20
    options.mergeFactor = 0
    options.retention.freeDiskBytes = 0
    options.preloadsSegments = preloads
    return try SegmentStore.open(directory: directory.path, options: options)
  }

  /// What all dictionaries and one connection for each segment take; read beside the server.
  private func everythingBytes() throws -> Int {
    var options = StoreOptions()
    options.mode = .readOnly
    let store = try SegmentStore.open(directory: directory.path, options: options)
    defer { store.close() }
    return try store.state.segments.reduce(0) { sum, segment in
      _ = try segment.reader.resources.tools()
      return sum + segment.reader.resources.memoryBytes
    }
  }

  private func add(era: Int, to store: SegmentStore) throws {
    _ = try store.append([SourceBatch(StoreStressTests.events(era: era, 120))])
    try store.seal()
  }

  @Test func `a server loads dictionaries before anybody asks, at the start and after sealing`() throws {
    let store = try open(preloads: false)
    for era in 1...3 { try add(era: era, to: store) }
    store.close()
    let three = try everythingBytes()
    let idle = try open(preloads: false)
    #expect(idle.counters.segmentCacheBytes == 3 * SegmentResources.connectionBytes)
    idle.close()
    let server = try open(preloads: true)
    #expect(eventually { server.counters.segmentCacheBytes == three }, "three dictionaries are loaded")
    try add(era: 4, to: server)
    let four = try everythingBytes()
    #expect(four > three + SegmentResources.connectionBytes)
    #expect(eventually { server.counters.segmentCacheBytes == four }, "the fourth, too")
    // Behind what the sealer's thread does after loading.
    try server.mergeNow()
    let resources = server.lock.withLock { server.state.segments.map(\.reader.resources) }
    resources[2].touch()
    try add(era: 5, to: server)
    let five = try everythingBytes()
    #expect(eventually { server.counters.segmentCacheBytes == five }, "the fifth, too")
    try server.mergeNow()
    #expect(resources.map(\.lastUse).max() == resources[2].lastUse, "what was loaded does not count as used")
    server.close()
  }

  @Test func `a store that loads dictionaries may be closed at once, and let go`() throws {
    let store = try open(preloads: false)
    for era in 1...6 { try add(era: era, to: store) }
    store.close()
    for _ in 0..<10 {
      try open(preloads: true).close()
      _ = try open(preloads: true)
      // Its thread has it for as long as it loads; then it closes itself.
      #expect(eventually { (try? open(preloads: true).close()) != nil })
    }
  }
}
