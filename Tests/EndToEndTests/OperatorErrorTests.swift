import Glibc
import Platform
import TestSupport
import Testing
import WireFormats

/// What an operator gets wrong, or the machine does: each a clear error that says what to do, exit code 2, nothing lost.
@Suite("Errors for operators") struct OperatorErrorTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("errors") }

  /// Runs a command that cannot do its work; returns what it said.
  @discardableResult
  func expectRefusal(_ arguments: [String], saying words: [String], input: [UInt8] = []) throws -> String {
    let result = try Clew.run(arguments, input: input, seconds: 60)
    #expect(result.exitCode == 2, "\(arguments): \(result.end) \(result.errorText)")
    for word in words { #expect(result.errorText.contains(word), "\(arguments) says: \(result.errorText)") }
    return result.errorText
  }

  @Test func `a configuration with mistakes is refused with every mistake and its line`() throws {
    let config = try directory.write(
      "clew.yaml",
      """
      data: \(directory.file("data"))
      lisen: 127.0.0.1:0
      live_window: soon
      retention:
        age: 7 parsecs
      """)
    let said = try expectRefusal(
      ["serve", "--config", config], saying: ["clew.yaml:2", "lisen", "clew.yaml:3", "clew.yaml:5"])
    #expect(said.contains("listen"), "the nearest key is suggested")
    try expectRefusal(["serve", "--config", config, "--check"], saying: ["clew.yaml:2"])
    try expectRefusal(["serve", "--config", directory.file("missing.yaml")], saying: ["missing.yaml"])
  }

  @Test func `an unknown source is refused`() throws {
    try expectRefusal(
      ["serve", "--data", directory.path, "--listen", "127.0.0.1:0", "--source", "gopher://x/y"], saying: ["gopher"])
    let wrong = try expectRefusal(
      [
        "serve", "--data", directory.path, "--listen", "127.0.0.1:0", "--source",
        "esdb://me:secret@host:2113?tsl=false",
      ],
      saying: ["no parameter", "tsl"])
    #expect(!wrong.contains("secret"))
    let said = try expectRefusal(
      ["serve", "--data", directory.path, "--listen", "127.0.0.1:0", "--source", "redis://user:secret@host:6379"],
      saying: ["redis"])
    #expect(!said.contains("secret"))
  }

  @Test func `a busy port and a second server on a directory are refused`() throws {
    let server = try ClewServer(directory.file("one"))
    let address = String(server.url.dropFirst(7))
    try expectRefusal(
      ["serve", "--data", directory.file("two"), "--listen", address], saying: ["another process listens", address])
    let said = try expectRefusal(
      ["serve", "--data", directory.file("one"), "--listen", "127.0.0.1:0"], saying: [directory.file("one")])
    #expect(said.contains("\(server.pid)"), "it says who has it: \(said)")
    try expectRefusal(
      ["import", "-", "--data", directory.file("one")], saying: [directory.file("one")],
      input: KillLoopTests.line(0))
    // Reading beside the server works.
    #expect(try Clew.run(["stats", "--data", directory.file("one")]).exitCode == 0)
    try server.stop()
  }

  @Test func `a directory that cannot be written is refused`() throws {
    try directory.write("plain", "a file")
    try expectRefusal(
      ["import", "-", "--data", directory.file("plain/data")], saying: ["plain"], input: KillLoopTests.line(0))
    try expectRefusal(["import", "-", "--data", "/proc/clew"], saying: ["/proc/clew"], input: KillLoopTests.line(0))
    try expectRefusal(["stats", "--data", directory.file("nothing-here")], saying: ["nothing-here"])
  }

  @Test func `a truncated gzip keeps what came before and says so`() throws {
    let whole = try ChildProcess.run("gzip", ["-c"], input: (0..<5000).flatMap { KillLoopTests.line($0) }).output
    let file = try directory.write("cut.ndjson.gz", Array(whole[0..<(whole.count / 2)]))
    let data = directory.file("data")
    try expectRefusal(["import", file, "--data", data], saying: ["cut.ndjson.gz", "cut off at byte", "kept"])
    let kept = try Clew.json(["stats", "--data", data, "--json"])["eventCount"]?.int ?? 0
    #expect(kept > 1000 && kept < 5000)
    let mended = try directory.write("whole.ndjson.gz", whole)
    _ = try Clew.output(["import", mended, "--data", data])
    #expect(try Clew.json(["stats", "--data", data, "--json"])["eventCount"]?.int == 5000)
    try expectRefusal(["import", directory.file("none.ndjson"), "--data", data], saying: ["none.ndjson"])
  }

  @Test func `listening beyond loopback needs a token, a client CA or an explicit word`() throws {
    try expectRefusal(
      ["serve", "--data", directory.path, "--listen", "0.0.0.0:0"], saying: ["--insecure"])
    let server = try ClewServer(directory.path, ["--listen", "0.0.0.0:0", "--insecure"])
    try server.stop()
  }

  @Test func `unknown commands and options are refused with the nearest one`() throws {
    try expectRefusal(["serv"], saying: ["serve"])
    try expectRefusal(["import", "-", "--dta", "x"], saying: ["--data"])
    for command in ["projections", "lint"] { try expectRefusal([command], saying: [command]) }
  }

  @Test func `a question without an answer ends with 1`() throws {
    _ = try Clew.output(["import", "-", "--data", directory.path], input: KillLoopTests.line(0))
    #expect(try Clew.run(["trace", "no-such-id", "--data", directory.path]).exitCode == 1)
    #expect(try Clew.run(["stream", "no-such-stream", "--data", directory.path]).exitCode == 1)
    #expect(try Clew.run(["search", "type:Nothing", "--data", directory.path]).exitCode == 1)
    try expectRefusal(["search", "duration>", "--data", directory.path], saying: ["column"])
  }
}
