import PrometheusText
import TestSupport
import Testing

private let requests = MetricFamily("test_requests_total", .counter, ["source", "path"], "Requests \"so\nfar\" \\.")
private let wait = MetricFamily("test_wait_seconds", .histogram, ["source"], "Time waited.")
private let build = MetricFamily("test_build_info", .info, ["version"], "Build facts.")
private let temperature = MetricFamily("test_temperature", .gauge, [], "Now.")

private func page(_ format: ExpositionFormat) -> [UInt8] {
  var page = MetricPage()
  page.add(wait) { writer in
    var table = HistogramTable(bounds: [0.005, 0.5, 1, 10, 300])
    let series = table.addSeries()
    for value in [0, 5_000_000, 5_000_001, 1_000_000_000, 12_345_678_901] as [Int64] { table.observe(series, value) }
    writer.begin(wait)
    writer.histogram(wait.rendered(["a"]), table, series: series) { bucket, writer in
      if bucket != 1 { return }
      writer.exemplar(nanoseconds: 5_000_001, unitsPerOne: 1_000_000_000, atNanoseconds: 1_700_000_000_123_456_789) {
        $0.exemplarLabel("trace_id", Array("0af7".utf8))
      }
    }
  }
  page.add(requests, [(["a", "/x"], 3), (["a", "q\"b\\s\nn"], 4)])
  page.add(build, [(["1.0"], 1)])
  page.add(temperature, value: -2.5)
  page.add(MetricFamily("test_empty_total", .counter, ["source"], "Nothing."), [])
  return page.render(format)
}

