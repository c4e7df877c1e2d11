import EventModel

/// Hashes of the tables in memory. Seeded when the process starts, so that nobody can choose ids that meet in a table;
/// nothing of it is ever stored.
struct HotHash: Sendable {
  private let a: UInt64
  private let b: UInt64

  /// Copy it where it is needed often: reading it here asks whether it was made.
  static let ofProcess = HotHash()

  private init() {
    var random = SystemRandomNumberGenerator()
    a = random.next()
    b = random.next()
  }

  @inline(__always) static func fold(_ x: UInt64, _ y: UInt64) -> UInt64 {
    let product = x.multipliedFullWidth(by: y)
    return product.high ^ product.low
  }

  @inline(__always) func key(_ key: IdentifierKey) -> UInt64 {
    Self.fold(Self.fold(key.high ^ a, key.low ^ b) ^ b, 0x9fb2_1c65_1e98_df25)
  }

  /// Of two values, the order counts.
  @inline(__always) func pair(_ x: UInt64, _ y: UInt64) -> UInt64 {
    Self.fold(Self.fold(x ^ a, y ^ b) ^ a, 0xc4ce_b9fe_1a85_ec53)
  }

  /// Complexity: O(bytes), sixteen with one multiplication.
  @inline(__always) func bytes(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let count = bytes.count
    var state = a ^ UInt64(count)
    var offset = 0
    func word(_ at: Int) -> UInt64 { unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) }
    func half(_ at: Int) -> UInt64 { UInt64(unsafe bytes.loadUnaligned(fromByteOffset: at, as: UInt32.self)) }
    while offset + 16 <= count {
      state = Self.fold(word(offset) ^ b, word(offset + 8) ^ state)
      offset += 16
    }
    var x: UInt64 = 0
    var y: UInt64 = 0
    // The last words may overlap what is hashed already: the count is part of the hash.
    if count >= 16 {
      x = word(count - 16)
      y = word(count - 8)
    } else if count >= 8 {
      x = word(0)
      y = word(count - 8)
    } else if count >= 4 {
      x = half(0)
      y = half(count - 4)
    } else if count > 0 {
      x = unsafe UInt64(bytes[0]) | UInt64(bytes[count / 2]) << 8 | UInt64(bytes[count - 1]) << 16
    }
    return Self.fold(Self.fold(x ^ b, y ^ state) ^ a, 0xd6e8_feb8_6659_fd93)
  }
}
