import EventModel
import Testing
import TraceStore

extension StoreConformance {
  static let shapeCases: [Case] = [
    Case("shape: a deep chain, causes first, last, and shuffled") { fresh in
      for (number, order) in [chain(600), chain(600).reversed(), shuffled(chain(600), 7)].enumerated() {
        var subject = try fresh()
        var edges = 0
        for start in stride(from: 0, to: order.count, by: 100) {
          let outcome = try subject.append(Array(order[start..<(start + 100)]), checked: false)
          edges += outcome.edges.count
        }
        #expect(edges == 599, "order \(number)")
        try subject.verify("chain in order \(number)")
        subject.store.close()
      }
    },
    Case("shape: a deep chain of inherited correlations, causes last") { fresh in
      var subject = try fresh()
      var edges = 0
      for event in chain(120, inherited: true).reversed() {
        edges += try subject.append([event], checked: false).edges.count
      }
      #expect(edges == 119)
      try subject.verify("inherited chain")
    },
    Case("shape: a wide fan-out, cause first and last") { fresh in
      let effects = (1...800).map { number in
        TestEvent(
          "e\(number)", trace: "T", cause: "root", stream: "s-\(number % 7)", type: "Done", at: Int64(number),
          handler: "h", failure: number % 10 == 0 ? .metadata : .none)
      }
      for isFirst in [true, false] {
        var subject = try fresh()
        let root = TestEvent("root", trace: "T")
        var edges = 0
        for batch in isFirst ? [[root], effects] : [effects, [root]] {
          edges += try subject.append(batch, checked: false).edges.count
        }
        #expect(edges == 800)
        let rows = try subject.store.handlerStatistics(in: .all)
        #expect(rows.map(\.count) == [800] && rows.map(\.failureCount) == [80])
        #expect(rows[0].minimum == 1_000_000 && rows[0].maximum == 800_000_000)
        try subject.verify("root \(isFirst ? "first" : "last")")
        subject.store.close()
      }
    },
  ]

  static let randomCases: [Case] =
    (1...6).map { seed in
      Case("random: events of every kind in small batches, seed \(seed)") { fresh in
        var random = SeededRandom(seed: UInt64(seed))
        var subject = try fresh()
        for step in 0..<12 {
          let batch = (0..<Int.random(in: 1...6, using: &random)).map { _ in anyEvent(&random) }
          try subject.append(batch, source: ["one", "two"][random.oneIn(4) ? 1 : 0])
          if step % 6 == 5 { try subject.verify("seed \(seed), step \(step)", ranges: [.all, range(&random)]) }
        }
      }
    }
    + (11...13).map { seed in
      Case("random: the order of arrival changes no trace and no figure, seed \(seed)") { fresh in
        var random = SeededRandom(seed: UInt64(seed))
        let events = forest(&random)
        var answers: [Answers] = []
        for order in [events, events.reversed(), events.shuffled(using: &random), events.shuffled(using: &random)] {
          var subject = try fresh()
          var rest = order[...]
          while !rest.isEmpty {
            let batch = rest.prefix(Int.random(in: 1...40, using: &random))
            try subject.append(Array(batch), checked: false)
            rest = rest.dropFirst(batch.count)
          }
          try subject.verify("seed \(seed)")
          answers.append(try Answers(subject.store))
          subject.store.close()
        }
        for other in answers.dropFirst() { #expect(other == answers[0], "seed \(seed)") }
      }
    }

  /// What must be equal whatever the order.
  private struct Answers: Equatable {
    var traces: [String: Set<String>] = [:]
    var handlers: [HandlerStatistics]
    var flow: [FlowEdge]

    init(_ store: any TraceStore) throws {
      handlers = try store.handlerStatistics(in: .all)
      flow = try store.flow(in: .all)
      var traces: [String: Set<String>] = [:]
      try store.traces(in: .all, after: nil) { (contents) throws(StoreError) in
        traces[contents.correlation.description] = Set(contents.records.map(\.id.description))
        return .proceed
      }
      self.traces = traces
    }
  }

  private static func chain(_ count: Int, inherited: Bool = false) -> [TestEvent] {
    (0..<count).map { number in
      TestEvent(
        "c\(number)", trace: inherited && number > 0 ? nil : "T", cause: number == 0 ? nil : "c\(number - 1)",
        type: "t\(number % 3)", at: Int64(number * number), handler: "h\(number % 2)")
    }
  }

  private static func shuffled(_ events: [TestEvent], _ seed: UInt64) -> [TestEvent] {
    var random = SeededRandom(seed: seed)
    return events.shuffled(using: &random)
  }

  private static func range(_ random: inout SeededRandom) -> TimeRange {
    let since = Int64.random(in: 0..<80, using: &random)
    return TimeRange(
      since: TestEvent.epoch.advanced(byNanoseconds: since * 1_000_000),
      until: TestEvent.epoch.advanced(byNanoseconds: (since + 20) * 1_000_000))
  }

  /// Few ids and traces, so that everything meets everything.
  private static func anyEvent(_ random: inout SeededRandom) -> TestEvent {
    func pick(_ prefix: String, _ count: Int) -> String { "\(prefix)\(Int.random(in: 0..<count, using: &random))" }
    let id = random.oneIn(12) ? pick("T", 5) : pick("e", 30)
    let correlation = random.oneIn(3) ? nil : pick("T", 5)
    let cause: String? =
      switch Int.random(in: 0..<12, using: &random) {
      case 0, 1: nil
      case 2: correlation
      case 3: "00000000000000aa"
      case 4: pick("missing", 3)
      default: pick("e", 30)
      }
    let isSystem = random.oneIn(15)
    return TestEvent(
      id, trace: correlation, cause: cause, stream: isSystem ? "$sys" : pick("s-", 2), type: pick("Type", 3),
      at: Int64.random(in: 0..<100, using: &random), service: pick("svc", 2),
      handler: random.oneIn(4) ? "" : pick("h", 3),
      failure: random.oneIn(5) ? .metadata : .none, eventClass: isSystem ? .system : .domain,
      data: random.oneIn(2) ? nil : #"{"n":\#(Int.random(in: 0..<100, using: &random))}"#)
  }

  /// Trees without cycles and without an id twice: nothing in them depends on the order.
  private static func forest(_ random: inout SeededRandom) -> [TestEvent] {
    (0..<160).map { number in
      let parent = number == 0 || random.oneIn(12) ? nil : Int.random(in: 0..<number, using: &random)
      let named = parent.map { random.oneIn(20) ? "missing\($0)" : "e\($0)" }
      // Some inherit, some say what they would have inherited, some are of another trace.
      let trace = named != nil && random.oneIn(2) ? nil : "T\(Int.random(in: 0..<8, using: &random))"
      return TestEvent(
        "e\(number)", trace: trace, cause: named, type: "Type\(number % 5)",
        at: Int64.random(in: 0..<10_000, using: &random), service: "s", handler: "h\(number % 4)",
        failure: random.oneIn(9) ? .metadata : .none)
    }
  }
}
