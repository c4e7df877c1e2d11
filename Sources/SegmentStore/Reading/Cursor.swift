import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func makeEventCursor(after: Int64) throws(StoreError) -> any EventCursor {
    StoreCursor(try view(), after: after)
  }
}

/// Walks over segments and then hot files, in the order of ordinals. A segment's events are sorted through a nameless
/// temporary file in the directory (or in `/tmp` where the directory cannot be written to), one segment at a time.
private final class StoreCursor: EventCursor {
  private let view: StoreView
  private var after: Int64
  private var nextSegment = 0
  private var cursor: SegmentOrdinalCursor?
  private var nextGeneration = 0

  init(_ view: StoreView, after: Int64) {
    self.view = view
    self.after = after
  }

  func next(limit: Int) throws(StoreError) -> [StoredEvent] {
    let limit = max(1, limit)
    var events: [StoredEvent] = []
    while events.count < limit && nextSegment < view.segments.count {
      try nextOfSegment(limit, &events)
    }
    while events.count < limit && nextGeneration < view.generations.count {
      try nextOfGeneration(limit, &events)
    }
    return events
  }

  private func nextOfSegment(_ limit: Int, _ events: inout [StoredEvent]) throws(StoreError) {
    let segment = view.segments[nextSegment]
    if segment.ordinals.upperBound <= after || segment.isDamaged {
      nextSegment += 1
      cursor = nil
      return
    }
    do throws(StoreError) {
      let cursor: SegmentOrdinalCursor
      if let known = self.cursor { cursor = known } else { cursor = try open(segment) }
      self.cursor = cursor
      let count = try cursor.next(limit: limit - events.count) { (event, stored) throws(StoreError) in
        self.after = event.ordinal
        if event.eventClass == .report { return }
        events.append(view.stored(event, view.trace(of: event.ordinal, stored: stored), payload: true))
      }
      if count == 0 {
        self.cursor = nil
        nextSegment += 1
      }
    } catch {
      guard error.code == .corrupted else { throw error }
      segment.note(error, log: view.store.log)
      self.cursor = nil
      nextSegment += 1
    }
  }

  private func open(_ segment: SegmentHandle) throws(StoreError) -> SegmentOrdinalCursor {
    do {
      return try segment.reader.ordinalCursor(after: after, temporaryDirectory: view.store.directory)
    } catch {
      if view.store.isWritable || error.code != .inputOutput { throw error }
      return try segment.reader.ordinalCursor(after: after, temporaryDirectory: "/tmp")
    }
  }

  private func nextOfGeneration(_ limit: Int, _ events: inout [StoredEvent]) throws(StoreError) {
    let generation = view.generations[nextGeneration]
    let wanted = limit - events.count
    let start = after
    let locations = view.locations(generation) { generation in
      let first = generation.index.firstOrdinal
      let begin = Int(max(0, start + 1 - first))
      return Array(begin..<max(begin, min(generation.index.count, begin + wanted)))
    }
    if locations.isEmpty {
      nextGeneration += 1
      return
    }
    _ = try view.read(generation, locations) { (event) throws(StoreError) -> Walk in
      if event.eventClass != .report {
        events.append(view.stored(event, view.trace(of: event, in: generation), payload: true))
      }
      return .proceed
    }
    after = locations[locations.count - 1].ordinal
  }
}
