import WideScan

struct Template: BitwiseCopyable {
  /// In `templateBytes`: the text with 1 in place of a string's content and 2 in place of any other value.
  var start: UInt32
  var length: UInt32
  /// In `templatePaths`.
  var firstPath: UInt32
  var slotCount: UInt32
}

/// Everything that grows while the blocks of a segment are encoded.
///
/// `@unsafe`: lives at one address, which its builder owns; plain memory inside.
@unsafe struct DictionaryTables {
  let limits: DictionaryLimits
  /// Bytes of keys, prefixes, listed strings and entries.
  var arena = unsafe Pool<UInt8>(capacity: 1 << 20)
  var keys: NameTable
  var prefixes: NameTable
  var templateBytes = unsafe Pool<UInt8>(capacity: 1 << 18)
  var templatePaths = unsafe Pool<UInt16>(capacity: 1 << 14)
  var templates = unsafe Pool<Template>(capacity: 1024)
  var templateIndex: HashIndex
  var shapes = unsafe Pool<Shape>(capacity: 1024)
  /// (class, part) of each shape: class * 2 + part.
  var shapeOwners = unsafe Pool<UInt32>(capacity: 1024)
  var shapeIndex: HashIndex
  /// Values and ends of all shapes.
  var slotCount = 0
  /// The first one is none.
  var nodes = unsafe Pool<ShapeNode>(capacity: 1 << 12)
  /// Two of each class: metadata, data.
  var parts = unsafe Pool<PartState>(capacity: 512)
  /// Of each class the list of the stream's name, plus one.
  var streamLists = unsafe Pool<UInt32>(capacity: 256)
  var lists: ListTable
  var strings: SightTable
  /// The same entries, of those that are longer than what a list takes.
  var longStrings: SightTable
  /// Where each entry begins in `entryBytes`, and where the last one ends.
  var stringStarts = unsafe Pool<UInt32>(capacity: 4096)
  var entryBytes = unsafe Pool<UInt8>(capacity: 1 << 16)
  var words: SightTable
  /// As for the entries, in `wordBytes`.
  var wordStarts = unsafe Pool<UInt32>(capacity: 4096)
  var wordBytes = unsafe Pool<UInt8>(capacity: 1 << 14)
  var uuids: SightTable
  var uuidEntries = unsafe Pool<UUIDWords>(capacity: 4096)
  /// Fingerprints of templates seen once, in the second half of their budget.
  var seenTemplates: SightTable

  init(limits: DictionaryLimits) {
    unsafe self.limits = limits
    unsafe keys = unsafe NameTable(countMax: BodyLimit.keys, slotBits: 13)
    unsafe prefixes = unsafe NameTable(countMax: BodyLimit.prefixes, slotBits: 16)
    unsafe templateIndex = unsafe HashIndex(bits: 15)
    unsafe shapeIndex = unsafe HashIndex(bits: 17)
    unsafe lists = unsafe ListTable()
    unsafe strings = unsafe SightTable(entriesMax: min(limits.strings, BodyLimit.strings))
    unsafe longStrings = unsafe SightTable(entriesMax: min(limits.longStrings, limits.strings, BodyLimit.strings))
    unsafe words = unsafe SightTable(entriesMax: min(limits.words, BodyLimit.words))
    unsafe uuids = unsafe SightTable(entriesMax: min(limits.uuids, BodyLimit.uuids))
    unsafe seenTemplates = unsafe SightTable(entriesMax: 4096)
    unsafe stringStarts.append(0)
    unsafe wordStarts.append(0)
    unsafe nodes.append(
      ShapeNode(pieceStart: 0, pieceLength: 0, path: 0, list: 0, shape: 0, isString: false, parent: 0))
    // Key 0 is the stream's name, key 1 that of values that stand behind no key.
    _ = unsafe keys.find(arena.start, 0, &arena)
    unsafe keys.addUnnamed(arena)
  }

  func deallocate() {
    unsafe arena.deallocate()
    unsafe keys.deallocate()
    unsafe prefixes.deallocate()
    unsafe templateBytes.deallocate()
    unsafe templatePaths.deallocate()
    unsafe templates.deallocate()
    unsafe templateIndex.deallocate()
    unsafe shapes.deallocate()
    unsafe shapeOwners.deallocate()
    unsafe shapeIndex.deallocate()
    unsafe nodes.deallocate()
    unsafe parts.deallocate()
    unsafe streamLists.deallocate()
    unsafe lists.deallocate()
    unsafe strings.deallocate()
    unsafe stringStarts.deallocate()
    unsafe entryBytes.deallocate()
    unsafe longStrings.deallocate()
    unsafe words.deallocate()
    unsafe wordStarts.deallocate()
    unsafe wordBytes.deallocate()
    unsafe uuids.deallocate()
    unsafe uuidEntries.deallocate()
    unsafe seenTemplates.deallocate()
  }

  /// The class of a type, made if it is new.
  @inline(__always) mutating func classIndex(_ typeNumber: UInt32) -> Int {
    let index = min(Int(typeNumber), BodyLimit.ownClasses)
    while unsafe streamLists.count <= index {
      unsafe streamLists.append(0)
      unsafe parts.append(PartState())
      unsafe parts.append(PartState())
    }
    return index
  }
}

/// Byte strings with numbers in the order of their first sight; bounded.
@unsafe struct NameTable {
  var starts: Pool<UInt32>
  var lengths: Pool<UInt32>
  var index: HashIndex
  let countMax: Int

