import EventModel
import Platform
import TraceStore

/// Gives the frames of a frozen generation in the order of its traces, though the hot file has them in the order of
/// storing, and reads the hot file once, from its beginning to its end.
///
/// Frames are put into the bucket of their slot as the file is read; a bucket is complete when the row of its last event
/// was read. So what waits is the events of traces that are not complete, `windowBytes` of them in memory, and further
/// ones in a file (`SealBuckets`).
///
/// `@safe`: frames are looked up by offsets that `EventView` checks.
@safe final class SealFrames {
  private let generation: HotGeneration
  private let order: SealOrder
  private let cursor: HotRowCursor
  private let buckets: SealBuckets
  private let rowStarts: ContiguousArray<UInt32>
  /// By slot.
  private var locations: ContiguousArray<UInt32>
  /// By trace: the slot of its next event.
  private var next: ContiguousArray<UInt32>
  /// The events before this place were read.
  private var readPlace = 0
  private var openBucket = -1
  /// So many events from now, a frame is wanted: it lies anywhere in the window, which no cache holds.
  private static let slotsAhead = 3

  init(
    _ generation: HotGeneration, _ order: SealOrder, directory: String, windowBytes: Int
  ) throws(StoreError) {
    self.generation = generation
    self.order = order
    cursor = try HotRowCursor(generation)
    buckets = SealBuckets(
      count: order.lastPlaces.count, bytesMax: windowBytes, directory: directory, files: generation.file.files)
    rowStarts = generation.index.chunkStarts
    locations = ContiguousArray(repeating: 0, count: order.places.count)
    next = order.starts
  }

  /// The event at a slot; slots ascend. The view is valid until the next call.
  @inline(__always) func event(slot: Int) throws(StoreError) -> EventView {
    if slot >> SealOrder.bucketShift != openBucket { try open(slot >> SealOrder.bucketShift) }
    let ahead = slot &+ Self.slotsAhead
    if ahead < locations.count, ahead >> SealOrder.bucketShift == openBucket {
      buckets.prefetch(at: locations[ahead])
      generation.index.prefetch(Int(order.places[ahead]))
    }
    let frames = try unsafe buckets.frame(at: locations[slot])
    return try unsafe cursor.event(in: frames, at: 0, place: Int(order.places[slot]))
  }

  private func open(_ bucket: Int) throws(StoreError) {
    buckets.letGo(before: bucket)
    while readPlace <= Int(order.lastPlaces[bucket]) { try readRow() }
    try buckets.open(bucket)
    openBucket = bucket
  }

  private func readRow() throws(StoreError) {
    try cursor.advance()
    let index = generation.index
    let places = cursor.places
    try unsafe cursor.withFrames { (frames) throws(StoreError) in
      for place in places {
        let trace = index.trace(place)
        if trace == 0 { continue }
        let start = index.offset(place)
        let end = place + 1 < places.upperBound ? index.offset(place + 1) : frames.count
        guard start < end, end <= frames.count else { throw cursor.damaged(place) }
        let rank = order.rank(ofTraceNumber: trace)
        let slot = Int(next[rank])
        next[rank] += 1
        locations[slot] = try unsafe buckets.add(
          UnsafeRawBufferPointer(rebasing: frames[start..<end]), bucket: slot >> SealOrder.bucketShift)
      }
    }
    readPlace = places.upperBound
  }

  // MARK: Events in no trace

  /// Calls `body` with the events that are in no trace, by ordinal: another walk over the rows, where there are any.
  func forEachUntraced(_ body: (Int, EventView) throws(StoreError) -> Void) throws(StoreError) {
    if order.untracedCount == 0 { return }
    let index = generation.index
    let walk = try HotRowCursor(generation)
    for _ in rowStarts.indices {
      try walk.advance()
      try unsafe walk.withFrames { (frames) throws(StoreError) in
        for place in walk.places where index.trace(place) == 0 {
          try body(place, unsafe walk.event(in: frames, at: index.offset(place), place: place))
        }
      }
    }
  }
}
