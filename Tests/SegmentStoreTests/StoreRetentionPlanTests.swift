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
}
