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
    return unsafe utf8.withContiguousStorageIfAvailable { unsafe UnsafeRawBufferPointer($0).elementsEqual(name) }
      ?? utf8.elementsEqual(name)
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
