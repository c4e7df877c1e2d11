/// How a value is understood. The numbers are part of the format.
///
/// In a column of kinds stands not the kind itself but its place in the list of the event's type and the key, in the
/// order in which they first occurred: that is nearly always a small number.
enum ValueKind {
  /// As the last value of this key in this run that was no `constant`.
  static let same: UInt8 = 1
  static let equalsID: UInt8 = 2
  static let equalsCorrelation: UInt8 = 3
  static let equalsCause: UInt8 = 4
  static let equalsService: UInt8 = 5
  static let equalsHandler: UInt8 = 6
  static let equalsSchemaVersion: UInt8 = 7
  /// A UUID new in this run (raw); number: how many UUIDs ago; number: entry of the segment's.
  static let uuidNew: UInt8 = 8
  static let uuidBack: UInt8 = 9
  static let uuidEntry: UInt8 = 10
  /// Number: form (0 upper case, 1 without dashes, 2 both); number: 0 new, 1 entry follows, n + 2 ago.
  static let uuidForm: UInt8 = 11
  /// A prefix, which belongs to the list, and then a UUID, digits (numbers: how many, value), or 8 hex digits (raw).
  static let prefixUUIDNew: UInt8 = 12
  static let prefixUUIDBack: UInt8 = 13
  static let prefixUUIDEntry: UInt8 = 14
  static let prefixDigits: UInt8 = 15
  static let prefixHex: UInt8 = 16
  /// The same five with the prefix as a first number.
  static let anyPrefix: UInt8 = 5
  /// Number with so many decimals: signed value times 10 to their power.
  static let decimal0: UInt8 = 22
  static let decimal6: UInt8 = 28
  /// RFC 3339 in UTC with `Z`: `created` minus the time, in the unit of the last digit, signed.
  static let time0: UInt8 = 29
  static let time3: UInt8 = 30
  static let time6: UInt8 = 31
  static let time7: UInt8 = 32
  static let time9: UInt8 = 33
  /// Days: `…T00:00:00Z`, and a date alone.
  static let midnight: UInt8 = 34
  static let date: UInt8 = 35
  /// Number: digits + 10 * suffix + 40 * separator; signed as above.
  static let timeForm: UInt8 = 36
  /// Numbers that count since the epoch, in milliseconds, seconds, microseconds, nanoseconds.
  static let epoch3: UInt8 = 37
  static let epoch0: UInt8 = 38
  static let epoch6: UInt8 = 39
  static let epoch9: UInt8 = 40
  /// An even number of hex digits; number: bytes; raw.
  static let hexLower: UInt8 = 41
  static let hexUpper: UInt8 = 42
  /// Number: entry of the segment's strings.
  static let entry: UInt8 = 43
  /// Number: bytes; text.
  static let text: UInt8 = 44
  static let textOther: UInt8 = 45
  static let yes: UInt8 = 46
  static let no: UInt8 = 47
  static let null: UInt8 = 48
  /// Words with a blank between each two. Number: how many; each a byte in the words of the block.
  static let words: UInt8 = 49
  /// A string of the list: the first one, and another one.
  static let constant: UInt8 = 50
  static let listed: UInt8 = 51
  static let count = 52
}

/// Bounds of the format: what a decoder accepts. Encoders stay within.
enum BodyLimit {
  /// Types with templates of their own; all others share the last class.
  static let ownClasses = 2048
  static let keys = 4096
  static let keyBytes = 1024
  static let templates = 16_384
  static let templateBytes = 4 << 20
  static let skeletonBytes = 65_535
  static let slotsPerTemplate = 4096
  static let shapes = 65_536
  static let slots = 1 << 21
  static let lists = 65_536
  static let listedPerList = 12
  static let listedBytes = 40
  /// Longer strings are no entries of the segment.
  static let entryBytes = 160
  static let symbolsPerList = 250
  static let prefixes = 32_768
  static let prefixBytes = 160
  static let strings = 1 << 20
  /// Words that a byte names; of the others it says the high part, and the low byte is raw.
  static let nearWords = 191
  static let words = nearWords + 64 * 256
  static let wordBytes = 64
  /// Longer strings are not cut into words.
  static let wordedBytes = 16_384
  static let uuids = 1 << 22
  static let runUUIDs = 3000
  /// Longer strings are not remembered as the last value of their key.
  static let rememberedBytes = 65_536
  /// Of all that is not UUIDs, unpacked.
  static let dictionaryBytes = 64 << 20
}
