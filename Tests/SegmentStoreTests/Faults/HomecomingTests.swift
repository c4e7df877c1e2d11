import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// A segment is away while events are stored that have to do with its own, and comes back: all is as if it had never
/// been away.
@Suite("Segment store: a segment that comes back") struct HomecomingTests {
  private static let inputOutput: Int32 = 5

  private let run: FaultRun
  private let row: CatalogSegment
  private let whole: [UInt8]
  private var path: String { "\(FaultRun.directory)/\(row.name)" }
  private var moved: String { "\(FaultRun.directory)/\(DamagedFiles.directoryName)/\(row.name)" }

  /// What is in the segment that goes, and in the one behind it.
  init() throws {
    run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    run.options.durability = .power
    try run.open()
    try run.append(
      FaultLoopTests.batches(1...30) + [
        SourceBatch(
          [
            TestEvent("c", trace: "t", at: 70), TestEvent("in-p", trace: "p", at: 71), TestEvent("q", at: 72),
            TestEvent("waiting", trace: "t", cause: "comes-later", type: "N", at: 73),
            // One whose id names its trace, and one whose cause is such an event, which comes later.
            TestEvent("root", trace: "root", at: 74), TestEvent("of-later", trace: "later", cause: "later", at: 75),
          ], source: "first")
      ])
    try run.seal()
    try run.append(
      FaultLoopTests.batches(31...60) + [
        SourceBatch([TestEvent("d", trace: "t", at: 80), TestEvent("k", cause: "d", at: 81)], source: "second"),
        SourceBatch([TestEvent("k", trace: "t", cause: "c", at: 82)], source: "first"),
      ])
    try run.seal()
    row = try #require(try run.store.state.segments.first?.row)
    whole = try #require(run.disk.content("\(FaultRun.directory)/\(row.name)"))
    run.crash(.kill)
  }

  /// How the segment goes, and how it comes back.
  enum Way: String, CaseIterable, Sendable {
    /// The disk refuses it for a while.
    case refused
    /// Damaged; a copy is put back under its name.
    case copied
    /// Damaged; moved and taken back by `clew repair`.
    case repaired
    /// As before, by a program that takes no notes.
    case copiedOlder, repairedOlder
  }

  private func takeAway(_ way: Way) throws {
    switch way {
    case .refused: run.disk.refuse(path, code: Self.inputOutput)
    case .copied, .copiedOlder: run.disk.put(path, Array(whole[..<(whole.count / 2)]))
    case .repaired, .repairedOlder:
      run.disk.put(path, Array(whole[..<(whole.count / 2)]))
      let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
      #expect(report.missing.map(\.file) == [row.name])
    }
    try run.open()
    #expect(try run.store.missingParts() == [.damagedSegment(name: row.name)])
  }

  private func bringBack(_ way: Way) throws {
    run.crash(.kill)
    if way == .copiedOlder || way == .repairedOlder { try forgetNotes() }
    switch way {
    case .refused: run.disk.refuse(path, code: nil)
    case .copied, .copiedOlder: run.disk.put(path, whole)
    case .repaired, .repairedOlder:
      run.disk.put(moved, whole)
      let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
      #expect(report.restoredSegments == [row.name])
    }
  }

  private func forgetNotes() throws {
    let catalog = try Catalog(FaultRun.directory + "/catalog.db", create: true, files: run.disk.mount())
    try catalog.removeNotes(aside: [row.name])
    catalog.close()
    run.disk.reboot(.kill)
  }

  private func notes() throws -> [String] {
    try run.store.withCatalog { (catalog) throws(StoreError) in
      try catalog.load().flags.compactMap { CatalogRow.Meta.nameAside($0) }
    }
  }

  @Test(arguments: Way.allCases, [false, true])
  func `what was stored meanwhile has the causes and traces that it could not get`(way: Way, isSealed: Bool) throws {
    try takeAway(way)
    try run.append([
      SourceBatch(
        [
          TestEvent("n1", trace: "t1", cause: "e4", type: "N", at: 90, service: "shop", handler: "late"),
          TestEvent("n2", cause: "e2", type: "N", at: 91, service: "shop", handler: "late"),
          TestEvent("n3", cause: "n2", type: "N", at: 92, service: "shop", handler: "late"),
          TestEvent("n4", trace: "t1", cause: "nowhere", type: "N", at: 93, service: "shop", handler: "late"),
          TestEvent("comes-later", trace: "t", type: "N", at: 94),
          // Of a trace whose only event is away, and of one that is only now.
          TestEvent("p", at: 95), TestEvent("in-q", trace: "q", at: 96),
          // The first event of the id k leaves the trace t, so that the second one counts, whose cause is away.
          TestEvent("in-k", trace: "k", at: 97),
          TestEvent("of-root", trace: "root", cause: "root", type: "N", at: 97, service: "shop", handler: "late"),
          TestEvent("later", trace: "later", at: 97),
        ], source: "first")
    ])
    if isSealed { try run.seal() }
    try bringBack(way)
    // Until the hot file is sealed that says so, each start finds it out again.
    for isLast in [false, true] {
      try run.open()
      try expectSpecified()
      if isLast {
        try run.append([SourceBatch([TestEvent("last", at: 98)], source: "first")])
        try run.seal()
        try expectSpecified()
        #expect(try notes().isEmpty)
      }
      run.crash(.kill)
    }
    try run.open()
    try expectSpecified()
    #expect(try run.store.missingParts().isEmpty)
    #expect(try notes().isEmpty)
    run.close()
    #expect(try SegmentStore.verify(FaultRun.directory, on: run.disk.mount()).isClean)
  }

