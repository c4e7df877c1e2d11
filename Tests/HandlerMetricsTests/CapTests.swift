import EventModel
import HandlerMetrics
import PrometheusText
import TestSupport
import Testing

@Suite("Bounds of label sets") struct CapTests {
  private func manyNames(_ count: Int, _ options: MetricsOptions = Recording.allLive) throws -> Recording {
    let recording = Recording(options)
    try recording.append([event("c", type: "Cause")])
    for start in stride(from: 0, to: count, by: 1000) {
      try recording.append(
        (start..<min(start + 1000, count)).map { index in
          event(
            "r\(index)", cause: "c", type: "Type\(index)", at: 7, handler: "handler-\(index)",
            failure: index % 10 == 0 ? .metadata : .none)
        })
    }
    return recording
  }

  @Test func `10,000 handlers and types end in the overflow, and no sum is lost`() throws {
    let recording = try manyNames(10_000)
    let page = recording.page()
    #expect(page.sum("clew_handler_executions_total") == 10_000)
    #expect(page.sum("clew_handler_reactions_total") == 10_000)
    #expect(page.sum("clew_handler_failures_total") == 1000)
    #expect(page.sum("clew_handler_reaction_latency_seconds_count") == 10_000)
    #expect(abs(page.sum("clew_handler_reaction_latency_seconds_sum") - 70) < 1e-6)
    #expect(page.sum("clew_events_ingested_total") == 10_001)
    #expect(page.sum("clew_causal_edges_total") == 10_000)
    let handlers = Set(
      page.samples.filter { $0.name == "clew_handler_reaction_latency_seconds_count" }
        .map { $0.labels.map(\.value) })
    #expect(handlers.count == 2001)
    #expect(handlers.contains(["default", "_overflow", "_overflow"]))
    // The cause's own handler is one of the 2,000.
    #expect(page.sum("clew_handler_reaction_latency_seconds_count", ["handler": "_overflow"]) == 8001)
    #expect(page.sum("clew_events_ingested_total", ["event_type": "_overflow"]) == 9501)
    for sample in page.samples where sample.name == "clew_metric_series" {
      let family = sample.labels[0].value
      let limit = page["clew_metric_series_limit{metric=\"\(family)\"}"] ?? 0
      #expect((Double(sample.value) ?? .infinity) <= limit + 1, "\(family)")
    }
  }

  @Test func `every folded measurement is counted by family and label`() throws {
    let page = try manyNames(10_000).page()
    func overflow(_ metric: String, _ label: String) -> Double? {
      page["clew_metric_overflow_total{metric=\"\(metric)\",label=\"\(label)\"}"]
    }
    #expect(overflow("clew_events_ingested_total", "event_type") == 9501)
    #expect(overflow("clew_handler_reactions_total", "event_type") == 9501)
    #expect(overflow("clew_handler_reactions_total", "handler") == 8001)
    #expect(overflow("clew_handler_executions_total", "handler") == 8001)
    #expect(overflow("clew_handler_reaction_latency_seconds", "handler") == 8001)
  }

  @Test func `known sets still move, and the 501st type goes to the overflow`() throws {
    let recording = try manyNames(600)
    try recording.append([event("k", cause: "c", type: "Type3", handler: "handler-3")])
    try recording.append([event("n", cause: "c", type: "Type599", handler: "handler-599")])
    let page = recording.page()
    #expect(page["clew_events_ingested_total{source=\"default\",event_type=\"Type3\"}"] == 2)
    #expect(page["clew_events_ingested_total{source=\"default\",event_type=\"Type599\"}"] == nil)
    #expect(page["clew_events_ingested_total{source=\"default\",event_type=\"_overflow\"}"] == 102)
    #expect(page.sum("clew_handler_reactions_total", ["handler": "handler-599", "event_type": "_overflow"]) == 2)
  }

