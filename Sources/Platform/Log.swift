import EventModel
import Glibc

/// Lines for operators, on standard error: `2026-01-31T12:00:00Z level component: message`.
///
/// Control characters are escaped, so that no input breaks a line; a line has at most 2,000 bytes. Never give it a secret.
public final class Log: Sendable {
  public enum Level: Int, Sendable, Comparable, CaseIterable {
    case debug, info, warning, error

    public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
    public var name: String {
      switch self {
      case .debug: "debug"
      case .info: "info"
      case .warning: "warning"
      case .error: "error"
      }
    }
  }

  private let minimum: Level
  private let clock: any WallClock
  private let write: @Sendable (String) -> Void
  private let budget = Locked<[String: (windowStart: Int64, used: Int, suppressed: Int)]>([:])

  /// - Parameter write: takes one whole line with its line feed; by default writes it to standard error at once.
  public init(
    minimum: Level = .info, clock: any WallClock = SystemClock(),
    write: @escaping @Sendable (String) -> Void = Log.writeToStandardError
  ) {
    self.minimum = minimum
    self.clock = clock
    self.write = write
  }

  public func debug(_ component: String, _ message: @autoclosure () -> String) { log(.debug, component, message) }
  public func info(_ component: String, _ message: @autoclosure () -> String) { log(.info, component, message) }
  public func warning(_ component: String, _ message: @autoclosure () -> String) { log(.warning, component, message) }
  public func error(_ component: String, _ message: @autoclosure () -> String) { log(.error, component, message) }

  /// As `warning`, but at most 10 lines of one `component` in a minute; how many were left out is said afterwards.
  public func limitedWarning(_ component: String, _ message: @autoclosure () -> String) {
    let minute = Instant.now.nanoseconds / 60_000_000_000
    let (allowed, suppressed) = budget.withLock { all -> (Bool, Int) in
      var entry = all[component] ?? (minute, 0, 0)
      var left = 0
      if entry.windowStart != minute {
        left = entry.suppressed
        entry = (minute, 0, 0)
      }
      entry.used += 1
      if entry.used > 10 { entry.suppressed += 1 }
      all[component] = entry
      return (entry.used <= 10, left)
    }
    if suppressed > 0 { log(.warning, component) { "\(suppressed) more lines like this were left out" } }
    if allowed { log(.warning, component, message) }
  }

  private func log(_ level: Level, _ component: String, _ message: () -> String) {
    guard level >= minimum else { return }
    var line = "\(Self.date(clock.now())) \(level.name) \(component): "
    for scalar in message().unicodeScalars {
      if line.utf8.count > 1990 {
        line += "…"
        break
      }
      if Self.mustBeEscaped(scalar.value) {
        line += "\\u{" + String(scalar.value, radix: 16) + "}"
      } else {
        line.unicodeScalars.append(scalar)
      }
    }
    write(line + "\n")
  }

  /// Control characters, line separators, and what turns the direction of writing around.
  static func mustBeEscaped(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0..<0x20, 0x7f...0x9f, 0x200e, 0x200f, 0x2028...0x202e, 0x2066...0x2069, 0xfeff: true
    default: false
    }
  }

  static func date(_ time: Timestamp) -> String {
    var seconds = time_t(time.nanoseconds / 1_000_000_000)
    var parts = unsafe tm()
    unsafe gmtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { value < 10 ? "0\(value)" : "\(value)" }
    return unsafe "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))T"
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))Z"
  }

  public static func writeToStandardError(_ line: String) { FileDescriptor.standardError.writeIgnoringErrors(line) }
}
