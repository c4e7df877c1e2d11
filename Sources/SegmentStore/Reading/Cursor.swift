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
  /// The answer holds enough bytes: large events make it shorter than asked for.
  private var isFull = false
  static let payloadBytesMax = 32 << 20

  init(_ view: StoreView, after: Int64) {
    self.view = view
    // What lies beyond the end was asked for by somebody who counts on; arithmetic on it would overflow.
    self.after = min(max(after, -1), view.lastOrdinal)
  }

  func next(limit: Int) throws(StoreError) -> [StoredEvent] {
    let limit = max(1, limit)
    var events: [StoredEvent] = []
    isFull = false
    while !isFull && events.count < limit && nextSegment < view.segments.count {
      try nextOfSegment(limit, &events)
    }
    while !isFull && events.count < limit && nextGeneration < view.generations.count {
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
      let count = try cursor.next(limit: min(limit - events.count, segmentStep(segment))) {
        (event, stored) throws(StoreError) in
        self.after = event.ordinal
        if event.eventClass == .report { return }
        events.append(view.stored(event, view.trace(of: event.ordinal, stored: stored), payload: true))
      }
      if count == 0 {
        self.cursor = nil
        nextSegment += 1
      }
      let bytes = events.reduce(0) { $0 + ($1.data?.bytes.count ?? 0) + ($1.metadata?.bytes.count ?? 0) }
      if bytes >= Self.payloadBytesMax { isFull = true }
    } catch {
      guard view.store.isOnly(segment, error) else { throw error }
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

  /// How many events of a segment are read at once, so that a step of large ones stays bounded too.
  private func segmentStep(_ segment: SegmentHandle) -> Int {
    let mean = max(1, segment.reader.descriptor.rawBytes) / max(1, segment.reader.descriptor.eventCount)
    return max(1, min(256, Self.payloadBytesMax / max(1, mean)))
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
    var payloadBytes = 0
    var last = locations[locations.count - 1].ordinal
    _ = try view.read(generation, locations) { (event) throws(StoreError) -> Walk in
      if event.eventClass != .report {
        events.append(view.stored(event, view.trace(of: event, in: generation), payload: true))
        payloadBytes += unsafe event.bytes.count
      }
      if payloadBytes < Self.payloadBytesMax { return .proceed }
      last = event.ordinal
      isFull = true
      return .stop
    }
    after = last
  }
}
