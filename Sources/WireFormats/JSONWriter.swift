/// Writes JSON into bytes: compact, commas set by itself, always valid UTF-8.
///
/// The caller keeps objects and arrays balanced; `bytes` is a whole text once every container is closed.
///
/// The text lies in memory of the writer's own, which is never shared: an array would be asked for each value whether it
/// is, which is a quarter of the instructions of an answer with many small ones.
///
/// `@safe`: `start` has room for `capacity` bytes, of which `count` are written; every method sees to room before it
/// writes. It is freed in `deinit` only, if it is its own; what is not is used inside `text(reserving:)` alone, whose
/// `body` must not carry the writer away by exchanging it for another one.
/// `@unchecked Sendable`: there is one owner.
@safe public struct JSONWriter: ~Copyable, @unchecked Sendable {
  @usableFromInline internal var start: UnsafeMutablePointer<UInt8>
  @usableFromInline internal var capacity: Int
  @usableFromInline internal var filled = 0
  @usableFromInline internal var needsComma = false
  /// False while it writes into an array that somebody else makes.
  private var ownsMemory = true

  public init(reserving capacity: Int = 0) {
    self.capacity = max(capacity, 64)
    unsafe start = .allocate(capacity: self.capacity)
  }

  private init(into room: UnsafeMutableBufferPointer<UInt8>) {
    unsafe start = room.baseAddress ?? .allocate(capacity: 64)
    capacity = unsafe room.baseAddress == nil ? 64 : room.count
    ownsMemory = unsafe room.baseAddress == nil
  }

  deinit { if ownsMemory { unsafe start.deallocate() } }

  /// The text that `body` writes. Up to `capacity` bytes are written where they stay.
  public static func text(reserving capacity: Int, _ body: (inout JSONWriter) -> Void) -> [UInt8] {
    var longer: [UInt8]?
    let text = unsafe [UInt8](unsafeUninitializedCapacity: capacity) { room, count in
      var json = unsafe JSONWriter(into: room)
      body(&json)
      if json.ownsMemory { longer = json.bytes } else { count = json.count }
    }
    // Room that was asked for in vain would be held for as long as a slow client reads.
    if longer == nil, capacity > 64 * 1024, text.count < capacity / 2 {
      return unsafe text.withUnsafeBufferPointer { unsafe Array($0) }
    }
    return longer ?? text
  }

  /// Bytes of the text so far.
  public var count: Int { filled }

  /// The text so far. Complexity: O(bytes).
  public var bytes: [UInt8] { unsafe Array(UnsafeBufferPointer(start: start, count: filled)) }

  /// Appends the text so far to another one.
  public func append(to text: inout [UInt8]) {
    unsafe text.append(contentsOf: UnsafeBufferPointer(start: start, count: filled))
  }

  /// Makes room for another text without giving the memory back.
  public mutating func removeAll() {
    filled = 0
    needsComma = false
  }

  // MARK: Containers and keys

  public mutating func beginObject() { open(0x7b) }
  public mutating func endObject() { close(0x7d) }
  public mutating func beginArray() { open(0x5b) }
  public mutating func endArray() { close(0x5d) }

  public mutating func key(_ name: String) {
    string(name)
    put(0x3a)
    needsComma = false
  }

  /// As `key`, for a name of ASCII that needs no escapes: it is not looked at.
  @inlinable @inline(__always) public mutating func key(plain name: StaticString) {
    let count = name.utf8CodeUnitCount
    separate(count + 3)
    let room = unsafe start + filled
    unsafe room[0] = 0x22
    unsafe (room + 1).update(from: name.utf8Start, count: count)
    unsafe room[count + 1] = 0x22
    unsafe room[count + 2] = 0x3a
    advance(count + 3)
    needsComma = false
  }

  // MARK: Texts

  public mutating func string(_ text: String) {
    var text = text
    text.withUTF8 { unsafe string(UnsafeRawBufferPointer($0)) }
  }

  /// Bytes that are no UTF-8 become U+FFFD.
  public mutating func string(_ text: [UInt8]) {
    unsafe text.withUnsafeBytes { unsafe string($0) }
  }

  public mutating func string(_ text: UnsafeRawBufferPointer) {
    separate(text.count + 2)
    let room = unsafe UnsafeMutableRawPointer(start + filled)
    guard let base = text.baseAddress, unsafe copyPlain(base, text.count, to: room + 1) else {
      return unsafe escaped(text)
    }
    unsafe room.storeBytes(of: 0x22, as: UInt8.self)
    unsafe room.storeBytes(of: 0x22, toByteOffset: text.count + 1, as: UInt8.self)
    advance(text.count + 2)
  }

  /// Copies a text as far as nothing in it needs care.
  ///
  /// - Returns: whether that is all of it.
  @inline(__always) private func copyPlain(
    _ base: UnsafeRawPointer, _ count: Int, to room: UnsafeMutableRawPointer
  ) -> Bool {
    var index = 0
    if count >= 8 {
      while index < count {
        // The last word overlaps with the one before.
        index = min(index, count - 8)
        let word = unsafe base.loadUnaligned(fromByteOffset: index, as: UInt64.self)
        if SWAR.specialInString(word.littleEndian) != 0 { return false }
        unsafe room.storeBytes(of: word, toByteOffset: index, as: UInt64.self)
        index += 8
      }
      return true
    }
    while index < count {
      let byte = unsafe base.load(fromByteOffset: index, as: UInt8.self)
      if byte < 0x20 || byte == 0x22 || byte == 0x5c || byte >= 0x80 { return false }
      unsafe room.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
      index += 1
    }
    return true
  }

