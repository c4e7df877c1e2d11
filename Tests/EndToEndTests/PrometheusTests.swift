import Glibc
import HTTPClient
import Platform
import TestSupport
import Testing
import WireFormats

/// A real Prometheus scrapes a real server.
@Suite("Prometheus", .serialized) struct PrometheusTests {
  static let hostileLines: [UInt8] = {
    var body: [UInt8] = []
    for number in 0..<300 {
      body += KillLoopTests.line(number)
    }
    let names = [#"a\"b\\c\nd{e=\"f\"} # HELP"#, #"h\"} 1\nfake_metric 1"#, #"é😀"#, #" \t"#, #"\u0000\u001b"#]
    for (index, name) in names.enumerated() {
      body += Array(
        """
        {"id":"n-\(index)","stream":"x-\(index)","type":"\(name)","created":"2026-01-01T00:00:00Z","metadata":\
        {"$correlationId":"nasty","service":"\(name)","handler":"\(name)"}}
        {"id":"m-\(index)","stream":"x-\(index)","type":"\(name)","created":"2026-01-01T00:00:01Z","metadata":\
        {"$correlationId":"nasty","$causationId":"n-\(index)","service":"\(name)","handler":"\(name)","error":"x"}}\n
        """.utf8)
    }
    return body
  }()

  struct Scraped {
    var up: Bool
    var health: String
    var lastError: String
  }

  /// Runs Prometheus until it has scraped `target`, and answers a query.
  func scrape(_ target: String, query: String) throws -> (target: Scraped, value: Double?) {
    let directory = try TemporaryDirectory("prometheus")
    let port = try freePort()
    let config = try directory.write(
      "prometheus.yml",
      """
      global: {scrape_interval: 1s, scrape_timeout: 1s}
      scrape_configs:
        - job_name: clew
          static_configs: [{targets: ["\(target)"]}]
      """)
    let prometheus = try ChildProcess(
      "prometheus",
      [
        "--config.file=\(config)", "--storage.tsdb.path=\(directory.file("tsdb"))",
        "--web.listen-address=127.0.0.1:\(port)", "--enable-feature=exemplar-storage",
      ])
    defer {
      prometheus.kill(SIGTERM)
      _ = prometheus.wait(seconds: 20)
    }
    let client = HTTPClient()
    let base = "http://127.0.0.1:\(port)/api/v1"
    var found = Scraped(up: false, health: "?", lastError: "?")
    _ = eventually(within: 60) {
      guard let answer = try? client.request("GET", "\(base)/targets"), answer.status == 200,
        let target = (try? JSONValue.parse(answer.body))?["data"]?["activeTargets"]?[0]
      else { return false }
      found.health = target["health"]?.string ?? "?"
      found.lastError = target["lastError"]?.string ?? "?"
      return found.health == "up" || found.health == "down"
    }
    found.up = found.health == "up"
    var value: Double?
    _ = eventually(within: 20) {
      let answer = try? client.request("GET", "\(base)/query?query=\(query)")
      let result = answer.flatMap { try? JSONValue.parse($0.body) }?["data"]?["result"]?[0]?["value"]?[1]
      value = result?.string.flatMap(Double.init)
      return value != nil
    }
    return (found, value)
  }

  func server(_ directory: String) throws -> ClewServer {
    let server = try ClewServer(directory, environment: ["CLEW_LIVE_WINDOW": "all"])
    let answer = try server.post("/api/v1/events", Self.hostileLines)
    #expect(answer.status == 200, "\(answer.text)")
    return server
  }

  @Test func `it scrapes OpenMetrics without error, hostile names included`() throws {
    let directory = try TemporaryDirectory("scrape")
    let server = try server(directory.path)
    let result = try scrape(
      String(server.url.dropFirst(7)), query: "sum(clew_handler_reaction_latency_seconds_count)")
    #expect(result.target.up, "\(result.target)")
    #expect(result.value == 275)
    try server.stop()
  }

  @Test func `it scrapes text without error through a proxy that asks for text`() throws {
    let directory = try TemporaryDirectory("scrape-text")
    let server = try server(directory.path)
    let proxy = try AcceptProxy(target: UInt16(server.url.split(separator: ":").last ?? "") ?? 0)
    let result = try scrape("127.0.0.1:\(proxy.port)", query: "sum(clew_events_ingested_total)")
    #expect(result.target.up, "\(result.target)")
    #expect(result.value == 310)
    #expect(proxy.sawText)
    proxy.stop()
    try server.stop()
  }

  @Test func `promtool finds nothing to say`() throws {
    let directory = try TemporaryDirectory("promtool")
    let server = try server(directory.path)
    let text = try server.get("/metrics", headers: [("accept", "text/plain;version=0.0.4")]).body
    let check = try ChildProcess.run("promtool", ["check", "metrics"], input: text)
    #expect(check.exitCode == 0, "\(check.outputText) \(check.errorText)")
    #expect(check.outputText + check.errorText == "")
    try server.stop()
  }
}
