import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Bits that change and files that end early, anywhere in a store: noticed or harmless, never a wrong answer.
@Suite("Segment store: damage anywhere") struct DamageTests {
  /// Of each file; every one where the file has fewer.
  private static let flipsOfFile = CurrentProcess.environment("CLEW_DAMAGES").flatMap { Int($0) } ?? 40

  private let base: FaultRun
  private let truth: [Int64: StoredEvent]

  init() throws {
    base = FaultRun(SimulatedDisk())
    base.options.mergeFactor = 0
    base.options.durability = .power
    try base.open()
    try base.append(FaultLoopTests.batches(1...30))
    try base.seal()
    try base.append(FaultLoopTests.batches(25...60))
    try base.seal()
    for start in stride(from: 61, to: 80, by: 3) { try base.append(FaultLoopTests.batches(start...(start + 2))) }
    let all = try base.memory.makeEventCursor(after: 0).next(limit: 10_000)
    truth = Dictionary(uniqueKeysWithValues: all.map { ($0.ordinal, $0) })
    base.crash(.kill)
  }

  private func files(_ prefix: String) -> [(path: String, content: [UInt8])] {
    base.disk.snapshot().filter { $0.path.hasPrefix("\(FaultRun.directory)/\(prefix)") && !$0.content.isEmpty }
  }

  @Test(arguments: ["seg-", "hot-", "catalog"])
  func `a bit that changes is noticed or harmless`(prefix: String) throws {
    var random = SeededRandom(seed: 5)
    for (path, content) in files(prefix) {
      for _ in 0..<min(Self.flipsOfFile, content.count * 8) {
        let bit = random.below(content.count * 8)
        let disk = base.disk.copy(seed: 1)
        disk.flip(path, bit: bit)
        try expectNoLie(disk, path, "bit \(bit) of \(path), \(content.count) bytes")
      }
    }
  }

  @Test(arguments: ["seg-", "hot-", "catalog"])
  func `a file that ends early is noticed or harmless`(prefix: String) throws {
    var random = SeededRandom(seed: 6)
    for (path, content) in files(prefix) {
      var lengths = [0, 1, 99, 100, 512, content.count - 1, content.count - 512]
      lengths += (0..<(Self.flipsOfFile / 3)).map { _ in random.below(content.count) }
      for length in lengths where length >= 0 && length < content.count {
        let disk = base.disk.copy(seed: 1)
        disk.put(path, Array(content[..<length]))
        try expectNoLie(disk, path, "\(length) of \(content.count) bytes of \(path)")
      }
    }
  }

  @Test func `a table that the catalog lost is named, and not taken for an empty one`() throws {
    let disk = base.disk.copy(seed: 1)
    let files = disk.mount()
    let path = "\(FaultRun.directory)/\(DirectoryLayout.catalogName)"
    let catalog = try Connection(path, .readWrite, files: files)
    try catalog.execute("DROP TABLE late")
    catalog.close()
    let report = try SegmentStore.verify(FaultRun.directory, on: files)
    #expect(report.problems.contains { "\($0)".contains("table late is missing") }, "\(report.problems)")
  }

  /// Opens the damaged store and asks for everything.
  private func expectNoLie(_ disk: SimulatedDisk, _ path: String, _ about: String) throws {
    let run = FaultRun(disk, options: base.options, clock: base.clock)
    defer { run.close() }
    do {
      try run.open()
    } catch {
      // Segments never stop a store; without its catalog, or the file that is written, it says so and does not open.
      #expect(error is StoreError && !path.contains("/seg-"), "\(about): \(error)")
      return
    }
    let store = try run.store
    do {
      let walked = try store.makeEventCursor(after: 0).next(limit: 10_000)
      for event in walked { try #require(isTrue(event), "\(about): \(event)") }
      try #require(Set(walked.map(\.ordinal)).count == walked.count, "\(about): an event twice")
      for event in truth.values.sorted(by: { $0.ordinal < $1.ordinal }) where event.ordinal % 7 == 0 {
        for found in try store.events(withID: event.id) where found.eventClass != .report {
          try #require(isTrue(found), "\(about): by id \(event.id)")
        }
        guard let trace = event.correlation else { continue }
        let records = try store.trace(trace).records
        try #require(records.allSatisfy { truth[$0.ordinal]?.id == $0.id }, "\(about): trace \(trace)")
      }
      _ = try store.handlerStatistics(in: .all)
      _ = try store.flow(in: .all)
      try expectNamed(walked, run, path, about)
      _ = try store.append(FaultLoopTests.batches(100...104))
    } catch let error as StoreError {
      // A damaged segment is left out of every answer; it makes none of them fail.
      #expect(error.code == .corrupted || error.code == .inputOutput, "\(about): \(error)")
      #expect(!path.contains("/seg-"), "\(about): \(error)")
    }
  }

  /// What is there is as it was stored. Its trace may have been inherited from what is damaged now.
  private func isTrue(_ event: StoredEvent) -> Bool {
    guard var known = truth[event.ordinal] else { return false }
    known.correlation = event.correlation
    return known == event
  }

  /// Whatever is missing is named.
  private func expectNamed(_ walked: [StoredEvent], _ run: FaultRun, _ path: String, _ about: String) throws {
    let seen = Set(walked.map(\.ordinal))
    let lost = truth.keys.filter { !seen.contains($0) }.sorted()
    if lost.isEmpty { return }
    if path.hasSuffix("-wal") {
      // SQLite takes a WAL up to its first damaged frame for the whole of it: what is lost is the end of a hot file.
      let least = lost[0]
      #expect(lost == truth.keys.filter { $0 >= least }.sorted(), "\(about): \(lost) are lost")
      return
    }
    if let range = path.split(separator: "/").last.flatMap({ DirectoryLayout.segmentRange(String($0)) }) {
      #expect(lost.allSatisfy(range.contains), "\(about): \(lost) are lost, of which some are elsewhere")
    }
    #expect(run.isDegraded, "\(about): \(lost.count) events are missing, and nothing says so")
  }
}
