import EventModel
import HandlerMetrics
import PrometheusText
import TestSupport
import Testing
import TraceStore

/// A store and a recorder behind it, as the pipeline puts them together, with a clock that the test moves.
final class Recording {
  let store = MemoryTraceStore()
  let recorder: MetricsRecorder
  /// The next batch arrives at this time.
  var now: Timestamp

  init(_ options: MetricsOptions = allLive, now: Timestamp = TestEvent.epoch.advanced(byNanoseconds: 1_000_000_000)) {
    recorder = MetricsRecorder(options: options)
    self.now = now
  }

  static let allLive: MetricsOptions = {
    var options = MetricsOptions()
    options.liveWindow = .all
    return options
  }()

  /// Options with everything live, changed.
  static func options(_ change: (inout MetricsOptions) -> Void) -> MetricsOptions {
    var options = allLive
    change(&options)
    return options
  }

  /// Appends the events as one batch.
  func append(_ events: [TestEvent], source: String = "default") throws {
    let batch = SourceBatch(events, source: source)
    let outcome = try store.append([batch])[0]
    recorder.record(outcome, events: batch.events, source: source, arrival: now)
  }

  func advance(seconds: Double) {
    now = now.advanced(byNanoseconds: Int64(seconds * 1e9))
    recorder.tick(now: now)
  }

  func report(
    _ state: HandlerReport.State, cause: String, at seconds: Double, attempt: UInt32 = 1, handler: String = "billing"
  ) throws {
    let report = HandlerReport(
      source: "default", service: "shop", handler: handler, cause: try #require(Identifier(cause)), attempt: attempt,
      state: state, at: TestEvent.epoch.advanced(byNanoseconds: Int64(seconds * 1e9)))
    let event = try store.events(withID: report.cause).first
    recorder.record(
      report,
      cause: event.map { ReportedCause(created: $0.created, type: $0.type, correlation: $0.correlation) },
      arrival: now)
  }

  func bytes(_ format: ExpositionFormat = .openMetrics) -> [UInt8] {
    var page = MetricPage()
    for family in MetricsRecorder.families {
      page.add(family) { self.recorder.write(family, into: &$0, now: self.now) }
    }
    return page.render(format)
  }

  /// The page, read back strictly.
  func page(sourceLocation: SourceLocation = #_sourceLocation) -> Exposition {
    let page = Exposition(bytes(), openMetrics: true)
    #expect(page.problems == [], sourceLocation: sourceLocation)
    return page
  }
}

/// Events of one trace with a handler, in short.
func event(
  _ id: String, _ trace: String? = "t", cause: String? = nil, type: String = "Type", at milliseconds: Int64 = 0,
  handler: String = "billing", failure: FailureKind = .none, stream: String = "order-1"
) -> TestEvent {
  TestEvent(
    id, trace: trace, cause: cause, stream: stream, type: type, at: milliseconds, service: "shop", handler: handler,
    failure: failure)
}

let billing = "source=\"default\",service=\"shop\",handler=\"billing\""
