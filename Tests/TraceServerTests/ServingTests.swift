import HTTPServer
import Ingest
import Platform
import Synchronization
import TestSupport
import Testing
import WireFormats

@testable import TraceServer

@Suite("Posting") struct PostingTests {
  @Test func `each line is stored, counted or refused alone`() {
    let api = ServingAPI()
    let body = ServingAPI.line("a") + ServingAPI.line("b") + ServingAPI.line("a") + "\n{broken\n"
    let first = api.post(body)
    #expect(first.status == 200)
    #expect(
      first.text.hasPrefix(
        #"{"lines":5,"accepted":2,"duplicate":1,"conflict":0,"refused":1,"blank":1,"refusals":[{"line":5,"#))
    #expect(first.text.hasSuffix(#""refusalsLeftOut":0}"#))
    #expect(first.json["refusals"]?[0]?["reason"]?.string?.isEmpty == false)
    let second = api.post(body).json
    #expect(second["accepted"]?.int == 0)
    #expect(second["duplicate"]?.int == 3)
    #expect(api.get("/api/v1/traces/t").json["eventCount"]?.int == 2)
    #expect(api.get("/api/v1/events/b").json["event"]?["source"]?.string == "default")
  }

  @Test func `the source is part of the identity`() {
    let api = ServingAPI()
    _ = api.post(ServingAPI.line("a"))
    let other = api.call("POST", "/api/v1/events?source=shop", body: ServingAPI.line("a")).json
    #expect(other["accepted"]?.int == 1)
    #expect(api.get("/api/v1/events/a").json["others"]?[0]?["source"]?.string == "shop")
    let sources = api.get("/api/v1/sources").json["sources"]
    #expect(sources?.array?.compactMap { $0["name"]?.string } == ["default", "shop"])
    #expect(sources?[1]?["kind"]?.string == "push")
    #expect(sources?[1]?["accepted"]?.int == 1)
  }

  @Test func `a body of another kind is refused with a way out`() {
    let answer = ServingAPI().call(
      "POST", "/api/v1/events", headers: [("content-type", "image/png")], body: "PNG")
    #expect(answer.status == 400)
    #expect(answer.errorCode == "unreadable_body")
    #expect(answer.errorHint?.isEmpty == false)
  }

  @Test func `reports of handlers are stored once`() {
    let api = ServingAPI()
    _ = api.post(ServingAPI.line("a"))
    let report = #"{"handler":"h","causeId":"a","state":"succeeded"}"#
    let first = api.call("POST", "/api/v1/handler-reports", body: report).json
    #expect(first["accepted"]?.int == 1)
    let second = api.call("POST", "/api/v1/handler-reports", body: report + "\n{}\n").json
    #expect(second["accepted"]?.int == 0)
    #expect(second["refused"]?.int == 1)
    #expect(api.get("/api/v1/stats").json["reportCount"]?.int == 1)
    #expect(api.get("/api/v1/stats").json["eventCount"]?.int == 1)
  }

  @Test func `a full disk is 507, not ready, and over by itself`() {
    let api = ServingAPI()
    #expect(api.get("/readyz").json["ready"]?.bool == true)
    api.store.isDiskFull.store(true, ordering: .releasing)
    let refused = api.post(ServingAPI.line("a"))
    #expect(refused.status == 507)
    #expect(refused.errorCode == "disk_full")
    #expect(refused.errorHint?.contains("send the same body again") == true)
    #expect(refused.headers["retry-after"] != nil)
    let ready = api.get("/readyz")
    #expect(ready.status == 503)
    #expect(ready.json["reasons"]?[0]?.string?.contains("no space left") == true)
    #expect(api.get("/api/v1/stats").status == 200)
    api.store.isDiskFull.store(false, ordering: .releasing)
    #expect(eventually { api.get("/readyz").status == 200 })
    #expect(api.post(ServingAPI.line("a")).json["accepted"]?.int == 1)
  }

  @Test func `what the store lacks is named in every answer`() {
    let api = ServingAPI()
    _ = api.post(ServingAPI.line("a"))
    for path in ["/api/v1/handlers", "/api/v1/stats", "/api/v1/events/a", "/api/v1/streams/order-1", "/api/v1/traces"] {
      let codes = api.get(path).json["warnings"]?.array?.compactMap { $0["code"]?.string } ?? []
      #expect(codes.prefix(2) == ["damaged-segment", "dropped-by-retention"], "\(path)")
    }
    #expect(api.get("/api/v1/traces/none").json["error"]?["message"]?.string?.contains("7-9.seg") == true)
  }
}

@Suite("Metrics page") struct MetricsPageTests {
  private func filled() -> ServingAPI {
    let api = ServingAPI()
    let hostile = #"a\"b\\c\nd{}# ☃"#
    _ = api.post(ServingAPI.line("a", type: hostile) + ServingAPI.line("b", type: String(repeating: "x", count: 5_000)))
    api.api.finished(route: "/api/v1/stats", status: 200, seconds: 0.002)
    api.api.finished(route: "other", status: 404, seconds: 0.002)
    _ = api.get("/metrics")
    return api
  }