  @inline(never) private mutating func escaped(_ text: UnsafeRawBufferPointer) {
    var quoted: [UInt8] = []
    quoted.reserveCapacity(text.count + 16)
    unsafe JSONText.appendQuoted(text, to: &quoted)
    put(quoted)
  }

  /// Text of ASCII that needs no escapes, in quotes: `write` puts it into its room of `count` bytes, all of them.
  @inlinable @inline(__always) public mutating func string(
    plainCount count: Int, _ write: (UnsafeMutableRawBufferPointer) -> Void
  ) {
    separate(count + 2)
    let room = unsafe start + filled
    unsafe room[0] = 0x22
    unsafe write(UnsafeMutableRawBufferPointer(start: room + 1, count: count))
    unsafe room[count + 1] = 0x22
    advance(count + 2)
  }

  // MARK: Numbers, times, and the rest

  public mutating func int(_ value: some BinaryInteger) {
    if let small = Int(exactly: value) { return int(small) }
    separate(0)
    put(Array(String(value).utf8))
  }

  public mutating func int(_ value: Int) {
    separate(21)
    if value < 0 { put(0x2d) }
    unsafe advance(JSONText.write(UInt64(value.magnitude), atLeast: 1, to: start + filled))
  }

  /// A decimal number in quotes.
  public mutating func quoted(_ value: UInt64) {
    separate(22)
    put(0x22)
    unsafe advance(JSONText.write(value, atLeast: 1, to: start + filled))
    put(0x22)
  }

  /// So many thousand-millionths, as a decimal number without exponent and without zeros at its end: `1.5`.
  public mutating func decimal(billionths value: Int64) {
    separate(44)
    let (seconds, rest) = value.magnitude.quotientAndRemainder(dividingBy: 1_000_000_000)
    if value < 0 { put(0x2d) }
    unsafe advance(JSONText.write(seconds, atLeast: 1, to: start + filled))
    if rest == 0 { return }
    put(0x2e)
    var fraction = rest
    var digits = 9
    while fraction % 10 == 0 {
      fraction /= 10
      digits -= 1
    }
    unsafe advance(JSONText.write(fraction, atLeast: digits, to: start + filled))
  }

  /// A point in time as RFC 3339 writes it.
  public mutating func time(nanoseconds: Int64) {
    separate(RFC3339.bytesMax + 2)
    put(0x22)
    unsafe advance(RFC3339.write(nanoseconds: nanoseconds, to: start + filled))
    put(0x22)
  }

  /// The shortest digits that give the same number back; null where JSON has none (infinite, not a number).
  public mutating func double(_ value: Double) {
    separate(0)
    put(Array((value.isFinite ? value.description : "null").utf8))
  }

  public mutating func bool(_ value: Bool) { word(value ? "true" : "false") }

  public mutating func null() { word("null") }

  /// A value that is JSON already.
  public mutating func raw(_ json: [UInt8]) {
    separate(json.count)
    put(json)
  }

  public mutating func raw(_ json: UnsafeRawBufferPointer) {
    separate(json.count)
    unsafe put(json)
  }

  public mutating func value(_ value: JSONValue) {
    separate(0)
    var text: [UInt8] = []
    value.append(to: &text)
    put(text)
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

  // MARK: Bytes

  private mutating func open(_ bracket: UInt8) {
    separate(1)
    put(bracket)
    needsComma = false
  }

  private mutating func close(_ bracket: UInt8) {
    put(bracket)
    needsComma = true
  }

  private mutating func word(_ text: StaticString) {
    separate(text.utf8CodeUnitCount)
    unsafe put(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// Ends the value before with a comma, and makes room for so many bytes behind it.
  @inlinable @inline(__always) internal mutating func separate(_ more: Int) {
    reserve(more + 1)
    unsafe start[filled] = 0x2c
    if needsComma { advance(1) }
    needsComma = true
  }

  /// So many bytes were written behind the text.
  @inlinable @inline(__always) internal mutating func advance(_ more: Int) {
    filled += more
    assert(filled <= capacity, "more was written than there is room for")
  }

  @inlinable @inline(__always) internal mutating func reserve(_ more: Int) {
    if capacity - filled < more { grow(more) }
  }

  @usableFromInline @inline(never) internal mutating func grow(_ more: Int) {
    let wanted = max(filled + more, capacity * 2)
    let other = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    unsafe other.update(from: start, count: filled)
    if ownsMemory { unsafe start.deallocate() }
    unsafe start = other
    capacity = wanted
    ownsMemory = true
  }

  @inline(__always) private mutating func put(_ byte: UInt8) {
    reserve(1)
    unsafe start[filled] = byte
    advance(1)
  }

  @inline(__always) private mutating func put(_ bytes: UnsafeRawBufferPointer) {
    guard let base = bytes.baseAddress else { return }
    reserve(bytes.count)
    unsafe UnsafeMutableRawPointer(start + filled).copyMemory(from: base, byteCount: bytes.count)
    advance(bytes.count)
  }

  private mutating func put(_ bytes: [UInt8]) { unsafe bytes.withUnsafeBytes { unsafe put($0) } }
}
