import EventModel
import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

@Suite struct PlaceTextTests {
  private func log(_ commit: UInt64, _ prepare: UInt64) -> ReaderProgress.Place {
    .log(SourcePosition(major: commit, minor: prepare))
  }

  private func streams(_ places: [(String, Int64)]) -> ReaderProgress.Place {
    .streams(places.map { ReaderProgress.StreamPlace(stream: $0.0, revision: $0.1) })
  }

  @Test func `places are read in every spelling of the servers`() {
    #expect(PlaceText.read("C:10/P:9") == log(10, 9))
    #expect(PlaceText.read("C:10/P:10; $et-A: 3; ") == log(10, 10))
    #expect(PlaceText.read("(1) C:10/P:10") == log(10, 10))
    #expect(PlaceText.read("C:0/P:-1") == .start && PlaceText.read("C:0/P:-1; OrderPlaced: -1; ") == .start)
    #expect(PlaceText.read("orders: 7") == streams([("orders", 7)]))
    #expect(PlaceText.read("a: 1; b:c: -1; ") == streams([("a", 1), ("b:c", -1)]))
    #expect(PlaceText.read("a: -1; ") == .start)
    #expect(PlaceText.read("42", stream: "order-work") == streams([("order-work", 42)]))
    #expect(PlaceText.read("-1", stream: "order-work") == .start)
  }

  @Test(arguments: ["", " ", "42", "C:10", "C:x/P:y", "orders", ": 7", "orders: many"])
  func `what is no place is none`(_ text: String) { #expect(PlaceText.read(text) == nil) }
}

@Suite struct CheckpointEventTests {
  private func read(_ stream: String, _ type: String, data: String = "", metadata: String = "") -> ReaderProgress? {
    CheckpointEvents.read(
      stream: Array(stream.utf8), type: Array(type.utf8), data: Array(data.utf8), metadata: Array(metadata.utf8))
  }

  private func log(_ commit: UInt64) -> ReaderProgress.Place {
    .log(SourcePosition(major: commit, minor: commit))
  }

  @Test func `checkpoints of projections of both engines`() {
    let stream = "$projections-order-totals-checkpoint"
    let first = read(stream, "$ProjectionCheckpoint", metadata: #"{"$v":"1:-1:1:4","$c":77,"$p":77}"#)
    #expect(first?.kind == .projection && first?.name == "order-totals" && first?.checkpoint == log(77))
    let second = read(stream, "$ProjectionCheckpoint.V2", data: #"{"commitPosition":77,"preparePosition":0}"#)
    #expect(second?.name == "order-totals" && second?.checkpoint == log(77))
    let streams = read(stream, "$ProjectionCheckpoint", metadata: #"{"$s":{"a":3,"b":-1}}"#)
    #expect(
      streams?.checkpoint
        == .streams([
          ReaderProgress.StreamPlace(stream: "a", revision: 3), ReaderProgress.StreamPlace(stream: "b", revision: -1),
        ]))
  }

  @Test(arguments: ["$SubscriptionCheckpoint", "SubscriptionCheckpoint"])
  func `checkpoints of groups, by their old and their new type`(_ type: String) {
    let stream = "$persistentsubscription-order::work::billing-checkpoint"
    let found = read(stream, type, data: #""42""#)
    #expect(found?.kind == .persistentSubscription && found?.name == "billing" && found?.reads == "order::work")
    #expect(found?.checkpoint == .streams([ReaderProgress.StreamPlace(stream: "order::work", revision: 42)]))
    let all = read("$persistentsubscription-$all::g-checkpoint", type, data: #""C:5/P:5""#)
    #expect(all?.reads == "$all" && all?.checkpoint == log(5))
  }

  @Test func `checkpoints of client libraries`() {
    let emmett = read(
      "checkpoint_orders", "$EmmettProcessorCheckpointStored",
      data: #"{"subscriptionId":"orders","position":"00000000000000000123","checkpointedAt":"x"}"#)
    #expect(emmett?.kind == .consumer && emmett?.name == "orders" && emmett?.checkpoint == log(123))
    let none = read(
      "checkpoint_orders", "$EmmettProcessorCheckpointStored", data: #"{"subscriptionId":"orders","position":null}"#)
    #expect(none?.checkpoint == .start)
    let net = read("checkpoint_orders", "CheckpointStored", data: #"{"SubscriptionId":"orders","Position":9}"#)
    #expect(net?.name == "orders" && net?.checkpoint == log(9))
    let node = read("checkpoint_orders", "check-point", data: #"{"commit":"9","prepare":"9"}"#)
    #expect(node?.name == "orders" && node?.checkpoint == log(9))
  }

  @Test func `other events, and broken ones, are no checkpoints`() {
    #expect(read("order-1", "OrderPlaced", data: #"{"commit":1}"#) == nil)
    #expect(read("order-1", "CheckpointStored", data: #"{"SubscriptionId":"a","Position":9}"#) == nil)
    #expect(read("$projections-x-checkpoint", "$ProjectionCheckpoint", metadata: "{}") == nil)
    #expect(read("$projections-x-checkpoint", "$ProjectionCheckpoint", metadata: "[") == nil)
    #expect(read("$projections", "$ProjectionCheckpoint", metadata: #"{"$c":1}"#) == nil)
    #expect(read("$persistentsubscription-x-checkpoint", "$SubscriptionCheckpoint", data: #""42""#) == nil)
  }
}

/// What the services of real servers said.
@Suite(.enabled(if: TestSupport.hasSharedData, "needs the shared data"))
struct ServiceReportTests {
  private func answers(_ recording: String, _ method: String, _ server: String) throws -> [[[UInt8]]] {
    try Recording.named(recording, server: server).calls().filter { $0.path.hasSuffix(method) && !$0.received.isEmpty }
      .map { call in call.received.map(\.bytes) }
  }

  @Test(arguments: ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"])
  func `groups tell their checkpoint, what they parked, and who is connected`(_ server: String) throws {
    let lists = try answers("persistent-subscriptions", "/List", server)
    let groups = try ServiceReports.groups(try #require(lists.first)[0])
    let billing = try #require(groups.first { $0.name == "billing" })
    #expect(billing.reads == "order-work" && billing.parked == 4 && billing.condition == .running)
    #expect(billing.checkpoint == .streams([ReaderProgress.StreamPlace(stream: "order-work", revision: 29)]))
    let everything = try #require(groups.first { $0.reads == "$all" })
    guard case .log? = everything.checkpoint else {
      Issue.record("a group on $$all is at \(String(describing: everything.checkpoint))")
      return
    }
  }

  @Test(arguments: ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"])
  func `projections tell whether they run, and why not`(_ server: String) throws {
    var byName: [String: ReaderProgress] = [:]
    for messages in try answers("projections", "/Statistics", server) {
      for message in messages {
        if let projection = try ServiceReports.projection(message) { byName[projection.name] = projection }
      }
    }
    #expect(byName["$streams"]?.condition == .running)
    let poisoned = try #require(byName["poisoned"])
    #expect(poisoned.condition == .faulted && poisoned.reason.contains("no such field"))
    #expect(poisoned.processed == .start)
  }

  @Test func `a projection of the second engine is at no known place`() throws {
    let answers = try answers("projection-engine-v2", "/Statistics", "kdb-26.1.0")
    let all = try answers.flatMap { messages in try messages.compactMap { try ServiceReports.projection($0) } }
    #expect(all.contains { $0.condition == .running && $0.processed == nil && $0.checkpoint == nil })
  }
}
