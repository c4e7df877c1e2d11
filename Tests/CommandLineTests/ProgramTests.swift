import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

@testable import clew

/// The built program, run as a person would.
@Suite("The program", .serialized) struct ProgramTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("program") }

  func clew(
    _ arguments: [String], environment: [String: String] = [:], input: String = "", seconds: Double = 60
  ) throws -> ChildProcess.Result {
    let path = try #require(TestSupport.builtProgram("clew"))
    return try ChildProcess.run(
      path, arguments, environment: environment, input: Array(input.utf8), seconds: seconds)
  }

  static func line(_ number: Int, type: String = "Happened") -> String {
    """
    {"id":"e-\(number)","stream":"s-1","type":"\(type)","created":"2026-01-31T12:00:0\(number % 10).5Z",\
    "data":{"n":\(number)},"metadata":{"$correlationId":"t-1"\(number == 0 ? "" : ",\"$causationId\":\"e-0\""),\
    "service":"shop","handler":"h"}}

    """
  }

  @Test func `help, version, completions and the manual go to standard output and end with 0`() throws {
    for arguments in [["--help"], ["--version"], ["completions", "zsh"], ["man"], ["trace", "--help"], []] {
      let result = try clew(arguments)
      #expect(result.exitCode == 0 && !result.output.isEmpty && result.errorOutput.isEmpty, "\(arguments)")
    }
  }

  @Test func `what cannot be answered ends with 2 and says why on standard error only`() throws {
    for arguments in [["trace"], ["serv"], ["--what"], ["stats", "--data", directory.file("none")], ["lint"]] {
      let result = try clew(arguments)
      #expect(result.exitCode == 2 && result.output.isEmpty && !result.errorOutput.isEmpty, "\(arguments)")
    }
    let absent = try clew(["stats", "--server", "http://127.0.0.1:1"])
    #expect(absent.exitCode == 2 && absent.errorText.contains("127.0.0.1:1"))
  }

  @Test func `a reader that goes away is no error`() throws {
    let path = try #require(TestSupport.builtProgram("clew"))
    let shell = try ChildProcess.run("bash", ["-c", "'\(path)' man | true; echo ${PIPESTATUS[0]}"])
    #expect(shell.outputText == "0\n" && shell.errorText.isEmpty)
  }

  @Test func `an import says what became of each line`() throws {
    let data = directory.file("data")
    let input = Self.line(0) + "\n{broken\n" + Self.line(1) + Self.line(1) + Self.line(2)
    let result = try clew(["import", "-", "--data", data, "--json"], input: input)
    #expect(result.exitCode == 0, "\(result.errorText)")
    let counts = try JSONValue.parse(result.output)
    let expected = ["lines": 6, "accepted": 3, "duplicate": 1, "conflict": 0, "refused": 1, "blank": 1]
    for (key, value) in expected { #expect(counts[key]?.int == value, "\(key)") }
    #expect(counts["refusals"]?[0]?["line"]?.int == 3)
    #expect(result.errorText.contains("standard input:3: "))
    let again = try clew(["import", "-", "--data", data, "--strict"], input: input)
    #expect(again.exitCode == 1)
    #expect(again.outputText.hasPrefix("accepted 0, duplicate 4, conflict 0, refused 1 of 6 lines in "))
  }

  @Test func `a directory is read as text and as JSON, and what is not there ends with 1`() throws {
    let data = directory.file("data")
    #expect(try clew(["import", "-", "--data", data], input: (0..<3).map { Self.line($0) }.joined()).exitCode == 0)
    let tree = try clew(["trace", "t-1", "--data", data])
    #expect(
      tree.outputText.contains("├─ Happened  +1.00 s  shop/h  s-1  e-1\n└─ Happened  +2.00 s  shop/h  s-1  e-2\n"))
    #expect(!tree.outputText.contains("\u{1b}"), "no colours in a pipe")
    #expect(try clew(["trace", "e-2", "--data", data]).outputText == tree.outputText, "by event id too")
    #expect(try JSONValue.parse(clew(["trace", "t-1", "--data", data, "--json"]).output)["eventCount"]?.int == 3)
    #expect(try clew(["stats"], environment: ["CLEW_DATA": data]).outputText.contains("events"))
    #expect(try clew(["handlers", "--data", data]).outputText.contains("Happened"))
    #expect(try clew(["flow", "--data", data]).outputText.contains("shop/h"))
    #expect(try clew(["export", "edges", "--data", data]).outputText.split(separator: "\n").count == 2)
    for arguments in [["trace", "x"], ["stream", "x"], ["search", "type:X"]] {
      #expect(try clew(arguments + ["--data", data]).exitCode == 1, "\(arguments)")
    }
    #expect(try clew(["verify", "--data", data]).exitCode == 0)
  }

  @Test func `a damaged segment is named, and ends verify and inspect with 1`() throws {
    let data = directory.file("data")
    let input = (0..<400).map { Self.line($0) }.joined()
    #expect(try clew(["import", "-", "--data", data, "--seal"], input: input).exitCode == 0)
    let name = try #require(try Files.list(data).first { $0.hasPrefix("seg-") })
    let segment = data + "/" + name
    #expect(try clew(["verify", data]).exitCode == 0)
    #expect(try clew(["inspect", segment]).exitCode == 0)

    // The second half of a file of blocks holds block data; a page of it is overwritten.
    let file = try FileDescriptor.open(segment, O_RDWR)
    let middle = try file.size() / 2
    let noise = [UInt8](repeating: 0xa5, count: 4096)
    try unsafe noise.withUnsafeBytes { try unsafe file.write($0, at: middle) }
    file.close()
    let verified = try clew(["verify", data])
    #expect(verified.exitCode == 1 && verified.outputText.contains(name), "\(verified.outputText)")
    let json = try JSONValue.parse(clew(["verify", "--data", data, "--json"]).output)
    #expect(json["clean"]?.bool == false && json["problems"]?[0]?["file"]?.string == name)
    let inspected = try clew(["inspect", segment])
    #expect(inspected.exitCode == 1 && inspected.outputText.contains("Problems:"), "\(inspected.outputText)")
  }

  @Test func `an import that is interrupted keeps and says what was stored`() throws {
    let path = try #require(TestSupport.builtProgram("clew"))
    let child = try ChildProcess(path, ["import", "-", "--data", directory.file("data")])
    child.write((0..<10).map { Self.line($0) }.joined())
    #expect(eventually(within: 20) { Files.exists(directory.file("data")) })
    child.kill(SIGINT)
    #expect(child.wait(seconds: 20) == .exited(2), "\(child.errorText)")
    #expect(child.errorText.contains("interrupted; "))
    #expect(child.outputText.hasPrefix("accepted "))
  }

  @Test func `a configuration is checked without starting anything`() throws {
    let token = directory.file("token")
    try Files.replaceAtomically(token, with: Array("hush-hush".utf8))
    let good = directory.file("good.yaml")
    try Files.replaceAtomically(
      good, with: Array("data: \(directory.file("d"))\ntokens: {write-file: \(token)}\nlisten: 0.0.0.0:0\n".utf8))
    let checked = try clew(["serve", "--check", "--config", good], environment: ["CLEW_READ_TOKEN": "psst-psst"])
    #expect(checked.exitCode == 0, "\(checked.errorText)")
    #expect(checked.outputText.contains("write token   set (file "))
    #expect(checked.outputText.contains("read token    set (environment)"))
    #expect(!checked.outputText.contains("hush") && !checked.outputText.contains("psst"))
    #expect(!Files.exists(directory.file("d")))

    let bad = directory.file("bad.yaml")
    try Files.replaceAtomically(
      bad, with: Array("lisen: x\nlisten: 0.0.0.0:1\ntls: {cert: /none}\nsources: [{url: gopher://x}]\n".utf8))
    let refused = try clew(["serve", "--check", "--config", bad])
    #expect(refused.exitCode == 2)
    for text in ["bad.yaml:1:1: unknown key 'lisen'", "--insecure", "tls.cert without tls.key", "gopher", "/none"] {
      #expect(refused.errorText.contains(text), "\(text): \(refused.errorText)")
    }
  }

  @Test func `the demo shows traces, metrics and what to try within seconds, and leaves nothing behind`() throws {
    let path = try #require(TestSupport.builtProgram("clew"))
    let child = try ChildProcess(
      path, ["demo", "--rate", "240"], environment: ["TMPDIR": directory.path])
    #expect(child.waitForOutput("Ctrl-C closes the shop.", seconds: 30), "\(child.errorText)")
    let words = child.outputText.split(whereSeparator: \.isWhitespace).map(String.init)
    let address = try #require(words.first { $0.hasPrefix("http://127.0.0.1:") })
    let place = try #require(words.firstIndex(of: "trace"))
    let trace = try clew(["trace", words[place + 1], "--server", address])
    #expect(trace.exitCode == 0 && trace.outputText.contains("OrderPlaced"), "\(trace.outputText) \(trace.errorText)")
    let client = HTTPClient()
    for type in ["PaymentAuthorized", "PaymentFailed", "ParcelDelivered"] {
      let found = try client.request("GET", address + "/api/v1/traces?limit=1&q=type:\(type)")
      #expect(try JSONValue.parse(found.body)["traces"]?.array?.isEmpty == false, "\(type)")
    }
    let metrics = try client.request("GET", address + "/metrics").text
    for family in [
      "clew_events_ingested_total", "clew_handler_reaction_latency_seconds_bucket", "clew_handler_failures_total",
    ] {
      #expect(metrics.contains(family))
    }
    child.kill(SIGINT)
    #expect(child.wait(seconds: 30) == .exited(0), "\(child.errorText)")
    #expect(try Files.list(directory.path).isEmpty)
  }
}
