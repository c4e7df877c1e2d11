/// What of a value has to be passed over when it is not wanted; known for each symbol beforehand, so that most values
/// cost a byte of their kinds and one look-up.
enum Passing {
  static let nothing: UInt8 = 0
  static let number: UInt8 = 1
  static let newUUID: UInt8 = 2
  static let text: UInt8 = 3
  /// A number which is that of a UUID of the segment.
  static let uuidEntry: UInt8 = 4
  static let rare: UInt8 = 5

  static func of(_ kind: UInt8) -> UInt8 {
    switch kind {
    case ValueKind.constant, ValueKind.listed, ValueKind.same, ValueKind.yes, ValueKind.no, ValueKind.null,
      ValueKind.equalsID...ValueKind.equalsSchemaVersion:
      nothing
    case ValueKind.decimal0...ValueKind.decimal6, ValueKind.time0...ValueKind.date, ValueKind.epoch3...ValueKind.epoch9,
      ValueKind.uuidBack, ValueKind.entry, ValueKind.prefixUUIDBack:
      number
    case ValueKind.uuidNew, ValueKind.prefixUUIDNew: newUUID
    case ValueKind.uuidEntry, ValueKind.prefixUUIDEntry: uuidEntry
    case ValueKind.text, ValueKind.textOther: text
    default: rare
    }
  }
}

/// Where the columns stood at the beginning of a run.
///
/// `@unsafe`: as `DecodedBlock`, which frees it.
@unsafe struct RunMark {
  /// Kinds of values by key, then numbers by kind.
  var columns: Pool<ByteReader>
  var metadataShapes: ByteReader
  var dataShapes: ByteReader
  var wholes: ByteReader
  var texts: ByteReader
  var wordCodes: ByteReader
  var uuidBytes: ByteReader
  var hexBytes: ByteReader
  var uuidCount: Int
}

extension DecodedBlock {
  /// Passes over one event of a run of which nothing is wanted.
  mutating func skipEvent(_ typeNumber: UInt32) throws(BodyError) {
    let known = unsafe try classOf(typeNumber)
    guard known.streamList != .max else { throw .invalid }
    unsafe try passValue(columnOfPath[0], known.streamList, tracksUUIDs: false)
    unsafe try passParts(known, tracksUUIDs: false)
  }

  /// Passes over metadata and data of an event whose stream was decoded.
  mutating func passBody(_ typeNumber: UInt32) throws(BodyError) {
    unsafe try passParts(try classOf(typeNumber), tracksUUIDs: true)
  }

  @inline(__always) private mutating func passParts(
    _ known: DecodedClass, tracksUUIDs: Bool
  ) throws(BodyError) {
    unsafe try passPart(metadataShapes.varint(), known.firstMetadata, known.firstData, tracksUUIDs: tracksUUIDs)
    unsafe try passPart(dataShapes.varint(), known.firstData, known.endData, tracksUUIDs: tracksUUIDs)
  }

  @inline(__always) private mutating func passPart(
    _ rank: UInt64, _ first: UInt32, _ end: UInt32, tracksUUIDs: Bool
  ) throws(BodyError) {
    if rank == 0 { return }
    if rank == 1 {
      _ = unsafe try wholes.take(wholes.number(max: wholes.remaining))
      return
    }
    let shape = unsafe try shape(rank, first, end)
    let template = unsafe dictionary.pointee.templates[Int(shape.template)]
    var slot = unsafe dictionary.pointee.templateSlots.start + Int(template.firstSlot)
    var list = unsafe dictionary.pointee.shapeLists.start + Int(shape.firstList)
    let columnOfPath = unsafe self.columnOfPath
    for _ in 0..<Int(template.slotCount) {
      unsafe try passValue(
        columnOfPath[Int(slot.pointee.path)], list.pointee, tracksUUIDs: tracksUUIDs)
      unsafe slot += 1
      unsafe list += 1
    }
  }

  @inline(__always) private mutating func passValue(
    _ columnNumber: UInt16, _ list: UInt32, tracksUUIDs: Bool
  ) throws(BodyError) {
    let place = unsafe try (columns.start + Int(columnNumber)).pointee.byte()
    let starts = unsafe dictionary.pointee.listStarts.start + Int(list)
    let index = unsafe Int(starts[0]) &+ Int(place)
    guard unsafe index < Int(starts[1]) else { throw .invalid }
    let symbol = unsafe dictionary.pointee.symbols.start + index
    let passing = unsafe symbol.pointee.passing
    if passing == Passing.nothing { return }
    let kind = unsafe symbol.pointee.kind
    if passing == Passing.number || (passing == Passing.uuidEntry && !tracksUUIDs) {
      _ = unsafe try (numbers.start + Int(kind)).pointee.varint()
      return
    }
    unsafe try passMore(kind, passing, tracksUUIDs)
  }

