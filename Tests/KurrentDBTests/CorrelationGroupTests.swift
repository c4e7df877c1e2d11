import EventModel
import EventSource
import TestSupport
import Testing
import TraceStore

@testable import KurrentDBSource

/// Clew's traces beside the streams that the server's own projection `$by_correlation_id` makes.
@Suite(.enabled(if: TestSupport.hasSharedData, "needs the shared data"))
struct CorrelationGroupTests {
  private struct Groups {
    /// Events by revision and stream, as links spell them.
    var ids: [String: IdentifierKey] = [:]
    /// Of `$bc-` streams: their name and what each of their links points at.
    var links: [(name: String, target: String)] = []

    mutating func add(_ message: [UInt8]) throws {
      guard let event = try LogIdentity.response(message).event?.event else { return }
      func text(_ range: Range<Int>) -> String { String(decoding: message[range], as: UTF8.self) }
      let stream = text(event.stream)
      ids["\(event.revision ?? 0)@\(stream)"] = event.id
      if text(event.type) == "$>", stream.hasPrefix("$bc-") {
        links.append((String(stream.dropFirst(4)), text(event.data)))
      }
    }
  }

  @Test(arguments: ["es-23.10.8", "es-24.10.14", "kdb-26.1.0"])
  func `a trace holds what the server links under its id, and what it links under another spelling of it`(
    _ server: String
  ) throws {
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    var groups = Groups()
    for call in try Recording.named("read-all-forwards", server: server).calls() where call.isRead {
      for message in call.received {
        try groups.add(message.bytes)
        try unsafe message.bytes.withUnsafeBytes { unsafe try reader.take($0) }
      }
    }
    let store = MemoryTraceStore()
    _ = try store.append([
      SourceBatch(source: "s", events: reader.takeBatch().events, identity: .position, durability: .process)
    ])
    var wanted: [Identifier: Set<IdentifierKey>] = [:]
    var spellings: [Identifier: Set<String>] = [:]
    for link in groups.links {
      let trace = try #require(Identifier(link.name))
      // The server links events that it deleted since, too.
      guard let id = groups.ids[link.target] else { continue }
      wanted[trace, default: []].insert(id)
      spellings[trace, default: []].insert(link.name)
    }
    #expect(wanted.count > 50)
    #expect(spellings.values.contains { $0.count >= 3 }, "upper case, without dashes and in braces are one trace")
    for (trace, ids) in wanted {
      let found = Set(try store.trace(trace).records.map(\.id.key))
      #expect(found.isSuperset(of: ids), "\(trace): \(ids.subtracting(found)) are missing")
      // Where all spell it alike, and with the server's own key, nothing else belongs to it.
      if spellings[trace]?.count == 1 { #expect(found == ids, "\(trace): \(found.subtracting(ids)) more") }
    }
  }
}
