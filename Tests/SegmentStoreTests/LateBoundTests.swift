import EventModel
import Testing
import TestSupport
import TraceStore

@testable import SegmentStore

/// What is noted of sealed events that change: it is bounded, and what is beyond stays as the segments say, is counted,
/// and contradicts nothing.
@Suite("Segment store: bounds of what changes late") struct LateBoundTests {
  private static let count = 6
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("store") }

  private func open(lateMax: Int = 1_000, reworkedMax: Int = 1_000) throws -> SegmentStore {
    var options = StoreOptions()
    options.durability = .process
    options.retention.freeDiskBytes = 0
    options.retention.age = .seconds(3_600)
    options.lateMax = lateMax
    options.reworkedMax = reworkedMax
    return try SegmentStore.open(directory: directory.path, options: options)
  }

  private func append(_ events: [TestEvent], source: String, to store: SegmentStore) throws {
    for event in events {
      #expect(try store.append([SourceBatch([event], source: source)])[0].accepted.count == 1)
    }
  }

  private func events(_ make: (Int) -> TestEvent) -> [TestEvent] { (0..<Self.count).map(make) }

  /// Failed reactions without a correlation, which have their cause from another source until their own source sends it:
  /// then their trace is another one, and so is the event that their edge goes to; and where that trace holds their id
  /// already, their failure counts no more. Each changes by a trace, an edge and a failure.
  private func change(_ store: SegmentStore) throws {
    try append(
      events { TestEvent("p\($0)", trace: "new\($0)", stream: "other", at: 0) }
        + events { TestEvent("c\($0)", trace: "old\($0)", at: 1) }, source: "first", to: store)
    try append(
      events { TestEvent("p\($0)", cause: "c\($0)", at: 2, service: "s", handler: "h", failure: .metadata) },
      source: "second", to: store)
    try store.seal()
    try append(events { TestEvent("c\($0)", trace: "new\($0)", at: 3) }, source: "second", to: store)
  }

  /// All that figures say.
  private func figures(_ store: SegmentStore) throws -> [String] {
    try store.handlerStatistics(in: .all).map { "\($0.handler) \($0.count) edges, \($0.failureCount) failed" }
      + store.flow(in: .all).map { "\($0.effectType) \($0.count) \($0.failureCount)" }
  }

  private func edgeCount(_ store: SegmentStore) throws -> Int {
    try store.handlerStatistics(in: .all).map(\.count).reduce(0, +)
  }

  private func ordinals(_ store: SegmentStore, _ trace: String) throws -> [Int64] {
    try store.trace(Identifier(text: Array(trace.utf8))).records.map(\.ordinal)
  }

  private func noted(_ store: SegmentStore) -> [String: Int] { store.counters.lateChangesByKind }
  private func refused(_ store: SegmentStore) -> [String: Int] { store.counters.lateRefusalsByKind }

  @Test func `without a bound in reach every change is noted`() throws {
    let store = try open()
    try change(store)
    let all = Self.count
    #expect(noted(store) == ["trace": all, "edge": all, "failure": all, "waiting": all])
    #expect(refused(store).values.allSatisfy { $0 == 0 })
    #expect(try edgeCount(store) == 0)
    // Of the first trace only the cause is left.
    #expect(try ordinals(store, "old0") == [Int64(Self.count + 1)])
    store.close()
  }

  @Test(arguments: 0..<(3 * count))
  func `at the bound events stay as their segment says, before and after a restart`(lateMax: Int) throws {
    var store = try open(lateMax: lateMax)
    try change(store)
    let known = noted(store)
    let kinds = ["trace", "edge", "failure"]
    #expect(kinds.map { known[$0] ?? 0 }.reduce(0, +) <= lateMax)
    #expect(kinds.map { refused(store)[$0] ?? 0 }.reduce(0, +) > 0)
    // Each child has the edge of its segment or none: never one more.
    #expect(try edgeCount(store) == Self.count - (known["edge"] ?? 0))
    let before = try figures(store)
    store.close()
    store = try open(lateMax: lateMax)
    #expect(noted(store) == known)
    #expect(try figures(store) == before)
    try store.seal()
    #expect(try figures(store) == before)
    store.close()
    store = try open(lateMax: lateMax)
    #expect(noted(store) == known)
    #expect(try figures(store) == before)
    store.close()
  }

  @Test func `a change that is noted may change again when the table is full`() throws {
    var store = try open(lateMax: 3 * Self.count)
    try change(store)
    #expect(refused(store).values.allSatisfy { $0 == 0 })
    // An event of a trace that has the reaction's own id as its name: the reaction belongs there.
    try append([TestEvent("root", trace: "p0", at: 4)], source: "first", to: store)
    let expected = [Int64(2 * Self.count + 1), Int64(4 * Self.count + 1)]
    #expect(try ordinals(store, "p0") == expected)
    #expect(refused(store).values.allSatisfy { $0 == 0 })
    #expect(noted(store)["trace"] == Self.count)
    store.close()
    store = try open(lateMax: 3 * Self.count)
    #expect(try ordinals(store, "p0") == expected)
    store.close()
  }

  @Test func `who waits otherwise than segments say is bounded by itself, and forgotten with its segment`() throws {
    let store = try open(reworkedMax: 2)
    try change(store)
    #expect(noted(store)["waiting"] == 2)
    #expect(refused(store)["waiting"] == Self.count - 2)
    #expect(noted(store)["trace"] == Self.count)
    try store.seal()
    try store.applyRetention(now: Timestamp(nanoseconds: .max / 2))
    #expect(noted(store).values.allSatisfy { $0 == 0 })
    store.close()
  }
}
