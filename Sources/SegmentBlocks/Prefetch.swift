public import CPrefetch

/// Asks for cache lines that are going to be read soon, so that the wait for them is over by then. Has no effect but on
/// time; no address is wrong.
public enum Prefetch {
  public static let lineBytes = 64

  @inlinable @inline(__always) public static func line(_ address: UnsafeRawPointer) { unsafe clew_prefetch(address) }

  /// The one line or the two that something small lies in.
  @inlinable @inline(__always) public static func ends(_ start: UnsafeRawPointer, _ byteCount: Int) {
    unsafe clew_prefetch(start)
    unsafe clew_prefetch(start + byteCount - 1)
  }

  /// Every line of a range, `linesMax` at most.
  @inlinable @inline(__always) public static func lines(
    _ start: UnsafeRawPointer, _ byteCount: Int, max linesMax: Int
  ) {
    var offset = 0
    let end = min(byteCount, linesMax * lineBytes)
    while offset < end {
      unsafe clew_prefetch(start + offset)
      offset &+= lineBytes
    }
  }
}
