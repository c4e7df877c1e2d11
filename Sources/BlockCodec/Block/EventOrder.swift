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
      keys.sort()
      return keys.map { Int32($0 & 0xffff) }
    }
    return (0..<Int32(count)).sorted {
      unsafe (values[Int($0)], $0) < (values[Int($1)], $1)
    }
  }
}
