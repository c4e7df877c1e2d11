import EventModel
import Platform
import TestSupport
import Testing
import WireFormats

@testable import DemoShop

/// What the demo's shop says to an event store, beside what the official Node client said to real ones.
@Suite("Demo store") struct DemoStoreTests {
  private struct Field: Equatable {
    var number: Int
    var bytes: [UInt8]
    var value: UInt64 = 0
  }

  private func fields(_ message: [UInt8]) throws -> [Field] {
    try unsafe message.withUnsafeBytes { bytes in
      var reader = unsafe ProtobufReader(bytes)
      var found: [Field] = []
      while try unsafe reader.next() {
        if unsafe reader.wireType == .bytes {
          found.append(Field(number: unsafe reader.field, bytes: try unsafe Array(reader.slice())))
        } else {
          found.append(Field(number: unsafe reader.field, bytes: [], value: try unsafe reader.varint()))
        }
      }
      return found
    }
  }

  private func part(_ number: Int, of message: [UInt8]) throws -> [UInt8] {
    try #require(try fields(message).first { $0.number == number }).bytes
  }

  /// What a client sent in calls of a method.
  private func sent(_ file: String, _ method: String) throws -> [[UInt8]] {
    let text = String(decoding: try SharedEvents.bytes("kurrentdb/" + file), as: UTF8.self)
    let lines = try text.split(separator: "\n").map { try JSONValue.parse(String($0)) }
    let calls = lines.filter { $0["kind"]?.string == "request" && $0["path"]?.string?.hasSuffix(method) == true }
    let numbers = Set(calls.compactMap { $0["call"]?.int })
    return lines.filter { $0["kind"]?.string == "sent" && numbers.contains($0["call"]?.int ?? -1) }.compactMap {
      $0["message"]?.string.flatMap { Base64.decode(Array($0.utf8)) }
    }
  }

  private func event(_ stream: String, _ number: Int) -> ShopEvent {
    ShopEvent(
      id: "00000000-0000-4000-8000-00000000000\(number)", stream: stream, type: "OrderPlaced",
      created: Timestamp(nanoseconds: 0), data: Array("{}".utf8),
      metadata: ShopHandler.checkout.metadata(correlation: "c", cause: nil))
  }

