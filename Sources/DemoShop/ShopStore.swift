import HTTPClient

/// Why the shop cannot go on, and what to do.
public struct ShopProblem: Error, CustomStringConvertible, Sendable {
  public var message: String
  public var hint: String
  public var description: String { hint.isEmpty ? message : "\(message). \(hint)" }

  init(_ message: String, hint: String = "") {
    self.message = message
    self.hint = hint
  }

  init(_ error: HTTPClientError) { self.init(error.message, hint: error.hint) }
}

/// Where the shop keeps its events. Used by the shop's thread only.
protocol ShopStore: AnyObject {
  /// Stores the events in their order. To try again with the same events is harmless: their ids are known then.
  func write(_ events: [ShopEvent]) throws(ShopProblem)

  /// Called again and again while there is nothing to write.
  func idle()
}

/// Lines posted to Clew: events of shops that have no event store, and handler reports of all.
final class ClewPost: ShopStore, Sendable {
  private let server: String
  private let client = HTTPClient(options: HTTPClientOptions(connectSeconds: 2, requestSeconds: 30))

  /// - Parameter server: `http://127.0.0.1:9797`, without a path.
  init(server: String) { self.server = server }

  func write(_ events: [ShopEvent]) throws(ShopProblem) {
    try post(events.map(\.line), "/api/v1/events?source=shop")
  }

  func report(_ lines: [[UInt8]]) throws(ShopProblem) { try post(lines, "/api/v1/handler-reports") }

  func idle() {}

  private func post(_ lines: [[UInt8]], _ path: String) throws(ShopProblem) {
    if lines.isEmpty { return }
    let body = lines.reduce(into: [UInt8]()) { $0 += $1 + [0x0a] }
    let answer: HTTPClientResponse
    do {
      answer = try client.request(
        "POST", server + path, headers: [("Content-Type", "application/x-ndjson")], body: body)
    } catch { throw ShopProblem(error) }
    guard answer.status == 200 else {
      throw ShopProblem("\(path) answers with status \(answer.status): \(answer.text.prefix(200))")
    }
  }
}
