import EventModel
import EventSource
import TestSupport
import Testing

@Suite("Rules of a line") struct LineRuleTests {
  @Test func `a whole line becomes an event with every field`() throws {
    let line =
      #"{"id":"829DDF5F-155C-56A9-A831-84143C13218E","stream":"order-7","type":"OrderPlaced.v3","created":"2026-01-01T01:00:00.5+01:00","revision":12,"data":{"total": 1e2},"metadata":{"$correlationId":"{86dc11ae-fbad-5b08-ba44-1636728e2cb6}","$causationId":" c-1 ","service":"shop","handler":"billing","status":"ok"}}"#
    let read = try #require(Reading.line(line).event)
    let event = read.event
    #expect(event.id.description == "829ddf5f-155c-56a9-a831-84143c13218e")
    #expect(event.stream == "order-7")
    #expect(event.type == "OrderPlaced.v3")
    #expect(event.created.nanoseconds == TestEvent.epoch.nanoseconds + 500_000_000)
    #expect(event.revision == 12)
    #expect(event.position == SourcePosition(major: 7))
    #expect(event.ownCorrelation?.description == "86dc11ae-fbad-5b08-ba44-1636728e2cb6")
    #expect(event.cause?.description == "c-1")
    #expect(event.service == "shop")
    #expect(event.handler == "billing")
    #expect(event.handlerIdentity == .metadata)
    #expect(event.schemaVersion == "3")
    #expect(event.failure == .none)
    #expect(event.eventClass == .domain)
    #expect(read.data == bytes(#"{"total": 1e2}"#))
    #expect(read.flags.isSuperset(of: [.dataIsJSON, .metadataIsJSON, .idIsUUID, .correlationIsUUID]))
  }

