import EventModel
import TestSupport
import Testing

@testable import SegmentStore

@Suite("Retention: what goes when") struct StoreRetentionPlanTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var policy: RetentionPolicy
    var totalBytes = 600
    var availableBytes: Int? = 10_000
    var dropped: [String]
  }

  static let rows: [Row] = [
    Row(testDescription: "nothing is asked for", policy: RetentionPolicy(freeDiskBytes: 0), dropped: []),
    Row(
      testDescription: "older than the age", policy: RetentionPolicy(age: .seconds(250), freeDiskBytes: 0),
      dropped: ["a"]),
    Row(
      testDescription: "exactly as old as the age stays", policy: RetentionPolicy(age: .seconds(300), freeDiskBytes: 0),
      dropped: []),
    Row(
      testDescription: "more than the size", policy: RetentionPolicy(totalBytes: 450, freeDiskBytes: 0),
      dropped: ["a", "b"]),
    Row(
      testDescription: "the disk is nearly full", policy: RetentionPolicy(freeDiskBytes: 250), availableBytes: 200,
      dropped: ["a"]),
    Row(
      testDescription: "unknown free space deletes nothing", policy: RetentionPolicy(freeDiskBytes: 250),
      availableBytes: nil, dropped: []),
    Row(
      testDescription: "everything if need be", policy: RetentionPolicy(totalBytes: 0, freeDiskBytes: 0),
      dropped: ["a", "b", "c"]),
  ]

  @Test(arguments: rows) func `the oldest segments go, and no more than needed`(row: Row) {
    let epoch = TestEvent.epoch
    let segments = ["a", "b", "c"].enumerated().map { index, name in
      RetentionPlan.Segment(
        name: name, lastStored: epoch.advanced(byNanoseconds: Int64(index) * 100_000_000_000), bytes: 100)
    }
    let situation = RetentionPlan.Situation(
      now: epoch.advanced(byNanoseconds: 300_000_000_000), totalBytes: row.totalBytes,
      availableBytes: row.availableBytes)
    #expect(RetentionPlan.plan(segments, situation, row.policy) == row.dropped)
  }

  struct SourceRow: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var age: Duration?
    var ages: [String: Duration]
    var sources: [String: Int]?
    var expired: Set<String>
    var goesWhole: Bool
    var isMostly: Bool
  }

  /// A segment whose youngest event was stored 300 s ago.
  static let sourceRows: [SourceRow] = [
    SourceRow(
      testDescription: "all sources too old", ages: ["a": .seconds(10), "b": .seconds(200)],
      sources: ["a": 1, "b": 1], expired: ["a", "b"], goesWhole: true, isMostly: true),
    SourceRow(
      testDescription: "one of them, with less than half", ages: ["a": .seconds(10)], sources: ["a": 1, "b": 2],
      expired: ["a"], goesWhole: false, isMostly: false),
    SourceRow(
      testDescription: "one of them, with more than half", ages: ["a": .seconds(10)], sources: ["a": 3, "b": 2],
      expired: ["a"], goesWhole: false, isMostly: true),
    SourceRow(
      testDescription: "a source may be kept longer than the others", age: .seconds(10), ages: ["b": .seconds(999)],
      sources: ["a": 3, "b": 2], expired: ["a"], goesWhole: false, isMostly: true),
    SourceRow(
      testDescription: "not known whose: the longest age holds", age: .seconds(10), ages: ["b": .seconds(999)],
      sources: nil, expired: [], goesWhole: false, isMostly: false),
    SourceRow(
      testDescription: "not known whose, and nobody's would be kept", age: .seconds(10), ages: ["b": .seconds(99)],
      sources: nil, expired: [], goesWhole: true, isMostly: false),
  ]

  @Test(arguments: sourceRows) func `events of a source go by its own age`(row: SourceRow) {
    let now = TestEvent.epoch.advanced(byNanoseconds: 300_000_000_000)
    var policy = RetentionPolicy(age: row.age, freeDiskBytes: 0)
    policy.sourceAges = row.ages
    let segment = RetentionPlan.Segment(name: "s", lastStored: TestEvent.epoch, bytes: 100, sources: row.sources)
    let situation = RetentionPlan.Situation(now: now, totalBytes: 100, availableBytes: nil)
    #expect(RetentionPlan.expiredSources(segment, now, policy) == row.expired)
    #expect(RetentionPlan.plan([segment], situation, policy) == (row.goesWhole ? ["s"] : []))
    #expect(RetentionPlan.isMostlyExpired(segment, now, policy) == row.isMostly)
  }
}
