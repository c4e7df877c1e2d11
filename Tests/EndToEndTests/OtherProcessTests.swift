import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// Commands that read the directory of a running server: each in a process of its own, while the server writes, seals,
/// merges and deletes.
@Suite("Readers in other processes", .serialized) struct OtherProcessTests {
  /// Events that are acknowledged before anybody asks.
  static let settled = 2_500
  private let directory: TemporaryDirectory
  private let data: String

  init() throws {
    directory = try TemporaryDirectory("other-processes")
    data = directory.file("data")
  }

  private func serve(_ environment: [String: String] = [:], settled: Int = settled) throws -> ClewServer {
    let server = try ClewServer(data, environment: ["CLEW_SEAL_EVENTS": "250"].merging(environment) { $1 })
    let body = (0..<settled).flatMap { KillLoopTests.line($0) }
    #expect(try server.postLines(body, linesEach: 500).accepted == settled)
    return server
  }

  /// Whole ones: what is still being written has another ending.
  private func segments() throws -> [String] {
    try Files.list(data).filter { $0.hasPrefix("seg-") && $0.hasSuffix(".db") }
  }

  /// Questions whose answers do not depend on later events: traces are whole after ten, times go by the number.
  private var questions: [[String]] {
    let until = "2026-01-01T00:00:00.\(100_000 + Self.settled)Z"
    let range = ["--since", "2026-01-01T00:00:00.100000Z", "--until", until, "--json"]
    return [
      ["trace", "trace-3", "--json", "--payload"], ["trace", "e-1234", "--json"], ["trace", "trace-249", "--json"],
      ["stream", "order-120", "--payload", "--json"],
      ["search", "type:Step3 data.number>1000", "--limit", "500"] + range,
      ["handlers"] + range, ["flow"] + range,
    ]
  }

  private func ask(_ question: [String]) throws -> [UInt8] { try Clew.output(question + ["--data", data]) }

  /// Events of one sender, numbered in the order of sending: all of them in this order, as many as may be there.
  private func expectAll(_ exported: [[UInt8]], _ sender: EventSender, atLeast: Int) throws {
    #expect(
      exported.count >= atLeast && exported.count <= sender.sent, "\(exported.count) of \(atLeast)…\(sender.sent)")
    for (number, line) in exported.enumerated() {
      try #require(line.starts(with: Array("{\"id\":\"e-\(number)\",".utf8)), "event \(number)")
    }
  }

  @Test func `they give the same answers while a server writes, seals and merges`() throws {
    let server = try serve()
    let expected = try questions.map(ask)
    let export = try Clew.lines(["export", "events", "--data", data])
    try #require(export.count == Self.settled && expected.allSatisfy { $0.count > 100 })
    let sender = EventSender(server, from: Self.settled)
    var merged: Set<String> = []
    var rounds = 0
    let deadline = Instant.now.advanced(bySeconds: 90)
    while (merged.count < 3 || rounds < 4) && Instant.now < deadline {
      for (question, answer) in zip(questions, expected) {
        #expect(try ask(question) == answer, "\(question.joined(separator: " "))")
      }
      let acknowledged = sender.acknowledged
      let exported = try Clew.lines(["export", "events", "--data", data])
      try expectAll(exported, sender, atLeast: acknowledged)
      #expect(exported.prefix(Self.settled) == export[...])
      let verified = try Clew.run(["verify", data, "--json"])
      #expect(verified.exitCode == 0, "\(verified.outputText) \(verified.errorText)")
      #expect(try JSONValue.parse(verified.output)["eventCount"]?.int ?? 0 >= acknowledged)
      let stats = try Clew.json(["stats", "--json", "--data", data])
      #expect((acknowledged...sender.sent).contains(stats["eventCount"]?.int ?? -1))
      merged.formUnion(try segments().filter { !$0.hasPrefix("seg-0-") })
      try inspectAll()
      rounds += 1
    }
    #expect(merged.count >= 3 && rounds >= 4, "\(merged.count) merges in \(rounds) rounds")
    #expect(sender.stop() == nil)
    try server.stop()
    try expectAll(try Clew.lines(["export", "events", "--data", data]), sender, atLeast: sender.acknowledged)
  }

  /// Every segment that is there now is sound, or was merged meanwhile.
  private func inspectAll() throws {
    for name in try segments() {
      let inspected = try Clew.run(["inspect", data + "/" + name])
      if inspected.exitCode == 0 { continue }
      #expect(inspected.exitCode == 2 && inspected.errorText.contains(name), "\(name): \(inspected.errorText)")
      #expect(!Files.exists(data + "/" + name), "\(name): \(inspected.outputText) \(inspected.errorText)")
    }
  }

  @Test func `one that began before a merge reads on to its end when its files are gone`() throws {
    // Fewer than a merge takes, 8 times 250: the first one comes once the sender is at work, and takes all of these. What
    // was merged before would stay for good.
    let settled = 1_500
    let server = try serve(settled: settled)
    try #require(eventually(within: 30) { try !segments().isEmpty })
    let before = try segments()
    let slow = try SlowExport(data)
    try #require(slow.begins(), "\(slow.process.errorText)")
    // It stops at some time: a server that is always behind with sealing would not merge.
    let sender = EventSender(server, from: settled, upTo: 4_000)
    #expect(eventually(within: 90) { Set(before).isDisjoint(with: (try? segments()) ?? before) }, "\(before)")
    #expect(try segments().contains { !$0.hasPrefix("seg-0-") })
    let exported = try slow.finish()
    try expectAll(exported, sender, atLeast: settled)
    for (number, line) in exported.enumerated() { try #require(line == KillLoopTests.line(number).dropLast()) }
    #expect(sender.stop() == nil)
    try server.stop()
  }

  @Test func `what retention deletes is answered whole, or named as missing`() throws {
    let server = try serve(["CLEW_RETENTION_SIZE": "300KB"])
    let question = ["trace", "trace-3", "--json"]
    let whole = try JSONValue.parse(ask(question))["events"]?.array?.count
    try #require(whole == 10)
    let slow = try SlowExport(data)
    try #require(slow.begins(), "\(slow.process.errorText)")
    let sender = EventSender(server, from: Self.settled)
    let isGone = try eventually(within: 90) {
      let answer = try Clew.run(question + ["--data", data])
      let isWhole = try answer.exitCode == 0 && JSONValue.parse(answer.output)["events"]?.array?.count == whole
      if !isWhole {
        #expect(
          answer.outputText.contains("dropped-by-retention") || answer.errorText.contains("retention"),
          "\(answer.exitCode) \(answer.outputText) \(answer.errorText)")
      }
      return !isWhole
    }
    #expect(isGone)
    // What was there when it began is there to its end.
    try expectAll(try slow.finish(), sender, atLeast: Self.settled)
    #expect(sender.stop() == nil)
    let rest = try Clew.lines(["export", "events", "--data", data])
    let first = try #require(rest.first.flatMap { try? JSONValue.parse($0)["data"]?["number"]?.int })
    #expect(first > 39)
    for (offset, line) in rest.enumerated() {
      try #require(line.starts(with: Array("{\"id\":\"e-\(first + offset)\",".utf8)))
    }
    let verified = try Clew.run(["verify", data])
    #expect(verified.exitCode == 0, "\(verified.outputText) \(verified.errorText)")
    try server.stop()
  }

  @Test func `a second writer is refused, and reading goes on after the server was killed`() throws {
    let server = try serve()
    let expected = try questions.map(ask)
    for command in [["import", "-", "--data", data], ["repair", data], ["serve", "--data", data]] {
      let refused = try Clew.run(command)
      #expect(refused.exitCode == 2)
      #expect(
        refused.errorText.contains("in use") && refused.errorText.contains("\(server.pid)"), "\(refused.errorText)")
    }
    server.killHard()
    for (question, answer) in zip(questions, expected) { #expect(try ask(question) == answer) }
    #expect(try Clew.run(["verify", data]).exitCode == 0)
    #expect(try Clew.lines(["export", "events", "--data", data]).count == Self.settled)
  }
}

