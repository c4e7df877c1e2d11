import CZlib

/// Whole gzip files (RFC 1952).
public enum Gzip {
  /// True for bytes that start like a gzip file.
  public static func isGzip(_ bytes: UnsafeRawBufferPointer) -> Bool {
    unsafe bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b
  }

  public static func isGzip(_ bytes: [UInt8]) -> Bool { bytes.count >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b }

  /// One member without name and time.
  public static func compress(_ bytes: [UInt8], level: Int = 6) -> [UInt8] {
    unsafe bytes.withUnsafeBytes {
      unsafe Deflate.pack($0, ZStream(.deflate(level: Int32(level), windowBits: 15 + 16)))
    }
  }

  /// All members, one behind the other.
  ///
  /// - Parameter outputBytesMax: more throws `.outputTooLarge`; never much more than that is allocated.
  public static func decompress(_ bytes: [UInt8], outputBytesMax: Int) throws(CompressionError) -> [UInt8] {
    let reader = GzipReader()
    var output: [UInt8] = []
    var taken = 0
    var piece = [UInt8](repeating: 0, count: 64 * 1024)
    while true {
      let step = unsafe try bytes.withUnsafeBufferPointer { (all) throws(CompressionError) in
        unsafe try piece.withUnsafeMutableBufferPointer { (room) throws(CompressionError) in
          unsafe try reader.read(
            UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(all)[taken...]),
            into: UnsafeMutableRawBufferPointer(room))
        }
      }
      taken += step.consumed
      if output.count + step.produced > outputBytesMax { throw .outputTooLarge(limitBytes: outputBytesMax) }
      output += piece[0..<step.produced]
      if taken == bytes.count && step.produced < piece.count {
        try reader.finish()
        return output
      }
    }
  }
}

/// Unpacks a gzip file piece by piece: any number of members, zero bytes of padding behind them.
///
/// The caller owns both buffers, so memory is bounded by them and 50 KB of state. Not thread-safe.
public final class GzipReader {
  private enum State { case betweenMembers, inMember, padding }

  private let stream = ZStream(.inflate(windowBits: 15 + 16))
  private var state = State.betweenMembers
  private var memberCount = 0
  /// Compressed bytes taken so far.
  public private(set) var consumedBytes = 0
  /// Unpacked bytes given so far.
  public private(set) var producedBytes = 0

  public init() {}

  /// Takes from `input` and writes to `output` until one of them is used up.
  ///
  /// What was unpacked before an error is lost for this call only: an error is thrown by the call after the one that
  /// gave the last good bytes.
  /// - Returns: how many bytes were taken and given. `produced < output.count` means: all input was taken.
  public func read(
    _ input: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer
  ) throws(CompressionError) -> (consumed: Int, produced: Int) {
    var consumed = 0
    var produced = 0
    while true {
      if state != .inMember {
        guard consumed < input.count else { break }
        unsafe try begin(input[consumed])
        if state == .padding {
          consumed += 1
          consumedBytes += 1
          continue
        }
      }
      let step = unsafe stream.run(
        UnsafeRawBufferPointer(rebasing: input[consumed...]),
        UnsafeMutableRawBufferPointer(rebasing: output[produced...]), Z_NO_FLUSH)
      consumed += step.consumed
      produced += step.produced
      consumedBytes += step.consumed
      producedBytes += step.produced
      if step.code == Z_STREAM_END {
        state = .betweenMembers
        memberCount += 1
        continue
      }
      if step.code == Z_OK || step.code == Z_BUF_ERROR {
        if produced == output.count || consumed == input.count { break }
        if step.consumed + step.produced > 0 { continue }
      }
      if produced > 0 { break }
      throw .corrupted(atByte: consumedBytes)
    }
    return (consumed, produced)
  }

  private func begin(_ byte: UInt8) throws(CompressionError) {
    if memberCount > 0 && byte == 0 {
      state = .padding
    } else if state == .padding {
      throw .corrupted(atByte: consumedBytes)
    } else {
      stream.resetInflate()
      state = .inMember
    }
  }

  /// To be called at the end of the input: throws `.truncated` inside a member, or where there was none.
  public func finish() throws(CompressionError) {
    if state == .inMember || memberCount == 0 { throw .truncated(atByte: consumedBytes) }
  }
}
