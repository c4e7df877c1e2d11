/// A distribution of latencies in bounded memory: counts in buckets that grow by half a percent.
///
/// Quantiles are nearest rank and within 0.5 % of the exact value's size; count, minimum and maximum are exact.
/// Negative values are kept in buckets of their own, zero apart. Sketches of parts merge to the sketch of the whole.
/// At most about 17,500 buckets of 16 bytes can ever exist, because 64-bit nanoseconds span that many; real
/// latencies touch some hundreds.
public struct LatencySketch: Sendable, Hashable {
  /// Bucket i > 0 holds values in [gamma^(i-1), gamma^i), and stands for all of them with its middle.
  static let gamma = 1.005
  private static let logGamma = 0.004987541511039074
  /// Up to here values are exact: their buckets would be narrower than one nanosecond.
  static let exactMax: Int64 = 200

  public private(set) var count = 0
  public private(set) var negativeCount = 0
  /// Nil while nothing was added.
  public private(set) var minimum: Int64?
  public private(set) var maximum: Int64?
  /// Ascending: what is merged, stored and asked for quantiles is read from the first to the last.
  private var held: ContiguousArray<Bucket> = []

  private struct Bucket: Hashable {
    var number: Int32
    var count: Int
  }

  public init() {}

  public var isEmpty: Bool { count == 0 }

  /// A sketch as it was taken apart before; nil if the parts contradict each other.
  public init?(
    negativeCount: Int, minimum: Int64, maximum: Int64, buckets: [(bucket: Int32, count: Int)]
  ) {
    var total = 0
    held.reserveCapacity(buckets.count)
    for (bucket, count) in buckets {
      guard count > 0, count <= Int(Int32.max) else { return nil }
      held.append(Bucket(number: bucket, count: count))
      total += count
    }
    if !isAscending {
      held.sort { $0.number < $1.number }
      guard isAscending else { return nil }
    }
    guard total > 0, total <= Int(Int32.max), minimum <= maximum, negativeCount >= 0, negativeCount <= total,
      (negativeCount > 0) == (minimum < 0)
    else { return nil }
    count = total
    self.negativeCount = negativeCount
    self.minimum = minimum
    self.maximum = maximum
  }

  /// Each bucket once.
  private var isAscending: Bool {
    for place in held.indices.dropFirst() where held[place - 1].number >= held[place].number { return false }
    return true
  }

  /// The buckets in use, ascending with the latencies that they hold.
  public var buckets: [(bucket: Int32, count: Int)] { held.map { (bucket: $0.number, count: $0.count) } }

  /// How many buckets are in use.
  public var bucketCount: Int { held.count }

  public mutating func add(_ nanoseconds: Int64) {
    count += 1
    if nanoseconds < 0 { negativeCount += 1 }
    minimum = Swift.min(minimum ?? nanoseconds, nanoseconds)
    maximum = Swift.max(maximum ?? nanoseconds, nanoseconds)
    let bucket = Self.bucket(nanoseconds)
    var low = 0
    var high = held.count
    while low < high {
      let middle = (low + high) / 2
      if held[middle].number < bucket { low = middle + 1 } else { high = middle }
    }
    if low < held.count, held[low].number == bucket {
      held[low].count += 1
    } else {
      held.insert(Bucket(number: bucket, count: 1), at: low)
    }
  }

  public mutating func merge(_ other: LatencySketch) {
    guard let otherMinimum = other.minimum, let otherMaximum = other.maximum else { return }
    count += other.count
    negativeCount += other.negativeCount
    minimum = Swift.min(minimum ?? otherMinimum, otherMinimum)
    maximum = Swift.max(maximum ?? otherMaximum, otherMaximum)
    if held.isEmpty {
      held = other.held
      return
    }
    var merged: ContiguousArray<Bucket> = []
    merged.reserveCapacity(held.count + other.held.count)
    var place = 0
    for bucket in other.held {
      while place < held.count, held[place].number < bucket.number {
        merged.append(held[place])
        place += 1
      }
      merged.append(bucket)
      if place < held.count, held[place].number == bucket.number {
        merged[merged.count - 1].count += held[place].count
        place += 1
      }
    }
    merged.append(contentsOf: held[place...])
    held = merged
  }

