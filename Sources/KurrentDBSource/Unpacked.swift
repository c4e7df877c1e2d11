import Compression
import HTTPClient

/// Messages as they are, unpacked where the server packed them.
enum Unpacked {
  /// As the official clients allow, and as calls are bounded themselves.
  static let bytesMax = 17 << 20

  /// Nil: a packed message that is no gzip, or too long.
  static func bytes(_ message: GRPCMessage) -> [UInt8]? {
    let packed = unsafe Array(message.bytes)
    if !message.isCompressed { return packed }
    do throws(CompressionError) {
      return try Gzip.decompress(packed, outputBytesMax: bytesMax)
    } catch {
      return nil
    }
  }
}
