/// Classic histograms of one family: plain integers in flat arrays, addressed by series and bucket.
///
/// Values are integers (nanoseconds, or counts), so that bounds compare exactly and sums never round.
public struct HistogramTable: Sendable {
  /// Upper bounds, ascending, in units; the last bucket, `+Inf`, has no bound here.
  public let bounds: [Int64]
  /// Units that make 1 in the exposition: 1,000,000,000 for nanoseconds shown as seconds, 1 for counts.
  public let unitsPerOne: Int64
  /// The bounds as they stand in `le`, `+Inf` last.
  public let boundTexts: [[UInt8]]
  private var counts: [UInt64] = []
  private var sumWhole: [Int64] = []
  private var sumUnits: [Int64] = []

  /// - Parameter bounds: in the exposition's unit (seconds, or events).
  /// - Precondition: ascending, finite.
  public init(bounds: [Double], unitsPerOne: Int64 = 1_000_000_000) {
    precondition(zip(bounds, bounds.dropFirst()).allSatisfy(<), "bounds ascend")
    // No value is beyond 64 bit, so a bound that is can stand at the end of them.
    self.bounds = bounds.map { Int64(exactly: ($0 * Double(unitsPerOne)).rounded()) ?? .max }
    self.unitsPerOne = unitsPerOne
    boundTexts = (bounds + [.infinity]).map(Numbers.canonicalBound)
  }

  public var bucketCount: Int { bounds.count + 1 }
  public var seriesCount: Int { sumWhole.count }

  public mutating func addSeries() -> Int {
    counts.append(contentsOf: repeatElement(0, count: bucketCount))
    sumWhole.append(0)
    sumUnits.append(0)
    return sumWhole.count - 1
  }

  /// Adds a series that was counted elsewhere, with the same bounds.
  ///
  /// - Parameters:
  ///   - bucketCounts: one for each bound and one for `+Inf`, not cumulative.
  ///   - sumUnits: the sum of all values, in units.
  public mutating func addSeries(bucketCounts: [UInt64], sumUnits sum: Int64) -> Int {
    precondition(bucketCounts.count == bucketCount, "one count for each bucket")
    let series = addSeries()
    for (bucket, count) in bucketCounts.enumerated() { counts[series * self.bucketCount + bucket] = count }
    sumWhole[series] = sum / unitsPerOne
    sumUnits[series] = sum % unitsPerOne
    return series
  }

  /// Counts one value.
  ///
  /// - Precondition: not negative (a negative sum would break `rate()`).
  /// - Returns: the bucket it fell into.
  @discardableResult public mutating func observe(_ series: Int, _ value: Int64) -> Int {
    precondition(value >= 0, "histograms hold no negative values")
    var bucket = 0
    while bucket < bounds.count && value > bounds[bucket] { bucket += 1 }
    counts[series * (bounds.count + 1) + bucket] += 1
    let (whole, rest) = value.quotientAndRemainder(dividingBy: unitsPerOne)
    sumWhole[series] += whole
    sumUnits[series] += rest
    if sumUnits[series] >= unitsPerOne {
      sumUnits[series] -= unitsPerOne
      sumWhole[series] += 1
    }
    return bucket
  }

  /// Values in this bucket alone, not cumulative.
  public func count(_ series: Int, _ bucket: Int) -> UInt64 { counts[series * bucketCount + bucket] }

  /// All values of a series.
  public func total(_ series: Int) -> UInt64 { (0..<bucketCount).reduce(0) { $0 + count(series, $1) } }

  /// The sum of all values, exact.
  public func sum(_ series: Int) -> (whole: Int64, billionths: Int64) {
    (sumWhole[series], sumUnits[series] * (1_000_000_000 / unitsPerOne))
  }
}
