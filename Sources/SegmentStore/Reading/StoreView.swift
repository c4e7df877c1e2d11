import EventModel
import Platform
import TraceStore

/// What is stored at one moment, for one answer: files stay open and readable while it lives, and events that are
/// stored later are left out. Each event is in exactly one of its parts.
final class StoreView {
  let store: SegmentStore
  let generations: [HotGeneration]
  let segments: [SegmentHandle]
  let late: LateTable
  let sources: SourceTable
  let lastOrdinal: Int64

  init(_ store: SegmentStore) {
    self.store = store
    (generations, segments, late, sources, lastOrdinal) = store.lock.withLock {
      let state = store.state
      return (state.generations, state.segments, state.late, state.sources, state.lastOrdinal)
    }
  }

  func sourceName(_ index: UInt32) -> String { sources.name(index) }

  /// Reads a segment; damage sets it aside and shows in `missing`.
  func reading(_ segment: SegmentHandle, _ body: (SegmentReader) throws(StoreError) -> Void) throws(StoreError) {
    if segment.isDamaged { return }
    do {
      try body(segment.reader)
    } catch {
      guard store.isOnly(segment, error) else { throw error }
      segment.note(error, log: store.log)
    }
  }

  /// The effective trace of an event whose own file says `stored`.
  func trace(of ordinal: Int64, stored: Identifier?) -> Identifier? {
    late.trace(of: ordinal, stored: stored)
  }

  /// Reads hot events; a damaged row leaves them out and is told in the log and in `missing`.
  func read(
    _ generation: HotGeneration, _ locations: [HotGeneration.Location],
    _ body: (EventView) throws(StoreError) -> Walk
  ) throws(StoreError) -> Walk {
    for location in locations {
      do {
        if try generation.withEvent(location, body) == .stop { return .stop }
      } catch {
        guard error.code == .corrupted else { throw error }
        store.noteDamagedHot(generation.file, error)
      }
    }
    return .proceed
  }

  /// Places that `find` gives inside the store's lock, as locations, those stored later left out.
  func locations(
    _ generation: HotGeneration, _ find: (borrowing HotGeneration) -> [Int]
  ) -> [HotGeneration.Location] {
    store.lock.withLock {
      find(generation).compactMap { place in
        let location = generation.location(place)
        return location.ordinal <= lastOrdinal ? location : nil
      }
    }
  }

  // MARK: Traces

