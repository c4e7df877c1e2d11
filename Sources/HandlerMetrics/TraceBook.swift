public import EventModel
import PrometheusText

/// How a trace ended.
enum TraceOutcome: Int, CaseIterable {
  case completed, failed, timedOut, idle, evicted

  var name: String { self == .timedOut ? "timed_out" : "\(self)" }
}

/// A trace that was open when the process ended, as the store knows it.
public struct RestoredTrace: Sendable {
  public var correlation: IdentifierKey
  public var source: String
  public var rootEventType: String
  public var firstCreated: Timestamp
  public var lastCreated: Timestamp
  public var eventCount: Int

  public init(
    correlation: IdentifierKey, source: String, rootEventType: String, firstCreated: Timestamp,
    lastCreated: Timestamp, eventCount: Int
  ) {
    self.correlation = correlation
    self.source = source
    self.rootEventType = rootEventType
    self.firstCreated = firstCreated
    self.lastCreated = lastCreated
    self.eventCount = eventCount
  }
}

/// The traces that are not closed yet, by last activity; bounded.
struct TraceBook {
  struct Open {
    var key: IdentifierKey
    /// The correlation id is a UUID, which the key gives back.
    var isUUID: Bool
    var source: Int
    /// Number of the root's type.
    var rootType: Int
    var rootIsCertain: Bool
    var first: Timestamp
    var last: Timestamp
    var count: Int
    /// By the clock.
    var opened: Timestamp
    var active: Timestamp
    /// It was closed before, or began before this process: closing it counts nothing.
    var isReopened: Bool
    fileprivate var previous: Int32 = -1
    fileprivate var next: Int32 = -1
  }

  private let options: MetricsOptions
  private var places: [Open] = []
  private var free: [Int32] = []
  private var placeByKey: [IdentifierKey: Int32] = [:]
  /// The one without activity for longest, and the one with the latest.
  private var oldest: Int32 = -1
  private var newest: Int32 = -1
  private(set) var evictedCount: Int64 = 0

  var started = SeriesTable(MetricCatalogue.tracesStarted)
  var closed = ReasonTable<TraceOutcome>(MetricCatalogue.tracesClosed)
  var duration: ExemplarHistogram
  var size: ExemplarHistogram
  private(set) var durationLabels = SeriesTable(MetricCatalogue.traceDuration)
  private var durationByType: [Int: Int] = [:]

  init(options: MetricsOptions) {
    self.options = options
    duration = ExemplarHistogram(MetricCatalogue.traceDuration, options)
    size = ExemplarHistogram(MetricCatalogue.traceSize, options, unitsPerOne: 1)
  }

  var sourceCount: Int { started.count }
  var openCount: Int { placeByKey.count }

  mutating func addSource(_ name: [UInt8]) {
    _ = started.add([name])
    closed.add([name]) { $0.name }
    _ = size.addSeries()
  }

  /// Calls `body` with every open trace, the one without activity for longest first.
  func forEachOpen(_ body: (Open) -> Void) {
    var place = oldest
    while place >= 0 {
      body(places[Int(place)])
      place = places[Int(place)].next
    }
  }

  subscript(key: IdentifierKey) -> Open? {
    get { placeByKey[key].map { places[Int($0)] } }
  }

  /// Changes an open trace and moves it to the end of the line.
  mutating func touch(_ key: IdentifierKey, at now: Timestamp, _ change: (inout Open) -> Void) -> Bool {
    guard let place = placeByKey[key] else { return false }
    change(&places[Int(place)])
    places[Int(place)].active = now
    unlink(place)
    link(place)
    return true
  }

  /// Adds a trace.
  ///
  /// - Returns: the one that had to go for it, if any.
  mutating func open(_ trace: Open) -> Open? {
    var evicted: Open?
    if placeByKey.count >= options.openTracesMax, oldest >= 0 {
      evicted = close(places[Int(oldest)].key)
      evictedCount += 1
    }
    let place: Int32
    if let reused = free.popLast() {
      place = reused
      places[Int(place)] = trace
    } else {
      place = Int32(places.count)
      places.append(trace)
    }
    placeByKey[trace.key] = place
    link(place)
    return evicted
  }

  mutating func close(_ key: IdentifierKey) -> Open? {
    guard let place = placeByKey.removeValue(forKey: key) else { return nil }
    unlink(place)
    free.append(place)
    return places[Int(place)]
  }

  /// The trace without activity for longest.
  var leastActive: Open? { oldest < 0 ? nil : places[Int(oldest)] }

