/// Requests over HTTP/1.1 and 2, plain or TLS. Many threads may use one client; connections are kept for the next
/// request. Follows no redirects, so that a token never goes elsewhere.
public final class HTTPClient: Sendable {
  private let options: HTTPClientOptions
  private let pool = TransferPool()

  public init(options: HTTPClientOptions = HTTPClientOptions()) { self.options = options }

  /// Sends one request and waits for the whole answer.
  ///
  /// - Parameters:
  ///   - url: `http://` or `https://`.
  ///   - headers: added to those of the client; names in any case.
  ///   - seconds: instead of `HTTPClientOptions.requestSeconds`.
  /// - Throws: `HTTPClientError` if there is no answer; a status of 400 and above is an answer.
  public func request(
    _ method: String, _ url: String, headers: [(name: String, value: String)] = [], body: [UInt8]? = nil,
    seconds: Double? = nil
  ) throws(HTTPClientError) -> HTTPClientResponse {
    let transfer = try pool.take()
    defer { pool.giveBack(transfer) }
    let call = TransferCall(
      method: method, url: try CheckedURL(url), headers: headers, body: body, seconds: seconds ?? options.requestSeconds
    )
    return try transfer.run(call, options, TransferEvents())
  }

  /// Sends a GET and hands over what arrives, piece by piece, until the end.
  ///
  /// - Parameters:
  ///   - shouldStop: asked about once a second while nothing arrives; true ends the request.
  ///   - onChunk: gets the body of a successful answer (200 to 299) as it arrives; false ends the request.
  /// - Returns: the answer; its `body` is empty if it was handed to `onChunk`, else (other statuses) the whole.
  ///   Ending by `shouldStop` or `onChunk` is no error.
  public func stream(
    _ url: String, headers: [(name: String, value: String)] = [], shouldStop: () -> Bool = { false },
    onChunk: ([UInt8]) -> Bool
  ) throws(HTTPClientError) -> HTTPClientResponse {
    let transfer = try pool.take()
    defer { pool.giveBack(transfer) }
    let call = TransferCall(method: "GET", url: try CheckedURL(url), headers: headers, body: nil, seconds: nil)
    // Libcurl wants them in an object that outlives this line; it calls them during `run` only.
    return try withoutActuallyEscaping(shouldStop) { (shouldStop) throws(HTTPClientError) in
      try withoutActuallyEscaping(onChunk) { (onChunk) throws(HTTPClientError) in
        try transfer.run(call, options, TransferEvents(shouldStop: shouldStop, onChunk: onChunk))
      }
    }
  }
}

/// A URL that is `http` or `https`, and how it may be shown: without user, password and query.
struct CheckedURL {
  let text: String
  let shown: String
  /// No proxy stands between us and our own machine.
  let isLoopback: Bool

  init(_ text: String) throws(HTTPClientError) {
    guard let separator = text.utf8.firstIndex(of: UInt8(ascii: ":")),
      ["http", "https"].contains(text[..<separator].lowercased()), text[separator...].hasPrefix("://"),
      !text.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f })
    else {
      throw HTTPClientError(
        .badURL, "the address is no http or https URL", hint: "Give one such as http://127.0.0.1:9797.")
    }
    let rest = text[text.index(separator, offsetBy: 3)...]
    let authorityEnd = rest.firstIndex { "/?#".contains($0) } ?? rest.endIndex
    let authority = rest[..<authorityEnd]
    let host = authority.lastIndex(of: "@").map { authority[authority.index(after: $0)...] } ?? authority
    let path = rest[authorityEnd...].prefix { $0 != "?" && $0 != "#" }
    guard !host.isEmpty else {
      throw HTTPClientError(
        .badURL, "the URL names no host", hint: "Give one such as http://127.0.0.1:9797.")
    }
    self.text = text
    shown = text[..<separator].lowercased() + "://" + host + path
    isLoopback = host.hasPrefix("127.") || host.hasPrefix("[::1]") || host.lowercased().hasPrefix("localhost")
  }
}
