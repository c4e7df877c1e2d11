/// The formats we write, each with the one content type that names it.
public enum ExpositionFormat: Sendable, CaseIterable {
  case text
  case openMetrics

  public var contentType: String {
    switch self {
    case .text: "text/plain; version=0.0.4; charset=utf-8"
    case .openMetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8"
    }
  }

  /// The format for an `Accept` header: the highest quality among the types we write, OpenMetrics before text where
  /// they tie.
  ///
  /// Without a header, or where nothing named fits, text 0.0.4: wildcards never beat a named type, whatever their
  /// quality (Prometheus 2.49.0 sends `*/*;q=2`). Qualities are held in 0...1; repeated and unknown parameters are
  /// ignored; `escaping` changes nothing, since all our names are plain ASCII. Complexity: O(length).
  public static func negotiate(accept: String?) -> ExpositionFormat {
    var openMetrics = 0.0
    var text = 0.0
    for entry in (accept ?? "").utf8.split(separator: UInt8(ascii: ",")) {
      var type: [UInt8] = []
      var version: [UInt8]?
      var quality = 1.0
      for (index, part) in entry.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).enumerated() {
        let lowered = lowercasedWithoutBlanks(part)
        if index == 0 {
          type = lowered
        } else if lowered.starts(with: "version=".utf8) {
          version = lowered.dropFirst(8).filter { $0 != UInt8(ascii: "\"") }
        } else if lowered.starts(with: "q=".utf8) {
          let written = Double(String(decoding: lowered.dropFirst(2), as: UTF8.self)) ?? 1
          quality = written.isNaN ? 1 : min(max(written, 0), 1)
        }
      }
      if type.elementsEqual("application/openmetrics-text".utf8), version == nil || version! == Array("1.0.0".utf8) {
        openMetrics = max(openMetrics, quality)
      } else if type.elementsEqual("text/plain".utf8), version == nil || version! == Array("0.0.4".utf8) {
        text = max(text, quality)
      }
    }
    return openMetrics > 0 && openMetrics >= text ? .openMetrics : .text
  }

  private static func lowercasedWithoutBlanks(_ part: some Sequence<UInt8>) -> [UInt8] {
    part.filter { $0 != 0x20 && $0 != 0x09 }.map { $0 >= 0x41 && $0 <= 0x5a ? $0 + 0x20 : $0 }
  }
}
