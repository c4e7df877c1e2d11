public import EventModel

/// A half-open range of event times; nil bounds are open.
public struct TimeRange: Hashable, Sendable {
  public var since: Timestamp?
  public var until: Timestamp?

  public init(since: Timestamp? = nil, until: Timestamp? = nil) {
    self.since = since
    self.until = until
  }

  public static let all = TimeRange()

  /// `since <= time < until`.
  public func contains(_ time: Timestamp) -> Bool {
    if let since, time < since { return false }
    if let until, time >= until { return false }
    return true
  }
}

/// A place in the list of traces, newest first: by time of the first event, descending, then by correlation id.
public struct TracePlace: Hashable, Sendable {
  public var firstEvent: Timestamp
  public var correlation: Identifier

  public init(firstEvent: Timestamp, correlation: Identifier) {
    self.firstEvent = firstEvent
    self.correlation = correlation
  }
}

/// Whether a walk goes on.
public enum Walk: Sendable {
  case proceed
  case stop
}

/// The figures of one (source, service, handler, event type): exact but for the percentiles, which are within 1 %.
public struct HandlerStatistics: Hashable, Sendable {
  public var source: String
  /// "" where absent.
  public var service: String
  public var handler: String
  /// The produced (child) event's type.
  public var eventType: String
  /// Edges whose child was created in the range, negative latencies included.
  public var count: Int
  public var negativeCount: Int
  /// Events of these names in the range that are failures, with or without an edge.
  public var failureCount: Int
  /// Nanoseconds; nil where `count` is 0.
  public var minimum: Int64?
  public var p50: Int64?
  public var p90: Int64?
  public var p99: Int64?
  public var maximum: Int64?

  public init(
    source: String, service: String, handler: String, eventType: String, count: Int, negativeCount: Int,
    failureCount: Int, minimum: Int64?, p50: Int64?, p90: Int64?, p99: Int64?, maximum: Int64?
  ) {
    self.source = source
    self.service = service
    self.handler = handler
    self.eventType = eventType
    self.count = count
    self.negativeCount = negativeCount
    self.failureCount = failureCount
    self.minimum = minimum
    self.p50 = p50
    self.p90 = p90
    self.p99 = p99
    self.maximum = maximum
  }
}

/// How often events of one type made a handler produce events of another type.
public struct FlowEdge: Hashable, Sendable {
  public var source: String
  public var causeType: String
  public var service: String
  public var handler: String
  public var effectType: String
  public var count: Int
  public var failureCount: Int

  public init(
    source: String, causeType: String, service: String, handler: String, effectType: String, count: Int,
    failureCount: Int
  ) {
    self.source = source
    self.causeType = causeType
    self.service = service
    self.handler = handler
    self.effectType = effectType
    self.count = count
    self.failureCount = failureCount
  }
}

/// Sizes and states of a store.
public struct StoreStatistics: Hashable, Sendable {
  /// Stored events, reports not counted.
  public var eventCount = 0
  public var reportCount = 0
  public var traceCount = 0
  /// Sealed segments.
  public var segmentCount = 0
  public var damagedSegmentCount = 0
  /// Events not sealed yet.
  public var hotEventCount = 0
  /// Bytes of every file of the directory.
  public var storedBytes = 0
  /// Bytes of all frames before compression.
  public var rawBytes = 0
  /// Children whose cause is not stored (bounded table, `unresolvedDropped` counts what did not fit).
  public var unresolvedCount = 0
  public var unresolvedDropped = 0
  public var oldestEvent: Timestamp?
  public var newestEvent: Timestamp?
  /// Bytes by kind: `hot`, `segments`, `catalog`.
  public var bytesByKind: [String: Int] = [:]

  public init() {}
}

/// Reads a store. Every method may be called from any thread, while events are appended, sealed and dropped, and
/// sees each event once.
public protocol TraceReader: AnyObject, Sendable {
  /// All events of a trace, by ordinal; no records if the id is unknown.
  ///
  /// - Throws: `StoreError`; a damaged segment does not throw but is named in `missing`.
  func trace(_ correlation: Identifier) throws(StoreError) -> TraceContents

  /// As `trace`, with all payloads, read in one go.
  ///
  /// - Parameter bytesMax: payloads that have more bytes all together are left to `payloads(ofTrace:ordinals:)`.
  /// - Returns: nil in the place of payloads where they are left, or where the store does not read them along.
  func trace(
    _ correlation: Identifier, withPayloadsUpTo bytesMax: Int
  ) throws(StoreError) -> (contents: TraceContents, payloads: TracePayloads?)

