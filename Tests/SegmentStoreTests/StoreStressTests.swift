import EventModel
import Platform
@testable import SegmentStore
import Testing
import TestSupport
import TraceStore

/// Readers beside a writer, while the store seals, merges and drops: what was stored before gives the same answers.
@Suite("Segment store: readers and writer at once") struct StoreStressTests {
  private let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("stress") }

  private func open(_ change: (inout StoreOptions) -> Void = { _ in }) throws -> SegmentStore {
    var options = StoreOptions()
    options.durability = .process
    options.sealEventCount = 40
    options.mergeFactor = 3
    options.mergeLevelMax = 4
    options.retention.freeDiskBytes = 0
    // Smaller than the blocks of the store: readers inflate, evict and inflate again.
    options.blockCacheBytes = 64 << 10
    options.hotCacheBytes = 16 << 10
    options.preloadsSegments = true
    change(&options)
    return try SegmentStore.open(directory: directory.path, options: options)
  }

  /// Events with causes inside and outside of their traces; `era` keeps ids, names and times of two calls apart.
  static func events(era: Int, _ count: Int) -> [TestEvent] {
    (0..<count).map { number in
      let trace = number % 17
      var event = TestEvent(
        "e\(era)-\(number)", trace: "t\(era)-\(trace)", cause: number < 17 ? nil : "e\(era)-\(number - 17)",
        stream: "s\(era)-\(number % 11)", type: "T\(era)-\(number % 5)",
        at: Int64(era) * 1_000_000 + Int64(number) * 3, service: "shop",
        handler: number % 3 == 0 ? "" : "h\(number % 3)",
        failure: number % 29 == 0 ? .metadata : .none,
        data: "{\"number\":\(number),\"text\":\"\(String(repeating: "ab", count: number % 40))\"}")
      if number % 31 == 0 { event.cause = "elsewhere-\(number)" }
      return event
    }
  }

  private func append(_ events: [TestEvent], to store: any TraceStore) throws {
    for start in stride(from: 0, to: events.count, by: 25) {
      _ = try store.append([SourceBatch(Array(events[start..<min(start + 25, events.count)]))])
    }
  }

  /// What the store in memory, which specifies the answers, says of the same events.
  private func expectAsSpecified(
    _ questions: [StressQuestion], _ answers: [StressAnswer], _ events: [TestEvent]
  ) throws {
    let specification = MemoryTraceStore()
    try append(events, to: specification)
    for (question, answer) in zip(questions, answers) {
      #expect(try question.ask(specification) == answer, "\(question.name)")
    }
  }

  @Test func `answers stay as they are while others append, seal and merge`() throws {
    let store = try open()
    let settled = Self.events(era: 1, 600)
    try append(settled, to: store)
    try store.seal()
    let questions = StressQuestion.all(settled)
    let expected = try questions.map { try $0.ask(store) }
    try expectAsSpecified(questions, expected, settled)
    let readers = StressReaders(store, count: 4) { answer, number in
      answer == expected[number]
    } asking: {
      questions
    }
    for era in 2..<8 {
      try append(Self.events(era: era, 300), to: store)
      if era % 2 == 0 { try store.seal() }
    }
    try store.seal()
    try store.mergeNow()
    let merged = try Files.list(directory.path).filter { $0.hasPrefix("seg-") && !$0.hasPrefix("seg-0-") }
    #expect(!merged.isEmpty, "segments were merged meanwhile")
    try readers.finish(rounds: 3)
    for (question, answer) in zip(questions, expected) {
      #expect(try question.ask(store) == answer, "\(question.name)")
    }
    store.close()
    #expect(try SegmentStore.verify(directory.path).isClean)
  }

  @Test func `what retention drops is answered or named as missing`() throws {
    let store = try open { $0.retention.totalBytes = 220 << 10 }
    let settled = Self.events(era: 1, 600)
    try append(settled, to: store)
    try store.seal()
    let questions = StressQuestion.all(settled).filter(\.listsEvents)
    let expected = try questions.map { try $0.ask(store) }
    let readers = StressReaders(store, count: 4) { answer, number in
      let lacking = Set(expected[number].ordinals).subtracting(answer.ordinals)
      return Set(answer.ordinals).isSubset(of: expected[number].ordinals)
        && lacking.allSatisfy { ordinal in answer.dropped.contains { $0.contains(ordinal) } }
    } asking: {
      questions
    }
    var era = 2
    while !store.missingParts().contains(where: { Self.covers($0, 600) }) && era < 60 {
      try append(Self.events(era: era, 200), to: store)
      try store.seal()
      try store.applyRetention(now: SystemClock().now())
      era += 1
    }
    try readers.finish(rounds: 1)
    #expect(era < 60, "retention dropped what was settled")
    store.close()
    #expect(try SegmentStore.verify(directory.path).isClean)
  }

  private static func covers(_ part: MissingPart, _ ordinal: Int64) -> Bool {
    if case .droppedByRetention(let ordinals) = part { ordinals.contains(ordinal) } else { false }
  }

  @Test func `closing ends all readers and the writer, each with an error that says so`() throws {
    for round in 0..<6 {
      let directory = try TemporaryDirectory("stress-close")
      var options = StoreOptions()
      options.sealEventCount = 20
      options.mergeFactor = 2
      options.retention.freeDiskBytes = 0
      let store = try SegmentStore.open(directory: directory.path, options: options)
      let settled = Self.events(era: 1, 120)
      try append(settled, to: store)
      let questions = StressQuestion.all(settled)
      let readers = StressReaders(store, count: 3, endsWithClosed: true) { _, _ in
        true
      } asking: {
        questions
      }
      try append(Self.events(era: 2, 40 * round), to: store)
      store.close()
      try readers.finish(rounds: 0)
      #expect(throws: StoreError.self) { try append(settled, to: store) }
    }
  }
}

