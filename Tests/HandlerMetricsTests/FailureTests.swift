import EventModel
import HandlerMetrics
import TestSupport
import Testing

@Suite("Executions, failures, retries") struct FailureTests {
  private func failures(_ page: Exposition, _ type: String, _ reason: String) -> Double? {
    page["clew_handler_failures_total{\(billing),event_type=\"\(type)\",reason=\"\(reason)\"}"]
  }

  @Test func `all reasons of a new handler are exported as 0 at once`() throws {
    let recording = Recording()
    try recording.append([event("c", type: "Placed"), event("r", cause: "c", type: "Billed", at: 1)])
    let page = recording.page()
    for reason in ["failure_event", "metadata", "reported", "timeout"] {
      #expect(failures(page, "Placed", reason) == 0, "\(reason)")
    }
    for reason in ["reported", "redelivered", "duplicate_reaction"] {
      #expect(page["clew_handler_retries_total{\(billing),reason=\"\(reason)\"}"] == 0, "\(reason)")
    }
    #expect(
      page["clew_handler_info{\(billing),application=\"_none\",identity_source=\"metadata\"}"] == 1)
    // A handler that reports nothing has no run in flight, and that is not known: absent, not 0.
    #expect(page["clew_handler_inflight{\(billing)}"] == nil)
    #expect(page["clew_handler_queue_wait_seconds_count{\(billing)}"] == nil)
  }

  @Test func `a pair fails once, whatever it says how often`() throws {
    let recording = Recording()
    try recording.append([
      event("c", type: "Placed"), event("f1", cause: "c", at: 1, failure: .metadata, stream: "a-1"),
      event("f2", cause: "c", at: 2, failure: .eventType, stream: "a-2"),
      event("f3", cause: "c", at: 3, failure: .metadata, stream: "a-3"),
    ])
    let page = recording.page()
    #expect(failures(page, "Placed", "metadata") == 1)
    #expect(failures(page, "Placed", "failure_event") == 0)
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
    #expect(page["clew_handler_reactions_total{\(billing),event_type=\"Type\"}"] == 3)
  }

  @Test func `a failure and a success of one pair make one retry`() throws {
    let recording = Recording()
    try recording.append([
      event("c", type: "Placed"), event("f", cause: "c", type: "BillingFailed", at: 1, failure: .eventType),
      event("s", cause: "c", type: "Billed", at: 2), event("s2", cause: "c", type: "Mailed", at: 3),
    ])
    let page = recording.page()
    #expect(failures(page, "Placed", "failure_event") == 1)
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
    #expect(page["clew_handler_retries_total{\(billing),reason=\"redelivered\"}"] == 1)
  }

  @Test func `the same reaction again is a retry and not an execution`() throws {
    let recording = Recording()
    try recording.append([
      event("c", type: "Placed"), event("r1", cause: "c", type: "Billed", at: 1),
      event("r2", cause: "c", type: "Billed", at: 2), event("r3", cause: "c", type: "Billed", at: 3, stream: "order-2"),
    ])
    let page = recording.page()
    #expect(page["clew_handler_retries_total{\(billing),reason=\"duplicate_reaction\"}"] == 1)
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 3)
  }

  @Test func `two handlers of one cause are two executions, fan-out is many reactions`() throws {
    let recording = Recording()
    var events = [event("c", type: "Placed")]
    for index in 0..<100 { events.append(event("r\(index)", cause: "c", type: "Sent", at: 1, stream: "m-\(index)")) }
    events.append(event("other", cause: "c", type: "Shipped", at: 5, handler: "shipping"))
    try recording.append(events)
    let page = recording.page()
    #expect(page["clew_handler_executions_total{\(billing),event_type=\"Placed\"}"] == 1)
    #expect(page["clew_handler_reactions_total{\(billing),event_type=\"Sent\"}"] == 100)
    #expect(page.sum("clew_handler_executions_total", ["handler": "shipping"]) == 1)
  }

  @Test func `a failure without a cause counts against the handler and the event`() throws {
    let recording = Recording()
    try recording.append([event("a", failure: .metadata), event("b", failure: .metadata)])
    #expect(failures(recording.page(), "_none", "metadata") == 2)
    #expect(recording.page().sum("clew_handler_executions_total") == 2)
  }

  @Test func `a failure whose cause is not known waits for it and counts once`() throws {
    let recording = Recording()
    try recording.append([event("f", cause: "c", at: 1, failure: .metadata)])
    #expect(recording.page().sum("clew_handler_failures_total") == 0)
    try recording.append([event("c", type: "Placed")])
    #expect(failures(recording.page(), "Placed", "metadata") == 1)

    // After the grace it counts without its cause, and not again when the cause comes after all.
    try recording.append([event("f2", "u", cause: "c2", at: 1, failure: .metadata)])
    recording.advance(seconds: 31)
    #expect(failures(recording.page(), "_none", "metadata") == 1)
    try recording.append([event("c2", "u", type: "Placed")])
    let page = recording.page()
    #expect(page.sum("clew_handler_failures_total") == 2)
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 2)
  }

  @Test func `a business rejection is no failure unless the event says so`() throws {
    let recording = Recording()
    try recording.append([event("c"), event("r", cause: "c", type: "PaymentRejected", at: 1)])
    #expect(recording.page().sum("clew_handler_failures_total") == 0)
  }

  @Test func `forgotten pairs are counted as forgotten`() throws {
    let recording = Recording(Recording.options { $0.executionsMax = 100 })
    for index in 0..<300 {
      try recording.append([
        event("c\(index)", "t\(index)"), event("r\(index)", "t\(index)", cause: "c\(index)", at: 1),
      ])
    }
    let page = recording.page()
    #expect(page.sum("clew_handler_executions_total") == 300)
    #expect((page["clew_state_evictions_total{table=\"executions\"}"] ?? 0) >= 200)
  }
}
