import EventModel
import HTTPServer
import TestSupport
import Testing
import TraceStore

@testable import TraceServer

@Suite("Exports") struct ExportTests {
  private func events(_ traces: Int) -> [TestEvent] {
    (0..<traces).flatMap { index -> [TestEvent] in
      let trace = "trace \(index * 7919 % traces)"
      return [
        TestEvent("root \(trace)", trace: trace, at: Int64(index)),
        TestEvent("child \(trace)", trace: trace, cause: "root \(trace)", at: Int64(index) + 3),
      ]
    }
  }

  @Test(arguments: [32 << 20, 2_000]) func `traces and edges are sorted by the bytes of their ids`(memory: Int) throws {
    let directory = try TemporaryDirectory()
    let api = try TestAPI(events(300)) {
      $0.sortMemoryBytes = memory
      $0.temporaryDirectory = directory.path
    }
    let traces = api.get("/api/v1/export/traces")
    #expect(traces.headers["content-type"] == "application/x-ndjson")
    #expect(traces.lines.count == 300)
    #expect(traces.lines == traces.lines.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
    #expect(
      traces.lines.first == #"{"correlationId":"trace 0","eventCount":2,"edgeCount":1,"rootCount":1,"orphanCount":0,"#
        + #""depth":2,"firstEventAt":"2026-01-01T00:00:00.000000Z","lastEventAt":"2026-01-01T00:00:00.003000Z","#
        + #""durationSeconds":0.003,"failureCount":0}"#)
    let edges = api.get("/api/v1/export/edges")
    #expect(edges.lines.count == 300)
    #expect(edges.lines.first == #"{"childId":"child trace 0","parentId":"root trace 0"}"#)
    #expect(edges.lines == edges.lines.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) })
  }

  @Test func `events come by ordinal in the form they are read`() throws {
    var odd = TestEvent("e2", stream: "", type: "T", data: "raw")
    odd.payloadIsJSON = false
    let api = try TestAPI([
      TestEvent(
        "e1", trace: "t", stream: "s", created: Timestamp(nanoseconds: 1), revision: 4, data: "{ }", metadata: "[1]"),
      odd, TestEvent("r", eventClass: .report),
    ])
    #expect(
      api.get("/api/v1/export/events").lines == [
        #"{"id":"e1","stream":"s","type":"OrderPlaced","created":"1970-01-01T00:00:00.000000001Z","revision":4,"#
          + #""data":{ },"metadata":[1]}"#,
        #"{"id":"e2","type":"T","created":"2026-01-01T00:00:00.000000Z","dataBase64":"cmF3"}"#,
      ])
  }

  @Test func `an empty store exports nothing`() throws {
    for what in ["events", "traces", "edges"] {
      let answer = try TestAPI().get("/api/v1/export/\(what)")
      #expect(answer.status == 200)
      #expect(answer.body.isEmpty)
      #expect(!answer.failed)
    }
  }

  @Test func `an export that cannot go on says so instead of ending early`() throws {
    let api = try TestAPI(events(100)) {
      $0.sortMemoryBytes = 1_000
      $0.temporaryDirectory = "/does/not/exist"
    }
    let answer = api.get("/api/v1/export/traces")
    #expect(answer.failed)
    #expect(answer.body.isEmpty)
  }

  @Test func `a cancelled export ends, and its place is free again`() throws {
    let api = try TestAPI(events(500)) { $0.exportsMax = 1 }
    for _ in 0..<3 {
      let response = api.api.respond(to: TestAPI.request("GET", "/api/v1/export/edges"))
      guard case .chunks(let chunks) = response.body else {
        Issue.record("not streamed")
        return
      }
      chunks.cancel()
      #expect(chunks.next() == nil)
      #expect(!chunks.failed)
    }
    #expect(api.get("/api/v1/export/edges").lines.count == 500)
  }
}
