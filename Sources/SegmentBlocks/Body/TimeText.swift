import WideScan

/// Dates and times as text, without a time zone: days and seconds since the epoch.
enum TimeText {
  /// Days since 1970-01-01 of a date of the Gregorian calendar, year 0 to 9999; nil if there is no such date.
  @inline(__always) static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64? {
    guard month >= 1, month <= 12, day >= 1, day <= 31 else { return nil }
    if day > 28 {
      let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let most = month == 2 ? (leap ? 29 : 28) : (month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31)
      if day > most { return nil }
    }
    let shifted = month <= 2 ? year + 399 : year + 400
    let era = shifted / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return Int64((era - 1) * 146_097 + dayOfEra - 719_468)
  }

  /// First day of year 0 and last day of year 9999.
  static let dayRange: ClosedRange<Int64> = -719_528...2_932_896

  @inline(__always) static func twoDigits(_ p: BytePointer, _ bad: inout Bool) -> Int {
    if unsafe !isDigit(p[0]) || !isDigit(p[1]) { bad = true }
    return unsafe Int(p[0] & 15) * 10 + Int(p[1] & 15)
  }

  /// Days of `YYYY-MM-DD`.
  @inline(__always) static func date(_ p: BytePointer) -> Int64? {
    guard unsafe p[4] == 0x2d, unsafe p[7] == 0x2d else { return nil }
    var bad = false
    let year = unsafe twoDigits(p, &bad) * 100 + twoDigits(p + 2, &bad)
    let month = unsafe twoDigits(p + 5, &bad)
    let day = unsafe twoDigits(p + 8, &bad)
    return bad ? nil : days(year, month, day)
  }

  /// Seconds of `HH:MM:SS`.
  @inline(__always) static func clock(_ p: BytePointer) -> Int64? {
    guard unsafe p[2] == 0x3a, unsafe p[5] == 0x3a else { return nil }
    var bad = false
    let hour = unsafe twoDigits(p, &bad)
    let minute = unsafe twoDigits(p + 3, &bad)
    let second = unsafe twoDigits(p + 6, &bad)
    return bad || hour > 23 || minute > 59 || second > 59 ? nil : Int64(hour * 3600 + minute * 60 + second)
  }

  @inline(__always) static func power(_ exponent: Int) -> Int64 {
    switch exponent {
    case 0: 1
    case 1: 10
    case 2: 100
    case 3: 1000
    case 4: 10_000
    case 5: 100_000
    case 6: 1_000_000
    case 7: 10_000_000
    case 8: 100_000_000
    default: 1_000_000_000
    }
  }

  /// `value / divisor`, towards minus infinity.
  @inline(__always) static func floorDivide(_ value: Int64, _ divisor: Int64) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }

  /// What of `value` is beyond whole `seconds`, its floor: 0 to `unit` - 1. The product may leave the range of 64 bits, at
  /// the very beginning of time, and comes back with the difference.
  @inline(__always) static func fraction(_ value: Int64, _ seconds: Int64, _ unit: Int64) -> UInt64 {
    UInt64(value &- seconds &* unit)
  }

  /// Writes `YYYY-MM-DD`; the day must be in `dayRange`.
  @inline(__always) static func writeDate(_ days: Int64, _ o: UnsafeMutablePointer<UInt8>) {
    let z = Int(days) + 719_468 + 146_097
    let era = z / 146_097
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shifted = (5 * dayOfYear + 2) / 153
    let day = dayOfYear - (153 * shifted + 2) / 5 + 1
    let month = shifted < 10 ? shifted + 3 : shifted - 9
    let year = yearOfEra + (era - 1) * 400 + (month <= 2 ? 1 : 0)
    unsafe writeTwo(year / 100, o)
    unsafe writeTwo(year % 100, o + 2)
    unsafe o[4] = 0x2d
    unsafe writeTwo(month, o + 5)
    unsafe o[7] = 0x2d
    unsafe writeTwo(day, o + 8)
  }

  @inline(__always) static func writeClock(_ seconds: Int, _ o: UnsafeMutablePointer<UInt8>) {
    unsafe writeTwo(seconds / 3600, o)
    unsafe o[2] = 0x3a
    unsafe writeTwo(seconds / 60 % 60, o + 3)
    unsafe o[5] = 0x3a
    unsafe writeTwo(seconds % 60, o + 6)
  }

  @inline(__always) static func writeTwo(_ value: Int, _ o: UnsafeMutablePointer<UInt8>) {
    unsafe o[0] = 0x30 &+ UInt8(truncatingIfNeeded: value / 10)
    unsafe o[1] = 0x30 &+ UInt8(truncatingIfNeeded: value % 10)
  }

  /// Writes exactly `count` digits.
  @inline(__always) static func writeDigits(_ value: UInt64, _ count: Int, _ o: UnsafeMutablePointer<UInt8>) {
    var rest = value
    var index = count - 1
    while index >= 0 {
      unsafe o[index] = 0x30 &+ UInt8(truncatingIfNeeded: rest % 10)
      rest /= 10
      index -= 1
    }
  }
}

