/// An event store in a process of its own, made with Google's gRPC library; it ends with the object.
public final class PythonStore {
  public let process: ChildProcess
  public let port: Int
  private let directory: TemporaryDirectory
  private var answered = 0

  /// - Parameter events: messages whose events are its log.
  public init(_ messages: [[UInt8]], arguments: [String] = []) throws {
    directory = try TemporaryDirectory("store")
    let schema = TestSupport.packageRoot + "/Sources/KurrentDBSource"
    let compiled = try ChildProcess.run(
      "protoc", ["-I", schema, "--python_out", directory.path, schema + "/kurrentdb.proto"])
    guard compiled.end == .exited(0) else { throw TestSupportError("protoc: \(compiled.errorText)") }
    var body: [UInt8] = []
    for message in messages {
      body += [0] + stride(from: 24, through: 0, by: -8).map { UInt8(truncatingIfNeeded: message.count >> $0) }
      body += message
    }
    let file = try directory.write("messages", body)
    let program = TestSupport.packageRoot + "/Tests/Support/Programs/event_store.py"
    let process = try ChildProcess("/usr/bin/python3", [program, directory.path, file] + arguments)
    self.process = process
    let isReady = eventually(within: 60) { process.outputText.contains("\n") || !process.isRunning }
    guard isReady, let port = Int(process.outputText.prefix { $0 != "\n" }) else {
      throw TestSupportError("the event store does not start: \(process.errorText)")
    }
    self.port = port
  }

  /// Waits until the command is carried out.
  public func command(_ text: String) {
    answered += 1
    process.write(Array((text + "\n").utf8))
    let wanted = answered
    _ = eventually(within: 20) { process.outputText.split(separator: "\n").filter { $0 == "done" }.count >= wanted }
  }
}
