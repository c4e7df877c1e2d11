import Compression

/// Chunks of a dictionary without compression, so that a changed byte reaches its reader.
enum DictionaryText {
  static func unpacked(_ chunk: [UInt8]) throws -> [UInt8] {
    guard chunk[2] == 1 else { return chunk }
    let length = (0..<4).reduce(0) { $0 | Int(chunk[3 + $1]) << (8 * $1) }
    var plain = Array(chunk[..<7]) + (try Deflate.decompress(Array(chunk[7...]), outputBytes: length))
    plain[2] = 0
    return plain
  }
}
