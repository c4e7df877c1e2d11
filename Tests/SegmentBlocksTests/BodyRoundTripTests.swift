@testable import SegmentBlocks
import EventModel
import EventSource
import TestSupport
import Testing

@Suite("Bodies of a block") struct BodyRoundTripTests {
  static let uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
  static let other = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

  /// Values that kinds claim, and their neighbours that must stay literals.
  static let values: [String] = [
    #""""#, #""a""#, #""a\"b""#, #""\\""#, #""\\\"""#, #""\u0041""#, #""ü€😀""#, #"" ""#,
    "0", "-0", "1", "-1", "10", "007", "00", "1.0", "1.50", "0.5", "-0.5", "-0.0", "0.0", "1.", ".5", "1e5", "1E+5",
    "-",
    "1.2.3", "123456789012345678", "1234567890123456789", "9223372036854775807", "9223372036854775808",
    "99999999999999999999", "0.000001", "0.0000001", "-12.345678", "true", "false", "null", "True", "nul", "nulll",
    "NaN", "+1", "1767225600", "1767225600123", "1767225600123456", "1767225600123456789", "0767225600123456789",
    #""\#(uuid)""#, #""0F8FAD5B-D9CB-469F-A165-70867728950E""#, #""0f8fad5bd9cb469fa16570867728950e""#,
    #""0F8FAD5BD9CB469FA16570867728950E""#, #""0F8fad5b-d9cb-469f-a165-70867728950e""#,
    #""order-\#(uuid)""#, #""\#(uuid)-order""#, #""{\#(uuid)}""#, #""00000000-0000-0000-0000-000000000000""#,
    #""2026-01-01T00:00:00Z""#, #""2026-01-01T00:00:00.000Z""#, #""2026-01-01T10:20:30Z""#,
    #""2026-01-01T10:20:30.1Z""#, #""2026-01-01T10:20:30.123Z""#, #""2026-01-01T10:20:30.123456Z""#,
    #""2026-01-01T10:20:30.1234567Z""#, #""2026-01-01T10:20:30.12345678Z""#, #""2026-01-01T10:20:30.123456789Z""#,
    #""2026-01-01T10:20:30.1234567890Z""#, #""2026-01-01T10:20:30.Z""#, #""2026-01-01T10:20:30""#,
    #""2026-01-01 10:20:30.5""#, #""2026-01-01T10:20:30+00:00""#, #""2026-01-01T10:20:30.123+01:00""#,
    #""2026-01-01t10:20:30z""#, #""2026-02-29""#, #""2024-02-29""#, #""2026-13-01""#, #""2026-00-10""#,
    #""0000-01-01""#,
    #""9999-12-31""#, #""9999-12-31T23:59:59.999Z""#, #""9999-12-31T23:59:59.999999999Z""#,
    #""0001-01-01T00:00:00.0000000Z""#, #""2026-01-01T24:00:00Z""#, #""2026-01-01T23:59:60Z""#,
    #""1969-12-31T23:59:59.9Z""#,
    #""usr_0f8fad5b""#, #""usr_0F8fad5b""#, #""INV-000123""#, #""INV-123456789012345678""#, #""00012""#,
    #""deadbeefdeadbeef""#, #""DEADBEEFDEADBEEF""#, #""deadbeefdeadbee""#, #""deadbeefdeadbeefa""#,
    #""DeadBeefDeadBeef""#,
    #""0123456789abcdef0123456789abcdef01""#, "{}", "[]", "[1,2,3]", #"{"":""}"#, #"["a",{"b":[null]}]"#,
    #""shop""#, #""billing""#, #""v2""#,
  ]

  static func event(_ number: Int, data: String?, metadata: String? = nil, trace: String? = uuid) -> TestEvent {
    TestEvent(
      "\(other.dropLast(4))\(1000 + number)", trace: trace, cause: number % 3 == 0 ? trace : other,
      stream: "order-\(number % 2 == 0 ? uuid : other)", at: Int64(number) * 7 + 3, service: "shop", handler: "billing",
      schemaVersion: "v2", data: data, metadata: metadata)
  }

