import Glibc

/// xoshiro256** (Blackman and Vigna), seeded by splitmix64: the same seed gives the same workload on every machine.
struct Random {
  private var a, b, c, d: UInt64

  init(seed: UInt64) {
    var state = seed
    func word() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      return Self.scramble(state)
    }
    (a, b, c, d) = (word(), word(), word(), word())
  }

  /// A fixed function of a number that looks random: what belongs to one user is the same in all of the user's events.
  static func scramble(_ number: UInt64) -> UInt64 {
    var x = number
    x = (x ^ x >> 30) &* 0xbf58_476d_1ce4_e5b9
    x = (x ^ x >> 27) &* 0x94d0_49bb_1331_11eb
    return x ^ x >> 31
  }

  mutating func next() -> UInt64 {
    let product = b &* 5
    let result = (product << 7 | product >> 57) &* 9
    let shifted = b << 17
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = d << 45 | d >> 19
    return result
  }

  /// 0 to `count` - 1.
  mutating func below(_ count: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(count)).high) }

  /// 0 to below 1.
  mutating func fraction() -> Double { Double(next() >> 11) * 0x1p-53 }

  mutating func chance(_ probability: Double) -> Bool { fraction() < probability }

  mutating func normal() -> Double {
    let radius = (-2 * log(fraction() + 1e-18)).squareRoot()
    return radius * cos(2 * Double.pi * fraction())
  }

  mutating func logNormal(_ mean: Double, _ deviation: Double) -> Double { exp(mean + deviation * normal()) }

  /// The waiting time of a Poisson process, in units of its mean.
  mutating func exponential() -> Double { -log(fraction() + 1e-18) }

  mutating func uuid() -> RandomUUID { RandomUUID(next(), next()) }
}

/// A version 4 UUID.
struct RandomUUID: Equatable {
  var high: UInt64
  var low: UInt64

  init(_ high: UInt64, _ low: UInt64) {
    self.high = high & ~0xf000 | 0x4000
    self.low = low & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
  }

  /// The one UUID of a number.
  init(of number: UInt64) {
    self.init(Random.scramble(number &* 2 &+ 1), Random.scramble(number &* 2 &+ 0x9e37_79b9_7f4a_7c15))
  }
}

/// Ranks whose probability falls with a power of the rank.
struct Zipf {
  private let sums: [Double]

  init(_ count: Int, exponent: Double) {
    var total = 0.0
    let weights = (1...count).map { rank -> Double in
      total += pow(Double(rank), -exponent)
      return total
    }
    sums = weights.map { $0 / total }
  }

  func draw(_ random: inout Random) -> Int {
    let wanted = random.fraction()
    var low = 0
    var high = sums.count - 1
    while low < high {
      let middle = (low + high) / 2
      if sums[middle] < wanted { low = middle + 1 } else { high = middle }
    }
    return low
  }
}
