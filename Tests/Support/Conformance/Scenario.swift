import EventModel
import Testing
import TraceStore

/// Events, and what must come of them in whatever order they are stored.
struct Scenario: Sendable {
  var name: String
  /// Each with its source.
  var events: [(source: String, event: TestEvent)]
  /// Ids by trace; of several events with one id, each.
  var traces: [String: [String]]
  /// `child<cause`, by type; the builder below gives each event its id as type.
  var edges: [String]
  /// The order of storing decides (duplicates, cycles): only the order given is tried.
  var isOrdered = false

  /// Stores the events one by one in up to 24 orders, in one batch, and asks for everything.
  func run(_ fresh: () throws -> StoreUnderTest) throws {
    for (number, order) in orders().enumerated() {
      var subject = try fresh()
      let about = "\(name), order \(order.map { events[$0].event.type })"
      for index in order { try subject.append([events[index].event], source: events[index].source) }
      try check(subject, about)
      // Everything else once for each of some orders: it does not depend on the order more than this does.
      if number % 6 == 0 { try subject.verify(about, ranges: [.all, TimeRange(since: TestEvent.epoch)]) }
      subject.store.close()
    }
    if Set(events.map(\.source)).count == 1 {
      var subject = try fresh()
      try subject.append(events.map(\.event), source: events[0].source)
      try check(subject, "\(name), one batch")
      subject.store.close()
    }
  }

  private func check(_ subject: StoreUnderTest, _ about: String) throws {
    var found: [String: [String]] = [:]
    try subject.store.traces(in: .all, after: nil) { (contents) throws(StoreError) in
      found[contents.correlation.description] = contents.records.map(\.id.description).sorted()
      return .proceed
    }
    #expect(found == traces.mapValues { $0.sorted() }, "\(about): traces")
    let flow = try subject.store.flow(in: .all).map { "\($0.effectType)<\($0.causeType)" }
    #expect(flow.sorted() == edges.sorted(), "\(about): edges")
  }

  private func orders() -> [[Int]] {
    let given = Array(events.indices)
    if isOrdered { return [given] }
    if given.count <= 4 { return permutations(of: given) }
    var random = SeededRandom(seed: UInt64(given.count))
    return [given, given.reversed()] + (0..<22).map { _ in given.shuffled(using: &random) }
  }
}

/// An event that shows in `flow` under its own id: edges can be read from outside.
func event(
  _ id: String, in trace: String? = nil, cause: String? = nil, stream: String = "s-1", type: String? = nil,
  at milliseconds: Int64 = 0, eventClass: EventClass = .domain, failure: FailureKind = .none
) -> TestEvent {
  TestEvent(
    id, trace: trace, cause: cause, stream: stream, type: type ?? id, at: milliseconds, service: "shop", handler: id,
    failure: failure, eventClass: eventClass)
}

func scenario(
  _ name: String, _ events: [TestEvent], traces: [String: [String]], edges: [String], isOrdered: Bool = false
) -> Scenario {
  Scenario(
    name: name, events: events.map { ("default", $0) }, traces: traces, edges: edges, isOrdered: isOrdered)
}

func scenario(
  _ name: String, sources events: [(String, TestEvent)], traces: [String: [String]], edges: [String],
  isOrdered: Bool = false
) -> Scenario {
  Scenario(
    name: name, events: events.map { ($0.0, $0.1) }, traces: traces, edges: edges, isOrdered: isOrdered)
}
