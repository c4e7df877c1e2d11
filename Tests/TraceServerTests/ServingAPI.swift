import EventModel
import HTTPServer
import HandlerMetrics
import Ingest
import Platform
import Synchronization
import TestSupport
import TraceStore

@testable import TraceServer

/// The API as a server has it: a pipeline in front of a store, and metrics.
final class ServingAPI: Sendable {
  let store = FaultyStore()
  let metrics: ClewMetrics
  let pipeline: IngestPipeline
  let api: ClewAPI

  init(_ set: (inout ClewAPI.Options) -> Void = { _ in }) {
    let log = Log(minimum: .error, write: { _ in })
    var metricsOptions = MetricsOptions()
    metricsOptions.liveWindow = .all
    metrics = ClewMetrics(options: metricsOptions)
    pipeline = IngestPipeline(store: store, metrics: metrics, log: log)
    pipeline.start()
    var options = ClewAPI.Options()
    options.configurationLoadedAt = TestEvent.epoch
    set(&options)
    var counters = StoreCounters()
    counters.segmentsByState = ["open": 1, "sealed": 0]
    counters.sealDuration = StoreCounters.Durations(
      bucketCounts: [1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1], sumNanoseconds: 12_500_000_000)
    counters.lateChangesByKind = ["edge": 3]
    counters.lateRefusalsByKind = ["edge": 2]
    counters.availableBytes = 1 << 40
    counters.oldestEvent = TestEvent.epoch
    let fixed = counters
    api = ClewAPI(
      reader: store, pipeline: pipeline, metrics: metrics, storeCounters: { fixed }, options: options, log: log)
  }

  deinit { pipeline.stop() }

  func call(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: String = ""
  ) -> Answer {
    Answer(api.respond(to: TestAPI.request(method, target, headers: headers, body: Array(body.utf8))))
  }

  func get(_ target: String, headers: [(name: String, value: String)] = []) -> Answer {
    call("GET", target, headers: headers)
  }

  func post(_ lines: String) -> Answer {
    call("POST", "/api/v1/events", headers: [("content-type", "application/x-ndjson")], body: lines)
  }

  /// A streamed answer that is not read yet.
  func stream(_ target: String, headers: [(name: String, value: String)] = []) -> (any ChunkSource)? {
    let response = api.respond(to: TestAPI.request("GET", target, headers: headers))
    guard case .chunks(let chunks) = response.body else { return nil }
    return chunks
  }

  /// An event as a sender writes it.
  static func line(_ id: String, type: String = "Step", stream: String = "order-1", trace: String = "t") -> String {
    #"{"id":"\#(id)","stream":"\#(stream)","type":"\#(type)","created":"2026-01-01T00:00:00Z","#
      + #""metadata":{"$correlationId":"\#(trace)","handler":"h"}}"# + "\n"
  }
}

/// A store in memory whose disk can be full.
final class FaultyStore: TraceStore {
  private let base = MemoryTraceStore()
  let isDiskFull = Atomic(false)

  func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome] {
    if isDiskFull.load(ordering: .acquiring) {
      throw StoreError(.diskFull, "no space left in /data", hint: "free some space")
    }
    return try base.append(batches)
  }
  func sync() throws(StoreError) { try base.sync() }
  func seal() throws(StoreError) { try base.seal() }
  func applyRetention(now: Timestamp) throws(StoreError) { try base.applyRetention(now: now) }
  func close() { base.close() }
  func trace(_ correlation: Identifier) throws(StoreError) -> TraceContents { try base.trace(correlation) }
  func payloads(ofTrace correlation: Identifier, ordinals: Set<Int64>) throws(StoreError) -> [StoredEvent] {
    try base.payloads(ofTrace: correlation, ordinals: ordinals)
  }
  func events(withID id: Identifier) throws(StoreError) -> [StoredEvent] { try base.events(withID: id) }
  func locate(_ ids: [Identifier]) throws(StoreError) -> [Identifier: Identifier?] { try base.locate(ids) }
  func effects(of id: Identifier, limit: Int) throws(StoreError) -> [StoredEvent] {
    try base.effects(of: id, limit: limit)
  }
  func stream(_ name: String, after: Int64, limit: Int, payload: Bool) throws(StoreError) -> [StoredEvent] {
    try base.stream(name, after: after, limit: limit, payload: payload)
  }
  func makeEventCursor(after: Int64) throws(StoreError) -> any EventCursor { try base.makeEventCursor(after: after) }
  func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError) { try base.traces(in: range, after: after, body) }
  func handlerStatistics(in range: TimeRange) throws(StoreError) -> [HandlerStatistics] {
    try base.handlerStatistics(in: range)
  }
  func flow(in range: TimeRange) throws(StoreError) -> [FlowEdge] { try base.flow(in: range) }
  func statistics() throws(StoreError) -> StoreStatistics { try base.statistics() }
  var lastOrdinal: Int64 { base.lastOrdinal }
  func checkpoints(ofSource source: String) throws(StoreError) -> [SourceCheckpoint] {
    try base.checkpoints(ofSource: source)
  }
  func sources() throws(StoreError) -> [String] { try base.sources() }
  func missingParts() -> [MissingPart] { [.damagedSegment(name: "7-9.seg"), .droppedByRetention(ordinals: 1...6)] }
}
