public import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  func view() throws(StoreError) -> StoreView {
    try requireOpen()
    return StoreView(self)
  }

  public var lastOrdinal: Int64 { lock.withLock { state.lastOrdinal } }

  public var bytesReadByThisThread: Int { SegmentReader.bytesRead.value }

  public func missingParts() -> [MissingPart] { lock.withLock { state.missing() } }

  func noteDamagedHot(_ file: HotFile, _ error: StoreError) {
    let name = DirectoryLayout.hotName(first: file.first)
    let isNew = lock.withLock {
      if state.damagedHot.contains(name) { return false }
      state.damagedHot.append(name)
      return true
    }
    if isNew { log.error("store", "\(error.message); what is damaged is left out, everything else goes on") }
  }

  public func trace(_ correlation: Identifier) throws(StoreError) -> TraceContents {
    try view().contents(of: correlation)
  }

  public func trace(
    _ correlation: Identifier, withPayloadsUpTo bytesMax: Int
  ) throws(StoreError) -> (contents: TraceContents, payloads: TracePayloads?) {
    var payloads: TracePayloads? = TracePayloads()
    let contents = try view().contents(of: correlation, &payloads, bytesMax: bytesMax)
    return (contents, payloads)
  }

  public func payloads(
    ofTrace correlation: Identifier, ordinals: Set<Int64>
  ) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    var found: [StoredEvent] = []
    if ordinals.isEmpty { return found }
    try view.forEachEvent(ofTrace: correlation) { (event) throws(StoreError) in
      if ordinals.contains(event.ordinal) { found.append(view.stored(event, correlation, payload: true)) }
    }
    return found.sorted { $0.ordinal < $1.ordinal }
  }

  public func events(withID id: Identifier) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    var found: [StoredEvent] = []
    try view.forEachEvent(withID: id) { (event, trace) throws(StoreError) in
      found.append(view.stored(event, trace, payload: true))
    }
    return found.sorted { $0.ordinal < $1.ordinal }
  }

  public func locate(_ ids: [Identifier]) throws(StoreError) -> [Identifier: Identifier?] {
    let view = try view()
    var found: [Identifier: Identifier?] = [:]
    for id in ids where found[id] == nil {
      var first = Int64.max
      try view.forEachEvent(withID: id) { (event, trace) throws(StoreError) in
        if event.ordinal < first {
          first = event.ordinal
          found.updateValue(trace, forKey: id)
        }
      }
    }
    return found
  }

  public func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    var found: [Int64: StoredEvent] = [:]
    for segment in view.segments where !segment.isDamaged {
      try view.reading(segment) { (reader) throws(StoreError) in
        try view.forEachEffect(of: id, in: reader) { (event, trace) throws(StoreError) in
          if found[event.ordinal] == nil { found[event.ordinal] = view.stored(event, trace, payload: false) }
        }
      }
    }
    try view.forEachHotEffect(of: id) { (event, trace) throws(StoreError) in
      if found[event.ordinal] == nil { found[event.ordinal] = view.stored(event, trace, payload: false) }
    }
    let effects = found.values.filter { $0.eventClass != .report }.sorted { $0.ordinal < $1.ordinal }
    return Array(effects.prefix(max(0, limit)))
  }

  public func stream(
    _ name: String, after: Int64, limit: Int, payload: Bool
  ) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    let bytes = Array(name.utf8)
    var found: [StoredEvent] = []
    if limit <= 0 || bytes.isEmpty { return found }
    for segment in view.segments where segment.ordinals.upperBound > after && !segment.isDamaged {
      var page = NewestLast(limit: limit - found.count)
      try view.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(inStream: bytes, after: after) { (event, stored) throws(StoreError) -> Walk in
          page.add(event.ordinal) {
            view.stored(event, view.trace(of: event.ordinal, stored: stored), payload: payload)
          }
          return .proceed
        }
      }
      found += page.sorted
      if found.count >= limit { return found }
    }
    for generation in view.generations {
      let locations = view.locations(generation) { generation in
        Array(generation.index.places(ofStream: bytes).lazy.filter { generation.index.ordinal($0) > after })
      }
      let walk = try view.read(generation, locations) { (event) throws(StoreError) -> Walk in
        if unsafe event.stream.elementsEqual(bytes) {
          found.append(view.stored(event, view.trace(of: event, in: generation), payload: payload))
        }
        return found.count < limit ? .proceed : .stop
      }
      if walk == .stop { break }
    }
    return found
  }

  public func checkpoints(ofSource source: String) throws(StoreError) -> [SourceCheckpoint] {
    try requireOpen()
    let all = lock.withLock { state.checkpoints.values.filter { $0.source.utf8.elementsEqual(source.utf8) } }
    return all.sorted { $0.subStream.utf8.lexicographicallyPrecedes($1.subStream.utf8) }
  }

  public func sources() throws(StoreError) -> [String] {
    try requireOpen()
    return lock.withLock { state.sources.all }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }
}

/// The events with the lowest ordinals, at most so many; memory is twice that.
private struct NewestLast {
  private let limit: Int
  private var events: [StoredEvent] = []
  private var bound = Int64.max

  init(limit: Int) { self.limit = limit }

  mutating func add(_ ordinal: Int64, _ event: () -> StoredEvent) {
    if ordinal >= bound { return }
    events.append(event())
    if events.count >= limit * 2 {
      events = sorted
      bound = events.last?.ordinal ?? .max
    }
  }

  var sorted: [StoredEvent] { Array(events.sorted { $0.ordinal < $1.ordinal }.prefix(limit)) }
}

extension StoreView {
  /// Effects that one segment has in a trace together with the cause, and then those in its index of outside causes;
  /// some may come twice.
  func forEachEffect(
    of id: Identifier, in reader: SegmentReader, _ body: (EventView, Identifier?) throws(StoreError) -> Void
  ) throws(StoreError) {
    func give(_ event: EventView, _ stored: Identifier?) throws(StoreError) -> Walk {
      if event.cause == id { try body(event, trace(of: event.ordinal, stored: stored)) }
      return .proceed
    }
    var traces: Set<Identifier> = []
    try reader.forEachEvent(withID: id) { _, stored in
      if let stored { traces.insert(stored) }
      return .proceed
    }
    for trace in traces.sorted() {
      try reader.forEachEvent(ofTrace: trace) { (event, stored) throws(StoreError) -> Walk in try give(event, stored) }
    }
    try reader.forEachEvent(causedByOutside: id) { (event, stored) throws(StoreError) -> Walk in
      try give(event, stored)
    }
  }

  func forEachHotEffect(
    of id: Identifier, _ body: (EventView, Identifier?) throws(StoreError) -> Void
  ) throws(StoreError) {
    let key = id.key
    for generation in generations {
      let found = locations(generation) { generation in generation.index.places(causedBy: key) }
      _ = try read(generation, found) { (event) throws(StoreError) -> Walk in
        if event.cause == id { try body(event, trace(of: event, in: generation)) }
        return .proceed
      }
    }
  }
}
