import EventModel
import Platform
import TraceStore

/// One hot file with its index in memory. The last one is written; those before it are being sealed and never change.
final class HotGeneration: @unchecked Sendable {
  // `@unchecked Sendable`: `index` is changed by the writing thread inside the store's lock, and read inside it, or by
  // the writing thread, or by anyone once the generation is frozen.
  let file: HotFile
  var index: HotIndex

  /// - Parameter first: the first ordinal of the file, or the first behind a damaged part of it.
  init(file: HotFile, first: Int64) {
    self.file = file
    index = HotIndex(firstOrdinal: first)
  }

  /// Events were stored at this time.
  func noteStored(_ time: Timestamp) {
    index.firstStored = min(index.firstStored ?? time, time)
    index.lastStored = max(index.lastStored ?? time, time)
  }

  /// Where one event stands: enough to read it without the index.
  struct Location: Sendable {
    var ordinal: Int64
    var chunkFirst: Int64
    var offset: Int
    var trace: IdentifierKey
  }

  func location(_ place: Int) -> Location {
    let (chunkFirst, offset) = index.location(place)
    return Location(
      ordinal: index.ordinal(place), chunkFirst: chunkFirst, offset: offset, trace: index.traceKey(place))
  }

  /// Calls `body` with one event; the view must not escape.
  func withEvent<R>(
    _ location: Location, _ body: (EventView) throws(StoreError) -> R
  ) throws(StoreError) -> R {
    guard let chunk = try file.chunk(location.chunkFirst) else { throw damaged(location) }
    return try unsafe chunk.bytes.withUnsafeBufferPointer { (typed) throws(StoreError) -> R in
      let all = UnsafeRawBufferPointer(typed)
      guard location.offset < all.count,
        let view = try? unsafe EventView(validating: UnsafeRawBufferPointer(rebasing: all[location.offset...])),
        view.ordinal == location.ordinal
      else { throw damaged(location) }
      return try body(view)
    }
  }

  private func damaged(_ location: Location) -> StoreError {
    StoreError(
      .corrupted, "\(file.path): event \(location.ordinal) is not where it was stored", hint: "run `clew verify`")
  }
}
