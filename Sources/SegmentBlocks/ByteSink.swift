/// Bytes that are being written: grows by doubling, keeps its memory from one use to the next, never grows beyond its
/// limit.
///
/// `@safe`: the memory is owned by this value alone (it cannot be copied), freed in `deinit`, and every write makes
/// room first. `bytes` is valid until the next change.
@safe public struct ByteSink: ~Copyable {
  @usableFromInline var start: UnsafeMutablePointer<UInt8>
  public private(set) var capacity: Int
  public internal(set) var count = 0
  /// Most bytes that decoders write into it; they throw `BodyError.tooLarge` beyond.
  public var limit: Int

  public init(capacity: Int = 4096, limit: Int = .max) {
    self.capacity = max(capacity, 64)
    self.limit = limit
    unsafe start = .allocate(capacity: self.capacity)
  }

  deinit { unsafe start.deallocate() }

  public var bytes: UnsafeRawBufferPointer { unsafe UnsafeRawBufferPointer(start: start, count: count) }

  public mutating func removeAll() { count = 0 }

  /// Forgets everything from `count` on.
  public mutating func truncate(to count: Int) {
    precondition(count >= 0 && count <= self.count)
    self.count = count
  }

  /// Makes room for so many more bytes.
  @inline(__always) public mutating func reserve(_ more: Int) {
    if capacity - count < more { grow(more) }
  }

  @inline(never) private mutating func grow(_ more: Int) {
    let wanted = max(count + more, capacity * 2)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    unsafe larger.update(from: start, count: count)
    unsafe start.deallocate()
    unsafe start = unsafe larger
    capacity = wanted
  }

  @inline(__always) public mutating func append(_ byte: UInt8) {
    reserve(1)
    unsafe start[count] = byte
    count += 1
  }

  @inline(__always) public mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard let from = bytes.baseAddress else { return }
    unsafe append(from, bytes.count)
  }

  @inline(__always) public mutating func append(_ from: UnsafeRawPointer, _ count: Int) {
    reserve(count)
    unsafe UnsafeMutableRawPointer(start + self.count).copyMemory(from: from, byteCount: count)
    self.count += count
  }

  /// Seven bits a byte, the lowest first; the high bit says that more follow.
  @inline(__always) public mutating func append(varint value: UInt64) {
    reserve(10)
    var rest = value
    while rest > 127 {
      unsafe start[count] = UInt8(truncatingIfNeeded: rest) | 0x80
      count += 1
      rest >>= 7
    }
    unsafe start[count] = UInt8(truncatingIfNeeded: rest)
    count += 1
  }

  /// Zigzag: small numbers of either sign are short.
  @inline(__always) public mutating func append(signed value: Int64) {
    append(varint: UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63))
  }

  /// Overwrites bytes that were written before.
  @inline(__always) public mutating func replace<T: FixedWidthInteger>(at offset: Int, with value: T) {
    precondition(offset >= 0 && offset + MemoryLayout<T>.size <= count)
    unsafe UnsafeMutableRawPointer(start + offset).storeBytes(of: value.littleEndian, as: T.self)
  }
}
