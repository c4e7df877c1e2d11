import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// What was damaged is moved aside, the rest opens clean, and it is said what is missing.
@Suite("Segment store: repair") struct StoreRepairTests {
  private let directory: TemporaryDirectory

  init() throws {
    directory = try TemporaryDirectory("store")
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    for start in [1, 11, 21] {
      let events = (start..<(start + 10)).map {
        TestEvent("e\($0)", trace: "t\($0 % 3)", cause: "e\($0 - 3)", at: Int64($0), position: UInt64($0 * 10))
      }
      let checkpoint = SourceCheckpoint(source: "s", position: SourcePosition(major: UInt64((start + 9) * 10)))
      _ = try store.append([SourceBatch(events, source: "s", checkpoint: checkpoint)])
      if start < 21 { try store.seal() }
    }
    store.close()
  }

  static var options: StoreOptions {
    var options = StoreOptions()
    options.durability = .process
    options.retention.freeDiskBytes = 0
    options.mergeFactor = 0
    return options
  }

  private func names(_ prefix: String) throws -> [String] {
    try Files.list(directory.path).filter { $0.hasPrefix(prefix) && $0.hasSuffix(".db") }
  }

  private func cut(_ name: String) throws {
    let bytes = try Files.read(directory.file(name), bytesMax: 1 << 24)
    try Files.replaceAtomically(directory.file(name), with: Array(bytes[..<(bytes.count / 2)]))
  }