@Suite("Pages of metrics") struct WriterTests {
  @Test func `text 0.0.4 is written as its golden page`() {
    let golden = #"""
      # HELP test_build_info Build facts.
      # TYPE test_build_info gauge
      test_build_info{version="1.0"} 1
      # HELP test_requests_total Requests "so\nfar" \\.
      # TYPE test_requests_total counter
      test_requests_total{source="a",path="/x"} 3
      test_requests_total{source="a",path="q\"b\\s\nn"} 4
      # HELP test_temperature Now.
      # TYPE test_temperature gauge
      test_temperature -2.5
      # HELP test_wait_seconds Time waited.
      # TYPE test_wait_seconds histogram
      test_wait_seconds_bucket{source="a",le="0.005"} 2
      test_wait_seconds_bucket{source="a",le="0.5"} 3
      test_wait_seconds_bucket{source="a",le="1.0"} 4
      test_wait_seconds_bucket{source="a",le="10.0"} 4
      test_wait_seconds_bucket{source="a",le="300.0"} 5
      test_wait_seconds_bucket{source="a",le="+Inf"} 5
      test_wait_seconds_sum{source="a"} 13.355678902
      test_wait_seconds_count{source="a"} 5

      """#
    #expect(String(decoding: page(.text), as: UTF8.self) == golden)
    #expect(Exposition(page(.text), openMetrics: false).problems == [])
  }

  @Test func `OpenMetrics is written as its golden page`() {
    let golden = #"""
      # TYPE test_build info
      # HELP test_build Build facts.
      test_build_info{version="1.0"} 1
      # TYPE test_requests counter
      # HELP test_requests Requests \"so\nfar\" \\.
      test_requests_total{source="a",path="/x"} 3
      test_requests_total{source="a",path="q\"b\\s\nn"} 4
      # TYPE test_temperature gauge
      # HELP test_temperature Now.
      test_temperature -2.5
      # TYPE test_wait_seconds histogram
      # UNIT test_wait_seconds seconds
      # HELP test_wait_seconds Time waited.
      test_wait_seconds_bucket{source="a",le="0.005"} 2
      test_wait_seconds_bucket{source="a",le="0.5"} 3 # {trace_id="0af7"} 0.005000001 1700000000.123
      test_wait_seconds_bucket{source="a",le="1.0"} 4
      test_wait_seconds_bucket{source="a",le="10.0"} 4
      test_wait_seconds_bucket{source="a",le="300.0"} 5
      test_wait_seconds_bucket{source="a",le="+Inf"} 5
      test_wait_seconds_sum{source="a"} 13.355678902
      test_wait_seconds_count{source="a"} 5
      # EOF

      """#
    #expect(String(decoding: page(.openMetrics), as: UTF8.self) == golden)
    #expect(Exposition(page(.openMetrics), openMetrics: true).problems == [])
  }

  @Test(
    .enabled(if: TestSupport.hasProgram("promtool"), "needs promtool (Debian package prometheus)"))
  func `promtool finds nothing to say`() throws {
    let result = try ChildProcess.run("/usr/bin/promtool", ["check", "metrics"], input: page(.text))
    // The golden page is not about good names; the catalogue's page is checked in HandlerMetricsTests.
    #expect(result.exitCode == 0, "\(result.outputText)\(result.errorText)")
  }

  @Test func `the strict reader trips over what breaks a scrape`() {
    let good = "# TYPE a counter\n# HELP a A.\na_total{x=\"1\"} 1\n# EOF\n"
    #expect(Exposition(Array(good.utf8), openMetrics: true).problems == [])
    let broken = [
      "# TYPE a counter\n# HELP a A.\na_total 1\n", "# TYPE a counter\n# HELP a A.\na_total 1\n# EOF\nb 1\n",
      "# TYPE a counter\n\na_total 1\n# EOF\n", "# a comment\n# EOF\n",
      "# TYPE a gauge\n# UNIT a seconds\n# HELP a A.\na 1\n# EOF\n",
      "# HELP a A.\n# TYPE a counter\na_total 1\n# EOF\n",
      "# TYPE a counter\n# HELP a A.\na 1\n# EOF\n", "# TYPE a counter\n# HELP a A.\na_total NaN\n# EOF\n",
      "# TYPE a gauge\n# HELP a A.\na 1 # {t=\"1\"} 1 1\n# EOF\n",
      "# TYPE a gauge\n# HELP a A.\na{x=\"1\"} 1\na{x=\"1\"} 1\n# EOF\n",
    ]
    for page in broken {
      #expect(Exposition(Array(page.utf8), openMetrics: true).problems != [], "\(page)")
    }
  }

  @Test func `a page with room enough is written into one allocation`() {
    let first = page(.openMetrics)
    var writer = MetricWriter(format: .openMetrics, capacity: first.count)
    let room = writer.bytes.capacity
    writer.begin(temperature)
    writer.sample([], Int64(1))
    writer.finish()
    #expect(writer.bytes.capacity == room)
  }
}

@Suite("Exemplars") struct ExemplarTests {
  private func line(_ labels: [(String, String)], value: Int64 = 1_000_000_000) -> String {
    var table = HistogramTable(bounds: [1])
    let series = table.addSeries()
    table.observe(series, value)
    var writer = MetricWriter(format: .openMetrics)
    writer.begin(wait)
    writer.histogram([], table, series: series) { bucket, writer in
      if table.count(series, bucket) == 0 { return }
      writer.exemplar(nanoseconds: value, unitsPerOne: 1_000_000_000, atNanoseconds: 1_000_000_000) { writer in
        for (name, value) in labels { writer.exemplarLabel(name, Array(value.utf8)) }
      }
    }
    writer.finish()
    #expect(Exposition(writer.bytes, openMetrics: true).problems == [])
    let text = String(decoding: writer.bytes, as: UTF8.self)
    return String(text.split(separator: "\n").first { $0.contains("# {") } ?? "")
  }

  @Test(arguments: [(127, true), (128, true), (129, false)])
  func `names and values may have 128 code points, however many bytes they are`(_ count: Int, _ isWritten: Bool) {
    let value = String(repeating: "é", count: count - 2)
    #expect(line([("id", value)]).contains(value) == isWritten)
  }

  @Test func `a label that does not fit is left out, those that fit stay`() {
    let line = line([("trace_id", "0af7"), ("correlation_id", String(repeating: "x", count: 200)), ("z", "1")])
    #expect(line.contains("# {trace_id=\"0af7\",z=\"1\"} 1.0 1.0"))
  }

  @Test func `a value equal to a bound belongs to that bound's bucket`() {
    #expect(line([("t", "1")], value: 1_000_000_000).contains("le=\"1.0\""))
    #expect(line([("t", "1")], value: 1_000_000_001).contains("le=\"+Inf\""))
  }

  @Test func `text 0.0.4 has none`() {
    #expect(!String(decoding: page(.text), as: UTF8.self).contains("# {"))
  }
}
