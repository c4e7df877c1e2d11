/// Requests over HTTP/1.1 and 2, plain or TLS. Many threads may use one client; connections are kept for the next
/// request. Follows no redirects, so that a token never goes elsewhere.
public final class HTTPClient: Sendable {
  private let options: HTTPClientOptions

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
    throw HTTPClientError(.system, "the client is being built", hint: "wait for the next landing")
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
    throw HTTPClientError(.system, "the client is being built", hint: "wait for the next landing")
  }
}
