import CZlib

/// What a z_stream is made for.
enum StreamDirection {
  case deflate(level: Int32, windowBits: Int32)
  case inflate(windowBits: Int32)
}

/// zlib's state at a fixed address (its inner state points back at it), freed with the object.
///
/// `@safe`: the pointer is set once, in `init`, and freed in `deinit` only.
@safe final class ZStream {
  let pointer: UnsafeMutablePointer<z_stream>
  private let deflating: Bool

  /// - Precondition: there is memory for zlib's state (at most 300 KB).
  init(_ direction: StreamDirection) {
    unsafe pointer = .allocate(capacity: 1)
    unsafe pointer.initialize(to: z_stream())
    let result: Int32
    switch direction {
    case .deflate(let level, let windowBits):
      deflating = true
      result = unsafe clew_deflate_init(pointer, level, windowBits)
    case .inflate(let windowBits):
      deflating = false
      result = unsafe clew_inflate_init(pointer, windowBits)
    }
    precondition(result == Z_OK, "zlib refuses to start")
  }

  deinit {
    if deflating { unsafe deflateEnd(pointer) } else { unsafe inflateEnd(pointer) }
    unsafe pointer.deallocate()
  }

  /// Longest piece zlib counts in 32 bits.
  static let pieceBytesMax = 1 << 30

  /// Lets zlib work on `input` and `output` once. `step` is `deflate` or `inflate` with its flush argument.
  ///
  /// - Returns: zlib's answer, and how many bytes it took and gave.
  func run(
    _ input: UnsafeRawBufferPointer, _ output: UnsafeMutableRawBufferPointer, _ flush: Int32
  ) -> (code: Int32, consumed: Int, produced: Int) {
    let inputCount = min(input.count, Self.pieceBytesMax)
    let outputCount = min(output.count, Self.pieceBytesMax)
    unsafe pointer.pointee.next_in = unsafe UnsafeMutablePointer(
      mutating: input.baseAddress?.assumingMemoryBound(to: UInt8.self))
    unsafe pointer.pointee.avail_in = UInt32(inputCount)
    unsafe pointer.pointee.next_out = unsafe output.baseAddress?.assumingMemoryBound(to: UInt8.self)
    unsafe pointer.pointee.avail_out = UInt32(outputCount)
    let code = unsafe deflating ? deflate(pointer, flush) : inflate(pointer, flush)
    let consumed = unsafe inputCount - Int(pointer.pointee.avail_in)
    let produced = unsafe outputCount - Int(pointer.pointee.avail_out)
    unsafe pointer.pointee.next_in = nil
    unsafe pointer.pointee.next_out = nil
    return (code, consumed, produced)
  }

  func resetInflate() { unsafe inflateReset(pointer) }

  /// The most bytes that `inputBytes` can become.
  func bound(_ inputBytes: Int) -> Int { unsafe Int(deflateBound(pointer, UInt(inputBytes))) }
}
