import EventModel
import TestSupport
import Testing

@testable import SegmentStore

@Suite("Merging: which segments become one") struct StoreMergePlanTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var testDescription: String
    var sizes: [Int]
    var merged: Range<Int>?
    var change: @Sendable (inout [MergePlan.Segment], inout MergePlan.Limits) -> Void = { _, _ in }
  }

  static let rows: [Row] = [
    Row(testDescription: "nothing", sizes: [], merged: nil),
    Row(testDescription: "seven full ones", sizes: Array(repeating: 512, count: 7), merged: nil),
    Row(testDescription: "eight full ones", sizes: Array(repeating: 512, count: 8), merged: 0..<8),
    Row(testDescription: "the oldest eight of nine", sizes: Array(repeating: 512, count: 9), merged: 0..<8),
    Row(testDescription: "what is merged is not merged again", sizes: Array(repeating: 4096, count: 20), merged: nil),
    Row(
      testDescription: "small ones, before large ones",
      sizes: Array(repeating: 512, count: 8) + Array(repeating: 1, count: 8), merged: 8..<16),
    Row(testDescription: "a small one after a large one", sizes: [512, 1, 1, 1], merged: nil),
    Row(
      testDescription: "small ones around a large one do not drag it along", sizes: [1, 1, 1, 1, 512, 1, 1, 1, 1],
      merged: nil),
    Row(
      testDescription: "small ones between those that are due", sizes: [512, 1, 512, 1, 512, 512, 512, 512, 512, 512],
      merged: 0..<10),
    Row(testDescription: "fewer, where that lifts them by no tier", sizes: [100, 100], merged: nil),
    Row(testDescription: "fewer, a tier up", sizes: [300, 300], merged: 0..<2),
    Row(
      testDescription: "not over a damaged one", sizes: Array(repeating: 512, count: 9), merged: nil,
      change: { segments, _ in segments[4].isUsable = false }),
    Row(
      testDescription: "not over one that was set aside", sizes: Array(repeating: 512, count: 9), merged: nil,
      change: { segments, _ in segments[4].followsPrevious = false }),
    Row(
      testDescription: "not over more time than retention allows", sizes: Array(repeating: 1, count: 8), merged: nil,
      change: { _, limits in limits.spanMax = 3 }),
    Row(
      testDescription: "not beyond the bytes that retention allows", sizes: Array(repeating: 1, count: 8), merged: nil,
      change: { _, limits in limits.fileBytesMax = 5 }),
    Row(
      testDescription: "large events count for many", sizes: [1, 1], merged: 0..<2,
      change: { segments, _ in for index in segments.indices { segments[index].rawBytes = 5_000 } }),
    Row(
      testDescription: "too many, whatever their sizes: the lightest neighbours", sizes: [256, 64, 16, 4, 1, 1],
      merged: 2..<6,
      change: { _, limits in
        limits.growingMax = 4
        limits.factor = 4
        limits.sealEvents = 4096
      }),
  ]

  @Test(arguments: rows) func `neighbours that reach the next tier together`(row: Row) {
    var segments = Self.segments(row.sizes)
    var limits = Self.limits
    row.change(&segments, &limits)
    #expect(MergePlan.next(segments, limits) == row.merged)
  }

  static let limits = MergePlan.Limits(sealEvents: 512, sealRawBytes: 512 * 10)

  static func segments(_ sizes: [Int]) -> [MergePlan.Segment] {
    sizes.enumerated().map { index, size in
      let stored = TestEvent.epoch.advanced(byNanoseconds: Int64(index))
      return MergePlan.Segment(events: size, rawBytes: size, fileBytes: 1, firstStored: stored, lastStored: stored)
    }
  }

  @Test(arguments: 1...20) func `there are never many segments, and no event is rewritten often`(seed: Int) {
    var random = SeededRandom(seed: UInt64(seed))
    var sizes: [Int] = []
    var most = 0
    var rewritten = 0
    var total = 0
    for _ in 0..<3_000 {
      let size = seed % 4 == 0 ? 1 : random.below(8) == 0 ? 512 : 1 + random.below(seed % 3 == 0 ? 4 : 100)
      sizes.append(size)
      total += size
      while let window = MergePlan.next(Self.segments(sizes), Self.limits) {
        let sum = sizes[window].reduce(0, +)
        rewritten += sum
        sizes.replaceSubrange(window, with: [sum])
      }
      most = max(most, sizes.count - sizes.filter { $0 >= 4096 }.count)
    }
    #expect(sizes.reduce(0, +) == total)
    #expect(most <= 128)
    #expect(rewritten <= 6 * total)
  }

  @Test(arguments: [(2, 1), (3, 1), (4, 2), (8, 4), (64, 32)], [100_003, 1_000_000, 4_000_000, 2_560])
  func `a crowded merge seals one file for two of its inputs, spread over it`(
    merge: (inputs: Int, files: Int), events: Int
  ) {
    var pace = SealPace(inputs: merge.inputs, events: events, isCrowded: true)
    #expect(pace.filesAtOnce == 1)
    var sealedAt: [Int] = []
    for done in stride(from: 64, through: events, by: 64) where pace.allowsSealing(after: done) {
      // Every other attempt finds nothing to seal: that costs no turn.
      pace.sealed(done % 128 == 0 ? 1 : 0, after: done, isCrowded: true)
      if done % 128 == 0 { sealedAt.append(done) }
    }
    let between = zip([0] + sealedAt, sealedAt + [events]).map { $1 - $0 }
    let even = events / (merge.files + 1)
    // Turns that come faster than a merge pauses are fewer.
    #expect(even < 128 ? sealedAt.count <= merge.files : sealedAt.count == merge.files)
    #expect(even < 128 || between.allSatisfy { abs($0 - even) <= 192 + merge.files }, "\(between)")
  }

  @Test func `a seal that fails costs its turn, and a segment that is written anew puts nothing off`() {
    var pace = SealPace(inputs: 8, events: 1_000, isCrowded: true)
    pace.sealed(nil, after: 300, isCrowded: true)
    #expect(!pace.allowsSealing(after: 499) && pace.allowsSealing(after: 501))
    var rewriting = SealPace(inputs: 1, events: 1_000, isCrowded: true)
    rewriting.sealed(1, after: 64, isCrowded: true)
    #expect(rewriting.allowsSealing(after: 128) && rewriting.filesAtOnce == .max)
  }

  @Test func `a merge seals whatever waits until it is crowded, and again once it is not`() {
    var pace = SealPace(inputs: 8, events: 1_000, isCrowded: false)
    #expect(pace.allowsSealing(after: 64) && pace.filesAtOnce == .max)
    pace.sealed(3, after: 500, isCrowded: true)
    #expect(!pace.allowsSealing(after: 564) && pace.allowsSealing(after: 701) && pace.filesAtOnce == 1)
    pace.sealed(1, after: 704, isCrowded: false)
    #expect(pace.allowsSealing(after: 705) && pace.filesAtOnce == .max)
  }
}
