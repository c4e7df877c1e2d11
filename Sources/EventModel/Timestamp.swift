/// A point in time: nanoseconds since 1970-01-01T00:00:00Z, as signed 64 bit (years 1677 to 2262).
@frozen public struct Timestamp: Hashable, Comparable, Sendable {
  public let nanoseconds: Int64

  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  public static let distantPast = Timestamp(nanoseconds: .min)
  public static let distantFuture = Timestamp(nanoseconds: .max)

  /// Nanoseconds from `earlier` to `self`; what does not fit 64 bit is held at the nearest bound, never wrapped.
  @inlinable public func since(_ earlier: Timestamp) -> Int64 {
    let (difference, overflow) = nanoseconds.subtractingReportingOverflow(earlier.nanoseconds)
    return overflow ? (nanoseconds < 0 ? .min : .max) : difference
  }

  /// Held at the bounds, never wrapped.
  @inlinable public func advanced(byNanoseconds delta: Int64) -> Timestamp {
    let (sum, overflow) = nanoseconds.addingReportingOverflow(delta)
    return Timestamp(nanoseconds: overflow ? (delta < 0 ? .min : .max) : sum)
  }

  /// Seconds since the epoch; exact to about 200 ns at today's dates.
  @inlinable public var secondsSinceEpoch: Double { Double(nanoseconds) / 1e9 }
}

/// A place in a source's log, in the source's own units: KurrentDB commit and prepare, Redis milliseconds and
/// sequence, a file's byte offset and 0, the ordinal and 0 of a pushed event.
@frozen public struct SourcePosition: Hashable, Comparable, Sendable {
  public let major: UInt64
  public let minor: UInt64

  @inlinable public init(major: UInt64, minor: UInt64 = 0) {
    self.major = major
    self.minor = minor
  }

  @inlinable public static func < (a: Self, b: Self) -> Bool {
    a.major != b.major ? a.major < b.major : a.minor < b.minor
  }

  /// How the source writes it: `major`, or `major-minor` where the minor part is not 0.
  public var description: String { minor == 0 ? "\(major)" : "\(major)-\(minor)" }
}

/// The last durable place of one source, with the name of the sub-stream it belongs to ("" where there is one only).
///
/// `token` is the source's own text, kept byte for byte: what the position alone does not say (a file's path and
/// identity, for instance).
public struct SourceCheckpoint: Hashable, Sendable {
  public var source: String
  public var subStream: String
  public var position: SourcePosition
  public var token: String

  public init(source: String, subStream: String = "", position: SourcePosition, token: String = "") {
    self.source = source
    self.subStream = subStream
    self.position = position
    self.token = token
  }
}
