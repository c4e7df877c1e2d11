/// Sorts the events of a block by a number, ties in the order of the block.
///
/// Complexity: O(n log n), a few nanoseconds for each step: key and place are packed into one word where they fit.
enum EventOrder {
  /// - Returns: every place of `values` once.
  static func sorted(_ values: UnsafeBufferPointer<Int64>) -> [Int32] {
    let count = values.count
    if count == 0 { return [] }
    var least = Int64.max
    var most = Int64.min
    for index in 0..<count {
      unsafe least = min(least, values[index])
      unsafe most = max(most, values[index])
    }
    let span = UInt64(bitPattern: most &- least)
    guard span >> 48 == 0, count <= 1 << 16 else {
      return (0..<Int32(count)).sorted {
        unsafe (values[Int($0)], $0) < (values[Int($1)], $1)
      }
    }
    return unsafe [Int32](unsafeUninitializedCapacity: count) { order, filled in
      unsafe withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2 * count) { room in
        let keys = unsafe UnsafeMutableBufferPointer(rebasing: room[..<count])
        for index in 0..<count {
          unsafe keys[index] = unsafe UInt64(bitPattern: values[index] &- least) &<< 16 | UInt64(index)
        }
        unsafe sort(keys, spread: UnsafeMutableBufferPointer(rebasing: room[count...]), span: span)
        for index in 0..<count { unsafe order[index] = unsafe Int32(truncatingIfNeeded: keys[index] & 0xffff) }
      }
      filled = count
    }
  }

  /// Numbers of a block are spread over their span, as times are: they fall nearly into place by their size alone, and
  /// insertion does the rest. Where it has too much to do they are sorted as any others.
  private static func sort(
    _ keys: UnsafeMutableBufferPointer<UInt64>, spread: UnsafeMutableBufferPointer<UInt64>, span: UInt64
  ) {
    var keys = unsafe keys
    guard keys.count >= 32, span > 0 else { return unsafe keys.sort() }
    // Up to `count - 1` in 2^-48 for the largest key, so that no place is beyond the last one.
    let scale = (UInt64(keys.count &- 1) &<< 48) / span
    unsafe withUnsafeTemporaryAllocation(of: UInt32.self, capacity: keys.count) { ends in
      unsafe distribute(keys, scale, ends, spread)
    }
    if unsafe !insert(spread, into: keys) { unsafe keys.sort() }
  }

  /// A counting sort by place in the span.
  private static func distribute(
    _ keys: UnsafeMutableBufferPointer<UInt64>, _ scale: UInt64, _ ends: UnsafeMutableBufferPointer<UInt32>,
    _ spread: UnsafeMutableBufferPointer<UInt64>
  ) {
    @inline(__always) func place(_ key: UInt64) -> Int {
      let product = (key &>> 16).multipliedFullWidth(by: scale)
      return Int(truncatingIfNeeded: product.high &<< 16 | product.low &>> 48)
    }
    unsafe ends.initialize(repeating: 0)
    for index in 0..<keys.count { unsafe ends[place(keys[index])] &+= 1 }
    var sum: UInt32 = 0
    for index in 0..<keys.count {
      unsafe sum &+= ends[index]
      unsafe ends[index] = sum
    }
    var index = keys.count &- 1
    while index >= 0 {
      let slot = unsafe place(keys[index])
      unsafe ends[slot] &-= 1
      unsafe spread[Int(ends[slot])] = unsafe keys[index]
      index &-= 1
    }
  }

  /// - Returns: false if it would take more than some steps for each key; `keys` then holds all of them in some order.
  private static func insert(
    _ spread: UnsafeMutableBufferPointer<UInt64>, into keys: UnsafeMutableBufferPointer<UInt64>
  ) -> Bool {
    _ = unsafe keys.update(fromContentsOf: spread)
    var budget = keys.count &* 8
    for index in 1..<keys.count {
      let key = unsafe keys[index]
      var place = index
      while place > 0, unsafe keys[place &- 1] > key {
        unsafe keys[place] = unsafe keys[place &- 1]
        place &-= 1
      }
      unsafe keys[place] = key
      budget &-= index &- place
      if budget < 0 { return false }
    }
    return true
  }
}
