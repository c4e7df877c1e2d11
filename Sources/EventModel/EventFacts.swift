/// What an event is to Clew.
@frozen public enum EventClass: UInt8, Sendable, CaseIterable {
  /// A recorded domain event: belongs to a trace.
  case domain = 0
  /// An event of a system stream or type (`$…`): found by id and stream, in no trace.
  case system = 1
  /// What a handler reported of itself: found by stream `$clew-handler-reports`, in no trace.
  case report = 2
}

/// By which rule an event counts as a failure (`none`: it does not).
@frozen public enum FailureKind: UInt8, Sendable, CaseIterable {
  case none = 0
  /// Metadata says so: `status` or `outcome` of `error` or `failed`, or a non-empty `error`, or the profile's keys.
  case metadata = 1
  /// Its type matches a configured failure pattern.
  case eventType = 2
}

/// By which rule the handler of an event was found.
@frozen public enum HandlerIdentity: UInt8, Sendable, CaseIterable {
  case none = 0
  case metadata = 1
  case rule = 2
  case streamCategory = 3

  /// As in the label `identity_source`.
  public var name: String {
    switch self {
    case .none: "none"
    case .metadata: "metadata"
    case .rule: "rule"
    case .streamCategory: "stream_category"
    }
  }
}

/// What the causation id of an event turned out to be.
public enum CauseKind: String, Sendable, CaseIterable {
  /// A stored event: of the same trace (an edge), or of another one (a warning).
  case event
  /// Never stored, though several events of the trace name it: an unstored command, shown as a phantom node.
  case command
  /// Absent, or equal to the event's own id or correlation id: the event starts the trace.
  case root
  /// An OpenTelemetry span id (16 hexadecimal digits): a link, no edge.
  case span
  /// Named by one event only and not stored (yet): an orphan, which heals when the cause arrives.
  case unknown
}
