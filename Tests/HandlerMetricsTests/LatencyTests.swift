import EventModel
import HandlerMetrics
import PrometheusText
import TestSupport
import Testing

@Suite("Reaction latency") struct LatencyTests {
  @Test func `the histogram holds what one counts by hand`() throws {
    let recording = Recording(
      Recording.options { $0.buckets["clew_handler_reaction_latency_seconds"] = [0.01, 0.1, 1] })
    try recording.append([
      event("c"), event("r0", cause: "c", at: 0), event("r10", cause: "c", at: 10), event("r11", cause: "c", at: 11),
      event("r100", cause: "c", at: 100), event("r5000", cause: "c", at: 5000),
    ])
    let page = recording.page()
    let name = "clew_handler_reaction_latency_seconds"
    #expect(page["\(name)_bucket{\(billing),le=\"0.01\"}"] == 2)
    #expect(page["\(name)_bucket{\(billing),le=\"0.1\"}"] == 4)
    #expect(page["\(name)_bucket{\(billing),le=\"1.0\"}"] == 4)
    #expect(page["\(name)_bucket{\(billing),le=\"+Inf\"}"] == 5)
    #expect(page["\(name)_count{\(billing)}"] == 5)
    #expect(page["\(name)_sum{\(billing)}"] == 5.121)
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Type\"}"] == 1)
    #expect(page["clew_handler_reactions_total{\(billing),event_type=\"Type\"}"] == 5)
    #expect(page["clew_handler_last_reaction_timestamp_seconds{\(billing)}"] == 1_767_225_605)
  }

  @Test(arguments: [
    (Int64(0), 1.0, 0.0), (-1, 0, 1), (-4_000_000, 0, 1), (-3_600_000_000_000, 0, 1), (90_000_000_000_000, 1, 0),
  ])
  func `a negative latency counts as clock skew and is never observed`(
    _ nanoseconds: Int64, _ observed: Double, _ skewed: Double
  ) throws {
    let recording = Recording()
    var child = event("r", cause: "c")
    child.created = TestEvent.epoch.advanced(byNanoseconds: nanoseconds)
    try recording.append([event("c"), child])
    let page = recording.page()
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == observed)
    #expect(page["clew_handler_clock_skew_total{\(billing)}"] == skewed)
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Type\"}"] == 1)
  }

  @Test func `a cause that comes later is observed when it comes, in the same batch or another`() throws {
    let recording = Recording()
    try recording.append([event("r", cause: "c", at: 20), event("s", cause: "r", at: 30)])
    #expect(recording.page()["clew_causation_unresolved{source=\"default\"}"] == 1)
    try recording.append([event("c")])
    try recording.append([event("r2", "u", cause: "c2", at: 40), event("c2", "u")])
    let page = recording.page()
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 3)
    #expect(page["clew_handler_reaction_latency_seconds_sum{\(billing)}"] == 0.07)
    #expect(page["clew_causation_unresolved{source=\"default\"}"] == 0)
    #expect(page["clew_causation_orphans_total{source=\"default\",event_type=\"Type\"}"] == nil)
  }

  @Test func `exemplars carry the trace id, and the correlation id whatever it is`() throws {
    let recording = Recording()
    try recording.append([
      event("c", "0AF7651916CD43DD8448EB211C80319C"),
      event("r", "0AF7651916CD43DD8448EB211C80319C", cause: "c", at: 1),
      event("c2", "order-ünï"), event("r2", "order-ünï", cause: "c2", at: 400),
      event("c3", String(repeating: "x", count: 200)),
      event("r3", String(repeating: "x", count: 200), cause: "c3", at: 4000),
    ])
    let samples = recording.page().samples.filter { $0.name == "clew_handler_reaction_latency_seconds_bucket" }
    let exemplars = samples.compactMap(\.exemplar)
    #expect(
      exemplars == [
        "{trace_id=\"0af7651916cd43dd8448eb211c80319c\",correlation_id=\"0af76519-16cd-43dd-8448-eb211c80319c\"} "
          + "0.001 1767225601.0",
        "{correlation_id=\"order-ünï\"} 0.4 1767225601.0",
      ])
    #expect(!String(decoding: recording.bytes(.text), as: UTF8.self).contains("# {"))
  }

  @Test func `exemplar labels can be renamed and left out`() throws {
    let recording = Recording(
      Recording.options {
        $0.exemplarTraceLabel = "traceID"
        $0.exemplarCorrelationLabel = nil
      })
    let trace = "0af76519-16cd-43dd-8448-eb211c80319c"
    try recording.append([event("c", trace), event("r", trace, cause: "c", at: 1)])
    let exemplars = recording.page().samples.compactMap(\.exemplar)
    #expect(exemplars == ["{traceID=\"0af7651916cd43dd8448eb211c80319c\"} 0.001 1767225601.0"])
  }

  @Test func `events older than the live window feed nothing but the backfill counter`() throws {
    var options = MetricsOptions()
    options.liveWindow = .seconds(300)
    let recording = Recording(options, now: TestEvent.epoch.advanced(byNanoseconds: 301_000_000_000))
    try recording.append([
      event("c"), event("r", cause: "c", at: 10), event("live", "u", at: 5000),
      event("reaction", "u", cause: "live", at: 5001),
    ])
    let page = recording.page()
    #expect(page["clew_events_ingested_total{source=\"default\",event_type=\"Type\"}"] == 4)
    #expect(page["clew_events_backfilled_total{source=\"default\"}"] == 2)
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 1)
    #expect(page["clew_traces_started_total{source=\"default\"}"] == 1)
    #expect(page["clew_ingest_delay_seconds_count{source=\"default\"}"] == 2)
  }

  @Test func `a child that was live when it was read counts though its cause comes after the window`() throws {
    var options = MetricsOptions()
    options.liveWindow = .seconds(300)
    let recording = Recording(options)
    try recording.append([event("r", cause: "c", at: 500)])
    recording.advance(seconds: 600)
    try recording.append([event("c", at: 0)])
    #expect(recording.page()["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 1)
  }
}
