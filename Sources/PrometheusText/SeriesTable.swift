/// The label sets of one family, with integer values where the family is a counter or a gauge.
///
/// Series are only added; each keeps its index. Written in the order of their label bytes.
public struct SeriesTable: Sendable {
  public let family: MetricFamily
  /// As rendered by the family.
  public private(set) var labels: [[UInt8]] = []
  public var values: [Int64] = []
  /// Bits that say which labels were folded into `_overflow`; the meaning is the owner's.
  public private(set) var folded: [UInt8] = []
  private var order: [Int32] = []

  public init(_ family: MetricFamily) { self.family = family }

  public var count: Int { labels.count }

  /// Adds a label set; the caller knows that it is new.
  public mutating func add(_ values: [[UInt8]], folded bits: UInt8 = 0) -> Int {
    labels.append(family.rendered(values))
    self.values.append(0)
    folded.append(bits)
    return labels.count - 1
  }

  /// The indexes by label bytes; sorted anew only after series were added. Complexity: O(1) else.
  public mutating func sorted() -> [Int32] {
    if order.count != labels.count {
      order = (0..<Int32(labels.count)).sorted { labels[Int($0)].lexicographicallyPrecedes(labels[Int($1)]) }
    }
    return order
  }

  /// Writes the family with all its values.
  public mutating func write(into writer: inout MetricWriter) {
    writer.begin(family)
    for index in sorted() { writer.sample(labels[Int(index)], values[Int(index)]) }
  }

  /// The sum of the values of all series that have this bit.
  public func foldedSum(_ bit: UInt8) -> Int64 {
    var sum: Int64 = 0
    for index in 0..<folded.count where folded[index] & bit != 0 { sum += values[index] }
    return sum
  }
}
