import Platform
import TestSupport
import Testing
import WireFormats

/// Logs that are not what one would wish: shorter than before, in an odd order, with events that stop others.
@Suite(.serialized) struct KurrentPlaceTests {
  private struct Written {
    var id: String
    var type: String
    var metadata: String
    var stream = "order-1"
  }

  private func id(_ number: Int) -> String { "00000000-0000-4000-8000-0000000000\(10 + number)" }

  private func append(_ server: KurrentServer, _ events: [Written]) throws {
    var json = JSONWriter()
    json.beginObject()
    json.member("do", "append")
    json.key("events")
    json.beginArray()
    for event in events {
      json.beginObject()
      json.member("stream", event.stream)
      json.member("type", event.type)
      json.member("id", event.id)
      json.member("data", "{}")
      json.member("metadata", event.metadata)
      json.endObject()
    }
    json.endArray()
    json.endObject()
    try server.command(String(decoding: json.bytes, as: UTF8.self))
  }

  @Test func `a log that ends before the stored place is refused with what to do, and a new name reads it`() throws {
    let directory = try TemporaryDirectory("beyond")
    let server = try KurrentServer()
    try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall)
    let first = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
    #expect(eventually(within: 60) { (try? first.sourceState) == "live" })
    let count = try first.eventCount
    try first.stop()

    // Restored from an older backup.
    try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall, visible: 30)
    let again = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
    #expect(eventually(within: 60) { (try? again.sourceState) == "refused" }, "\(again.said)")
    let problem = try again.source["problem"]?.string ?? ""
    #expect(problem.contains("shorter than what was read") && problem.contains("name="), "\(problem)")
    #expect(try again.eventCount == count)
    #expect(try again.json("/readyz")["sources"]?[0]?["state"]?.string == "refused")
    try again.stop()

    let renamed = KurrentClew.url(server).replacing("name=shop", with: "name=shop-2")
    let other = try ClewServer(directory.path, ["--source", renamed])
    #expect(
      eventually(within: 60) {
        (try? other.json("/api/v1/sources")["sources"]?.array?.contains {
          $0["name"]?.string == "shop-2" && $0["state"]?.string == "live"
        }) == true
      })
    #expect(try other.eventCount > count, "what was stored stays, and the log is read from its start")
    try other.stop()
  }

  @Test func `an effect that stands before its cause, as one append to many streams leaves it, hangs below it`() throws
  {
    let directory = try TemporaryDirectory("before")
    let server = try KurrentServer()
    let flow = #""$correlationId":"aaaaaaaa-0000-4000-8000-000000000001""#
    try append(
      server,
      [
        Written(id: id(1), type: "OrderPlaced", metadata: "{\(flow)}"),
        Written(id: id(2), type: "OrderConfirmed", metadata: #"{\#(flow),"$causationId":"\#(id(3))"}"#),
        Written(
          id: id(3), type: "PaymentTaken", metadata: #"{\#(flow),"$causationId":"\#(id(1))"}"#, stream: "payment-1"),
      ])
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
    #expect(clew.hasStored(3, within: 60))
    let trace = try clew.json("/api/v1/traces/aaaaaaaa-0000-4000-8000-000000000001")
    #expect(trace["events"]?.array?.map { $0["type"]?.string } == ["OrderPlaced", "PaymentTaken", "OrderConfirmed"])
    #expect(trace["events"]?.array?.map { $0["depth"]?.int } == [1, 2, 3], "\(trace)")
    try clew.stop()
    let edges = try Clew.lines(["export", "edges", "--data", directory.path]).map { try JSONValue.parse($0) }
    let found = Dictionary(
      edges.map { ($0["childId"]?.string ?? "", $0["parentId"]?.string ?? "") }, uniquingKeysWith: { first, _ in first }
    )
    #expect(found == [id(2): id(3), id(3): id(1)])
  }

  @Test func `the event that stops the server's own projection for good harms no other event here`() throws {
    let directory = try TemporaryDirectory("poison")
    let server = try KurrentServer()
    let flow = #""$correlationId":"aaaaaaaa-0000-4000-8000-000000000002""#
    let odd = [
      #"{"$correlationId":{"value":"x"}}"#, #"{"$correlationId":["x"]}"#, "[1]", "\"text\"", "no JSON", "",
      #"{"$correlationId":null}"#,
    ]
    var events = [Written(id: id(1), type: "First", metadata: "{\(flow)}")]
    for (index, metadata) in odd.enumerated() {
      events.append(Written(id: id(10 + index), type: "Odd", metadata: metadata))
    }
    events.append(Written(id: id(2), type: "Last", metadata: #"{\#(flow),"$causationId":"\#(id(1))"}"#))
    try append(server, events)
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
    #expect(clew.hasStored(events.count, within: 60), "\(clew.said)")
    let trace = try clew.json("/api/v1/traces/aaaaaaaa-0000-4000-8000-000000000002")
    #expect(trace["events"]?.array?.map { $0["type"]?.string } == ["First", "Last"])
    for index in odd.indices {
      #expect(try clew.json("/api/v1/events/\(id(10 + index))")["event"]?["type"]?.string == "Odd", "\(odd[index])")
    }
    #expect(try clew.source["refused"]?.int == 0)
    try clew.stop()
  }

  @Test(
    .enabled(if: TestSupport.hasSharedData, "needs the shared data"))
  func `what the newer append wrote to several streams at once is one tree for each flow`() throws {
    let file = "\(TestSupport.sharedDataDirectory ?? "")/kurrentdb/kdb-26.1.0/append-v2-by-node-client.jsonl"
    let directory = try TemporaryDirectory("append-v2")
    let server = try KurrentServer()
    try server.load(file)
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server)])
    #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
    try clew.stop()
    let traces = try Clew.lines(["export", "traces", "--data", directory.path]).map { try JSONValue.parse($0) }
    #expect(traces.count > 2)
    for trace in traces {
      // One flow ends with an event that names no cause.
      let counts = ["eventCount", "edgeCount", "rootCount", "orphanCount"].map { trace[$0]?.int ?? -1 }
      #expect(counts[3] == 0 && counts[1] == counts[0] - counts[2] && (1...2).contains(counts[2]), "\(trace)")
    }
    // At least one effect stands before its cause.
    let order = try Clew.lines(["export", "events", "--data", directory.path]).map {
      try JSONValue.parse($0)["id"]?.string ?? ""
    }
    let places = Dictionary(order.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let backwards = try Clew.lines(["export", "edges", "--data", directory.path]).filter { line in
      let edge = try JSONValue.parse(line)
      let (child, parent) = (edge["childId"]?.string ?? "", edge["parentId"]?.string ?? "")
      return try #require(places[child]) < #require(places[parent])
    }
    #expect(!backwards.isEmpty)
  }
}