  @Test func `every value comes back as it was, in every combination with the one before`() throws {
    var events: [TestEvent] = []
    for (number, value) in Self.values.enumerated() {
      events.append(Self.event(number, data: #"{"value":\#(value),"again":\#(value)}"#, metadata: #"{"m":\#(value)}"#))
      events.append(Self.event(number + 500, data: #"{"value":\#(Self.values[number / 2])}"#, metadata: value))
    }
    for size in [1, 7, 1000] {
      let harness = BodyHarness(EventBatch(events), eventsPerBlock: size)
      #expect(try harness.decode() == [])
      #expect(try harness.decode { $0 % 2 == 0 } == [])
    }
  }

  /// Far more of one type than are tried one by one, many a beginning of another.
  @Test(arguments: 1...4) func `shapes that begin alike come back in any order`(seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &random) }
    func value() -> String { Self.values[below(Self.values.count)] }
    let fixed = [
      #"{"a":1}"#, #"{"a" :1}"#, #"{"a":{"b":1}}"#, #"{"a":"","b":""}"#, #"{"a":["x"]}"#, #"{"a":[{"b":"x"}]}"#,
      "{}", "[]", "[{}]", "[[],[]]",
    ]
    let events = (0..<600).map { number -> TestEvent in
      let members = ["a", "b", "c", "d", "e", "f", "g"].filter { _ in below(2) == 0 }.map { "\"\($0)\":\(value())" }
      let list = (0..<below(20)).map { _ in value() }.joined(separator: ",")
      let texts = [
        "{\(members.joined(separator: ","))}", "[\(list)]", "{\"a\":[\(list)]}", fixed[below(fixed.count)],
      ]
      return Self.event(number, data: texts[below(4)], metadata: texts[below(4)])
    }
    for size in [7, 1000] { #expect(try BodyHarness(EventBatch(events), eventsPerBlock: size).decode() == []) }
  }

  @Test func `a value that is no constant of its list is not lost behind one that is`() throws {
    // Two types share the column of a key; what is a constant of one is none of the other.
    let texts = ["A", "C", "A", "C", "C", "A", "B", "A"]
    let events = texts.enumerated().flatMap { number, text in
      ["One", "Two"].map { type in
        var event = Self.event(number, data: #"{"k":"\#(text)"}"#)
        event.type = type
        return event
      }
    }
    let orders = [events, events.reversed(), Array(events[3...]) + Array(events[..<3])]
    for order in orders {
      #expect(try BodyHarness(EventBatch(Array(order))).decode() == [])
    }
  }

  @Test(arguments: 0..<16) func `hostile payloads come back byte for byte`(_ seed: UInt64) throws {
    var generator = HostileEvents(seed: seed)
    var batch = EventBatch()
    for event in generator.events(150) { event.append(to: &batch) }
    var limits = DictionaryLimits()
    if seed % 3 == 0 { (limits.strings, limits.stringBytes, limits.uuids, limits.words) = (3, 40, 2, 3) }
    let harness = BodyHarness(
      batch, eventsPerBlock: 1 + Int(seed) * 5, limits: limits, firstType: seed % 4 == 0 ? 2045 : UInt32(seed))
    #expect(try harness.decode() == [])
    var random = SeededRandom(seed: seed)
    let skipped = (0..<200).map { _ in random.oneIn(2) }
    #expect(try harness.decode { skipped[$0 % 200] } == [])
  }

  @Test(arguments: 0..<16) func `events behind others that were passed over come back byte for byte`(
    _ seed: UInt64
  ) throws {
    var generator = HostileEvents(seed: seed)
    generator.payloads.keyCount = 6
    var batch = EventBatch()
    for event in generator.events(150) { event.append(to: &batch) }
    for number in 0..<120 {
      // One trace in which every value comes three times.
      let data = #"{"value":\#(Self.values[number / 3 % Self.values.count])}"#
      Self.event(number, data: data).append(to: &batch)
    }
    let harness = BodyHarness(batch, eventsPerBlock: 400)
    var random = SeededRandom(seed: seed)
    let skipped = (0..<200).map { _ in random.oneIn(3) }
    let followed = (0..<200).map { _ in Int.random(in: 0..<100, using: &random) }
    #expect(try harness.decode(skip: { skipped[$0 % 200] }, follow: { followed[$0 % 200] }) == [])
    for count in [1, 2, 5, 30] { #expect(try harness.decode(follow: { _ in count }) == []) }
  }

  @Test(.enabled(if: TestSupport.sharedDataDirectory != nil, "needs the shared data"))
  func `every file of events comes back byte for byte`() throws {
    let directory = try #require(TestSupport.sharedDataDirectory)
    let names =
      SharedEvents.hashed.map { $0 + ".ndjson.gz" }
      + ["nasty.ndjson", "nasty-deep.ndjson.gz", "nasty-types.ndjson.gz", "nasty-wide.ndjson.gz"]
    for name in names {
      let reader = try EventFileReader(path: "\(directory)/\(name)")
      var all = EventBatch()
      while let read = try reader.next() {
        read.events.forEach { _, event in all.append(event, ordinal: 0, sourceIndex: 0) }
      }
      let harness = BodyHarness(all, eventsPerBlock: 150)
      #expect(all.count > 0, "\(name)")
      #expect(try harness.decode() == [], "\(name)")
    }
  }

  @Test func `payloads without a shape, and shapes without bound, stay within the limits`() throws {
    var events: [TestEvent] = []
    for number in 0..<1500 {
      // Every event brings new keys, a new prefix, a new string.
      events.append(
        Self.event(
          number,
          data: #"{"key\#(number)":"word \#(number)-\#(Self.uuid)","k\#(number * 7)":{"x\#(number)":\#(number)}}"#))
    }
    events.append(Self.event(1, data: "[" + (0..<9000).map(String.init).joined(separator: ",") + "]"))
    events.append(Self.event(2, data: String(repeating: "[", count: 50_000)))
    events.append(Self.event(3, data: #"{"a":""# + String(repeating: "x", count: 200_000) + #""}"#))
    let harness = BodyHarness(EventBatch(events))
    #expect(try harness.decode() == [])
    #expect(try SegmentDictionary(decoding: harness.chunks).memoryBytes < 8 << 20)
  }

  @Test func `events of a type that comes when all lists are taken come back`() throws {
    // Every type takes a list for each of its keys, and there are 65,536 lists.
    let data = "{" + (0..<1024).map { #""k\#($0)":\#($0)"# }.joined(separator: ",") + "}"
    let events = (0..<70).map { TestEvent("e\($0)", stream: "s\($0)", type: "T\($0)", data: data) }
    #expect(try BodyHarness(EventBatch(events)).decode() == [])
  }

  @Test func `the fraction of the first second that a number can tell is one`() {
    let seconds = TimeText.floorDivide(.min, 1_000_000_000)
    #expect(seconds == -9_223_372_037)
    #expect(TimeText.fraction(.min, seconds, 1_000_000_000) == 145_224_192)
  }

  @Test func `an empty segment has an empty dictionary`() throws {
    #expect(try SegmentDictionary(decoding: DictionaryBuilder().encodedChunks()).memoryBytes < 100_000)
    #expect(try SegmentDictionary(decoding: []).memoryBytes < 100_000)
  }

  @Test func `what repeats costs next to nothing`() throws {
    let events = (0..<1000).map {
      Self.event(
        $0 % 10, data: #"{"orderId":"\#(Self.uuid)","state":"placed","total":12.50}"#,
        metadata: #"{"$correlationId":"\#(Self.uuid)","service":"shop","handler":"billing"}"#)
    }
    let harness = BodyHarness(EventBatch(events), eventsPerBlock: 1000)
    #expect(try harness.decode() == [])
    #expect(harness.storedBytes < 16_000)
  }
}