  init(countMax: Int, slotBits: Int) {
    unsafe self.countMax = countMax
    unsafe starts = unsafe Pool(capacity: 128)
    unsafe lengths = unsafe Pool(capacity: 128)
    unsafe index = unsafe HashIndex(bits: slotBits)
  }

  func deallocate() {
    unsafe starts.deallocate()
    unsafe lengths.deallocate()
    unsafe index.deallocate()
  }

  var count: Int { unsafe starts.count }

  /// The number of a name, which is added if it is new; nil if there is no more room.
  @inline(__always) mutating func find(_ p: BytePointer, _ length: Int, _ arena: inout Pool<UInt8>) -> Int? {
    let hash = unsafe hashBytes(p, length)
    var place = unsafe index.place(hash)
    while true {
      let entry = unsafe index.table[place]
      if entry == 0 { break }
      let number = Int(entry) - 1
      if unsafe Int(lengths[number]) == length, unsafe ByteScan.isSame(arena.start + Int(starts[number]), p, length) {
        return number
      }
      place = unsafe index.next(place)
    }
    guard unsafe starts.count < countMax else { return nil }
    unsafe index.table[place] = unsafe UInt32(starts.count + 1)
    unsafe starts.append(UInt32(arena.count))
    unsafe lengths.append(UInt32(length))
    unsafe arena.append(p, length)
    return unsafe starts.count - 1
  }

  /// A number that no name finds.
  mutating func addUnnamed(_ arena: Pool<UInt8>) {
    unsafe starts.append(UInt32(arena.count))
    unsafe lengths.append(0)
  }
}

/// Open addressing with numbers plus one; at most half full, which its user sees to.
@unsafe struct HashIndex {
  let table: UnsafeMutablePointer<UInt32>
  let mask: Int

  init(bits: Int) {
    unsafe table = .allocate(capacity: 1 << bits)
    unsafe table.initialize(repeating: 0, count: 1 << bits)
    unsafe mask = (1 << bits) - 1
  }

  func deallocate() { unsafe table.deallocate() }

  @inline(__always) func place(_ hash: UInt64) -> Int { unsafe Int(truncatingIfNeeded: hash) & mask }
  @inline(__always) func next(_ place: Int) -> Int { unsafe (place + 1) & mask }
}

/// Who was seen once (a fingerprint), and who twice or more (an entry). Lines of eight words; when it has grown to its
/// bound, a full line forgets one that was seen once.
@unsafe struct SightTable {
  /// Fingerprint in the high half, entry plus one in the low half. The line is chosen by the fingerprint as well.
  var words: UnsafeMutablePointer<UInt64>
  var lineMask: Int
  var used = 0
  let linesMax: Int
  let entriesMax: Int

  init(entriesMax: Int) {
    unsafe self.entriesMax = entriesMax
    var lines = 64
    while lines * 2 < entriesMax { lines *= 2 }
    unsafe linesMax = lines
    unsafe lineMask = 63
    unsafe words = unsafe SightTable.lines(64)
  }

  private static func lines(_ count: Int) -> UnsafeMutablePointer<UInt64> {
    // At the beginning of a cache line: what looks at one of ours reads one of the processor's.
    let words = unsafe UnsafeMutableRawPointer.allocate(byteCount: count * 64, alignment: 64)
      .bindMemory(to: UInt64.self, capacity: count * 8)
    unsafe words.initialize(repeating: 0, count: count * 8)
    return unsafe words
  }

  func deallocate() { unsafe UnsafeMutableRawPointer(words).deallocate() }

  enum Sight {
    case first
    /// Its word, so that an entry can be set; the entry plus one, 0 if it has none.
    case again(word: Int, entry: Int)
  }

  /// Looks for a hash, and remembers it if it is new.
  @inline(__always) mutating func look(_ hash: UInt64) -> Sight {
    let fingerprint = hash >> 32 | 1
    let first = unsafe (Int(truncatingIfNeeded: fingerprint >> 1) & lineMask) * 8
    var free = -1
    for word in first..<(first + 8) {
      let value = unsafe words[word]
      if value == 0 {
        unsafe add(fingerprint, word)
        return .first
      }
      if value >> 32 == fingerprint { return .again(word: word, entry: Int(value & 0xffff_ffff)) }
      if value & 0xffff_ffff == 0 { free = word }
    }
    if free >= 0 { unsafe words[free] = fingerprint << 32 }
    return .first
  }

  @inline(__always) private mutating func add(_ fingerprint: UInt64, _ word: Int) {
    unsafe words[word] = fingerprint << 32
    unsafe used += 1
    if unsafe used > (lineMask + 1) * 5, unsafe lineMask + 1 < linesMax { unsafe grow() }
  }

  /// Most lines have room for all they get; what finds none is forgotten, entries last.
  @inline(never) private mutating func grow() {
    let old = unsafe words
    let oldCount = unsafe (lineMask + 1) * 8
    let lines = unsafe min((lineMask + 1) * 8, linesMax)
    unsafe words = unsafe SightTable.lines(lines)
    unsafe lineMask = lines - 1
    unsafe used = 0
    for index in 0..<oldCount where unsafe old[index] != 0 {
      let first = unsafe (Int(truncatingIfNeeded: old[index] >> 33) & lineMask) * 8
      var word = first
      while word < first + 8, unsafe words[word] != 0 { word += 1 }
      if word < first + 8 {
        unsafe words[word] = unsafe old[index]
        unsafe used += 1
      }
    }
    unsafe UnsafeMutableRawPointer(old).deallocate()
  }

  @inline(__always) func setEntry(_ word: Int, _ number: Int) { unsafe words[word] |= UInt64(number + 1) }
}
