import EventModel
import Platform
import SegmentStore
import TestSupport
import Testing
import TraceStore

/// Whatever bytes come as data and metadata, the same bytes come back: from the hot file, from sealed segments, and from
/// what they are merged into.
@Suite("Hostile payloads") struct HostilePayloadTests {
  /// What a store gives back of an event, as far as its source said it.
  struct Told: Hashable, CustomStringConvertible {
    var id: Identifier
    var correlation: Identifier?
    var cause: Identifier?
    var stream: String
    var type: String
    var created: Timestamp
    var revision: Int64?
    var data: Payload?
    var metadata: Payload?

    init(_ event: HostileEvent) {
      id = event.id
      correlation = event.correlation
      cause = event.cause
      stream = event.stream
      type = event.type
      created = event.created
      revision = event.revision
      data = event.data
      metadata = event.metadata
    }

    init(_ event: StoredEvent) {
      id = event.id
      correlation = event.ownCorrelation
      cause = event.cause
      stream = event.stream
      type = event.type
      created = event.created
      revision = event.revision
      data = event.data
      metadata = event.metadata
    }

    var description: String {
      func shown(_ payload: Payload?) -> String {
        payload.map { "\($0.isJSON) \(String(decoding: $0.bytes.prefix(400), as: UTF8.self))" } ?? "-"
      }
      return "\(id) \(stream.prefix(40)) \(type.prefix(40)) \(created) \(String(describing: revision))"
        + " data \(shown(data)) metadata \(shown(metadata))"
    }
  }

  /// - Parameter mergeFactor: so many neighbours become one; 0: never.
  private func store(_ directory: TemporaryDirectory, mergeFactor: Int) throws -> SegmentStore {
    var options = StoreOptions()
    options.retention.freeDiskBytes = 0
    // Whatever their size, two neighbours are large enough to be merged, and nothing becomes too large.
    options.sealEventCount = 4096
    options.mergeLevelMax = 4
    options.mergeFactor = mergeFactor
    return try SegmentStore.open(directory: directory.path, options: options)
  }

  /// Opens the directory anew, with merging; all segments become one.
  private func merge(_ directory: TemporaryDirectory, _ store: SegmentStore) throws -> SegmentStore {
    let before = try segments(directory)
    try #require(before.count > 1)
    store.close()
    let merging = try self.store(directory, mergeFactor: 2)
    try merging.mergeNow()
    let after = try segments(directory)
    #expect(after.count == 1 && Set(after).isDisjoint(with: before), "\(before) became \(after)")
    #expect(merging.counters.mergeFailureCount == 0)
    return merging
  }

  private func segments(_ directory: TemporaryDirectory) throws -> [String] {
    try Files.list(directory.path).filter { $0.hasPrefix("seg-") }
  }

  private func append(_ events: [HostileEvent], to store: SegmentStore) throws {
    for start in stride(from: 0, to: events.count, by: 100) {
      var batch = EventBatch()
      for event in events[start..<min(start + 100, events.count)] { event.append(to: &batch) }
      let outcome = try store.append([
        SourceBatch(source: "hostile", events: batch, identity: .eventID, durability: .process)
      ])
      #expect(outcome[0].accepted.count == batch.count)
    }
  }

  private func expectAll(_ events: [HostileEvent], in store: SegmentStore) throws {
    let cursor = try store.makeEventCursor(after: 0)
    var place = 0
    while true {
      let found = try cursor.next(limit: 64)
      if found.isEmpty { break }
      for event in found {
        try #require(place < events.count)
        try #require(Told(event) == Told(events[place]), "event \(place + 1)")
        place += 1
      }
    }
    #expect(place == events.count)
    #expect(store.missingParts().isEmpty)
  }

  private func expectTraces(_ events: [HostileEvent], in store: SegmentStore) throws {
    var byTrace: [Identifier: [Told]] = [:]
    for event in events {
      if let correlation = event.correlation { byTrace[correlation, default: []].append(Told(event)) }
    }
    for (trace, expected) in byTrace {
      let contents = try store.trace(trace)
      let whole = try store.trace(trace, withPayloadsUpTo: .max)
      try #require(contents.records == whole.contents.records)
      try #require(contents.names.names == whole.contents.names.names && whole.payloads != nil)
      let ordinals = Set(contents.records.map(\.ordinal))
      let own = try store.payloads(ofTrace: trace, ordinals: ordinals).filter { $0.ownCorrelation == trace }
      try #require(own.map(Told.init) == expected)
    }
    for event in events.prefix(40) {
      try #require(try store.events(withID: event.id).map(Told.init) == [Told(event)])
    }
  }

  @Test(arguments: 1...8)
  func `events of a seed come back, hot, sealed and merged, one by one and by trace`(seed: Int) throws {
    let directory = try TemporaryDirectory("hostile")
    var store = try store(directory, mergeFactor: 0)
    var generator = HostileEvents(seed: UInt64(seed))
    var events: [HostileEvent] = []
    for _ in 0..<3 {
      let more = generator.events(350)
      events += more
      try append(more, to: store)
      try expectAll(events, in: store)
      try store.seal()
      try expectAll(events, in: store)
    }
    try expectTraces(events, in: store)
    store = try merge(directory, store)
    try expectAll(events, in: store)
    try expectTraces(events, in: store)
    store.close()
    #expect(try SegmentStore.verify(directory.path).isClean)
  }

  @Test func `every kind comes back at its largest, hot, sealed and merged`() throws {
    let directory = try TemporaryDirectory("hostile-large")
    var store = try store(directory, mergeFactor: 0)
    var generator = HostileEvents(seed: 99)
    generator.payloads.depth = 100_000
    generator.payloads.keyCount = 10_000
    generator.payloads.length = 100_000
    var events: [HostileEvent] = []
    for round in 0..<2 {
      var more = HostilePayloads.Kind.allCases.map { generator.event($0) }
      var huge = generator.next()
      huge.data =
        round == 0
        ? Payload(bytes: generator.payloads.large(16 << 20), isJSON: true)
        : Payload(bytes: [UInt8](repeating: 1, count: (16 << 20) - 3) + [0, 2, 255], isJSON: false)
      more.append(huge)
      events += more
      try append(more, to: store)
      try expectAll(events, in: store)
      try store.seal()
    }
    try expectAll(events, in: store)
    try expectTraces(events, in: store)
    store = try merge(directory, store)
    try expectAll(events, in: store)
    try expectTraces(events, in: store)
    store.close()
    #expect(try SegmentStore.verify(directory.path).isClean)
  }
}
