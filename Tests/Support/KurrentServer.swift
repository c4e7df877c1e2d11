import Platform
public import WireFormats

/// The KurrentDB test server (`Tests/KurrentTestServer`) in a process of its own: a log made of recordings, recorded
/// answers, and misbehaviour on demand. It ends with the object.
///
/// A command is one JSON object: `{"do":"fault","kind":"cut","after":100}`; the server's README.md lists them.
public final class KurrentServer: Sendable {
  public let process: ChildProcess
  public let port: Int
  private let host: String
  private let answered = Locked(0)

  /// - Parameters:
  ///   - port: 0 takes a free one; a test that restarts a server names the one it had.
  ///   - tls: certificate and key, both PEM files.
  ///   - clientAuthority: clients must show a certificate that this authority signed.
  ///   - place: a network namespace, and the server's address in it.
  public init(
    port: Int = 0, tls: (certificate: String, key: String)? = nil, clientAuthority: String? = nil,
    in place: (namespace: String, address: String)? = nil
  ) throws {
    guard let program = TestSupport.builtProgram("kurrent-test-server") else {
      throw TestSupportError("kurrent-test-server is not built")
    }
    var arguments = ["--port", "\(port)"]
    if let tls { arguments += ["--tls", tls.certificate, tls.key] }
    if let clientAuthority { arguments += ["--client-ca", clientAuthority] }
    host = place?.address ?? "127.0.0.1"
    if let place {
      arguments = ["netns", "exec", place.namespace, program, "--address", place.address] + arguments
    }
    let process = try ChildProcess(place == nil ? program : "ip", arguments)
    self.process = process
    let isReady = eventually(within: 60) { process.outputText.contains("\n") || !process.isRunning }
    guard isReady, let port = Int(process.outputText.prefix { $0 != "\n" }) else {
      throw TestSupportError("the KurrentDB test server does not start: \(process.errorText)")
    }
    self.port = port
  }

  /// `127.0.0.1:2113`.
  public var address: String { "\(host):\(port)" }
  public var url: String { "kurrentdb://\(address)?tls=false" }

  /// Says a command and waits for its answer.
  ///
  /// - Throws: with the server's words, if it was not carried out.
  @discardableResult public func command(_ line: String, seconds: Double = 60) throws -> JSONValue {
    try answered.withLock { count in
      guard process.write(line + "\n") else { throw TestSupportError("the KurrentDB test server has ended") }
      count += 1
      // The first line of the output is the port.
      let wanted = count
      var answer: [UInt8]?
      _ = eventually(within: seconds) {
        let lines = process.output.split(separator: 0x0a, omittingEmptySubsequences: false)
        if lines.count > wanted + 1 { answer = Array(lines[wanted]) }
        return answer != nil || !process.isRunning
      }
      guard let answer else { throw TestSupportError("no answer to \(line): \(process.errorText)") }
      let value = try JSONValue.parse(answer)
      if value["ok"]?.bool != true {
        throw TestSupportError("\(line): \(value["error"]?.string ?? String(decoding: answer, as: UTF8.self))")
      }
      return value
    }
  }

  /// Makes the events of a recording the server's log; returns how many there are.
  @discardableResult public func load(
    _ file: String, call: Int? = nil, copies: Int = 1, visible: Int? = nil
  ) throws -> Int {
    var line = "{\"do\":\"log\",\"file\":\"\(file)\",\"copies\":\(copies)"
    if let call { line += ",\"call\":\(call)" }
    if let visible { line += ",\"visible\":\(visible)" }
    return try command(line + "}", seconds: 300)["count"]?.int ?? 0
  }

  /// Answers `Streams/Read` with a recorded call, whatever is asked. `speed` 0: at once; 1: in the time it took.
  public func replay(_ file: String, call: Int? = nil, speed: Double = 0, times: Int = 0) throws {
    let chosen = call.map { ",\"call\":\($0)" } ?? ""
    try command("{\"do\":\"replay\",\"file\":\"\(file)\",\"speed\":\(speed),\"times\":\(times)\(chosen)}")
  }

  /// Answers monitoring calls, gossip and features as a recording does.
  public func answers(_ file: String) throws { try command("{\"do\":\"answers\",\"file\":\"\(file)\"}") }

  /// The next call of `Streams/Read` (or the next `times` of them) goes wrong after so many messages.
  public func fault(_ kind: String, after: Int = 0, times: Int = 1, more: String = "") throws {
    let rest = more.isEmpty ? "" : "," + more
    try command("{\"do\":\"fault\",\"kind\":\"\(kind)\",\"after\":\(after),\"times\":\(times)\(rest)}")
  }

  /// Calls seen so far whose path ends so.
  public func calls(_ path: String = "") throws -> [JSONValue] {
    try command("{\"do\":\"calls\",\"path\":\"\(path)\"}")["calls"]?.array ?? []
  }

  /// `messages`, `connections`, `calls`, `faults`, `events`, `visible`, `head`, `bytes`, `cpuMicroseconds`.
  public func counter(_ name: String) throws -> Int { try command("{\"do\":\"counters\"}")[name]?.int ?? -1 }
}

extension TestSupport {
  /// A Python with one of the official-style clients (`kurrentdb`, `eventstoredb`), as `make test` installs it; nil if
  /// it could not be installed.
  public static func pythonClient(_ name: String) -> String? {
    let path = packageRoot + "/.build/python-clients/\(name)/bin/python"
    return Files.exists(path) ? path : nil
  }

  /// For `.enabled(if:)`.
  public static let pythonClientHint = "needs the Python clients: run .ci/install-python-clients"
}
