import TestSupport
import Testing

@testable import SegmentBlocks

@Suite("Order of the events of a block") struct EventOrderTests {
  private func expectSorted(_ values: [Int64], _ what: String) {
    let sorted = unsafe values.withUnsafeBufferPointer { unsafe EventOrder.sorted($0) }
    let expected = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    #expect(sorted.map { Int($0) } == expected, "\(what)")
  }

  @Test func `by number, ties by place, however the numbers are spread`() {
    var random = SeededRandom(seed: 91)
    for round in 0..<400 {
      let count = [0, 1, 2, 31, 32, 33, 100, 1_000][Int.random(in: 0..<8, using: &random)]
      let bits = Int.random(in: 0..<64, using: &random)
      let first =
        round % 5 == 0 ? Int64.min : Int64(bitPattern: random.next()) >> Int64(Int.random(in: 0..<64, using: &random))
      var values = (0..<count).map { _ in first &+ Int64(bitPattern: random.next() & (1 << UInt64(bits) &- 1)) }
      if random.oneIn(3) { values.sort() }
      // Nearly all at one place of the span: too much for insertion.
      if random.oneIn(4), count > 2 { values[Int.random(in: 0..<count, using: &random)] = first &+ (1 << 47) }
      expectSorted(values, "round \(round), \(count) of \(bits) bits")
    }
  }

  @Test func `the largest number comes last at the bounds of what is packed`() {
    let widest: Int64 = 1 << 48 - 1
    for most in [widest, widest + 1, 1, 2, 65_535, 65_536] {
      var values = [Int64](repeating: 0, count: 64)
      values[7] = most
      values[9] = most
      values[11] = most - 1
      expectSorted(values, "up to \(most)")
      expectSorted(values.map { $0 &+ Int64.max &- most }, "from \(Int64.max - most)")
    }
    expectSorted((0..<65_536).map { Int64($0 * 7_919 % 65_536) }, "65,536 events")
    expectSorted((0..<65_537).map { Int64($0 * 7_919 % 65_537) }, "65,537 events")
  }
}

@Suite("Guesses of positions") struct PositionGuessTests {
  @Test func `each of sixteen sources goes on from its last position, and all others together from theirs`() {
    var random = SeededRandom(seed: 92)
    var guesses = PositionGuesses()
    var places: [UInt32: Int] = [:]
    var last: [(major: UInt64, ordinal: Int64)] = []
    let slope: Int64 = 3 << 32
    for step in 0..<5_000 {
      let source = UInt32(Int.random(in: 0..<(step < 200 ? 3 : 24), using: &random))
      let (ordinal, major) = (Int64(step * 2), random.next())
      var expected: UInt64 = 0
      if places[source] == nil, last.count == PositionGuesses.sourceCountMax { places[source] = last.count - 1 }
      if let place = places[source] {
        expected = last[place].major &+ UInt64(3 * (ordinal - last[place].ordinal))
      } else {
        places[source] = last.count
        last.append((0, 0))
      }
      #expect(guesses.expected(source, ordinal, slope) == expected, "step \(step)")
      guesses.note(major, ordinal)
      last[places[source] ?? 0] = (major, ordinal)
    }
  }
}
