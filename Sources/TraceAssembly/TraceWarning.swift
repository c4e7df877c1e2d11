/// Something about a trace or an event that a reader should know.
public struct TraceWarning: Hashable, Sendable {
  /// Stable names: programs may compare them.
  public enum Code: String, Sendable, CaseIterable {
    /// The event's id was stored again in this trace (other stream or source), with the same fields.
    case duplicate
    /// The same, with other fields: the first one counts.
    case conflict
    /// The event names itself as its cause; it is shown as a root.
    case selfCause = "self-cause"
    case cycle
    /// The cause is not stored (yet).
    case orphan
    case causeInOtherTrace = "cause-in-other-trace"
    /// The event was created before its cause.
    case clockSkew = "clock-skew"
    case damagedSegment = "damaged-segment"
    case droppedByRetention = "dropped-by-retention"
  }

  public var code: Code
  /// For people.
  public var message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }
}
