import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// A crash at any step of sealing, publishing and deleting leaves a directory from which everything comes back.
@Suite("Segment store: crashes and damage") struct StoreCrashTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("store") }

  private func options(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    var options = StoreOptions()
    options.durability = .process
    options.retention.freeDiskBytes = 0
    change(&options)
    return options
  }

  private func open(_ options: StoreOptions) throws -> SegmentStore {
    try SegmentStore.open(directory: directory.path, options: options)
  }

  private func events(_ numbers: ClosedRange<Int>) -> [TestEvent] {
    numbers.map { number in
      TestEvent(
        "e\(number)", trace: "t\(number % 4)", cause: number > 4 ? "e\(number - 4)" : nil, at: Int64(number),
        handler: "h", data: "{\"n\":\(number)}")
    }
  }

  private func expectAll(_ store: SegmentStore, _ count: Int) throws {
    let walked = try store.makeEventCursor(after: 0).next(limit: 1_000)
    #expect(walked.map(\.id.description) == (1...count).map { "e\($0)" })
    #expect(try store.statistics().eventCount == count)
    #expect(try store.statistics().traceCount == 4)
    #expect(try store.handlerStatistics(in: .all).map(\.count) == [count - 4])
    #expect(try store.checkpoints(ofSource: "s").map(\.position.major) == [UInt64(count)])
    #expect(store.missingParts().isEmpty)
    let report = try SegmentStore.verify(directory.path)
    #expect(report.isClean, "\(report.problems)")
  }

  private func append(_ store: SegmentStore, _ numbers: ClosedRange<Int>) throws {
    let checkpoint = SourceCheckpoint(source: "s", position: SourcePosition(major: UInt64(numbers.upperBound)))
    _ = try store.append([SourceBatch(events(numbers), source: "s", checkpoint: checkpoint)])
  }

  @Test(arguments: [
    "append", "hot-file-created", "seal-begins", "segment-written", "segment-renamed", "before-catalog-commit",
    "segment-published",
  ])
  func `a crash at any step of sealing loses nothing and doubles nothing`(step: String) throws {
    let isArmed = Locked(false)
    let first = try open(
      options { options in
        options.failurePoint = { (reached) throws(StoreError) in
          if reached == step, isArmed.withLock({ $0 }) {
            throw StoreError(.inputOutput, "crash at \(step)", hint: "")
          }
        }
      })
    try append(first, 1...8)
    try first.seal()
    try append(first, 9...12)
    isArmed.withLock { $0 = true }
    if step == "append" {
      #expect(throws: StoreError.self) { try append(first, 13...16) }
      #expect(first.lastOrdinal == 12)
    } else {
      #expect(throws: StoreError.self) { try first.seal() }
    }
    first.close()
    let second = try open(options())
    try expectAll(second, 12)
    try append(second, 13...20)
    try expectAll(second, 20)
    try second.seal()
    try expectAll(second, 20)
    second.close()
    let third = try open(options())
    try expectAll(third, 20)
    third.close()
  }

  @Test func `a second writer is refused, and told who writes`() throws {
    let first = try open(options())
    let error = #expect(throws: StoreError.self) { try open(options()) }
    #expect(error?.code == .locked)
    #expect(error?.message.contains("process") == true)
    first.close()
    try open(options()).close()
  }

  @Test func `a reader beside the writer sees what was stored when it opened`() throws {
    let writer = try open(options { $0.sealEventCount = 5 })
    try append(writer, 1...8)
    let reader = try open(options { $0.mode = .readOnly })
    try append(writer, 9...16)
    try writer.seal()
    #expect(try reader.makeEventCursor(after: 0).next(limit: 100).count == 8)
    #expect(throws: StoreError.self) { try append(reader, 17...20) }
    reader.close()
    let later = try open(options { $0.mode = .readOnly })
    try expectAll(later, 16)
    later.close()
    writer.close()
  }

  @Test func `a damaged segment is set aside and named, and the rest goes on`() throws {
    let writer = try open(options())
    try append(writer, 1...8)
    try writer.seal()
    try append(writer, 9...12)
    try writer.seal()
    writer.close()
    let name = try #require(try Files.list(directory.path).first { $0.hasPrefix("seg-") })
    let file = try FileDescriptor.openOrCreate(directory.file(name))
    let size = try file.size()
    for offset in stride(from: 4096, to: size - 64, by: 512) {
      unsafe try [UInt8](repeating: 0xa5, count: 64).withUnsafeBytes { unsafe try file.write($0, at: offset) }
    }
    file.close()
    let again = try open(options())
    #expect(try again.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == [9, 10, 11, 12])
    #expect(again.missingParts() == [.damagedSegment(name: name)])
    #expect(try again.statistics().damagedSegmentCount == 1)
    try append(again, 13...14)
    #expect(again.lastOrdinal == 14)
    again.close()
    let report = try SegmentStore.verify(directory.path)
    #expect(!report.isClean)
  }

  @Test func `damage in the last rows of a hot file does not stop new events`() throws {
    let writer = try open(options())
    for number in 1...6 { try append(writer, number...number) }
    writer.close()
    let name = try #require(try Files.list(directory.path).first { $0.hasPrefix("hot-") && $0.hasSuffix(".db") })
    let edit = try Connection(directory.file(name), .readWrite)
    try edit.execute("UPDATE batch SET crc = crc + 1 WHERE first_ordinal >= 5")
    edit.close()
    let again = try open(options())
    #expect(try again.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == [1, 2, 3, 4])
    try append(again, 7...9)
    #expect(try again.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal).suffix(3) == [7, 8, 9])
    again.close()
    let third = try open(options())
    try append(third, 10...10)
    #expect(try third.statistics().eventCount == 8)
    third.close()
  }

  @Test func `a directory without its catalog is refused, and nothing in it is overwritten`() throws {
    let writer = try open(options())
    try append(writer, 1...8)
    try writer.seal()
    writer.close()
    for name in try Files.list(directory.path) where name.hasPrefix("catalog") {
      try Files.remove(directory.file(name))
    }
    let before = try Files.list(directory.path)
    do {
      _ = try open(options())
      Issue.record("it was opened")
    } catch {
      #expect("\(error)".contains("catalog.db is missing"))
    }
    #expect(try Files.list(directory.path).filter { $0.hasPrefix("seg-") } == before.filter { $0.hasPrefix("seg-") })
  }

  @Test func `a segment that somebody deletes beside the open store is named, and the rest answers`() throws {
    let store = try open(
      options { options in
        options.segmentConnectionsMax = 1
        options.mergeFactor = 0
      })
    for start in stride(from: 1, to: 25, by: 4) {
      try append(store, start...(start + 3))
      try store.seal()
    }
    let names = try Files.list(directory.path).filter { $0.hasPrefix("seg-") && $0.hasSuffix(".db") }.sorted()
    // The connection to it is closed: only the last one that was asked has one.
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == Array(1...24))
    let name = try #require(names.first)
    try Files.remove(directory.file(name))
    // A look-up is the first to meet it; its trace goes on in every other segment.
    #expect(try store.trace(Identifier(text: Array("t1".utf8))).records.count == 5)
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == Array(5...24))
    #expect(store.missingParts() == [.damagedSegment(name: name)])
    try append(store, 25...26)
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == Array(5...26))
    store.close()
  }

  @Test func `a missing segment is named, and the rest answers, to readers too`() throws {
    let writer = try open(options())
    try append(writer, 1...8)
    try writer.seal()
    try append(writer, 9...12)
    try writer.seal()
    let name = try #require(try Files.list(directory.path).first { $0.hasPrefix("seg-") })
    try Files.remove(directory.file(name))
    let reader = try open(options { $0.mode = .readOnly })
    #expect(try reader.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == [9, 10, 11, 12])
    #expect(reader.missingParts() == [.damagedSegment(name: name)])
    reader.close()
    writer.close()
    let again = try open(options())
    #expect(try again.statistics().eventCount == 4)
    again.close()
  }

  @Test func `a cursor beyond the end is at the end`() throws {
    let store = try open(options())
    try append(store, 1...3)
    for after: Int64 in [Int64.max, Int64.max - 1, 4] {
      #expect(try store.makeEventCursor(after: after).next(limit: 10).isEmpty)
    }
    #expect(try store.makeEventCursor(after: .min).next(limit: 10).count == 3)
    store.close()
  }

  @Test func `retention deletes the oldest segments, and says what is gone`() throws {
    let clock = TestClock()
    var options = options()
    options.retention.age = .seconds(3_600)
    let store = try SegmentStore.open(directory: directory.path, options: options, clock: clock)
    try append(store, 1...8)
    try store.seal()
    clock.advance(seconds: 3_000)
    try append(store, 9...12)
    try store.seal()
    try store.applyRetention(now: clock.now())
    #expect(try store.statistics().eventCount == 12)
    clock.advance(seconds: 1_000)
    try store.applyRetention(now: clock.now())
    #expect(try store.makeEventCursor(after: 0).next(limit: 100).map(\.ordinal) == [9, 10, 11, 12])
    #expect(store.missingParts() == [.droppedByRetention(ordinals: 1...8)])
    #expect(try Files.list(directory.path).filter { $0.hasPrefix("seg-") }.count == 1)
    store.close()
    let again = try SegmentStore.open(directory: directory.path, options: options, clock: clock)
    #expect(again.missingParts() == [.droppedByRetention(ordinals: 1...8)])
    #expect(try SegmentStore.verify(directory.path).isClean)
    again.close()
  }

  @Test func `readers see every event once while events are appended and sealed`() throws {
    let store = try open(options { $0.sealEventCount = 40 })
    try append(store, 1...4)
    let isDone = Locked(false)
    let failures = Locked<[String]>([])
    let reader = WorkerThread(name: "reader") {
      while !isDone.withLock({ $0 }) {
        do {
          let ordinals = try store.makeEventCursor(after: 0).next(limit: 10_000).map(\.ordinal)
          let trace = try store.trace(Identifier(text: Array("t1".utf8))).records.map(\.ordinal)
          var total = 0
          try store.traces(in: .all, after: nil) { contents in
            total += contents.records.count
            return .proceed
          }
          if ordinals != Array(1...Int64(ordinals.count)) { failures.withLock { $0.append("cursor \(ordinals)") } }
          if trace != trace.indices.map({ Int64($0 * 4 + 1) }) { failures.withLock { $0.append("trace \(trace)") } }
          if total < ordinals.count { failures.withLock { $0.append("walk \(total) of \(ordinals.count)") } }
        } catch {
          failures.withLock { $0.append("\(error)") }
        }
      }
    }
    for start in stride(from: 5, to: 1_200, by: 7) { try append(store, start...(start + 6)) }
    isDone.withLock { $0 = true }
    reader.join()
    #expect(failures.withLock { $0 }.isEmpty)
    store.close()
  }
}

private final class TestClock: WallClock {
  private let time = Locked(TestEvent.epoch)
  func now() -> Timestamp { time.withLock { $0 } }
  func advance(seconds: Int64) {
    time.withLock { $0 = $0.advanced(byNanoseconds: seconds * 1_000_000_000) }
  }
}
