/// Base64 (RFC 4648 section 4): standard alphabet, padded.
public enum Base64 {
  private static let alphabet: [UInt8] = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static let values: [UInt8] = {
    var table = [UInt8](repeating: 0xff, count: 256)
    for (value, character) in alphabet.enumerated() { table[Int(character)] = UInt8(value) }
    return table
  }()

  public static func encode(_ bytes: UnsafeRawBufferPointer) -> [UInt8] {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    var index = 0
    while index < bytes.count {
      let left = bytes.count - index
      let word =
        unsafe UInt32(bytes[index]) << 16 | (left > 1 ? UInt32(bytes[index + 1]) << 8 : 0)
        | (left > 2 ? UInt32(bytes[index + 2]) : 0)
      text.append(alphabet[Int(word >> 18)])
      text.append(alphabet[Int(word >> 12 & 63)])
      text.append(left > 1 ? alphabet[Int(word >> 6 & 63)] : 0x3d)
      text.append(left > 2 ? alphabet[Int(word & 63)] : 0x3d)
      index += 3
    }
    return text
  }

  public static func encode(_ bytes: [UInt8]) -> [UInt8] { unsafe bytes.withUnsafeBytes { unsafe encode($0) } }

  /// Appends the decoded bytes.
  ///
  /// - Returns: false if `text` is no padded base64 (white space and the URL alphabet included), or has bits behind
  ///   its last byte; what was appended then is of no use.
  public static func decode(_ text: UnsafeRawBufferPointer, into bytes: inout [UInt8]) -> Bool {
    guard text.count % 4 == 0 else { return false }
    bytes.reserveCapacity(bytes.count + text.count / 4 * 3)
    var index = 0
    while index < text.count {
      let last = index + 4 == text.count
      let padding = unsafe last ? (text[index + 3] == 0x3d ? 1 : 0) + (text[index + 2] == 0x3d ? 1 : 0) : 0
      var word: UInt32 = 0
      for place in 0..<4 {
        let value = unsafe place >= 4 - padding ? 0 : values[Int(text[index + place])]
        if value == 0xff { return false }
        word = word << 6 | UInt32(value)
      }
      if unsafe padding == 1 && (text[index + 3] != 0x3d || word & 0xff != 0) { return false }
      if padding == 2 && word & 0xffff != 0 { return false }
      bytes.append(UInt8(truncatingIfNeeded: word >> 16))
      if padding < 2 { bytes.append(UInt8(truncatingIfNeeded: word >> 8)) }
      if padding < 1 { bytes.append(UInt8(truncatingIfNeeded: word)) }
      index += 4
    }
    return true
  }

  public static func decode(_ text: [UInt8]) -> [UInt8]? {
    var bytes: [UInt8] = []
    return unsafe text.withUnsafeBytes { unsafe decode($0, into: &bytes) } ? bytes : nil
  }
}