  /// Counts a closed trace.
  mutating func count(_ trace: Open, _ outcome: TraceOutcome, _ directory: inout LabelDirectory) {
    if trace.isReopened { return }
    closed[trace.source, outcome] += 1
    size.observe(trace.source, Int64(trace.count), nil, at: trace.active)
    let length = trace.last.since(trace.first)
    guard length >= 0 else { return }
    var type = trace.rootType
    if durationByType[type] == nil && durationByType.count >= options.rootTypesMax {
      type = directory.overflowType(trace.source)
    }
    let series: Int
    if let known = durationByType[type] {
      series = known
    } else {
      let entry = directory.types[type]
      series = duration.addSeries()
      _ = durationLabels.add(
        [directory.sourceName(trace.source), entry.name], folded: entry.isOverflow ? Folded.eventType : 0)
      durationByType[type] = series
    }
    duration.observe(series, length, trace.isUUID ? Identifier(uuid: trace.key) : nil, at: trace.active)
  }

  mutating func writeDurations(into writer: inout MetricWriter) {
    writer.begin(MetricCatalogue.traceDuration)
    for index in durationLabels.sorted() {
      duration.write(Int(index), durationLabels.labels[Int(index)], options, into: &writer)
    }
  }

  private mutating func link(_ place: Int32) {
    places[Int(place)].previous = newest
    places[Int(place)].next = -1
    if newest >= 0 { places[Int(newest)].next = place } else { oldest = place }
    newest = place
  }

  private mutating func unlink(_ place: Int32) {
    let previous = places[Int(place)].previous
    let next = places[Int(place)].next
    if previous >= 0 { places[Int(previous)].next = next } else { oldest = next }
    if next >= 0 { places[Int(next)].previous = previous } else { newest = previous }
  }
}

extension MetricsRecorder {
  /// Adds an event to its trace; an event outside the live window opens none.
  func recordInTrace(_ event: AcceptedEvent, _ slot: LabelSlot, _ arrival: Timestamp, isLive: Bool, isUUID: Bool) {
    if event.trace.isZero { return }
    let isRoot = event.causeState == .root
    let known = traces.touch(event.trace, at: arrival) { trace in
      trace.first = min(trace.first, event.created)
      trace.last = max(trace.last, event.created)
      trace.count += 1
      if isRoot && !trace.rootIsCertain {
        trace.rootType = slot.type
        trace.rootIsCertain = true
      }
    }
    if !known {
      guard isLive else { return }
      if event.startsTrace { traces.started.values[slot.source] += 1 }
      let evicted = traces.open(
        TraceBook.Open(
          key: event.trace, isUUID: isUUID, source: slot.source, rootType: slot.type, rootIsCertain: isRoot,
          first: event.created, last: event.created, count: 1, opened: arrival, active: arrival,
          isReopened: !event.startsTrace))
      if let evicted { traces.count(evicted, .evicted, &directory) }
    }
    if options.completingTypes.contains(slot.names.type) {
      if let trace = traces.close(event.trace) { traces.count(trace, .completed, &directory) }
    } else if options.failingTypes.contains(slot.names.type) {
      if let trace = traces.close(event.trace) { traces.count(trace, .failed, &directory) }
    }
  }

  /// Closes what was quiet for long, and what is older than the deadline.
  func closeTraces(_ now: Timestamp) {
    let idle = Int64(options.traceIdleSeconds * 1e9)
    while let trace = traces.leastActive, now.since(trace.active) >= idle {
      if let trace = traces.close(trace.key) { traces.count(trace, .idle, &directory) }
    }
    let deadline = Int64(options.traceDeadlineSeconds * 1e9)
    var late: [IdentifierKey] = []
    traces.forEachOpen { if now.since($0.opened) >= deadline { late.append($0.key) } }
    for key in late {
      if let trace = traces.close(key) { traces.count(trace, .timedOut, &directory) }
    }
  }

  /// Brings back traces that were open when the process ended, without counting them as started.
  public func restore(_ restored: [RestoredTrace], now: Timestamp) {
    for trace in restored.suffix(options.openTracesMax) {
      let source = sourceIndex(trace.source)
      _ = traces.open(
        TraceBook.Open(
          key: trace.correlation, isUUID: false, source: source,
          rootType: directory.type(trace.rootEventType, source: source), rootIsCertain: true,
          first: trace.firstCreated, last: trace.lastCreated, count: trace.eventCount,
          opened: min(trace.firstCreated, now), active: min(trace.lastCreated, now), isReopened: false))
    }
  }
}
