import EventModel
import HandlerMetrics
import TestSupport
import Testing

@Suite("Causality") struct CausalityTests {
  private let orphans = "clew_causation_orphans_total{source=\"default\",event_type=\"Type\"}"
  private let unresolved = "clew_causation_unresolved{source=\"default\"}"

  @Test func `an event becomes an orphan when the log is past its grace, once`() throws {
    let recording = Recording(now: TestEvent.epoch.advanced(byNanoseconds: 3_600_000_000_000))
    try recording.append([event("x", cause: "nowhere")])
    #expect(recording.page()[orphans] == nil)
    try recording.append([event("y", "u", at: 29_999)])
    #expect(recording.page()[orphans] == nil)
    try recording.append([event("z", "u", at: 30_000)])
    recording.advance(seconds: 100)
    let page = recording.page()
    #expect(page[orphans] == 1)
    #expect(page[unresolved] == 1)
  }

  @Test func `an idle log is past the grace when the clock is`() throws {
    let recording = Recording()
    try recording.append([event("x", cause: "nowhere")])
    recording.advance(seconds: 29)
    #expect(recording.page()[orphans] == nil)
    recording.advance(seconds: 1)
    #expect(recording.page()[orphans] == 1)
  }

  @Test func `one event from the future makes no orphans`() throws {
    let recording = Recording()
    try recording.append([event("x", cause: "late", at: 900), event("future", "u", at: 86_400_000)])
    #expect(recording.page()[orphans] == nil)
    try recording.append([event("late", at: 800)])
    #expect(recording.page()[unresolved] == 0)
  }

  @Test func `contradictions are counted by reason`() throws {
    let recording = Recording()
    try recording.append([
      event("a"), event("self", cause: "self"), event("b", "u", cause: "a"), event("p", cause: "q"),
      event("q", cause: "p"), event("a", type: "Other"), event("a"),
    ])
    let page = recording.page()
    for reason in ["self", "correlation_mismatch", "cycle", "id_reused"] {
      #expect(page["clew_causation_conflicts_total{source=\"default\",reason=\"\(reason)\"}"] == 1, "\(reason)")
    }
    #expect(page["clew_events_dropped_total{source=\"default\",reason=\"conflict\"}"] == 1)
    #expect(page["clew_events_dropped_total{source=\"default\",reason=\"duplicate\"}"] == 1)
    #expect(page["clew_events_dropped_total{source=\"default\",reason=\"decode\"}"] == 0)
  }

  @Test func `an event without a cause that does not begin its trace misses one, unless its type is a root`() throws {
    let recording = Recording(Recording.options { $0.rootTypes = ["Renewed"] })
    try recording.append([
      event("a"), event("b"), event("c", type: "Renewed"), event("d", cause: "t"), event("e", cause: "a"),
    ])
    let page = recording.page()
    #expect(page.sum("clew_causation_missing_total") == 1)
    #expect(page["clew_causation_missing_total{source=\"default\",event_type=\"Type\"}"] == 1)
  }

  @Test func `edges are counted by cause type, handler and effect type`() throws {
    let recording = Recording()
    try recording.append([
      event("a", type: "Placed"), event("b", cause: "a", type: "Billed", at: 1),
      event("c", cause: "a", type: "Billed", at: 2),
    ])
    #expect(
      recording.page()[
        "clew_causal_edges_total{source=\"default\",cause_event_type=\"Placed\",handler=\"billing\",effect_event_type=\"Billed\"}"
      ] == 2)
  }

  @Test func `what waits is bounded, and what is given up counts as orphan`() throws {
    let recording = Recording(Recording.options { $0.waitingMax = 10 })
    for index in 0..<25 { try recording.append([event("x\(index)", cause: "n\(index)", at: Int64(index))]) }
    let page = recording.page()
    #expect(page[unresolved] == 10)
    #expect(page[orphans] == 15)
    #expect(page["clew_state_evictions_total{table=\"waiting\"}"] == 15)
  }

  @Test func `children that come first by the thousand leave nothing behind`() throws {
    let recording = Recording()
    for batch in 0..<30 {
      var events: [TestEvent] = []
      for index in 0..<400 {
        let id = "\(batch)-\(index)"
        events += [event("r" + id, "t" + id, cause: "c" + id, at: 5), event("c" + id, "t" + id)]
      }
      try recording.append(events)
    }
    let page = recording.page()
    #expect(page[unresolved] == 0)
    #expect(page["clew_handler_reaction_latency_seconds_count{\(billing)}"] == 12_000)
  }

  @Test func `system events are accepted and are in no trace`() throws {
    let recording = Recording()
    var system = event("s", type: "$stats")
    system.eventClass = .system
    try recording.append([system])
    let page = recording.page()
    #expect(page.sum("clew_events_ingested_total") == 1)
    #expect(page.sum("clew_traces_started_total") == 0)
    #expect(page.sum("clew_causation_missing_total") == 0)
    #expect(page.samples.allSatisfy { $0.name != "clew_handler_info" })
  }
}
