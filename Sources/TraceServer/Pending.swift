import HTTPServer

extension ClewAPI {
  private func notYet() -> APIError {
    APIError(501, "not_in_this_version", "not in this version", hint: "GET / lists what there is")
  }
  func searchTraces(_ call: Call) throws(APIError) -> HTTPResponse { throw notYet() }
  func sources() throws(APIError) -> HTTPResponse { throw notYet() }
  func postEvents(_ call: Call) throws(APIError) -> HTTPResponse { throw notYet() }
  func postReports(_ call: Call) throws(APIError) -> HTTPResponse { throw notYet() }
  func tail(_ call: Call) throws(APIError) -> HTTPResponse { throw notYet() }
  func metricsPage(_ call: Call) -> HTTPResponse { Self.response(to: notYet()) }
  func ready() -> HTTPResponse { Self.response(to: notYet()) }
}
