import PrometheusText
import TestSupport
import Testing

private let gauge = MetricFamily("test_value", .gauge, [], "A value.")

private func written(_ body: (inout MetricWriter) -> Void) -> String {
  var writer = MetricWriter(format: .text)
  writer.begin(gauge)
  body(&writer)
  let text = String(decoding: writer.bytes, as: UTF8.self)
  return String(text.split(separator: "\n").last!.dropFirst("test_value ".count))
}

@Suite("Numbers") struct NumberTests {
  @Test(
    arguments: [
      (0, "0"), (9, "9"), (10, "10"), (-1, "-1"), (9_007_199_254_740_991, "9007199254740991"),
      (9_007_199_254_740_993, "9007199254740993"), (.max, "9223372036854775807"), (.min, "-9223372036854775808"),
    ] as [(Int64, String)])
  func `integers are exact and have no exponent`(_ value: Int64, _ text: String) {
    #expect(written { $0.sample([], value) } == text)
  }

  @Test(
    arguments: [
      (.nan, "NaN"), (.infinity, "+Inf"), (-.infinity, "-Inf"), (-0.0, "-0"), (0.1, "0.1"),
      (.leastNonzeroMagnitude, "5e-324"),
      (1e300, "1e+300"), (3, "3"), (-2.5, "-2.5"),
    ] as [(Double, String)])
  func `numbers read back as themselves`(_ value: Double, _ text: String) {
    #expect(written { $0.sample([], value) } == text)
  }

  @Test(
    arguments: [
      (0, "0"), (1_000_000_000, "1"), (1, "0.000000001"), (-1, "-0.000000001"), (-1_500_000_000, "-1.5"),
      (1_700_000_000_123_000_000, "1700000000.123"), (-500_000_000, "-0.5"),
    ] as [(Int64, String)])
  func `nanoseconds are written as exact seconds`(_ value: Int64, _ text: String) {
    #expect(written { $0.sample([], nanoseconds: value) } == text)
  }

  @Test(
    arguments: [
      (0.005, "0.005"), (0.5, "0.5"), (1, "1.0"), (10, "10.0"), (300, "300.0"), (86400, "86400.0"), (1e6, "1e+06"),
      (1_500_000, "1.5e+06"), (0.0001, "0.0001"), (0.00001, "1e-05"), (123456.5, "123456.5"), (2.5, "2.5"), (0, "0.0"),
      (1e21, "1e+21"), (0.025, "0.025"),
    ] as [(Double, String)])
  func `bounds are canonical`(_ bound: Double, _ text: String) {
    let table = HistogramTable(bounds: [bound], unitsPerOne: 1)
    #expect(String(decoding: table.boundTexts[0], as: UTF8.self) == text)
    #expect(String(decoding: table.boundTexts[1], as: UTF8.self) == "+Inf")
  }

  @Test func `sums are exact where floating point would round`() {
    var table = HistogramTable(bounds: [1])
    let series = table.addSeries()
    for _ in 0..<10 { table.observe(series, 100_000_000) }
    table.observe(series, .max)
    #expect(table.sum(series) == (9_223_372_037, 854_775_807))
    #expect(table.total(series) == 11)
  }

  @Test func `a series that was counted elsewhere keeps its counts`() {
    var table = HistogramTable(bounds: [1, 2])
    let series = table.addSeries(bucketCounts: [3, 0, 1], sumUnits: 4_500_000_000)
    #expect(table.total(series) == 4)
    #expect(table.sum(series) == (4, 500_000_000))
  }
}
