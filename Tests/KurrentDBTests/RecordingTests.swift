import Compression
import EventModel
import EventSource
import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

/// The decoder against everything that real servers answered, and what an independent decoder saw in it.
@Suite(.enabled(if: TestSupport.hasSharedData, "needs the shared data"))
struct RecordingTests {
  /// What `expected.json` counts, counted by our decoder.
  private struct Found: Equatable {
    var messages: [String: Int] = [:]
    var businessEvents = 0
    var firstPosition: String?
    var lastPosition: String?
    var lastCheckpoint: String?
    var caughtUpPositions: [[String]] = []
  }

  private static let names: [ReadResponse.Content: String] = [
    .event: "event", .confirmation: "confirmation", .checkpoint: "checkpoint", .caughtUp: "caught_up",
    .fellBehind: "fell_behind", .streamNotFound: "stream_not_found", .firstStreamPosition: "first_stream_position",
    .lastStreamPosition: "last_stream_position", .lastAllStreamPosition: "last_all_stream_position",
    .unknown: "unknown",
  ]

  static func plain(_ message: (bytes: [UInt8], isCompressed: Bool)) throws -> [UInt8] {
    message.isCompressed ? try Gzip.decompress(message.bytes, outputBytesMax: 17 << 20) : message.bytes
  }

  private func look(_ call: RecordedCall) throws -> Found {
    var found = Found()
    for message in call.received {
      let bytes = try Self.plain(message)
      let response = try LogIdentity.response(bytes)
      found.messages[Self.names[response.content] ?? "?", default: 0] += 1
      switch response.content {
      case .event:
        let position = response.commitPosition.map(String.init)
        found.firstPosition = found.firstPosition ?? position
        found.lastPosition = position ?? found.lastPosition
        if let event = (response.link ?? response.event)?.event, bytes[event.type].first != 0x24,
          bytes[event.stream].first != 0x24
        {
          found.businessEvents += 1
        }
      case .checkpoint: found.lastCheckpoint = response.position.map { String($0.major) }
      case .caughtUp:
        if let place = response.position { found.caughtUpPositions.append([String(place.major), String(place.minor)]) }
      default: break
      }
    }
    return found
  }

  private func expectation(_ value: JSONValue) -> Found {
    var found = Found()
    for member in value["messages"]?.members ?? [] { found.messages[member.key] = member.value.int }
    found.businessEvents = value["businessEvents"]?.int ?? 0
    found.firstPosition = value["firstPosition"]?.string
    found.lastPosition = value["lastPosition"]?.string
    found.lastCheckpoint = value["lastCheckpoint"]?.string
    for pair in value["caughtUpPositions"]?.array ?? [] {
      found.caughtUpPositions.append((pair.array ?? []).compactMap(\.string))
    }
    return found
  }

