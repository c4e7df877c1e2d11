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
  // MARK: Events of runs of which nothing is wanted

  /// Passes over one event of a run of which nothing is wanted: its values are only counted by kind, without a branch that
  /// depends on them; `settle` does the rest for all events at once.
  mutating func skipEvent(_ typeNumber: UInt32) throws(BodyError) {
    let known = unsafe try classOf(typeNumber)
    guard known.streamList != .max else { throw .invalid }
    unsafe hasPassed = true
    unsafe try countValue(columns.start + Int(columnOfPath[0]), known.streamList)
    unsafe try countPart(metadataShapes.varint(), known.firstMetadata, known.firstData)
    unsafe try countPart(dataShapes.varint(), known.firstData, known.endData)
  }

  @inline(__always) private mutating func countPart(
    _ rank: UInt64, _ first: UInt32, _ end: UInt32
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
    let columns = unsafe self.columns.start
    let columnOfPath = unsafe self.columnOfPath.start
    let starts = unsafe dictionary.pointee.listStarts.start
    let symbols = unsafe dictionary.pointee.symbols.start
    let passed = unsafe self.passed.start
    for _ in 0..<Int(template.slotCount) {
      let column = unsafe columns + Int(columnOfPath[Int(slot.pointee.path)])
      let place = unsafe try column.pointee.byte()
      let index = unsafe Int(starts[Int(list.pointee)]) &+ Int(place)
      guard unsafe index < Int(starts[Int(list.pointee) &+ 1]) else { throw .invalid }
      // A kind is below `ValueKind.count`: the dictionary was read so.
      unsafe passed[Int(symbols[index].kind)] &+= 1
      unsafe slot += 1
      unsafe list += 1
    }
  }

  @inline(__always) private mutating func countValue(
    _ column: UnsafeMutablePointer<ByteReader>, _ list: UInt32
  ) throws(BodyError) {
    let place = unsafe try column.pointee.byte()
    let starts = unsafe dictionary.pointee.listStarts.start + Int(list)
    let index = unsafe Int(starts[0]) &+ Int(place)
    guard unsafe index < Int(starts[1]) else { throw .invalid }
    unsafe passed[Int(dictionary.pointee.symbols[index].kind)] &+= 1
  }

  /// Moves all columns behind the events that were skipped. The order of values of different kinds does not matter for
  /// that: each kind has numbers of its own, and of texts and raw bytes only their sum counts.
  @inline(__always) mutating func settle() throws(BodyError) {
    if unsafe hasPassed { unsafe try settleAll() }
  }

  @inline(never) private mutating func settleAll() throws(BodyError) {
    unsafe hasPassed = false
    for kind in 1..<UInt8(ValueKind.count) {
      let count = unsafe Int(passed[Int(kind)])
      if count == 0 { continue }
      unsafe passed[Int(kind)] = 0
      unsafe try pass(kind, count)
    }
  }

  private mutating func pass(_ kind: UInt8, _ count: Int) throws(BodyError) {
    let numbers = unsafe self.numbers.start + Int(kind)
    switch Passing.of(kind) {
    case Passing.nothing: return
    case Passing.number, Passing.uuidEntry: unsafe try numbers.pointee.passVarints(count)
    case Passing.newUUID: _ = unsafe try uuidBytes.take(16 * count)
    case Passing.text: _ = unsafe try texts.take(numbers.pointee.sum(count, max: texts.remaining))
    case _ where kind == ValueKind.prefixDigits: unsafe try numbers.pointee.passVarints(2 * count)
    case _ where kind == ValueKind.prefixHex: _ = unsafe try hexBytes.take(4 * count)
    default: for _ in 0..<count { unsafe try passRare(kind, tracksUUIDs: false) }
    }
  }

  // MARK: Events in front of those that are wanted

  /// Passes over metadata and data of an event of which the stream was decoded, where later ones of its run are wanted.
  mutating func followBody(
    _ typeNumber: UInt32, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    let known = unsafe try classOf(typeNumber)
    unsafe try followPart(metadataShapes.varint(), known.firstMetadata, known.firstData, context, &sink)
    unsafe try followPart(dataShapes.varint(), known.firstData, known.endData, context, &sink)
  }

  private mutating func followPart(
    _ rank: UInt64, _ first: UInt32, _ end: UInt32, _ context: borrowing BodyContext, _ sink: inout ByteSink
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
    for _ in 0..<Int(template.slotCount) {
      let path = unsafe Int(slot.pointee.path)
      let symbol = unsafe try next(path: path, list: list.pointee)
      if symbol.kind != ValueKind.constant, symbol.kind != ValueKind.same {
        if unsafe slot.pointee.isString {
          unsafe try follow(path, symbol, context, &sink)
        } else if symbol.passing != Passing.nothing {
          unsafe try passMore(symbol.kind, symbol.passing)
        }
      }
      unsafe slot += 1
      unsafe list += 1
    }
  }

  /// Remembers a value that is not wanted itself: what is quickly made is made, of the others what they are made of.
  private mutating func follow(
    _ path: Int, _ symbol: Symbol, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    let numbers = unsafe self.numbers.start + Int(symbol.kind)
    switch symbol.kind {
    case ValueKind.listed: unsafe remember(path, .known, length: Int(symbol.length), first: Int(symbol.start))
    case ValueKind.entry:
      let starts = unsafe dictionary.pointee.entryStarts
      let number = unsafe try numbers.pointee.number(max: BodyLimit.strings)
      guard unsafe number + 1 < starts.count else { throw .invalid }
      let length = unsafe Int(starts[number + 1] - starts[number])
      unsafe remember(path, .known, length: length, first: Int(starts[number]))
    case ValueKind.text, ValueKind.textOther:
      let count = unsafe try numbers.pointee.number(max: texts.remaining)
      let text = unsafe try texts.take(count)
      unsafe remember(path, .text, length: count, first: text - textStart)
    case ValueKind.uuidNew, ValueKind.uuidBack, ValueKind.uuidEntry:
      let uuid = unsafe try uuid(symbol.kind - ValueKind.uuidNew, numbers)
      unsafe remember(
        path, .uuid, first: Int(Int64(bitPattern: uuid.high)), second: Int64(bitPattern: uuid.low))
    case ValueKind.time0...ValueKind.date:
      let difference = unsafe try numbers.pointee.signed()
      unsafe remember(path, .time, kind: symbol.kind, first: Int(difference), second: context.created)
    default:
      let start = sink.count
      unsafe try put(symbol, context, &sink)
      unsafe rememberMade(path, start, sink.count - start)
    }
  }

  // MARK: Events of which only the stream is wanted

  /// Passes over metadata and data of an event whose stream was decoded.
  mutating func passBody(_ typeNumber: UInt32) throws(BodyError) {
    let known = unsafe try classOf(typeNumber)
    unsafe try passPart(metadataShapes.varint(), known.firstMetadata, known.firstData)
    unsafe try passPart(dataShapes.varint(), known.firstData, known.endData)
  }

  @inline(__always) private mutating func passPart(
    _ rank: UInt64, _ first: UInt32, _ end: UInt32
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
    for _ in 0..<Int(template.slotCount) {
      let symbol = unsafe try next(path: Int(slot.pointee.path), list: list.pointee)
      if symbol.passing != Passing.nothing { unsafe try passMore(symbol.kind, symbol.passing) }
      unsafe slot += 1
      unsafe list += 1
    }
  }

  /// Passes over one value; UUIDs may be referred to later in the run.
  private mutating func passMore(_ kind: UInt8, _ passing: UInt8) throws(BodyError) {
    let numbers = unsafe self.numbers.start + Int(kind)
    switch passing {
    case Passing.number: _ = unsafe try numbers.pointee.varint()
    case Passing.newUUID: _ = unsafe try newUUID()
    case Passing.text: _ = unsafe try texts.take(numbers.pointee.number(max: texts.remaining))
    case Passing.uuidEntry: _ = unsafe try knownUUID(numbers.pointee.number(max: BodyLimit.uuids))
    default: unsafe try passRare(kind, tracksUUIDs: true)
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

  private mutating func passRare(_ known: UInt8, tracksUUIDs: Bool) throws(BodyError) {
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
  mutating func mark() throws(BodyError) {
    unsafe try settle()
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
