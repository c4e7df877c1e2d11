import WideScan

/// Walks over JSON bytes without building anything: strict (RFC 8259: grammar, UTF-8, no control characters in
/// strings), never recursive, so that depth costs a bit and no stack. Lone surrogates written as escapes are legal.
///
/// Members of an object are read by
/// ```
/// if try scanner.beginObject() {
///   repeat {
///     let key = try scanner.key()
///     let value = try scanner.value()
///   } while try scanner.hasNextMember()
/// }
/// try scanner.finish()
/// ```
/// After an error the scanner is of no further use. The bytes must outlive it.
///
/// `@safe`: every load is preceded by a comparison with `count`; the lifetime of the bytes is the caller's promise,
/// made where the buffer is handed over.
@safe public struct JSONScanner {
  let base: UnsafeRawPointer
  let count: Int
  /// The next byte to be looked at.
  public private(set) var position = 0
  /// A line feed or carriage return stood between two tokens.
  public var sawLineBreak = false

  public init(_ bytes: UnsafeRawBufferPointer) {
    count = unsafe bytes.baseAddress == nil ? 0 : bytes.count
    unsafe base = unsafe bytes.baseAddress ?? UnsafeRawPointer(bitPattern: 1)!
  }

  /// Begins within the bytes: places are counted from their start.
  ///
  /// - Precondition: `start` is within the bytes, or at their end.
  public init(_ bytes: UnsafeRawBufferPointer, from start: Int) {
    unsafe self.init(bytes)
    precondition(start >= 0 && start <= count, "a scan starts within its bytes")
    position = start
  }

  /// Checks a whole text: one value of any kind, white space around it.
  public static func validate(_ bytes: UnsafeRawBufferPointer) throws(JSONError) {
    var scanner = unsafe JSONScanner(bytes)
    _ = try scanner.value()
    try scanner.finish()
  }

  /// As `validate`, also giving the value's place and whether it stands on one line.
  public static func scan(_ bytes: UnsafeRawBufferPointer) throws(JSONError) -> (value: JSONSlice, onOneLine: Bool) {
    var scanner = unsafe JSONScanner(bytes)
    let value = try scanner.value()
    let onOneLine = !scanner.sawLineBreak
    try scanner.finish()
    return (value, onOneLine)
  }

  // MARK: Objects and arrays

  /// Reads the opening brace.
  ///
  /// - Returns: false for an empty object, which is read whole.
  public mutating func beginObject() throws(JSONError) -> Bool {
    guard try nextByte() == 0x7b else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
    if try nextByte() != 0x7d { return true }
    position += 1
    return false
  }

  /// Reads a member's name and the colon behind it.
  public mutating func key() throws(JSONError) -> JSONSlice {
    var index = position
    guard try token(&index) == 0x22 else { throw JSONError(.unexpectedByte, at: index) }
    let start = index
    let escaped = try skipName(&index)
    let end = index
    guard try token(&index) == 0x3a else { throw JSONError(.unexpectedByte, at: index) }
    position = index + 1
    return JSONSlice(kind: .string, isEscaped: escaped, start: start, end: end)
  }

  /// Reads the comma (true) or the closing brace (false) behind a member.
  public mutating func hasNextMember() throws(JSONError) -> Bool {
    var index = position
    let byte = try token(&index)
    guard byte == 0x2c || byte == 0x7d else { throw JSONError(.unexpectedByte, at: index) }
    position = index + 1
    return byte == 0x2c
  }

  /// Reads the opening bracket.
  ///
  /// - Returns: false for an empty array, which is read whole.
  public mutating func beginArray() throws(JSONError) -> Bool {
    guard try nextByte() == 0x5b else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
    if try nextByte() != 0x5d { return true }
    position += 1
    return false
  }

  /// Reads the comma (true) or the closing bracket (false) behind an element.
  public mutating func hasNextElement() throws(JSONError) -> Bool {
    let byte = try nextByte()
    guard byte == 0x2c || byte == 0x5d else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
    return byte == 0x2c
  }

  /// The first byte of what follows, white space skipped; nothing else is read.
  public mutating func peek() throws(JSONError) -> UInt8 { try nextByte() }

  /// Nothing but white space may be left.
  public mutating func finish() throws(JSONError) {
    while position < count {
      let byte = unsafe base.load(fromByteOffset: position, as: UInt8.self)
      guard byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d else {
        throw JSONError(.bytesBehindValue, at: position)
      }
      position += 1
    }
  }

  // MARK: Values

