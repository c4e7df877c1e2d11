import EventModel
import SegmentBlocks
import TraceStore

// What statistics take from heads and sketches.

extension SegmentReader {
  /// Blocks with events that were created in a range.
  private func blocks(in range: ClosedRange<Int64>) -> [Int] {
    blocks.filter { $0.lastCreated.nanoseconds >= range.lowerBound && $0.firstCreated.nanoseconds <= range.upperBound }
      .map(\.number)
  }

  /// The edges inside runs.
  func forEachHeadEdge(
    in range: ClosedRange<Int64>, _ body: (SegmentEdge) throws(StoreError) -> Void
  ) throws(StoreError) {
    let kinds = try self.kinds()
    try forEachHead(inBlocks: blocks(in: range)) { (head) throws(StoreError) in
      for event in head.edges.indices where head.edges[event] != 0 && range.contains(head.created[event]) {
        let cause = Int(head.parents[event])
        try body(
          SegmentEdge(
            childLabel: kinds.label(head.kinds[event]), causeLabel: kinds.label(head.kinds[cause]),
            childCreated: Timestamp(nanoseconds: head.created[event]),
            latency: Timestamp(nanoseconds: head.created[event]).since(Timestamp(nanoseconds: head.created[cause])),
            childFailure: head.kind(event, kinds.table).failure, childOrdinal: head.ordinals[event],
            causeOrdinal: head.ordinals[cause]))
      }
      return .proceed
    }
  }

  func forEachHeadFailure(
    in range: ClosedRange<Int64>, _ body: (SegmentFailure) throws(StoreError) -> Void
  ) throws(StoreError) {
    let kinds = try self.kinds()
    let uncounted = try uncountedFailures()
    let failing = kinds.table.kinds.map { $0.failure != .none && $0.eventClass == EventClass.domain.rawValue }
    try forEachHead(inBlocks: blocks(in: range)) { (head) throws(StoreError) in
      for event in head.kinds.indices {
        let kind = head.kinds[event]
        if kind & BlockHead.localKindFlag == 0 {
          if !failing[Int(kind)] { continue }
        } else {
          let local = head.kind(event, kinds.table)
          if local.failure == .none || local.eventClass != EventClass.domain.rawValue { continue }
        }
        if !range.contains(head.created[event]) || uncounted.contains(head.ordinals[event]) { continue }
        try body(
          SegmentFailure(label: kinds.label(kind), created: Timestamp(nanoseconds: head.created[event])))
      }
      return .proceed
    }
  }

  /// Ordinals of failed events that do not count.
  func uncountedFailures() throws(StoreError) -> Set<Int64> {
    var ordinals: Set<Int64> = []
    try forEachRow(UncountedFailure.self, in: .min ... .max) { ordinals.insert($0.ordinal) }
    return ordinals
  }

  /// The edges of the whole segment, those of the table `edges` included, by labels of the child and types of the cause.
  ///
  /// - Precondition: `hasHeads`. Memory: about 16 bytes a bucket, some hundred buckets a row.
  func sketches() throws(StoreError) -> [SegmentSketch] {
    var rows: [SegmentSketch] = []
    try forEachRow(SegmentSketch.self, in: .min ... .max) { rows.append($0) }
    return rows
  }

  /// Failed events of the whole segment by label, those left out that do not count.
  ///
  /// - Precondition: `hasHeads`.
  func failureCounts() throws(StoreError) -> [(label: UInt32, count: Int)] {
    var counts: [(label: UInt32, count: Int)] = []
    try resources.forEachRow(of: .failureCounts) { (id, row) throws(StoreError) in
      guard let label = row[0].integer.flatMap(UInt32.init(exactly:)), let count = row[1].integer, count > 0 else {
        throw damage("failure_counts \(id)", "a value is impossible")
      }
      counts.append((label, Int(count)))
    }
    return counts
  }
}
