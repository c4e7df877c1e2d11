import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// `clew repair` while every operation of the disk fails once: the first, the second, … until it is done without meeting
/// the fault. Run again it ends where it would have ended undisturbed, and in between the store opens or says why not.
@Suite("Segment store: a fault at every operation of repair") struct RepairFaultTests {
  /// What there is to repair.
  enum Damage: String, CaseIterable, Sendable {
    case segment, lastSegmentAndCatalog, catalog, catalogTable, hotRow, hotPage, hotFile, mendedSegment

    /// Files with damage, on a disk without faults.
    func inflict(on run: FaultRun) throws {
      let files = run.disk.mount()
      let names = run.disk.snapshot().map { String($0.path.dropFirst(FaultRun.directory.count + 1)) }
      let segments = names.filter { DirectoryLayout.segmentRange($0) != nil }
      let hot = try #require(names.last { DirectoryLayout.hotFirst($0) != nil })
      switch self {
      case .segment: Self.spoil(segments[0], run)
      case .lastSegmentAndCatalog:
        Self.spoil(segments[1], run)
        Self.destroyCatalog(run)
      case .catalog: Self.destroyCatalog(run)
      case .catalogTable:
        let catalog = try Connection(Self.path(DirectoryLayout.catalogName), .readWrite, files: files)
        try catalog.execute("UPDATE checkpoints SET crc = crc + 1")
        catalog.close()
      case .hotRow:
        let connection = try Connection(Self.path(hot), .readWrite, files: files)
        try connection.execute(
          "UPDATE batch SET crc = crc + 1 WHERE first_ordinal = (SELECT max(first_ordinal) FROM batch)")
        connection.close()
      case .hotPage, .hotFile:
        let connection = try Connection(Self.path(hot), .readWrite, files: files)
        try connection.bringInWAL()
        connection.close()
        Self.spoil(hot, run, from: self == .hotFile ? 100 : nil)
      case .mendedSegment:
        let whole = try #require(run.disk.content(Self.path(segments[0])))
        Self.spoil(segments[0], run)
        _ = try SegmentStore.repair(FaultRun.directory, on: files)
        run.disk.put(Self.path(DamagedFiles.directoryName + "/" + segments[0]), whole)
      }
    }

    private static func path(_ name: String) -> String { FaultRun.directory + "/" + name }

    /// - Parameter from: nil: one page in the middle; else all from there on.
    private static func spoil(_ name: String, _ run: FaultRun, from: Int? = nil) {
      guard var content = run.disk.content(path(name)) else { return }
      let middle = content.count / 2 / HotFile.pageBytes * HotFile.pageBytes
      let range = from.map { $0..<content.count } ?? middle..<min(content.count, middle + HotFile.pageBytes)
      for place in range { content[place] = UInt8(truncatingIfNeeded: place &* 31 &+ 7) }
      run.disk.put(path(name), content)
    }

    private static func destroyCatalog(_ run: FaultRun) {
      run.disk.put(path(DirectoryLayout.catalogName), Array(repeating: 0x55, count: 20_000))
      run.disk.delete(path(DirectoryLayout.catalogName + "-wal"))
    }
  }

  /// What a store says after it was repaired.
  private struct Answer: Equatable, CustomStringConvertible {
    var events: [StoredEvent] = []
    var checkpoints: [SourceCheckpoint] = []
    var missing: [String] = []
    var lastOrdinal: Int64 = 0

    init(_ run: FaultRun) throws {
      let store = try run.store
      events = try store.makeEventCursor(after: 0).next(limit: 10_000)
      for source in try store.sources().sorted() { checkpoints += try store.checkpoints(ofSource: source) }
      missing = store.missingParts().map { "\($0)" }.sorted()
      lastOrdinal = store.lastOrdinal
    }

    var description: String {
      "\(events.map(\.ordinal)), checkpoints \(checkpoints.map(\.position.major)), missing \(missing), last \(lastOrdinal)"
    }
  }

