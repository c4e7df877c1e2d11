/// A walk over the fields of a protobuf message. The server reads and writes with code of its own: it shares no decoder
/// with the program that is tested against it.
struct Fields {
  private var at: UnsafePointer<UInt8>
  private let end: UnsafePointer<UInt8>
  private(set) var number = 0
  private(set) var wireType = 0
  /// Of a varint.
  private(set) var value: UInt64 = 0
  /// Of a length-delimited field; the eight or four bytes of a fixed one.
  private(set) var slice = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Tag and value as they stand.
  private(set) var whole = UnsafeRawBufferPointer(start: nil, count: 0)
  /// Set where the bytes are no message.
  private(set) var isBroken = false

  init(_ bytes: UnsafeRawBufferPointer) {
    let none = UnsafePointer<UInt8>(bitPattern: 1)!
    at = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? none
    end = at + bytes.count
  }

  @inline(__always) private mutating func varint() -> UInt64 {
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while at < end && shift < 70 {
      let byte = at.pointee
      at += 1
      result |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return result }
      shift += 7
    }
    isBroken = true
    return 0
  }

  @inline(__always) mutating func next() -> Bool {
    guard at < end, !isBroken else { return false }
    let first = at
    let tag = varint()
    number = Int(tag >> 3)
    wireType = Int(tag & 7)
    var length = 0
    switch wireType {
    case 0: value = varint()
    case 1: length = 8
    case 2: length = Int(truncatingIfNeeded: varint())
    case 5: length = 4
    default: isBroken = true
    }
    if length < 0 || length > end - at { isBroken = true }
    if isBroken { return false }
    slice = UnsafeRawBufferPointer(start: at, count: length)
    at += length
    whole = UnsafeRawBufferPointer(start: first, count: at - first)
    return true
  }
}

extension ByteQueue {
  func append(field: Int, varint: UInt64) {
    append(varint: UInt64(field << 3))
    append(varint: varint)
  }

  func append(field: Int, bytes: UnsafeRawBufferPointer) {
    append(varint: UInt64(field << 3 | 2))
    append(varint: UInt64(bytes.count))
    append(bytes)
  }

  func append(field: Int, bytes: [UInt8]) { bytes.withUnsafeBytes { append(field: field, bytes: $0) } }

  func append(field: Int, text: String) { append(field: field, bytes: Array(text.utf8)) }

  /// A message within this one.
  func append(field: Int, _ body: (ByteQueue) -> Void) {
    let inner = ByteQueue(capacity: 64)
    body(inner)
    append(field: field, bytes: inner.bytes)
  }
}

/// A message built field by field.
func built(_ body: (ByteQueue) -> Void) -> [UInt8] {
  let queue = ByteQueue(capacity: 64)
  body(queue)
  return queue.array
}

/// A UUID as two halves, big-endian.
struct EventID: Hashable {
  var high: UInt64 = 0
  var low: UInt64 = 0

  init(high: UInt64 = 0, low: UInt64 = 0) {
    self.high = high
    self.low = low
  }

  /// Any spelling with 32 hex digits.
  init?<Text: Sequence<UInt8>>(text: Text) {
    var digits = 0
    for byte in text {
      guard let digit = hexValue(byte) else {
        if byte == 0x2d || byte == 0x7b || byte == 0x7d { continue }
        return nil
      }
      if digits < 16 { high = high << 4 | UInt64(digit) } else { low = low << 4 | UInt64(digit) }
      digits += 1
    }
    if digits != 32 { return nil }
  }

  /// What a UUID message holds, as structure or text.
  init(message: UnsafeRawBufferPointer) {
    var fields = Fields(message)
    while fields.next() {
      if fields.number == 1 {
        var halves = Fields(fields.slice)
        while halves.next() {
          if halves.number == 1 { high = halves.value } else if halves.number == 2 { low = halves.value }
        }
      } else if fields.number == 2, let id = EventID(text: fields.slice) {
        self = id
      }
    }
  }

  /// Lower case with dashes.
  var text: [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(36)
    for index in 0..<32 {
      let half = index < 16 ? high : low
      let digit = UInt8(truncatingIfNeeded: half >> UInt64(60 - 4 * (index & 15))) & 15
      bytes.append(hexDigit(digit))
      if index == 7 || index == 11 || index == 15 || index == 19 { bytes.append(0x2d) }
    }
    return bytes
  }

  func append(to queue: ByteQueue, asText: Bool) {
    if asText {
      queue.append(field: 2, bytes: text)
    } else {
      queue.append(field: 1) {
        if high != 0 { $0.append(field: 1, varint: high) }
        if low != 0 { $0.append(field: 2, varint: low) }
      }
    }
  }
}

@inline(__always) func hexValue(_ byte: UInt8) -> UInt8? {
  switch byte {
  case 0x30...0x39: byte - 0x30
  case 0x61...0x66: byte - 0x61 + 10
  case 0x41...0x46: byte - 0x41 + 10
  default: nil
  }
}

@inline(__always) func hexDigit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x61 + value - 10 }