  /// Events of a trace with their payloads, those of `ordinals` only, by ordinal.
  func payloads(ofTrace correlation: Identifier, ordinals: Set<Int64>) throws(StoreError) -> [StoredEvent]

  /// Every stored event with this id (several sources or streams may use one id), payload included, by ordinal.
  func events(withID id: Identifier) throws(StoreError) -> [StoredEvent]

  /// The first events with this id, by ordinal, at most `limit`; only the very first one has its payload.
  func namesakes(_ id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent]

  /// Which of `ids` are ids of stored events, and the trace of the first of each (nil: in no trace).
  /// Cheaper than `events(withID:)`.
  func locate(_ ids: [Identifier]) throws(StoreError) -> [Identifier: Identifier?]

  /// Events that name `id` as their cause, whatever their trace, by ordinal, at most `limit`, without payload.
  func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent]

  /// Events of one stream with an ordinal above `after`, by ordinal, at most `limit`.
  func stream(_ name: String, after: Int64, limit: Int, payload: Bool) throws(StoreError) -> [StoredEvent]

  /// Every event (reports not counted) with an ordinal above `after`, by ordinal, payload included.
  ///
  /// The cursor reads ahead in bounded memory and sees what was stored when it was made.
  func makeEventCursor(after: Int64) throws(StoreError) -> any EventCursor

  /// Traces that have an event in `range`, newest first (see `TracePlace`), strictly behind `after`, each once and
  /// whole, until `body` says stop.
  func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError)

  /// As `traces(in:after:_)`; traces that cannot meet `filter` may be left out.
  func traces(
    in range: TimeRange, after: TracePlace?, mayMeet filter: TracePrefilter,
    _ body: (SearchStep) throws(StoreError) -> Walk
  ) throws(StoreError)

  /// By source, service, handler, event type.
  func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics]

  /// By count, descending.
  func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge]

  func statistics() throws(StoreError) -> StoreStatistics

  /// The last ordinal that is stored; 0 for an empty store.
  var lastOrdinal: Int64 { get }

  /// The last durable place of a source, one for each sub-stream, by sub-stream.
  func checkpoints(ofSource source: String) throws(StoreError) -> [SourceCheckpoint]

  /// Names of all sources that were ever stored, sorted.
  func sources() throws(StoreError) -> [String]

  /// How many bytes the calling thread has read from sealed files so far, to be compared with a later value.
  var bytesReadByThisThread: Int { get }

  /// What every answer of this store may lack.
  func missingParts() -> [MissingPart]
}

extension TraceReader {
  public var bytesReadByThisThread: Int { 0 }

  public func namesakes(_ id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    var events = Array(try events(withID: id).prefix(max(1, limit)))
    for index in events.indices.dropFirst() {
      events[index].data = nil
      events[index].metadata = nil
    }
    return events
  }

  public func trace(
    _ correlation: Identifier, withPayloadsUpTo bytesMax: Int
  ) throws(StoreError) -> (contents: TraceContents, payloads: TracePayloads?) {
    (try trace(correlation), nil)
  }

  public func traces(
    in range: TimeRange, after: TracePlace?, mayMeet filter: TracePrefilter,
    _ body: (SearchStep) throws(StoreError) -> Walk
  ) throws(StoreError) {
    try traces(in: range, after: after) { (contents) throws(StoreError) -> Walk in try body(.trace(contents)) }
  }
}

/// Walks over events in order. Not thread-safe; holds files open until it is released.
public protocol EventCursor: AnyObject {
  /// The next events, at most `limit`; empty at the end.
  func next(limit: Int) throws(StoreError) -> [StoredEvent]
}

/// A store that can be written. All writing calls come from one thread.
public protocol TraceStore: TraceReader {
  /// Stores batches and their checkpoints in one transaction, in order, and derives edges and correlations.
  ///
  /// When it returns, everything is stored as `durability` demands; when it throws, nothing of these batches is.
  /// - Returns: one outcome for each batch.
  func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome]

  /// Makes everything appended so far survive the loss of power.
  func sync() throws(StoreError)

  /// Seals what is hot, waits until it is published; does nothing if nothing is hot.
  func seal() throws(StoreError)

  /// Deletes what retention says, at this time. Called now and then by the owner.
  func applyRetention(now: Timestamp) throws(StoreError)

  /// Ends background work and closes all files. Every later call throws `.closed`.
  func close()
}