  @Test func `a family above its bound folds the type first, then the handler`() throws {
    let recording = Recording(
      Recording.options {
        $0.labelSetsMax = 40
        $0.edgeLabelSetsMax = 8
      })
    try recording.append([event("c", type: "Cause")])
    for handler in 0..<30 {
      try recording.append(
        (0..<4).map { event("r\(handler)-\($0)", cause: "c", type: "T\($0)", at: 1, handler: "h\(handler)") })
    }
    let page = recording.page()
    #expect(page.sum("clew_handler_reactions_total") == 120)
    #expect(page.sum("clew_handler_executions_total") == 30)
    #expect(page.sum("clew_causal_edges_total") == 120)
    #expect(page.samples.filter { $0.name == "clew_handler_reactions_total" }.count <= 41)
    #expect(page.samples.filter { $0.name == "clew_handler_failures_total" }.count <= 44)
    #expect(page.samples.filter { $0.name == "clew_causal_edges_total" }.count <= 9)
    #expect(page.sum("clew_handler_reactions_total", ["event_type": "_overflow"]) > 0)
  }

  @Test func `sources are bounded too`() throws {
    let recording = Recording(Recording.options { $0.sourcesMax = 3 })
    for index in 0..<10 { try recording.append([event("e\(index)", "t\(index)")], source: "s\(index)") }
    let page = recording.page()
    #expect(page.sum("clew_events_ingested_total") == 10)
    #expect(page.sum("clew_events_ingested_total", ["source": "_overflow"]) == 7)
  }

  @Test(arguments: [
    ("quote\"d", "quote\"d"), ("back\\slash", "back\\slash"), ("new\nline", "new\nline"),
    ("carriage\rreturn", "carriage\rreturn"),
    ("nul\0nul", "nul\u{fffd}nul"), ("emoji 🧶", "emoji 🧶"), ("  trimmed\t", "trimmed"), ("_leading", "_leading"),
    (" ", "_none"),
  ])
  func `any name becomes a label value that scrapers read`(_ name: String, _ shown: String) throws {
    let recording = Recording()
    try recording.append([event("a", type: name, handler: name), event("b", cause: "a", type: name, handler: name)])
    let page = recording.page()
    #expect(page.sum("clew_events_ingested_total", ["event_type": shown]) == 2)
    #expect(page.sum("clew_handler_reactions_total", ["handler": shown, "event_type": shown]) == 1)
    #expect(Exposition(recording.bytes(.text), openMetrics: false).problems == [])
  }

  @Test func `long names are cut at a character and stay apart`() throws {
    let recording = Recording()
    let long = String(repeating: "ü", count: 5000)
    try recording.append([
      event("a", type: long + "a"), event("b", type: long + "b"), event("c", type: String(repeating: "x", count: 128)),
    ])
    let types = recording.page().samples.filter { $0.name == "clew_events_ingested_total" }
      .compactMap { $0.labels.last?.value }
    #expect(types.count == 3)
    #expect(types.allSatisfy { $0.utf8.count <= 128 })
    #expect(types.filter { $0.contains("…") }.count == 2)
    #expect(types.contains(String(repeating: "x", count: 128)))
  }

  @Test func `absent names are shown as none`() throws {
    let recording = Recording()
    try recording.append([TestEvent("a", trace: "t"), TestEvent("b", trace: "t", cause: "a")])
    #expect(
      recording.page()[
        "clew_handler_reaction_latency_seconds_count{source=\"default\",service=\"_none\",handler=\"_none\"}"] == 1)
  }

  @Test func `schema versions are counted by type, bounded`() throws {
    let recording = Recording(Recording.options { $0.versionsPerTypeMax = 3 })
    var events: [TestEvent] = []
    for index in 0..<10 {
      var versioned = event("e\(index)")
      versioned.schemaVersion = "\(index % 5)"
      events.append(versioned)
    }
    try recording.append(events + [event("plain")])
    let page = recording.page()
    let name = "clew_event_schema_versions_total"
    #expect(page["\(name){source=\"default\",event_type=\"Type\",schema_version=\"0\"}"] == 2)
    #expect(page["\(name){source=\"default\",event_type=\"Type\",schema_version=\"_overflow\"}"] == 4)
    #expect(page.sum(name) == 10)
    #expect(page["clew_metric_overflow_total{metric=\"\(name)\",label=\"schema_version\"}"] == 4)
  }

  @Test func `gaps in the revisions of a stream are counted`() throws {
    let recording = Recording()
    var events: [TestEvent] = []
    for revision in [5, 6, 9, 9, 8, 10, 12] as [Int64] {
      var revised = event("e\(events.count)")
      revised.revision = revision
      events.append(revised)
    }
    try recording.append(events)
    #expect(recording.page()["clew_source_gaps_total{source=\"default\"}"] == 2)
  }
}
