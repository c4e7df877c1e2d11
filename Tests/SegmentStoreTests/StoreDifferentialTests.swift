import EventModel
import Platform
import SegmentStore
import Testing
import TestSupport
import TraceStore

/// What the store on disk must do is what the store in memory does: both get the same events, in random order, with
/// seals and restarts of the former in between, and are asked the same questions.
@Suite("Segment store against memory store") struct StoreDifferentialTests {
  private static let countAsked = CurrentProcess.environment("CLEW_SEEDS").flatMap { Int($0) } ?? 30
  private static let first = CurrentProcess.environment("CLEW_FIRST_SEED").flatMap { Int($0) } ?? 1

  /// `make simulate SEEDS=20000 FIRST=1` runs more of these, too.
  @Test(arguments: 0..<2)
  func `answers as the memory store does, whatever is sealed, merged and restarted in between`(lane: Int) {
    var failureCount = 0
    for seed in stride(from: Self.first + lane, to: Self.first + Self.countAsked, by: 2) where failureCount < 5 {
      let script = StoreScript(seed: UInt64(seed))
      do {
        try script.run()
      } catch {
        failureCount += 1
        Issue.record("seed \(seed): \("\(error)".prefix(600))\nSmallest: \(script.shrunk())")
      }
    }
  }

  @Test(arguments: [7_106, 7_111, 7_114, 7_115] + Array(1...24))
  func `answers as the memory store does, batch by batch`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var run = try DifferentialRun(sealEventCount: seed % 4 == 0 ? 1_000 : 4 + seed % 7)
    for step in 0..<10 {
      try run.append(Workload.batches(&random))
      if random.below(3) == 0 { try run.subject.seal() }
      if step % 4 == 3 { try run.reopen() }
      try run.compare()
    }
    try run.subject.seal()
    try run.compare()
    try run.reopen()
    try run.compare()
    run.subject.close()
  }

  @Test func `a trace that lost its first event is found on the page that it is on now`() throws {
    var run = try DifferentialRun(sealEventCount: 1_000)
    var events = [TestEvent("child", cause: "parent", at: 0), TestEvent("parent", trace: "t", at: 1)]
    events += (10..<13).map { TestEvent("e\($0)", trace: "t\($0)", at: $0) }
    try run.append([SourceBatch(events)])
    try run.subject.seal()
    // The child becomes a trace of its own; three others come before the one it leaves.
    try run.append([SourceBatch([TestEvent("last", trace: "child", at: 20)])])
    try run.compare()
    run.subject.close()
  }
}

enum Workload {
  static func batches(_ random: inout SeededRandom) -> [SourceBatch] {
    (0..<(1 + random.below(3))).map { _ in
      let events = (0..<(1 + random.below(6))).map { _ in event(&random) }
      return SourceBatch(events, source: random.below(4) == 0 ? "second" : "first")
    }
  }

  private static func event(_ random: inout SeededRandom) -> TestEvent {
    // A small space of ids, so that everything meets everything.
    func identifier() -> String {
      let number = random.below(24)
      return number % 2 == 0 ? "e\(number)" : "00000000-0000-0000-0000-0000000000\(number + 10)"
    }
    func trace() -> String? {
      switch random.below(8) {
      case 0, 1, 2: nil
      case 3: identifier()
      default: "t\(random.below(3))"
      }
    }
    let cause: String? =
      switch random.below(10) {
      case 0: nil
      case 1: "t\(random.below(3))"
      case 2: "00f067aa0ba902b7"
      default: identifier()
      }
    let kind: EventClass = random.below(12) == 0 ? .system : random.below(14) == 0 ? .report : .domain
    return TestEvent(
      identifier(), trace: trace(), cause: cause, stream: "s-\(random.below(3))",
      type: "T\(random.below(3))", at: Int64(random.below(40)), service: "shop",
      handler: random.below(2) == 0 ? "" : "h\(random.below(2))",
      failure: random.below(5) == 0 ? .metadata : .none, eventClass: kind,
      position: UInt64(1 + random.below(9)), data: "{\"n\":\(random.below(2))}")
  }
}

/// Both stores, and the comparison.
struct DifferentialRun {
  let directory: TemporaryDirectory
  let options: StoreOptions
  let memory = MemoryTraceStore()
  var subject: SegmentStore

  init(sealEventCount: Int, change: (inout StoreOptions) -> Void = { _ in }) throws {
    directory = try TemporaryDirectory()
    var options = StoreOptions()
    options.sealEventCount = sealEventCount
    options.retention.freeDiskBytes = 0
    change(&options)
    self.options = options
    subject = try SegmentStore.open(directory: directory.path, options: options)
  }

  mutating func reopen() throws {
    subject.close()
    subject = try SegmentStore.open(directory: directory.path, options: options)
  }

  mutating func append(_ batches: [SourceBatch]) throws {
    let expected = try memory.append(batches)
    let actual = try subject.append(batches)
    for (a, b) in zip(expected, actual) {
      try #require(a.dispositions == b.dispositions)
      let (events, edges) = (a.accepted.map(shown), a.edges.map(shown))
      if events == b.accepted.map(shown), edges == b.edges.map(shown) { continue }
      let told = try history()
      try #require(events == b.accepted.map(shown), "\(told)")
      try #require(edges == b.edges.map(shown), "\(told)")
    }
  }

  private func shown(_ event: AcceptedEvent) -> String {
    "\(event.ordinal) \(event.causeState) \(event.trace.low) \(event.cause.low) \(event.startsTrace)"
  }

  private func shown(_ edge: CausalEdge) -> String {
    "\(edge.childOrdinal)<-\(edge.causeOrdinal) \(edge.latencyNanoseconds) \(edge.correlation) \(edge.healed)"
  }

  private func history() throws -> String { try StoreComparison(subject: subject, memory: memory).history() }

  func compare() throws { try StoreComparison(subject: subject, memory: memory).compare() }
}

extension SeededRandom {
  mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
}
