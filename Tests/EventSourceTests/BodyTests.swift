import EventModel
import EventSource
import TestSupport
import Testing

private func event(_ id: String, _ more: String = "") -> String {
  #"{"id":"\#(id)","type":"T","created":"2026-01-01T00:00:00Z"\#(more)}"#
}

private func read(
  _ body: [UInt8], _ contentType: String? = nil, limits: BatchLimits = BatchLimits()
) throws -> (ids: [String], counts: IngestCounts, batches: Int) {
  let reader = try EventBodyReader(body: body, contentType: contentType, clock: Reading.clock, limits: limits)
  var ids: [String] = []
  var counts = IngestCounts()
  var batches = 0
  while let batch = reader.next() {
    ids += Reading.events(batch.events).map(\.event.id.description)
    counts.addRead(batch)
    batches += 1
  }
  return (ids, counts, batches)
}

private func read(
  _ body: String, _ contentType: String? = nil, limits: BatchLimits = BatchLimits()
) throws -> (ids: [String], counts: IngestCounts, batches: Int) {
  try read(bytes(body), contentType, limits: limits)
}

@Suite("Bodies of requests") struct BodyTests {
  static let types: [String?] = [
    nil, "application/json", "application/x-ndjson", "application/json; charset=utf-8", "Text/Plain", "",
    "application/x-www-form-urlencoded", "application/vnd.shop+json",
  ]

  @Test(arguments: types) func `lines are read, bad ones refused with their number`(_ contentType: String?) throws {
    let body = event("a") + "\r\n" + "bad\n" + "\n  \n" + event("b") + "\n" + "{}"
    let result = try read(body, contentType)
    #expect(result.ids == ["a", "b"])
    #expect(result.counts.lines == 6 && result.counts.blank == 2 && result.counts.refused == 2)
    #expect(result.counts.refusals.map(\.line) == [2, 6])
  }

