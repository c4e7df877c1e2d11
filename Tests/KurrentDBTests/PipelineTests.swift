import EventModel
import EventSource
import Ingest
import Platform
import TestSupport
import Testing
import TraceStore

@testable import KurrentDBSource

/// From an event store to a store of traces.
@Suite(
  .serialized, .enabled(if: TestSupport.hasSharedData, "needs the shared data"),
  .enabled(if: TestSupport.hasProgram("protoc"), "needs protoc: .ci/install-packages test"))
struct PipelineTests {
  private func status(_ pipeline: IngestPipeline) -> SourceStatus? { pipeline.status.sources.first }

  @Test func `events are stored with their place, through drops and a restart, once each`() throws {
    let log = FeedTests.log
    let server = try PythonStore(log)
    server.command("show 1000")
    let store = MemoryTraceStore()
    func run(_ body: (IngestPipeline) throws -> Void) throws {
      var limits = IngestLimits()
      limits.retrySecondsMin = 0.05
      let pipeline = IngestPipeline(store: store, metrics: ClewMetrics(), log: Log(minimum: .error), limits: limits)
      pipeline.start()
      defer { pipeline.stop() }
      try pipeline.follow(KurrentDBFeed(try server.address()), source: "shop", rules: ReadingRules())
      try body(pipeline)
    }
    func stored() throws -> Int { try store.statistics().eventCount }
    try run { pipeline in
      #expect(eventually(within: 30) { status(pipeline)?.state == .live })
      #expect(status(pipeline)?.kind == .eventStore && status(pipeline)?.problem == nil)
      server.command("drop")
      server.command("show 1500")
      #expect(eventually(within: 30) { status(pipeline)?.retries == 1 && status(pipeline)?.state == .live })
      server.command("fail 10 Operation timed out: Consumer too slow")
      server.command("drop")
      server.command("show 2000")
      let wanted = FeedTests.stored.filter { position in
        (try? LogIdentity.response(log[1999]).commitPosition).map { position.major <= $0 } ?? false
      }.count
      #expect(eventually(within: 30) { (try? stored()) == wanted })
    }
    server.command("show \(log.count)")
    try run { pipeline in
      #expect(eventually(within: 30) { (try? stored()) == FeedTests.stored.count })
      #expect(eventually(within: 30) { status(pipeline)?.state == .live && status(pipeline)?.lag == 0 })
      #expect(status(pipeline)?.duplicate == 0 && status(pipeline)?.headPosition == 1_817_651)
    }
    #expect(try store.checkpoints(ofSource: "shop").first?.position.major == 1_817_651)
  }

  @Test func `a source that cannot be reached is tried again until it can, and says what is wrong`() throws {
    let server = try PythonStore(FeedTests.log)
    let address = try server.address()
    server.process.kill()
    let pipeline = IngestPipeline(store: MemoryTraceStore(), metrics: ClewMetrics(), log: Log(minimum: .error))
    pipeline.start()
    defer { pipeline.stop() }
    try pipeline.follow(KurrentDBFeed(address), source: "shop", rules: ReadingRules())
    #expect(eventually(within: 30) { (status(pipeline)?.retries ?? 0) >= 2 })
    #expect(status(pipeline)?.state == .retrying && status(pipeline)?.problem?.contains("nobody answers") == true)
    #expect(status(pipeline)?.lag == nil, "unknown is not zero")
  }
}
