import EventModel
import TestSupport
import TraceStore

/// What the sources of a simulated life give: two that are told apart by event id, and a log that is read by position
/// and reads again from where it was.
///
/// An id is one event's, but for duplicates and conflicts; causes come before or after their effects, or never.
struct SimulatedEvents {
  private var random: SeededRandom
  private var number = 0
  private var given: [(event: TestEvent, source: String)] = []
  private var positions: [String: UInt64] = [:]
  private var log: [TestEvent] = []

  init(seed: UInt64) { random = SeededRandom(seed: seed &* 0x9e37_79b9) }

  mutating func batches() -> [SourceBatch] {
    (0..<(1 + random.below(3))).map { _ in random.oneIn(4) ? logBatch() : senderBatch() }
  }

  private mutating func senderBatch() -> SourceBatch {
    let source = random.oneIn(3) ? "second" : "first"
    var events: [TestEvent] = []
    for _ in 0..<(1 + random.below(8)) {
      let known = given.filter { $0.source == source }
      if !known.isEmpty && random.oneIn(6) {
        var again = known[random.below(known.count)].event
        if random.oneIn(4) { again.data = "{\"conflict\":\(random.below(3))}" }
        events.append(again)
      } else {
        let event = newEvent()
        given.append((event, source))
        events.append(event)
      }
    }
    var batch = SourceBatch(events, source: source, durability: random.oneIn(2) ? .synced : .process)
    if random.oneIn(2) { batch.checkpoint = nextCheckpoint(source) }
    return batch
  }

  /// Some of the last events again, then new ones.
  private mutating func logBatch() -> SourceBatch {
    let first = max(0, log.count - random.below(5))
    for _ in 0..<(1 + random.below(5)) {
      var event = newEvent()
      event.position = SourcePosition(major: UInt64(log.count + 1))
      log.append(event)
    }
    let checkpoint = SourceCheckpoint(source: "log", position: SourcePosition(major: UInt64(log.count)))
    return SourceBatch(
      Array(log[first...]), source: "log", identity: .position, durability: .process, checkpoint: checkpoint)
  }

  private mutating func nextCheckpoint(_ source: String) -> SourceCheckpoint {
    positions[source, default: 0] += 1
    return SourceCheckpoint(source: source, position: SourcePosition(major: positions[source] ?? 0))
  }

  private mutating func newEvent() -> TestEvent {
    number += 1
    let kind: EventClass = random.oneIn(14) ? .system : random.oneIn(16) ? .report : .domain
    let cause: String? =
      switch random.below(8) {
      case 0: nil
      case 1: name(number + 1 + random.below(6))
      case 2: "missing-\(random.below(4))"
      default: number > 1 ? name(max(1, number - 1 - random.below(10))) : nil
      }
    return TestEvent(
      name(number), trace: random.oneIn(5) ? nil : "t\(random.below(5))", cause: cause, stream: "s-\(random.below(4))",
      type: "T\(random.below(4))", at: Int64(random.below(60)), service: "shop",
      handler: random.oneIn(3) ? "" : "h\(random.below(3))", failure: random.oneIn(6) ? .metadata : .none,
      eventClass: kind, revision: Int64(number), data: "{\"n\":\(number),\"pad\":\"\(padding())\"}")
  }

  private mutating func padding() -> String {
    String(repeating: "x", count: random.oneIn(12) ? 4_000 : random.below(40))
  }

  private func name(_ number: Int) -> String {
    number % 2 == 0 ? "e\(number)" : "00000000-0000-0000-0000-\(String(number + 100_000_000_000))"
  }
}
