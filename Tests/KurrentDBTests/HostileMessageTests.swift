import EventModel
import EventSource
import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

/// Messages that no server sends: the decoder answers with an error or an event, and never stops the process.
@Suite(.enabled(if: TestSupport.hasSharedData, "needs the shared data"))
struct HostileMessageTests {
  private func take(_ message: [UInt8]) {
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    unsafe message.withUnsafeBytes { bytes in try? unsafe reader.take(bytes) }
  }

  @Test func `every prefix of a message, and every single bit of it turned, is read or refused`() throws {
    var seen: Set<String> = []
    for recording in Recording.all where recording.server == "kdb-26.1.0" || recording.name == "odd-events" {
      for call in try recording.calls() where call.isRead {
        for message in call.received where message.bytes.count < 1500 {
          let kind = "\((try? LogIdentity.response(message.bytes))?.content ?? .unknown)"
          // A few of each kind: each costs its length times eight.
          guard seen.filter({ $0.hasPrefix(kind) }).count < 4 else { continue }
          seen.insert(kind + "\(seen.count)")
          for end in 0..<message.bytes.count { take(Array(message.bytes[..<end])) }
          for bit in 0..<(message.bytes.count * 8) {
            var turned = message.bytes
            turned[bit / 8] ^= 1 << UInt8(bit % 8)
            take(turned)
          }
        }
      }
    }
    #expect(seen.count >= 8)
  }

  /// An event as a server would send it, with the given parts.
  private func event(
    id: [UInt8]? = nil, stream: [UInt8] = Array("s".utf8), type: [UInt8] = Array("T".utf8),
    created: String = "17954222510860314", position: UInt64 = 100, metadata: String = ""
  ) -> [UInt8] {
    var response = ProtobufWriter()
    response.put(1) { read in
      read.put(1) { event in
        event.put(1) { uuid in
          if let id {
            uuid.put(2, bytes: id)
          } else {
            uuid.put(1) { structured in
              structured.put(1, varint: 1)
              structured.put(2, varint: 2)
            }
          }
        }
        event.put(2) { $0.put(3, bytes: stream) }
        event.put(4, varint: position)
        event.put(5, varint: position)
        for (key, value) in [("type", type), ("created", Array(created.utf8))] {
          event.put(6) { entry in
            entry.put(1, text: key)
            entry.put(2, bytes: value)
          }
        }
        event.put(7, bytes: Array(metadata.utf8))
      }
      read.put(3, varint: position)
    }
    return response.bytes
  }

  private func read(_ message: [UInt8]) throws -> SubscriptionReader {
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    try unsafe message.withUnsafeBytes { unsafe try reader.take($0) }
    return reader
  }

  @Test func `an odd event is refused alone, with its position, and the place goes on behind it`() throws {
    let odd: [([UInt8], String)] = [
      (event(id: Array("no uuid".utf8)), "no UUID"), (event(id: Array("".utf8)), "no id"),
      (event(type: []), "type is empty"), (event(stream: [0xff, 0xfe]), "not UTF-8"),
      (event(type: Array(repeating: 0x41, count: 9000)), "8192"), (event(created: "yesterday"), "created"),
      (event(created: "99999999999999999999"), "years"), (event(created: ""), "created"),
      (event(metadata: #"{"$correlationId":"\#(String(repeating: "x", count: 300))"}"#), "correlation id"),
    ]
    for (message, word) in odd {
      let reader = try read(message)
      #expect(reader.counts.refused == 1 && reader.batch.isEmpty)
      #expect(reader.refusals.first?.reason.contains("position 100") == true)
      #expect(reader.refusals.first?.reason.contains(word) == true, "\(reader.refusals)")
      #expect(reader.resume == SourcePosition(major: 100, minor: 100))
    }
    #expect(try read(event(metadata: "not JSON")).counts.events == 1)
    #expect(try read(event(metadata: "[1,2]")).counts.events == 1)
    #expect(try read(event(metadata: #"{"$correlationId":{"a":1}}"#)).counts.events == 1)
    #expect(try read(event(type: Array("$>".utf8))).counts.links == 1)
  }

  @Test func `events without a position, and the unknown one, end the subscription`() {
    #expect(throws: SubscriptionEnd.self) { try read(event(position: .max)) }
    #expect(throws: SubscriptionEnd.self) { try read([0x0a, 0x00]) }
    #expect(throws: SubscriptionEnd.self) { try read([0xff, 0xff]) }
  }
}
