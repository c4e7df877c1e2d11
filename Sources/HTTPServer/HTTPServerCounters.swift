/// What a server counted since it started, and what it holds at the moment.
public struct HTTPServerCounters: Sendable, Equatable {
  /// Why a request was answered with a refusal instead of being given to the handler.
  public enum Refusal: String, CaseIterable, Sendable {
    case badRequest = "bad_request"
    case unauthorized
    case forbidden
    case certificate
    case bodyTooLarge = "body_too_large"
    case encoding = "unsupported_encoding"
    case method
    case expectation
    case overloaded
    case memory = "body_memory"
    case stopping
  }

  public var connectionsAccepted = 0
  public var connectionsOpen = 0
  /// Above the hard limit: closed without an answer.
  public var connectionsRejected = 0
  /// Cut off because a request was not complete in time.
  public var connectionsTimedOut = 0
  /// Cut off because a request was not complete and there was no room for others.
  public var connectionsEvicted = 0
  /// Ended before a request was understood: garbage, endless headers, TLS that failed, or a client that said nothing.
  public var connectionsWithoutRequest = 0
  public var requests = 0
  public var refusals: [Refusal: Int] = [:]
  /// Cut off because they took nothing of their answer for too long.
  public var readersStalled = 0
  /// Streamed answers whose client went away before their end.
  public var streamsAborted = 0
  public var streamsOpen = 0
  public var requestsRunning = 0
  /// Request bodies held at the moment.
  public var bodyBytesInFlight = 0
  public var responseBytes = 0
  public var certificateReloads = 0
  public var certificateReloadFailures = 0

  public init() {}

  /// Refused requests of all reasons.
  public var refused: Int { refusals.values.reduce(0, +) }
}
