import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Bits of rows, wherever a row lies: in segments, in the catalog, in hot files. All files of a store have more than
/// 16 KiB, because each of their many tables has a page of its own; what is in the pages is less, and is gone through.
///
/// One bit of every fourth byte, chosen by a seed that is printed; `CLEW_DAMAGES=all` takes every bit.
@Suite("Segment store: every bit of every row") struct EveryBitTests {
  private static let takesAll = CurrentProcess.environment("CLEW_DAMAGES") == "all"

  /// Bytes of a SQLite file in which rows lie: cells of leaf pages, and overflow pages.
  private static func rowBytes(_ content: [UInt8]) -> [Int] {
    let size = Int(content[16]) << 8 | Int(content[17])
    let pageBytes = size == 1 ? 65_536 : size
    var places: [Int] = []
    for start in stride(from: 0, to: content.count, by: pageBytes) {
      let header = start == 0 ? 100 : start
      guard content[header] == 0x0d else {
        // Inner pages of trees and of indexes are left to SQLite's own check; an overflow page begins with a number.
        if content[header] == 0 { places += (start + 4)..<min(content.count, start + pageBytes) }
        continue
      }
      let cells = Int(content[header + 5]) << 8 | Int(content[header + 6])
      places += (start + (cells == 0 ? 65_536 : cells))..<(start + pageBytes)
    }
    return places
  }

  /// Calls `body` with a disk for each damage.
  private func forEachFlip(
    _ base: SimulatedDisk, _ path: String, _ what: String, _ body: (SimulatedDisk, String) throws -> Void
  ) throws {
    let content = try #require(base.content(path))
    let seed = Self.takesAll ? 1 : UInt64.random(in: 1...UInt64(1 << 32))
    var random = SeededRandom(seed: seed)
    var flips: [Int] = []
    for (number, byte) in Self.rowBytes(content).enumerated() {
      if Self.takesAll {
        flips += (byte * 8)..<(byte * 8 + 8)
      } else if number % 4 == Int(seed % 4) {
        flips.append(byte * 8 + random.below(8))
      }
    }
    print("\(what): seed \(seed), \(flips.count) bits of \(content.count) bytes")
    #expect(flips.count > 100)
    let disk = base.copy(seed: 1)
    for bit in flips {
      disk.flip(path, bit: bit)
      try body(disk, "bit \(bit) of \(what), seed \(seed)")
      disk.put(path, content)
    }
  }

