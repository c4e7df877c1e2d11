import EventModel
import HandlerMetrics
import TestSupport
import Testing

@Suite("Traces") struct TraceTests {
  private func closed(_ page: Exposition, _ outcome: String) -> Double? {
    page["clew_traces_closed_total{source=\"default\",outcome=\"\(outcome)\"}"]
  }

  @Test func `a trace is closed when it was quiet for long enough, and observed once`() throws {
    let recording = Recording(Recording.options { $0.traceIdleSeconds = 60 })
    try recording.append([event("a", type: "Placed"), event("b", cause: "a", at: 4000), event("x", "u", at: 100)])
    #expect(recording.page()["clew_traces_open{source=\"default\"}"] == 2)
    #expect(recording.page()["clew_traces_oldest_open_timestamp_seconds{source=\"default\"}"] == 1_767_225_600)
    recording.advance(seconds: 59)
    #expect(closed(recording.page(), "idle") == 0)
    recording.advance(seconds: 1)
    var page = recording.page()
    #expect(closed(page, "idle") == 2)
    #expect(page["clew_traces_open{source=\"default\"}"] == 0)
    #expect(page["clew_traces_oldest_open_timestamp_seconds{source=\"default\"}"] == nil)
    #expect(page["clew_trace_duration_seconds_sum{source=\"default\",root_event_type=\"Placed\"}"] == 4)
    #expect(page["clew_trace_size_events_bucket{source=\"default\",le=\"1.0\"}"] == 1)
    #expect(page["clew_trace_size_events_sum{source=\"default\"}"] == 3)

    // Reopened: open again, but neither started nor closed twice.
    try recording.append([event("late", cause: "a", at: 5000)])
    #expect(recording.page()["clew_traces_open{source=\"default\"}"] == 1)
    recording.advance(seconds: 61)
    page = recording.page()
    #expect(page["clew_traces_started_total{source=\"default\"}"] == 2)
    #expect(closed(page, "idle") == 2)
    #expect(page.sum("clew_trace_duration_seconds_count") == 2)
  }

  @Test func `terminal types end a trace at once`() throws {
    let recording = Recording(
      Recording.options {
        $0.completingTypes = ["Delivered"]
        $0.failingTypes = ["Cancelled"]
      })
    try recording.append([
      event("a"), event("b", cause: "a", type: "Delivered", at: 10), event("c", "u"),
      event("d", "u", cause: "c", type: "Cancelled", at: 10),
    ])
    let page = recording.page()
    #expect(closed(page, "completed") == 1)
    #expect(closed(page, "failed") == 1)
    #expect(page["clew_traces_open{source=\"default\"}"] == 0)
  }

  @Test func `a trace that goes on and on is stuck, then timed out`() throws {
    let recording = Recording(
      Recording.options {
        $0.traceIdleSeconds = 60
        $0.traceStuckSeconds = 100
        $0.traceDeadlineSeconds = 200
      })
    for step in 0..<4 {
      try recording.append([event("e\(step)", at: Int64(step) * 50_000)])
      recording.advance(seconds: 50)
      let page = recording.page()
      #expect(page["clew_traces_stuck{source=\"default\"}"] == (step == 2 ? 1 : 0))
    }
    #expect(closed(recording.page(), "timed_out") == 1)
  }

  @Test func `open traces are bounded`() throws {
    let recording = Recording(Recording.options { $0.openTracesMax = 5 })
    for index in 0..<12 { try recording.append([event("e\(index)", "t\(index)")]) }
    let page = recording.page()
    #expect(page["clew_traces_open{source=\"default\"}"] == 5)
    #expect(closed(page, "evicted") == 7)
    #expect(page["clew_state_evictions_total{table=\"open_traces\"}"] == 7)
  }

  @Test func `after a restart counters are 0, open traces are open`() throws {
    let after = Recording()
    let key = try #require(Identifier("t")).key
    after.recorder.restore(
      [
        RestoredTrace(
          correlation: key, source: "default", rootEventType: "Placed", firstCreated: TestEvent.epoch,
          lastCreated: after.now, eventCount: 2)
      ], now: after.now)
    var page = after.page()
    #expect(page["clew_traces_open{source=\"default\"}"] == 1)
    #expect(page["clew_traces_started_total{source=\"default\"}"] == 0)
    after.advance(seconds: 601)
    page = after.page()
    #expect(closed(page, "idle") == 1)
    #expect(page["clew_trace_duration_seconds_sum{source=\"default\",root_event_type=\"Placed\"}"] == 1)
  }

  @Test func `the root of a trace names it though its child came first`() throws {
    let recording = Recording()
    try recording.append([event("b", cause: "a", type: "Billed", at: 5), event("a", type: "Placed")])
    recording.advance(seconds: 601)
    #expect(recording.page()["clew_trace_duration_seconds_count{source=\"default\",root_event_type=\"Placed\"}"] == 1)
  }
}
