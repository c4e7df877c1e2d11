/// A recorded answer made to fit the call: ids in the form that was asked for; for copies of a log everything moved.
///
/// All fields stay in their order, and what is not changed stays byte for byte.
final class Rewriter {
  struct Change {
    /// Nil leaves ids as they are.
    var idsAsText: Bool?
    /// Which copy: the last byte of every UUID, in ids and in texts, is xored with it.
    var copy: UInt8 = 0
    var positionShift: UInt64 = 0
    /// In units of 100 ns.
    var createdShift: UInt64 = 0
    var isNothing: Bool { idsAsText == nil && copy == 0 }
  }

  private let record = ByteQueue()
  private let event = ByteQueue()
  private let identifier = ByteQueue()

  /// Appends a framed message.
  func append(_ message: UnsafeRawBufferPointer, _ change: Change, to out: ByteQueue) {
    var fields = Fields(message)
    guard !change.isNothing, fields.next(), fields.number == 1 else {
      out.append(prefixOf: message.count)
      out.append(message)
      return
    }
    event.removeAll()
    var inner = Fields(fields.slice)
    while inner.next() {
      switch inner.number {
      case 1, 2:
        rewriteRecord(inner.slice, change)
        event.append(field: inner.number, bytes: record.bytes)
      case 3: event.append(field: 3, varint: moved(inner.value, change))
      default: event.append(inner.whole)
      }
    }
    out.append(prefixOf: 1 + varintBytes(event.count) + event.count)
    out.append(field: 1, bytes: event.bytes)
  }

  private func rewriteRecord(_ bytes: UnsafeRawBufferPointer, _ change: Change) {
    record.removeAll()
    var fields = Fields(bytes)
    while fields.next() {
      switch fields.number {
      case 1:
        var id = EventID(message: fields.slice)
        id.low ^= UInt64(change.copy)
        identifier.removeAll()
        id.append(to: identifier, asText: change.idsAsText ?? false)
        record.append(field: 1, bytes: identifier.bytes)
      case 4, 5: record.append(field: fields.number, varint: moved(fields.value, change))
      case 6 where change.createdShift > 0:
        let start = record.count
        record.append(fields.whole)
        addToCreated(record.changing(from: start), change.createdShift)
      case 2, 7, 8:
        let start = record.count
        record.append(fields.whole)
        if change.copy != 0 { changeIdentifiers(record.changing(from: start), change.copy) }
      default: record.append(fields.whole)
      }
    }
  }

  private func moved(_ position: UInt64, _ change: Change) -> UInt64 {
    position == .max ? position : position + change.positionShift
  }

  private func varintBytes(_ value: Int) -> Int {
    var rest = value >> 7
    var count = 1
    while rest > 0 {
      count += 1
      rest >>= 7
    }
    return count
  }

  /// UUIDs in texts: 8-4-4-4-12 hex digits.
  private func changeIdentifiers(_ bytes: UnsafeMutableBufferPointer<UInt8>, _ copy: UInt8) {
    var at = 0
    let dash = UInt8(0x2d)
    while at + 36 <= bytes.count {
      guard bytes[at + 8] == dash, bytes[at + 13] == dash, bytes[at + 18] == dash, bytes[at + 23] == dash,
        let high = hexValue(bytes[at + 34]), let low = hexValue(bytes[at + 35])
      else {
        at += 1
        continue
      }
      let last = (high << 4 | low) ^ copy
      bytes[at + 34] = hexDigit(last >> 4)
      bytes[at + 35] = hexDigit(last & 15)
      at += 36
    }
  }

  /// Adds to the decimal text of the map entry `created`; its number of digits stays.
  private func addToCreated(_ entry: UnsafeMutableBufferPointer<UInt8>, _ ticks: UInt64) {
    // Tag, length, tag, 7, "created", tag, length, digits.
    guard entry.count > 14, entry[3] == 7, entry[4] == 0x63, entry[5] == 0x72 else { return }
    var value: UInt64 = 0
    for digit in entry[13...] { value = value &* 10 &+ UInt64(digit &- 0x30) }
    value &+= ticks
    for place in stride(from: entry.count - 1, through: 13, by: -1) {
      entry[place] = 0x30 + UInt8(value % 10)
      value /= 10
    }
  }
}