/// What a store said: the events it named, and everything as text.
struct StressAnswer: Equatable, Sendable {
  var ordinals: [Int64] = []
  var text = ""
  /// What the store says it lacks, asked after the answer.
  var dropped: [ClosedRange<Int64>] = []
}

/// One question, whose answer does not depend on events of other traces, streams, types and times.
struct StressQuestion: Sendable {
  var name: String
  /// The answer is a list of events.
  var listsEvents = true
  var answer: @Sendable (any TraceReader) throws -> (ordinals: [Int64], text: String)

  func ask(_ store: any TraceReader) throws -> StressAnswer {
    let said = try answer(store)
    let dropped = store.missingParts().compactMap { part in
      if case .droppedByRetention(let ordinals) = part { ordinals } else { nil }
    }
    return StressAnswer(ordinals: said.ordinals, text: said.text, dropped: dropped)
  }

  static func all(_ events: [TestEvent]) -> [StressQuestion] {
    let traces = Set(events.compactMap(\.correlation)).sorted().compactMap { Identifier($0) }
    let streams = Set(events.map(\.stream)).sorted()
    let ids = stride(from: 0, to: events.count, by: 13).compactMap { Identifier(events[$0].id) }
    let times = events.map(\.created)
    let range = TimeRange(since: times.min(), until: times.max()?.advanced(byNanoseconds: 1))
    return traces.map(trace) + ids.map(event) + ids.map(effects) + streams.map(stream)
      + [walk(Int64(events.count)), lists(range), statistics(range), search(range, events[1].type)]
  }

  private static func trace(_ id: Identifier) -> StressQuestion {
    StressQuestion(name: "trace \(id)") { store in
      let records = try store.trace(id).records
      let payloads = try store.payloads(ofTrace: id, ordinals: Set(records.map(\.ordinal)))
      return (payloads.map(\.ordinal), "\(payloads)")
    }
  }

  private static func event(_ id: Identifier) -> StressQuestion {
    StressQuestion(name: "event \(id)") { store in
      let found = try store.events(withID: id)
      return (found.map(\.ordinal), "\(found) \(try store.locate([id]))")
    }
  }

  private static func effects(_ id: Identifier) -> StressQuestion {
    StressQuestion(name: "effects of \(id)") { store in
      let found = try store.effects(of: id, limit: 100)
      return (found.map(\.ordinal), "effects \(found)")
    }
  }

