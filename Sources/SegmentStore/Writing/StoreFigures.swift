import Platform

/// What the store counts since it was opened; behind a lock of its own.
struct StoreFigures {
  static let boundsNanoseconds: [Int64] = [
    500_000, 1_000_000, 5_000_000, 10_000_000, 50_000_000, 100_000_000, 500_000_000, 1_000_000_000, 5_000_000_000,
    10_000_000_000,
  ]

  var rawBytesAppended = 0
  var rawBytesSealed = 0
  var bytesSealed = 0
  var eventsSealed = 0
  var sealFailureCount = 0
  var merges = SegmentStoreCounters.Durations()
  var mergedBytesRead = 0
  var mergedBytesWritten = 0
  var eventsMerged = 0
  var mergeFailureCount = 0
  var transactionCount = 0
  var segmentsDropped = 0
  var eventsDropped = 0
  var writeErrors: [String: Int] = [:]
  var seals = SegmentStoreCounters.Durations()
  var syncs = SegmentStoreCounters.Durations()
  var sealWaits = SegmentStoreCounters.Durations()

  mutating func failed(_ operation: String) { writeErrors[operation, default: 0] += 1 }
}

extension SegmentStoreCounters.Durations {
  mutating func add(_ nanoseconds: Int64) {
    let bounds = StoreFigures.boundsNanoseconds
    bucketCounts[bounds.firstIndex { nanoseconds <= $0 } ?? bounds.count] += 1
    sumNanoseconds += nanoseconds
  }
}
