import CCurl

/// Turns libcurl's codes into what an operator can act on. Never shows a token, a user name or a query.
enum TransferProblem {
  static func error(
    _ code: CURLcode, _ reason: String, _ call: TransferCall, _ options: HTTPClientOptions, tooLarge: Bool
  ) -> HTTPClientError {
    let place = call.url.shown
    switch code {
    case CURLE_URL_MALFORMAT, CURLE_UNSUPPORTED_PROTOCOL:
      return HTTPClientError(
        .badURL, "\(place) is no URL that can be asked", hint: "Give one such as http://127.0.0.1:9797.")
    case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
      return HTTPClientError(
        .couldNotResolve, "the host of \(place) cannot be resolved", hint: "Check its spelling and the name service.")
    case CURLE_COULDNT_CONNECT:
      return HTTPClientError(
        .refused, "nobody answers at \(place)", hint: "Is the server running, and is this its address and port?")
    case CURLE_OPERATION_TIMEDOUT:
      let seconds = call.seconds.map { " within \($0) s" } ?? ""
      return HTTPClientError(
        .timeout, "no answer from \(place)\(seconds)", hint: "Is it reachable and not overloaded? Allow more time.")
    case CURLE_WRITE_ERROR where tooLarge:
      return HTTPClientError(
        .responseTooLarge, "the answer of \(place) has more than \(options.responseBytesMax) bytes",
        hint: "Ask for less at a time.")
    case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CACERT_BADFILE, CURLE_SSL_ISSUER_ERROR:
      return HTTPClientError(
        .tls, "the certificate of \(place) is not trusted: \(clean(reason))",
        hint: "Name the file of its certificate authority.")
    case CURLE_SSL_CERTPROBLEM:
      return HTTPClientError(
        .tls, "the client certificate cannot be used: \(clean(reason))", hint: "Check the files of certificate and key."
      )
    case CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CIPHER, CURLE_USE_SSL_FAILED:
      return HTTPClientError(
        .tls, "no TLS with \(place): \(clean(reason))", hint: "Does the server speak TLS here (https), or not (http)?")
    case CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_PARTIAL_FILE, CURLE_HTTP2, CURLE_HTTP2_STREAM:
      return HTTPClientError(
        .interrupted, "the connection to \(place) broke: \(clean(reason))",
        hint: "Look into the log of the server, and try again.")
    default:
      return HTTPClientError(
        .system, "the request to \(place) failed: \(clean(reason)) (libcurl \(code.rawValue))", hint: "Try again.")
    }
  }

  /// libcurl's words may name the whole URL; those that do are left out.
  private static func clean(_ reason: String) -> String {
    if reason.isEmpty || reason.contains("://") || reason.contains("@") { return "no reason given" }
    return String(reason.reversed().drop { $0 == "." }.reversed())
  }
}
