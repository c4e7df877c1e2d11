import Glibc
import HTTPClient
import Platform
import TestSupport
import WireFormats

/// The built program, run as a person would.
enum Clew {
  static func path() throws -> String {
    guard let path = TestSupport.builtProgram("clew") else { throw TestSupportError("clew is not built") }
    return path
  }

  static func run(
    _ arguments: [String], environment: [String: String] = [:], input: [UInt8] = [], seconds: Double = 180
  ) throws -> ChildProcess.Result {
    try ChildProcess.run(path(), arguments, environment: environment, input: input, seconds: seconds)
  }

  /// Runs a command that must succeed, and returns what it printed.
  static func output(_ arguments: [String], input: [UInt8] = [], seconds: Double = 180) throws -> [UInt8] {
    let result = try run(arguments, input: input, seconds: seconds)
    guard result.exitCode == 0 else {
      throw TestSupportError("clew \(arguments.joined(separator: " ")): \(result.end) \(result.errorText.suffix(2000))")
    }
    return result.output
  }

  static func json(_ arguments: [String], input: [UInt8] = []) throws -> JSONValue {
    try JSONValue.parse(output(arguments, input: input))
  }

  /// The lines a command printed, without their line feeds.
  static func lines(_ arguments: [String]) throws -> [[UInt8]] { splitLines(try output(arguments)) }
}

func splitLines(_ bytes: [UInt8]) -> [[UInt8]] {
  bytes.split(separator: 0x0a).map(Array.init)
}

/// What `gzip -dc` makes of a file; the whole of it in memory.
func unzipped(_ path: String) throws -> [UInt8] {
  let result = try ChildProcess.run("gzip", ["-dc", path])
  guard result.exitCode == 0 else { throw TestSupportError("gzip: \(result.errorText)") }
  return result.output
}

/// A running `clew serve` on a port of its own.
final class ClewServer: Sendable {
  let process: ChildProcess
  let url: String
  private let client = HTTPClient(options: HTTPClientOptions(requestSeconds: 120))

  /// Starts the server and waits until it says where it listens.
  init(_ directory: String, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
    process = try ChildProcess(
      Clew.path(), ["serve", "--data", directory, "--listen", "127.0.0.1:0"] + arguments, environment: environment)
    let marker = "listening on http"
    guard process.waitForErrorOutput(marker, seconds: 60), let range = process.errorText.firstRange(of: marker) else {
      let said = process.errorText
      process.kill()
      throw TestSupportError("clew serve did not get ready: \(said)")
    }
    let rest = process.errorText[range.upperBound...]
    let address = "http" + rest.prefix { !$0.isWhitespace && $0 != "," }
    url = String(address.last == "/" ? String(address.dropLast()) : String(address))
  }

  var pid: pid_t { process.pid }

  func get(_ path: String, headers: [(name: String, value: String)] = []) throws -> HTTPClientResponse {
    try client.request("GET", url + path, headers: headers)
  }

  func json(_ path: String) throws -> JSONValue {
    let answer = try get(path)
    guard answer.status == 200 else { throw TestSupportError("GET \(path): \(answer.status) \(answer.text)") }
    return try JSONValue.parse(answer.body)
  }

  func post(_ path: String, _ body: [UInt8], type: String = "application/x-ndjson") throws -> HTTPClientResponse {
    try client.request("POST", url + path, headers: [("content-type", type)], body: body)
  }

  /// Posts a body of lines in pieces of whole lines, and adds the counts up.
  func postLines(_ body: [UInt8], linesEach: Int = 5000) throws -> (accepted: Int, duplicate: Int, conflict: Int) {
    var sums = (accepted: 0, duplicate: 0, conflict: 0)
    let lines = splitLines(body)
    for start in stride(from: 0, to: lines.count, by: linesEach) {
      let piece = lines[start..<min(start + linesEach, lines.count)].reduce(into: [UInt8]()) { $0 += $1 + [0x0a] }
      let answer = try post("/api/v1/events", piece)
      guard answer.status == 200 else { throw TestSupportError("POST: \(answer.status) \(answer.text)") }
      let counts = try JSONValue.parse(answer.body)
      sums.accepted += counts["accepted"]?.int ?? 0
      sums.duplicate += counts["duplicate"]?.int ?? 0
      sums.conflict += counts["conflict"]?.int ?? 0
    }
    return sums
  }

  /// Ends the server as an operator would, and demands an orderly end.
  func stop() throws {
    process.kill(SIGTERM)
    guard process.wait(seconds: 60) == .exited(0) else {
      throw TestSupportError(
        "clew serve ended with \(String(describing: process.wait(seconds: 1))): \(process.errorText)")
    }
  }

  func killHard() {
    process.kill(SIGKILL)
    _ = process.wait(seconds: 20)
  }
}
