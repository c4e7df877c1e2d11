import EventModel
import EventSource
import Glibc
import Platform
import SegmentStore
import TraceStore

/// `round-trip LINES DIRECTORY EVENTS_PER_SEGMENT`: compares what a directory holds with the file that was imported into
/// it, event by event and byte for byte; then merges all segments that are to be merged, and compares again.
enum RoundTrip {
  static func run(lines: String, directory: String, eventsPerSegment: Int) throws {
    let expected = try Expected(lines)
    var options = StoreOptions()
    options.mode = .readOnly
    let sealed = try SegmentStore.open(directory: directory, options: options)
    let segmentsBefore = sealed.counters.segmentsByState["live"] ?? 0
    try expected.compare(with: sealed, lines)
    sealed.close()
    options.mode = .readWrite
    options.sealEventCount = eventsPerSegment
    let store = try SegmentStore.open(directory: directory, options: options)
    try store.mergeNow()
    try expected.compare(with: store, lines)
    let counters = store.counters
    store.close()
    let report = try SegmentStore.verify(directory)
    guard report.isClean else { throw Difference("verify: \(report.problems)") }
    print(
      """
      {"events":\(expected.digests.count),"traces":\(expected.traces.count),"different":0,\
      "segmentsBefore":\(segmentsBefore),"merges":\(counters.merges.count),"eventsMoved":\(counters.eventsMerged),\
      "segmentsAfter":\(counters.segmentsByState["live"] ?? 0)}
      """)
  }
}

private struct Difference: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// What a file of lines says: of every event a number that stands for all its fields and bytes, by ordinal, and which
/// events are in a trace.
private struct Expected {
  private(set) var digests: [Int] = []
  private(set) var traces: [Identifier: [Int64]] = [:]

  init(_ lines: String) throws {
    try Self.forEach(lines) { event in
      digests.append(event.hashValue)
      if let trace = event.correlation { traces[trace, default: []].append(event.ordinal) }
    }
  }

  /// The events of a file, as they are to be stored.
  static func forEach(_ lines: String, _ body: (StoredEvent) throws -> Void) throws {
    let reader = try EventFileReader(path: lines)
    var ordinal: Int64 = 0
    while let read = try reader.next() {
      for index in 0..<read.events.count {
        ordinal += 1
        var numbered = EventBatch()
        read.events.withEvent(at: index) { numbered.append($0, ordinal: ordinal, sourceIndex: 0) }
        let event = numbered.withEvent(at: 0) {
          StoredEvent($0, source: "default", correlation: $0.correlation, payload: true)
        }
        try body(event)
      }
    }
  }

  func compare(with store: SegmentStore, _ lines: String) throws {
    try compareInOrder(store, lines)
    for (trace, ordinals) in traces {
      let found = try store.payloads(ofTrace: trace, ordinals: Set(ordinals))
      guard found.map(\.ordinal) == ordinals, try store.trace(trace).records.map(\.ordinal) == ordinals else {
        throw Difference("trace \(trace): \(found.count) events for \(ordinals.count)")
      }
      for event in found where event.hashValue != digests[Int(event.ordinal) - 1] {
        throw Difference("trace \(trace): event \(event.ordinal) differs")
      }
    }
    guard store.missingParts().isEmpty else { throw Difference("\(store.missingParts())") }
  }

  private func compareInOrder(_ store: SegmentStore, _ lines: String) throws {
    let cursor = try store.makeEventCursor(after: 0)
    var waiting: ArraySlice<StoredEvent> = []
    try Self.forEach(lines) { event in
      if waiting.isEmpty { waiting = try cursor.next(limit: 1000)[...] }
      guard let found = waiting.popFirst() else { throw Difference("event \(event.ordinal) is missing") }
      guard found == event else { throw Difference("event \(event.ordinal) differs:\n\(found)\n\(event)") }
    }
    guard waiting.isEmpty, try cursor.next(limit: 1).isEmpty else { throw Difference("there are more events") }
  }
}
