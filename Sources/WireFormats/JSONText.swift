/// Strings of JSON: from their escaped form and back.
public enum JSONText {
  /// Appends the text behind the escapes of a string that a scanner has checked.
  ///
  /// - Parameter content: the bytes between the quotes.
  /// - Returns: false for a lone surrogate, which is no Unicode; nothing of use was appended then.
  public static func unescape(_ content: UnsafeRawBufferPointer, into text: inout [UInt8]) -> Bool {
    var index = 0
    while index < content.count {
      let byte = unsafe content[index]
      if byte != 0x5c {
        text.append(byte)
        index += 1
        continue
      }
      guard index + 1 < content.count else { return false }
      let code = unsafe content[index + 1]
      if code != 0x75 {
        text.append(simpleEscape(code))
        index += 2
        continue
      }
      guard let scalar = unsafe surrogates(content, &index) else { return false }
      appendUTF8(scalar, to: &text)
    }
    return true
  }

  /// As `unescape`, with U+FFFD in the place of lone surrogates: for showing.
  public static func unescapeRepairing(_ content: UnsafeRawBufferPointer, into text: inout [UInt8]) {
    var index = 0
    while index < content.count {
      let byte = unsafe content[index]
      if byte != 0x5c || index + 1 >= content.count {
        text.append(byte)
        index += 1
      } else if unsafe content[index + 1] != 0x75 {
        unsafe text.append(simpleEscape(content[index + 1]))
        index += 2
      } else if let scalar = unsafe surrogates(content, &index) {
        appendUTF8(scalar, to: &text)
      } else {
        appendUTF8(0xfffd, to: &text)
        index += 6
      }
    }
  }

  private static func simpleEscape(_ code: UInt8) -> UInt8 {
    switch code {
    case 0x62: 0x08
    case 0x66: 0x0c
    case 0x6e: 0x0a
    case 0x72: 0x0d
    case 0x74: 0x09
    default: code
    }
  }

  /// The scalar of a `\u` escape, or of two that are a surrogate pair; moves `index` behind it. Nil, with `index`
  /// unmoved, for a lone surrogate.
  private static func surrogates(_ content: UnsafeRawBufferPointer, _ index: inout Int) -> UInt32? {
    guard let first = unsafe unit(content, index) else { return nil }
    if first < 0xd800 || first > 0xdfff {
      index += 6
      return first
    }
    guard first < 0xdc00, let second = unsafe unit(content, index + 6), second >= 0xdc00, second <= 0xdfff else {
      return nil
    }
    index += 12
    return 0x10000 + ((first - 0xd800) << 10 | (second - 0xdc00))
  }

  private static func unit(_ content: UnsafeRawBufferPointer, _ index: Int) -> UInt32? {
    guard index + 6 <= content.count, unsafe content[index] == 0x5c, unsafe content[index + 1] == 0x75 else {
      return nil
    }
    var value: UInt32 = 0
    for place in (index + 2)..<(index + 6) {
      let digit = unsafe Hex.value(content[place])
      if digit == 0xff { return nil }
      value = value << 4 | UInt32(digit)
    }
    return value
  }

  static func appendUTF8(_ scalar: UInt32, to text: inout [UInt8]) {
    switch scalar {
    case ..<0x80:
      text.append(UInt8(scalar))
    case ..<0x800:
      text.append(UInt8(0xc0 | scalar >> 6))
      text.append(UInt8(0x80 | scalar & 0x3f))
    case ..<0x10000:
      text.append(UInt8(0xe0 | scalar >> 12))
      text.append(UInt8(0x80 | scalar >> 6 & 0x3f))
      text.append(UInt8(0x80 | scalar & 0x3f))
    default:
      text.append(UInt8(0xf0 | scalar >> 18))
      text.append(UInt8(0x80 | scalar >> 12 & 0x3f))
      text.append(UInt8(0x80 | scalar >> 6 & 0x3f))
      text.append(UInt8(0x80 | scalar & 0x3f))
    }
  }

  /// Appends `bytes` as a JSON string with its quotes. What is no UTF-8 becomes U+FFFD, so that the output is always
  /// valid; U+2028 and U+2029 are escaped, because JavaScript takes them for line ends.
  public static func appendQuoted(_ bytes: UnsafeRawBufferPointer, to output: inout [UInt8]) {
    output.append(0x22)
    if let base = bytes.baseAddress { unsafe appendEscaped(base, bytes.count, to: &output) }
    output.append(0x22)
  }

  private static func appendEscaped(_ base: UnsafeRawPointer, _ count: Int, to output: inout [UInt8]) {
    var index = 0
    while index < count {
      let run = unsafe plainRun(base, index, count)
      unsafe output.append(contentsOf: UnsafeRawBufferPointer(start: base + index, count: run - index))
      index = run
      if index < count { unsafe index += appendSpecial(base + index, count - index, &output) }
    }
  }

  /// The end of the run of characters that need no care.
  @inline(__always) private static func plainRun(_ base: UnsafeRawPointer, _ start: Int, _ count: Int) -> Int {
    var index = start
    while index + 8 <= count {
      let found = unsafe SWAR.specialInString(base.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian)
      if found != 0 { return index + found.trailingZeroBitCount >> 3 }
      index += 8
    }
    while index < count {
      let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
      if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte >= 0x80 { return index }
      index += 1
    }
    return index
  }

  /// Appends what stands for the character at `start`, and gives its length.
  private static func appendSpecial(_ start: UnsafeRawPointer, _ available: Int, _ output: inout [UInt8]) -> Int {
    let byte = unsafe start.load(as: UInt8.self)
    if byte >= 0x80 {
      let length = unsafe UTF8Validation.sequenceLength(start, available: available)
      if length == 0 {
        appendUTF8(0xfffd, to: &output)
        return 1
      }
      if length == 3, byte == 0xe2, unsafe start.load(fromByteOffset: 1, as: UInt8.self) == 0x80 {
        let last = unsafe start.load(fromByteOffset: 2, as: UInt8.self)
        if last == 0xa8 || last == 0xa9 {
          appendUnicodeEscape(last == 0xa8 ? 0x2028 : 0x2029, &output)
          return 3
        }
      }
      unsafe output.append(contentsOf: UnsafeRawBufferPointer(start: start, count: length))
      return length
    }
    switch byte {
    case 0x22, 0x5c: output += [0x5c, byte]
    case 0x0a: output += [0x5c, 0x6e]
    case 0x0d: output += [0x5c, 0x72]
    case 0x09: output += [0x5c, 0x74]
    default: appendUnicodeEscape(UInt32(byte), &output)
    }
    return 1
  }

  private static func appendUnicodeEscape(_ unit: UInt32, _ output: inout [UInt8]) {
    output += [0x5c, 0x75]
    for shift in [12, 8, 4, 0] { output.append(Hex.lowerDigits[Int(unit >> UInt32(shift) & 15)]) }
  }

  /// Writes a number in decimal, with zeros before it where it has fewer digits.
  ///
  /// - Parameters:
  ///   - count: 1 to 20.
  ///   - room: for 20 bytes.
  /// - Returns: how many were written.
  @inline(__always) static func write(
    _ value: UInt64, atLeast count: Int, to room: UnsafeMutablePointer<UInt8>
  ) -> Int {
    var width = 1
    var bound: UInt64 = 10
    while width < 20, value >= bound {
      width += 1
      bound = bound &* 10
    }
    width = max(width, count)
    var rest = value
    var place = width
    while place > 0 {
      place -= 1
      unsafe room[place] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
    }
    return width
  }
}
