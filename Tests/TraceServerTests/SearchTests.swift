import EventModel
import TestSupport
import Testing
import WireFormats

@testable import TraceServer

@Suite("Search answers") struct SearchAnswerTests {
  private let events: [TestEvent] = (0..<5).flatMap { index -> [TestEvent] in
    let start = Int64(index) * 60_000
    return [
      TestEvent("a\(index)", trace: "t\(index)", type: "Placed", at: start),
      TestEvent(
        "b\(index)", trace: "t\(index)", cause: "a\(index)", type: "Done", at: start + Int64(index) * 1_000,
        failure: index == 3 ? .metadata : .none),
    ]
  }

  private func ids(_ answer: Answer) -> [String] {
    answer.json["traces"]?.array?.compactMap { $0["correlationId"]?.string } ?? []
  }

  @Test func `traces come newest first, page by page, each once`() throws {
    let api = try TestAPI(events)
    #expect(ids(api.get("/api/v1/traces")) == ["t4", "t3", "t2", "t1", "t0"])
    #expect(api.get("/api/v1/traces?q=").json["nextCursor"]?.isNull == true)
    var seen: [String] = []
    var cursor = ""
    repeat {
      let page = api.get("/api/v1/traces?limit=2" + cursor)
      seen += ids(page)
      cursor = (page.json["nextCursor"]?.string).map { "&cursor=" + $0 } ?? ""
    } while !cursor.isEmpty && seen.count < 20
    #expect(seen == ["t4", "t3", "t2", "t1", "t0"])
  }

  @Test(arguments: [
    ("q=failed:true", ["t3"]), ("q=type:Done%20duration%3E2s", ["t4", "t3"]), ("minDuration=3s", ["t4", "t3"]),
    ("since=2026-01-01T00:02:00Z&until=2026-01-01T00:03:00Z", ["t2"]), ("since=56m&limit=1", ["t4"]),
    ("q=id:b1", ["t1"]), ("q=type:Nothing", []),
  ])
  func `query, range and duration select`(query: String, expected: [String]) throws {
    #expect(ids(try TestAPI(events).get("/api/v1/traces?" + query)) == expected)
  }

  @Test func `a mistake in the query is shown with its column`() throws {
    let answer = try TestAPI(events).get("/api/v1/traces?q=type%3A%22open")
    #expect(answer.status == 400)
    #expect(answer.errorCode == "invalid_query")
    #expect(answer.json["error"]?["message"]?.string?.contains("column") == true)
    #expect(try TestAPI(events).get("/api/v1/traces?cursor=x").errorCode == "invalid_parameter")
  }

  @Test func `a pushed event without a place of its own shows its ordinal`() throws {
    let api = try TestAPI(events)
    #expect(api.get("/api/v1/traces/t1").json["events"]?[1]?["position"]?.string == "4")
    #expect(api.get("/api/v1/events/b1").json["event"]?["position"]?.string == "4")
  }
}
