import TestSupport
import Testing
import TraceStore

@Suite("Latency sketch") struct LatencySketchTests {
  enum Shape: String, CaseIterable, Sendable {
    case uniform, small, longTail, constant, twoHills, negative, everything
  }

  private static func values(_ shape: Shape, _ count: Int, _ random: inout SeededRandom) -> [Int64] {
    (0..<count).map { _ in
      switch shape {
      case .uniform: Int64.random(in: 0..<1_000_000_000, using: &random)
      case .small: Int64.random(in: -3...300, using: &random)
      case .longTail: Int64.random(in: 1...(Int64.max >> Int64.random(in: 0..<62, using: &random)), using: &random)
      case .constant: 123_456_789
      case .twoHills: random.oneIn(2) ? 1_000 + Int64.random(in: 0..<9, using: &random) : 5_000_000_000
      case .negative: -Int64.random(in: 0..<10_000_000, using: &random)
      case .everything: Int64(bitPattern: random.next()) >> Int64.random(in: 0..<60, using: &random)
      }
    }
  }

  private static func rank(_ sorted: [Int64], _ percent: Int) -> Int64 {
    sorted[max(0, (sorted.count * percent + 99) / 100 - 1)]
  }

  @Test(arguments: Shape.allCases, [1, 2, 3, 10, 99, 100, 101, 5000])
  func `quantiles are nearest rank within one percent`(shape: Shape, count: Int) {
    for seed in UInt64(1)...3 {
      var random = SeededRandom(seed: seed)
      let values = Self.values(shape, count, &random)
      var sketch = LatencySketch()
      for value in values { sketch.add(value) }
      let sorted = values.sorted()
      #expect(sketch.count == count && sketch.minimum == sorted.first && sketch.maximum == sorted.last)
      #expect(sketch.negativeCount == values.count { $0 < 0 })
      for percent in [0, 1, 10, 50, 90, 95, 99, 100] {
        let exact = Double(Self.rank(sorted, percent))
        let found = Double(sketch.quantile(Double(percent) / 100) ?? 0)
        #expect(abs(found - exact) <= 0.005 * abs(exact) + 0.5, "\(shape) p\(percent) of \(count), seed \(seed)")
      }
    }
  }

  @Test func `parts merge to the sketch of the whole`() {
    var random = SeededRandom(seed: 77)
    let values = Self.values(.everything, 3000, &random)
    var whole = LatencySketch()
    var parts = Array(repeating: LatencySketch(), count: 7)
    for (index, value) in values.enumerated() {
      whole.add(value)
      parts[index % 7].add(value)
    }
    var merged = LatencySketch()
    merged.merge(LatencySketch())
    for part in parts.shuffled(using: &random) { merged.merge(part) }
    #expect(merged == whole)
  }

  @Test func `an empty sketch knows no quantile`() {
    #expect(LatencySketch().quantile(0.5) == nil)
    #expect(LatencySketch().minimum == nil && LatencySketch().isEmpty)
  }

  @Test func `the bounds of 64 bit are values like others`() {
    var sketch = LatencySketch()
    for value in [Int64.min, .min, 0, .max, .max] { sketch.add(value) }
    #expect(sketch.quantiles([0, 0.5, 0.6, 0.8, 1]) == [.min, 0, 0, .max, .max])
  }

  @Test func `memory is bounded whatever comes`() {
    var random = SeededRandom(seed: 5)
    var sketch = LatencySketch()
    for shift in 0..<63 {
      for _ in 0..<2000 { sketch.add(Int64(bitPattern: random.next()) >> Int64(shift)) }
    }
    #expect(sketch.bucketCount < 16_000)
    var usual = LatencySketch()
    for value in Self.values(.uniform, 100_000, &random) { usual.add(1_000_000 + value) }
    #expect(usual.bucketCount < 1500)
  }
}
