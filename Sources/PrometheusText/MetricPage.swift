/// One exposition: families from several owners, written in the order of their names.
public struct MetricPage {
  private var parts: [(family: MetricFamily, write: (inout MetricWriter) -> Void)] = []

  public init() {}

  public var families: [MetricFamily] { parts.map(\.family) }

  /// - Parameter write: begins the family and writes its samples, if it has any.
  public mutating func add(_ family: MetricFamily, _ write: @escaping (inout MetricWriter) -> Void) {
    parts.append((family, write))
  }

  /// A family with one sample without labels.
  public mutating func add(_ family: MetricFamily, value: Double) {
    add(family) { writer in
      writer.begin(family)
      writer.sample([], value)
    }
  }

  /// A family with these samples; the label values are in the family's order.
  public mutating func add(_ family: MetricFamily, _ samples: [(labels: [String], value: Double)]) {
    add(family) { writer in
      writer.begin(family)
      for sample in samples.sorted(by: { $0.labels.lexicographicallyPrecedes($1.labels) }) {
        writer.sample(family.rendered(sample.labels), sample.value)
      }
    }
  }

  /// - Precondition: no two parts are of one family.
  /// - Parameter capacity: bytes to make room for; the length of the page before is a good guess.
  public func render(_ format: ExpositionFormat, capacity: Int = 0) -> [UInt8] {
    let ordered = parts.sorted { $0.family.name.utf8.lexicographicallyPrecedes($1.family.name.utf8) }
    precondition(
      zip(ordered, ordered.dropFirst()).allSatisfy { $0.family.name != $1.family.name }, "a family is written once")
    var writer = MetricWriter(format: format, capacity: capacity)
    for part in ordered { part.write(&writer) }
    writer.finish()
    return writer.bytes
  }
}