  /// The value at nearest rank: sorted[ceil(q * count) - 1].
  ///
  /// - Parameter q: 0 to 1.
  /// - Returns: nil while nothing was added. Complexity: O(buckets log buckets).
  public func quantile(_ q: Double) -> Int64? { quantiles([q])[0] }

  /// Several quantiles in one pass, in the order asked for.
  public func quantiles(_ wanted: [Double]) -> [Int64?] {
    guard let minimum, let maximum else { return wanted.map { _ in nil } }
    return wanted.map { q in
      let rank = Self.rank(q, count)
      if rank == 1 { return minimum }
      if rank == count { return maximum }
      var seen = 0
      for bucket in held {
        seen += bucket.count
        if seen >= rank { return Swift.min(Swift.max(Self.middle(bucket.number), minimum), maximum) }
      }
      return maximum
    }
  }

  /// The nearest rank of a quantile, 1 to `count`; tolerant of q such as 0.9 that no Double holds exactly.
  public static func rank(_ q: Double, _ count: Int) -> Int {
    let exact = q * Double(count)
    let nearest = exact.rounded()
    let rank = abs(exact - nearest) < 1e-9 * Swift.max(1, nearest) ? nearest : exact.rounded(.up)
    return Swift.min(Swift.max(Int(rank), 1), Swift.max(count, 1))
  }

  /// The number of the bucket of a value; ascending with it, negative for negative values.
  public static func bucket(_ value: Int64) -> Int32 {
    let size = value.magnitude
    let index: Int32
    if size <= UInt64(exactMax) {
      index = Int32(size)
    } else {
      index = Int32(exactMax) + 1 + Int32(logarithm(Double(size) / Double(exactMax)) / logGamma)
    }
    return value < 0 ? -index : index
  }

  static func middle(_ bucket: Int32) -> Int64 {
    let index = abs(bucket)
    if index <= Int32(exactMax) { return Int64(bucket) }
    let low = Double(exactMax) * exponential(Double(index - Int32(exactMax) - 1) * logGamma)
    let middle = low * (1 + gamma) / 2
    let value = middle >= 9.2e18 ? Int64.max : Int64(middle)
    return bucket < 0 ? -value : value
  }

  /// The natural logarithm of a number of at least 1, to about 1e-13; this module imports no C library.
  static func logarithm(_ x: Double) -> Double {
    let exponent = x.exponent
    // 0.7 to 1.4, so that the series converges fast.
    var mantissa = x.significand
    var power = Double(exponent)
    if mantissa > 1.4142135623730951 {
      mantissa /= 2
      power += 1
    }
    let z = (mantissa - 1) / (mantissa + 1)
    let s = z * z
    // 1, 1/3, 1/5 … 1/23, from behind.
    var sum = 0.043478260869565216
    sum = sum * s + 0.047619047619047616
    sum = sum * s + 0.05263157894736842
    sum = sum * s + 0.058823529411764705
    sum = sum * s + 0.06666666666666667
    sum = sum * s + 0.07692307692307693
    sum = sum * s + 0.09090909090909091
    sum = sum * s + 0.1111111111111111
    sum = sum * s + 0.14285714285714285
    sum = sum * s + 0.2
    sum = sum * s + 0.3333333333333333
    sum = sum * s + 1
    return 2 * sum * z + power * 0.6931471805599453
  }

  static func exponential(_ x: Double) -> Double {
    let halvings = (x / 0.6931471805599453).rounded()
    let rest = x - halvings * 0.6931471805599453
    var term = 1.0
    var sum = 1.0
    var index = 1.0
    while index < 16 {
      term *= rest / index
      sum += term
      index += 1
    }
    return Double(sign: .plus, exponent: Int(halvings), significand: sum)
  }
}
