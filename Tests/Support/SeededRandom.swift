/// A generator whose sequence is its seed's alone (SplitMix64): a failing seed is printed and becomes a test.
public struct SeededRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  public init(seed: UInt64) { state = seed }

  public mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }

  /// True in one of `count` cases.
  public mutating func oneIn(_ count: Int) -> Bool { Int.random(in: 0..<count, using: &self) == 0 }

  /// Random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next() >> 24) }
  }
}

/// Every order of `elements`; n! of them, so for small sets only.
public func permutations<Element>(of elements: [Element]) -> [[Element]] {
  var all: [[Element]] = [[]]
  for element in elements {
    all = all.flatMap { order in
      (0...order.count).map { place in
        var longer = order
        longer.insert(element, at: place)
        return longer
      }
    }
  }
  return all
}