  /// Everything that a segment answers from.
  private static func content(_ path: String, _ files: any FileSystem) throws -> String {
    let reader = try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 0), files: files)
    var content = String(describing: try reader.extras()) + String(describing: reader.descriptor)
    for zone in reader.blocks {
      try reader.forEachEvent(ofBlock: zone.number) { event, trace in
        content += "\(String(describing: trace)) \(unsafe Array(event.bytes))"
        return .proceed
      }
    }
    return content
  }

  /// SQLite itself does not look at some bits: the key among the columns of a row, names in another case.
  @Test func `a bit of any row of a segment, index chunks included, is found by verify or changes nothing`() throws {
    let directory = try TemporaryDirectory("bits")
    try SegmentPlan.random(seed: 31, eventCount: 14, payloadBytes: 40).write(to: directory.file("sound.db"))
    let disk = SimulatedDisk()
    let path = "/data/segment.db"
    disk.put(path, try Files.read(directory.file("sound.db"), bytesMax: 10 << 20))
    let files = disk.mount()
    try #require(SegmentVerifier.verify(path: path, files: files).isEmpty)
    let sound = try Self.content(path, files)
    var unnoticed = 0
    var count = 0
    try forEachFlip(disk, path, "the segment") { disk, about in
      count += 1
      let files = disk.mount()
      guard let problems = try? SegmentVerifier.verify(path: path, files: files), problems.isEmpty else { return }
      unnoticed += 1
      let content = try Self.content(path, files)
      #expect(content == sound, "\(about)")
    }
    #expect(unnoticed * 20 < count, "\(unnoticed) of \(count)")
  }

  @Test func `a bit of any row of the catalog keeps it from being read`() throws {
    let (run, _) = try stored()
    let path = "\(FaultRun.directory)/\(DirectoryLayout.catalogName)"
    let sound = try Catalog(path, create: false, files: run.disk.mount()).load()
    let wanted = String(describing: sound)
    try forEachFlip(run.disk, path, "the catalog") { disk, about in
      do {
        let catalog = try Catalog(path, create: false, files: disk.mount())
        defer { catalog.close() }
        let found = try catalog.load()
        #expect(String(describing: found) == wanted, "\(about)")
      } catch let error as StoreError {
        #expect([.corrupted, .unsupportedFormat, .notFound, .inputOutput].contains(error.code), "\(about): \(error)")
      }
    }
  }

  /// What a bit of SQLite's own row of a table does: found by `EveryBitTests` with seed 3292328352.
  @Test(arguments: ["sources", "segment_sources"])
  func `a table of the catalog that begins where another one does is damage, and not an empty table`(
    table: String
  ) throws {
    let (run, _) = try stored()
    let path = "\(FaultRun.directory)/\(DirectoryLayout.catalogName)"
    var content = try #require(run.disk.content(path))
    // SQLite's row of a table: its kind, its name twice, the number of its first page in one byte.
    func place(_ name: String) throws -> Int {
      try #require(content.firstRange(of: Array("table\(name)\(name)".utf8))?.upperBound)
    }
    content[try place(table)] = content[try place("lost")]
    run.disk.put(path, content)
    let catalog = try Catalog(path, create: false, files: run.disk.mount())
    defer { catalog.close() }
    #expect { try catalog.load() } throws: { ($0 as? StoreError)?.code == .corrupted }
  }

  @Test func `a bit of any row of a hot file takes that row, and no other`() throws {
    let (run, hot) = try stored()
    let sound = try rows(hot, run.disk)
    try #require(sound.count > 1)
    try forEachFlip(run.disk, hot, "the hot file") { disk, about in
      do {
        for row in try rows(hot, disk) where row.isValid {
          #expect(sound.contains { $0.chunk.first == row.chunk.first && $0.chunk.bytes == row.chunk.bytes }, "\(about)")
        }
      } catch let error as StoreError {
        #expect([.corrupted, .unsupportedFormat, .notFound, .inputOutput].contains(error.code), "\(about): \(error)")
      }
    }
  }

  private func rows(_ path: String, _ disk: SimulatedDisk) throws -> [HotFile.Row] {
    let file = try HotFile(path, first: 1, writable: false, cacheBytes: 0, files: disk.mount())
    var found: [HotFile.Row] = []
    try file.forEachRow { found.append($0) }
    return found
  }

  /// A store whose catalog and hot file have everything in the files themselves.
  private func stored() throws -> (run: FaultRun, hot: String) {
    let run = try FaultRun.withSegment(of: 1...12)
    try run.append(FaultLoopTests.batches(10...16))
    try run.append(FaultLoopTests.batches(17...20))
    run.crash(.kill)
    var hot = ""
    for (path, _) in run.disk.snapshot() {
      let name = String(path.dropFirst(FaultRun.directory.count + 1))
      if DirectoryLayout.hotFirst(name) != nil { hot = path }
      guard name == DirectoryLayout.catalogName || DirectoryLayout.hotFirst(name) != nil else { continue }
      let connection = try Connection(path, .readWrite, files: run.disk.mount())
      try connection.bringInWAL()
      connection.close()
      run.disk.delete(path + "-wal")
    }
    return (run, hot)
  }

  @Test func `a key of a hot row that is damaged moves no ordinal`() throws {
    let (run, hot) = try stored()
    let connection = try Connection(hot, .readWrite, files: run.disk.mount())
    try connection.execute(
      """
      UPDATE batch SET first_ordinal = first_ordinal + (1 << 50)
      WHERE first_ordinal = (SELECT max(first_ordinal) FROM batch)
      """)
    connection.close()
    run.disk.reboot(.kill)
    let last = run.memory.lastOrdinal
    try run.open()
    let store = try run.store
    #expect(!store.missingParts().isEmpty)
    // The row may have had as many events as fit one.
    #expect(store.lastOrdinal >= last && store.lastOrdinal < last + 400)
    _ = try store.append([SourceBatch([TestEvent("after")], source: "first")])
    run.crash(.kill)
    let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
    #expect(report.missing.allSatisfy { $0.lastOrdinal ?? 0 < last + 400 }, "\(report.missing)")
    #expect(report.missing.contains { $0.firstOrdinal <= last && last <= $0.lastOrdinal ?? .max })
    try run.open()
    #expect(try run.store.lastOrdinal < last + 400)
    #expect(try run.store.events(withID: Identifier(text: Array("after".utf8))).count == 1)
    run.close()
  }
}
