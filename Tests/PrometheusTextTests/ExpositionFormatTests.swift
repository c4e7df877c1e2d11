import PrometheusText
import Testing

/// Every `Accept` header that a Prometheus sends, by version, and what else may come.
private let headers: [(String?, ExpositionFormat)] = [
  // 2.42 to 2.48
  (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
      + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
  ),
  // the same with native histograms
  (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited,"
      + "application/openmetrics-text;version=1.0.0;q=0.8,application/openmetrics-text;version=0.0.1;q=0.75,"
      + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .openMetrics
  ),
  // 2.49.0, with its q=2
  (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
      + "text/plain;version=0.0.4;q=0.3,*/*;q=2", .openMetrics
  ),
  // 2.49.1 to 2.54
  (
    "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
      + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", .openMetrics
  ),
  // 2.55 with utf8-names
  (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
      + "application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.4,"
      + "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2", .openMetrics
  ),
  // 3.0 to 3.2, with its parameter given twice
  (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
      + "application/openmetrics-text;version=0.0.1;escaping=allow-utf-8;q=0.5,"
      + "text/plain;version=1.0.0;escaping=allow-utf-8;escaping=allow-utf-8;q=0.4,"
      + "text/plain;version=0.0.4;escaping=allow-utf-8;q=0.3,*/*;q=0.2", .openMetrics
  ),
  // 3.3 to 3.14
  (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
      + "application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,"
      + "text/plain;version=0.0.4;q=0.3,*/*;q=0.2", .openMetrics
  ),
  // 3.8 with native histograms
  (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
      + "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
      + "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,"
      + "text/plain;version=0.0.4;q=0.2,*/*;q=0.1", .openMetrics
  ),
  (nil, .text), ("", .text), ("*/*", .text), ("*/*;q=2", .text), ("text/html", .text), ("text/*", .text),
  ("nonsense", .text), (",;,;q=,", .text), ("application/openmetrics-text", .openMetrics),
  ("Application/OpenMetrics-Text; Version=\"1.0.0\"", .openMetrics),
  ("application/openmetrics-text;version=2.0.0", .text),
  ("application/openmetrics-text;version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", .text),
  ("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited", .text),
  ("text/plain;version=0.0.4", .text), ("text/plain", .text), ("text/plain;version=1.0.0", .text),
  ("text/plain;q=0.9,application/openmetrics-text;version=1.0.0;q=0.8", .text),
  ("text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.5", .openMetrics),
  ("application/openmetrics-text;version=1.0.0;q=0,text/plain;q=0.1", .text),
  ("application/openmetrics-text;version=1.0.0;q=0", .text),
  ("application/openmetrics-text;version=1.0.0;q=-1,text/plain", .text),
  ("application/openmetrics-text;version=1.0.0;q=nan", .openMetrics),
]

@Suite("Choice of the format") struct ExpositionFormatTests {
  @Test(arguments: headers) func `each Accept header gets the format it wants most`(
    _ header: String?, _ format: ExpositionFormat
  ) {
    #expect(ExpositionFormat.negotiate(accept: header) == format)
  }

  @Test func `a format is named by one concrete content type`() {
    #expect(ExpositionFormat.text.contentType == "text/plain; version=0.0.4; charset=utf-8")
    #expect(
      ExpositionFormat.openMetrics.contentType == "application/openmetrics-text; version=1.0.0; charset=utf-8")
  }
}
