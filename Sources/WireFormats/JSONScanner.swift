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
  @inline(__always) public mutating func key() throws(JSONError) -> JSONSlice {
    guard try nextByte() == 0x22 else { throw JSONError(.unexpectedByte, at: position) }
    let start = position
    let escaped = try skipString()
    let end = position
    guard try nextByte() == 0x3a else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
    return JSONSlice(kind: .string, isEscaped: escaped, start: start, end: end)
  }

  /// Reads the comma (true) or the closing brace (false) behind a member.
  @inline(__always) public mutating func hasNextMember() throws(JSONError) -> Bool {
    let byte = try nextByte()
    guard byte == 0x2c || byte == 0x7d else { throw JSONError(.unexpectedByte, at: position) }
    position += 1
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
    let first = try nextByte()
    let start = position
    switch first {
    case 0x22:
      let escaped = try skipString()
      return JSONSlice(kind: .string, isEscaped: escaped, start: start, end: position)
    case 0x7b, 0x5b:
      try skipContainer()
      return JSONSlice(kind: first == 0x7b ? .object : .array, isEscaped: false, start: start, end: position)
    default:
      let kind = try skipScalar(first)
      return JSONSlice(kind: kind, isEscaped: false, start: start, end: position)
    }
  }

  /// - Precondition: `position` is at an opening brace or bracket.
  private mutating func skipContainer() throws(JSONError) {
    var open = NestingStack()
    while true {
      // A value is expected.
      let byte = try nextByte()
      switch byte {
      case 0x22:
        _ = try skipString()
      case 0x7b:
        position += 1
        open.push(isObject: true)
        if try nextByte() != 0x7d {
          _ = try key()
          continue
        }
      case 0x5b:
        position += 1
        open.push(isObject: false)
        if try nextByte() != 0x5d { continue }
      default:
        _ = try skipScalar(byte)
      }
      // A value ended, or an empty container is about to.
      while true {
        let next = try nextByte()
        position += 1
        if next == 0x2c {
          if open.topIsObject { _ = try key() }
          break
        }
        guard next == (open.topIsObject ? 0x7d : 0x5d) else { throw JSONError(.unexpectedByte, at: position - 1) }
        open.pop()
        if open.isEmpty { return }
      }
    }
  }

  /// A number or one of the three literals.
  private mutating func skipScalar(_ first: UInt8) throws(JSONError) -> JSONSlice.Kind {
    switch first {
    case 0x30...0x39, 0x2d:
      try skipNumber()
      return .number
    case 0x74:
      try skipLiteral(0x6575_7274, 4)
      return .true
    case 0x66:
      try skipLiteral(0x65_736c_6166, 5)
      return .false
    case 0x6e:
      try skipLiteral(0x6c6c_756e, 4)
      return .null
    default:
      throw JSONError(.unexpectedByte, at: position)
    }
  }

  private mutating func skipLiteral(_ bytes: UInt64, _ length: Int) throws(JSONError) {
    for index in 0..<length {
      guard position + index < count else { throw JSONError(.unexpectedEnd, at: count) }
      let byte = unsafe base.load(fromByteOffset: position + index, as: UInt8.self)
      guard byte == UInt8(truncatingIfNeeded: bytes >> UInt64(8 * index)) else {
        throw JSONError(.invalidLiteral, at: position)
      }
    }
    position += length
  }

  private mutating func skipNumber() throws(JSONError) {
    let start = position
    var byte = byteOrZero()
    if byte == 0x2d {
      position += 1
      byte = byteOrZero()
    }
    if byte == 0x30 {
      position += 1
    } else if !skipDigits() {
      throw JSONError(.invalidNumber, at: start)
    }
    byte = byteOrZero()
    if byte == 0x2e {
      position += 1
      if !skipDigits() { throw JSONError(.invalidNumber, at: start) }
      byte = byteOrZero()
    }
    if byte | 0x20 == 0x65 {
      position += 1
      byte = byteOrZero()
      if byte == 0x2b || byte == 0x2d { position += 1 }
      if !skipDigits() { throw JSONError(.invalidNumber, at: start) }
      byte = byteOrZero()
    }
    // "01" and "1.2.3" are one wrong number, not two tokens.
    if (0x30...0x39).contains(byte) || byte == 0x2e { throw JSONError(.invalidNumber, at: start) }
  }

  /// - Returns: false where there is no digit.
  @inline(__always) private mutating func skipDigits() -> Bool {
    let start = position
    while position < count, unsafe base.load(fromByteOffset: position, as: UInt8.self) &- 0x30 < 10 { position += 1 }
    return position > start
  }

  @inline(__always) private func byteOrZero() -> UInt8 {
    unsafe position < count ? base.load(fromByteOffset: position, as: UInt8.self) : 0
  }

  /// Skips white space and gives the byte behind it, which is not read yet.
  @inline(__always) private mutating func nextByte() throws(JSONError) -> UInt8 {
    while position < count {
      let byte = unsafe base.load(fromByteOffset: position, as: UInt8.self)
      if byte > 0x20 { return byte }
      if byte == 0x0a || byte == 0x0d {
        sawLineBreak = true
      } else if byte != 0x20 && byte != 0x09 {
        throw JSONError(.unexpectedByte, at: position)
      }
      position += 1
    }
    throw JSONError(.unexpectedEnd, at: count)
  }

  // MARK: Strings

  /// - Precondition: `position` is at the opening quote.
  /// - Returns: whether there is a backslash in it.
  @inline(__always) private mutating func skipString() throws(JSONError) -> Bool {
    var index = position + 1
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
      let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
      if byte == 0x22 {
        position = index + 1
        return escaped
      }
      if byte == 0x5c {
        escaped = true
        index = try endOfEscape(index)
      } else if byte >= 0x80 {
        let length = unsafe UTF8Validation.sequenceLength(base + index, available: count - index)
        if length == 0 { throw JSONError(.invalidUTF8, at: index) }
        index += length
      } else if byte < 0x20 {
        throw JSONError(.controlCharacter, at: index)
      } else {
        index += 1
      }
    }
  }

  /// - Parameter index: of a backslash.
  private func endOfEscape(_ index: Int) throws(JSONError) -> Int {
    guard index + 1 < count else { throw JSONError(.unexpectedEnd, at: count) }
    switch unsafe base.load(fromByteOffset: index + 1, as: UInt8.self) {
    case 0x22, 0x5c, 0x2f, 0x62, 0x66, 0x6e, 0x72, 0x74: return index + 2
    case 0x75:
      guard index + 6 <= count else { throw JSONError(.unexpectedEnd, at: count) }
      for place in (index + 2)..<(index + 6) {
        guard unsafe Hex.value(base.load(fromByteOffset: place, as: UInt8.self)) != 0xff else {
          throw JSONError(.invalidEscape, at: index)
        }
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
