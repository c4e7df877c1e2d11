public import Glibc
import Platform

/// A program that a test started: its input, its output as it comes, its end. Killed and reaped with the last reference.
public final class ChildProcess: Sendable {
  public enum End: Equatable, Sendable {
    case exited(Int32)
    case killed(signal: Int32)
  }

  public struct Result: Sendable {
    public var end: End
    public var output: [UInt8]
    public var errorOutput: [UInt8]
    /// Nil if a signal ended the program.
    public var exitCode: Int32? { if case .exited(let code) = end { code } else { nil } }
    public var outputText: String { String(decoding: output, as: UTF8.self) }
    public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
  }

  private struct State {
    var input: Int32
    var output: [UInt8] = []
    var errorOutput: [UInt8] = []
    var openPipes = 2
    var end: End?
  }

  // Two starts at once would inherit each other's pipes between `pipe` and the close-on-exec flag.
  private static let starting = Lock()

  public let pid: pid_t
  private let state: Locked<State>
  private let drains: [WorkerThread]

  /// Starts a program.
  ///
  /// - Parameters:
  ///   - executable: a path, or a name that is looked for in PATH.
  ///   - environment: added to this process's own.
  public init(_ executable: String, _ arguments: [String] = [], environment: [String: String] = [:]) throws {
    let started = try Self.starting.withLock { try Self.spawn(executable, arguments, environment) }
    pid = started.pid
    let state = Locked(State(input: started.input))
    self.state = state
    drains = [
      Self.drain(started.output, state) { $0.output += $1 },
      Self.drain(started.errorOutput, state) { $0.errorOutput += $1 },
    ]
  }

  deinit {
    if poll() == nil {
      Glibc.kill(pid, SIGKILL)
      _ = waitpid(pid, nil, 0)
    }
    closeInput()
    joinDrains()
  }

  /// A pipe ends when its last holder does, which may be a program that the program started and left behind: that one
  /// is not waited for long.
  private func joinDrains() {
    guard eventually(within: 5, { state.withLock { $0.openPipes == 0 } }) else { return }
    for drain in drains { drain.join() }
  }

  public var output: [UInt8] { state.withLock { $0.output } }
  public var errorOutput: [UInt8] { state.withLock { $0.errorOutput } }
  public var outputText: String { String(decoding: output, as: UTF8.self) }
  public var errorText: String { String(decoding: errorOutput, as: UTF8.self) }
  public var isRunning: Bool { poll() == nil }

