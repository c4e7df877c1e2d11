/// Writes JSON into bytes: compact, commas set by itself, always valid UTF-8.
///
/// The caller keeps objects and arrays balanced; `bytes` is a whole text once every container is closed.
public struct JSONWriter: Sendable {
  public private(set) var bytes: [UInt8]
  private var needsComma = false

  public init(reserving capacity: Int = 0) {
    bytes = []
    if capacity > 0 { bytes.reserveCapacity(capacity) }
  }

  /// Makes room for another text without giving the memory back.
  public mutating func removeAll() {
    bytes.removeAll(keepingCapacity: true)
    needsComma = false
  }

  public mutating func beginObject() { open(0x7b) }
  public mutating func endObject() { close(0x7d) }
  public mutating func beginArray() { open(0x5b) }
  public mutating func endArray() { close(0x5d) }

  public mutating func key(_ name: String) {
    string(name)
    bytes.append(0x3a)
    needsComma = false
  }

  public mutating func string(_ text: String) {
    separate()
    var text = text
    text.withUTF8 { unsafe JSONText.appendQuoted(UnsafeRawBufferPointer($0), to: &bytes) }
  }

  /// Bytes that are no UTF-8 become U+FFFD.
  public mutating func string(_ text: [UInt8]) {
    separate()
    unsafe text.withUnsafeBytes { unsafe JSONText.appendQuoted($0, to: &bytes) }
  }

  public mutating func string(_ text: UnsafeRawBufferPointer) {
    separate()
    unsafe JSONText.appendQuoted(text, to: &bytes)
  }

  /// Text of ASCII that needs no escapes, in quotes: it is not looked at.
  public mutating func string(plain text: UnsafeRawBufferPointer) {
    separate()
    unsafe JSONText.appendQuoted(plain: text, to: &bytes)
  }

  /// As `key`, for a name of ASCII that needs no escapes: it is not looked at.
  public mutating func key(plain name: StaticString) {
    let count = name.utf8CodeUnitCount
    let commaCount = needsComma ? 1 : 0
    unsafe bytes.append(atMost: count + 4) { room in
      unsafe room[0] = 0x2c
      unsafe room[commaCount] = 0x22
      unsafe (room + commaCount + 1).update(from: name.utf8Start, count: count)
      unsafe room[commaCount + count + 1] = 0x22
      unsafe room[commaCount + count + 2] = 0x3a
      return commaCount + count + 3
    }
    needsComma = false
  }

  public mutating func int(_ value: some BinaryInteger) {
    if let small = Int(exactly: value) { return int(small) }
    separate()
    bytes.append(contentsOf: String(value).utf8)
  }

  public mutating func int(_ value: Int) {
    separate()
    if value < 0 { bytes.append(0x2d) }
    JSONText.appendDigits(UInt64(value.magnitude), atLeast: 1, to: &bytes)
  }

  /// A decimal number in quotes.
  public mutating func quoted(_ value: UInt64) {
    separate()
    bytes.append(0x22)
    JSONText.appendDigits(value, atLeast: 1, to: &bytes)
    bytes.append(0x22)
  }

  /// So many thousand-millionths, as a decimal number without exponent and without zeros at its end: `1.5`.
  public mutating func decimal(billionths value: Int64) {
    separate()
    let (seconds, rest) = value.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
    unsafe bytes.append(atMost: 44) { room in
      var end = value < 0 ? 1 : 0
      unsafe room[0] = 0x2d
      unsafe end += JSONText.write(seconds, atLeast: 1, to: room + end)
      if rest == 0 { return end }
      unsafe room[end] = 0x2e
      var fraction = rest
      var digits = 9
      while fraction % 10 == 0 {
        fraction /= 10
        digits -= 1
      }
      return unsafe end + 1 + JSONText.write(fraction, atLeast: digits, to: room + end + 1)
    }
  }

  /// A point in time as RFC 3339 writes it.
  public mutating func time(nanoseconds: Int64) {
    separate()
    unsafe bytes.append(atMost: RFC3339.bytesMax + 2) { room in
      unsafe room[0] = 0x22
      let count = unsafe RFC3339.write(nanoseconds: nanoseconds, to: room + 1)
      unsafe room[count + 1] = 0x22
      return count + 2
    }
  }

  /// The shortest digits that give the same number back; null where JSON has none (infinite, not a number).
  public mutating func double(_ value: Double) {
    separate()
    bytes.append(contentsOf: (value.isFinite ? value.description : "null").utf8)
  }

  public mutating func bool(_ value: Bool) {
    separate()
    if value { bytes.append("true") } else { bytes.append("false") }
  }

  public mutating func null() {
    separate()
    bytes.append("null")
  }

  /// A value that is JSON already.
  public mutating func raw(_ json: [UInt8]) {
    separate()
    bytes += json
  }

  public mutating func raw(_ json: UnsafeRawBufferPointer) {
    separate()
    unsafe bytes.append(contentsOf: json)
  }

  public mutating func value(_ value: JSONValue) {
    separate()
    value.append(to: &bytes)
  }

  // MARK: Members

  public mutating func member(_ name: String, _ value: String) {
    key(name)
    string(value)
  }

  /// Nil is written as null.
  public mutating func member(_ name: String, _ value: String?) {
    key(name)
    if let value { string(value) } else { null() }
  }

  public mutating func member(_ name: String, _ value: some BinaryInteger) {
    key(name)
    int(value)
  }

  public mutating func member(_ name: String, _ value: Int) {
    key(name)
    int(value)
  }

  public mutating func member(_ name: String, _ value: Double) {
    key(name)
    double(value)
  }

  /// Nil is written as null.
  public mutating func member(_ name: String, _ value: Double?) {
    key(name)
    if let value { double(value) } else { null() }
  }

  public mutating func member(_ name: String, _ value: Bool) {
    key(name)
    bool(value)
  }

  private mutating func open(_ bracket: UInt8) {
    separate()
    bytes.append(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    bytes.append(bracket)
    needsComma = true
  }

  @inline(__always) private mutating func separate() {
    if needsComma { bytes.append(0x2c) }
    needsComma = true
  }
}
