public import PrometheusText

/// The families of the HTTP server: what clients do to it, and what it holds for them.
extension MetricCatalogue {
  public static let httpConnections = MetricFamily(
    "clew_http_connections", .gauge, [], "Connections that are open.")
  public static let httpConnectionsAccepted = MetricFamily(
    "clew_http_connections_accepted_total", .counter, [], "Connections accepted.")
  public static let httpConnectionsCut = MetricFamily(
    "clew_http_connections_cut_total", .counter, ["reason"],
    "Connections ended by the server. reason: limit, timeout, evicted, no_request, stalled_reader.")
  public static let httpRefusals = MetricFamily(
    "clew_http_refusals_total", .counter, ["reason"],
    "Requests refused before a handler ran. reason: bad_request, unauthorized, forbidden, certificate, body_too_large, "
      + "unsupported_encoding, method, expectation, overloaded, body_memory, stopping.")
  public static let httpStreams = MetricFamily(
    "clew_http_streams", .gauge, [], "Streamed answers that are running.")
  public static let httpBodyBytes = MetricFamily(
    "clew_http_request_body_bytes", .gauge, [], "Bytes of request bodies held in memory.")
  public static let httpCertificateReloads = MetricFamily(
    "clew_http_certificate_reloads_total", .counter, ["outcome"],
    "Times that changed certificate files were read. outcome: used, refused.")

  static let http = [
    httpConnections, httpConnectionsAccepted, httpConnectionsCut, httpRefusals, httpStreams, httpBodyBytes,
    httpCertificateReloads,
  ]
}
