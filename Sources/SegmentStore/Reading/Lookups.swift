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

  public func namesakes(_ id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    var page = LowestOrdinals(limit: max(1, limit))
    var first: StoredEvent?
    try view.forEachEvent(withID: id) { (event, trace) throws(StoreError) in
      if event.ordinal < first?.ordinal ?? .max { first = view.stored(event, trace, payload: true) }
      page.add(event.ordinal) { view.stored(event, trace, payload: false) }
    }
    var events = page.sorted
    if let first, !events.isEmpty { events[0] = first }
    return events
  }

  public func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    var found: [StoredEvent] = []
    if limit <= 0 { return found }
    // Files are in the order of ordinals: a full page needs no later one.
    for segment in view.segments where !segment.isDamaged {
      var page = LowestOrdinals(limit: limit - found.count)
      try view.reading(segment) { (reader) throws(StoreError) in
        try view.forEachEffect(of: id, in: reader) { (event, trace) throws(StoreError) in
          if event.eventClass != .report { page.add(event.ordinal) { view.stored(event, trace, payload: false) } }
        }
      }
      found += page.sorted
      if found.count >= limit { return found }
    }
    var page = LowestOrdinals(limit: limit - found.count)
    try view.forEachHotEffect(of: id) { (event, trace) throws(StoreError) in
      if event.eventClass != .report { page.add(event.ordinal) { view.stored(event, trace, payload: false) } }
    }
    return found + page.sorted
  }

  public func stream(
    _ name: String, after: Int64, limit: Int, payload: Bool
  ) throws(StoreError) -> [StoredEvent] {
    let view = try view()
    let bytes = Array(name.utf8)
    var found: [StoredEvent] = []
    if limit <= 0 || bytes.isEmpty { return found }
    for segment in view.segments where segment.ordinals.upperBound > after && !segment.isDamaged {
      var page = LowestOrdinals(limit: limit - found.count)
      try view.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(
          inStream: bytes, after: after, below: { page.compactedBound }
        ) { (event, stored) throws(StoreError) in
          page.add(event.ordinal) {
            view.stored(event, view.trace(of: event.ordinal, stored: stored), payload: payload)
          }
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

/// The events with the lowest ordinals, at most so many, each once; memory is twice that.
struct LowestOrdinals {
  private let limit: Int
  private var events: [StoredEvent] = []
  /// Events from here on are not among the lowest.
  private(set) var bound = Int64.max

  init(limit: Int) { self.limit = limit }

  mutating func add(_ ordinal: Int64, _ event: () -> StoredEvent) {
    if ordinal >= bound { return }
    events.append(event())
    if events.count >= limit * 2 { compact() }
  }

  /// Drops what is not among the lowest.
  mutating func compact() {
    events = sorted
    if events.count >= limit, let last = events.last { bound = last.ordinal }
  }

  /// The bound as tight as it can be now.
  var compactedBound: Int64 {
    mutating get {
      if events.count >= limit { compact() }
      return bound
    }
  }

  var sorted: [StoredEvent] {
    var lowest: [StoredEvent] = []
    for event in events.sorted(by: { $0.ordinal < $1.ordinal }) where event.ordinal != lowest.last?.ordinal {
      if lowest.count == limit { break }
      lowest.append(event)
    }
    return lowest
  }
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

extension SegmentReader {
  private static let keptBlocksMax = 32

  /// Events of a stream with an ordinal above `after`: blocks in the order of their lowest ordinals, until one begins
  /// at or behind what `below` says then.
  func forEachEvent(
    inStream stream: [UInt8], after: Int64, below: () -> Int64,
    _ body: (EventView, Identifier?) throws(StoreError) -> Void
  ) throws(StoreError) {
    let key = unsafe stream.withUnsafeBytes { unsafe IdentifierKey.hashing($0) }
    let numbers = try candidates(.stream, key).filter { blocks[$0 - 1].lastOrdinal > after }
      .sorted { blocks[$0 - 1].firstOrdinal < blocks[$1 - 1].firstOrdinal }
    for number in numbers {
      if blocks[number - 1].firstOrdinal >= below() { return }
      // A stream with events in very many blocks would drive all others out of the cache.
      let block = try block(number, keeps: numbers.count <= Self.keptBlocksMax)
      _ = try walkRuns(ofStream: stream, block) { (event, trace) throws(StoreError) -> Walk in
        if event.ordinal > after, unsafe event.stream.elementsEqual(stream) { try body(event, trace) }
        return .proceed
      }
    }
  }
}
