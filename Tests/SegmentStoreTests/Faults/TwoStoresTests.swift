import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// One directory, several stores, on the real disk.
@Suite("Segment store: two stores on one directory") struct TwoStoresTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("two") }

  private func options(_ change: (inout StoreOptions) -> Void = { _ in }) -> StoreOptions {
    FaultRun.options { options in
      options.durability = .process
      options.mergeFactor = 2
      options.mergeLevelMax = 2
      change(&options)
    }
  }

  @Test func `a second writer is refused, whatever the first one is doing, and may write after it`() throws {
    let first = try SegmentStore.open(directory: directory.path, options: options { $0.sealEventCount = 20 })
    for start in stride(from: 1, to: 100, by: 10) {
      _ = try first.append(FaultLoopTests.batches(start...(start + 9)))
      let error = #expect(throws: StoreError.self) {
        try SegmentStore.open(directory: directory.path, options: options())
      }
      #expect(error?.code == .locked)
    }
    first.close()
    let second = try SegmentStore.open(directory: directory.path, options: options())
    #expect(try second.statistics().eventCount == 110)
    second.close()
  }

  @Test func `readers beside a writer that seals, merges and deletes see every event once`() throws {
    let writer = try SegmentStore.open(
      directory: directory.path,
      options: options { options in
        options.sealEventCount = 30
        options.retention.totalBytes = 1_000_000
      }, log: Log { _ in })
    _ = try writer.append(FaultLoopTests.batches(1...10))
    let isDone = Locked(false)
    let problems = Locked<[String]>([])
    let rounds = Locked(0)
    let reader = WorkerThread(name: "reader") {
      while !isDone.withLock({ $0 }) {
        do {
          try Self.look(directory.path, options { $0.mode = .readOnly })
        } catch {
          problems.withLock { $0.append("\(error)") }
        }
        rounds.withLock { $0 += 1 }
      }
    }
    var number = 11
    let deadline = Instant.now.advanced(bySeconds: 20)
    while number < 700 || rounds.withLock({ $0 }) < 5, Instant.now < deadline {
      _ = try writer.append(FaultLoopTests.batches(number...(number + 9)))
      if number % 100 == 1 { try writer.applyRetention(now: SystemClock().now()) }
      number += 10
    }
    isDone.withLock { $0 = true }
    reader.join()
    #expect(problems.withLock { $0 } == [])
    #expect(rounds.withLock { $0 } > 0)
    writer.close()
    try Self.look(directory.path, options())
    #expect(try SegmentStore.verify(directory.path).isClean)
  }

  /// Opens the directory, and holds what it answers against itself.
  private static func look(_ path: String, _ options: StoreOptions) throws {
    let store = try SegmentStore.open(directory: path, options: options, log: Log { _ in })
    defer { store.close() }
    var gone: [ClosedRange<Int64>] = []
    for part in store.missingParts() {
      guard case .droppedByRetention(let range) = part else { throw Unexplained(text: "\(part)") }
      gone.append(range)
    }
    let last = store.lastOrdinal
    let walked = try store.makeEventCursor(after: 0).next(limit: 100_000).map(\.ordinal)
    let wanted = (1...max(1, last)).filter { ordinal in !gone.contains { $0.contains(ordinal) } }
    if walked != wanted { throw Unexplained(text: "\(walked.count) events of \(wanted.count), last \(last)") }
  }
}
