import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Merging changes files, and no answer.
@Suite("Segment store: merging") struct StoreMergingTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("store") }

  static func options(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    var options = StoreOptions()
    options.durability = .process
    options.retention.freeDiskBytes = 0
    options.sealEventCount = 2
    options.mergeFactor = 2
    options.mergeLevelMax = 12
    change(&options)
    return options
  }

  @Test(arguments: StoreConformance.cases)
  func `the contract, merged between any two operations, and every other time reopened`(
    _ each: StoreConformance.Case
  ) throws {
    var count = 0
    try run(each) { store in
      try store.seal()
      try store.mergeNow()
      count += 1
      if count % 2 == 0 { return store }
      store.close()
      return try SegmentStore.open(directory: store.directory, options: Self.options())
    }
  }

  private func run(
    _ each: StoreConformance.Case, _ disturb: @escaping (SegmentStore) throws -> SegmentStore
  ) throws {
    var directories: [TemporaryDirectory] = []
    try each.run {
      let directory = try TemporaryDirectory("store")
      directories.append(directory)
      return try SegmentStore.open(directory: directory.path, options: Self.options())
    } disturb: { store in
      guard let known = store as? SegmentStore else { return store }
      return try disturb(known)
    }
  }

  @Test(arguments: 1...12)
  func `answers as the memory store does, whatever is merged in between`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(1_000 + seed))
    var run = try DifferentialRun(sealEventCount: 2 + seed % 5) { options in
      options.mergeFactor = 2 + seed % 3
      options.mergeLevelMax = 12
    }
    for _ in 0..<12 {
      try run.append(Workload.batches(&random))
      switch random.below(5) {
      case 0: try run.subject.seal()
      case 1: try run.reopen()
      case 2, 3: try run.subject.mergeNow()
      default: break
      }
      try run.compare()
    }
    try run.subject.seal()
    try run.subject.mergeNow()
    try run.compare()
    let report = try SegmentStore.verify(run.directory.path)
    #expect(report.isClean, "\(report.problems)")
    try run.reopen()
    try run.compare()
    #expect(try Files.list(run.directory.path).filter { $0.hasPrefix("seg-") }.count < 8)
    run.subject.close()
  }

  private func open(_ options: StoreOptions) throws -> SegmentStore {
    try SegmentStore.open(directory: directory.path, options: options)
  }

  private func append(_ store: SegmentStore, _ numbers: ClosedRange<Int>) throws {
    let events = numbers.map { number in
      TestEvent(
        "e\(number)", trace: "t\(number % 4)", cause: number > 4 ? "e\(number - 4)" : nil, at: Int64(number),
        handler: "h", data: "{\"n\":\(number)}")
    }
    let checkpoint = SourceCheckpoint(source: "s", position: SourcePosition(major: UInt64(numbers.upperBound)))
    _ = try store.append([SourceBatch(events, source: "s", checkpoint: checkpoint)])
  }

  private func expectAll(_ store: SegmentStore, _ count: Int) throws {
    let walked = try store.makeEventCursor(after: 0).next(limit: count + 1)
    #expect(walked.map(\.id.description) == (1...count).map { "e\($0)" })
    #expect(try store.statistics().eventCount == count)
    #expect(try store.statistics().traceCount == 4)
    #expect(try store.handlerStatistics(in: .all).map(\.count) == [count - 4])
    #expect(store.missingParts().isEmpty)
    let report = try SegmentStore.verify(directory.path)
    #expect(report.isClean, "\(report.problems)")
    #expect(report.strangeFiles.isEmpty)
  }

  @Test(arguments: ["merge-begins", "merge-written", "merge-renamed", "before-merge-commit", "merge-published"])
  func `a crash at any step of merging loses nothing and doubles nothing`(step: String) throws {
    let isArmed = Locked(false)
    let first = try open(
      Self.options { options in
        options.failurePoint = { (reached) throws(StoreError) in
          if reached == step, isArmed.withLock({ $0 }) {
            throw StoreError(.inputOutput, "crash at \(step)", hint: "")
          }
        }
        options.sealEventCount = 1_000
      })
    for start in stride(from: 1, to: 64, by: 4) {
      try append(first, start...(start + 3))
      if start == 33 { isArmed.withLock { $0 = true } }
      try first.seal()
    }
    try first.mergeNow()
    #expect(first.counters.mergeFailureCount > 0)
    first.close()
    let second = try open(Self.options())
    try second.mergeNow()
    try expectAll(second, 64)
    second.close()
    let third = try open(Self.options())
    try expectAll(third, 64)
    third.close()
  }

  @Test func `a file with events that lost their trace is merged again`() throws {
    var run = try DifferentialRun(sealEventCount: 100) { options in
      options.mergeFactor = 2
      options.mergeLevelMax = 12
    }
    // The child inherits from the other source's event until its own source has one, which is in no trace.
    try run.append([SourceBatch([TestEvent("cause", trace: "t")], source: "first")])
    try run.append([SourceBatch([TestEvent("child", cause: "cause")], source: "second")])
    try run.subject.seal()
    try run.append([SourceBatch([TestEvent("cause", at: 1)], source: "second")])
    try run.subject.seal()
    try run.subject.mergeNow()
    try run.append([SourceBatch((0..<3).map { TestEvent("more \($0)", at: 2) }, source: "second")])
    try run.subject.seal()
    try run.subject.mergeNow()
    try run.compare()
    #expect(try Files.list(run.directory.path).filter { $0.hasPrefix("seg-") }.count == 1)
    run.subject.close()
  }

  @Test func `readers in other threads see every event once while segments are merged`() throws {
    let store = try open(Self.options { $0.sealEventCount = 16 })
    try append(store, 1...4)
    let isDone = Locked(false)
    let failures = Locked<[String]>([])
    let readers = (0..<2).map { _ in
      WorkerThread(name: "reader") {
        while !isDone.withLock({ $0 }) {
          do {
            let ordinals = try store.makeEventCursor(after: 0).next(limit: 10_000).map(\.ordinal)
            let trace = try store.trace(Identifier(text: Array("t1".utf8))).records.map(\.ordinal)
            let known = try store.events(withID: Identifier(text: Array("e3".utf8))).count
            let edges = try store.handlerStatistics(in: .all).map(\.count).reduce(0, +)
            if ordinals != Array(1...Int64(ordinals.count)) { failures.withLock { $0.append("cursor \(ordinals)") } }
            if trace != trace.indices.map({ Int64($0 * 4 + 1) }) { failures.withLock { $0.append("trace \(trace)") } }
            if known != 1 { failures.withLock { $0.append("\(known) of one id") } }
            if edges < ordinals.count - 4 { failures.withLock { $0.append("\(edges) edges") } }
          } catch {
            failures.withLock { $0.append("\(error)") }
          }
        }
      }
    }
    for start in stride(from: 5, to: 1_200, by: 7) { try append(store, start...(start + 6)) }
    try store.seal()
    try store.mergeNow()
    isDone.withLock { $0 = true }
    for reader in readers { reader.join() }
    #expect(failures.withLock { $0 }.isEmpty)
    #expect(store.counters.merges.count > 4)
    #expect(store.counters.mergeFailureCount == 0)
    store.close()
  }

  @Test(arguments: [1, 2])
  func `segments are bounded while events come faster than they are sealed`(backlog: Int) throws {
    let sealEvents = 100
    let behind = BusySealer(backlog: backlog)
    let store = try open(
      Self.options { options in
        options.sealEventCount = sealEvents
        options.mergeFactor = 4
        options.mergeBacklogMax = 8
        options.sealBacklogMax = backlog
        options.failurePoint = { (step) throws(StoreError) in behind.reach(step) }
      })
    behind.store.withLock { $0 = store }
    defer { behind.store.withLock { $0 = nil } }
    let count = 90 * sealEvents
    for start in stride(from: 1, to: count, by: sealEvents) { try append(store, start...(start + sealEvents - 1)) }
    behind.store.withLock { $0 = nil }
    try store.seal()
    let seen = behind.seen.withLock { $0 }
    // One more than the bound, then one for two of four that become one, twice over where tiers follow each other.
    #expect(seen.segmentsMost <= 12 && (backlog == 1 || seen.segmentsMost >= 9), "\(seen)")
    #expect(seen.merges >= 20 && seen.sealsInMerges >= 5, "\(seen)")
    #expect(!seen.isNested)
    try store.mergeNow()
    try expectAll(store, count)
    #expect(store.counters.mergeFailureCount == 0 && store.counters.sealFailureCount == 0)
    store.close()
  }

  @Test func `what is due is merged though an input of the first merge is gone meanwhile`() throws {
    let filled = try open(Self.options { $0.mergeFactor = 0 })
    for start in stride(from: 1, to: 33, by: 4) {
      try append(filled, start...(start + 3))
      try filled.seal()
    }
    filled.close()
    let merging = Locked<(store: SegmentStore?, begun: Int)>((nil, 0))
    let store = try open(
      Self.options { options in
        options.mergeFactor = 4
        options.sealEventCount = 4
        options.failurePoint = { (step) throws(StoreError) in
          guard step == "merge-begins" else { return }
          // Who waits for merges has asked by then, and no further look is to come.
          _ = eventually(within: 20) { merging.withLock { $0.store }.map { $0.sealer.mergeRequests > 0 } ?? false }
          let begun = merging.withLock { merging -> (store: SegmentStore?, number: Int) in
            merging.begun += 1
            return (merging.store, merging.begun)
          }
          guard begun.number == 1, let store = begun.store else { return }
          for segment in store.lock.withLock({ store.state.segments.prefix(1) }) {
            segment.note(StoreError(.corrupted, "\(segment.name) is damaged", hint: ""), log: store.log)
          }
        }
      })
    merging.withLock { $0.store = store }
    defer { merging.withLock { $0.store = nil } }
    try store.mergeNow()
    #expect(merging.withLock { $0.begun } >= 2)
    #expect(store.counters.merges.count >= 1 && store.counters.mergeFailureCount == 0)
    // The damage was only said: what the others hold is there, once.
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == Array(5...32))
    store.close()
  }

  @Test(arguments: [true, false])
  func `a segment that is damaged, or whose file is gone, stops no merge but its own`(isGone: Bool) throws {
    let filled = try open(Self.options { $0.mergeFactor = 0 })
    for start in stride(from: 1, to: 33, by: 4) {
      try append(filled, start...(start + 3))
      try filled.seal()
    }
    filled.close()
    let name = DirectoryLayout.segmentName(level: 0, first: 1, last: 4)
    let path = directory.path + "/" + name
    let merging = Locked<(store: SegmentStore?, isDone: Bool)>((nil, false))
    let store = try open(
      Self.options { options in
        options.mergeFactor = 4
        options.sealEventCount = 4
        options.segmentConnectionsMax = 1
        options.failurePoint = { (step) throws(StoreError) in
          guard step == "merge-begins" else { return }
          // Who waits for merges has asked by then, and no further look is to come.
          _ = eventually(within: 20) { merging.withLock { $0.store }.map { $0.sealer.mergeRequests > 0 } ?? false }
          let isFirst = merging.withLock { merging -> Bool in
            defer { merging.isDone = true }
            return !merging.isDone
          }
          if !isFirst { return }
          do throws(FileError) {
            if isGone { return try Files.remove(path) }
            var bytes = try Files.read(path, bytesMax: 1 << 20)
            for index in bytes.indices.dropFirst(200) { bytes[index] ^= 0x55 }
            try Files.replaceAtomically(path, with: bytes)
          } catch {
            throw StoreError(.inputOutput, "\(error)", hint: "")
          }
        }
      })
    merging.withLock { $0.store = store }
    defer { merging.withLock { $0.store = nil } }
    try store.mergeNow()
    #expect(store.counters.mergeFailureCount == 1)
    #expect(store.counters.merges.count >= 1)
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == Array(5...32))
    store.close()
  }

  @Test func `a cursor that began before a merge goes on over the old files, which then go`() throws {
    let store = try open(Self.options { $0.mergeFactor = 0 })
    for start in stride(from: 1, to: 33, by: 4) {
      try append(store, start...(start + 3))
      try store.seal()
    }
    store.close()
    let merging = try open(Self.options { $0.sealEventCount = 1_000_000 })
    do {
      let cursor = try merging.makeEventCursor(after: 0)
      #expect(try cursor.next(limit: 5).count == 5)
      try merging.mergeNow()
      #expect(merging.counters.merges.count > 0)
      #expect(try cursor.next(limit: 100).map(\.ordinal) == Array(6...32))
    }
    #expect(try Files.list(directory.path).filter { $0.hasPrefix("seg-") }.count == 1)
    try expectAll(merging, 32)
    merging.close()
  }

  @Test func `events of a source that is too old go when segments are merged, and answers say so`() throws {
    let clock = StoppedClock()
    var options = Self.options {
      $0.sealEventCount = 1_000
      $0.mergeFactor = 0
      $0.retention.sourceAges = ["logs": .seconds(60)]
    }
    func batch(_ source: String, _ numbers: ClosedRange<Int>) -> SourceBatch {
      let events = numbers.map {
        TestEvent(
          "\(source)\($0)", trace: "t\($0 % 3)", cause: "\(source)\($0 - 3)", at: Int64($0), handler: source,
          failure: $0 % 5 == 0 ? .metadata : .none)
      }
      return SourceBatch(events, source: source)
    }
    let store = try SegmentStore.open(directory: directory.path, options: options, clock: clock)
    _ = try store.append([batch("logs", 1...20), batch("audit", 1...10)])
    try store.seal()
    _ = try store.append([batch("logs", 21...22), batch("audit", 11...30)])
    try store.seal()
    _ = try store.append([batch("logs", 23...30)])
    try store.seal()
    clock.advance(seconds: 100)
    try store.applyRetention(now: clock.now())
    // The third one was of that source only. The first one is mostly of it, and is written anew.
    try store.mergeNow()
    #expect(try store.statistics().eventCount == 32)
    store.close()
    options.mergeFactor = 2
    options.sealEventCount = 4
    options.mergeLevelMax = 5
    let merging = try SegmentStore.open(directory: directory.path, options: options, clock: clock)
    try merging.mergeNow()
    let walked = try merging.makeEventCursor(after: 0).next(limit: 100)
    #expect(walked.map(\.source) == Array(repeating: "audit", count: 30))
    #expect(walked.map(\.ordinal) == Array(21...30) + Array(33...52))
    #expect(
      Set(merging.missingParts()) == [
        .droppedByRetention(ordinals: 53...60), .droppedOfSource(name: "logs", ordinals: 1...52),
      ])
    #expect(try merging.handlerStatistics(in: .all).map(\.handler) == ["audit"])
    #expect(try merging.handlerStatistics(in: .all).map(\.count) == [27])
    #expect(try merging.handlerStatistics(in: .all).map(\.failureCount) == [6])
    #expect(try merging.statistics().unresolvedCount == 3)
    let report = try SegmentStore.verify(directory.path)
    #expect(report.isClean, "\(report.problems)")
    merging.close()
    let again = try SegmentStore.open(directory: directory.path, options: options, clock: clock)
    #expect(try again.statistics().eventCount == 30)
    #expect(again.missingParts().count == 2)
    #expect(try again.statistics().unresolvedCount == 3)
    again.close()
  }
}