  /// Reads a value of any kind and depth. Complexity: O(bytes); one bit of memory for each level.
  public mutating func value() throws(JSONError) -> JSONSlice {
    var index = position
    let first = try token(&index)
    let start = index
    switch first {
    case 0x22:
      let escaped = try skipString(&index)
      position = index
      return JSONSlice(kind: .string, isEscaped: escaped, start: start, end: index)
    case 0x7b, 0x5b:
      try skipContainer(&index)
      position = index
      return JSONSlice(kind: first == 0x7b ? .object : .array, isEscaped: false, start: start, end: index)
    default:
      let kind = try skipScalar(first, &index)
      position = index
      return JSONSlice(kind: kind, isEscaped: false, start: start, end: index)
    }
  }

  // Below, `index` is a variable of the caller and not `position`: it stays in a register, and a member costs no way
  // through memory. What is rare is in functions of its own, which get and give the index by value.

  /// - Precondition: `index` is at an opening brace or bracket.
  private mutating func skipContainer(_ start: inout Int) throws(JSONError) {
    var open = NestingStack()
    var index = start
    while true {
      // A value is expected.
      let byte = try token(&index)
      if byte == 0x22 {
        _ = try skipString(&index)
      } else if byte == 0x7b {
        index += 1
        open.push(isObject: true)
        if try token(&index) != 0x7d {
          try skipKey(&index)
          continue
        }
      } else if byte == 0x5b {
        index += 1
        open.push(isObject: false)
        if try token(&index) != 0x5d { continue }
      } else {
        _ = try skipScalar(byte, &index)
      }
      // A value ended, or an empty container is about to.
      while true {
        let next = try token(&index)
        index += 1
        if next == 0x2c {
          if open.topIsObject { try skipKey(&index) }
          break
        }
        guard next == (open.topIsObject ? 0x7d : 0x5d) else { throw JSONError(.unexpectedByte, at: index - 1) }
        open.pop()
        if open.isEmpty {
          start = index
          return
        }
      }
    }
  }

  /// A member's name and the colon behind it.
  @inline(__always) private mutating func skipKey(_ index: inout Int) throws(JSONError) {
    guard try token(&index) == 0x22 else { throw JSONError(.unexpectedByte, at: index) }
    _ = try skipName(&index)
    guard try token(&index) == 0x3a else { throw JSONError(.unexpectedByte, at: index) }
    index += 1
  }

  /// A number or one of the three literals.
  @inline(__always) private func skipScalar(_ first: UInt8, _ index: inout Int) throws(JSONError) -> JSONSlice.Kind {
    if first &- 0x30 < 10 || first == 0x2d {
      index = try endOfNumber(index)
      return .number
    }
    let (kind, end) = try literal(first, index)
    index = end
    return kind
  }

  @inline(never) private func literal(
    _ first: UInt8, _ index: Int
  ) throws(JSONError) -> (kind: JSONSlice.Kind, end: Int) {
    switch first {
    case 0x74: (.true, try endOfLiteral(index, 0x6575_7274, 4))
    case 0x66: (.false, try endOfLiteral(index, 0x65_736c_6166, 5))
    case 0x6e: (.null, try endOfLiteral(index, 0x6c6c_756e, 4))
    default: throw JSONError(.unexpectedByte, at: index)
    }
  }

  private func endOfLiteral(_ start: Int, _ bytes: UInt64, _ length: Int) throws(JSONError) -> Int {
    for index in 0..<length {
      guard start + index < count else { throw JSONError(.unexpectedEnd, at: count) }
      guard byte(start + index) == UInt8(truncatingIfNeeded: bytes >> UInt64(8 * index)) else {
        throw JSONError(.invalidLiteral, at: start)
      }
    }
    return start + length
  }

  private func endOfNumber(_ start: Int) throws(JSONError) -> Int {
    var index = start
    if byteOrZero(index) == 0x2d { index += 1 }
    if byteOrZero(index) == 0x30 {
      index += 1
    } else if !skipDigits(&index) {
      throw JSONError(.invalidNumber, at: start)
    }
    var next = byteOrZero(index)
    if next == 0x2e {
      index += 1
      if !skipDigits(&index) { throw JSONError(.invalidNumber, at: start) }
      next = byteOrZero(index)
    }
    if next | 0x20 == 0x65 {
      index += 1
      next = byteOrZero(index)
      if next == 0x2b || next == 0x2d { index += 1 }
      if !skipDigits(&index) { throw JSONError(.invalidNumber, at: start) }
      next = byteOrZero(index)
    }
    // "01" and "1.2.3" are one wrong number, not two tokens.
    if next &- 0x30 < 10 || next == 0x2e { throw JSONError(.invalidNumber, at: start) }
    return index
  }

  /// - Returns: false where there is no digit.
  @inline(__always) private func skipDigits(_ index: inout Int) -> Bool {
    let start = index
    if start + 16 <= count {
      let digits = unsafe ByteScan.noDigit16(base + start).trailingZeroBitCount
      index = start + digits
      if digits < 16 { return digits > 0 }
    }
    while index < count, byte(index) &- 0x30 < 10 { index += 1 }
    return index > start
  }