extension EncodedBlock {
  /// Times and dates that decode to the same text. False for any other text.
  @inline(__always) mutating func putTime(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) -> Bool {
    guard count >= 10, count <= 35, unsafe p[4] == 0x2d, unsafe p[7] == 0x2d else { return false }
    return unsafe putDated(list, path, p, count)
  }

  @inline(never) private mutating func putDated(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) -> Bool {
    guard let days = unsafe TimeText.date(p) else { return false }
    let today = unsafe TimeText.floorDivide(fields.created, 86_400_000_000_000)
    if count == 10 {
      unsafe putKind(list, path, ValueKind.date)
      unsafe putSigned(ValueKind.date, days - today)
      return true
    }
    guard count >= 19, unsafe p[10] == 0x54 || p[10] == 0x20, let clock = unsafe TimeText.clock(p + 11) else {
      return false
    }
    var digits = 0
    var value = days * 86_400 + clock
    var end = 19
    if count > 20, unsafe p[19] == 0x2e {
      while end + 1 < count, unsafe isDigit(p[end + 1]), digits < 9 {
        value = unsafe digits < 7 ? value * 10 + Int64(p[end + 1] & 15) : value
        digits += 1
        end += 1
      }
      end += 1
      if digits == 0 { return false }
    }
    if digits > 7 {
      guard abs(days) < 100_000 else { return false }
      for index in 7..<digits { value = unsafe value * 10 + Int64(p[20 + index] & 15) }
    }
    guard let suffix = unsafe timeSuffix(p + end, count - end) else { return false }
    unsafe putTimeKind(list, path, digits, suffix, p[10] == 0x20, value)
    return true
  }

  /// 0 `Z`, 1 `+00:00`, 2 nothing.
  private func timeSuffix(_ p: BytePointer, _ count: Int) -> Int? {
    if count == 1, unsafe p[0] == 0x5a { return 0 }
    if count == 0 { return 2 }
    guard count == 6, unsafe p[0] == 0x2b, unsafe load32(p + 1) == 0x303a_3030, unsafe p[5] == 0x30 else { return nil }
    return 1
  }

  private mutating func putTimeKind(
    _ list: UInt32, _ path: Int, _ digits: Int, _ suffix: Int, _ isBlank: Bool, _ value: Int64
  ) {
    let now = unsafe TimeText.floorDivide(fields.created, TimeText.power(9 - digits))
    if suffix == 0, !isBlank {
      if digits == 0, value % 86_400 == 0 {
        unsafe putKind(list, path, ValueKind.midnight)
        return unsafe putSigned(ValueKind.midnight, value / 86_400 - TimeText.floorDivide(now, 86_400))
      }
      let kind: UInt8? =
        switch digits {
        case 0: ValueKind.time0
        case 3: ValueKind.time3
        case 6: ValueKind.time6
        case 7: ValueKind.time7
        case 9: ValueKind.time9
        default: nil
        }
      if let kind {
        unsafe putKind(list, path, kind)
        return unsafe putSigned(kind, now &- value)
      }
    }
    unsafe putKind(list, path, ValueKind.timeForm)
    unsafe putNumber(ValueKind.timeForm, UInt64(digits + 10 * suffix + (isBlank ? 40 : 0)))
    unsafe putSigned(ValueKind.timeForm, now &- value)
  }

  /// A value that is no string: a number, true, false, null, or whatever stands there.
  @inline(__always) mutating func putOther(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    _ = unsafe column(path)
    if count == 4 {
      let word = unsafe load32(p)
      if word == 0x6575_7274 { return unsafe putKind(list, path, ValueKind.yes) }
      if word == 0x6c6c_756e { return unsafe putKind(list, path, ValueKind.null) }
    } else if count == 5, unsafe load32(p) == 0x736c_6166, unsafe p[4] == 0x65 {
      return unsafe putKind(list, path, ValueKind.no)
    }
    unsafe putNumeral(list, path, p, count)
  }

