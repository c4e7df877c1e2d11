import EventModel
import TestSupport
import Testing
import TraceStore
import WireFormats

@testable import TraceServer

private let shop: [TestEvent] = [
  TestEvent(
    "a", trace: "t1", type: "OrderPlaced", at: 0, service: "web", handler: "checkout", schemaVersion: "2",
    position: 10, revision: 0, data: #"{"total":1}"#, metadata: #"{"$correlationId":"t1"}"#),
  TestEvent(
    "b", trace: "t1", cause: "a", stream: "payment-1", type: "PaymentFailed", at: 250, service: "pay",
    handler: "charge", failure: .metadata, position: 20),
  TestEvent("c", trace: "t1", cause: "a", stream: "", type: "Mailed", at: -1, position: 30),
  TestEvent("d", trace: "t1", cause: "gone", type: "Late", at: 900, position: 40),
  TestEvent("x", trace: "t2", cause: "a", type: "Elsewhere", at: 5_000, position: 50),
]

@Suite("Trace answers") struct TraceAnswerTests {
  @Test func `a trace is answered whole, in tree order`() throws {
    let answer = try TestAPI(shop).get("/api/v1/traces/t1?limit=2")
    #expect(answer.status == 200)
    #expect(answer.headers["content-type"] == "application/json")
    let first = #"""
      {"id":"a","type":"OrderPlaced","stream":"order-1","revision":0,"source":"default","position":"10",
      "createdAt":"2026-01-01T00:00:00.000000Z","causationId":null,"causeKind":"root","parentId":null,"depth":1,
      "service":"web","handler":"checkout","failed":false,"reactionLatencySeconds":null,"schemaVersion":"2",
      "onCriticalPath":false,"warnings":[]}
      """#
    let second = #"""
      {"id":"b","type":"PaymentFailed","stream":"payment-1","revision":null,"source":"default","position":"20",
      "createdAt":"2026-01-01T00:00:00.250000Z","causationId":"a","causeKind":"event","parentId":"a","depth":2,
      "service":"pay","handler":"charge","failed":true,"reactionLatencySeconds":0.25,"schemaVersion":null,
      "onCriticalPath":false,"warnings":[]}
      """#
    let expected = #"""
      {"correlationId":"t1","eventCount":4,"edgeCount":2,"rootCount":1,"orphanCount":1,"depth":2,
      "firstEventAt":"2025-12-31T23:59:59.999000Z","lastEventAt":"2026-01-01T00:00:00.900000Z",
      "durationSeconds":0.901,"failureCount":1,"warnings":[],"warningCounts":{"clock-skew":1,"orphan":1},
      "phantomCauses":[],"events":[\#(first),\#(second)],"nextCursor":"v5.t1-2"}
      """#
    #expect(answer.text == expected.replacing("\n", with: ""))
  }

  @Test func `payloads come byte for byte, what is no JSON as base64`() throws {
    var broken = TestEvent("e", trace: "t3", data: "{not json")
    broken.payloadIsJSON = false
    let spaced = TestEvent("f", trace: "t3", cause: "e", data: #"{ "n" : 1.00, "n": 2 }"#, metadata: "[]")
    let api = try TestAPI(shop + [broken, spaced])
    let plain = api.get("/api/v1/traces/t3").json["events"]
    #expect(plain?[0]?["data"] == nil)
    let answer = api.get("/api/v1/traces/t3?payload=true")
    #expect(answer.text.contains(#""dataBase64":"e25vdCBqc29u""#))
    #expect(answer.text.contains(#""data":{ "n" : 1.00, "n": 2 },"metadata":[]"#))
    #expect(answer.json["events"]?[0]?["metadata"] == nil)
  }

  @Test func `a page ends before its payloads outgrow an answer`() throws {
    let large = "\"" + String(repeating: "x", count: 1_000) + "\""
    let events = (0..<40).map { TestEvent("e\($0)", trace: "t", at: Int64($0), data: large) }
    let api = try TestAPI(events) { $0.payloadBytesMax = 10_000 }
    var ids: [String] = []
    var cursor = ""
    var pages = 0
    repeat {
      let page = api.get("/api/v1/traces/t?payload=true" + cursor).json
      let shown = page["events"]?.array ?? []
      #expect(shown.count <= 20)
      #expect(shown.allSatisfy { $0["data"]?.string?.count == 1_000 })
      ids += shown.compactMap { $0["id"]?.string }
      cursor = (page["nextCursor"]?.string).map { "&cursor=" + $0 } ?? ""
      pages += 1
    } while !cursor.isEmpty && pages < 50
    #expect(ids == events.map(\.id))
    let stream = api.get("/api/v1/streams/order-1?payload=true").json
    #expect((stream["events"]?.array?.count ?? 0) < 25)
    #expect(stream["nextCursor"]?.string != nil)
  }

  @Test func `a subtree is asked for by its root`() throws {
    let api = try TestAPI(shop)
    let answer = api.get("/api/v1/traces/t1?root=b").json
    #expect(answer["events"]?.array?.compactMap { $0["id"]?.string } == ["b"])
    #expect(answer["eventCount"]?.int == 4)
    #expect(api.get("/api/v1/traces/t1?root=x").errorCode == "event_not_in_trace")
  }

  @Test func `an unknown trace is told from an event id`() throws {
    let api = try TestAPI(shop + [TestEvent("lonely", at: 1)])
    #expect(api.get("/api/v1/traces/b").status == 404)
    #expect(api.get("/api/v1/traces/b").errorHint?.contains("its trace is t1") == true)
    #expect(api.get("/api/v1/traces/lonely").errorHint?.contains("in no trace") == true)
    #expect(api.get("/api/v1/events/t1").errorHint?.contains("correlation id") == true)
  }

  @Test func `ids are matched by the rules of identifiers`() throws {
    let api = try TestAPI([TestEvent("e", trace: "C7B32756-9476-5048-A1EE-6A6BDF5C444D")])
    for spelling in [
      "c7b3275694765048a1ee6a6bdf5c444d", "%7BC7B32756-9476-5048-A1EE-6A6BDF5C444D%7D",
      "%20c7b32756-9476-5048-a1ee-6a6bdf5c444d%0a",
    ] {
      #expect(api.get("/api/v1/traces/" + spelling).status == 200, "\(spelling)")
    }
    #expect(api.get("/api/v1/traces/c7b32756947-65048a1ee6a6bdf5c444d").status == 404)
  }

  @Test(arguments: [
    "<script>alert(1)</script>", "a/b", "../../etc/passwd", "..", "%2F", "a?b=c&d#e", "\u{0}nul", "quote\"back\\slash",
    "line\nbreak", "emoji 🧵", "'; DROP TABLE events; --", "\u{202e}right-to-left", "a+b c",
  ])
  func `hostile ids are reached by path and shown escaped`(id: String) throws {
    let api = try TestAPI([
      TestEvent("root" + id, trace: id, stream: id, type: "T" + id),
      TestEvent("child" + id, trace: id, cause: "root" + id, stream: id, type: "T" + id),
    ])
    let path = TestAPI.encoded(Array(id.utf8))
    let trace = api.get("/api/v1/traces/\(path)").json
    #expect(trace["correlationId"]?.string == id)
    #expect(trace["events"]?[1]?["parentId"]?.string == "root" + id)
    let event = api.get("/api/v1/events/\(TestAPI.encoded(Array(("child" + id).utf8)))").json
    #expect(event["event"]?["id"]?.string == "child" + id)
    #expect(event["cause"]?["id"]?.string == "root" + id)
    #expect(api.get("/api/v1/streams/\(path)").json["stream"]?.string == id)
    #expect(api.get("/api/v1/export/events").lines.count == 2)
  }

  @Test func `a broken cursor is refused`() throws {
    let api = try TestAPI(shop)
    for cursor in ["x", "v5.t1-99", "v5", "t1-2", "v-1.t1-2", "v5.t1--2", "v99999999999999999999.t1-1"] {
      #expect(api.get("/api/v1/traces/t1?cursor=\(cursor)").errorCode == "invalid_parameter", "\(cursor)")
    }
    #expect(api.get("/api/v1/traces/t1?cursor=v5.t1-5").status == 400)
    #expect(api.get("/api/v1/streams/order-1?cursor=7").errorCode == "invalid_parameter")
  }
}

@Suite("Event and stream answers") struct EventAnswerTests {
  @Test func `an event comes with its payload, trace, cause, effects and others`() throws {
    let twin = TestEvent("a", trace: "t9", stream: "other-1", type: "Twin", at: 9)
    let api = try TestAPI(shop + [twin])
    let answer = api.get("/api/v1/events/a").json
    #expect(answer["event"]?["correlationId"]?.string == "t1")
    #expect(answer["event"]?["ordinal"]?.int == 1)
    #expect(answer["event"]?["data"]?["total"]?.int == 1)
    #expect(answer["trace"]?["eventCount"]?.int == 4)
    #expect(answer["cause"]?.isNull == true)
    #expect(answer["effects"]?.array?.compactMap { $0["id"]?.string } == ["b", "c", "x"])
    #expect(answer["effectsTruncated"]?.bool == false)
    #expect(answer["others"]?.array?.compactMap { $0["type"]?.string } == ["Twin"])
    let limited = api.get("/api/v1/events/a?limit=1").json
    #expect(limited["effects"]?.array?.count == 1)
    #expect(limited["effectsTruncated"]?.bool == true)
  }

  @Test func `cause and warnings of an event are those of its tree`() throws {
    let api = try TestAPI(shop)
    let skewed = api.get("/api/v1/events/c").json
    #expect(skewed["cause"]?["id"]?.string == "a")
    #expect(skewed["cause"]?["data"] == nil)
    #expect(skewed["warnings"]?[0]?["code"]?.string == "clock-skew")
    #expect(skewed["event"]?["stream"]?.isNull == true)
    let orphan = api.get("/api/v1/events/d").json
    #expect(orphan["cause"]?.isNull == true)
    #expect(orphan["warnings"]?[0]?["code"]?.string == "orphan")
    let foreign = api.get("/api/v1/events/x").json
    #expect(foreign["cause"]?["correlationId"]?.string == "t1")
    #expect(foreign["warnings"]?[0]?["code"]?.string == "cause-in-other-trace")
  }

  @Test func `an event without trace is answered`() throws {
    let answer = try TestAPI([TestEvent("lonely", stream: "s", data: "1")]).get("/api/v1/events/lonely").json
    #expect(answer["trace"]?.isNull == true)
    #expect(answer["event"]?["correlationId"]?.isNull == true)
    #expect(answer["event"]?["data"]?.int == 1)
  }

  @Test(arguments: [1, 2, 3, 4, 100]) func `a stream pages through all of its events`(limit: Int) throws {
    let events = (0..<4).map { TestEvent("e\($0)", stream: "order-7", at: Int64($0)) }
    let api = try TestAPI(events + [TestEvent("z", stream: "order-77")])
    var ids: [String] = []
    var cursor = ""
    repeat {
      let page = api.get("/api/v1/streams/order-7?limit=\(limit)" + cursor).json
      ids += page["events"]?.array?.compactMap { $0["id"]?.string } ?? []
      cursor = (page["nextCursor"]?.string).map { "&cursor=" + $0 } ?? ""
    } while !cursor.isEmpty
    #expect(ids == ["e0", "e1", "e2", "e3"])
  }
}

@Suite("Statistics answers") struct StatisticsAnswerTests {
  @Test func `handlers are answered with exact seconds`() throws {
    let answer = try TestAPI(shop).get("/api/v1/handlers").json
    let row = answer["handlers"]?.array?.first { $0["handler"]?.string == "charge" }
    #expect(row?["source"]?.string == "default")
    #expect(row?["service"]?.string == "pay")
    #expect(row?["eventType"]?.string == "PaymentFailed")
    #expect(row?["count"]?.int == 1)
    #expect(row?["failureCount"]?.int == 1)
    #expect(row?["minSeconds"] == .number("0.25"))
    #expect(row?["maxSeconds"] == .number("0.25"))
    #expect(try TestAPI(shop).get("/api/v1/handlers?since=2030-01-01T00:00:00Z").json["handlers"] == .array([]))
  }

  @Test func `flow has counts and rates`() throws {
    let flow = try TestAPI(shop).get("/api/v1/flow?since=1h&until=2026-01-01T00:00:10Z").json["flow"]
    let row = flow?.array?.first { $0["effectType"]?.string == "PaymentFailed" }
    #expect(row?["causeType"]?.string == "OrderPlaced")
    #expect(row?["count"]?.int == 1)
    #expect(row?["failureCount"]?.int == 1)
    #expect(row?["perSecond"]?.double == 0.1)
  }

  @Test func `stats have the promised members`() throws {
    let stats = try TestAPI(shop).get("/api/v1/stats").json
    #expect(stats["eventCount"]?.int == 5)
    #expect(stats["traceCount"]?.int == 2)
    #expect(stats["segmentCount"]?.int == 0)
    #expect(stats["oldestEventAt"]?.string == "2025-12-31T23:59:59.999000Z")
    let empty = try TestAPI().get("/api/v1/stats").json
    #expect(empty["eventCount"]?.int == 0)
    #expect(empty["bytesPerEvent"]?.isNull == true)
  }

  @Test(arguments: [(0.0, 0.0), (123.45678, 123.457), (0.000123456, 0.000123), (1e-30, 0), (100.0 / 3, 33.333)])
  func `rates have no float noise`(value: Double, shown: Double) { #expect(rounded(value) == shown) }
}
