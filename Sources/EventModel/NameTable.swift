/// Names by number; number 0 is the empty name, which means "absent".
///
/// Looked up several times for each event of a trace: open addressing over the bytes, no allocation for a known name.
public struct NameTable: Sendable {
  public private(set) var names: [String] = [""]
  /// Hashes of the names, by number.
  private var hashes: [UInt32] = [0]
  /// Numbers; 0 is a free place, for the empty name is never looked up here.
  private var slots: [UInt32] = []

  public init() {}

  public subscript(index: UInt32) -> String { names[Int(index)] }

  /// The number of a name, given as UTF-8 bytes. Complexity: O(length).
  public mutating func intern(_ name: UnsafeRawBufferPointer) -> UInt32 {
    if unsafe name.isEmpty { return 0 }
    if names.count * 2 > slots.count { grow() }
    let hash = UInt32(truncatingIfNeeded: unsafe IdentifierKey.hashing(name).low)
    let mask = slots.count - 1
    var slot = Int(hash) & mask
    while slots[slot] != 0 {
      let number = Int(slots[slot])
      if unsafe hashes[number] == hash && isSame(names[number], name) { return UInt32(number) }
      slot = (slot + 1) & mask
    }
    let number = UInt32(names.count)
    names.append(unsafe String(decoding: name, as: UTF8.self))
    hashes.append(hash)
    slots[slot] = number
    return number
  }

  public mutating func intern(_ name: [UInt8]) -> UInt32 { unsafe name.withUnsafeBytes { unsafe intern($0) } }

  public mutating func intern(_ name: String) -> UInt32 {
    var name = name
    return name.withUTF8 { unsafe intern(UnsafeRawBufferPointer($0)) }
  }

  private func isSame(_ known: String, _ name: UnsafeRawBufferPointer) -> Bool {
    let utf8 = known.utf8
    if utf8.count != name.count { return false }
    return unsafe utf8.withContiguousStorageIfAvailable { unsafe Self.isSame(UnsafeRawBufferPointer($0), name) }
      ?? utf8.elementsEqual(name)
  }

  /// - Precondition: they have one length. By words, the last of which may overlap the one before it.
  @inline(__always) private static func isSame(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    @inline(__always) func differs(at offset: Int) -> Bool {
      unsafe a.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
        != b.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    guard a.count >= 8 else { return unsafe a.elementsEqual(b) }
    var offset = 0
    while offset + 8 <= a.count {
      if differs(at: offset) { return false }
      offset += 8
    }
    return !differs(at: a.count - 8)
  }

  private mutating func grow() {
    let size = max(32, slots.count * 2)
    slots = Array(repeating: 0, count: size)
    for number in names.indices.dropFirst() {
      var slot = Int(hashes[number]) & (size - 1)
      while slots[slot] != 0 { slot = (slot + 1) & (size - 1) }
      slots[slot] = UInt32(number)
    }
  }
}
