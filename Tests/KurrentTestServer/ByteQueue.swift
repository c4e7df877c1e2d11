import Glibc

/// Bytes on their way: appended at the end, taken from the front. One place in memory, no copy on write.
final class ByteQueue {
  private var base: UnsafeMutableRawPointer
  private var capacity: Int
  private var start = 0
  private var end = 0

  init(capacity: Int = 4096) {
    self.capacity = capacity
    base = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
  }

  deinit { base.deallocate() }

  var count: Int { end - start }
  var isEmpty: Bool { start == end }
  /// Valid until the next change.
  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + start, count: count) }
  var array: [UInt8] { Array(bytes) }

  func removeAll() {
    start = 0
    end = 0
  }

  func removeFirst(_ count: Int) {
    start += count
    if start == end { removeAll() }
  }

  func removeLast(_ count: Int) { end -= count }

  /// Room for so many bytes behind the last one.
  func reserve(_ count: Int) {
    if end + count <= capacity { return }
    if start > 0 && self.count + count <= capacity {
      memmove(base, base + start, self.count)
    } else {
      let grown = max(capacity * 2, self.count + count)
      let place = UnsafeMutableRawPointer.allocate(byteCount: grown, alignment: 16)
      memcpy(place, base + start, self.count)
      base.deallocate()
      base = place
      capacity = grown
    }
    end -= start
    start = 0
  }

  @inline(__always) func append(_ more: UnsafeRawBufferPointer) {
    guard let from = more.baseAddress, more.count > 0 else { return }
    reserve(more.count)
    memcpy(base + end, from, more.count)
    end += more.count
  }

  func append(_ more: [UInt8]) { more.withUnsafeBytes { append($0) } }

  func append(_ text: String) { append(Array(text.utf8)) }

  @inline(__always) func append(byte: UInt8) {
    reserve(1)
    base.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
    end += 1
  }

  @inline(__always) func append(varint value: UInt64) {
    reserve(10)
    var rest = value
    while rest >= 0x80 {
      base.storeBytes(of: UInt8(truncatingIfNeeded: rest) | 0x80, toByteOffset: end, as: UInt8.self)
      end += 1
      rest >>= 7
    }
    base.storeBytes(of: UInt8(rest), toByteOffset: end, as: UInt8.self)
    end += 1
  }

  /// The prefix of a gRPC message: flag, and length in four bytes, big-endian.
  func append(prefixOf length: Int, flag: UInt8 = 0) {
    append(byte: flag)
    for shift in [24, 16, 8, 0] { append(byte: UInt8(truncatingIfNeeded: length >> shift)) }
  }

  func append(message: [UInt8], flag: UInt8 = 0) {
    append(prefixOf: message.count, flag: flag)
    append(message)
  }

  /// The bytes that were appended from `offset` (counted from the front) on, to be changed in place.
  func changing(from offset: Int) -> UnsafeMutableBufferPointer<UInt8> {
    let place = (base + start + offset).assumingMemoryBound(to: UInt8.self)
    return UnsafeMutableBufferPointer(start: place, count: count - offset)
  }
}
