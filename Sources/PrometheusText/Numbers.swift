/// Numbers as both formats read them, without a `String` where that is possible.
enum Numbers {
  static func append(_ value: UInt64, to bytes: inout [UInt8]) {
    if value < 10 {
      bytes.append(0x30 + UInt8(truncatingIfNeeded: value))
      return
    }
    var digits: (UInt64, UInt64, UInt32) = (0, 0, 0)
    unsafe withUnsafeMutableBytes(of: &digits) { room in
      var start = 20
      var rest = value
      while rest > 0 {
        start -= 1
        unsafe room[start] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      unsafe bytes.append(contentsOf: room[start..<20])
    }
  }

  static func append(_ value: Int64, to bytes: inout [UInt8]) {
    if value < 0 { bytes.append(0x2d) }
    append(value.magnitude, to: &bytes)
  }

  /// `whole` and billionths as a decimal fraction with at least one digit behind the point.
  static func append(whole: Int64, billionths: Int64, to bytes: inout [UInt8]) {
    append(whole, to: &bytes)
    bytes.append(0x2e)
    var digitCount = 9
    var rest = billionths
    while digitCount > 1 && rest % 10 == 0 {
      rest /= 10
      digitCount -= 1
    }
    let start = bytes.count
    for _ in 0..<digitCount {
      bytes.append(0x30 + UInt8(truncatingIfNeeded: rest % 10))
      rest /= 10
    }
    bytes[start...].reverse()
  }

  /// Integers without a point, `NaN`, `+Inf`, `-Inf`, and else the shortest text that reads back as the same number.
  static func append(_ value: Double, to bytes: inout [UInt8]) {
    if value.isNaN {
      bytes.append(contentsOf: "NaN".utf8)
    } else if value.isInfinite {
      bytes.append(contentsOf: (value < 0 ? "-Inf" : "+Inf").utf8)
    } else if value == value.rounded(), abs(value) < 1e15 {
      if value == 0 && value.sign == .minus { bytes.append(0x2d) }
      append(Int64(value), to: &bytes)
    } else {
      bytes.append(contentsOf: value.description.utf8)
    }
  }

  /// A bound as OpenMetrics wants it (Go's `%g`, with `.0` where there is neither point nor exponent): `0.005`, `1.0`,
  /// `1e+06`, `+Inf`. Written in text 0.0.4 too, so that a series keeps its identity over formats and versions.
  static func canonicalBound(_ value: Double) -> [UInt8] {
    if value.isInfinite { return Array((value < 0 ? "-Inf" : "+Inf").utf8) }
    if value == 0 { return Array("0.0".utf8) }
    let (digits, exponent) = shortestDigits(abs(value))
    var text: [UInt8] = value < 0 ? [0x2d] : []
    if exponent < -4 || exponent >= 6 {
      // Beyond 21 digits the text without exponent would be wrong, and Go switches at 6 for the shortest form.
      text.append(digits[0])
      if digits.count > 1 {
        text.append(0x2e)
        text += digits[1...]
      }
      text += [0x65, exponent < 0 ? 0x2d : 0x2b]
      if abs(exponent) < 10 { text.append(0x30) }
      append(UInt64(abs(exponent)), to: &text)
      return text
    }
    if exponent < 0 {
      text += [0x30, 0x2e] + [UInt8](repeating: 0x30, count: -exponent - 1) + digits
    } else if digits.count <= exponent + 1 {
      text += digits + [UInt8](repeating: 0x30, count: exponent + 1 - digits.count) + [0x2e, 0x30]
    } else {
      text += digits[...exponent] + [0x2e] + digits[(exponent + 1)...]
    }
    return text
  }

  /// The shortest decimal digits of a positive number (no zeros at either end), and the power of ten of the first.
  private static func shortestDigits(_ value: Double) -> (digits: [UInt8], exponent: Int) {
    var mantissa = Array(value.description.utf8)
    var exponent = 0
    if let mark = mantissa.firstIndex(of: 0x65) {
      exponent = Int(String(decoding: mantissa[(mark + 1)...], as: UTF8.self)) ?? 0
      mantissa.removeSubrange(mark...)
    }
    let point = mantissa.firstIndex(of: 0x2e) ?? mantissa.count
    if point < mantissa.count { mantissa.remove(at: point) }
    let zeros = mantissa.prefix { $0 == 0x30 }.count
    exponent += point - 1 - zeros
    mantissa.removeFirst(zeros)
    while mantissa.last == 0x30 { mantissa.removeLast() }
    return (mantissa, exponent)
  }
}
