import EventModel
import EventSource
import HandlerMetrics
import Platform
import TestSupport
import Testing
import TraceStore

@testable import Ingest

/// The runner between a feed and the store, with a feed of its own: order, back-pressure, silence.
@Suite(.serialized) struct RunnerTests {
  /// Hands over batches of one event each, from behind the checkpoint up to `end`, and then waits.
  final class CountingFeed: EventFeed, @unchecked Sendable {
    // `@unchecked Sendable`: all state is touched inside `lock` only.
    private let lock = Lock()
    private var end: UInt64
    private var isSilent = false
    private var cancelled = false
    private var interrupts = 0
    private var starts: [UInt64] = []
    private var said = ReaderReport()
    /// What the next batch brings of readers.
    private var told: [ReaderProgress] = []

    init(end: UInt64) { self.end = end }

    let location = "test://feed"
    var interruptions: Int { lock.withLock { interrupts } }
    var beginnings: [UInt64] { lock.withLock { starts } }
    func report(_ readers: [ReaderProgress], problem: String? = nil) {
      lock.withLock {
        said.readers = readers
        said.problem = problem
      }
    }
    func readers() -> ReaderReport { lock.withLock { said } }
    func write(to end: UInt64, told: [ReaderProgress]) {
      lock.withLock {
        self.end = end
        self.told = told
      }
    }
    func beSilent() { lock.withLock { isSilent = true } }
    func write(to end: UInt64) { lock.withLock { self.end = end } }

    func read(from checkpoint: SourceCheckpoint?, into sink: any FeedSink) throws(FeedProblem) {
      var place = checkpoint?.position.major ?? 0
      let before = lock.withLock {
        starts.append(place)
        isSilent = false
        return interrupts
      }
      sink.connected(isCaughtUp: false)
      while true {
        let (end, isOver, wasInterrupted) = lock.withLock {
          (isSilent ? place : self.end, cancelled, interrupts > before)
        }
        if isOver { return }
        if wasInterrupted { throw FeedProblem(.timeout, "silent", hint: "") }
        if place < end {
          place += 1
          var batch = Self.batch(place, isLast: place == end)
          lock.withLock { swap(&batch.readers, &told) }
          if sink.take(batch) != .goOn { return }
        } else {
          if sink.idle() != .goOn { return }
          let deadline = Instant.now.advanced(bySeconds: 0.01)
          lock.withLock { _ = lock.wait(until: deadline) }
        }
      }
    }

    private static func batch(_ number: UInt64, isLast: Bool) -> FeedBatch {
      var batch = FeedBatch()
      TestEvent("event-\(number)", stream: "s", position: number, minor: number).append(to: &batch.events)
      batch.checkpoint = SourceCheckpoint(source: "", position: SourcePosition(major: number, minor: number))
      batch.isCaughtUp = isLast
      return batch
    }

    func head(after place: SourcePosition?) throws(FeedProblem) -> FeedHead {
      let end = lock.withLock { self.end }
      let rest: FeedHead.Rest = (place?.major ?? 0) < end ? .since(Timestamp(nanoseconds: 0)) : .nothing
      return FeedHead(position: SourcePosition(major: end, minor: end), rest: rest)
    }

    func interrupt() { lock.withLock { interrupts += 1 } }
    func cancel() {
      lock.withLock {
        cancelled = true
        lock.wakeAll()
      }
    }
  }

  private func run(
    _ feed: CountingFeed, store: any TraceStore, times: FeedRunner.Times = FeedRunner.Times(),
    _ body: (IngestPipeline) throws -> Void
  ) throws {
    var limits = IngestLimits()
    limits.retrySecondsMin = 0.01
    limits.retrySecondsMax = 0.05
    let pipeline = IngestPipeline(store: store, metrics: ClewMetrics(), log: Log(minimum: .error), limits: limits)
    pipeline.start()
    let checkpoint = try store.checkpoints(ofSource: "s").first
    let runner = FeedRunner(pipeline: pipeline, name: "s", feed: feed, checkpoint: checkpoint, times: times)
    runner.start()
    defer {
      runner.cancel()
      runner.join()
      pipeline.stop()
    }
    try body(pipeline)
  }

