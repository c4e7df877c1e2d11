public import EventModel

/// Finds traces, newest first, a page at a time.
public struct TraceSearch {
  public struct Options: Sendable {
    /// Traces with an event created in this range.
    public var range = TimeRange.all
    /// Nanoseconds between first and last event.
    public var minDuration: Int64?
    /// Traces on a page.
    public var limit = 20
    /// The page starts behind this place.
    public var after: TracePlace?
    /// How many traces one page may look at before it stops early.
    public var examinedMax = 10_000
    /// How many events one page may pass over, judging them by their names and times only, before it stops early.
    public var passedEventsMax = 50_000_000
    /// How many bytes of payload one page may look at before it stops early; the trace at hand is finished.
    public var payloadBytesMax = 256 << 20

    public init() {}
  }

  public struct Page: Sendable, Hashable {
    /// Where the next page starts; nil if no trace is left. The next page may turn out to be empty.
    public var next: TracePlace?
    public var foundCount = 0
    public var examinedCount = 0
    /// Events that were judged by their names and times.
    public var passedEventCount = 0
    /// The page is not full, because a bound of the options was reached: there may be more behind `next`.
    public var stoppedEarly = false
  }

  private let reader: any TraceReader
  private let depth: (TraceContents) -> Int

  /// - Parameter depth: the depth of a trace's tree, for `depth>3`; assembly is not this module's business.
  public init(_ reader: any TraceReader, depth: @escaping (TraceContents) -> Int) {
    self.reader = reader
    self.depth = depth
  }

  /// Calls `found` with each trace of the page.
  ///
  /// Payloads are read only where a term needs them and all other terms are met. A query with an exact `correlation:`
  /// or `id:`, or of a small stream or a cause with few effects, looks at these traces only; any other looks at traces
  /// one by one, newest first, of which the store leaves out those that cannot meet it (`TracePrefilter`).
  public func run(
    _ query: TraceQuery, _ options: Options, _ found: (TraceContents) throws(StoreError) -> Void
  ) throws(StoreError) -> Page {
    var page = Page()
    var budget = options.payloadBytesMax
    var last: TracePlace?
    func visit(_ contents: TraceContents) throws(StoreError) -> Walk {
      // One trace beyond the page tells that there is more.
      let isFull = page.foundCount >= max(1, options.limit)
      if isFull || page.examinedCount >= options.examinedMax || budget <= 0 {
        page.next = last
        page.stoppedEarly = !isFull
        return .stop
      }
      page.examinedCount += 1
      last = contents.place
      if try meets(contents, query, options, &budget) {
        page.foundCount += 1
        try found(contents)
      }
      return .proceed
    }
    if let candidates = try candidates(query, options) {
      for contents in candidates {
        if try visit(contents) == .stop { break }
      }
    } else {
      let filter = TracePrefilter(query, minDuration: options.minDuration)
      try reader.traces(in: options.range, after: options.after, mayMeet: filter) { (step) throws(StoreError) in
        switch step {
        case .trace(let contents): return try visit(contents)
        case .passed(let count, let place):
          page.passedEventCount += count
          let isFull = page.foundCount >= max(1, options.limit)
          if !isFull && page.passedEventCount < options.passedEventsMax { return .proceed }
          page.next = place
          page.stoppedEarly = !isFull
          return .stop
        }
      }
    }
    return page
  }

  /// A stream or a cause with more events than this is not followed event by event.
  private static let followedEventsMax = 1_000

  /// The only traces that can match, if an exact id says so, in the order of the list; nil if any can.
  private func candidates(_ query: TraceQuery, _ options: Options) throws(StoreError) -> [TraceContents]? {
    var wanted: Set<Identifier>?
    for term in query.terms where !term.isNegated {
      switch term.condition {
      case .correlation(.exact(let id)): wanted = [id]
      case .id(.exact(let id)) where wanted == nil:
        wanted = Set(try reader.events(withID: id).compactMap(\.correlation))
      case .name(.stream, let pattern) where wanted == nil && pattern.isExact:
        let name = String(decoding: pattern.parts[0], as: UTF8.self)
        wanted = traces(
          of: try reader.stream(name, after: 0, limit: Self.followedEventsMax + 1, payload: false))
      case .cause(.exact(let id)) where wanted == nil:
        wanted = traces(of: try reader.effects(of: id, limit: Self.followedEventsMax + 1))
      default: continue
      }
    }
    guard let wanted else { return nil }
    var placed: [(place: TracePlace, contents: TraceContents)] = []
    for id in wanted {
      let contents = try reader.trace(id)
      guard let place = contents.place, contents.records.contains(where: { options.range.contains($0.created) }),
        options.after.map({ $0.isBefore(place) }) ?? true
      else { continue }
      placed.append((place, contents))
    }
    return placed.sorted { $0.place.isBefore($1.place) }.map(\.contents)
  }

  /// Nil if these may not be all.
  private func traces(of events: [StoredEvent]) -> Set<Identifier>? {
    events.count > Self.followedEventsMax ? nil : Set(events.compactMap(\.correlation))
  }

  private func meets(
    _ contents: TraceContents, _ query: TraceQuery, _ options: Options, _ budget: inout Int
  ) throws(StoreError) -> Bool {
    if let least = options.minDuration, TraceMatch.duration(contents) < least { return false }
    let match = TraceMatch(contents: contents, query: query, depth: depth)
    switch match.answer() {
    case .yes: return true
    case .no: return false
    case .needsPayloads(let open): return try meets(match, open, &budget)
    }
  }

  /// Reads payloads in portions that follow their size, until every open term is decided.
  private func meets(_ match: TraceMatch, _ open: [Int], _ budget: inout Int) throws(StoreError) -> Bool {
    var open = open
    var portion = 16
    var start = 0
    let records = match.contents.records
    while start < records.count && !open.isEmpty {
      let end = min(start + portion, records.count)
      let ordinals = Set(records[start..<end].map(\.ordinal))
      var bytes = 0
      for event in try reader.payloads(ofTrace: match.contents.correlation, ordinals: ordinals) {
        bytes += (event.data?.bytes.count ?? 0) + (event.metadata?.bytes.count ?? 0)
        let met = match.terms(of: open, metBy: event)
        if met.contains(where: { match.query.terms[$0].isNegated }) { return false }
        if !met.isEmpty { open.removeAll { met.contains($0) } }
      }
      budget -= bytes
      portion = bytes > 8 << 20 ? max(1, portion / 4) : min(portion * 2, 1024)
      start = end
    }
    return open.allSatisfy { match.query.terms[$0].isNegated }
  }
}

extension TracePlace {
  /// The place as opaque text, for those who ask for the next page.
  public var cursor: String {
    let digits = Array("0123456789abcdef".utf8)
    let hex = correlation.shownBytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return "s1.\(firstEvent.nanoseconds).\(String(decoding: hex, as: UTF8.self))"
  }

  /// Nil if the text is no cursor of a list of traces.
  public init?(cursor: String) {
    let parts = cursor.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "s1", let nanoseconds = Int64(parts[1]), parts[2].utf8.count % 2 == 0 else {
      return nil
    }
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in parts[2] {
      guard let value = character.hexDigitValue, character.isASCII else { return nil }
      if let upper = high {
        bytes.append(upper << 4 | UInt8(value))
        high = nil
      } else {
        high = UInt8(value)
      }
    }
    guard let id = Identifier(String(decoding: bytes, as: UTF8.self)) else { return nil }
    self.init(firstEvent: Timestamp(nanoseconds: nanoseconds), correlation: id)
  }
}
