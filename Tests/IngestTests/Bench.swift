import EventModel
import HandlerMetrics
import Ingest
import Platform
import PrometheusText
import TestSupport
import Testing
import TraceStore

/// A started pipeline over a store that can be made to refuse; stopped by the test, or when it goes.
final class Bench: Sendable {
  let store: FaultyStore
  let metrics: ClewMetrics
  let pipeline: IngestPipeline
  let clock: TestClock

  init(
    store: FaultyStore = FaultyStore(), clock: TestClock = TestClock(), options: MetricsOptions? = nil,
    restore: Bool = false, _ change: (inout IngestLimits) -> Void = { _ in }
  ) throws {
    var options = options ?? MetricsOptions()
    options.liveWindow = .all
    var limits = IngestLimits()
    limits.tickSeconds = 0.02
    limits.retrySecondsMin = 0.01
    limits.retrySecondsMax = 0.05
    change(&limits)
    self.store = store
    self.clock = clock
    metrics = ClewMetrics(options: options, clock: clock)
    pipeline = IngestPipeline(
      store: store, metrics: metrics, clock: clock, log: Log(minimum: .error, write: { _ in }), limits: limits)
    if restore { try pipeline.restoreMetrics() }
    pipeline.start()
  }

  deinit { pipeline.stop() }

  /// Holds the writer up inside the store, with one batch of its own: what comes now waits in the queue.
  ///
  /// - Returns: the sender, to be joined after `release`.
  func hold() -> WorkerThread {
    let before = store.counted.enteredCalls
    store.change { $0.isHeld = true }
    let sender = WorkerThread(name: "plug") {
      _ = try? self.pipeline.submit(SourceBatch([TestEvent("plug", trace: "plug")], source: "plug"))
    }
    #expect(eventually { self.store.counted.enteredCalls > before })
    return sender
  }

  func release() { store.change { $0.isHeld = false } }

  func page(_ format: ExpositionFormat = .openMetrics) -> Exposition {
    var page = MetricPage()
    metrics.addFamilies(to: &page)
    return Exposition(page.render(format), openMetrics: format == .openMetrics)
  }
}

/// A line as it comes from outside.
func line(_ id: String, trace: String = "t", cause: String? = nil, type: String = "Placed", at second: Int = 0)
  -> String
{
  let cause = cause.map { ",\"$causationId\":\"\($0)\"" } ?? ""
  let seconds = second < 10 ? "0\(second)" : "\(second)"
  return "{\"id\":\"\(id)\",\"stream\":\"order-1\",\"type\":\"\(type)\",\"created\":\"2026-01-01T00:00:\(seconds)Z\","
    + "\"data\":{},\"metadata\":{\"$correlationId\":\"\(trace)\"\(cause),\"handler\":\"billing\",\"service\":\"shop\"}}\n"
}