  /// Calls `body` with every event of a trace: sealed ones first, in the order of segments; not sorted. Without payloads
  /// metadata and data may be empty, which saves making them.
  func forEachEvent(
    ofTrace trace: Identifier, payloads: Bool = true, _ body: (EventView) throws(StoreError) -> Void
  ) throws(StoreError) {
    let key = trace.key
    for segment in segments where segment.mayContain(trace: key) {
      try reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTrace: trace, payloads: payloads) { (event, stored) throws(StoreError) -> Walk in
          if self.trace(of: event.ordinal, stored: stored) == trace { try body(event) }
          return .proceed
        }
      }
    }
    for assignment in late.events(ofTrace: key) where assignment.trace == trace {
      try withEvent(assignment) { (event) throws(StoreError) in try body(event) }
    }
    for generation in generations {
      let found = locations(generation) { generation in
        guard let number = generation.index.traceTable.find(key),
          generation.index.traceTable.identifier(number) == trace
        else { return [] }
        return generation.index.places(ofTraceNumber: number)
      }
      let own = late.isEmpty ? found : found.filter { self.trace(of: $0.ordinal, stored: trace) == trace }
      _ = try read(generation, own) { (event) throws(StoreError) -> Walk in
        try body(event)
        return .proceed
      }
    }
  }

  /// The one event that got its trace late.
  private func withEvent(
    _ assignment: LateAssignment, _ body: (EventView) throws(StoreError) -> Void
  ) throws(StoreError) {
    for segment in segments where segment.ordinals.contains(assignment.ordinal) {
      try reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withID: assignment.id) { (event, _) throws(StoreError) -> Walk in
          guard event.ordinal == assignment.ordinal else { return .proceed }
          try body(event)
          return .stop
        }
      }
    }
    for generation in generations {
      let found = locations(generation) { generation in
        generation.index.place(assignment.ordinal).map { [$0] } ?? []
      }
      _ = try read(generation, found) { (event) throws(StoreError) -> Walk in
        try body(event)
        return .proceed
      }
    }
  }

  /// In which files the trace may have events; in more than it has where a filter errs.
  func parts(of trace: Identifier) -> TraceParts {
    let key = trace.key
    var parts = TraceParts()
    // Their files say neither where such events are now, nor when all of them were created.
    if late.hasEvents(ofTrace: key) { parts = TraceParts(count: 2, extent: .all) }
    for segment in segments where segment.mayContain(trace: key) {
      parts.count += 1
      parts.extent.add(segment.reader.extent)
    }
    store.lock.withLock {
      for generation in generations where generation.index.traceTable.find(key) != nil {
        parts.count += 1
        parts.extent.add(generation.index.extent)
      }
    }
    return parts
  }

  /// When the events of all files were created.
  var extent: CreatedExtent {
    var all = CreatedExtent()
    for segment in segments where !segment.isDamaged { all.add(segment.reader.extent) }
    store.lock.withLock {
      for generation in generations { all.add(generation.index.extent) }
    }
    return all
  }

  func contents(of trace: Identifier) throws(StoreError) -> TraceContents {
    var payloads: TracePayloads?
    return try contents(of: trace, &payloads, bytesMax: 0)
  }

  /// - Parameter payloads: takes all payloads, unless it is nil; becomes nil where they have more than `bytesMax` bytes.
  func contents(
    of trace: Identifier, _ payloads: inout TracePayloads?, bytesMax: Int
  ) throws(StoreError) -> TraceContents {
    var names = NameTable()
    var records: [TraceRecord] = []
    var lastSource = UInt32.max
    var lastSourceName: UInt32 = 0
    var isSorted = true
    var last = Int64.min
    var taken = payloads
    payloads = nil
    try forEachEvent(ofTrace: trace, payloads: taken != nil) { (event) throws(StoreError) in
      if event.sourceIndex != lastSource {
        lastSource = event.sourceIndex
        lastSourceName = names.intern(sourceName(lastSource))
      }
      let record = TraceRecord(event, source: lastSourceName, names: &names)
      if record.ordinal < last { isSorted = false }
      last = record.ordinal
      if records.isEmpty { records.reserveCapacity(32) }
      records.append(record)
      if taken == nil { return }
      taken?.append(event)
      if let bytes = taken?.byteCount, bytes > bytesMax { taken = nil }
    }
    if !isSorted { records.sort { $0.ordinal < $1.ordinal } }
    taken?.finish()
    payloads = taken
    return TraceContents(correlation: trace, records: records, names: names, missing: store.missingParts())
  }

  // MARK: Events

  /// Calls `body` with every event of that id and its trace, not sorted.
  func forEachEvent(
    withID id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Void
  ) throws(StoreError) {
    let key = id.key
    for segment in segments where segment.mayContain(eventID: key) {
      try reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withID: id) { (event, stored) throws(StoreError) -> Walk in
          try body(event, trace(of: event.ordinal, stored: stored))
          return .proceed
        }
      }
    }
    for generation in generations {
      let found = locations(generation) { generation in
        var places: [Int] = []
        generation.index.forEach(id: key) { places.append($0) }
        return places.sorted()
      }
      _ = try read(generation, found) { (event) throws(StoreError) -> Walk in
        if event.id == id { try body(event, trace(of: event, in: generation)) }
        return .proceed
      }
    }
  }

  /// The effective trace of a hot event.
  func trace(of event: EventView, in generation: HotGeneration) -> Identifier? {
    if let assignment = late.assignment(of: event.ordinal) { return assignment.trace }
    let ordinal = event.ordinal
    return store.lock.withLock {
      guard let place = generation.index.place(ordinal) else { return nil }
      let number = generation.index.trace(place)
      return number == 0 ? nil : generation.index.traceTable.identifier(number)
    }
  }

  func stored(_ event: EventView, _ trace: Identifier?, payload: Bool) -> StoredEvent {
    StoredEvent(event, source: sourceName(event.sourceIndex), correlation: trace, payload: payload)
  }
}

/// The times between which events were created; nothing is between the ones that it begins with.
struct CreatedExtent {
  var first = Int64.max
  var last = Int64.min

  static let all = CreatedExtent(first: .min, last: .max)

  mutating func add(_ other: CreatedExtent) {
    first = min(first, other.first)
    last = max(last, other.last)
  }
}

/// The files in which a trace may have events.
struct TraceParts {
  var count = 0
  var extent = CreatedExtent()
}

extension SegmentReader {
  var extent: CreatedExtent {
    CreatedExtent(first: descriptor.firstCreated.nanoseconds, last: descriptor.lastCreated.nanoseconds)
  }
}

extension HotIndex {
  var extent: CreatedExtent { CreatedExtent(first: firstCreated.nanoseconds, last: lastCreated.nanoseconds) }
}
