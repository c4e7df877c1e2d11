import EventModel
import HandlerMetrics
import TestSupport
import Testing

@Suite("Handler reports") struct ReportTests {
  private func value(_ recording: Recording, _ name: String) -> Double? { recording.page()["\(name){\(billing)}"] }

  private func failures(_ recording: Recording, _ reason: String) -> Double {
    recording.page().sum("clew_handler_failures_total", ["reason": reason])
  }

  /// A recording with the event `c`, created at the epoch.
  private func withCause() throws -> Recording {
    let recording = Recording()
    try recording.append([event("c", type: "Placed", handler: "shop")])
    return recording
  }

  @Test func `start and success give queue wait, processing and critical time`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: 2)
    #expect(value(recording, "clew_handler_inflight") == 1)
    try recording.report(.succeeded, cause: "c", at: 5)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(value(recording, "clew_handler_queue_wait_seconds_sum") == 2)
    #expect(value(recording, "clew_handler_processing_seconds_sum") == 3)
    #expect(value(recording, "clew_handler_critical_time_seconds_sum") == 5)
    #expect(recording.page()["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
    #expect(
      recording.page()["clew_handler_info{\(billing),application=\"_none\",identity_source=\"reported\"}"] == 1)
  }

  @Test func `an end before its start is as good`() throws {
    let recording = try withCause()
    try recording.report(.succeeded, cause: "c", at: 5)
    #expect(value(recording, "clew_handler_processing_seconds_count") == 0)
    try recording.report(.started, cause: "c", at: 2)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(value(recording, "clew_handler_processing_seconds_sum") == 3)
    #expect(value(recording, "clew_handler_queue_wait_seconds_sum") == 2)
    #expect(value(recording, "clew_handler_critical_time_seconds_sum") == 5)
  }

  @Test func `a second start and a second end of an attempt change nothing`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: 2)
    try recording.report(.started, cause: "c", at: 3)
    #expect(value(recording, "clew_handler_inflight") == 1)
    try recording.report(.succeeded, cause: "c", at: 5)
    try recording.report(.succeeded, cause: "c", at: 9)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(value(recording, "clew_handler_processing_seconds_count") == 1)
    #expect(value(recording, "clew_handler_critical_time_seconds_count") == 1)
  }

  @Test func `a report for an unknown event waits for it`() throws {
    let recording = Recording()
    try recording.report(.started, cause: "c", at: 2)
    try recording.report(.succeeded, cause: "c", at: 5)
    #expect(recording.page().sum("clew_handler_executions_total") == 0)
    try recording.append([event("c", type: "Placed", handler: "shop")])
    #expect(value(recording, "clew_handler_queue_wait_seconds_sum") == 2)
    #expect(recording.page()["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
  }

  @Test func `a report whose event never comes counts without it`() throws {
    let recording = Recording()
    try recording.report(.started, cause: "c", at: 2)
    try recording.report(.failed, cause: "c", at: 5)
    recording.advance(seconds: 29)
    #expect(failures(recording, "reported") == 0)
    recording.advance(seconds: 2)
    #expect(failures(recording, "reported") == 1)
    #expect(value(recording, "clew_handler_processing_seconds_sum") == 3)
    #expect(value(recording, "clew_handler_queue_wait_seconds_count") == 0)
    #expect(recording.page()["clew_handler_executions_total{\(billing),event_type=\"_none\"}"] == 1)
  }

  @Test func `a run without an end fails when its lease ends, and may still end late`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: 2)
    recording.advance(seconds: 899)
    #expect(value(recording, "clew_handler_inflight") == 1)
    recording.advance(seconds: 2)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(failures(recording, "timeout") == 1)
    try recording.report(.succeeded, cause: "c", at: 950)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(value(recording, "clew_handler_critical_time_seconds_sum") == 950)
    #expect(failures(recording, "timeout") == 1)
    #expect(recording.page().sum("clew_handler_executions_total") == 1)
  }

  @Test func `a handler whose clock is behind counts as skew`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: -3)
    try recording.report(.succeeded, cause: "c", at: -5)
    #expect(value(recording, "clew_handler_clock_skew_total") == 3)
    #expect(value(recording, "clew_handler_queue_wait_seconds_count") == 0)
    #expect(value(recording, "clew_handler_inflight") == 0)
  }

  @Test func `a handler whose clock is ahead is believed`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: 600)
    try recording.report(.succeeded, cause: "c", at: 601)
    #expect(value(recording, "clew_handler_processing_seconds_sum") == 1)
    #expect(value(recording, "clew_handler_inflight") == 0)
  }

  @Test func `attempts are retries, in whatever order their numbers come`() throws {
    let recording = try withCause()
    try recording.report(.started, cause: "c", at: 3, attempt: 2)
    try recording.report(.started, cause: "c", at: 1, attempt: 1)
    try recording.report(.retrying, cause: "c", at: 2, attempt: 1)
    try recording.report(.succeeded, cause: "c", at: 4, attempt: 2)
    let page = recording.page()
    #expect(page["clew_handler_retries_total{\(billing),reason=\"reported\"}"] == 1)
    #expect(page["clew_handler_inflight{\(billing)}"] == 0)
    #expect(page.sum("clew_handler_executions_total") == 1)
    #expect(page.sum("clew_handler_failures_total") == 0)
    #expect(page["clew_handler_processing_seconds_count{\(billing)}"] == 2)
  }

  @Test func `a failure event and a report of one pair are one failure`() throws {
    let recording = try withCause()
    try recording.append([event("f", cause: "c", type: "BillingFailed", at: 10, failure: .eventType)])
    try recording.report(.started, cause: "c", at: 1)
    try recording.report(.failed, cause: "c", at: 2)
    #expect(recording.page().sum("clew_handler_failures_total") == 1)
    #expect(failures(recording, "failure_event") == 1)
    #expect(recording.page().sum("clew_handler_executions_total", ["handler": "billing"]) == 1)
  }

  @Test func `waiting reports and runs are bounded`() throws {
    let recording = Recording(
      Recording.options {
        $0.waitingReportsMax = 5
        $0.runsMax = 8
      })
    for index in 0..<20 { try recording.report(.started, cause: "n\(index)", at: 1) }
    let page = recording.page()
    #expect(page["clew_state_evictions_total{table=\"waiting_reports\"}"] == 15)
    #expect(page["clew_state_evictions_total{table=\"runs\"}"] == 7)
    #expect(page["clew_handler_inflight{\(billing)}"] == 8)
  }

  @Test func `runs in flight survive a restart, counters do not`() throws {
    let recording = Recording()
    func report(_ state: HandlerReport.State, _ cause: String) throws -> (HandlerReport, ReportedCause?) {
      (
        HandlerReport(
          source: "default", service: "shop", handler: "billing", cause: try #require(Identifier(cause)), attempt: 1,
          state: state, at: TestEvent.epoch),
        ReportedCause(created: TestEvent.epoch, type: "Placed", correlation: nil)
      )
    }
    recording.recorder.restore(
      [try report(.started, "a"), try report(.started, "b"), try report(.succeeded, "a"), try report(.failed, "x")]
        .map { (report: $0.0, cause: $0.1) }, now: recording.now)
    #expect(value(recording, "clew_handler_inflight") == 1)
    #expect(recording.page().sum("clew_handler_executions_total") == 0)
    recording.advance(seconds: 900)
    #expect(value(recording, "clew_handler_inflight") == 0)
    #expect(recording.page()["clew_handler_failures_total{\(billing),event_type=\"Placed\",reason=\"timeout\"}"] == 1)
  }
}
