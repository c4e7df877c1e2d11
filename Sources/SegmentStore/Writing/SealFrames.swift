import EventModel
import Platform
import TraceStore

/// Gives the frames of a frozen generation in the order of its traces, though the hot file has them in the order of
/// storing, and reads the hot file from its beginning to its end only.
///
/// A window of rows moves over the file with the traces' first events. What is further behind its trace's first event
/// than the window reaches was copied to a spill file in a first walk over the rows. So memory is bounded whatever the
/// traces look like, and no row is read, and its checksum computed, more than twice.
///
/// `@safe`: rows are allocated in `load` and freed in `release` and `deinit`; frames are looked up by offsets that
/// `EventView` checks.
@safe final class SealFrames {
  private let generation: HotGeneration
  private let order: SealOrder
  /// Bytes of rows between the first event of a trace and the last one that is found in the window. Only the row of the
  /// first event itself may be longer.
  private let windowBytes: Int
  private let cursor: HotRowCursor
  private var window: ContiguousArray<UnsafeMutableRawBufferPointer>
  private var loaded = 0..<0
  /// Where each row begins if all rows are put behind each other; empty while the window takes them all.
  private var rowBytes: ContiguousArray<Int> = [0]
  private var spill: SealSpill?
  /// By slot of `order.places`: 0, or one more than the number of the far frame.
  private var farSlots: ContiguousArray<UInt32> = []
  private var farOffsets: ContiguousArray<Int> = []
  private var free: ContiguousArray<UnsafeMutableRawBufferPointer> = unsafe []

  init(
    _ generation: HotGeneration, _ order: SealOrder, directory: String, windowBytes: Int
  ) throws(StoreError) {
    self.generation = generation
    self.order = order
    self.windowBytes = windowBytes
    cursor = try HotRowCursor(generation)
    let rowCount = generation.index.chunkStarts.count
    unsafe window = ContiguousArray(repeating: UnsafeMutableRawBufferPointer(start: nil, count: 0), count: rowCount)
    if generation.index.rawBytes > windowBytes, !order.traces.isEmpty { try spillFarFrames(directory) }
  }

  deinit {
    for row in loaded { unsafe window[row].deallocate() }
    while let buffer = unsafe free.popLast() { unsafe buffer.deallocate() }
  }

  // MARK: The first walk

  private func spillFarFrames(_ directory: String) throws(StoreError) {
    let walk = try HotRowCursor(generation)
    let spill = try SealSpill(directory: directory, files: generation.file.files)
    self.spill = spill
    let index = generation.index
    farSlots = ContiguousArray(repeating: 0, count: order.places.count)
    var next = order.starts
    let rowStarts = index.chunkStarts
    rowBytes.reserveCapacity(rowStarts.count + 1)
    for row in rowStarts.indices {
      try walk.advance()
      let end = row + 1 < rowStarts.count ? Int(rowStarts[row + 1]) : index.count
      try unsafe walk.withFrames { (frames) throws(StoreError) in
        rowBytes.append(rowBytes[row] + frames.count)
        for place in Int(rowStarts[row])..<end where index.trace(place) != 0 {
          let rank = order.rank(ofTraceNumber: index.trace(place))
          let slot = Int(next[rank])
          next[rank] += 1
          let firstRow = order.firstRow(rank)
          if isNear(row, firstRow) { continue }
          let event = try unsafe walk.event(in: frames, at: index.offset(place), place: place)
          farOffsets.append(try unsafe spill.add(event.bytes, bucket: bucket(firstRow)))
          farSlots[slot] = UInt32(farOffsets.count)
        }
      }
    }
    try spill.finishWriting()
  }

  /// Whether the window holds `row` when it begins with `firstRow`. Both rows have been walked over.
  @inline(__always) private func isNear(_ row: Int, _ firstRow: Int) -> Bool {
    row == firstRow || rowBytes[row + 1] - rowBytes[firstRow] <= windowBytes
  }

  @inline(__always) private func bucket(_ firstRow: Int) -> Int {
    unsafe firstRow * SealSpill.bucketCount / window.count
  }

  // MARK: The second walk

  /// Moves the window to the first event of the trace at `rank`: ranks ascend.
  func moveToTrace(_ rank: Int) throws(StoreError) {
    let firstRow = order.firstRow(rank)
    while loaded.lowerBound < min(firstRow, loaded.upperBound) { release(loaded.lowerBound) }
    while unsafe loaded.upperBound < window.count {
      let row = loaded.upperBound
      if spill != nil, row > firstRow, !isNear(row, firstRow) { return }
      try cursor.advance()
      if row >= firstRow { try load(row) } else { loaded = (row + 1)..<(row + 1) }
    }
  }

  private func load(_ row: Int) throws(StoreError) {
    try unsafe cursor.withFrames { (frames) throws(StoreError) in
      let room: UnsafeMutableRawBufferPointer
      if frames.count <= HotFile.chunkBytes {
        unsafe room = unsafe free.popLast() ?? .allocate(byteCount: HotFile.chunkBytes, alignment: 8)
      } else {
        unsafe room = .allocate(byteCount: frames.count, alignment: 8)
      }
      unsafe room.copyMemory(from: frames)
      unsafe window[row] = room
    }
    loaded = loaded.lowerBound..<(row + 1)
  }

  private func release(_ row: Int) {
    if unsafe window[row].count == HotFile.chunkBytes {
      unsafe free.append(window[row])
    } else {
      unsafe window[row].deallocate()
    }
    unsafe window[row] = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    loaded = (row + 1)..<loaded.upperBound
  }

  /// The event at a slot of the trace to which the window was moved last; the view is valid until the next call.
  @inline(__always) func event(slot: Int, rank: Int) throws(StoreError) -> EventView {
    let place = Int(order.places[slot])
    if spill != nil, farSlots[slot] != 0 { return try farEvent(slot, rank, place) }
    let row = Int(order.rows[place])
    return try unsafe cursor.event(
      in: UnsafeRawBufferPointer(window[row]), at: generation.index.offset(place), place: place)
  }

  private func farEvent(_ slot: Int, _ rank: Int, _ place: Int) throws(StoreError) -> EventView {
    guard let spill else { throw cursor.damaged(place) }
    let frames = try unsafe spill.frames(
      bucket: bucket(order.firstRow(rank)), from: farOffsets[Int(farSlots[slot]) - 1])
    return try unsafe cursor.event(in: frames, at: 0, place: place)
  }

  // MARK: Events in no trace

  /// Calls `body` with the events that are in no trace, by ordinal: another walk over the rows, where there are any.
  func forEachUntraced(_ body: (Int, EventView) throws(StoreError) -> Void) throws(StoreError) {
    if order.untracedCount == 0 { return }
    let index = generation.index
    let rowStarts = index.chunkStarts
    let walk = try HotRowCursor(generation)
    for row in rowStarts.indices {
      try walk.advance()
      let end = row + 1 < rowStarts.count ? Int(rowStarts[row + 1]) : index.count
      try unsafe walk.withFrames { (frames) throws(StoreError) in
        for place in Int(rowStarts[row])..<end where index.trace(place) == 0 {
          try body(place, unsafe walk.event(in: frames, at: index.offset(place), place: place))
        }
      }
    }
  }
}
