import EventModel

/// The events of a frozen generation by trace: traces in the order of their first events, the events of each by
/// ordinal. Made by counting, in two passes over the index; nothing is sorted.
struct SealOrder {
  /// Trace numbers.
  private(set) var traces: ContiguousArray<UInt32> = []
  /// Where the events of each trace begin in `places`; one entry more than traces.
  private(set) var starts: ContiguousArray<UInt32> = [0]
  private(set) var places: ContiguousArray<UInt32>
  /// The row of the hot file in which each place stands.
  private(set) var rows: ContiguousArray<UInt32>
  private(set) var untracedCount = 0
  /// Of each trace number its place in `traces`.
  private var ranks: ContiguousArray<UInt32>
  private static let unranked = UInt32.max

  init(_ index: HotIndex) {
    let count = index.count
    ranks = ContiguousArray(repeating: Self.unranked, count: index.traceTable.count + 1)
    var sizes: ContiguousArray<UInt32> = []
    for place in 0..<count {
      let trace = Int(index.trace(place))
      if trace == 0 {
        untracedCount += 1
        continue
      }
      if ranks[trace] == Self.unranked {
        ranks[trace] = UInt32(traces.count)
        traces.append(UInt32(trace))
        sizes.append(0)
      }
      sizes[Int(ranks[trace])] += 1
    }
    starts.reserveCapacity(sizes.count + 1)
    for size in sizes { starts.append(starts[starts.count - 1] + size) }
    var next = starts
    places = ContiguousArray(repeating: 0, count: count - untracedCount)
    for place in 0..<count where index.trace(place) != 0 {
      let rank = Int(ranks[Int(index.trace(place))])
      places[Int(next[rank])] = UInt32(place)
      next[rank] += 1
    }
    rows = ContiguousArray(repeating: 0, count: count)
    let rowStarts = index.chunkStarts
    for row in rowStarts.indices {
      let end = row + 1 < rowStarts.count ? Int(rowStarts[row + 1]) : count
      for place in Int(rowStarts[row])..<end { rows[place] = UInt32(row) }
    }
  }

  /// Where in `places` the events of the trace at `rank` are.
  @inline(__always) func slots(_ rank: Int) -> Range<Int> { Int(starts[rank])..<Int(starts[rank + 1]) }

  @inline(__always) func rank(ofTraceNumber number: UInt32) -> Int { Int(ranks[Int(number)]) }

  /// The row in which the trace's first event stands.
  @inline(__always) func firstRow(_ rank: Int) -> Int { Int(rows[Int(places[Int(starts[rank])])]) }
}
