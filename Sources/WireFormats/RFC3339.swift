/// Points in time as text (RFC 3339), as nanoseconds since 1970-01-01T00:00:00Z.
///
/// Read: `2026-01-31T12:00:00Z` with 0 to 9 digits behind the seconds and any offset; `t`, `z` and a blank in the
/// place of `T` are taken. Refused: no offset, more than 9 digits, the leap second `:60` (it has no place on this time
/// line), `24:00:00`, days that do not exist, years outside 0000 to 9999.
public enum RFC3339 {
  public enum Reading: Equatable, Sendable {
    case time(nanoseconds: Int64)
    /// A valid time that signed 64 bit cannot hold (before 1677-09-21 or after 2262-04-11).
    case outOfRange
    case malformed
  }

  /// The nanoseconds, or nil for anything that is not read.
  public static func parse(_ text: UnsafeRawBufferPointer) -> Int64? {
    if case .time(let nanoseconds) = unsafe read(text) { nanoseconds } else { nil }
  }

  public static func parse(_ text: String) -> Int64? {
    var text = text
    return text.withUTF8 { unsafe parse(UnsafeRawBufferPointer($0)) }
  }

  /// Complexity: O(length), no allocation.
  public static func read(_ text: UnsafeRawBufferPointer) -> Reading {
    guard text.count >= 20, unsafe text[4] == 0x2d, unsafe text[7] == 0x2d, unsafe text[13] == 0x3a,
      unsafe text[16] == 0x3a
    else {
      return .malformed
    }
    let separator = unsafe text[10]
    guard separator | 0x20 == 0x74 || separator == 0x20 else { return .malformed }
    let century = unsafe digits(text, 0)
    let yearOfCentury = unsafe digits(text, 2)
    let month = unsafe digits(text, 5)
    let day = unsafe digits(text, 8)
    let hour = unsafe digits(text, 11)
    let minute = unsafe digits(text, 14)
    let second = unsafe digits(text, 17)
    // A pair that is no number is 255, which is too large for all of them but the year.
    guard century < 100, yearOfCentury < 100, month >= 1, month <= 12, hour < 24, minute < 60, second < 60 else {
      return .malformed
    }
    let year = century * 100 + yearOfCentury
    guard day >= 1, day <= daysInMonth(year, month) else { return .malformed }
    var index = 19
    guard let fraction = unsafe fraction(text, &index), let offset = unsafe offset(text, &index), index == text.count
    else {
      return .malformed
    }
    let seconds = daysSinceEpoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    let (scaled, overflow) = Int64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    // Just below the lowest second the fraction may bring it back into the range.
    if overflow { return lowestSecond(seconds, fraction) }
    let (sum, tooLate) = scaled.addingReportingOverflow(Int64(fraction))
    return tooLate ? .outOfRange : .time(nanoseconds: sum)
  }

  private static func lowestSecond(_ seconds: Int, _ fraction: Int) -> Reading {
    let (scaled, overflow) = Int64(seconds + 1).multipliedReportingOverflow(by: 1_000_000_000)
    guard seconds < 0, !overflow else { return .outOfRange }
    let (sum, tooEarly) = scaled.addingReportingOverflow(Int64(fraction) - 1_000_000_000)
    return tooEarly ? .outOfRange : .time(nanoseconds: sum)
  }

  /// Two digits; 255 for anything else.
  @inline(__always) private static func digits(_ text: UnsafeRawBufferPointer, _ index: Int) -> Int {
    let tens = unsafe text[index] &- 0x30
    let ones = unsafe text[index + 1] &- 0x30
    return tens < 10 && ones < 10 ? Int(tens) * 10 + Int(ones) : 255
  }

  /// Nanoseconds behind the seconds; nil for a dot without digits or with more than 9.
  @inline(__always) private static func fraction(_ text: UnsafeRawBufferPointer, _ index: inout Int) -> Int? {
    guard unsafe text[index] == 0x2e else { return 0 }
    index += 1
    var value = 0
    var count = 0
    while index < text.count, unsafe text[index] &- 0x30 < 10 {
      guard count < 9 else { return nil }
      value = unsafe value * 10 + Int(text[index] &- 0x30)
      count += 1
      index += 1
    }
    guard count > 0 else { return nil }
    while count < 9 {
      value *= 10
      count += 1
    }
    return value
  }

