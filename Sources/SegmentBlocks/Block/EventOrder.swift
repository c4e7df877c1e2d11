/// Sorts the events of a block by a number, ties in the order of the block.
///
/// Complexity: O(n log n), a few nanoseconds for each step: key and place are packed into one word where they fit.
enum EventOrder {
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
    if span >> 48 == 0, count <= 1 << 16 {
      var keys = [UInt64](repeating: 0, count: count)
      for index in 0..<count {
        keys[index] = unsafe UInt64(bitPattern: values[index] &- least) << 16 | UInt64(index)
      }
      sort(&keys, span: span)
      return keys.map { Int32($0 & 0xffff) }
    }
    return (0..<Int32(count)).sorted {
      unsafe (values[Int($0)], $0) < (values[Int($1)], $1)
    }
  }
  /// Numbers of a block are spread over their span, as times are: they fall nearly into place by their size alone, and
  /// insertion does the rest. Where it has too much to do they are sorted as any others.
  private static func sort(_ keys: inout [UInt64], span: UInt64) {
    let count = keys.count
    guard count >= 32, span > 0 else { return keys.sort() }
    let scale = Double(count - 1) / Double(span)
    var ends = [UInt32](repeating: 0, count: count)
    var spread = [UInt64](repeating: 0, count: count)
    let isDone = unsafe keys.withUnsafeMutableBufferPointer { keys in
      unsafe ends.withUnsafeMutableBufferPointer { ends in
        unsafe spread.withUnsafeMutableBufferPointer { spread in
          unsafe distribute(keys, scale, ends, spread)
          return unsafe insert(spread, into: keys)
        }
      }
    }
    if !isDone { keys.sort() }
  }

  /// A counting sort by place in the span. The scale keeps places below the count, whatever rounding does.
  private static func distribute(
    _ keys: UnsafeMutableBufferPointer<UInt64>, _ scale: Double, _ ends: UnsafeMutableBufferPointer<UInt32>,
    _ spread: UnsafeMutableBufferPointer<UInt64>
  ) {
    let last = keys.count - 1
    @inline(__always) func place(_ key: UInt64) -> Int { min(last, Int(Double(key >> 16) * scale)) }
    for index in 0...last { unsafe ends[place(keys[index])] += 1 }
    for index in 1...last { unsafe ends[index] += ends[index - 1] }
    for index in (0...last).reversed() {
      let slot = unsafe place(keys[index])
      unsafe ends[slot] -= 1
      unsafe spread[Int(ends[slot])] = unsafe keys[index]
    }
  }

  /// - Returns: false if it would take more than some steps for each key; `keys` then holds all of them in some order.
  private static func insert(
    _ spread: UnsafeMutableBufferPointer<UInt64>, into keys: UnsafeMutableBufferPointer<UInt64>
  ) -> Bool {
    _ = unsafe keys.update(fromContentsOf: spread)
    var budget = keys.count * 8
    for index in 1..<keys.count {
      let key = unsafe keys[index]
      var place = index
      while place > 0, unsafe keys[place - 1] > key {
        unsafe keys[place] = unsafe keys[place - 1]
        place -= 1
      }
      unsafe keys[place] = key
      budget -= index - place
      if budget < 0 { return false }
    }
    return true
  }
}
