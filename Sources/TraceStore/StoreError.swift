/// An error that leaves a store: a code for programs, a message and a hint for operators.
public struct StoreError: Error, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// Another process writes to the directory.
    case locked
    case diskFull
    case corrupted
    case unsupportedFormat
    case notFound
    /// The disk refuses to read a finished file. Unlike what is corrupted, it may be readable again.
    case unreadable
    /// The operating system or SQLite refused (permission, I/O error).
    case inputOutput
    /// A limit that is named in the message.
    case limitExceeded
    case closed
  }

  public var code: Code
  /// What went wrong and where.
  public var message: String
  /// What the operator can do.
  public var hint: String

  public init(_ code: Code, _ message: String, hint: String) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  /// It is about one file, and what else is stored is as good as before.
  public var concernsOneFile: Bool { code == .corrupted || code == .unreadable }

  public var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
}