  @Test func `promtool has nothing to say of it`() throws {
    guard let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"].first(where: { Files.exists($0) }) else {
      return
    }
    let answer = filled().get("/metrics")
    #expect(answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    let result = try ChildProcess.run(promtool, ["check", "metrics"], input: answer.body)
    #expect(result.exitCode == 0)
    #expect(result.outputText + result.errorText == "")
  }

  @Test func `OpenMetrics is given to who asks for it`() {
    let accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
    let answer = filled().get("/metrics", headers: [("accept", accept)])
    #expect(answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8")
    #expect(answer.text.hasSuffix("# EOF\n"))
  }

  @Test func `every group of families is there`() {
    let text = filled().get("/metrics").text
    for line in [
      #"clew_store_segments{state="open"} 1"#, "clew_store_seal_duration_seconds_sum 12.5",
      #"clew_store_seal_duration_seconds_bucket{le="0.05"} 3"#, "clew_store_seal_duration_seconds_count 4",
      #"clew_store_late_changes{kind="edge"} 3"#, #"clew_store_late_change_refusals_total{kind="edge"} 2"#,
      "clew_store_oldest_event_timestamp_seconds ", #"clew_queries_total{endpoint="/api/v1/stats",code="2xx"} 1"#,
      #"clew_queries_inflight{endpoint="/metrics"} 1"#, "clew_query_duration_seconds_bucket",
      "clew_build_info{version=",
      "clew_scrape_duration_seconds ", "clew_config_reload_timestamp_seconds ", "clew_metric_series{",
      "process_start_time_seconds ", "process_cpu_seconds_total ", "process_resident_memory_bytes ",
      "process_open_fds ", "process_max_fds ", "clew_events_ingested_total{",
    ] { #expect(text.contains("\n" + line), "\(line)") }
  }

  @Test func `a request is in flight until its answer is over`() throws {
    let api = ServingAPI()
    let gauge = #"clew_queries_inflight{endpoint="/api/v1/export/events"} "#
    do {
      let chunks = try #require(api.stream("/api/v1/export/events"))
      #expect(api.get("/metrics").text.contains(gauge + "1"))
      #expect(chunks.next() == nil)
    }
    #expect(api.get("/metrics").text.contains(gauge + "0"))
  }
}

@Suite("Live events") struct TailTests {
  private func text(_ chunks: any ChunkSource) -> String {
    chunks.next().map { String(decoding: $0, as: UTF8.self) } ?? ""
  }

  @Test func `an event is sent when it is stored, with its ordinal as id`() throws {
    let api = ServingAPI()
    let chunks = try #require(api.stream("/api/v1/tail"))
    #expect(text(chunks).hasPrefix("retry:"))
    _ = api.post(ServingAPI.line("a"))
    let event = text(chunks)
    #expect(event.hasPrefix("id: 1\nevent: event\ndata: {\"id\":\"a\",\"type\":\"Step\""))
    #expect(event.hasSuffix("\n\n"))
    #expect(!event.contains("metadata"))
    chunks.cancel()
    #expect(chunks.next() == nil)
    #expect(api.pipeline.tail.subscriberCount == 0)
  }

  @Test(arguments: [
    ("type=B", "b"), ("stream=order-2", "b"), ("stream=order-*&type=A", "a"), ("correlationId=u", "b"),
    ("failed=false&type=B", "b"), ("source=default&handler=h&type=B", "b"),
  ])
  func `filters hold together`(query: String, id: String) throws {
    let api = ServingAPI()
    let chunks = try #require(api.stream("/api/v1/tail?" + query))
    _ = text(chunks)
    _ = api.post(ServingAPI.line("a", type: "A") + ServingAPI.line("b", type: "B", stream: "order-2", trace: "u"))
    let got = text(chunks)
    #expect(got.contains("\"id\":\"\(id)\""))
    #expect(got.components(of: "event: event") == 1)
    chunks.cancel()
  }

  @Test func `a reader goes on behind the last event it got`() throws {
    let api = ServingAPI()
    _ = api.post((1...250).map { ServingAPI.line("e\($0)") }.joined())
    let chunks = try #require(api.stream("/api/v1/tail?payload=true", headers: [("last-event-id", "3")]))
    var got = text(chunks)
    while !got.contains("\"id\":\"e250\"") { got += text(chunks) }
    _ = api.post(ServingAPI.line("live"))
    while !got.contains("\"id\":\"live\"") { got += text(chunks) }
    chunks.cancel()
    let ids = got.split(separator: "\n").filter { $0.hasPrefix("id: ") }.compactMap { Int($0.dropFirst(4)) }
    #expect(ids == Array(4...251))
    #expect(got.contains("\"metadata\":{"))
    #expect(api.get("/api/v1/tail", headers: [("last-event-id", "x")]).status == 400)
  }

