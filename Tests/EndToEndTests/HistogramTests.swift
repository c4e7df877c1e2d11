import HTTPClient
import TestSupport
import Testing
import WireFormats

/// One line of an exposition: name, labels, value.
struct Sample {
  var name: String
  var labels: [String: String] = [:]
  var value: Double

  /// Reads text 0.0.4; nil for comments and blank lines.
  init?(_ line: Substring) {
    guard !line.isEmpty, !line.hasPrefix("#") else { return nil }
    var rest = line
    name = String(rest.prefix { $0 != "{" && $0 != " " })
    rest = rest.dropFirst(name.count)
    if rest.first == "{" {
      rest = rest.dropFirst()
      while let character = rest.first, character != "}" {
        let key = String(rest.prefix { $0 != "=" })
        rest = rest.dropFirst(key.count + 2)
        var text = ""
        while let next = rest.first, next != "\"" {
          rest = rest.dropFirst()
          if next == "\\", let escaped = rest.first {
            text.append(escaped == "n" ? "\n" : escaped)
            rest = rest.dropFirst()
          } else {
            text.append(next)
          }
        }
        labels[key] = text
        rest = rest.dropFirst()
        if rest.first == "," { rest = rest.dropFirst() }
      }
      rest = rest.dropFirst()
    }
    let words = rest.split(separator: " ")
    guard let first = words.first, let number = first == "+Inf" ? .infinity : Double(first) else { return nil }
    value = number
  }

  static func all(_ text: String) -> [Sample] { text.split(separator: "\n").compactMap { Sample($0) } }
}

@Suite("Histograms")
struct HistogramTests {
  @Test(arguments: GroundTruth.names)
  func `the buckets on the metrics page are those of the ground truth`(_ name: String) throws {
    let truth = try GroundTruth(name)
    let directory = try TemporaryDirectory("histograms")
    let bounds = try #require(truth.values["latency_bounds_us"]?.array).compactMap(\.double)
    let server = try ClewServer(
      directory.path,
      environment: [
        "CLEW_LIVE_WINDOW": "all",
        "CLEW_BUCKETS_REACTION_LATENCY": bounds.map { "\($0 / 1e6)" }.joined(separator: ","),
      ])
    _ = try server.postLines(unzipped(truth.file))
    let text = try server.get("/metrics", headers: [("accept", "text/plain;version=0.0.4")]).text
    try server.stop()

    var buckets: [String: [Double: Double]] = [:]
    var counts: [String: Double] = [:]
    for sample in Sample.all(text) {
      let key = "\(sample.labels["service"] ?? "")|\(sample.labels["handler"] ?? "")"
      if sample.name == "clew_handler_reaction_latency_seconds_bucket", let le = sample.labels["le"] {
        buckets[key, default: [:]][le == "+Inf" ? .infinity : Double(le) ?? .nan] = sample.value
      } else if sample.name == "clew_handler_reaction_latency_seconds_count" {
        counts[key] = sample.value
      }
    }
    let expected = try #require(truth.values["latency_by_service_handler"]?.members)
    for member in expected {
      // Labels are trimmed and cut at 128 bytes, so that a few names of the file are others here; which ones does
      // not matter to the figures.
      if member.key.utf8.count > 120 { continue }
      let parts = member.key.split(separator: "|", maxSplits: 1, omittingEmptySubsequences: false)
      let key = parts.map { $0.trimmed.isEmpty ? "_none" : $0.trimmed }.joined(separator: "|")
      let n = try #require(member.value["n"]?.double)
      let negative = try #require(member.value["negative"]?.double)
      #expect(counts[key] == n - negative, "\(member.key)")
      let cumulative = try #require(member.value["le_us"]?.array).compactMap(\.double)
      for (bound, count) in zip(bounds, cumulative) {
        let found = buckets[key]?.first { abs($0.key - bound / 1e6) < 1e-9 * max(1, $0.key) }
        #expect(found?.value == count - negative, "\(member.key) le \(bound) us")
      }
    }
  }
}

extension Substring {
  /// Without white space at both ends, as label values are.
  var trimmed: String {
    let start = drop { $0.isWhitespace }
    return String(start.reversed().drop { $0.isWhitespace }.reversed())
  }
}