  @inline(__always) private func byte(_ index: Int) -> UInt8 {
    unsafe base.load(fromByteOffset: index, as: UInt8.self)
  }

  @inline(__always) private func byteOrZero(_ index: Int) -> UInt8 { index < count ? byte(index) : 0 }

  /// Skips white space and gives the byte behind it, which is not read yet.
  @inline(__always) private mutating func token(_ index: inout Int) throws(JSONError) -> UInt8 {
    if index < count {
      let next = byte(index)
      if next > 0x20 { return next }
    }
    index = try endOfBlank(index)
    return byte(index)
  }

  @inline(never) private mutating func endOfBlank(_ start: Int) throws(JSONError) -> Int {
    var index = start
    while index < count {
      let next = byte(index)
      if next > 0x20 { return index }
      if next == 0x0a || next == 0x0d {
        sawLineBreak = true
      } else if next != 0x20 && next != 0x09 {
        throw JSONError(.unexpectedByte, at: index)
      }
      index += 1
    }
    throw JSONError(.unexpectedEnd, at: count)
  }

  @inline(__always) private mutating func nextByte() throws(JSONError) -> UInt8 {
    var index = position
    let next = try token(&index)
    position = index
    return next
  }

  // MARK: Strings

  /// - Precondition: `index` is at the opening quote; afterwards it is behind the closing one.
  /// - Returns: whether there is a backslash in it.
  @inline(__always) private func skipString(_ index: inout Int) throws(JSONError) -> Bool {
    var place = index + 1
    while place + 64 <= count {
      let found = unsafe ByteScan.specialInString64(base + place)
      if found != 0 {
        place += found.trailingZeroBitCount
        if byte(place) != 0x22 { break }
        index = place + 1
        return false
      }
      place += 64
    }
    let (end, escaped) = try endOfString(place)
    index = end
    return escaped
  }

  /// As `skipString`: most names have less than 32 bytes.
  @inline(__always) private func skipName(_ index: inout Int) throws(JSONError) -> Bool {
    let start = index + 1
    if start + 32 < count {
      let place = unsafe start + ByteScan.specialInString32(base + start).trailingZeroBitCount
      if byte(place) == 0x22 {
        index = place + 1
        return false
      }
    }
    return try skipString(&index)
  }

  /// The rest of a string with escapes, with other characters than ASCII, or near the end of the bytes.
  @inline(never) private func endOfString(_ start: Int) throws(JSONError) -> (end: Int, escaped: Bool) {
    var index = start
    var escaped = false
    while true {
      while index + 8 <= count {
        let found = unsafe SWAR.specialInString(base.loadUnaligned(fromByteOffset: index, as: UInt64.self).littleEndian)
        if found != 0 {
          index += found.trailingZeroBitCount >> 3
          break
        }
        index += 8
      }
      guard index < count else { throw JSONError(.unexpectedEnd, at: count) }
      let next = byte(index)
      if next == 0x22 { return (index + 1, escaped) }
      if next == 0x5c {
        escaped = true
        index = try endOfEscape(index)
      } else if next >= 0x80 {
        let length = unsafe UTF8Validation.sequenceLength(base + index, available: count - index)
        if length == 0 { throw JSONError(.invalidUTF8, at: index) }
        index += length
      } else if next < 0x20 {
        throw JSONError(.controlCharacter, at: index)
      } else {
        index += 1
      }
    }
  }

  /// - Parameter index: of a backslash.
  private func endOfEscape(_ index: Int) throws(JSONError) -> Int {
    guard index + 1 < count else { throw JSONError(.unexpectedEnd, at: count) }
    switch byte(index + 1) {
    case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: return index + 2
    case 0x75:
      guard index + 6 <= count else { throw JSONError(.unexpectedEnd, at: count) }
      for place in (index + 2)..<(index + 6) {
        guard Hex.value(byte(place)) != 0xff else { throw JSONError(.invalidEscape, at: index) }
      }
      return index + 6
    default: throw JSONError(.invalidEscape, at: index)
    }
  }
}

/// Which containers are open: a bit each, 64 of them without allocation.
struct NestingStack {
  private var top: UInt64 = 0
  private var depthInTop = 0
  private var below: [UInt64] = []

  var isEmpty: Bool { depthInTop == 0 && below.isEmpty }

  @inline(__always) var topIsObject: Bool { top & 1 != 0 }

  @inline(__always) mutating func push(isObject: Bool) {
    if depthInTop == 64 { spill() }
    top = top << 1 | (isObject ? 1 : 0)
    depthInTop += 1
  }

  @inline(__always) mutating func pop() {
    top >>= 1
    depthInTop -= 1
    if depthInTop == 0 { refill() }
  }

  private mutating func spill() {
    below.append(top)
    top = 0
    depthInTop = 0
  }

  private mutating func refill() {
    guard let word = below.popLast() else { return }
    top = word
    depthInTop = 64
  }
}
