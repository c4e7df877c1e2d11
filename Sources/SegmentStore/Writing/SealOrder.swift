import EventModel

/// The events of a frozen generation by trace: traces in the order of their last events, the events of each by ordinal.
/// An event's slot is its number in that order. Made by counting, in three passes over the index; nothing is sorted.
///
/// By last events, because then only traces that are not complete wait while the file is read: a few of them last long,
/// and in the order of first events everything behind the first event of such a one would have to wait for its last.
struct SealOrder {
  /// Slots of one bucket: `SealBuckets` holds frames by bucket.
  static let bucketShift = 12

  /// Trace numbers.
  private(set) var traces: ContiguousArray<UInt32> = []
  /// Where the slots of each trace begin; one entry more than traces.
  private(set) var starts: ContiguousArray<UInt32> = [0]
  /// The place of each slot's event.
  private(set) var places: ContiguousArray<UInt32>
  /// The greatest place in each bucket of slots.
  private(set) var lastPlaces: ContiguousArray<UInt32>
  private(set) var untracedCount = 0
  /// Of each trace number its place in `traces`.
  private var ranks: ContiguousArray<UInt32>

  init(_ index: HotIndex) {
    let count = index.count
    let traceNumbers = index.traceTable.count + 1
    var sizes = ContiguousArray<UInt32>(repeating: 0, count: traceNumbers)
    var last = ContiguousArray<UInt32>(repeating: 0, count: traceNumbers)
    for place in 0..<count {
      let trace = Int(index.trace(place))
      sizes[trace] += 1
      last[trace] = UInt32(place)
    }
    untracedCount = Int(sizes[0])
    ranks = ContiguousArray(repeating: 0, count: traceNumbers)
    for place in 0..<count {
      let trace = Int(index.trace(place))
      if trace == 0 || last[trace] != place { continue }
      ranks[trace] = UInt32(traces.count)
      traces.append(UInt32(trace))
      starts.append(starts[starts.count - 1] + sizes[trace])
    }
    var next = starts
    places = ContiguousArray(repeating: 0, count: count - untracedCount)
    lastPlaces = ContiguousArray(repeating: 0, count: (places.count >> Self.bucketShift) + 1)
    for place in 0..<count where index.trace(place) != 0 {
      let rank = Int(ranks[Int(index.trace(place))])
      let slot = Int(next[rank])
      next[rank] += 1
      places[slot] = UInt32(place)
      lastPlaces[slot >> Self.bucketShift] = UInt32(place)
    }
  }

  /// The slots of the trace at `rank`.
  @inline(__always) func slots(_ rank: Int) -> Range<Int> { Int(starts[rank])..<Int(starts[rank + 1]) }

  @inline(__always) func rank(ofTraceNumber number: UInt32) -> Int { Int(ranks[Int(number)]) }
}