  @inline(never) private mutating func passMore(
    _ kind: UInt8, _ passing: UInt8, _ tracksUUIDs: Bool
  ) throws(BodyError) {
    let numbers = unsafe self.numbers.start + Int(kind)
    switch passing {
    case Passing.newUUID: unsafe try passNewUUID(tracksUUIDs)
    case Passing.text: _ = unsafe try texts.take(numbers.pointee.number(max: texts.remaining))
    case Passing.uuidEntry: _ = unsafe try knownUUID(numbers.pointee.number(max: BodyLimit.uuids))
    default: unsafe try passRare(kind, tracksUUIDs)
    }
  }

  private mutating func passNewUUID(_ tracksUUIDs: Bool) throws(BodyError) {
    if tracksUUIDs {
      _ = unsafe try newUUID()
    } else {
      _ = unsafe try uuidBytes.take(16)
    }
  }

  private mutating func passUUIDEntry(
    _ numbers: UnsafeMutablePointer<ByteReader>, _ tracksUUIDs: Bool
  ) throws(BodyError) {
    let number = unsafe try numbers.pointee.varint()
    if tracksUUIDs { _ = unsafe try knownUUID(Int(clamping: number)) }
  }

  private mutating func passRare(_ known: UInt8, _ tracksUUIDs: Bool) throws(BodyError) {
    var kind = known
    let isAnyPrefix = kind > ValueKind.prefixHex && kind <= ValueKind.prefixHex + ValueKind.anyPrefix
    if isAnyPrefix { kind -= ValueKind.anyPrefix }
    let numbers = unsafe self.numbers.start + Int(kind)
    if isAnyPrefix { _ = unsafe try numbers.pointee.varint() }
    switch kind {
    case ValueKind.prefixUUIDNew: unsafe try passNewUUID(tracksUUIDs)
    case ValueKind.prefixUUIDBack: _ = unsafe try numbers.pointee.varint()
    case ValueKind.prefixUUIDEntry: unsafe try passUUIDEntry(numbers, tracksUUIDs)
    case ValueKind.prefixDigits, ValueKind.timeForm:
      _ = unsafe try numbers.pointee.varint()
      _ = unsafe try numbers.pointee.varint()
    case ValueKind.prefixHex: _ = unsafe try hexBytes.take(4)
    case ValueKind.hexLower, ValueKind.hexUpper:
      _ = unsafe try hexBytes.take(numbers.pointee.number(max: hexBytes.remaining))
    case ValueKind.uuidForm:
      _ = unsafe try numbers.pointee.varint()
      let way = unsafe try numbers.pointee.varint()
      if way == 0 { unsafe try passNewUUID(tracksUUIDs) }
      if way == 1 { unsafe try passUUIDEntry(numbers, tracksUUIDs) }
    case ValueKind.words: unsafe try skipWords(numbers)
    default: throw .unknown(kind)
    }
  }

  // MARK: Going back to the beginning of a run

  /// Notes where the columns stand.
  mutating func mark() {
    if unsafe runMark == nil {
      unsafe runMark = unsafe RunMark(
        columns: Pool(capacity: columns.count + numbers.count), metadataShapes: metadataShapes,
        dataShapes: dataShapes, wholes: wholes, texts: texts, wordCodes: wordCodes, uuidBytes: uuidBytes,
        hexBytes: hexBytes, uuidCount: 0)
    }
    guard var mark = unsafe runMark else { return }
    unsafe mark.columns.count = 0
    unsafe mark.columns.append(columns.start, columns.count)
    unsafe mark.columns.append(numbers.start, numbers.count)
    unsafe (mark.metadataShapes, mark.dataShapes, mark.wholes) = unsafe (metadataShapes, dataShapes, wholes)
    unsafe (mark.texts, mark.wordCodes) = unsafe (texts, wordCodes)
    unsafe (mark.uuidBytes, mark.hexBytes, mark.uuidCount) = unsafe (uuidBytes, hexBytes, runUUIDs.count)
    unsafe runMark = unsafe mark
  }

  /// Goes back to where `mark` was called: a run of its own, whose last values are not known.
  mutating func rewind() throws(BodyError) {
    guard let mark = unsafe runMark else { throw .invalid }
    unsafe columns.start.update(from: mark.columns.start, count: columns.count)
    unsafe numbers.start.update(from: mark.columns.start + columns.count, count: numbers.count)
    unsafe (metadataShapes, dataShapes, wholes) = unsafe (mark.metadataShapes, mark.dataShapes, mark.wholes)
    unsafe (texts, wordCodes) = unsafe (mark.texts, mark.wordCodes)
    unsafe (uuidBytes, hexBytes, runUUIDs.count) = unsafe (mark.uuidBytes, mark.hexBytes, mark.uuidCount)
    unsafe run &+= 1
  }
}
