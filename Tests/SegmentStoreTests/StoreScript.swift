import EventModel
import Platform
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// What is done to a store, as data: made from a seed, run against the store in memory, and made smaller when it fails.
struct StoreScript: Sendable, CustomStringConvertible {
  enum Step: Sendable {
    case append(source: String, TestEvent, byPosition: Bool)
    case seal
    case merge
    case reopen
    case compare
  }

  var sealEventCount = 5
  var mergeFactor = 0
  var steps: [Step] = []

  /// - Throws: what the two stores answer differently.
  func run() throws {
    var run = try DifferentialRun(sealEventCount: sealEventCount) { options in
      options.mergeFactor = mergeFactor
      options.mergeLevelMax = 12
      options.durability = .process
    }
    defer { run.subject.close() }
    for step in steps {
      switch step {
      case .append(let source, let event, let byPosition):
        try run.append([SourceBatch([event], source: source, identity: byPosition ? .position : .eventID)])
      case .seal: try run.subject.seal()
      case .merge: try run.subject.mergeNow()
      case .reopen: try run.reopen()
      case .compare: try run.compare()
      }
    }
    try run.compare()
    try run.subject.seal()
    try run.compare()
    try run.reopen()
    try run.compare()
  }

  /// The script without the steps it fails without.
  func shrunk() -> StoreScript {
    var best = self
    var length = max(1, best.steps.count / 2)
    while length >= 1 {
      var place = 0
      while place < best.steps.count {
        var smaller = best
        smaller.steps.removeSubrange(place..<min(place + length, best.steps.count))
        if smaller.fails { best = smaller } else { place += length }
      }
      length /= 2
    }
    return best
  }

  private var fails: Bool {
    do {
      try run()
      return false
    } catch { return true }
  }

  var description: String {
    let lines = steps.map { step in
      if case .append(let source, let event, let byPosition) = step {
        return "\(source)\(byPosition ? " by position" : ""): \(event.id) trace \(event.correlation ?? "-") cause"
          + " \(event.cause ?? "-") \(event.eventClass) \(event.failure) \(event.stream)"
      }
      return "\(step)"
    }
    return "seal at \(sealEventCount), merge \(mergeFactor)\n" + lines.joined(separator: "\n")
  }
}

extension StoreScript {
  /// Few ids for events, causes and traces, so that everything meets everything; three sources, one of them a log.
  init(seed: UInt64) {
    var random = SeededRandom(seed: seed)
    sealEventCount = random.oneIn(4) ? 1_000 : 3 + random.below(8)
    mergeFactor = random.oneIn(3) ? 0 : 2 + random.below(7)
    let idCount = 4 + random.below(30)
    let traceCount = 1 + random.below(4)
    let isMostlyTraceless = random.oneIn(3)
    let compares = random.oneIn(2)
    for _ in 0..<(6 + random.below(10)) {
      for _ in 0..<(1 + random.below(8)) {
        let byPosition = random.oneIn(6)
        let source = byPosition ? "log" : random.oneIn(3) ? "second" : "first"
        let event = Self.event(&random, idCount, traceCount, isMostlyTraceless)
        steps.append(.append(source: source, event, byPosition: byPosition))
      }
      if random.oneIn(3) { steps.append(.seal) }
      if mergeFactor > 0, random.oneIn(3) { steps.append(.merge) }
      if random.oneIn(3) { steps.append(.reopen) }
      if compares, random.oneIn(3) { steps.append(.compare) }
    }
  }

  private static func event(
    _ random: inout SeededRandom, _ idCount: Int, _ traceCount: Int, _ isMostlyTraceless: Bool
  ) -> TestEvent {
    func identifier() -> String {
      let number = random.below(idCount)
      return number % 2 == 0 ? "e\(number)" : "00000000-0000-0000-0000-0000000000\(number + 10)"
    }
    var trace: String?
    if !random.oneIn(isMostlyTraceless ? 1 : 3) || random.oneIn(4) {
      trace = random.oneIn(5) ? identifier() : "t\(random.below(traceCount))"
    }
    let cause: String? =
      switch random.below(10) {
      case 0: nil
      case 1: "t\(random.below(traceCount))"
      case 2: random.oneIn(3) ? "00f067aa0ba902b7" : identifier()
      default: identifier()
      }
    var id = identifier()
    if let cause, random.oneIn(12) { id = cause }
    let kind: EventClass = random.oneIn(12) ? .system : random.oneIn(14) ? .report : .domain
    return TestEvent(
      id, trace: trace, cause: cause, stream: "s-\(random.below(4))", type: "T\(random.below(3))",
      at: Int64(random.below(40)), service: "shop", handler: random.oneIn(2) ? "" : "h\(random.below(2))",
      failure: random.oneIn(5) ? .metadata : .none, eventClass: kind, position: UInt64(1 + random.below(9)),
      data: "{\"n\":\(random.below(2))}")
  }
}
