import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// A hot file of which nobody knows how much it held: what is lost is named for good, and no ordinal is given twice. And
/// one that only cannot be read at the moment, which is not lost.
@Suite("Segment store: a hot file that is lost, or cannot be read") struct LostHotFileTests {
  private let run: FaultRun
  private let truth: [StoredEvent]
  private let name: String
  private var path: String { FaultRun.directory + "/" + name }

  init() throws {
    run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    run.options.durability = .power
    try run.open()
    try run.append(FaultLoopTests.batches(1...10))
    try run.seal()
    for number in 11...16 {
      let large = TestEvent(
        "large-\(number)", trace: "t1", at: 60, data: "\"\(String(repeating: "x", count: 24_000))\"")
      try run.append(FaultLoopTests.batches(number...number) + [SourceBatch([large], source: "second")])
    }
    truth = try run.memory.makeEventCursor(after: 0).next(limit: 10_000)
    let hot = try #require(try run.store.state.generations.last?.file)
    name = DirectoryLayout.hotName(first: hot.first)
    run.crash(.kill)
  }

  enum Loss: String, CaseIterable, Sendable {
    case garbage, lastPage, missing, emptied, missingAtStart, emptiedAtStart

    var isFoundByStart: Bool { self == .missingAtStart || self == .emptiedAtStart }
  }

  private func inflict(_ loss: Loss) throws {
    let connection = try Connection(path, .readWrite, files: run.disk.mount())
    try connection.bringInWAL()
    connection.close()
    var content = try #require(run.disk.content(path))
    switch loss {
    case .garbage: for place in content.indices { content[place] = UInt8(truncatingIfNeeded: place &* 31 &+ 7) }
    case .lastPage:
      for place in content.indices.suffix(HotFile.pageBytes) { content[place] = 0xa5 }
    case .missing, .missingAtStart: for file in DirectoryLayout.withCompanions(path) { run.disk.delete(file) }
    case .emptied, .emptiedAtStart: content = []
    }
    if loss != .missing && loss != .missingAtStart { run.disk.put(path, content) }
    run.disk.reboot(.kill)
  }

  @Test(arguments: Loss.allCases)
  func `what it held is named, and its ordinals are not given again`(loss: Loss) throws {
    try inflict(loss)
    if !loss.isFoundByStart {
      let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
      #expect(report.missing.allSatisfy { $0.file == name } && report.missing.contains { $0.lastOrdinal == nil })
    }
    let byOrdinal = Dictionary(uniqueKeysWithValues: truth.map { ($0.ordinal, $0.id) })
    for life in 1...3 {
      try run.open()
      let store = try run.store
      #expect(store.missingParts().contains(.damagedSegment(name: name)))
      let events = [TestEvent("new-\(life)", trace: "t1", cause: "e4", at: 90)]
      let accepted = try store.append([SourceBatch(events, source: "first")])[0].accepted
      #expect(try #require(accepted.first).ordinal > truth.count)
      let walked = try store.makeEventCursor(after: 0).next(limit: 10_000)
      #expect(walked.filter { "\($0.id)".hasPrefix("new") }.count == life)
      #expect(walked.allSatisfy { $0.ordinal > truth.count || byOrdinal[$0.ordinal] == $0.id })
      if life == 2 { try store.seal() }
      run.crash(.kill)
      let report = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
      #expect(report.isClean, "\(report.problems)")
      #expect(report.setAside.contains { $0.hasPrefix(name) })
    }
    #expect(try SegmentStore.repair(FaultRun.directory, on: run.disk.mount()).missing.isEmpty)
  }

  @Test func `what is lost is named until what was stored before and after it is deleted`() throws {
    try inflict(.missingAtStart)
    run.options.retention.age = .seconds(3_600)
    try run.open()
    for number in 1...2 {
      _ = try run.store.append([SourceBatch([TestEvent("new-\(number)", trace: "t1", at: 90)], source: "first")])
      try run.store.seal()
      run.clock.advance(seconds: 2_400)
      try run.store.applyRetention(now: run.clock.now())
      let isNamed = try run.store.missingParts().contains(.damagedSegment(name: name))
      // First nothing is old enough; then what was stored before it and right behind it.
      #expect(isNamed == (number == 1))
      run.crash(.kill)
      try run.open()
      #expect(try run.store.missingParts().contains(.damagedSegment(name: name)) == isNamed)
      #expect(try SegmentStore.verify(FaultRun.directory, on: run.disk.mount()).isClean)
    }
    #expect(try run.store.statistics().damagedSegmentCount == 0)
    run.close()
  }

  enum Since: CaseIterable, Sendable { case nothing, stored, sealed, merged }

