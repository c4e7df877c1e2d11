import Compression
import EventModel
import EventSource
import TestSupport
import Testing
import WireFormats

@testable import KurrentDBSource

/// Python's protobuf, by the schema of this source, sees in every recorded answer what our decoder sees.
@Suite(
  .enabled(if: TestSupport.hasSharedData, "needs the shared data"),
  .enabled(if: TestSupport.hasProgram("protoc"), "needs protoc: .ci/install-packages test"))
struct OracleTests {
  @Test func `Python's protobuf sees what we see, in every message of every recording`() throws {
    let directory = try TemporaryDirectory("oracle")
    let schema = TestSupport.packageRoot + "/Sources/KurrentDBSource"
    let compiled = try ChildProcess.run(
      "protoc", ["-I", schema, "--python_out", directory.path, schema + "/kurrentdb.proto"])
    #expect(compiled.end == .exited(0), "\(compiled.errorText)")
    var body: [UInt8] = []
    var ours: [String] = []
    for recording in Recording.all {
      for call in try recording.calls() where call.isRead {
        for message in call.received {
          let bytes = try RecordingTests.plain(message)
          body += Self.frame(bytes)
          ours.append(try Self.line(bytes))
        }
      }
    }
    // Of the bulk a tenth: the decoder of the test is slow, and the messages are alike.
    let bulk = try Recording.bulk()
    for (index, place) in bulk.messages.enumerated() where index % 10 == 0 {
      body += Self.frame(Array(bulk.bytes[place]))
      ours.append(try Self.line(Array(bulk.bytes[place])))
    }
    let file = try directory.write("messages", body)
    let program = TestSupport.packageRoot + "/Tests/KurrentDBTests/Programs/oracle.py"
    let result = try ChildProcess.run("/usr/bin/python3", [program, directory.path, file])
    #expect(result.end == .exited(0), "\(result.errorText)")
    let theirs = result.outputText.split(separator: "\n").map(String.init)
    #expect(theirs.count == ours.count && ours.count > 100_000 / 2)
    let different = zip(ours, theirs).filter { $0 != $1 }
    #expect(different.isEmpty, "\(different.count) differ, the first: \(String(describing: different.first))")
  }

  private static func frame(_ message: [UInt8]) -> [UInt8] {
    [0] + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: message.count >> $0) } + message
  }

  // MARK: Our view, in the words of the oracle

  private static func line(_ message: [UInt8]) throws -> String {
    let response = try LogIdentity.response(message)
    func text() -> String { String(decoding: message[response.text], as: UTF8.self) }
    func place() -> String { response.position.map { "\($0.major)/\($0.minor)" } ?? "-" }
    let moment = response.timestamp.map { String($0.nanoseconds) } ?? "-"
    switch response.content {
    case .event:
      let commit = response.commitPosition.map(String.init) ?? "-"
      return "event \(commit) [\(record(response.event, message))] [\(record(response.link, message))]"
    case .confirmation: return "confirmation " + text()
    case .checkpoint: return "checkpoint \(place()) \(moment)"
    case .caughtUp, .fellBehind:
      let name = response.content == .caughtUp ? "caughtUp" : "fellBehind"
      return "\(name) \(place()) \(moment) \(response.revision.map(String.init) ?? "-")"
    case .streamNotFound: return "streamNotFound " + blob(message[response.text])
    case .firstStreamPosition: return "firstStreamPosition \(UInt64(bitPattern: response.revision ?? 0))"
    case .lastStreamPosition: return "lastStreamPosition \(UInt64(bitPattern: response.revision ?? 0))"
    case .lastAllStreamPosition: return "lastAllStreamPosition \(place())"
    case .unknown: return "unknown"
    }
  }

  private static func blob(_ bytes: ArraySlice<UInt8>) -> String {
    let sum = unsafe bytes.withUnsafeBytes { unsafe CRC32.checksum($0) }
    return "\(bytes.count):" + hex(UInt64(sum), digits: 8)
  }

  private static func hex(_ value: UInt64, digits: Int) -> String {
    let text = String(value, radix: 16)
    return String(repeating: "0", count: max(0, digits - text.count)) + text
  }

  private static func record(_ record: ReadResponse.Record?, _ message: [UInt8]) -> String {
    guard let record else { return "-" }
    let event = record.event
    // Ticks of 100 ns, as the server wrote them.
    let created = record.created == .read ? String(event.created.nanoseconds / 100) : "-"
    return [
      record.identity == .absent ? "-" : hex(event.id.high, digits: 16) + hex(event.id.low, digits: 16),
      blob(message[event.stream]), String(record.streamRevision), "\(event.position.major)/\(event.position.minor)",
      blob(message[event.type]), created, event.dataIsJSON ? "json" : "bytes", blob(message[event.metadata]),
      blob(message[event.data]),
    ].joined(separator: " ")
  }
}