  @Test(arguments: [nil, "application/json"]) func `an array is read, over lines or not`(_ contentType: String?) throws
  {
    #expect(try read("[]", contentType).counts.lines == 0)
    let compact = "[\(event("a")),5,\(event("b")),\(event(""))]"
    let pretty = " \n[\n  \(event("a")) ,\n 5,\n\(event("b", ",\n \"data\":{\n\"x\":1}"))\n,\(event(""))\n]\n"
    for body in [compact, pretty] {
      let result = try read(body, contentType)
      #expect(result.ids == ["a", "b"])
      #expect(result.counts.lines == 4 && result.counts.refused == 2)
      #expect(result.counts.refusals.map(\.line) == [2, 4])
    }
  }

  @Test func `one object over several lines is one event`() throws {
    let body =
      "{\n \"id\":\"a\",\n \"type\":\"T\",\n \"created\":\"2026-01-01T00:00:00Z\",\n \"data\": {\n\"x\":1\n}\n}\n"
    let reader = try EventBodyReader(body: bytes(body), contentType: "application/json", clock: Reading.clock)
    let batch = try #require(reader.next())
    let read = try #require(Reading.events(batch.events).first)
    #expect(read.data == bytes("{\n\"x\":1\n}"))
    // It cannot stand on one line as it is, so that it is shown as base64.
    #expect(read.flags.contains(.hasData) && !read.flags.contains(.dataIsJSON))
    #expect(batch.lines == 1 && reader.next() == nil)
  }

  @Test func `an array that is broken gives what is before, and says where`() throws {
    let result = try read("[\(event("a")),\(event("b")),{\"id\":,\(event("c"))]")
    #expect(result.ids == ["a", "b"])
    #expect(result.counts.refusals.map(\.line) == [3])
    #expect(result.counts.refusals[0].reason.contains("nothing behind it"))
    for broken in ["[", "[\(event("a"))", "[\(event("a")),", "[\(event("a"))]x", "[\(event("a"))}"] {
      #expect(try read(broken).counts.refused == 1, "\(broken)")
    }
  }

  @Test func `CloudEvents come alone, in batches and in lines`() throws {
    func cloud(_ id: String) -> String { #"{"specversion":"1.0","id":"\#(id)","source":"s","type":"T"}"# }
    #expect(try read(cloud("a"), "application/cloudevents+json; charset=UTF-8").ids == ["a"])
    #expect(try read("{\n" + cloud("a").dropFirst(), "application/cloudevents+json").ids == ["a"])
    #expect(try read("[\(cloud("a")),\(cloud("b"))]", "application/cloudevents-batch+json").ids == ["a", "b"])
    #expect(try read(cloud("a") + "\n" + event("b") + "\n" + cloud("c")).ids == ["a", "b", "c"])
    let mixed = try read("[\(cloud("a")),\(event("b"))]", "application/cloudevents-batch+json")
    #expect(mixed.ids == ["a"] && mixed.counts.refused == 1)
  }

  @Test(arguments: ["application/xml", "image/png", "multipart/form-data"])
  func `what is no JSON is refused whole`(_ contentType: String) {
    #expect(throws: EventReadError.self) { try read(event("a"), contentType) }
  }

  @Test func `a byte order mark may stand at the start only`() throws {
    let mark = "\u{feff}"
    #expect(try read(mark + event("a") + "\n" + event("b")).ids == ["a", "b"])
    #expect(try read(mark + "[" + event("a") + "]").ids == ["a"])
    let result = try read(event("a") + "\n" + mark + event("b"))
    #expect(result.ids == ["a"])
    #expect(result.counts.refusals[0].reason.contains("byte order mark"))
  }

  @Test func `an empty body has no lines`() throws {
    #expect(try read("").counts.lines == 0)
    #expect(try read("\n").counts.blank == 1)
  }

  @Test func `batches are bounded and numbers go on`() throws {
    let body = (1...2500).map { $0 % 100 == 0 ? "bad" : event("e\($0)") }.joined(separator: "\n")
    let result = try read(body)
    #expect(result.batches == 3 && result.ids.count == 2475 && result.counts.refused == 25)
    #expect(result.counts.refusals.map(\.line) == Array(stride(from: 100, through: 2500, by: 100)))
    let array = "[" + (1...2500).map { event("e\($0)") }.joined(separator: ",") + "]"
    #expect(try read(array).batches == 3)
    let data = ",\"data\":\"" + String(repeating: "x", count: 1000) + "\""
    let big = try read(
      (1...100).map { event("e\($0)", data) }.joined(separator: "\n"), limits: BatchLimits(bytesMax: 20_000))
    #expect(big.ids.count == 100 && big.batches >= 5)
  }

  @Test func `the list of refusals is bounded, the count is not`() throws {
    let result = try read(String(repeating: "bad\n", count: 25_000))
    #expect(result.counts.refused == 25_000 && result.counts.lines == 25_000)
    #expect(result.counts.refusals.count == 1000 && result.counts.refusalsLeftOut == 24_000)
  }

  @Test func `changed bytes never trap, and every line is counted once`() throws {
    let line =
      #"{"id":"é\u00e9","stream":"a-1","type":"T.v2","created":"2026-01-01T00:00:00Z","data":{"a":[1,{}]},"metadata":{"$correlationId":"c","status":"x","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},"dataBase64":null}"#
    let cloud = #"{"specversion":"1.0","id":"1","source":"s","subject":"a-b","type":"T","data_base64":"AP8=","x":{}}"#
    var random = SeededRandom(seed: 42)
    var rules = ReadingRules()
    rules.redactedPaths = ["data.a", "metadata.status"]
    for base in [line, cloud, "[\(line),\(cloud)]", line + "\n" + cloud] {
      for _ in 0..<1500 {
        var body = bytes(base)
        for _ in 0...Int.random(in: 0..<3, using: &random) {
          let place = Int.random(in: 0..<body.count, using: &random)
          switch Int.random(in: 0..<4, using: &random) {
          case 0: body.remove(at: place)
          case 1: body[place] = UInt8.random(in: 0...255, using: &random)
          case 2: body.insert(bytes("{}[]\",:\\0\n").randomElement(using: &random)!, at: place)
          default: body = Array(body[0..<max(place, 2)])
          }
        }
        let reader = try EventBodyReader(body: body, contentType: nil, rules: rules, clock: Reading.clock)
        while let batch = reader.next() {
          #expect(batch.events.count + batch.blank + batch.refused == batch.lines)
          #expect(throws: Never.self) { try EventBatch(validating: batch.events.bytes) }
        }
      }
    }
  }
}
