/// One list for each (class, key): which kinds of values, listed strings and prefixes occurred, in the order of their
/// first sight. What a column of kinds holds are places in such a list.
///
/// `@unsafe`: plain memory, `ListTable.recordBytes` for each list, zeroed when a list is made.
@unsafe struct ListTable {
  static let recordBytes = 256
  /// At the beginning of a cache line: what most values need is in the first one of a record.
  private var records = unsafe ListTable.lines(64)
  private var capacity = 64
  var count = 0
  /// (class, path) to the list's number.
  var index = unsafe HashIndex(bits: 17)
  /// Every symbol of every list in the order of its first sight: list, and kind with its operand above it.
  var symbolLists = unsafe Pool<UInt32>(capacity: 4096)
  var symbols = unsafe Pool<UInt32>(capacity: 4096)

  private static func lines(_ records: Int) -> UnsafeMutableRawPointer {
    unsafe .allocate(byteCount: records * recordBytes, alignment: 64)
  }

  func deallocate() {
    unsafe records.deallocate()
    unsafe index.deallocate()
    unsafe symbolLists.deallocate()
    unsafe symbols.deallocate()
  }

  @inline(__always) subscript(number: UInt32) -> ListRecord {
    unsafe ListRecord(base: records + Int(number) * ListTable.recordBytes)
  }

  /// Asks for what most values need of records that lie together.
  @inline(__always) func prefetch(_ first: Int, _ count: Int) {
    for number in first..<(first + count) { unsafe Prefetch.line(records + number * ListTable.recordBytes) }
  }

  /// The list of a class and a path, made if it is new; nil if there is no more room. There is always room for the list
  /// of a class's streams (path 0), without which no event of the class could be read again.
  mutating func find(classIndex: Int, path: UInt16) -> UInt32? {
    let key = UInt32(classIndex) << 16 | UInt32(path)
    var place = unsafe index.place(UInt64(key) &* 0x9e37_79b9_7f4a_7c15 >> 20)
    while true {
      let entry = unsafe index.table[place]
      if entry == 0 { break }
      if unsafe self[entry - 1].owner == key { return entry - 1 }
      place = unsafe index.next(place)
    }
    let kept = path == 0 ? 0 : BodyLimit.ownClasses + 1
    guard unsafe count < BodyLimit.lists - kept else { return nil }
    unsafe index.table[place] = unsafe UInt32(count + 1)
    if unsafe count == capacity { unsafe grow() }
    unsafe (records + count * ListTable.recordBytes).initializeMemory(
      as: UInt8.self, repeating: 0, count: ListTable.recordBytes)
    unsafe count += 1
    unsafe self[UInt32(count - 1)].owner = key
    // The commonest kind has one place in all lists: columns hold values of many classes.
    _ = unsafe newPlace(UInt32(count - 1), ValueKind.same)
    return unsafe UInt32(count - 1)
  }

  private mutating func grow() {
    let larger = unsafe ListTable.lines(capacity * 2)
    unsafe larger.copyMemory(from: records, byteCount: count * ListTable.recordBytes)
    unsafe records.deallocate()
    unsafe records = unsafe larger
    unsafe capacity *= 2
  }

  /// Adds a symbol to a list. - Returns: its place there, or nil if the list is full.
  mutating func add(_ number: UInt32, kind: UInt8, operand: UInt32) -> UInt8? {
    let record = unsafe self[number]
    guard unsafe record.symbolCount < BodyLimit.symbolsPerList else { return nil }
    unsafe symbolLists.append(number)
    unsafe symbols.append(operand << 8 | UInt32(kind))
    unsafe record.symbolCount += 1
    return unsafe UInt8(record.symbolCount - 1)
  }

  /// The place of a kind that has no operand. There is always room: 52 kinds, 12 strings and 20 prefixes at most.
  @inline(__always) mutating func place(_ number: UInt32, kind: UInt8) -> UInt8 {
    let record = unsafe self[number]
    let known = unsafe record.base.load(fromByteOffset: ListRecord.kinds + Int(kind), as: UInt8.self)
    return unsafe known != 0 ? known - 1 : newPlace(number, kind)
  }

  @inline(never) private mutating func newPlace(_ number: UInt32, _ kind: UInt8) -> UInt8 {
    let place = unsafe add(number, kind: kind, operand: 0) ?? 0
    unsafe self[number].base.storeBytes(of: place + 1, toByteOffset: ListRecord.kinds + Int(kind), as: UInt8.self)
    return place
  }
}

/// `@unsafe`: a place in a `ListTable`, valid until a list is added.
@unsafe struct ListRecord {
  let base: UnsafeMutableRawPointer

  // Offsets in the record. The first 64 bytes answer for constants and kinds without an operand.
  static let constantStart = 0
  static let constantLength = 4
  static let constantPlace = 5
  static let listedCountOffset = 6
  static let symbolCountOffset = 7
  static let hitsOffset = 8
  /// u8 for each kind: its place plus one.
  static let kinds = 12
  static let prefixCountOffset = 63
  static let ownerOffset = 64
  static let missesOffset = 68
  /// Of each listed string: u32 fingerprint, u32 start in the arena, u8 length, u8 place.
  static let fingerprints = 72
  static let starts = 120
  static let lengths = 168
  static let places = 180
  /// Of each of four prefixes: u16 number; u8 for each of the five kinds with a prefix: its place plus one.
  static let prefixNumbers = 192
  static let prefixPlaces = 200
  static let prefixesMax = 4