  @Test(arguments: [
    (#""id":"not-a-uuid""#, "not-a-uuid"), (#""id":7"#, "7"), (#""id":true"#, "true"), (#""id":1.50"#, "1.50"),
    (#""id":"  x y  ""#, "x y"), (#""id":"829DDF5F155C56A9A83184143C13218E""#, "829ddf5f-155c-56a9-a831-84143c13218e"),
    (#""id":"{829DDF5F-155C-56A9-A831-84143C13218E}""#, "829ddf5f-155c-56a9-a831-84143c13218e"),
    (#""id":"\u0061b""#, "ab"), (#""id":"a\u0000b""#, "a\u{0}b"), (#""id":"00aa""#, "00aa"),
    (#""id":"first","id":"second""#, "second"), (#""\u0069d":"escaped""#, "escaped"),
  ])
  func `ids are taken as written`(_ member: String, _ shown: String) {
    #expect(Reading.with(member).event?.event.id.description == shown)
  }

  @Test(arguments: [
    #""id":null"#, #""id":"""#, #""id":"  \t ""#, #""id":{}"#, #""id":["a"]"#,
    #""id":"00000000-0000-0000-0000-000000000000""#, #""id":"\ud800""#, #""type":"""#, #""type":null"#, #""type":5"#,
    #""type":"\ud800x""#, #""type":["a"]"#, #""type":"$>""#, #""type":"$@""#, #""stream":{}"#, #""stream":"\udc00""#,
    #""created":null"#, #""created":"""#, #""created":1714557606500"#, #""created":"1714557606500""#,
    #""created":"yesterday""#, #""created":"2026-01-01T00:00:00""#, #""created":"0001-01-01T00:00:00Z""#,
    #""created":"9999-12-31T23:59:59.999999Z""#, #""revision":-1"#, #""revision":1.5"#, #""revision":"x""#,
    #""revision":9223372036854775808"#, #""data":1,"dataBase64":"QQ==""#, #""dataBase64":"Q""#, #""dataBase64":5"#,
    #""metadata":{},"metadataBase64":"e30=""#, #""metadata":{"$correlationId":"\ud800"}"#,
    #""metadata":{"handler":"\ud800"}"#, #""specversion":"0.3""#, #""specversion":1.0"#,
  ])
  func `what no event can be made of is refused with a reason`(_ member: String) throws {
    let read = Reading.with(member)
    #expect(read.event == nil)
    let reason = try #require(Reading.refusal(read.result))
    #expect(reason.count > 10)
  }

  @Test(arguments: [
    "{}", "[]", "null", "42", "\"text\"", "true", "[{}]", #"{"id":"x",}"#, "{'id':'x'}", #"{"id":"x"}//c"#,
    #"{"id":"x"} {"id":"y"}"#, #"{"id":"x""#, "\u{feff}{}", "nonsense",
    #"{"id":"x","type":"T","created":"2026-01-01T00:00:00Z","data":NaN}"#,
  ])
  func `lines that are no JSON object are refused`(_ line: String) {
    #expect(Reading.refusal(Reading.line(line).result) != nil)
  }

  @Test(arguments: ["", " ", "\r", " \t \r", "\n"]) func `blank lines are blank`(_ line: String) {
    #expect(Reading.line(line).result == .blank)
  }

  @Test func `a carriage return at the end is white space`() {
    #expect(Reading.line(#"{"id":"a","type":"T","created":"2026-01-01T00:00:00Z"}"# + "\r").result == .event)
  }

  @Test func `invalid UTF-8 refuses the line, wherever it is`() {
    let line = bytes(#"{"id":"a","type":"T","created":"2026-01-01T00:00:00Z","data":{"x":"?"}}"#)
    for place in line.indices {
      var broken = line
      broken[place] = 0xff
      #expect(Reading.refusal(Reading.line(broken).result) != nil)
    }
  }

  @Test func `every prefix of a line is refused and none traps`() {
    let line = bytes(
      #"{"id":"é\u00e9","stream":"a-1","type":"T","created":"2026-01-01T00:00:00Z","data":{"a":[1,{}]},"metadata":{"$correlationId":"c","x":"\ud83d\ude00"}}"#
    )
    #expect(Reading.line(line).result == .event)
    for length in 1..<line.count { #expect(Reading.refusal(Reading.line(Array(line[0..<length])).result) != nil) }
  }

  @Test func `identifiers are bounded, never cut`() {
    let longest = String(repeating: "x", count: 256)
    #expect(Reading.with(#""id":"\#(longest)""#).event?.event.id.description == longest)
    #expect(Reading.with(#""id":"  \#(longest)  ""#).event?.event.id.description == longest)
    let reason = Reading.refusal(Reading.with(#""id":"\#(longest)x""#).result)
    #expect(reason?.contains("256") == true)
    #expect(Reading.metadata(#"{"$correlationId":"\#(longest)x"}"#) == nil)
    #expect(Reading.metadata(#"{"$causationId":"\#(longest)x"}"#) == nil)
  }

  @Test(arguments: ["type", "stream"]) func `names are bounded with the limit named`(_ name: String) {
    let longest = String(repeating: "n", count: 8192)
    #expect(Reading.with(#""\#(name)":"\#(longest)""#).result == .event)
    #expect(Reading.refusal(Reading.with(#""\#(name)":"\#(longest)n""#).result)?.contains("8192") == true)
    #expect(Reading.metadata(#"{"handler":"\#(longest)n"}"#) == nil)
    #expect(Reading.metadata(#"{"service":"\#(longest)n"}"#) == nil)
  }

  @Test(arguments: [
    (#""stream":null"#, ""), (#""stream":"""#, ""), (#""stream":" ""#, " "), (#""stream":5"#, "5"),
    (#""stream":"emoji😀-1""#, "emoji😀-1"), (#""stream":"a\nb""#, "a\nb"),
    (#""stream":"nul\u0000here""#, "nul\u{0}here"),
  ])
  func `streams are kept byte for byte`(_ member: String, _ stream: String) {
    #expect(Reading.with(member).event?.event.stream == stream)
  }

  @Test(arguments: [
    (#""stream":"$ce-order""#, EventClass.system), (#""stream":"$$order-1""#, .system),
    (#""type":"$metadata""#, .system),
    (#""stream":"a$b""#, .domain), (#""stream":"""#, .domain),
  ])
  func `streams and types with a dollar are system events`(_ member: String, _ expected: EventClass) {
    #expect(Reading.with(member).event?.event.eventClass == expected)
  }

  @Test(
    arguments: [
      (#""revision":0"#, 0), (#""revision":"17""#, 17), (#""revision":9223372036854775807"#, Int64.max),
      (#""revision":null"#, nil),
    ] as [(String, Int64?)])
  func `revisions are whole numbers`(_ member: String, _ revision: Int64?) throws {
    #expect(try #require(Reading.with(member).event).event.revision == revision)
  }

  @Test(arguments: [
    "null", "\"\"", "[]", "5", "\"PL-SMO-PDF03\"", #""{\"$correlationId\":\"c\"}""#, "true",
  ])
  func `metadata that is no object has no ids and is kept`(_ json: String) throws {
    let read = try #require(Reading.metadata(json))
    #expect(read.event.ownCorrelation == nil && read.event.cause == nil)
    #expect(read.metadata == bytes(json))
    #expect(read.flags.isSuperset(of: [.hasMetadata, .metadataIsJSON]))
  }

  @Test(arguments: [
    "null", "\"s\"", "5", "[1, 2]", "{ \"a\" : 1 }", "1e400", "9007199254740993", "-0.0", #""\ud800""#, "true",
    #"{"i":9007199254740993,"j":123456789012345678901234567890}"#,
  ])
  func `data is given back byte for byte`(_ json: String) throws {
    let read = try #require(Reading.with(#""data":  \#(json) "#).event)
    #expect(read.data == bytes(json))
    #expect(read.flags.contains(.dataIsJSON))
  }

  @Test func `without data and metadata there is none`() throws {
    let read = try #require(Reading.with(#""x":1"#).event)
    #expect(read.data == nil && read.metadata == nil)
  }

  @Test func `payloads nested a hundred thousand levels are kept as text`() throws {
    let deep = String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000)
    #expect(try #require(Reading.with(#""data":\#(deep)"#).event).data?.count == 200_000)
    #expect(try #require(Reading.metadata(#"{"x":\#(deep),"$correlationId":"c"}"#)).event.ownCorrelation != nil)
  }

  @Test func `binary payloads come as base64, and JSON in base64 is JSON`() throws {
    var read = try #require(Reading.with(#""dataBase64":"AP8K","metadataBase64":"gA==""#).event)
    #expect(read.data == [0, 255, 10] && read.metadata == [0x80])
    #expect(read.flags.isDisjoint(with: [.dataIsJSON, .metadataIsJSON]))
    // {"a":1} and { "$correlationId":"c","x":[<line feed>] }, which cannot stand on one line.
    read = try #require(
      Reading.with(#""dataBase64":"eyJhIjoxfQ==","metadataBase64":"eyAiJGNvcnJlbGF0aW9uSWQiOiJjIiwieCI6WwpdIH0=""#)
        .event)
    #expect(read.data == bytes(#"{"a":1}"#))
    #expect(read.flags.contains(.dataIsJSON) && !read.flags.contains(.metadataIsJSON))
    #expect(read.event.ownCorrelation?.description == "c")
    read = try #require(Reading.with(#""dataBase64":null,"data":1,"metadataBase64":"e30\u003d""#).event)
    #expect(read.data == bytes("1") && read.metadata == bytes("{}"))
  }

  @Test func `payloads beyond the limit are refused with the limit named`() {
    var rules = ReadingRules()
    rules.payloadBytesMax = 100
    let data = String(repeating: "x", count: 90)
    #expect(Reading.with(#""data":"\#(data)""#, rules).result == .event)
    #expect(Reading.refusal(Reading.with(#""data":"\#(data)123456789""#, rules).result)?.contains("100") == true)
    #expect(Reading.refusal(Reading.with(#""data":"\#(data)","metadata":{"a":1}  "#, rules).result) == nil)
    #expect(Reading.refusal(Reading.with(#""data":"\#(data)","metadata":{"a":1,"b":2}"#, rules).result) != nil)
  }

  @Test func `a reader takes line after line`() {
    let reader = EventLineReader(clock: Reading.clock)
    var batch = EventBatch()
    let lines = [
      #"{"id":"a","type":"T","created":"2026-01-01T00:00:00Z","metadata":{"$correlationId":"c","handler":"h"}}"#, "bad",
      #"{"id":"b","type":"T","created":"2026-01-01T00:00:00Z"}"#,
      #"{"metadata":{"$correlationId":"d"},"id":"c","type":"T","created":"2026-01-01T00:00:00Z","metadata":5}"#,
    ].map { bytes($0) }
    for line in lines {
      _ = unsafe line.withUnsafeBytes { unsafe reader.read(line: $0, position: SourcePosition(major: 0), into: &batch) }
    }
    let events = Reading.events(batch).map(\.event)
    #expect(events.map(\.id.description) == ["a", "b", "c"])
    #expect(events.map { $0.ownCorrelation?.description } == ["c", nil, nil])
    #expect(events.map { $0.handler } == ["h", nil, nil])
  }
}
