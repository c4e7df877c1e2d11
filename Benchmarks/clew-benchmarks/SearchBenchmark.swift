import EventModel
import Glibc
import Platform
import SegmentStore
import TraceStore

/// Whole searches, past all events of a store, on one thread: `search DIRECTORY`.
///
/// What is found is read and counted; so a query that finds much measures reading, one that finds little the passing over
/// heads.
enum SearchBenchmark {
  static func run(directory: String) throws {
    var options = StoreOptions()
    options.mode = .readOnly
    let store = try SegmentStore.open(directory: directory, options: options)
    defer { store.close() }
    let statistics = try store.statistics()
    let handlers = try store.handlerStatistics(in: .all)
    let byCount = handlers.filter { $0.count > 0 }.sorted { $0.count < $1.count }
    guard let rare = byCount.first, let oldest = statistics.oldestEvent, let newest = statistics.newestEvent else {
      print("[]")
      return
    }
    let rareHandler = byCount.first { !$0.handler.isEmpty }?.handler ?? ""
    let second = newest.since(oldest) / 100
    let range = TimeRange(
      since: oldest.advanced(byNanoseconds: second * 50), until: oldest.advanced(byNanoseconds: second * 51))
    let cases: [(String, TimeRange)] = [
      ("type:NoSuchType", .all), ("type:\"\(rare.eventType)\"", .all), ("handler:\"\(rareHandler)\"", .all),
      ("type:\"\(rare.eventType)\"", range), ("failed:true type:\"\(rare.eventType)\"", .all), ("duration>30d", .all),
    ]
    var rows: [String] = []
    for (text, range) in cases {
      let query = try TraceQuery.parse(text)
      // The first pass warms the caches.
      var found = try search(store, query, range)
      let seconds = try CodecBenchmark.cpuSecondsOf { found = try search(store, query, range) }
      let shown = text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\\\"")
      let perEvent = seconds * 1e6 / Double(max(1, statistics.eventCount))
      let perSecond = Double(statistics.eventCount) / max(seconds, 1e-9)
      rows.append(
        "{\"query\":\"\(shown)\",\"cpuMicros\":\(perEvent),\"perSecond\":\(perSecond),\"found\":\(found)}")
    }
    print("[\(rows.joined(separator: ","))]")
  }

  private static func search(_ store: SegmentStore, _ query: TraceQuery, _ range: TimeRange) throws -> Int {
    var options = TraceSearch.Options()
    options.range = range
    options.limit = .max
    options.examinedMax = .max
    options.passedEventsMax = .max
    return try TraceSearch(store, depth: { $0.records.count }).run(query, options) { _ in }.foundCount
  }
}
