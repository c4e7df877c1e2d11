import EventModel
import Platform
import TestSupport
import TraceStore

@testable import SegmentStore

/// One event as a segment test knows it: what was written, and in which trace.
struct PlannedEvent {
  var ordinal: Int64
  var event: TestEvent
  /// The trace as text; nil: in none.
  var trace: String?
}

/// Events for a segment, with ordinals from 1 in the order of storing.
struct SegmentPlan {
  var events: [PlannedEvent] = []
  var extras = SegmentExtras()
  var batch = EventBatch()

  /// Traces of 1 to 30 events that overlap in time, events in no trace, causes inside, outside and unknown.
  static func random(seed: UInt64, eventCount: Int, payloadBytes: Int = 80) -> SegmentPlan {
    var random = SeededRandom(seed: seed)
    var plan = SegmentPlan()
    var open: [(trace: String, ids: [String])] = []
    for number in 1...max(1, eventCount) {
      let created = Int64(number) * 10 - Int64.random(in: 0...200, using: &random)
      let id = random.oneIn(10) ? "text-id-\(number)" : uuid(&random)
      var event = TestEvent(id, at: created)
      event.stream = "order-\(Int.random(in: 0..<max(2, eventCount / 8), using: &random))"
      event.type = "Type\(number % 7)"
      event.position = SourcePosition(major: UInt64(number))
      let text = String(decoding: random.bytes(20).map { 0x61 + $0 % 26 }, as: UTF8.self)
      event.data = String(repeating: text, count: max(1, payloadBytes / 20))
      event.handler = number % 3 == 0 ? "billing" : ""
      var trace: String?
      if !random.oneIn(12) {
        if open.isEmpty || random.oneIn(6) {
          let name = random.oneIn(8) ? "trace/\(number)" : uuid(&random)
          open.append((name, []))
        }
        let place = Int.random(in: 0..<open.count, using: &random)
        trace = open[place].trace
        event.correlation = trace
        event.cause = open[place].ids.randomElement(using: &random)
        if random.oneIn(9) { event.cause = uuid(&random) }
        open[place].ids.append(id)
        if open.count > 12 { open.removeFirst() }
      } else if random.oneIn(2) {
        event.cause = plan.events.randomElement(using: &random)?.event.id
      }
      if random.oneIn(20) { event.eventClass = .report }
      plan.add(event, trace: event.eventClass == .report ? nil : trace)
    }
    plan.fillExtras(&random)
    return plan
  }

  static func uuid(_ random: inout SeededRandom) -> String {
    Identifier(uuid: IdentifierKey(high: random.next() | 1, low: random.next())).description
  }

  mutating func add(_ event: TestEvent, trace: String?) {
    var single = EventBatch()
    event.append(to: &single)
    let ordinal = Int64(events.count + 1)
    single.withEvent(at: 0) { batch.append($0, ordinal: ordinal, sourceIndex: 1) }
    events.append(PlannedEvent(ordinal: ordinal, event: event, trace: trace))
  }

  mutating func fillExtras(_ random: inout SeededRandom) {
    extras.labels = (0..<4).map { index in
      (
        UInt32(index),
        EventLabels(source: "default", service: "shop", handler: "h\(index)", type: "Typé\0\(index)", identity: .rule)
      )
    }
    extras.sources = [(0, ""), (1, "default")]
    extras.firstStored = TestEvent.epoch
    extras.lastStored = TestEvent.epoch.advanced(byNanoseconds: 77)
    for planned in events {
      let created = planned.event.created
      let label = UInt32.random(in: 0..<4, using: &random)
      extras.edges.append(
        SegmentEdge(
          childLabel: label, causeLabel: 3 - label, childCreated: created,
          latency: Int64(bitPattern: random.next() >> 20) - 1000, childFailure: .none, childOrdinal: planned.ordinal,
          causeOrdinal: Int64.random(in: 1...planned.ordinal, using: &random)))
      if random.oneIn(5) { extras.failures.append(SegmentFailure(label: label, created: created)) }
      if random.oneIn(4) { extras.healed.append(-planned.ordinal) }
      guard let id = Identifier(planned.event.id) else { continue }
      if let cause = planned.event.cause.flatMap({ Identifier($0) }), random.oneIn(2) {
        extras.unresolved.append(
          UnresolvedChild(
            cause: cause, childID: planned.trace == nil || random.oneIn(3) ? id : nil, ordinal: planned.ordinal,
            created: created, label: label, trace: planned.trace.flatMap { Identifier($0) }, failure: .eventType,
            sourceIndex: 1))
      }
      if planned.trace == nil {
        extras.uncorrelated.append(
          UncorrelatedEvent(
            ordinal: planned.ordinal, id: id, cause: planned.event.cause.flatMap { Identifier($0) }, sourceIndex: 1,
            label: label, created: created, failure: .metadata))
      }
    }
    extras.edges.sort { $0.bound < $1.bound }
    extras.failures.sort { $0.bound < $1.bound }
    extras.healed.sort()
  }

  /// Traces in the order of their first events, then what is in none.
  var groups: [(trace: String?, places: [Int])] {
    var order: [String] = []
    var places: [String: [Int]] = [:]
    var none: [Int] = []
    for (place, planned) in events.enumerated() {
      guard let trace = planned.trace else {
        none.append(place)
        continue
      }
      if places[trace] == nil { order.append(trace) }
      places[trace, default: []].append(place)
    }
    return order.map { ($0, places[$0] ?? []) } + (none.isEmpty ? [] : [(nil, none)])
  }

  @discardableResult func write(to path: String, pageBytes: Int = 4096) throws -> SegmentDescriptor {
    let writer = try SegmentWriter(path: path, pageBytes: pageBytes)
    for (trace, places) in groups {
      try writer.beginTrace(trace.flatMap { Identifier($0) })
      for place in places {
        try batch.withEvent(at: place) { (event) throws(StoreError) in try writer.add(event) }
      }
      try writer.endTrace()
    }
    return try writer.finish(extras)
  }

  /// The frame of an event, as it was given to the writer.
  func frame(_ place: Int) -> [UInt8] { batch.withEvent(at: place) { unsafe Array($0.bytes) } }

  func ordinals(where matches: (PlannedEvent) -> Bool) -> [Int64] { events.filter(matches).map(\.ordinal) }
}

/// What a lookup delivered.
func collect(
  _ lookup: ((EventView, Identifier?) throws(StoreError) -> Walk) throws(StoreError) -> Void
) throws(StoreError) -> [(ordinal: Int64, trace: Identifier?, frame: [UInt8])] {
  var found: [(ordinal: Int64, trace: Identifier?, frame: [UInt8])] = []
  try lookup { (event, trace) in
    unsafe found.append((event.ordinal, trace, Array(event.bytes)))
    return .proceed
  }
  return found
}