  /// Of a number without its sign: its digits as one number, how many they are, and where the point is, or -1.
  private typealias Digits = (value: Int64, count: Int, point: Int)

  /// - Returns: nil where there is anything else than digits and one point.
  @inline(never) private func digits(_ p: BytePointer, _ count: Int, _ start: Int) -> Digits? {
    var result = Digits(value: 0, count: 0, point: -1)
    for index in start..<count {
      let byte = unsafe p[index]
      if isDigit(byte) {
        result.value = result.value &* 10 &+ Int64(byte & 15)
        result.count += 1
      } else if byte == 0x2e, result.point < 0 {
        result.point = index
      } else {
        return nil
      }
    }
    return result
  }

  /// As `digits`, without a turn for each of them, up to 16 bytes.
  ///
  /// - Returns: nil where that can't be.
  @inline(__always) private func fewDigits(_ p: BytePointer, _ count: Int, _ start: Int) -> Digits? {
    guard count - start <= 16, unsafe fields.end - p >= 32 else { return nil }
    let others = unsafe UInt32(ByteScan.noDigit16(p + start))
    let whole = min(others.trailingZeroBitCount, count - start)
    let behind = count - start - whole
    let value = unsafe decimal(p + start, whole)
    if behind == 0 { return (Int64(truncatingIfNeeded: value), whole, -1) }
    let point = start + whole
    let scale = behind - 1
    guard unsafe p[point] == 0x2e, scale > 0, scale <= 8,
      (others >> UInt32(whole + 1)).trailingZeroBitCount >= scale
    else { return nil }
    let fraction = unsafe decimal(p + point + 1, scale)
    return (Int64(truncatingIfNeeded: value) &* TimeText.power(scale) &+ Int64(fraction), whole + scale, point)
  }

  @inline(__always) private mutating func putNumeral(_ list: UInt32, _ path: Int, _ p: BytePointer, _ count: Int) {
    let negative = unsafe p[0] == 0x2d
    let index = negative ? 1 : 0
    guard count <= 19, index < count, unsafe isDigit(p[index]) else {
      return unsafe putText(list, path, p, count, ValueKind.textOther)
    }
    // No other number begins with 0: it would lose it.
    let leadingZero = unsafe p[index] == 0x30
    guard let (value, digits, point) = unsafe fewDigits(p, count, index) ?? digits(p, count, index) else {
      return unsafe putText(list, path, p, count, ValueKind.textOther)
    }
    let scale = point < 0 ? 0 : count - 1 - point
    let wholeDigits = digits - scale
    let isCanonical =
      digits <= 18 && (wholeDigits == 1 || (wholeDigits > 1 && !leadingZero)) && !(negative && value == 0)
      && (point < 0 || scale > 0) && scale <= 6
    if !isCanonical {
      if digits == 19, point < 0, !negative, !leadingZero, value > 0, unsafe putEpoch(list, path, value, 19) { return }
      return unsafe putText(list, path, p, count, ValueKind.textOther)
    }
    if point < 0, !negative, digits >= 10, unsafe putEpoch(list, path, value, digits) { return }
    let kind = ValueKind.decimal0 + UInt8(truncatingIfNeeded: scale)
    unsafe putKind(list, path, kind)
    unsafe putSigned(kind, negative ? -value : value)
  }

  /// A number that counts the time since the epoch, near the event's own.
  @inline(never) private mutating func putEpoch(
    _ list: UInt32, _ path: Int, _ value: Int64, _ digits: Int
  ) -> Bool {
    let kind: UInt8
    let exponent: Int
    switch digits {
    case 10: (kind, exponent) = (ValueKind.epoch0, 0)
    case 13: (kind, exponent) = (ValueKind.epoch3, 3)
    case 16: (kind, exponent) = (ValueKind.epoch6, 6)
    case 19: (kind, exponent) = (ValueKind.epoch9, 9)
    default: return false
    }
    let now = unsafe TimeText.floorDivide(fields.created, TimeText.power(9 - exponent))
    let delta = now &- value
    // Within some 100 days; and what decodes to another number of digits is kept as it is.
    guard now > 0, abs(delta) < 10_000_000 * TimeText.power(exponent), value > 0 else { return false }
    unsafe putKind(list, path, kind)
    unsafe putSigned(kind, delta)
    return true
  }
}
