public import Platform

/// An HTTP/1.1 server: one thread for each connection, every resource bounded (`HTTPServerLimits`). Knows no routes.
public final class HTTPServer: Sendable {
  private let core: ServerCore

  public init(configuration: HTTPServerConfiguration, handler: any HTTPHandler, log: Log) {
    core = ServerCore(configuration: configuration, handler: handler, log: log)
  }

  deinit { core.stop(deadlineSeconds: 0) }

  /// Says what would keep a server of this configuration from starting, as far as that can be known without listening.
  public static func check(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
    _ = try ListenPlan(configuration)
  }

  /// Listens and answers from now on.
  ///
  /// - Returns: the port.
  /// - Throws: `HTTPServerError`; nothing is left open then.
  /// - Precondition: called once.
  public func start() throws(HTTPServerError) -> Int { try core.start() }

  /// Accepts no more, lets running requests finish until the deadline, cancels streams, ends all connections and
  /// joins all threads. A handler that does not return holds this up. A second call does nothing.
  public func stop(deadlineSeconds: Double = 10) { core.stop(deadlineSeconds: deadlineSeconds) }

  /// A consistent copy; cheap.
  public var counters: HTTPServerCounters { core.snapshot() }
}