  private static func makeDamaged(_ damage: Damage) throws -> (run: FaultRun, truth: [StoredEvent]) {
    let run = try FaultRun.withSegment(of: 1...8)
    try run.append(FaultLoopTests.batches(9...16))
    try run.seal()
    for number in 17...22 {
      let large = TestEvent(
        "large-\(number)", trace: "t1", at: 60, data: "\"\(String(repeating: "x", count: 24_000))\"")
      try run.append(FaultLoopTests.batches(number...number) + [SourceBatch([large], source: "second")])
    }
    let truth = try run.memory.makeEventCursor(after: 0).next(limit: 10_000)
    run.crash(.kill)
    try damage.inflict(on: run)
    return (run, truth)
  }

  @Test(arguments: Damage.allCases, FaultLoopTests.Trouble.allCases)
  func `repair ends where it would have ended undisturbed`(damage: Damage, trouble: FaultLoopTests.Trouble) throws {
    let (base, truth) = try Self.makeDamaged(damage)
    let expected = try undisturbed(base, damage, truth)
    // Reading is most of it; all of it is done by `CLEW_FAULTS=all`.
    let step =
      CurrentProcess.environment("CLEW_FAULTS") == "all" ? 1 : trouble.fault(at: 1).scope == .everything ? 61 : 2
    var operation = 1
    while try meets(damage, trouble, operation, base, expected) {
      operation += operation > 20 ? step : 1
    }
    #expect(operation > 3, "the loop met no fault")
  }

  private func undisturbed(_ base: FaultRun, _ damage: Damage, _ truth: [StoredEvent]) throws -> Answer {
    let run = try base.copy(seed: 1)
    let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
    try run.open()
    defer { run.close() }
    let answer = try Answer(run)
    let byOrdinal = Dictionary(uniqueKeysWithValues: truth.map { ($0.ordinal, $0.id) })
    #expect(answer.events.allSatisfy { byOrdinal[$0.ordinal] == $0.id })
    let lost = Set(truth.map(\.ordinal)).subtracting(answer.events.map(\.ordinal))
    switch damage {
    case .catalog, .catalogTable, .mendedSegment:
      #expect(lost.isEmpty && report.missing.isEmpty && answer.missing.isEmpty, "\(answer)")
    case .segment, .lastSegmentAndCatalog, .hotRow, .hotPage, .hotFile:
      #expect(!lost.isEmpty && lost.count < truth.count, "\(answer)")
      for ordinal in lost {
        #expect(
          report.missing.contains { $0.firstOrdinal <= ordinal && ordinal <= $0.lastOrdinal ?? .max }, "\(ordinal)")
      }
    }
    return answer
  }

  /// - Returns: whether the fault was met.
  private func meets(
    _ damage: Damage, _ trouble: FaultLoopTests.Trouble, _ operation: Int, _ base: FaultRun, _ expected: Answer
  ) throws -> Bool {
    let about = "\(damage) \(trouble) at operation \(operation)"
    let run = try base.copy(seed: UInt64(operation))
    run.disk.arm(trouble.fault(at: operation))
    var refusal: (any Error)?
    do { _ = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount()) } catch { refusal = error }
    let isMet = run.disk.faultCount > 0
    do {
      try #require(refusal == nil || refusal is StoreError && isMet, "\(about): \(String(describing: refusal))")
      run.disk.reboot(isMet ? trouble.restart ?? .kill : .kill)
      if operation % 2 == 0 { try openBetween(run, expected) }
      let report = try SegmentStore.repair(FaultRun.directory, on: run.disk.mount())
      try run.open()
      let answer = try Answer(run)
      try #require(answer == expected, "\(about): \(answer), and undisturbed \(expected); second run \(report)")
      run.close()
      let verified = try SegmentStore.verify(FaultRun.directory, on: run.disk.mount())
      try #require(verified.isClean, "\(about): \(verified.problems)")
    } catch {
      Issue.record("\(about): \(error), after \(String(describing: refusal))")
    }
    run.close()
    return isMet
  }

  /// A store that is opened after an interrupted repair says nothing wrong, and takes nothing from the next one.
  private func openBetween(_ run: FaultRun, _ expected: Answer) throws {
    do {
      try run.open()
    } catch {
      guard let error = error as? StoreError, error.code == .corrupted else { throw error }
      return
    }
    let known = Dictionary(uniqueKeysWithValues: expected.events.map { ($0.ordinal, $0.id) })
    for event in try run.store.makeEventCursor(after: 0).next(limit: 10_000) {
      if let id = known[event.ordinal], id != event.id { throw Unexplained(text: "\(event)") }
    }
    run.crash(.kill)
  }
}
