import WireFormats

/// Which of a fixed list of keys a member's name is: a bit for each key, set exactly or loosely.
struct KeyMatch: Equatable {
  var exact: UInt64 = 0
  var loose: UInt64 = 0

  @inline(__always) var isNone: Bool { exact | loose == 0 }
}

/// Finds names among at most 64 keys. Names up to 32 bytes are remembered with their answer, so that the few names a
/// producer writes cost a comparison of words each.
///
/// `@safe`: the memory is allocated in `init` and freed in `deinit` only, and indexes are masked to its size.
@safe final class KeyTable {
  static let keyCountMax = 64
  static let keyBytesMax = 128

  private struct Remembered {
    var word0: UInt64 = 0
    var word1: UInt64 = 0
    var word2: UInt64 = 0
    var word3: UInt64 = 0
    var count = -1
    var match = KeyMatch()
  }

  private static let rememberedCount = 128
  private let remembered: UnsafeMutablePointer<Remembered>
  private let exactKeys: [[UInt8]]
  private let looseKeys: [[UInt8]]
  private let matchesLoosely: Bool

  /// - Parameter keys: bit n of a match stands for `keys[n]`; keys from number 64 on are not looked for.
  init(_ keys: [String], loose: Bool) {
    exactKeys = keys.prefix(Self.keyCountMax).map { Array($0.utf8) }
    looseKeys = exactKeys.map(Self.normalized)
    matchesLoosely = loose
    unsafe remembered = .allocate(capacity: Self.rememberedCount)
    unsafe remembered.initialize(repeating: Remembered(), count: Self.rememberedCount)
  }

  deinit { unsafe remembered.deallocate() }

  /// The keys that `name` (without escapes) spells. Complexity: O(1) for a name that was seen before.
  func match(_ name: UnsafeRawBufferPointer) -> KeyMatch {
    guard name.count <= 32, let base = name.baseAddress else { return unsafe find(name) }
    let wanted = unsafe Self.words(base, name.count)
    var mixed = wanted.word0 ^ (wanted.word1 &* 0x9e37_79b9_7f4a_7c15) ^ UInt64(name.count)
    mixed ^= (wanted.word2 &+ wanted.word3) &* 0xd6e8_feb8_6659_fd93
    mixed &*= 0xff51_afd7_ed55_8ccd
    let slot = Int(truncatingIfNeeded: mixed >> 40) & (Self.rememberedCount - 1)
    let known = unsafe remembered + slot
    if unsafe known.pointee.count == name.count, unsafe known.pointee.word0 == wanted.word0,
      unsafe known.pointee.word1 == wanted.word1,
      unsafe known.pointee.word2 == wanted.word2, unsafe known.pointee.word3 == wanted.word3
    {
      return unsafe known.pointee.match
    }
    var entry = wanted
    entry.count = name.count
    entry.match = unsafe find(name)
    unsafe known.pointee = entry
    return entry.match
  }

  /// Words that overlap where the name is no multiple of 8 long: with the length they are the whole name.
  @inline(__always) private static func words(_ base: UnsafeRawPointer, _ count: Int) -> Remembered {
    var result = Remembered()
    if count >= 8 {
      result.word0 = unsafe base.loadUnaligned(as: UInt64.self)
      result.word1 = unsafe base.loadUnaligned(fromByteOffset: count - 8, as: UInt64.self)
      if count > 16 {
        result.word2 = unsafe base.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        result.word3 = unsafe base.loadUnaligned(fromByteOffset: count - 16, as: UInt64.self)
      }
    } else if count >= 4 {
      result.word0 = unsafe UInt64(base.loadUnaligned(as: UInt32.self))
      result.word1 = unsafe UInt64(base.loadUnaligned(fromByteOffset: count - 4, as: UInt32.self))
    } else {
      for index in 0..<count {
        result.word0 = unsafe result.word0 << 8 | UInt64(base.load(fromByteOffset: index, as: UInt8.self))
      }
    }
    return result
  }

  private func find(_ name: UnsafeRawBufferPointer) -> KeyMatch {
    var match = KeyMatch()
    guard name.count <= Self.keyBytesMax else { return match }
    let exact = unsafe Array(name)
    let loose = matchesLoosely ? Self.normalized(exact) : []
    for index in exactKeys.indices {
      if exactKeys[index] == exact {
        match.exact |= 1 << UInt64(index)
      } else if matchesLoosely, !loose.isEmpty, looseKeys[index] == loose {
        match.loose |= 1 << UInt64(index)
      }
    }
    return match
  }

  /// Lower case (ASCII), without `$`, `-`, `_` and `.`.
  static func normalized(_ key: [UInt8]) -> [UInt8] {
    key.compactMap { byte in
      switch byte {
      case 0x24, 0x2d, 0x5f, 0x2e: nil
      case 0x41...0x5a: byte | 0x20
      default: byte
      }
    }
  }
}
