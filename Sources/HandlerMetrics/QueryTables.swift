public import PrometheusText

/// The query families: plain and single-threaded, guarded by their owner.
public struct QueryTables {
  private let options: MetricsOptions
  private var endpoints: [String: Int] = [:]
  private var labels = SeriesTable(MetricCatalogue.queriesInflight)
  private var scannedBytes = SeriesTable(MetricCatalogue.queryScannedBytes)
  private var codes = SeriesTable(MetricCatalogue.queries)
  private var durations: HistogramTable

  static let codeClasses = ["1xx", "2xx", "3xx", "4xx", "5xx"]

  public init(options: MetricsOptions) {
    self.options = options
    durations = HistogramTable(bounds: options.bounds(MetricCatalogue.queryDuration.name))
  }

  /// A request to this route begins to be served.
  public mutating func begin(_ endpoint: String) { labels.values[index(endpoint)] += 1 }

  /// A request that began is over.
  public mutating func ended(_ endpoint: String) { labels.values[index(endpoint)] -= 1 }

  /// It was served.
  public mutating func finished(_ endpoint: String, status: Int, nanoseconds: Int64, began: Bool) {
    let index = index(endpoint)
    if began { labels.values[index] -= 1 }
    codes.values[index * Self.codeClasses.count + min(max(status / 100, 1), 5) - 1] += 1
    durations.observe(index, max(0, nanoseconds))
  }

  /// So many bytes were read from segments to serve it.
  public mutating func scanned(_ endpoint: String, bytes: Int) {
    scannedBytes.values[index(endpoint)] += Int64(bytes)
  }

  private mutating func index(_ endpoint: String) -> Int {
    if let known = endpoints[endpoint] { return known }
    let isFull = endpoints.count >= options.endpointsMax
    if isFull, let known = endpoints["_overflow"] { return known }
    let name = isFull ? "_overflow" : endpoint
    let value = LabelValue.of(name)
    let index = labels.add([value])
    _ = scannedBytes.add([value])
    for code in Self.codeClasses { _ = codes.add([value, Array(code.utf8)]) }
    _ = durations.addSeries()
    endpoints[name] = index
    return index
  }

  public mutating func writeQueries(into writer: inout MetricWriter) { codes.write(into: &writer) }
  public mutating func writeScannedBytes(into writer: inout MetricWriter) { scannedBytes.write(into: &writer) }
  public mutating func writeInflight(into writer: inout MetricWriter) { labels.write(into: &writer) }

  public mutating func writeDurations(into writer: inout MetricWriter) {
    writer.begin(MetricCatalogue.queryDuration)
    for index in labels.sorted() {
      writer.histogram(labels.labels[Int(index)], durations, series: Int(index))
    }
  }
}
