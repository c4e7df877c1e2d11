/// Text from outside on its way to a terminal.
enum Printable {
  /// The text with everything escaped that a terminal or a line could take for a command: control characters
  /// (C0, DEL, C1), line separators, and characters that change the direction or are not seen.
  static func escaped(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar.value {
      case 0x09: result += "\\t"
      case 0x0a: result += "\\n"
      case 0x0d: result += "\\r"
      case 0..<0x20, 0x7f...0x9f, 0xad, 0x061c, 0x180e, 0x200b...0x200f, 0x2028...0x202e, 0x2060...0x206f, 0xfeff,
        0xfff9...0xfffb, 0xe0000...0xe007f:
        result += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// Escaped, in single quotes, cut to a length that fits a message.
  static func quoted(_ text: String, limit: Int = 120) -> String { "'" + cut(escaped(text), limit) + "'" }

  /// At most `limit` characters, the last one an ellipsis where something was left out.
  static func cut(_ text: String, _ limit: Int) -> String {
    if text.utf8.count <= limit || text.count <= limit { return text }
    return String(text.prefix(max(1, limit) - 1)) + "…"
  }
}
