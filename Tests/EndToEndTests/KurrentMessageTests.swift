import Platform
import TestSupport
import Testing
import WireFormats

/// The built program takes messages as servers and networks may send them: packed, in pieces, as large as may be.
@Suite(.serialized) struct KurrentMessageTests {
  @Test(arguments: ["offered", "mixed", "always"])
  func `packed messages are the same events, and packing is offered only when it is wanted`(_ mode: String) throws {
    let expected = try KurrentClew.calmExport()
    let directory = try TemporaryDirectory("gzip")
    let server = try KurrentServer()
    try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall)
    try server.command(#"{"do":"behave","gzip":"\#(mode)"}"#)
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server, "&gzip=true")])
    #expect(clew.hasStored(splitLines(expected).count, within: 60))
    try clew.stop()
    #expect(try Clew.output(["export", "events", "--data", directory.path]) == expected)
    #expect(try server.calls("Streams/Read").allSatisfy { $0["headers"]?["grpc-accept-encoding"] != nil })

    let plain = try TemporaryDirectory("no-gzip")
    let before = try server.counter("calls")
    let usual = try ClewServer(plain.path, ["--source", KurrentClew.url(server)])
    #expect(usual.hasStored(splitLines(expected).count, within: 60))
    try usual.stop()
    let calls = try server.calls("Streams/Read").filter { ($0["number"]?.int ?? 0) > before }
    #expect(!calls.isEmpty && calls.allSatisfy { $0["headers"]?["grpc-accept-encoding"] == nil })
  }

  @Test func `messages that are cut at every byte are the same events, also when they are packed`() throws {
    let expected = try KurrentClew.calmExport()
    for (mode, parameter) in [("off", ""), ("offered", "&gzip=true")] {
      let directory = try TemporaryDirectory("pieces")
      let server = try KurrentServer()
      try server.load(KurrentClew.fixture, call: KurrentClew.fixtureCall)
      try server.command(#"{"do":"behave","frameBytes":1,"gzip":"\#(mode)"}"#)
      let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server, parameter)])
      #expect(clew.hasStored(splitLines(expected).count, within: 120))
      try clew.stop()
      #expect(try Clew.output(["export", "events", "--data", directory.path]) == expected)
    }
  }

  @Test(arguments: ["off", "offered"])
  func `an event of 16 MiB is stored, a larger one is refused alone, and a message beyond that is not taken`(
    _ mode: String
  ) throws {
    let directory = try TemporaryDirectory("large")
    let server = try KurrentServer()
    try server.command(#"{"do":"behave","gzip":"\#(mode)"}"#)
    let largest = 16 << 20
    // Clew takes 16 MiB and 64 KiB by default; the message would still be one of a server.
    let beyond = largest + 100_000
    let sizes = [100, largest, 200, beyond, 300]
    for (index, size) in sizes.enumerated() {
      let id = "00000000-0000-4000-8000-00000000000\(index)"
      try server.command(
        #"{"do":"append","events":[{"stream":"big-1","type":"Big\#(index)","id":"\#(id)","dataBytes":\#(size)}]}"#)
    }
    // More than any event store may send: the call ends before it is collected, and the next one goes on.
    try server.fault("announced", after: 2, more: #""bytes":17825793,"onlySubscriptions":true"#)
    let clew = try ClewServer(directory.path, ["--source", KurrentClew.url(server, "&gzip=\(mode == "offered")")])
    #expect(clew.hasStored(sizes.count - 1, within: 120), "\(clew.said)")
    #expect(eventually(within: 30) { (try? clew.sourceState) == "live" })
    #expect(try server.counter("faults") == 1)
    #expect(try clew.source["refused"]?.int == 1, "\(clew.said)")
    #expect(clew.process.errorText.contains("17825793 bytes"), "\(clew.process.errorText)")
    try clew.stop()
    let stored = try Clew.lines(["export", "events", "--data", directory.path]).map { try JSONValue.parse($0) }
    #expect(stored.map { $0["type"]?.string } == ["Big0", "Big1", "Big2", "Big4"])
    #expect(stored.map { ($0["data"]?.string?.utf8.count ?? 0) + 2 } == [100, largest, 200, 300])
  }

  @Test(.enabled(if: TestSupport.hasProgram("protoc"), "needs protoc: .ci/install-packages test"))
  func `a server made with Google's own library is followed, also after it was killed`() throws {
    // It does not filter.
    let expected = try KurrentClew.calmExport("&filter=none")
    let directory = try TemporaryDirectory("grpcio")
    let events = try KurrentClew.fixtureMessages().filter { $0.first == 0x0a }
    let store = try PythonStore(events)
    store.command("show 40")
    store.command("fail 10 Operation timed out: Consumer too slow to handle event while live.")
    let clew = try ClewServer(
      directory.path, ["--source", "kurrentdb://127.0.0.1:\(store.port)?tls=false&name=shop&filter=none"])
    #expect(eventually(within: 60) { (try? clew.sourceState) == "live" })
    #expect(try clew.eventCount > 0)
    clew.killHard()
    store.command("show \(events.count)")
    let again = try ClewServer(
      directory.path, ["--source", "kurrentdb://127.0.0.1:\(store.port)?tls=false&name=shop&filter=none"])
    #expect(again.hasStored(splitLines(expected).count, within: 60))
    try again.stop()
    #expect(try Clew.output(["export", "events", "--data", directory.path]) == expected)
  }
}