  @Test(
    .enabled(if: TestSupport.hasSharedData, "needs the shared data"),
    arguments: ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"]
  )
  func `an append has the fields that the official client fills`(_ version: String) throws {
    let theirs = try #require(try sent("\(version)/write-by-node-client.jsonl.gz", "BatchAppend").first)
    let ours = EventStoreAppend.request(
      "00000000-0000-4000-8000-000000000009", [event("order-1", 1)], deadline: 1_795_422_000_000_000_000)
    #expect(Set(try fields(ours).map(\.number)).isSuperset(of: try fields(theirs).map(\.number)))
    func numbers(_ number: Int, _ message: [UInt8]) throws -> [Int] {
      try fields(part(number, of: message)).map(\.number)
    }
    for number in [1, 2, 3] { #expect(try numbers(number, ours) == numbers(number, theirs), "field \(number)") }
    func keys(_ message: [UInt8]) throws -> [String] {
      try fields(part(3, of: message)).filter { $0.number == 2 }.map { entry in
        String(decoding: try part(1, of: entry.bytes), as: UTF8.self)
      }
    }
    #expect(try keys(ours) == keys(theirs))
    let metadata = try JSONValue.parse(part(3, of: part(3, of: theirs)))
    let own = try JSONValue.parse(part(3, of: part(3, of: ours)))
    #expect(metadata["$correlationId"]?.string != nil && own["$correlationId"]?.string == "c")
    #expect(own["service"]?.string == "shop" && metadata["service"]?.string != nil)
  }

  @Test(.enabled(if: TestSupport.hasSharedData, "needs the shared data"), arguments: ["es-24.10.14", "kdb-26.1.0"])
  func `a group is made, read, acknowledged and refused in the words of the official client`(_ version: String) throws {
    let file = "\(version)/persistent-subscriptions.jsonl.gz"
    let creations = try sent(file, "Subscriptions/Create")
    // The one on $all, without a filter.
    let theirs = try #require(try creations.first { try fields(part(1, of: $0)).contains { $0.number == 5 } })
    let (own, other) = try (part(1, of: MailGroup.createRequest), part(1, of: theirs))
    #expect(Set(try fields(own).map(\.number)) == Set(try fields(other).map(\.number)))
    #expect(try fields(part(3, of: own)).map(\.number) == fields(part(3, of: other)).map(\.number))

    let said = try sent(file, "Subscriptions/Read")
    let beginnings = try said.filter { try fields($0).first?.number == 1 }
    let begin = try #require(try beginnings.first { try fields(part(1, of: $0)).contains { $0.number == 5 } })
    let (asked, recorded) = try (fields(part(1, of: MailGroup.readRequest)), fields(part(1, of: begin)))
    #expect(Set(asked.map(\.number)) == Set(recorded.map(\.number)))
    let acknowledged = try #require(try said.first { try fields($0).first?.number == 2 })
    let id = String(decoding: try part(2, of: part(2, of: part(2, of: acknowledged))), as: UTF8.self)
    #expect(MailGroup.acknowledgement(id) == acknowledged)
    let parked = try #require(try said.first { try fields($0).first?.number == 3 })
    let refused = try part(3, of: parked)
    let name = String(decoding: try part(2, of: part(2, of: refused)), as: UTF8.self)
    let reason = String(decoding: try part(4, of: refused), as: UTF8.self)
    #expect(MailGroup.refusal(name, .park, reason: reason) == parked)
  }

  @Test(.enabled(if: TestSupport.hasSharedData, "needs the shared data"), arguments: ["es-24.10.14", "kdb-26.1.0"])
  func `what a group gives is read: id, stream, type, correlation`(_ version: String) throws {
    let text = String(
      decoding: try SharedEvents.bytes("kurrentdb/\(version)/persistent-subscriptions.jsonl.gz"), as: UTF8.self)
    let lines = try text.split(separator: "\n").map { try JSONValue.parse(String($0)) }
    let calls = Set(
      lines.filter { $0["path"]?.string?.hasSuffix("Subscriptions/Read") == true }.compactMap { $0["call"]?.int })
    let given = lines.filter { $0["kind"]?.string == "received" && calls.contains($0["call"]?.int ?? -1) }
      .compactMap { $0["message"]?.string.flatMap { Base64.decode(Array($0.utf8)) } }
    let events = given.compactMap { GroupMessage($0) }
    #expect(events.count > 20 && events.count < given.count, "confirmations are no events")
    let work = events.filter { $0.stream == "order-work" }
    #expect(work.count > 10 && work.allSatisfy { $0.id.utf8.count == 36 && $0.correlation.utf8.count == 36 })
    #expect(Set(work.map(\.type)).isSuperset(of: ["Work", "Poison"]))
  }

  @Test func `events that follow one another in a stream are one append`() {
    let events = [event("a", 1), event("a", 2), event("b", 3), event("a", 4)]
    #expect(EventStoreAppend.runs(events).map { $0.map(\.stream) } == [["a", "a"], ["b"], ["a"]])
  }

  @Test func `a refused append says why`() throws {
    var answer = ProtobufWriter()
    answer.put(1) { $0.put(2, text: "one") }
    answer.put(2) { status in
      status.put(1, varint: 7)
      status.put(2, text: "Access Denied")
    }
    let refused = try #require(EventStoreAppend.Answer(answer.bytes))
    #expect(refused.id == "one" && refused.problem == "Access Denied")
    #expect(EventStoreAppend.Answer([0xff]) == nil)
  }
}
