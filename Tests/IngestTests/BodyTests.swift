import EventModel
import EventSource
import HandlerMetrics
import Ingest
import TestSupport
import Testing
import TraceStore

@Suite("Bodies and reports") struct BodyTests {
  @Test func `counts are disjoint and a bad line is refused alone`() throws {
    let bench = try Bench()
    let body = line("a") + "nonsense\n" + "\n" + line("b", cause: "a", at: 1) + line("a") + line("a", type: "Other")
    let counts = try bench.pipeline.ingestBody(Array(body.utf8), contentType: "application/x-ndjson", source: "web")
    #expect(counts.lines == 6)
    #expect(counts.accepted == 2)
    #expect(counts.duplicate == 1)
    #expect(counts.conflict == 1)
    #expect(counts.refused == 1)
    #expect(counts.blank == 1)
    #expect(counts.refusals.map(\.line) == [2])
    let page = bench.page()
    #expect(page["clew_events_ingested_total{source=\"web\",event_type=\"Placed\"}"] == 2)
    #expect(page["clew_events_dropped_total{source=\"web\",reason=\"decode\"}"] == 1)
    #expect(page["clew_events_dropped_total{source=\"web\",reason=\"duplicate\"}"] == 1)
    #expect(page["clew_events_dropped_total{source=\"web\",reason=\"conflict\"}"] == 1)
    let status = try #require(bench.pipeline.status.sources.first { $0.name == "web" })
    #expect(status.kind == .push)
    #expect(status.accepted == 2 && status.refused == 1)
  }

  @Test func `a body of many batches is stored whole, and again counts as duplicates`() throws {
    let bench = try Bench()
    let body = Array((0..<5_500).map { line("e\($0)", trace: "t\($0 / 10)") }.joined().utf8)
    #expect(try bench.pipeline.ingestBody(body, contentType: nil).accepted == 5_500)
    let again = try bench.pipeline.ingestBody(body, contentType: nil)
    #expect(again.accepted == 0 && again.duplicate == 5_500)
    #expect(bench.page().sum("clew_events_ingested_total") == 5_500)
  }

  @Test func `a content type that is no JSON is refused`() throws {
    let bench = try Bench()
    let error = #expect(throws: IngestError.self) {
      _ = try bench.pipeline.ingestBody([1, 2, 3], contentType: "image/png")
    }
    guard case .unreadable = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test func `reports are stored once and measured against their cause`() throws {
    let bench = try Bench()
    _ = try bench.pipeline.ingestBody(Array(line("a").utf8), contentType: nil)
    func report(_ state: String, _ second: Int) -> String {
      "{\"handler\":\"billing\",\"service\":\"shop\",\"causeId\":\"a\",\"state\":\"\(state)\",\"at\":\"2026-01-01T00:00:0\(second)Z\"}\n"
    }
    let body = report("started", 1) + report("succeeded", 3) + "{\"handler\":\"x\"}\n"
    let counts = try bench.pipeline.ingestReports(Array(body.utf8), contentType: nil)
    #expect(counts.accepted == 2)
    #expect(counts.refused == 1)
    #expect(counts.refusals.count == 1)
    // The same reports with another time say nothing new.
    let again = try bench.pipeline.ingestReports(
      Array((report("started", 5) + report("succeeded", 9)).utf8), contentType: nil)
    #expect(again.accepted == 0)
    #expect(again.duplicate + again.conflict == 2)
    let page = bench.page()
    #expect(page.sum("clew_handler_queue_wait_seconds_sum") == 1)
    #expect(page.sum("clew_handler_processing_seconds_sum") == 2)
    #expect(page.sum("clew_handler_critical_time_seconds_sum") == 3)
    #expect(page.sum("clew_handler_executions_total", ["event_type": "Placed"]) == 1)
    #expect(page.sum("clew_events_ingested_total") == 1)
  }

  @Test func `a report before its event waits for it`() throws {
    let bench = try Bench()
    let report = "{\"handler\":\"billing\",\"causeId\":\"a\",\"state\":\"started\",\"at\":\"2026-01-01T00:00:04Z\"}"
    _ = try bench.pipeline.ingestReports(Array(report.utf8), contentType: nil)
    #expect(bench.page().sum("clew_handler_queue_wait_seconds_count") == 0)
    _ = try bench.pipeline.ingestBody(Array(line("a").utf8), contentType: nil)
    #expect(bench.page().sum("clew_handler_queue_wait_seconds_sum") == 4)
  }
}
