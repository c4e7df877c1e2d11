import EventModel
import Platform
import TraceStore

/// Reads the rows of one frozen generation from the first to the last, each once, checking their checksums.
///
/// On a connection of its own, so that readers of the same hot file wait for nothing; in one transaction, so that
/// SQLite takes its locks once and not for each row.
final class HotRowCursor {
  private let path: String
  private let rows: Statement
  private let firstOrdinal: Int64
  /// The place of the first event of each row.
  private let rowStarts: ContiguousArray<UInt32>
  private let placeCount: Int
  /// The row that `withFrames` gives; -1 before the first.
  private(set) var row = -1

  init(_ generation: HotGeneration) throws(StoreError) {
    let index = generation.index
    path = generation.file.path
    firstOrdinal = index.firstOrdinal
    rowStarts = index.chunkStarts
    placeCount = index.count
    let connection = try Connection(path, .readOnly, cacheBytes: 256 << 10, files: generation.file.files)
    rows = try connection.prepare(
      """
      SELECT first_ordinal, event_count, stored_at, frames, crc FROM batch WHERE first_ordinal BETWEEN ? AND ?
      ORDER BY first_ordinal
      """)
    try rows.bind(1, index.firstOrdinal)
    try rows.bind(2, index.lastOrdinal)
  }

  /// The places of the row's events.
  var places: Range<Int> {
    Int(rowStarts[row])..<(row + 1 < rowStarts.count ? Int(rowStarts[row + 1]) : placeCount)
  }

  /// Goes to the next row.
  ///
  /// - Throws: `.corrupted` for a row that fails its checksum, or is not the one that follows.
  func advance() throws(StoreError) {
    row += 1
    let place = places.lowerBound
    guard try rows.step(), rows.integer(0) == firstOrdinal + Int64(place), Int(rows.integer(1)) == places.count else {
      throw damaged(place)
    }
    let isWhole = unsafe rows.withBlob(3) { frames in
      unsafe HotFile.checksum(
        rows.integer(0), Int(rows.integer(1)), Timestamp(nanoseconds: rows.integer(2)), frames)
        == UInt32(truncatingIfNeeded: rows.integer(4))
    }
    if !isWhole { throw damaged(place) }
  }

  /// The frames of the row, in place; the buffer must not escape.
  func withFrames<R>(_ body: (UnsafeRawBufferPointer) throws(StoreError) -> R) throws(StoreError) -> R {
    try unsafe rows.withBlob(3, body)
  }

  /// The frame that stands at `offset` of these frames, which must be the event with that ordinal.
  func event(
    in frames: UnsafeRawBufferPointer, at offset: Int, place: Int
  ) throws(StoreError) -> EventView {
    guard offset < frames.count,
      let view = try? unsafe EventView(validating: UnsafeRawBufferPointer(rebasing: frames[offset...])),
      view.ordinal == firstOrdinal + Int64(place)
    else { throw damaged(place) }
    return view
  }

  func damaged(_ place: Int) -> StoreError {
    StoreError(
      .corrupted, "\(path): event \(firstOrdinal + Int64(place)) is not where it was stored",
      hint: "run `clew verify`")
  }
}