  @Test(arguments: Recording.all)
  func `every call has the messages, positions and business events that were counted`(_ recording: Recording) throws {
    let calls = try recording.calls()
    if let first = recording.expected["calls"]?["first"] {
      // A recording with many calls of which the first is a read.
      #expect(calls.count == recording.expected["calls"]?["count"]?.int)
      #expect(try look(calls[0]) == expectation(first))
      return
    }
    #expect(calls.count == recording.expectedCalls.count)
    for (call, expected) in zip(calls, recording.expectedCalls) {
      #expect(call.received.count == expected["received"]?.int ?? 0)
      if call.isRead { #expect(try look(call) == expectation(expected), "call \(call.number)") }
      #expect(call.headers["grpc-status"] == expected["grpcStatus"]?.int.map(String.init), "call \(call.number)")
      #expect(call.headers["exception"] == expected["exception"]?.string)
    }
  }

  @Test(arguments: Recording.all)
  func `a subscription resumes at the greatest of event, checkpoint and caught-up position`(
    _ recording: Recording
  ) throws {
    let many = recording.expected["calls"]?["first"]
    for (index, call) in try recording.calls().enumerated() where call.isRead && call.headers["grpc-status"] != "16" {
      guard let sent = call.sent.first, many == nil || index == 0 else { continue }
      let request = try RecordedRequest(sent)
      guard request.isAll, request.isSubscription else { continue }
      let start = request.position.map { SourcePosition(major: $0.commit, minor: $0.prepare) }
      let expected = many ?? recording.expectedCalls[index]
      let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
      for message in call.received {
        try unsafe Self.plain(message).withUnsafeBytes { unsafe try reader.take($0) }
      }
      var greatest = expected["lastPosition"]?.string.flatMap(UInt64.init) ?? 0
      greatest = max(greatest, expected["lastCheckpoint"]?.string.flatMap(UInt64.init) ?? 0)
      for pair in expected["caughtUpPositions"]?.array ?? [] {
        greatest = max(greatest, pair[0]?.string.flatMap(UInt64.init) ?? 0)
      }
      #expect(reader.resume?.major ?? 0 == greatest, "call \(call.number), from \(start?.description ?? "the start")")
      #expect(reader.resume.map { $0.minor == $0.major } ?? true)
      let counts = reader.counts
      let events = expected["messages"]?["event"]?.int ?? 0
      #expect(counts.events + counts.links + counts.refused == events, "call \(call.number)")
      #expect(counts.repeated == 0 && counts.others == 0)
      #expect(reader.batch.count == counts.events)
    }
  }

  @Test func `events that come from before the place are another log, and end the subscription`() throws {
    let call = try Recording.named("subscribe-beyond-head", server: "es-23.10.8").calls()[0]
    let position = try #require(RecordedRequest(call.sent[0]).position)
    let place = SourcePosition(major: position.commit, minor: position.prepare)
    let reader = SubscriptionReader(rules: ReadingRules(), resume: place)
    var end: SubscriptionEnd?
    for message in call.received {
      do {
        try unsafe message.bytes.withUnsafeBytes { unsafe try reader.take($0) }
      } catch let error as SubscriptionEnd {
        end = error
        break
      }
    }
    guard case .wentBack(let from, let to)? = end else {
      Issue.record("the subscription goes on: \(String(describing: end))")
      return
    }
    #expect(from == place && to < place)
    #expect(reader.batch.isEmpty && reader.resume == place)
  }

  @Test(arguments: ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"])
  func `an event whose place was stored comes once, however often the server sends it`(_ server: String) throws {
    let calls = try Recording.named("resume-points", server: server).calls()
    for call in calls where call.isRead {
      let request = try RecordedRequest(call.sent[0])
      guard request.isAll, request.isSubscription, let position = request.position else { continue }
      let place = SubscriptionReader.exclusive(SourcePosition(major: position.commit, minor: position.prepare))
      let reader = SubscriptionReader(rules: ReadingRules(), resume: place)
      for message in call.received {
        try unsafe message.bytes.withUnsafeBytes { unsafe try reader.take($0) }
      }
      // Asked for (C, 0), servers from 24.10 on send the event at C again.
      let again = call.received.first { (try? LogIdentity.response($0.bytes).commitPosition) == position.commit }
      #expect(reader.counts.repeated == (again == nil ? 0 : 1))
      reader.batch.forEach { _, event in #expect(event.position > place) }
    }
  }

  @Test func `the whole of bulk is read: every event, its ids, service and handler`() throws {
    let (bytes, messages) = try Recording.bulk()
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    try unsafe bytes.withUnsafeBytes { all in
      for place in messages { try unsafe reader.take(UnsafeRawBufferPointer(rebasing: all[place])) }
    }
    #expect(reader.counts.events == 101_993 && reader.counts.checkpoints == 3188)
    #expect(reader.counts.refused == 0 && reader.counts.links == 0)
    let truth = try JSONValue.parse(SharedEvents.bytes("kurrentdb/es-24.10.14/bulk.truth.json"))
    var types: [String: Int] = [:]
    var traces: Set<IdentifierKey> = []
    var failures: [String: Int] = [:]
    reader.batch.forEach { _, event in
      types[unsafe String(decoding: event.type, as: UTF8.self), default: 0] += 1
      if unsafe !event.correlationBytes.isEmpty { traces.insert(event.correlationKey) }
      if event.failure != .none {
        let service = unsafe String(decoding: event.service, as: UTF8.self)
        let handler = unsafe String(decoding: event.handler, as: UTF8.self)
        failures[service + "|" + handler, default: 0] += 1
      }
    }
    for type in truth["types"]?.members ?? [] { #expect(types[type.key] == type.value.int) }
    #expect(types.count == truth["types"]?.members?.count)
    #expect(traces.count == truth["traces"]?.int)
    for entry in truth["failures_by_service_handler"]?.members ?? [] {
      #expect(failures[entry.key] == entry.value.int)
    }
    #expect(failures.count == truth["failures_by_service_handler"]?.members?.count)
  }
}