  @Test(arguments: Since.allCases)
  func `one that comes back is taken in, or left alone where events were stored since`(since: Since) throws {
    let files = take()
    let newCount = 12
    if since == .merged { run.options.mergeFactor = 2 }
    try run.open()
    #expect(try run.store.statistics().damagedSegmentCount == 1)
    if since != .nothing {
      let events = (1...newCount).map { TestEvent("new-\($0)", trace: "t1", at: 90) }
      _ = try run.store.append([SourceBatch(events, source: "first")])
    }
    if since == .sealed || since == .merged { try run.store.seal() }
    if since == .merged {
      try run.store.mergeNow()
      #expect(try run.store.state.segments.count == 1)
    }
    run.crash(.kill)
    for (file, content) in files { run.disk.put(file, content) }
    for _ in 1...2 {
      try run.open()
      let walked = try run.store.makeEventCursor(after: 0).next(limit: 10_000)
      let sealedCount = try #require(truth.first { "\($0.id)".contains("e11") }).ordinal - 1
      #expect(walked.count == (since == .nothing ? truth.count : Int(sealedCount) + newCount))
      #expect(try run.store.missingParts() == (since == .nothing ? [] : [.damagedSegment(name: name)]))
      #expect(try run.store.statistics().damagedSegmentCount == (since == .nothing ? 0 : 1))
      run.crash(.kill)
      if since != .nothing { #expect(run.disk.content(path) == files[0].content) }
      let report = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
      #expect(report.isClean, "\(report.problems)")
    }
    if since == .nothing { try expectToGoOn() }
  }

  /// Everything that the file is made of; it is gone afterwards.
  private func take() -> [(path: String, content: [UInt8])] {
    let files = DirectoryLayout.withCompanions(path).compactMap { file in run.disk.content(file).map { (file, $0) } }
    for (file, _) in files { run.disk.delete(file) }
    return files
  }

  @Test(arguments: [false, true])
  func `what was taken out of it before stays lost when it goes, and when it comes back`(isBack: Bool) throws {
    let connection = try Connection(path, .readWrite, files: run.disk.mount())
    try connection.execute(
      "UPDATE batch SET crc=0 WHERE first_ordinal=(SELECT first_ordinal FROM batch ORDER BY 1 LIMIT 1 OFFSET 2)")
    try connection.bringInWAL()
    connection.close()
    run.disk.reboot(.kill)
    let missing = try #require(try SegmentStore.repair(FaultRun.directory, on: run.disk.mount()).missing.first)
    let gap = try missing.firstOrdinal...#require(missing.lastOrdinal)
    let files = take()
    try run.open()
    run.crash(.kill)
    if isBack { for (file, content) in files { run.disk.put(file, content) } }
    for life in 1...2 {
      try run.open()
      #expect(try run.store.missingParts() == [.damagedSegment(name: name)])
      let walked = try run.store.makeEventCursor(after: 0).next(limit: 10_000)
      let kept = truth.filter { isBack ? !gap.contains($0.ordinal) : $0.ordinal < 12 }
      #expect(walked.filter { $0.ordinal <= truth.count } == kept)
      let event = TestEvent("new-\(life)", trace: "t1", at: 90)
      let accepted = try run.store.append([SourceBatch([event], source: "first")])[0].accepted
      #expect(try #require(accepted.first).ordinal > truth.count)
      if life == 2 { try run.store.seal() }
      run.crash(.kill)
      let report = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
      #expect(report.isClean && !report.setAside.isEmpty, "\(report.problems)")
    }
  }

  @Test func `what SQLite has beside an empty one is kept`() throws {
    let wal = try #require(run.disk.content(path + "-wal"))
    run.disk.put(path, [])
    try run.open()
    #expect(try run.store.missingParts() == [.damagedSegment(name: name)])
    run.close()
    #expect(run.disk.content("\(FaultRun.directory)/\(DamagedFiles.directoryName)/\(name)-wal") == wal)
    #expect(run.disk.content(path) == nil)
  }

  @Test func `what SQLite has beside a missing one stays, so that nothing is missing once it is put back`() throws {
    let (main, wal) = (try #require(run.disk.content(path)), try #require(run.disk.content(path + "-wal")))
    run.disk.delete(path)
    for _ in 0..<2 {
      try run.open()
      #expect(try run.store.missingParts() == [.damagedSegment(name: name)])
      run.crash(.kill)
      #expect(run.disk.content(path + "-wal") == wal)
    }
    run.disk.put(path, main)
    try run.open()
    #expect(try run.store.missingParts().isEmpty)
    #expect(try run.store.makeEventCursor(after: 0).next(limit: 10_000).count == truth.count)
    run.close()
  }

  @Test(arguments: [false, true])
  func `what SQLite had beside one that was sealed is deleted, if the segment is whole`(isDamaged: Bool) throws {
    let wal = try #require(run.disk.content(path + "-wal"))
    try run.open()
    try run.seal()
    let segment = try #require(run.store.state.segments.last?.name)
    run.crash(.kill)
    #expect(run.disk.content(path) == nil)
    run.disk.put(path + "-wal", wal)
    if isDamaged { run.disk.delete("\(FaultRun.directory)/\(segment)") }
    try run.open()
    #expect(run.disk.content(path + "-wal") == (isDamaged ? wal : nil))
    let count = try run.store.makeEventCursor(after: 0).next(limit: 10_000).count
    #expect(isDamaged ? count < truth.count : count == truth.count)
    run.close()
  }

  @Test func `what lies in a gap that repair found is kept, though a merged segment reaches over it`() throws {
    let (main, wal) = (try #require(run.disk.content(path)), try #require(run.disk.content(path + "-wal")))
    try run.open()
    try run.seal()
    let segment = try #require(run.store.state.segments.last)
    run.crash(.kill)
    // As `clew repair` writes it where it makes a catalog anew: nobody knows whose the ordinals were.
    let catalog = try Catalog(FaultRun.directory + "/catalog.db", create: true, files: run.disk.mount())
    let range = segment.ordinals
    try catalog.put(
      LostRange(first: range.lowerBound, last: range.upperBound, eventCount: 0, name: "ordinals", reason: "no file"))
    catalog.close()
    run.disk.reboot(.kill)
    run.disk.put(path + "-wal", wal)
    for content in [nil, main] {
      if let content { run.disk.put(path, content) }
      try run.open()
      run.crash(.kill)
      #expect(run.disk.content(path) == content)
      #expect(run.disk.content(path + "-wal") == wal)
    }
  }

  @Test(arguments: [Int64.max, 1])
  func `one that comes back with a damaged key is kept, and what it holds else is read`(key: Int64) throws {
    let files = take()
    try run.open()
    run.crash(.kill)
    for (file, content) in files { run.disk.put(file, content) }
    let connection = try Connection(path, .readWrite, files: run.disk.mount())
    let last = "(SELECT max(first_ordinal) FROM batch)"
    try connection.execute("UPDATE batch SET first_ordinal=\(key) WHERE first_ordinal=\(last)")
    try connection.bringInWAL()
    connection.close()
    run.disk.reboot(.kill)
    try run.open()
    let walked = try run.store.makeEventCursor(after: 0).next(limit: 10_000)
    #expect(walked.count < truth.count && walked.elementsEqual(truth.prefix(walked.count)))
    #expect(walked.count > 11)
    #expect(try run.store.missingParts() == [.damagedSegment(name: name)])
    #expect(run.disk.content(path) != nil)
    run.close()
  }

  /// What was taken in is a part of the store like any other.
  private func expectToGoOn() throws {
    try run.open()
    #expect(try run.store.makeEventCursor(after: 0).next(limit: 10_000) == truth)
    try run.append([SourceBatch([TestEvent("new", trace: "t1", at: 90)], source: "first")])
    try run.seal()
    run.crash(.kill)
    let report = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
    #expect(report.isClean && report.setAside.isEmpty, "\(report.problems)")
    try run.open()
    try run.check()
    #expect(try run.store.makeEventCursor(after: 0).next(limit: 10_000).map(\.ordinal).max() == Int64(truth.count) + 1)
    run.close()
  }

  @Test(arguments: ["", "-wal"], [(5, false), (13, true), (24, true)] as [(Int32, Bool)])
  func `one that the disk refuses stays where it is, and repair says why it stopped`(
    part: String, refusal: (code: Int32, opening: Bool)
  ) throws {
    let before = run.disk.snapshot().map(\.path)
    run.disk.refuse(path + part, code: refusal.code, opening: refusal.opening)
    let error = #expect(throws: StoreError.self) {
      try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
    }
    #expect(error?.code == .inputOutput && error?.message.contains(name) == true, "\(String(describing: error))")
    run.disk.refuse(path + part, code: nil)
    run.disk.reboot(.kill)
    #expect(run.disk.snapshot().map(\.path).filter { !$0.hasSuffix("-shm") } == before.filter { !$0.hasSuffix("-shm") })
    #expect(try SegmentStore.repair(FaultRun.directory, on: run.disk.mount()).isClean)
    try run.open()
    #expect(try run.store.makeEventCursor(after: 0).next(limit: 10_000) == truth)
    run.close()
  }
}
