import EventModel
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// One segment that the disk refuses to read, or the system to open: nothing else suffers, and nothing is given up.
@Suite("Segment store: a segment that cannot be read") struct UnreadableSegmentTests {
  private static let inputOutput: Int32 = 5
  private static let permissionDenied: Int32 = 13
  private static let tooManyOpenFiles: Int32 = 24

  private let run: FaultRun
  private let truth: [StoredEvent]
  private let row: CatalogSegment
  private var path: String { "\(FaultRun.directory)/\(row.name)" }

  init() throws {
    run = FaultRun(SimulatedDisk())
    run.options.mergeFactor = 0
    run.options.durability = .power
    try run.open()
    try run.append(FaultLoopTests.batches(1...30))
    try run.seal()
    try run.append(FaultLoopTests.batches(31...60))
    try run.seal()
    try run.append(FaultLoopTests.batches(61...70))
    truth = try run.memory.makeEventCursor(after: 0).next(limit: 10_000)
    let segments = try run.store.state.segments.map(\.row)
    try #require(segments.count == 2)
    row = segments[0]
    run.crash(.kill)
  }

  @Test(arguments: [false, true])
  func `one that the disk refuses at the start is named, the rest answers, and it comes back`(opening: Bool) throws {
    run.disk.refuse(path, code: Self.inputOutput, opening: opening)
    try run.open()
    try expectTheRest()
    let report = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
    #expect(report.problems.contains { "\($0)".contains(row.name) }, "\(report.problems)")
    try expectAllAfterRestart()
  }

  @Test func `one that the disk refuses later is named, the rest answers, and it comes back`() throws {
    try run.open()
    // What was read to open it is in SQLite's cache.
    for segment in try run.store.state.segments { segment.reader.resources.release(.kinds) }
    run.disk.refuse(path, code: Self.inputOutput)
    try expectTheRest()
    try expectAllAfterRestart()
  }

  @Test(arguments: [permissionDenied, tooManyOpenFiles])
  func `one that the system refuses to open ends the start, and is not given up`(code: Int32) throws {
    run.disk.refuse(path, code: code, opening: true)
    let error = #expect(throws: StoreError.self) { try run.open() }
    #expect(error?.code == .inputOutput && error?.message.contains(row.name) == true, "\(String(describing: error))")
    try expectAllAfterRestart()
  }

  @Test func `what is sent again is a duplicate where a damaged segment can still be read`() throws {
    let files = run.disk.mount()
    let connection = try Connection(path, .readWrite, files: files)
    try connection.execute("UPDATE sketches SET crc = crc + 1")
    connection.close()
    run.disk.reboot(.kill)
    try run.open()
    _ = try run.store.handlerStatistics(in: .all)
    for _ in 0..<2 {
      #expect(try run.store.missingParts() == [.damagedSegment(name: row.name)])
      let outcome = try run.store.append(FaultLoopTests.batches(1...30))[0]
      #expect(outcome.duplicateCount == 30 && outcome.accepted.isEmpty)
      // The next start finds it in the catalog.
      run.crash(.kill)
      try run.open()
    }
    let outcome = try run.store.append([SourceBatch([TestEvent("new")], source: "first")])[0]
    #expect(outcome.accepted.count == 1)
    run.close()
  }

  @Test func `what retention deleted of a damaged segment is no duplicate any more, and its file is gone`() throws {
    let connection = try Connection(path, .readWrite, files: run.disk.mount())
    try connection.execute("UPDATE sketches SET crc = crc + 1")
    connection.close()
    run.disk.reboot(.kill)
    run.options.retention.age = .seconds(50)
    try run.open()
    _ = try run.store.handlerStatistics(in: .all)
    let before = try run.store.append(FaultLoopTests.batches(1...30))[0]
    #expect(before.duplicateCount == 30)
    run.clock.advance(seconds: 1000)
    try run.applyRetention()
    #expect(!run.isDegraded)
    #expect(!run.disk.mount().exists(path))
    let after = try run.store.append(FaultLoopTests.batches(1...30))[0]
    #expect(after.accepted.count == 30 && after.duplicateCount == 0)
    run.close()
  }

  private func expectTheRest() throws {
    let store = try run.store
    let wanted = truth.filter { !(row.firstOrdinal...row.lastOrdinal).contains($0.ordinal) }
    let walked = try store.makeEventCursor(after: 0).next(limit: 10_000)
    #expect(walked.map(\.ordinal) == wanted.map(\.ordinal))
    for event in wanted {
      #expect(try store.events(withID: event.id).contains { $0.ordinal == event.ordinal })
      guard let trace = event.correlation else { continue }
      #expect(try store.trace(trace).records.contains { $0.ordinal == event.ordinal })
    }
    _ = try store.handlerStatistics(in: .all)
    _ = try store.flow(in: .all)
    let named = store.missingParts().map { part in
      if case .damagedSegment(let name) = part { name } else { "\(part)" }
    }
    #expect(named == [row.name])
  }

  private func expectAllAfterRestart() throws {
    run.crash(.kill)
    run.disk.refuse(path, code: nil)
    try run.open()
    #expect(try run.store.missingParts().isEmpty)
    try run.check()
    run.close()
  }
}
