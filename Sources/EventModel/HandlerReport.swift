/// What a handler reports of one run of its own.
public struct HandlerReport: Hashable, Sendable {
  public enum State: String, Sendable, CaseIterable {
    case started, succeeded, failed, retrying
  }

  public var source: String
  /// "" where absent.
  public var service: String
  public var handler: String
  /// The event that was handled.
  public var cause: Identifier
  /// 1 for the first attempt.
  public var attempt: UInt32
  public var state: State
  /// When it happened by the handler's clock; the time of arrival where it said nothing.
  public var at: Timestamp
  public var errorType: String?
  public var message: String?

  public init(
    source: String, service: String, handler: String, cause: Identifier, attempt: UInt32, state: State, at: Timestamp,
    errorType: String? = nil, message: String? = nil
  ) {
    self.source = source
    self.service = service
    self.handler = handler
    self.cause = cause
    self.attempt = attempt
    self.state = state
    self.at = at
    self.errorType = errorType
    self.message = message
  }
}
