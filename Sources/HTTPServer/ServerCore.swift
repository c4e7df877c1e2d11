import Platform

final class ServerCore: Sendable {
  init(configuration: HTTPServerConfiguration, handler: any HTTPHandler, log: Log) {}

  func start() throws(HTTPServerError) -> Int {
    throw HTTPServerError(.system, "the server is being built", hint: "wait for the next landing")
  }

  func stop(deadlineSeconds: Double) {}

  func snapshot() -> HTTPServerCounters { HTTPServerCounters() }
}
