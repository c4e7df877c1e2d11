import Platform

/// The reader of standard output went away: the command ends quietly, with 0.
struct BrokenPipe: Error {}

/// Standard output, buffered; what is written is data, never a log line.
final class Output {
  private let file: FileDescriptor
  private var buffer: [UInt8] = []
  private static let flushBytes = 64 * 1024

  init(_ file: FileDescriptor = .standardOutput) { self.file = file }

  func write(_ text: String) throws {
    buffer += text.utf8
    if buffer.count >= Self.flushBytes { try flush() }
  }

  func line(_ text: String) throws { try write(text + "\n") }

  func write(_ bytes: [UInt8]) throws {
    buffer += bytes
    if buffer.count >= Self.flushBytes { try flush() }
  }

  func flush() throws {
    if buffer.isEmpty { return }
    defer { buffer.removeAll(keepingCapacity: true) }
    do {
      try file.write(buffer)
    } catch {
      if error.isBrokenPipe { throw BrokenPipe() }
      throw Failure("cannot write to standard output: \(error.reason)")
    }
  }
}

/// The command could not answer: what is wrong, and what to do; exit code 2.
struct Failure: Error, Equatable {
  var message: String
  var hint: String

  init(_ message: String, hint: String = "") {
    self.message = message
    self.hint = hint
  }
}

/// What a command ends with.
enum ExitCode: Int32, Sendable {
  case answered = 0
  case answeredNo = 1
  case couldNotAnswer = 2
}
