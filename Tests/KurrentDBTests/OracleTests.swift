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

  /// The services beside the reads: what is asked, and our view of the answers.
  private static let services: [(name: String, methods: [String], lines: @Sendable ([UInt8]) throws -> [String])] = [
    ("groups", ["PersistentSubscriptions/List", "PersistentSubscriptions/GetInfo"], groups),
    ("projections", ["Projections/Statistics"], projections), ("members", ["Gossip/Read"], members),
    ("features", ["ServerFeatures/GetSupportedMethods"], features),
  ]

  @Test func `Python's protobuf sees what we see, in every recorded answer of the other services`() throws {
    let directory = try TemporaryDirectory("oracle")
    let schema = TestSupport.packageRoot + "/Sources/KurrentDBSource"
    let compiled = try ChildProcess.run(
      "protoc", ["-I", schema, "--python_out", directory.path, schema + "/kurrentdb.proto"])
    #expect(compiled.end == .exited(0), "\(compiled.errorText)")
    var bodies: [String: [UInt8]] = [:]
    var ours: [String: [String]] = [:]
    for recording in Recording.all {
      for call in try recording.calls() {
        let asked = Self.services.first { service in service.methods.contains(where: call.path.hasSuffix) }
        guard let service = asked else { continue }
        for message in call.received {
          let bytes = try RecordingTests.plain(message)
          bodies[service.name, default: []] += Self.frame(bytes)
          ours[service.name, default: []] += try service.lines(bytes)
        }
      }
    }
    let program = TestSupport.packageRoot + "/Tests/KurrentDBTests/Programs/oracle.py"
    for service in Self.services {
      let file = try directory.write("answers.\(service.name)", bodies[service.name] ?? [])
      let result = try ChildProcess.run("/usr/bin/python3", [program, directory.path, file])
      #expect(result.end == .exited(0), "\(result.errorText)")
      let theirs = result.outputText.split(separator: "\n").map(String.init)
      let own = ours[service.name] ?? []
      #expect(theirs.count == own.count && own.count > 3, "\(service.name)")
      let different = zip(own, theirs).filter { $0 != $1 }
      #expect(different.isEmpty, "\(different.count) differ, the first: \(String(describing: different.first))")
    }
  }

  private static func place(_ place: ReaderProgress.Place?) -> String {
    switch place {
    case .log(let position)?: "\(position.major)/\(position.minor)"
    case .streams(let streams)? where streams.count == 1: "\(streams[0].stream)@\(streams[0].revision)"
    default: "-"
    }
  }

  private static func text(_ text: String) -> String { blob(Array(text.utf8)[...]) }

  private static func groups(_ message: [UInt8]) throws -> [String] {
    try ServiceReports.groups(message).map { group in
      "group \(text(group.reads ?? "")) \(text(group.name)) \(text(group.conditionText)) \(group.connections ?? -1) "
        + "\(group.parked ?? -1) \(group.inFlight ?? -1) \(place(group.checkpoint)) \(place(group.processed))"
    }
  }

  private static func projections(_ message: [UInt8]) throws -> [String] {
    guard let projection = try ServiceReports.projection(message) else { return [] }
    // Places in streams are told by more than one word, which is not the oracle's matter.
    func log(_ found: ReaderProgress.Place?) -> String { if case .log? = found { place(found) } else { "-" } }
    return [
      "projection \(text(projection.name)) \(text(projection.conditionText)) \(text(projection.reason)) "
        + "\(log(projection.processed)) \(log(projection.checkpoint))"
    ]
  }

  private static func members(_ message: [UInt8]) throws -> [String] {
    try ClusterMember.read(message).map { member in
      "member \(member.host.text) \(member.state?.rawValue ?? -1) \(member.isAlive ? "True" : "False")"
    }
  }

  private static func features(_ message: [UInt8]) throws -> [String] {
    let features = try ServerFeatures.read(message)
    return ["version \(features.version)"] + features.methods.map { "method \($0)" }
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
