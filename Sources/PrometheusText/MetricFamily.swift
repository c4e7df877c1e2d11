/// What a family of metrics is: its name, type, labels and help text, the same in every format.
public struct MetricFamily: Sendable, Hashable {
  public enum Kind: String, Sendable {
    case counter, gauge, histogram
    /// Static facts, always 1: a gauge in text 0.0.4, an info in OpenMetrics.
    case info
  }

  /// As in text 0.0.4: counters with `_total`, infos with `_info`, histograms without suffix.
  public let name: String
  public let kind: Kind
  /// In the order in which they are written.
  public let labels: [String]
  public let help: String

  /// - Precondition: a counter's name ends in `_total`, an info's in `_info`, and no other's does.
  public init(_ name: String, _ kind: Kind, _ labels: [String] = [], _ help: String) {
    precondition(name.hasSuffix("_total") == (kind == .counter), "\(name): only counters end in _total")
    precondition(name.hasSuffix("_info") == (kind == .info), "\(name): only infos end in _info")
    self.name = name
    self.kind = kind
    self.labels = labels
    self.help = help
  }

  /// The name without the suffix of its type: what OpenMetrics calls the family.
  public var baseName: String {
    switch kind {
    case .counter: String(name.dropLast("_total".count))
    case .info: String(name.dropLast("_info".count))
    case .gauge, .histogram: name
    }
  }

  /// `seconds` or `bytes` where the name ends in it, else nil; infos have none.
  public var unit: String? {
    if kind == .info { return nil }
    return ["seconds", "bytes"].first { baseName.hasSuffix("_" + $0) }
  }

  /// The labels of one series as they stand between the braces, escaped. Made once for each series.
  ///
  /// - Precondition: one value for each label name.
  public func rendered(_ values: [[UInt8]]) -> [UInt8] {
    precondition(values.count == labels.count, "\(name) has \(labels.count) labels")
    var bytes: [UInt8] = []
    for (name, value) in zip(labels, values) {
      if !bytes.isEmpty { bytes.append(0x2c) }
      bytes.append(contentsOf: name.utf8)
      bytes.append(0x3d)
      bytes.append(0x22)
      Escaping.appendLabelValue(value, to: &bytes)
      bytes.append(0x22)
    }
    return bytes
  }

  /// As `rendered` over the UTF-8 of the values.
  public func rendered(_ values: [String]) -> [UInt8] { rendered(values.map { Array($0.utf8) }) }
}

enum Escaping {
  /// Escapes backslash, double quote and line feed; everything else stays, as both formats want it.
  static func appendLabelValue(_ value: [UInt8], to bytes: inout [UInt8]) {
    for byte in value {
      switch byte {
      case 0x5c:
        bytes.append(0x5c)
        bytes.append(0x5c)
      case 0x22:
        bytes.append(0x5c)
        bytes.append(0x22)
      case 0x0a:
        bytes.append(0x5c)
        bytes.append(0x6e)
      default: bytes.append(byte)
      }
    }
  }

  /// Help texts escape backslash and line feed, and in OpenMetrics the double quote too.
  static func appendHelp(_ text: String, quotes: Bool, to bytes: inout [UInt8]) {
    for byte in text.utf8 {
      switch byte {
      case 0x5c:
        bytes.append(0x5c)
        bytes.append(0x5c)
      case 0x22 where quotes:
        bytes.append(0x5c)
        bytes.append(0x22)
      case 0x0a:
        bytes.append(0x5c)
        bytes.append(0x6e)
      default: bytes.append(byte)
      }
    }
  }
}