  @Test func `who reads too slowly is told how many it lost`() throws {
    let api = ServingAPI()
    let chunks = try #require(api.stream("/api/v1/tail"))
    _ = text(chunks)
    _ = api.post((1...1_400).map { ServingAPI.line("e\($0)") }.joined())
    var got = ""
    while !got.contains("event: lost") { got += text(chunks) }
    chunks.cancel()
    let lost = try #require(got.split(separator: "\n").last { $0.hasPrefix("data: {\"count\":") })
    let count = try #require(try JSONValue.parse(String(lost.dropFirst(6)))["count"]?.int)
    #expect(count + got.components(of: "event: event") == 1_400)
  }

  @Test func `silence is broken by comments`() throws {
    let api = ServingAPI { $0.heartbeatSeconds = 0.01 }
    let chunks = try #require(api.stream("/api/v1/tail"))
    _ = text(chunks)
    #expect(text(chunks) == ": heartbeat\n\n")
    chunks.cancel()
  }

  @Test func `readers are bounded, and stopping ends them`() throws {
    let api = ServingAPI()
    let readers = (0..<64).compactMap { _ in api.stream("/api/v1/tail") }
    #expect(readers.count == 64)
    #expect(api.get("/api/v1/tail").status == 503)
    api.pipeline.stop()
    for reader in readers {
      _ = reader.next()
      #expect(reader.next() == nil)
    }
  }
}

extension String {
  /// How often a text occurs.
  func components(of text: String) -> Int { split(separator: text, omittingEmptySubsequences: false).count - 1 }
}

@Suite("Hostile input through the API", .enabled(if: TestSupport.hasSharedData, "\(TestSupport.sharedDataHint)"))
struct HostileInputTests {
  private func unpacked(_ name: String) throws -> String {
    let directory = try #require(TestSupport.sharedDataDirectory)
    return try ChildProcess.run("/usr/bin/gzip", ["-dc", "\(directory)/\(name)"]).outputText
  }

  @Test func `every event of the nasty file is reached by its ids, as it is shown`() throws {
    let api = ServingAPI()
    let directory = try #require(TestSupport.sharedDataDirectory)
    let body = try Files.read("\(directory)/nasty.ndjson", bytesMax: 1 << 24)
    let posted = Answer(api.api.respond(to: TestAPI.request("POST", "/api/v1/events", body: body)))
    #expect(posted.status == 200)
    #expect((posted.json["accepted"]?.int ?? 0) > 100)
    let traces = api.get("/api/v1/export/traces").lines
    for line in traces {
      let id = try #require(try JSONValue.parse(line)["correlationId"]?.string)
      let path = "/api/v1/traces/" + TestAPI.encoded(Array(id.utf8))
      #expect(api.get(path + "?fold=true").json["correlationId"]?.string == id)
      // One payload is nested 100,000 deep and given back as it came.
      #expect(api.get(path + "?payload=true").status == 200)
    }
    var found = 0
    for line in api.get("/api/v1/export/events").lines {
      // Payloads may be nested deeper than a tree of values is read.
      guard let event = try? JSONValue.parse(line), let id = event["id"]?.string else { continue }
      found += 1
      let answer = api.get("/api/v1/events/" + TestAPI.encoded(Array(id.utf8)))
      #expect(answer.status == 200, "\(id)")
      guard let stream = event["stream"]?.string else { continue }
      #expect(api.get("/api/v1/streams/" + TestAPI.encoded(Array(stream.utf8))).status == 200, "\(stream)")
    }
    #expect(found > 100)
  }

  @Test func `a chain of 20,000 events is paged without recursion`() throws {
    let api = ServingAPI()
    let counts = api.post(try unpacked("nasty-deep.ndjson.gz")).json
    let summary = try JSONValue.parse(try #require(api.get("/api/v1/export/traces").lines.first))
    #expect(summary["depth"]?.int == counts["accepted"]?.int)
    let id = try #require(summary["correlationId"]?.string)
    let page = api.get("/api/v1/traces/\(id)?limit=10000").json
    let cursor = try #require(page["nextCursor"]?.string)
    let next = api.get("/api/v1/traces/\(id)?limit=3&cursor=\(cursor)").json
    #expect(next["events"]?[0]?["depth"]?.int == 10_001)
    #expect(next["events"]?[0]?["parentId"]?.string == page["events"]?[9_999]?["id"]?.string)
  }
}