  /// Writes to the program's standard input; waits while its pipe is full.
  ///
  /// - Returns: false if the program does not read any more.
  @discardableResult public func write(_ bytes: [UInt8]) -> Bool {
    let input = state.withLock { $0.input }
    var start = 0
    while start < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { all in
        // MSG_NOSIGNAL does not exist for pipes; test processes ignore SIGPIPE from here on.
        signal(SIGPIPE, SIG_IGN)
        return unsafe Glibc.write(input, all.baseAddress! + start, all.count - start)
      }
      if count < 0 && errno == EINTR { continue }
      if count < 0 { return false }
      start += count
    }
    return true
  }

  @discardableResult public func write(_ text: String) -> Bool { write(Array(text.utf8)) }

  public func closeInput() {
    state.withLock {
      if $0.input >= 0 { close($0.input) }
      $0.input = -1
    }
  }

  /// Sends a signal, unless the program has ended.
  public func kill(_ signal: Int32 = SIGKILL) {
    if poll() == nil { Glibc.kill(pid, signal) }
  }

  /// Waits for the program's end and for the rest of its output.
  ///
  /// - Returns: nil if it was still running at the deadline.
  public func wait(seconds: Double = 60) -> End? {
    guard eventually(within: seconds, { poll() != nil }) else { return nil }
    joinDrains()
    return poll()
  }

  /// Waits until the output holds a text; not longer than the program writes.
  public func waitForOutput(_ text: String, seconds: Double = 20) -> Bool {
    _ = eventually(within: seconds) { outputText.contains(text) || hasEnded }
    return outputText.contains(text)
  }

  /// Waits until the error output holds a text; not longer than the program writes.
  public func waitForErrorOutput(_ text: String, seconds: Double = 20) -> Bool {
    _ = eventually(within: seconds) { errorText.contains(text) || hasEnded }
    return errorText.contains(text)
  }

  private var hasEnded: Bool { poll() != nil && state.withLock { $0.openPipes == 0 } }

  /// Runs a program to its end; kills it at the deadline and throws.
  public static func run(
    _ executable: String, _ arguments: [String] = [], environment: [String: String] = [:], input: [UInt8] = [],
    seconds: Double = 120
  ) throws -> Result {
    let child = try ChildProcess(executable, arguments, environment: environment)
    let writer = WorkerThread(name: "child-input") {
      child.write(input)
      child.closeInput()
    }
    let end = child.wait(seconds: seconds)
    if end == nil { child.kill() }
    writer.join()
    guard let end else {
      throw TestSupportError("\(executable) \(arguments.joined(separator: " ")) did not end within \(seconds) s")
    }
    return Result(end: end, output: child.output, errorOutput: child.errorOutput)
  }

  private func poll() -> End? {
    state.withLock { state in
      if let end = state.end { return end }
      var status: Int32 = 0
      guard unsafe waitpid(pid, &status, WNOHANG) == pid else { return nil }
      let signal = status & 0x7f
      state.end = signal == 0 ? .exited((status >> 8) & 0xff) : .killed(signal: signal)
      return state.end
    }
  }

  /// Reads a pipe to its end on a thread of its own.
  private static func drain(
    _ pipe: Int32, _ state: Locked<State>, _ append: @escaping @Sendable (inout State, ArraySlice<UInt8>) -> Void
  ) -> WorkerThread {
    WorkerThread(name: "child-output") {
      var buffer = [UInt8](repeating: 0, count: 65536)
      while true {
        let count = unsafe read(pipe, &buffer, buffer.count)
        if count < 0 && errno == EINTR { continue }
        if count <= 0 { break }
        state.withLock { append(&$0, buffer[0..<count]) }
      }
      close(pipe)
      state.withLock { $0.openPipes -= 1 }
    }
  }

  private static func makePipe() throws -> (read: Int32, write: Int32) {
    var ends: [Int32] = [-1, -1]
    guard unsafe pipe(&ends) == 0 else { throw TestSupportError("cannot make a pipe") }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    return (ends[0], ends[1])
  }

  private static func spawn(
    _ executable: String, _ arguments: [String], _ environment: [String: String]
  ) throws -> (pid: pid_t, input: Int32, output: Int32, errorOutput: Int32) {
    let input = try makePipe()
    let output = try makePipe()
    let errorOutput = try makePipe()
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_adddup2(&actions, input.read, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output.write, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errorOutput.write, 2)
    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    var pid: pid_t = 0
    let code = unsafe withCStrings([executable] + arguments) { arguments in
      unsafe withCStrings(merged(environment)) { environment in
        unsafe posix_spawnp(&pid, executable, &actions, &attributes, arguments, environment)
      }
    }
    for end in [input.read, output.write, errorOutput.write] { close(end) }
    guard code == 0 else {
      for end in [input.write, output.read, errorOutput.read] { close(end) }
      throw TestSupportError("cannot start \(executable): \(unsafe String(cString: strerror(code)))")
    }
    return (pid, input.write, output.read, errorOutput.read)
  }

  private static func merged(_ added: [String: String]) -> [String] {
    var all: [String] = []
    var place = unsafe environ
    while let entry = unsafe place.pointee {
      let text = unsafe String(cString: entry)
      if !added.keys.contains(where: { text.hasPrefix($0 + "=") }) { all.append(text) }
      unsafe place += 1
    }
    return all + added.map { "\($0.key)=\($0.value)" }.sorted()
  }
}

/// Calls `body` with a null-terminated array of C strings.
private func withCStrings<R>(
  _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> R
) rethrows -> R {
  let copies: [UnsafeMutablePointer<CChar>?] = unsafe strings.map { unsafe strdup($0) }
  defer { unsafe copies.forEach { unsafe free($0) } }
  return unsafe try body(copies + [nil])
}