  @inline(__always) var owner: UInt32 {
    get { unsafe base.load(fromByteOffset: ListRecord.ownerOffset, as: UInt32.self) }
    nonmutating set { unsafe base.storeBytes(of: newValue, toByteOffset: ListRecord.ownerOffset, as: UInt32.self) }
  }
  @inline(__always) var symbolCount: Int {
    get { unsafe Int(base.load(fromByteOffset: ListRecord.symbolCountOffset, as: UInt8.self)) }
    nonmutating set {
      unsafe base.storeBytes(of: UInt8(newValue), toByteOffset: ListRecord.symbolCountOffset, as: UInt8.self)
    }
  }
  @inline(__always) var listedCount: Int {
    get { unsafe Int(base.load(fromByteOffset: ListRecord.listedCountOffset, as: UInt8.self)) }
    nonmutating set {
      unsafe base.storeBytes(of: UInt8(newValue), toByteOffset: ListRecord.listedCountOffset, as: UInt8.self)
    }
  }
  @inline(__always) var prefixCount: Int {
    get { unsafe Int(base.load(fromByteOffset: ListRecord.prefixCountOffset, as: UInt8.self)) }
    nonmutating set {
      unsafe base.storeBytes(of: UInt8(newValue), toByteOffset: ListRecord.prefixCountOffset, as: UInt8.self)
    }
  }
  @inline(__always) var hits: UInt32 {
    get { unsafe base.load(fromByteOffset: ListRecord.hitsOffset, as: UInt32.self) }
    nonmutating set { unsafe base.storeBytes(of: newValue, toByteOffset: ListRecord.hitsOffset, as: UInt32.self) }
  }
  @inline(__always) var misses: UInt32 {
    get { unsafe base.load(fromByteOffset: ListRecord.missesOffset, as: UInt32.self) }
    nonmutating set { unsafe base.storeBytes(of: newValue, toByteOffset: ListRecord.missesOffset, as: UInt32.self) }
  }

  /// Whether a value of this list was of that kind, which has no operand.
  @inline(__always) func has(_ kind: UInt8) -> Bool {
    unsafe base.load(fromByteOffset: ListRecord.kinds + Int(kind), as: UInt8.self) != 0
  }

  @inline(__always) func fingerprint(_ index: Int) -> UInt32 {
    unsafe base.load(fromByteOffset: ListRecord.fingerprints + 4 * index, as: UInt32.self)
  }
  @inline(__always) func start(_ index: Int) -> Int {
    unsafe Int(base.load(fromByteOffset: ListRecord.starts + 4 * index, as: UInt32.self))
  }
  @inline(__always) func length(_ index: Int) -> Int {
    unsafe Int(base.load(fromByteOffset: ListRecord.lengths + index, as: UInt8.self))
  }
  @inline(__always) func place(_ index: Int) -> UInt8 {
    unsafe base.load(fromByteOffset: ListRecord.places + index, as: UInt8.self)
  }
  func setListed(_ index: Int, fingerprint: UInt32, start: Int, length: Int, place: UInt8) {
    unsafe base.storeBytes(of: fingerprint, toByteOffset: ListRecord.fingerprints + 4 * index, as: UInt32.self)
    unsafe base.storeBytes(of: UInt32(start), toByteOffset: ListRecord.starts + 4 * index, as: UInt32.self)
    unsafe base.storeBytes(of: UInt8(length), toByteOffset: ListRecord.lengths + index, as: UInt8.self)
    unsafe base.storeBytes(of: place, toByteOffset: ListRecord.places + index, as: UInt8.self)
    if index > 0 { return }
    unsafe base.storeBytes(of: UInt32(start), toByteOffset: ListRecord.constantStart, as: UInt32.self)
    unsafe base.storeBytes(of: UInt8(length), toByteOffset: ListRecord.constantLength, as: UInt8.self)
    unsafe base.storeBytes(of: place, toByteOffset: ListRecord.constantPlace, as: UInt8.self)
  }
  /// The place of the first listed string, if it is these bytes.
  @inline(__always) func constant(
    _ p: BytePointer, _ count: Int, _ arena: BytePointer, readable: BytePointer
  ) -> UInt8? {
    guard unsafe listedCount > 0,
      unsafe Int(base.load(fromByteOffset: ListRecord.constantLength, as: UInt8.self)) == count,
      unsafe equalBytes(
        arena + Int(base.load(fromByteOffset: ListRecord.constantStart, as: UInt32.self)), p, count, readable: readable)
    else { return nil }
    return unsafe base.load(fromByteOffset: ListRecord.constantPlace, as: UInt8.self)
  }
  @inline(__always) func prefixNumber(_ index: Int) -> Int {
    unsafe Int(base.load(fromByteOffset: ListRecord.prefixNumbers + 2 * index, as: UInt16.self))
  }
  func setPrefix(_ index: Int, _ number: Int) {
    unsafe base.storeBytes(of: UInt16(number), toByteOffset: ListRecord.prefixNumbers + 2 * index, as: UInt16.self)
  }
  @inline(__always) func prefixPlace(_ index: Int, _ kind: UInt8) -> UInt8 {
    let offset = unsafe ListRecord.prefixPlaces + 5 * index + Int(kind - ValueKind.prefixUUIDNew)
    return unsafe base.load(fromByteOffset: offset, as: UInt8.self)
  }
  func setPrefixPlace(_ index: Int, _ kind: UInt8, _ placePlusOne: UInt8) {
    let offset = unsafe ListRecord.prefixPlaces + 5 * index + Int(kind - ValueKind.prefixUUIDNew)
    unsafe base.storeBytes(of: placePlusOne, toByteOffset: offset, as: UInt8.self)
  }
}
