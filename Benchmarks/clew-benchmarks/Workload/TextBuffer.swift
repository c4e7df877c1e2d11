import Platform

/// Bytes of text that are made number by number, and written in large portions.
struct TextBuffer {
  var bytes: [UInt8] = []

  mutating func put(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  mutating func put(_ text: [UInt8]) { bytes.append(contentsOf: text) }
  mutating func put(byte: UInt8) { bytes.append(byte) }

  mutating func put(_ number: Int, digits: Int = 1) {
    if number < 0 { bytes.append(0x2d) }
    var rest = number.magnitude
    var reversed: (UInt64, UInt64, UInt64) = (0, 0, 0)
    withUnsafeMutableBytes(of: &reversed) { room in
      var count = 0
      while rest > 0 || count < digits {
        room[count] = 0x30 + UInt8(rest % 10)
        rest /= 10
        count += 1
      }
      while count > 0 {
        count -= 1
        bytes.append(room[count])
      }
    }
  }

  /// A number of hundredths, tenths and so on, with all its decimals.
  mutating func put(_ scaled: Int, decimals: Int) {
    var unit = 1
    for _ in 0..<decimals { unit *= 10 }
    if scaled < 0 { bytes.append(0x2d) }
    put(abs(scaled) / unit)
    bytes.append(0x2e)
    put(abs(scaled) % unit, digits: decimals)
  }

  mutating func put(hex value: UInt64, digits: Int) {
    for shift in stride(from: (digits - 1) * 4, through: 0, by: -4) {
      let digit = UInt8(value >> UInt64(shift) & 15)
      bytes.append(digit < 10 ? 0x30 + digit : 0x57 + digit)
    }
  }

  mutating func put(_ id: RandomUUID, dashes: Bool = true) {
    if !dashes {
      put(hex: id.high, digits: 16)
      return put(hex: id.low, digits: 16)
    }
    put(hex: id.high >> 32, digits: 8)
    put(byte: 0x2d)
    put(hex: id.high >> 16 & 0xffff, digits: 4)
    put(byte: 0x2d)
    put(hex: id.high & 0xffff, digits: 4)
    put(byte: 0x2d)
    put(hex: id.low >> 48, digits: 4)
    put(byte: 0x2d)
    put(hex: id.low & 0xffff_ffff_ffff, digits: 12)
  }

  /// RFC 3339 in UTC with so many decimals (0, 3 or 7) of a time in units of 100 ns since 1970.
  mutating func put(time ticks: Int, decimals: Int) {
    let seconds = ticks / 10_000_000
    var (year, month, day) = (1970, 1, seconds / 86_400)
    func days(_ year: Int) -> Int { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 366 : 365 }
    while day >= days(year) {
      day -= days(year)
      year += 1
    }
    let lengths = [31, days(year) - 337, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    while day >= lengths[month - 1] {
      day -= lengths[month - 1]
      month += 1
    }
    put(year, digits: 4)
    put(byte: 0x2d)
    put(month, digits: 2)
    put(byte: 0x2d)
    put(day + 1, digits: 2)
    put(byte: 0x54)
    put(seconds % 86_400 / 3_600, digits: 2)
    put(byte: 0x3a)
    put(seconds % 3_600 / 60, digits: 2)
    put(byte: 0x3a)
    put(seconds % 60, digits: 2)
    if decimals > 0 {
      put(byte: 0x2e)
      put(ticks % 10_000_000 / (decimals == 3 ? 10_000 : 1), digits: decimals)
    }
    put(byte: 0x5a)
  }

  mutating func put<Number: FixedWidthInteger>(binary value: Number) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Writes what has gathered, once it is worth a call.
  mutating func flush(to file: FileDescriptor, atLeast bytesMin: Int) throws(FileError) {
    if bytes.count < max(bytesMin, 1) { return }
    try file.write(bytes)
    bytes.removeAll(keepingCapacity: true)
  }
}