/// Holds each sealing back until the next hot file waits, too, if as many may wait, and each merge until one does.
private final class BusySealer: Sendable {
  struct Seen {
    var segmentsMost = 0
    var merges = 0
    var sealsInMerges = 0
    var isMerging = false
    var isNested = false
  }

  /// nil: events have come to an end.
  let store = Locked<SegmentStore?>(nil)
  let seen = Locked(Seen())
  private let backlog: Int

  init(backlog: Int) { self.backlog = backlog }

  func reach(_ step: String) {
    let store = store.withLock { $0 }
    let segments = store.map { store in store.lock.withLock { store.state.segments.count } } ?? 0
    seen.withLock { seen in
      seen.segmentsMost = max(seen.segmentsMost, segments)
      switch step {
      case "merge-begins":
        seen.isNested = seen.isNested || seen.isMerging
        seen.isMerging = true
        seen.merges += 1
      case "merge-published": seen.isMerging = false
      case "seal-begins": if seen.isMerging { seen.sealsInMerges += 1 }
      default: break
      }
    }
    let others = step == "seal-begins" ? backlog : step == "merge-begins" ? 1 : 0
    _ = eventually(within: 20) {
      self.store.withLock { $0 }.map { store in store.lock.withLock { store.state.generations.count > others } } ?? true
    }
  }
}

private final class StoppedClock: WallClock {
  private let time = Locked(TestEvent.epoch)
  func now() -> Timestamp { time.withLock { $0 } }
  func advance(seconds: Int64) {
    time.withLock { $0 = $0.advanced(byNanoseconds: seconds * 1_000_000_000) }
  }
}
