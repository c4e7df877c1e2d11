import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// The real binary, killed with SIGKILL at random moments under load.
@Suite("Kill loop", .serialized) struct KillLoopTests {
  static func line(_ number: Int) -> [UInt8] {
    let trace = number / 10
    let cause = number % 10 == 0 ? "" : #""$causationId":"e-\#(number - 1)","#
    return Array(
      """
      {"id":"e-\(number)","stream":"order-\(trace)","type":"Step\(number % 10)","created":"2026-01-01T00:00:00.\
      \(100_000 + number % 800_000)Z","data":{"number":\(number),"text":"\(String(repeating: "x", count: number % 300))"},\
      "metadata":{\(cause)"$correlationId":"trace-\(trace)","service":"shop","handler":"step-\(number % 10)"}}\n
      """.utf8)
  }

  /// Every event up to `acknowledged` is there once; later ones may be there, once.
  func expectWhole(_ directory: String, acknowledged: Int) throws {
    var seen: Set<String> = []
    for line in try Clew.lines(["export", "events", "--data", directory]) {
      let id = try #require(JSONValue.parse(line)["id"]?.string)
      #expect(seen.insert(id).inserted, "\(id) is there twice")
    }
    let missing = (0..<acknowledged).filter { !seen.contains("e-\($0)") }
    #expect(missing.isEmpty, "\(missing.count) acknowledged events are missing, first \(missing.first ?? -1)")
  }

  @Test func `20 kills under HTTP load lose nothing that was acknowledged and store nothing twice`() throws {
    let directory = try TemporaryDirectory("kill-http")
    var random = SeededRandom(seed: 4711)
    var next = 0
    var readySeconds: [Double] = []
    for round in 0..<20 {
      let started = Instant.now
      // Small segments, so that kills fall into sealing too.
      let server = try ClewServer(directory.path, environment: ["CLEW_SEAL_EVENTS": "700"])
      readySeconds.append(Instant.now.seconds(since: started))
      let acknowledged = Locked(next)
      let stop = Locked(false)
      let sender = WorkerThread(name: "sender") { [start = next] in
        var at = start
        while !stop.withLock({ $0 }) {
          let body = (at..<(at + 50)).flatMap { Self.line($0) }
          guard let answer = try? server.post("/api/v1/events", body), answer.status == 200 else { return }
          at += 50
          acknowledged.withLock { $0 = at }
        }
      }
      let target = next + Int.random(in: 50...1500, using: &random)
      let reached = eventually(within: 60) { acknowledged.withLock { $0 } >= target }
      #expect(reached, "round \(round)")
      server.killHard()
      stop.withLock { $0 = true }
      sender.join()
      next = acknowledged.withLock { $0 }
      if round % 5 == 4 { try expectWhole(directory.path, acknowledged: next) }
      // The sender does not know what became of its last request, and sends it again in the next round.
    }
    try expectWhole(directory.path, acknowledged: next)
    let verify = try Clew.run(["verify", "--data", directory.path])
    #expect(verify.exitCode == 0, "\(verify.outputText) \(verify.errorText)")
    print("time until ready after SIGKILL: median \(readySeconds.sorted()[10]) s, most \(readySeconds.max() ?? 0) s")
  }

  @Test func `15 kills in the middle of imports, and one whole import, store everything once`() throws {
    let directory = try TemporaryDirectory("kill-import")
    let total = 12_000
    let file = try directory.write("events.ndjson", (0..<total).flatMap { Self.line($0) })
    let data = directory.file("data")
    var random = SeededRandom(seed: 99)
    for _ in 0..<15 {
      let child = try ChildProcess(
        Clew.path(), ["import", file, "--data", data], environment: ["CLEW_SEAL_EVENTS": "1500"])
      let microseconds = Int.random(in: 0...800_000, using: &random)
      let until = Instant.now.advanced(bySeconds: Double(microseconds) / 1e6)
      _ = eventually(within: 2) { !child.isRunning || Instant.now > until }
      child.kill(SIGKILL)
      _ = child.wait()
    }
    let counts = try Clew.json(["import", file, "--data", data, "--json"])
    #expect((counts["accepted"]?.int ?? 0) + (counts["duplicate"]?.int ?? 0) == total)
    try expectWhole(data, acknowledged: total)
    let stats = try Clew.json(["stats", "--data", data, "--json"])
    #expect(stats["eventCount"]?.int == total)
    #expect(stats["traceCount"]?.int == total / 10)
    #expect(try Clew.run(["verify", "--data", data]).exitCode == 0)
  }

  @Test func `SIGTERM under load ends in order and loses nothing`() throws {
    let directory = try TemporaryDirectory("terminate")
    let server = try ClewServer(directory.path)
    let acknowledged = Locked(0)
    let sender = WorkerThread(name: "sender") {
      for start in stride(from: 0, to: 1_000_000, by: 20) {
        guard let answer = try? server.post("/api/v1/events", (start..<(start + 20)).flatMap { Self.line($0) }),
          answer.status == 200
        else { return }
        acknowledged.withLock { $0 = start + 20 }
      }
    }
    #expect(eventually(within: 30) { acknowledged.withLock { $0 } > 500 })
    try server.stop()
    sender.join()
    try expectWhole(directory.path, acknowledged: acknowledged.withLock { $0 })
  }

  @Test func `a followed file survives kills and rotation`() throws {
    let directory = try TemporaryDirectory("kill-follow")
    let log = directory.file("events.ndjson")
    let data = directory.file("data")
    let source = ["--source", "file://\(log)?follow=true&name=shop"]
    var written = 0
    func append(_ count: Int) throws {
      let file = try FileDescriptor.open(log, O_WRONLY | O_CREAT | O_APPEND)
      try file.write((written..<(written + count)).flatMap { Self.line($0) })
      file.close()
      written += count
    }
    try append(100)
    for round in 0..<6 {
      let server = try ClewServer(data, source)
      try append(200)
      if round == 2 {
        #expect(eventually(within: 30) { (try? server.json("/api/v1/stats")["eventCount"]?.int) == written })
        try Files.rename(log, to: log + ".1")
        try append(50)
      }
      #expect(eventually(within: 30) { (try? server.json("/api/v1/stats")["eventCount"]?.int) == written })
      server.killHard()
    }
    try expectWhole(data, acknowledged: written)
    #expect(try Clew.json(["stats", "--data", data, "--json"])["eventCount"]?.int == written)
  }
}
