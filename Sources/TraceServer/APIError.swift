import TraceStore

/// Why a request is not answered: a code for programs, a message that says what is wrong, a hint that says what to do.
struct APIError: Error, Equatable {
  var status: Int
  var code: String
  var message: String
  var hint: String
  /// Further headers of the answer, for example `allow` or `retry-after`.
  var headers: [String: String] = [:]

  init(_ status: Int, _ code: String, _ message: String, hint: String, headers: [String: String] = [:]) {
    self.status = status
    self.code = code
    self.message = message
    self.hint = hint
    self.headers = headers
  }

  static func badParameter(_ name: String, _ message: String, hint: String) -> APIError {
    APIError(400, "invalid_parameter", "parameter \(name): \(message)", hint: hint)
  }

  static func busy(_ what: String) -> APIError {
    APIError(
      503, "busy", "too many \(what) are being worked on", hint: "try again in a few seconds",
      headers: ["retry-after": "5"])
  }

  /// What a store's error means to an HTTP client.
  init(_ error: StoreError) {
    let status =
      switch error.code {
      case .locked, .closed: 503
      case .diskFull: 507
      case .notFound: 404
      case .limitExceeded: 422
      case .corrupted, .unsupportedFormat, .inputOutput, .unreadable: 500
      }
    let code =
      switch error.code {
      case .locked: "store_locked"
      case .closed: "store_closed"
      case .diskFull: "disk_full"
      case .notFound: "not_found"
      case .limitExceeded: "limit_exceeded"
      case .corrupted: "store_corrupted"
      case .unsupportedFormat: "store_unsupported_format"
      case .inputOutput, .unreadable: "store_io_error"
      }
    self.init(status, code, error.message, hint: error.hint)
    if status == 503 || status == 507 { headers["retry-after"] = "5" }
  }
}

/// Runs a call of the store and translates its error.
func reading<R>(_ body: () throws(StoreError) -> R) throws(APIError) -> R {
  do { return try body() } catch { throw APIError(error) }
}
