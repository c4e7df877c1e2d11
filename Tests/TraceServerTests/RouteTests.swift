import HTTPServer
import TestSupport
import Testing
import WireFormats

@testable import TraceServer

@Suite("Routes") struct RouteTests {
  struct Case: Sendable, CustomTestStringConvertible {
    var method: String
    var path: String
    var status: Int
    var code: String?
    var testDescription: String { "\(method) \(path)" }
    init(_ method: String, _ path: String, _ status: Int, _ code: String? = nil) {
      self.method = method
      self.path = path
      self.status = status
      self.code = code
    }
  }

  @Test(arguments: [
    Case("GET", "/", 200), Case("GET", "/livez", 200), Case("GET", "/api/v1/stats", 200),
    Case("GET", "/api/v1/stats/", 200), Case("GET", "/api/v1/openapi.json", 200), Case("GET", "/metrics", 200),
    Case("GET", "/api/v1/export/events", 200), Case("GET", "/api/v1/traces", 200),
    Case("GET", "/nothing", 404, "no_such_route"), Case("GET", "/api/v1", 404, "no_such_route"),
    Case("GET", "/api/v1/traces/a/b", 404, "no_such_route"), Case("GET", "/..", 404, "no_such_route"),
    Case("POST", "/api/v1/stats", 405, "method_not_allowed"), Case("DELETE", "/metrics", 405, "method_not_allowed"),
    Case("GET", "/api/v1/projections", 501, "not_in_this_version"),
    Case("GET", "/api/v1/lint", 501, "not_in_this_version"),
    Case("PUT", "/api/v1/projections/p/checkpoint", 501, "not_in_this_version"),
    Case("GET", "/tempo/api/traces/1", 501, "not_in_this_version"),
    Case("GET", "/jaeger/api/services", 501, "not_in_this_version"),
    Case("GET", "/api/v1/traces/unknown", 404, "trace_not_found"),
    Case("GET", "/api/v1/events/unknown", 404, "event_not_found"),
    Case("GET", "/api/v1/streams/unknown", 404, "stream_not_found"),
    Case("GET", "/api/v1/traces/%20", 400, "invalid_id"), Case("GET", "/api/v1/traces/%ff", 400, "invalid_id"),
    Case("GET", "/api/v1/traces/00000000-0000-0000-0000-000000000000", 400, "invalid_id"),
    Case("GET", "/api/v1/stats?verbose=1", 400, "unknown_parameter"),
    Case("GET", "/api/v1/handlers?since=yesterday", 400, "invalid_parameter"),
    Case("GET", "/api/v1/handlers?since=1h&until=2h", 400, "invalid_parameter"),
    Case("GET", "/api/v1/traces?limit=10001", 400, "invalid_parameter"),
    Case("POST", "/api/v1/events", 503, "read_only"), Case("POST", "/api/v1/handler-reports", 503, "read_only"),
    Case("GET", "/api/v1/tail", 503, "read_only"),
  ])
  func `a request finds its route, or is told why not`(_ example: Case) throws {
    let answer = try TestAPI().call(example.method, example.path)
    #expect(answer.status == example.status)
    #expect(answer.errorCode == example.code)
    if example.code != nil { #expect(answer.errorHint?.isEmpty == false) }
  }

  @Test func `every answer has the security headers and is not cached`() throws {
    let api = try TestAPI()
    for path in ["/", "/metrics", "/api/v1/stats", "/nothing", "/api/v1/export/traces"] {
      let headers = api.get(path).headers
      #expect(headers["x-content-type-options"] == "nosniff", "\(path)")
      #expect(headers["cache-control"] == "no-store", "\(path)")
      #expect(headers["content-security-policy"]?.hasPrefix("default-src 'none'") == true, "\(path)")
    }
    let refusal = Answer(api.api.refusal(status: 413, code: "body_too_large", message: "too large", hint: "less"))
    #expect(refusal.status == 413)
    #expect(refusal.errorCode == "body_too_large")
    #expect(refusal.headers["x-content-type-options"] == "nosniff")
  }

  @Test func `a wrong method is told which ones there are`() throws {
    #expect(try TestAPI().call("DELETE", "/api/v1/events").headers["allow"] == "POST")
    #expect(try TestAPI().call("PATCH", "/api/v1/stats").headers["allow"] == "GET, HEAD")
  }

  @Test func `reading and writing rights are apart, and health is open`() throws {
    let api = try TestAPI().api
    func policy(_ method: String, _ path: [String]) -> RequestPolicy {
      api.policy(method: method, path: path.map { Array($0.utf8) })
    }
    #expect(policy("GET", ["metrics"]).rights == .read)
    #expect(policy("GET", ["metrics"]).essential)
    #expect(policy("GET", ["livez"]).rights == .none)
    #expect(policy("GET", ["readyz"]).essential)
    let post = policy("POST", ["api", "v1", "events"])
    #expect(post.rights == .write)
    #expect(post.bodyBytesMax == ClewAPI.Options().bodyBytesMax)
    #expect(policy("PUT", ["api", "v1", "projections", "p", "checkpoint"]).rights == .write)
    let trace = policy("GET", ["api", "v1", "traces", "<script>"])
    #expect(trace.route == "/api/v1/traces/{correlationId}")
    #expect(trace.bodyBytesMax == 0)
    #expect(policy("GET", ["what", "ever"]).route == "other")
    #expect(ClewAPI.routes.allSatisfy { ($0.method == "GET") == ($0.rights != .write) })
  }

  @Test func `a page loaded from elsewhere cannot write`() throws {
    let api = try TestAPI()
    func code(_ origin: String) -> String? {
      api.call(
        "POST", "/api/v1/events", headers: [("origin", origin), ("host", "127.0.0.1:9797")]
      ).errorCode
    }
    #expect(code("https://evil.example") == "cross_origin")
    #expect(code("null") == "cross_origin")
    #expect(code("http://127.0.0.1:9797") == "read_only")
  }

  @Test func `no two routes take the same request`() {
    for (index, route) in ClewAPI.table.enumerated() {
      for other in ClewAPI.table[..<index] where other.method == route.method {
        #expect(other.segments != route.segments, "\(route.template)")
      }
    }
  }
}

@Suite("Page of routes") struct LandingPageTests {
  @Test func `it lists every route and loads nothing`() throws {
    let answer = try TestAPI().get("/")
    #expect(answer.headers["content-type"] == "text/html; charset=utf-8")
    for route in ClewAPI.routes { #expect(answer.text.contains(LandingPage.escaped(route.template))) }
    for text in ["http:", "https:", "src=", "<script", "url("] { #expect(!answer.text.contains(text), "\(text)") }
  }

  @Test func `text is escaped`() {
    let page = LandingPage.page(version: "<img src=x onerror='alert(1)'>&\"")
    #expect(!page.contains("<img"))
    #expect(page.contains("&lt;img src=x onerror=&#39;alert(1)&#39;&gt;&amp;&quot;"))
  }
}