  private static func stream(_ name: String) -> StressQuestion {
    StressQuestion(name: "stream \(name)") { store in
      let found = try store.stream(name, after: 0, limit: 10_000, payload: true)
      return (found.map(\.ordinal), "\(found)")
    }
  }

  /// The events up to an ordinal, as `export events` walks over them.
  private static func walk(_ last: Int64) -> StressQuestion {
    StressQuestion(name: "cursor") { store in
      let cursor = try store.makeEventCursor(after: 0)
      var found: [StoredEvent] = []
      while true {
        let next = try cursor.next(limit: 50)
        if next.isEmpty { break }
        found += next.filter { $0.ordinal <= last }
        if let ordinal = next.last?.ordinal, ordinal > last { break }
      }
      return (found.map(\.ordinal), "\(found)")
    }
  }

  private static func lists(_ range: TimeRange) -> StressQuestion {
    StressQuestion(name: "list of traces") { store in
      var ordinals: [Int64] = []
      var text = ""
      try store.traces(in: range, after: nil) { contents in
        ordinals += contents.records.map(\.ordinal)
        text += "\(contents.correlation) "
        return .proceed
      }
      return (ordinals, text)
    }
  }

  private static func statistics(_ range: TimeRange) -> StressQuestion {
    StressQuestion(name: "statistics", listsEvents: false) { store in
      ([], "\(try store.handlerStatistics(in: range)) \(try store.flow(in: range))")
    }
  }

  private static func search(_ range: TimeRange, _ type: String) -> StressQuestion {
    StressQuestion(name: "search", listsEvents: false) { store in
      let query = try TraceQuery.parse("type:\(type) data.number>5")
      var options = TraceSearch.Options()
      options.range = range
      var found: [Identifier] = []
      _ = try TraceSearch(store) { _ in 0 }.run(query, options) { found.append($0.correlation) }
      return ([], "\(found)")
    }
  }
}

/// Threads that ask all questions again and again, each from another one on.
final class StressReaders: Sendable {
  private let threads: [WorkerThread]
  private let shared: Locked<State>

  private struct State {
    var isStopped = false
    var roundsLeft = 0
    var running: Int
    var rounds = 0
    var wrong: [String] = []
  }

  init(
    _ store: SegmentStore, count: Int, endsWithClosed: Bool = false,
    isRight: @escaping @Sendable (StressAnswer, Int) -> Bool, asking questions: () -> [StressQuestion]
  ) {
    let questions = questions()
    let shared = Locked(State(running: count))
    self.shared = shared
    threads = (0..<count).map { number in
      WorkerThread(name: "reader-\(number)") {
        var round = 0
        while round >= 0 {
          for offset in questions.indices {
            let place = (offset + number * questions.count / count) % questions.count
            do {
              let answer = try questions[place].ask(store)
              if !isRight(answer, place) {
                shared.withLock { $0.wrong.append("\(questions[place].name): \(answer.text.prefix(300))") }
              }
            } catch {
              let isClosed = (error as? StoreError)?.code == .closed
              if !(endsWithClosed && isClosed) {
                shared.withLock { $0.wrong.append("\(questions[place].name): \(error)") }
              }
              if endsWithClosed { round = -2 }
              break
            }
          }
          round += 1
          let goesOn = shared.withLock { state in
            state.rounds += 1
            return !state.isStopped || round < state.roundsLeft || endsWithClosed
          }
          if !goesOn { break }
        }
        shared.withLock { $0.running -= 1 }
      }
    }
  }

  /// Ends the threads after at least so many rounds each.
  func finish(rounds: Int) throws {
    shared.withLock {
      $0.roundsLeft = rounds
      $0.isStopped = true
    }
    // A deadline and not a join: a deadlock is a failed test, not a test that hangs.
    try #require(eventually(within: 240) { shared.withLock { $0.running == 0 } }, "readers ended")
    for thread in threads { thread.join() }
    let wrong = shared.withLock { $0.wrong }
    #expect(wrong.isEmpty, "\(wrong.count) wrong answers: \(wrong.prefix(5).joined(separator: "\n"))")
  }
}
