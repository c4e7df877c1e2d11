/// SplitMix64: the same numbers for the same seed, everywhere.
struct ShopRandom: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// From 0 up to, but not including, 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// True in one of so many cases.
  mutating func oneIn(_ cases: Double) -> Bool { unit() * cases < 1 }

  mutating func pick<T>(_ items: [T]) -> T { items[Int(next() % UInt64(items.count))] }

  mutating func number(_ range: ClosedRange<Int>) -> Int {
    range.lowerBound + Int(next() % UInt64(range.upperBound - range.lowerBound + 1))
  }

  /// How long something takes that usually takes `typical` and now and then much longer: what services really do.
  mutating func milliseconds(_ typical: Double) -> Int64 {
    let base = typical * (0.5 + unit())
    let tail = oneIn(20) ? typical * 8 * unit() : 0
    return Int64((base + tail) * 1e6)
  }

  /// Version 4 form, so that it looks like what producers make.
  mutating func identifier() -> String {
    let digits = Array("0123456789abcdef".utf8)
    var bytes: [UInt8] = []
    for _ in 0..<2 {
      let word = next()
      for shift in stride(from: 60, through: 0, by: -4) { bytes.append(digits[Int((word >> UInt64(shift)) & 15)]) }
    }
    bytes[12] = UInt8(ascii: "4")
    bytes[16] = digits[8 + Int(next() % 4)]
    for place in [20, 16, 12, 8] { bytes.insert(UInt8(ascii: "-"), at: place) }
    return String(decoding: bytes, as: UTF8.self)
  }
}