  @Test func `what the catalog could not be told at the start it is told with the next event`() throws {
    try takeAway(.refused)
    // As a start leaves it that could not write.
    try run.store.withCatalog { (catalog) throws(StoreError) in try catalog.removeNotes(aside: [row.name]) }
    try run.store.state.notedAside = []
    try run.append([SourceBatch([TestEvent("n", trace: "t", cause: "c", at: 90)], source: "first")])
    #expect(try notes() == [row.name])
    try run.seal()
    try bringBack(.refused)
    try run.open()
    try expectSpecified()
    run.close()
  }

  @Test func `what came back is not merged before what was missed is sealed`() throws {
    try takeAway(.copied)
    try run.append([
      SourceBatch(
        [TestEvent("of-root", trace: "root", cause: "root", type: "N", at: 90, service: "shop", handler: "late")],
        source: "first")
    ])
    try run.seal()
    try bringBack(.copied)
    run.options.mergeFactor = 2
    run.options.sealEventCount = 50
    for _ in 1...2 {
      try run.open()
      try run.merge()
      #expect(try run.store.state.segments.count == 3)
      try expectSpecified()
      run.crash(.kill)
    }
    try run.open()
    try run.append([SourceBatch([TestEvent("last", at: 98)], source: "first")])
    try run.seal()
    try run.merge()
    #expect(try run.store.state.segments.count < 4)
    try expectSpecified()
    run.close()
  }

  @Test func `while nothing has come back a start looks for nothing`() throws {
    try takeAway(.copied)
    try run.append([SourceBatch([TestEvent("elsewhere", trace: "u", cause: "e31", at: 90)], source: "first")])
    try run.seal()
    run.crash(.kill)
    try run.open()
    #expect(try notes() == [row.name])
    #expect(try Homecoming(run.store.state) == nil)
    run.close()
  }

  @Test func `one that goes again before its events are sealed is noted again`() throws {
    try takeAway(.copied)
    try run.append([SourceBatch([TestEvent("n", trace: "t", cause: "c", at: 90)], source: "first")])
    try run.seal()
    try bringBack(.copied)
    try run.open()
    try run.append([SourceBatch([TestEvent("more", trace: "t", at: 91)], source: "first")])
    let handle = try #require(try run.store.state.segments.first)
    handle.note(StoreError(.corrupted, "so says the test", hint: ""), log: Log { _ in })
    try run.append([SourceBatch([TestEvent("n2", trace: "t", cause: "c", at: 92)], source: "first")])
    try run.seal()
    #expect(try notes() == [row.name])
    run.crash(.kill)
    try run.open()
    try expectSpecified()
    run.close()
  }

  @Test func `a trace is read once, however many of its events missed their cause`() throws {
    func cost(_ count: Int) throws -> Int {
      let run = try Self.withMissed(count)
      run.disk.arm(SimulatedDisk.Fault(.crash, at: .max, scope: .everything))
      try run.open()
      let operations = run.disk.operationCount
      #expect(try run.store.flow(in: .all).reduce(0) { $0 + $1.count } == count)
      run.close()
      return operations
    }
    let (some, twice) = (try cost(150), try cost(300))
    #expect(twice < 3 * some, "\(some) and \(twice) operations")
  }

  /// A store whose first segment has just been put back; so many events of its trace were stored meanwhile.
  private static func withMissed(_ count: Int) throws -> FaultRun {
    let run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    run.options.blockCacheBytes = 0
    try run.open()
    try run.append([SourceBatch([TestEvent("c", trace: "t")], source: "first")])
    try run.seal()
    let path = FaultRun.directory + "/" + (try #require(try run.store.state.segments.first?.name))
    run.crash(.kill)
    run.disk.refuse(path, code: inputOutput)
    try run.open()
    var random = SeededRandom(seed: 1)
    let events = (1...count).map { number in
      let text = random.bytes(4_000).map { String($0, radix: 16) }.joined()
      return TestEvent("n\(number)", trace: "t", cause: "c", at: Int64(number), data: "\"\(text)\"")
    }
    try run.append([SourceBatch(events, source: "first")])
    try run.seal()
    run.crash(.kill)
    run.disk.refuse(path, code: nil)
    return run
  }

  /// How many traces there are may be told too high: some began a second time while their beginning could not be read.
  private func expectSpecified() throws {
    let (store, memory) = (try run.store, run.memory)
    let all = try memory.makeEventCursor(after: 0).next(limit: 10_000)
    #expect(try store.makeEventCursor(after: 0).next(limit: 10_000) == all)
    for trace in Set(all.compactMap(\.correlation)) {
      #expect(try store.trace(trace).records.map(\.ordinal) == memory.trace(trace).records.map(\.ordinal))
    }
    #expect(try store.flow(in: .all) == memory.flow(in: .all))
    let (found, wanted) = (try store.handlerStatistics(in: .all), try memory.handlerStatistics(in: .all))
    #expect(found.map { "\($0.handler) \($0.count)" } == wanted.map { "\($0.handler) \($0.count)" })
    #expect(try store.statistics().unresolvedCount == memory.statistics().unresolvedCount)
  }
}