/// Posts numbered events, 50 at a time, until it is stopped.
private final class EventSender: Sendable {
  private struct State {
    var acknowledged: Int
    var sent: Int
    var isStopped = false
    var failure: String?
  }

  private let state: Locked<State>
  private let thread: WorkerThread

  /// - Parameter end: so many events are there when it is through; without, it goes on until it is stopped.
  init(_ server: ClewServer, from first: Int, upTo end: Int = .max) {
    let state = Locked(State(acknowledged: first, sent: first))
    self.state = state
    thread = WorkerThread(name: "sender") {
      var next = first
      while next < end && !state.withLock({ $0.isStopped }) {
        let range = next..<(next + 50)
        state.withLock { $0.sent = range.upperBound }
        do {
          let answer = try server.post("/api/v1/events", range.flatMap { KillLoopTests.line($0) })
          if answer.status != 200 { throw TestSupportError("\(answer.status) \(answer.text)") }
        } catch { return state.withLock { $0.failure = "\(error)" } }
        next = range.upperBound
        state.withLock { $0.acknowledged = range.upperBound }
      }
    }
  }

  deinit { _ = stop() }

  /// Events up to this number are stored.
  var acknowledged: Int { state.withLock { $0.acknowledged } }
  /// No event from this number on is stored.
  var sent: Int { state.withLock { $0.sent } }

  /// - Returns: what the server did not take; nil if it took all.
  func stop() -> String? {
    state.withLock { $0.isStopped = true }
    thread.join()
    return state.withLock { $0.failure }
  }
}

/// `clew export events` whose output is not taken beyond its first line until the test says so: it has opened the store
/// and waits, because a pipe holds little.
private struct SlowExport {
  let process: ChildProcess

  init(_ data: String) throws {
    process = try ChildProcess(
      "sh",
      [
        "-c",
        """
        exec 3<&0
        { "$CLEW" export events --data "$DATA"; echo "export ended with $?" >&2; } |
          { IFS= read -r line; printf '%s\\n' "$line"; read go <&3; cat; }
        """,
      ], environment: ["CLEW": Clew.path(), "DATA": data])
  }

  func begins() -> Bool { process.waitForOutput("\n") && !process.errorText.contains("ended") }

  func finish() throws -> [[UInt8]] {
    #expect(!process.errorText.contains("ended"), "it is in the middle")
    process.write("go\n")
    #expect(process.wait(seconds: 60) == .exited(0))
    #expect(process.errorText == "export ended with 0\n")
    return splitLines(process.output)
  }
}
