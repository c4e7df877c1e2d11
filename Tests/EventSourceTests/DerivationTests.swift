import EventModel
import EventSource
import Testing

private func profile(_ name: String, exact: Bool = false) -> ReadingRules {
  var rules = ReadingRules()
  rules.profile = MetadataProfile.named(name)!
  rules.exactKeys = exact
  return rules
}

@Suite("Ids by profile") struct ProfileTests {
  @Test(arguments: [
    ("kurrentdb", #"{"$correlationId":"c","$causationId":"k"}"#),
    ("kurrentdb", #"{"correlationId":"c","causationId":"k"}"#),
    ("kurrentdb", #"{"CORRELATION_ID":"c","causation-id":"k"}"#),
    ("kurrentdb", #"{"$correlationId":"c","$causedBy":"k"}"#),
    ("axon", #"{"traceId":"c","correlationId":"k"}"#),
    ("nservicebus", #"{"NServiceBus.ConversationId":"c","NServiceBus.RelatedTo":"k","NServiceBus.CorrelationId":"x"}"#),
    ("masstransit", #"{"ConversationId":"c","InitiatorId":"k"}"#),
    ("masstransit", #"{"conversationId":"c","initiatorId":"k"}"#),
    ("eventuous", #"{"eventuous.correlation-id":"c","eventuous.causation-id":"k"}"#),
    ("marten", #"{"correlation_id":"c","causation_id":"k"}"#),
    ("marten", #"{"correlation-id":"c","causation-id":"k"}"#),
    ("emmett", #"{"correlationId":"c","causationId":"k"}"#), ("rails", #"{"correlation_id":"c","causation_id":"k"}"#),
    ("cloudevents", #"{"correlationid":"c","causationid":"k"}"#),
    ("kurrentdb", #"{"\u0024correlationId":"c","$causationI\u0064":"k"}"#),
    ("kurrentdb", #"{"other":{"$correlationId":"no"},"$correlationId":"c","$causationId":"k"}"#),
  ])
  func `ids are found where the framework writes them`(_ name: String, _ metadata: String) throws {
    let event = try #require(Reading.metadata(metadata, profile(name))).event
    #expect(event.ownCorrelation?.description == "c")
    #expect(event.cause?.description == "k")
  }

  @Test func `every profile has its name, in any case`() {
    #expect(MetadataProfile.names.count == 9)
    for name in MetadataProfile.names { #expect(MetadataProfile.named(name.uppercased())?.name == name) }
    #expect(MetadataProfile.named("other") == nil)
  }

  @Test(
    arguments: [
      (#"{"correlationId":"loose","$correlationId":"exact"}"#, "exact"),
      (#"{"$correlationId":"exact","correlationId":"loose"}"#, "exact"),
      (#"{"$correlationId":null,"correlationId":"loose"}"#, "loose"),
      (#"{"$correlationId":" ","correlationId":"loose"}"#, "loose"),
      (#"{"correlation_id":"one","CorrelationID":"two"}"#, "two"),
      (#"{"correlation_id":"one","CorrelationID":null}"#, "one"),
      (#"{"$correlationId":"one","$correlationId":"two"}"#, "two"),
      (#"{"$correlationId":"one","$correlationId":null}"#, nil),
      (#"{"$correlationId":123}"#, "123"), (#"{"$correlationId":true}"#, "true"), (#"{"$correlationId":["a"]}"#, nil),
      (#"{"$correlationId":{"a":1}}"#, nil), (#"{"$correlationId":""}"#, nil),
      (#"{"$correlationId":"00000000-0000-0000-0000-000000000000"}"#, nil),
      (#"{"$correlationId":" padded "}"#, "padded"),
    ] as [(String, String?)])
  func `of several keys one counts, by a stated rule`(_ metadata: String, _ expected: String?) throws {
    #expect(try #require(Reading.metadata(metadata)).event.ownCorrelation?.description == expected)
  }

  @Test func `exact keys switch loose spellings off`() throws {
    let rules = profile("kurrentdb", exact: true)
    #expect(try #require(Reading.metadata(#"{"correlationId":"c"}"#, rules)).event.ownCorrelation == nil)
    #expect(try #require(Reading.metadata(#"{"$correlationId":"c"}"#, rules)).event.ownCorrelation != nil)
  }

  @Test func `own keys are found in the order of the list`() throws {
    var rules = ReadingRules()
    rules.profile = MetadataProfile(name: "own", correlationKeys: ["flow", "case"], causationKeys: ["by"])
    let event = try #require(Reading.metadata(#"{"case":"2","FLOW":"1","b.y":"3"}"#, rules)).event
    // An exact spelling outranks a loose one, whatever their places in the list.
    #expect(event.ownCorrelation?.description == "2")
    #expect(event.cause?.description == "3")
    let exact = try #require(Reading.metadata(#"{"case":"2","flow":"1"}"#, rules)).event
    #expect(exact.ownCorrelation?.description == "1")
  }

  @Test func `keys longer than a machine word or than the memory for keys are told apart`() throws {
    var rules = ReadingRules()
    let long = String(repeating: "k", count: 40)
    rules.profile = MetadataProfile(name: "own", correlationKeys: [long + "1"], causationKeys: ["abcdefghi"])
    let metadata = #"{"\#(long)1":"c","\#(long)2":"x","abcdefghi":"k","abcdefghj":"x","bbcdefghi":"x","ab":"x"}"#
    for _ in 0..<3 {
      let event = try #require(Reading.metadata(metadata, rules)).event
      #expect(event.ownCorrelation?.description == "c" && event.cause?.description == "k")
    }
  }

  @Test(arguments: [
    ("00f067aa0ba902b7", true), ("00F067AA0BA902B7", true), (" 00f067aa0ba902b7 ", true), ("00f067aa0ba902bg", false),
    ("00f067aa0ba902b", false), ("4bf92f3577b34da6a3ce929d0e0e4736", false),
  ])
  func `only sixteen hexadecimal digits are a span`(_ cause: String, _ isSpan: Bool) throws {
    let read = try #require(Reading.metadata(#"{"$causationId":"\#(cause)"}"#))
    #expect(read.event.causeIsSpan == isSpan)
  }
}

@Suite("W3C trace context") struct TraceparentTests {
  static let valid = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  @Test func `it serves as ids where a profile says so`() throws {
    let read = try #require(Reading.metadata(#"{"traceparent":"\#(Self.valid)"}"#, profile("cloudevents")))
    #expect(read.event.ownCorrelation?.description == "4bf92f35-77b3-4da6-a3ce-929d0e0e4736")
    #expect(read.event.cause?.description == "00f067aa0ba902b7")
    #expect(read.event.causeIsSpan)
    let other = try #require(Reading.metadata(#"{"traceparent":"\#(Self.valid)"}"#))
    #expect(other.event.ownCorrelation == nil && other.event.cause == nil)
  }

  @Test func `ids of their own outrank it`() throws {
    let read = try #require(
      Reading.metadata(
        #"{"traceparent":"\#(Self.valid)","correlationid":"c","causationid":"k"}"#, profile("cloudevents")))
    #expect(read.event.ownCorrelation?.description == "c" && read.event.cause?.description == "k")
    #expect(!read.event.causeIsSpan)
  }

  @Test(arguments: [
    "", "00", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
    "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
    "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-012",
  ])
  func `an invalid one is ignored`(_ text: String) throws {
    let read = try #require(Reading.metadata(#"{"traceparent":"\#(text)"}"#, profile("cloudevents")))
    #expect(read.event.ownCorrelation == nil && read.event.cause == nil)
  }

  @Test func `a later version with more fields is read`() throws {
    let text = "cc" + Self.valid.dropFirst(2) + "-what"
    #expect(try #require(Reading.metadata(#"{"traceparent":"\#(text)"}"#, profile("cloudevents"))).event.causeIsSpan)
  }
}

@Suite("Handler of an event") struct HandlerTests {
  @Test(
    arguments: [
      (#"{"handler":"h","service":"s"}"#, "h", "s", HandlerIdentity.metadata),
      (#"{"$handler":"h"}"#, "h", nil, .metadata),
      (#"{"consumer":"c","handler":"h"}"#, "h", nil, .metadata), (#"{"consumer":"c"}"#, "c", nil, .metadata),
      (#"{"handler":null,"service":null}"#, "order", nil, .streamCategory),
      (#"{"handler":"","service":""}"#, "order", nil, .streamCategory),
      (#"{"handler":["x"],"service":1}"#, "order", "1", .streamCategory),
      (#"{"handler":true}"#, "true", nil, .metadata),
      (#"{"handler":" ","service":" s "}"#, " ", " s ", .metadata),
      (#"{"handler":"h\"} 1\nx"}"#, "h\"} 1\nx", nil, .metadata),
      (#"{}"#, "order", nil, .streamCategory),
    ] as [(String, String, String?, HandlerIdentity)])
  func `it is named by metadata, else by the category`(
    _ metadata: String, _ handler: String, _ service: String?, _ identity: HandlerIdentity
  ) throws {
    let event = try #require(Reading.metadata(metadata)).event
    #expect(event.handler == handler && event.service == service && event.handlerIdentity == identity)
  }

  @Test(
    arguments: [
      ("nodash", nil), ("-leading", nil), ("trailing-", "trailing"), ("a-b-c", "a"), ("$ce-order", nil), ("", nil),
    ]
      as [(String, String?)])
  func `the category is the text before the first dash`(_ stream: String, _ handler: String?) throws {
    let event = try #require(Reading.with(#""stream":"\#(stream)""#).event).event
    #expect(event.handler == handler)
    #expect(event.handlerIdentity == (handler == nil ? .none : .streamCategory))
  }

  @Test func `rules stand between metadata and category, the first that matches counts`() throws {
    var rules = ReadingRules()
    rules.handlerRules = [
      HandlerRule(typePattern: "Payment*", handler: "payer"),
      HandlerRule(typePattern: "*Placed", categoryPattern: "ord*", handler: "placer", service: "shop"),
      HandlerRule(categoryPattern: "order", handler: "never"),
    ]
    let event = try #require(Reading.metadata(#"{"service":"other"}"#, rules)).event
    #expect(event.handler == "placer" && event.service == "shop" && event.handlerIdentity == .rule)
    #expect(try #require(Reading.metadata(#"{"handler":"own"}"#, rules)).event.handlerIdentity == .metadata)
    let none = try #require(Reading.with(#""stream":"nodash""#, rules).event).event
    #expect(none.handler == nil)
  }
}

@Suite("Failure and schema version of an event") struct FailureTests {
  @Test(arguments: [
    (#"{"status":"error"}"#, FailureKind.metadata), (#"{"status":"FAILED"}"#, .metadata),
    (#"{"outcome":"failed"}"#, .metadata),
    (#"{"Status":"error"}"#, .metadata), (#"{"status":"ok"}"#, .none), (#"{"status":"erroneous"}"#, .none),
    (#"{"error":"boom"}"#, .metadata), (#"{"$error":{"code":1}}"#, .metadata), (#"{"error":{}}"#, .none),
    (#"{"error":[]}"#, .none),
    (#"{"error":""}"#, .none), (#"{"error":null}"#, .none), (#"{"error":false}"#, .none),
    (#"{"error":true}"#, .metadata),
    (#"{"error":0}"#, .none), (#"{"error":0.0e5}"#, .none), (#"{"error":500}"#, .metadata),
    (#"{"status":"ok","error":"x"}"#, .metadata),
    (#"{"status":"\u0065rror"}"#, .metadata),
  ])
  func `metadata says so`(_ metadata: String, _ failure: FailureKind) throws {
    #expect(try #require(Reading.metadata(metadata)).event.failure == failure)
  }

  @Test(arguments: [
    ("PaymentFailed", "{}", FailureKind.eventType), ("ImportFaulted", "{}", .eventType),
    ("Fault<OrderPlaced>", "{}", .eventType),
    ("x.failed", "{}", .none), ("FailedOrder", "{}", .none), ("PaymentRejected", "{}", .none),
    ("PaymentFailed", #"{"status":"ok"}"#, .none), ("PaymentFailed", #"{"error":""}"#, .eventType),
    ("PaymentFailed", #"{"error":false}"#, .none),
  ])
  func `the type's patterns count where no key is there`(_ type: String, _ metadata: String, _ failure: FailureKind)
    throws
  {
    let read = Reading.with(#""type":"\#(type)","metadata":\#(metadata)"#)
    #expect(try #require(read.event).event.failure == failure)
  }

  @Test func `profiles have keys of their own`() throws {
    let failed = #"{"NServiceBus.ExceptionInfo.ExceptionType":"System.Exception"}"#
    #expect(try #require(Reading.metadata(failed, profile("nservicebus"))).event.failure == .metadata)
    #expect(try #require(Reading.metadata(failed)).event.failure == .none)
  }

  @Test(
    arguments: [
      ("T", #"{"schemaVersion":2}"#, "2"), ("T", #"{"$schema.version":"v7"}"#, "v7"), ("T", #"{"version":3}"#, "3"),
      ("T", #"{"version":3,"schemaVersion":4}"#, "4"), ("T.v2", "{}", "2"), ("T_V12", "{}", "12"), ("TV2", "{}", nil),
      ("T.v", "{}", nil),
      ("T-v2", "{}", nil), (".v2", "{}", nil), ("v2", "{}", nil), ("T.v2", #"{"version":9}"#, "9"),
      ("T", #"{"version":{}}"#, nil),
    ] as [(String, String, String?)])
  func `the schema version is metadata's or the type's`(_ type: String, _ metadata: String, _ version: String?) throws {
    let read = Reading.with(#""type":"\#(type)","metadata":\#(metadata)"#)
    #expect(try #require(read.event).event.schemaVersion == version)
  }
}

@Suite("What is kept of payloads") struct PayloadTests {
  @Test func `data and metadata can be switched off, ids are read all the same`() throws {
    var rules = ReadingRules()
    rules.keepData = false
    rules.keepMetadata = false
    let read = try #require(
      Reading.with(#""data":{"a":1},"metadata":{"$correlationId":"c","handler":"h"}"#, rules).event)
    #expect(read.data == nil && read.metadata == nil)
    #expect(read.event.ownCorrelation?.description == "c" && read.event.handler == "h")
    #expect(read.flags.isDisjoint(with: [.hasData, .dataIsJSON, .hasMetadata, .metadataIsJSON]))
  }

  @Test(arguments: [
    (#"{"a":1,"email":"x@y"}"#, #"{"a":1,"email":"[redacted]"}"#),
    (#"{"email":{"deep":[1]} ,"b":2}"#, #"{"email":"[redacted]" ,"b":2}"#),
    (#"{"customer":{"name":"n","id":5}}"#, #"{"customer":{"name":"[redacted]","id":5}}"#),
    (
      #"{"items":[{"sku":1,"note":"a"},{"note":null},7,[{"note":"c"}]]}"#,
      #"{"items":[{"sku":1,"note":"[redacted]"},{"note":"[redacted]"},7,[{"note":"[redacted]"}]]}"#
    ),
    (#"{"email":"a","email":"b"}"#, #"{"email":"[redacted]","email":"[redacted]"}"#),
    (#"{"e\u006dail":"a"}"#, #"{"e\u006dail":"[redacted]"}"#),
    (#"{"other":{"email":"kept"}}"#, #"{"other":{"email":"kept"}}"#),
    (#"[{"email":1}]"#, #"[{"email":"[redacted]"}]"#), (#""email""#, #""email""#), (#"{}"#, #"{}"#),
    (#"{"items":[],"customer":{}}"#, #"{"items":[],"customer":{}}"#),
  ])
  func `redacted values never get into the frame`(_ data: String, _ stored: String) throws {
    var rules = ReadingRules()
    rules.redactedPaths = ["data.email", "data.customer.name", "data.items.note", "metadata.user"]
    #expect(rules.problems() == [])
    let line = #""data":\#(data),"metadata":{"user":"u","$correlationId":"c","handler":"h\n"}"#
    let read = try #require(Reading.with(line, rules).event)
    #expect(String(decoding: read.data ?? [], as: UTF8.self) == stored)
    #expect(read.metadata == bytes(#"{"user":"[redacted]","$correlationId":"c","handler":"h\n"}"#))
    #expect(read.event.ownCorrelation?.description == "c" && read.event.handler == "h\n")
  }

  @Test func `redaction of decoded metadata keeps its names`() throws {
    var rules = ReadingRules()
    rules.redactedPaths = ["metadata.handler", "metadata.$correlationId"]
    // {"handler":"h","$correlationId":"c"}
    let read = try #require(
      Reading.with(#""metadataBase64":"eyJoYW5kbGVyIjoiaCIsIiRjb3JyZWxhdGlvbklkIjoiYyJ9""#, rules).event)
    #expect(read.event.handler == "h" && read.event.ownCorrelation?.description == "c")
    #expect(read.metadata == bytes(#"{"handler":"[redacted]","$correlationId":"[redacted]"}"#))
  }

  @Test func `redaction reaches the bottom of a deep document`() throws {
    var rules = ReadingRules()
    rules.redactedPaths = ["data.a"]
    let deep = String(repeating: "[", count: 100_000) + #"{"a":1}"# + String(repeating: "]", count: 100_000)
    let read = try #require(Reading.with(#""data":\#(deep)"#, rules).event)
    #expect(read.data?.count == deep.utf8.count + 11)
  }

  @Test func `mistakes in rules are named`() {
    var rules = ReadingRules()
    #expect(rules.problems() == [])
    rules.redactedPaths = ["email", "data", "data..x", "other.x", "data.ok"]
    rules.handlerRules = [HandlerRule(handler: "x"), HandlerRule(typePattern: "*", handler: "")]
    rules.payloadBytesMax = 0
    rules.schemaVersionKeys = (0..<70).map { "key\($0)" } + [""]
    #expect(rules.problems().count == 9)
  }
}