  /// Seconds east of UTC.
  @inline(__always) private static func offset(_ text: UnsafeRawBufferPointer, _ index: inout Int) -> Int? {
    guard index < text.count else { return nil }
    let sign = unsafe text[index]
    if sign | 0x20 == 0x7a {
      index += 1
      return 0
    }
    guard sign == 0x2b || sign == 0x2d, text.count >= index + 6, unsafe text[index + 3] == 0x3a else { return nil }
    let hours = unsafe digits(text, index + 1)
    let minutes = unsafe digits(text, index + 4)
    guard hours < 24, minutes < 60 else { return nil }
    index += 6
    return (sign == 0x2d ? -1 : 1) * (hours * 3600 + minutes * 60)
  }

  private static func daysInMonth(_ year: Int, _ month: Int) -> Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// Days of the proleptic Gregorian calendar (Howard Hinnant, "chrono-compatible low-level date algorithms").
  private static func daysSinceEpoch(_ year: Int, _ month: Int, _ day: Int) -> Int {
    let shifted = month <= 2 ? year - 1 : year
    let era = (shifted >= 0 ? shifted : shifted - 399) / 400
    let yearOfEra = shifted - era * 400
    let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
    return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
  }

  private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
    let dayOfEra = shifted - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let shiftedMonth = (5 * dayOfYear + 2) / 153
    let month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9)
    return (
      yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * shiftedMonth + 2) / 5 + 1
    )
  }

  /// `2026-01-31T12:00:00.123456Z`: UTC, 6 digits, or 9 where the nanoseconds need them.
  public static func format(nanoseconds: Int64) -> [UInt8] {
    unsafe [UInt8](unsafeUninitializedCapacity: bytesMax) { room, count in
      if let base = room.baseAddress { unsafe count = write(nanoseconds: nanoseconds, to: base) }
    }
  }

  public static func string(nanoseconds: Int64) -> String {
    String(decoding: format(nanoseconds: nanoseconds), as: UTF8.self)
  }

  /// What `write` needs: 9 digits of a second.
  static let bytesMax = 30

  /// - Parameter room: for `bytesMax` bytes.
  /// - Returns: how many were written.
  @inline(__always) static func write(nanoseconds: Int64, to room: UnsafeMutablePointer<UInt8>) -> Int {
    let (quotient, remainder) = nanoseconds.quotientAndRemainder(dividingBy: 1_000_000_000)
    let seconds = Int(remainder < 0 ? quotient - 1 : quotient)
    let fraction = Int(remainder < 0 ? remainder + 1_000_000_000 : remainder)
    let (days, secondOfDay) = seconds.quotientAndRemainder(dividingBy: 86400)
    let (wholeDays, second) = secondOfDay < 0 ? (days - 1, secondOfDay + 86400) : (days, secondOfDay)
    let date = civil(fromDays: wholeDays)
    // Years of 64 bits of nanoseconds have four digits, and nothing else here has more than are written.
    unsafe write(pair: date.year / 100, room)
    unsafe write(pair: date.year % 100, room + 2)
    unsafe room[4] = 0x2d
    unsafe write(pair: date.month, room + 5)
    unsafe room[7] = 0x2d
    unsafe write(pair: date.day, room + 8)
    unsafe room[10] = 0x54
    unsafe write(pair: second / 3600, room + 11)
    unsafe room[13] = 0x3a
    unsafe write(pair: second / 60 % 60, room + 14)
    unsafe room[16] = 0x3a
    unsafe write(pair: second % 60, room + 17)
    unsafe room[19] = 0x2e
    let (micros, nanos) = UInt32(truncatingIfNeeded: fraction).quotientAndRemainder(dividingBy: 1000)
    unsafe write(pair: Int(micros / 10_000), room + 20)
    unsafe write(pair: Int(micros / 100 % 100), room + 22)
    unsafe write(pair: Int(micros % 100), room + 24)
    if nanos == 0 {
      unsafe room[26] = 0x5a
      return 27
    }
    unsafe room[26] = 0x30 + UInt8(truncatingIfNeeded: nanos / 100)
    unsafe write(pair: Int(nanos % 100), room + 27)
    unsafe room[29] = 0x5a
    return 30
  }

  /// Two digits of a number below 100.
  @inline(__always) private static func write(pair value: Int, _ room: UnsafeMutablePointer<UInt8>) {
    let small = UInt32(truncatingIfNeeded: value)
    unsafe room[0] = 0x30 + UInt8(truncatingIfNeeded: small / 10)
    unsafe room[1] = 0x30 + UInt8(truncatingIfNeeded: small % 10)
  }
}