  private func ordinals(_ missing: [Int64] = [], parts: Int = 0) throws {
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    let expected = (1...30).map { Int64($0) }.filter { !missing.contains($0) }
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == expected)
    #expect(store.missingParts().count == parts)
    #expect(store.lastOrdinal >= 30)
    store.close()
    let report = try SegmentStore.verify(directory.path)
    #expect(report.isClean, "\(report.problems)")
  }

  @Test func `a sound directory is left as it is`() throws {
    let report = try SegmentStore.repair(directory.path)
    #expect(report.isClean)
    #expect(report.segmentCount == 2)
    #expect(report.hotFileCount == 1)
    try ordinals()
  }

  @Test func `it stops where a process has the directory open`() throws {
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    let error = #expect(throws: StoreError.self) { try SegmentStore.repair(directory.path) }
    #expect(error?.code == .locked)
    store.close()
  }

  @Test func `a damaged segment is moved, named with ordinals and positions, and comes back when it is whole`() throws {
    let name = try #require(try names("seg-").first)
    let whole = try Files.read(directory.file(name), bytesMax: 1 << 24)
    try cut(name)
    let planned = try SegmentStore.repair(directory.path, dryRun: true)
    #expect(planned.movedFiles == ["damaged/\(name)"])
    #expect(Files.exists(directory.file(name)))
    let report = try SegmentStore.repair(directory.path)
    let missing = try #require(report.missing.first)
    #expect(missing.firstOrdinal == 1)
    #expect(missing.lastOrdinal == 10)
    #expect(missing.eventCount == 10)
    #expect(missing.sources.map(\.name) == ["s"])
    #expect(missing.sources.map(\.firstPosition.major) == [10])
    #expect(missing.sources.map(\.lastPosition.major) == [100])
    #expect(Files.exists(directory.file("damaged/\(name)")))
    try ordinals(Array(1...10), parts: 1)
    try Files.replaceAtomically(directory.file("damaged/\(name)"), with: whole)
    let mended = try SegmentStore.repair(directory.path)
    #expect(mended.restoredSegments == [name])
    #expect(mended.missing.isEmpty)
    try ordinals()
  }

  @Test func `a segment that was set aside and is whole again comes back at the next start`() throws {
    let name = try #require(try names("seg-").first)
    let whole = try Files.read(directory.file(name), bytesMax: 1 << 24)
    try cut(name)
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    #expect(store.missingParts() == [.damagedSegment(name: name)])
    store.close()
    try Files.replaceAtomically(directory.file(name), with: whole)
    try ordinals()
  }

  @Test func `rows of a hot file that fail their checksums are taken out, after a copy was made`() throws {
    let name = try #require(try names("hot-").last)
    let edit = try Connection(directory.file(name), .readWrite)
    try edit.execute("UPDATE batch SET crc = crc + 1")
    edit.close()
    let report = try SegmentStore.repair(directory.path)
    #expect(report.missing.map(\.firstOrdinal) == [21])
    #expect(report.movedFiles.contains("damaged/\(name)"))
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).count == 20)
    #expect(store.missingParts().count == 1)
    _ = try store.append([SourceBatch([TestEvent("new", at: 1)], source: "s")])
    try store.seal()
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).count == 21)
    store.close()
    #expect(try SegmentStore.verify(directory.path).isClean)
  }

  @Test(arguments: [true, false])
  func `a lost or damaged catalog is made anew from the files`(isThere: Bool) throws {
    for name in try Files.list(directory.path) where name.hasPrefix("catalog") {
      if isThere && name == "catalog.db" { continue }
      try Files.remove(directory.file(name))
    }
    if isThere {
      try Files.replaceAtomically(directory.file("catalog.db"), with: Array(repeating: 0x55, count: 20_000))
    }
    let report = try SegmentStore.repair(directory.path)
    #expect(report.catalogWasRebuilt)
    #expect(report.missing.isEmpty)
    try ordinals()
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    #expect(try store.sources() == ["s"])
    #expect(try store.checkpoints(ofSource: "s").map(\.position.major) == [300])
    #expect(try store.trace(Identifier(text: Array("t1".utf8))).records.count == 10)
    store.close()
  }

  private func spoilCatalog(isLost: Bool) throws {
    if isLost {
      for name in try Files.list(directory.path) where name.hasPrefix("catalog") {
        try Files.remove(directory.file(name))
      }
    } else {
      try editCatalog("UPDATE checkpoints SET crc = crc + 1")
    }
  }

  private func editCatalog(_ sql: String) throws {
    let edit = try Connection(directory.file("catalog.db"), .readWrite)
    try edit.execute(sql)
    edit.close()
  }

  /// When the segment is damaged: before the catalog is, so that an earlier repair has moved it, or with it.
  @Test(arguments: [true, false], [true, false])
  func `a segment that was damaged when the catalog was made anew comes back when it is whole`(
    isLost: Bool, isMovedBefore: Bool
  ) throws {
    let name = try #require(try names("seg-").first)
    let whole = try Files.read(directory.file(name), bytesMax: 1 << 24)
    try cut(name)
    if isMovedBefore { _ = try SegmentStore.repair(directory.path) }
    try spoilCatalog(isLost: isLost)
    let report = try SegmentStore.repair(directory.path)
    #expect(report.catalogWasRebuilt)
    #expect(report.missing.map(\.file) == [name])
    #expect(report.missing.map(\.firstOrdinal) == [1])
    try ordinals(Array(1...10), parts: 1)
    try Files.replaceAtomically(directory.file("damaged/\(name)"), with: whole)
    let mended = try SegmentStore.repair(directory.path)
    #expect(mended.restoredSegments == [name])
    #expect(mended.missing.isEmpty && mended.movedFiles.isEmpty)
    try ordinals()
    let store = try SegmentStore.open(directory: directory.path, options: Self.options)
    #expect(try store.sources() == ["s"])
    #expect(try store.statistics().eventCount == 30)
    store.close()
  }

  @Test(arguments: [true, false])
  func `a segment that was given up comes back when it is whole, in its place or where it was moved`(
    isMoved: Bool
  ) throws {
    let name = try #require(try names("seg-").first)
    try editCatalog("DELETE FROM segments WHERE first_ordinal=1")
    let catalog = try Catalog(directory.file("catalog.db"), create: true)
    try catalog.put(LostRange(first: 1, last: 10, eventCount: 0, name: name, reason: "as older programs had it"))
    catalog.close()
    if isMoved {
      try Files.makeDirectory(directory.file("damaged"))
      let whole = try Files.read(directory.file(name), bytesMax: 1 << 24)
      try Files.replaceAtomically(directory.file("damaged/\(name)"), with: whole)
      try Files.remove(directory.file(name))
    }
    let report = try SegmentStore.repair(directory.path)
    #expect(report.restoredSegments == [name])
    #expect(report.missing.isEmpty && report.movedFiles.isEmpty)
    try ordinals()
  }

  @Test func `a catalog of an older program gets the tables that came later, and no others`() throws {
    try editCatalog("DELETE FROM meta WHERE key='tables_are_complete'; DROP TABLE lost; DROP TABLE reworked")
    try ordinals()
    try editCatalog("DELETE FROM meta WHERE key='tables_are_complete'; DROP TABLE late")
    let error = #expect(throws: StoreError.self) {
      try SegmentStore.open(directory: directory.path, options: Self.options)
    }
    #expect(error?.code == .corrupted && error?.message.contains("late") == true)
    let report = try SegmentStore.repair(directory.path)
    #expect(report.catalogWasRebuilt)
    #expect(report.catalogLosses.contains { $0.contains("another trace") })
    try ordinals()
  }
}