  @Test func `a subscription that is silent though there is something is given up, and nothing is lost`() throws {
    let store = MemoryTraceStore()
    let feed = CountingFeed(end: 10)
    var times = FeedRunner.Times()
    times.headSeconds = 0.05
    times.silenceSeconds = 0.2
    try run(feed, store: store, times: times) { pipeline in
      #expect(eventually(within: 20) { pipeline.status.sources.first?.lag == 0 })
      #expect(feed.interruptions == 0, "silence where there is nothing is none")
      feed.beSilent()
      feed.write(to: 20)
      #expect(eventually(within: 20) { (try? store.statistics().eventCount) == 20 })
      #expect(feed.interruptions >= 1)
      #expect(eventually(within: 20) { pipeline.status.sources.first?.state == .live })
    }
    #expect(try store.checkpoints(ofSource: "s").first?.position.major == 20)
  }

  @Test func `readers are listed by the server's word and by what they write, each once`() throws {
    let feed = CountingFeed(end: 3)
    var group = ReaderProgress(kind: .persistentSubscription, name: "billing")
    group.reads = "order"
    group.parked = 4
    let projection = ReaderProgress(kind: .projection, name: "totals")
    feed.report([group, projection])
    var times = FeedRunner.Times()
    times.headSeconds = 0.05
    times.readersSeconds = 0.05
    try run(feed, store: MemoryTraceStore(), times: times) { pipeline in
      func readers() -> [ReaderProgress] { pipeline.status.sources.first?.readers ?? [] }
      #expect(eventually(within: 20) { readers().map(\.name) == ["billing", "totals"] })
      var written = projection
      written.checkpoint = .log(SourcePosition(major: 9, minor: 9))
      var consumer = ReaderProgress(kind: .consumer, name: "own")
      consumer.checkpoint = .start
      feed.write(to: 4, told: [written, consumer])
      #expect(eventually(within: 20) { readers().map(\.name) == ["own", "billing", "totals"] })
      #expect(readers().last?.checkpoint == written.checkpoint && readers()[1].parked == 4)
      feed.report([group])
      #expect(eventually(within: 20) { readers().last?.condition == written.condition && readers().count == 3 })
      feed.report([group], problem: "no leader")
      #expect(eventually(within: 20) { pipeline.status.sources.first?.readersProblem == "no leader" })
      #expect(readers().count == 3)
    }
  }

  @Test func `the list of readers is bounded, and says how many are left out`() {
    var book = ReaderBook()
    var report = ReaderReport()
    report.readers = (0..<1_200).map { ReaderProgress(kind: .projection, name: "p\($0)") }
    book.take(report)
    #expect(book.all.count == 1_000 && book.omittedCount == 200)
    var wide = ReaderProgress(kind: .consumer, name: "wide")
    wide.checkpoint = .streams((0..<500).map { ReaderProgress.StreamPlace(stream: "s\($0)", revision: 1) })
    book.take([wide])
    guard case .streams(let streams)? = book.all.first?.checkpoint else {
      Issue.record("\(String(describing: book.all.first))")
      return
    }
    #expect(streams.count == 100)
  }

  @Test func `events are stored once and in order, and the next run goes on behind them`() throws {
    let store = MemoryTraceStore()
    for end in [100, 250] as [UInt64] {
      let feed = CountingFeed(end: end)
      try run(feed, store: store) { pipeline in
        #expect(eventually(within: 20) { (try? store.statistics().eventCount) == Int(end) })
        #expect(eventually(within: 20) { pipeline.status.sources.first?.position?.major == end })
        #expect(pipeline.status.sources.first?.duplicate == 0)
      }
      #expect(feed.beginnings == [end == 100 ? 0 : 100])
    }
  }
}
