/// What bodies are decoded with: kept from one block to the next, since getting it costs as much as decoding some
/// events. One per thread of use.
///
/// `@safe`: the pointer is set once and freed in `deinit` only; `BodyDecoder` alone gets at what it refers to.
@safe public final class BodyMemory {
  private var made: UnsafeMutablePointer<DecodedBlock>?
  /// Kept alive while a block of its segment is decoded, and no longer: it is large, and is let go when it is not used.
  private var dictionary: SegmentDictionary?

  public init() {}

  deinit {
    unsafe made?.pointee.deallocate()
    unsafe made?.deallocate()
  }

  /// What it occupies.
  public var memoryBytes: Int { unsafe made?.pointee.memoryBytes ?? 0 }

  /// Ready for a block of a segment; what was decoded before is forgotten.
  func block(for dictionary: SegmentDictionary) -> UnsafeMutablePointer<DecodedBlock> {
    self.dictionary = dictionary
    if unsafe made == nil {
      let block = UnsafeMutablePointer<DecodedBlock>.allocate(capacity: 1)
      unsafe block.initialize(to: DecodedBlock(dictionary.contents))
      unsafe made = unsafe block
    }
    guard let block = unsafe made else { preconditionFailure("just made") }
    unsafe block.pointee.begin(dictionary.contents)
    return unsafe block
  }

  /// The block is decoded.
  func letGo() { dictionary = nil }
}

/// The last value of a key in a run: where its text stands in the sink, or what it can be made of where its event was
/// passed over.
struct RememberedValue: BitwiseCopyable {
  enum Form: UInt8 {
    /// It stands in the sink from `first` on.
    case made
    /// In the bytes of the dictionary, from `first` on.
    case known
    /// In the texts of the block, from `first` on.
    case text
    /// `first` is the high half, `second` the low one.
    case uuid
    /// `first` is the number that a value of `kind` has, `second` when its event was created.
    case time
  }

  var run: UInt32 = 0
  var form = Form.made
  var kind: UInt8 = 0
  var length = 0
  var first = 0
  var second: Int64 = 0
}

/// `@unsafe`: lives at one address, which its `BodyMemory` owns. While something is decoded, whoever does it keeps the
/// bytes of the block and the dictionary alive; afterwards only `deallocate` and `begin` may be called.
///
/// What is not inlined is `mutating`, also where it changes nothing: else it would be given a copy.
@unsafe struct DecodedBlock {
  var dictionary: UnsafePointer<DictionaryContents>
  /// The kinds of the values of each key that has some; the first one is empty.
  var columns = unsafe Pool<ByteReader>(capacity: 128)
  /// Of each key its column.
  var columnOfPath = unsafe Pool<UInt16>(capacity: 256)
  var lastValues = unsafe Pool<RememberedValue>(capacity: 256)
  var metadataShapes: ByteReader
  var dataShapes: ByteReader
  var wholes: ByteReader
  /// By kind of value.
  var numbers = unsafe Pool<ByteReader>(capacity: ValueKind.count)
  var texts: ByteReader
  var textStart: BytePointer
  var wordCodes: ByteReader
  var uuidBytes: ByteReader
  var hexBytes: ByteReader
  var run: UInt32 = 0
  var runUUIDs = unsafe Pool<UUIDWords>(capacity: BodyLimit.runUUIDs)
  var runMark: RunMark?
  /// By kind, how many values were passed over behind which numbers, texts and raw bytes do not stand yet.
  var passed = unsafe Pool<UInt32>(capacity: ValueKind.count)
  var hasPassed = false
  /// Of the columns of the block that is opened.
  private var kindLengths = unsafe Pool<PartLength>(capacity: 128)
  private var numberLengths = unsafe Pool<PartLength>(capacity: ValueKind.count)

  private struct PartLength: BitwiseCopyable {
    var place: Int
    var length = 0
  }

  init(_ dictionary: UnsafePointer<DictionaryContents>) {
    unsafe self.dictionary = unsafe dictionary
    let nothing = unsafe ByteReader(dictionary.pointee.bytes, 0)
    unsafe (metadataShapes, dataShapes, wholes) = unsafe (nothing, nothing, nothing)
    unsafe (uuidBytes, hexBytes) = unsafe (nothing, nothing)
    unsafe (texts, wordCodes, textStart) = unsafe (nothing, nothing, nothing.position)
    for _ in 0..<ValueKind.count {
      unsafe numbers.append(nothing)
      unsafe passed.append(0)
    }
  }

  /// Forgets what was decoded before.
  mutating func begin(_ dictionary: UnsafePointer<DictionaryContents>) {
    unsafe self.dictionary = unsafe dictionary
    let nothing = unsafe ByteReader(dictionary.pointee.bytes, 0)
    unsafe (metadataShapes, dataShapes, wholes) = unsafe (nothing, nothing, nothing)
    unsafe (uuidBytes, hexBytes) = unsafe (nothing, nothing)
    unsafe (texts, wordCodes, textStart) = unsafe (nothing, nothing, nothing.position)
    unsafe columns.count = 0
    unsafe columns.append(nothing)
    for kind in 0..<ValueKind.count {
      unsafe numbers[kind] = unsafe nothing
      unsafe passed[kind] = 0
    }
    unsafe hasPassed = false
    let keys = unsafe dictionary.pointee.keyCount
    unsafe columnOfPath.count = 0
    unsafe columnOfPath.append(repeating: 0, keys)
    // Values of runs before are told by the number of their run, which is never used again until all are forgotten.
    if unsafe run > 1 << 31 {
      unsafe run = 0
      unsafe lastValues.count = 0
    }
    unsafe lastValues.append(repeating: RememberedValue(), max(0, keys - lastValues.count))
    unsafe runUUIDs.count = 0
  }

  func deallocate() {
    unsafe columns.deallocate()
    unsafe numbers.deallocate()
    unsafe columnOfPath.deallocate()
    unsafe lastValues.deallocate()
    unsafe runUUIDs.deallocate()
    unsafe runMark?.columns.deallocate()
    unsafe passed.deallocate()
    unsafe kindLengths.deallocate()
    unsafe numberLengths.deallocate()
  }

  var memoryBytes: Int {
    let readers = unsafe columns.capacity + numbers.capacity + (runMark?.columns.capacity ?? 0)
    let lengths = unsafe kindLengths.capacity + numberLengths.capacity
    return unsafe readers * 16 + lengths * MemoryLayout<PartLength>.stride + columnOfPath.capacity * 2
      + lastValues.capacity * MemoryLayout<RememberedValue>.stride + runUUIDs.capacity * 16
  }

  mutating func open(_ bytes: UnsafeRawBufferPointer, _ raw: UnsafeRawBufferPointer) throws(BodyError) {
    guard let base = bytes.baseAddress else { throw .truncated }
    var reader = unsafe ByteReader(base.assumingMemoryBound(to: UInt8.self), bytes.count)
    let metadataCount = unsafe try reader.number(max: bytes.count)
    let dataCount = unsafe try reader.number(max: bytes.count)
    let wholeCount = unsafe try reader.number(max: bytes.count)
    let textCount = unsafe try reader.number(max: bytes.count)
    let wordCount = unsafe try reader.number(max: bytes.count)
    let uuidCount = unsafe try reader.number(max: raw.count)
    unsafe kindLengths.count = 0
    unsafe numberLengths.count = 0
    unsafe try Self.readLengths(&reader, max: dictionary.pointee.keyCount, &kindLengths)
    unsafe try Self.readLengths(&reader, max: ValueKind.count, &numberLengths)
    unsafe metadataShapes = unsafe try part(&reader, metadataCount)
    unsafe dataShapes = unsafe try part(&reader, dataCount)
    unsafe wholes = unsafe try part(&reader, wholeCount)
    for index in unsafe 0..<kindLengths.count {
      let part = unsafe kindLengths[index]
      unsafe columnOfPath[part.place] = UInt16(columns.count)
      unsafe columns.append(try self.part(&reader, part.length))
    }
    for index in unsafe 0..<numberLengths.count {
      let part = unsafe numberLengths[index]
      unsafe numbers[part.place] = unsafe try self.part(&reader, part.length)
    }
    unsafe texts = unsafe try part(&reader, textCount)
    unsafe textStart = unsafe texts.position
    unsafe wordCodes = unsafe try part(&reader, wordCount)
    guard unsafe reader.remaining == 0 else { throw .invalid }
    guard let rawBase = raw.baseAddress else { return }
    let rawStart = unsafe rawBase.assumingMemoryBound(to: UInt8.self)
    unsafe uuidBytes = unsafe ByteReader(rawStart, uuidCount)
    unsafe hexBytes = unsafe ByteReader(rawStart + uuidCount, raw.count - uuidCount)
  }

  /// Places below `limit`, ascending, and their lengths.
  private static func readLengths(
    _ reader: inout ByteReader, max limit: Int, _ found: inout Pool<PartLength>
  ) throws(BodyError) {
    let count = unsafe try reader.number(max: limit)
    var place = 0
    for index in 0..<count {
      let step = unsafe try reader.number(max: limit)
      place += step
      guard index == 0 || step > 0, place < limit else { throw .invalid }
      unsafe found.append(PartLength(place: place))
    }
    for index in 0..<count { unsafe found.start[index].length = try reader.number(max: reader.remaining) }
  }

  private mutating func part(_ reader: inout ByteReader, _ count: Int) throws(BodyError) -> ByteReader {
    unsafe ByteReader(try reader.take(count), count)
  }

  mutating func beginRun(_ trace: UnsafeRawBufferPointer, isUUID: Bool) {
    unsafe run &+= 1
    unsafe runUUIDs.count = 0
    if isUUID, let base = trace.baseAddress { unsafe add(words(base.assumingMemoryBound(to: UInt8.self))) }
  }

  @inline(__always) func words(_ p: BytePointer) -> UUIDWords {
    unsafe UUIDWords(high: load64(p).byteSwapped, low: load64(p + 8).byteSwapped)
  }

  @inline(__always) mutating func add(_ uuid: UUIDWords) {
    if unsafe runUUIDs.count < BodyLimit.runUUIDs { unsafe runUUIDs.append(uuid) }
  }

  @inline(__always) func classOf(_ typeNumber: UInt32) throws(BodyError) -> DecodedClass {
    let index = min(Int(typeNumber), BodyLimit.ownClasses)
    guard unsafe index < dictionary.pointee.classes.count else { throw .invalid }
    return unsafe dictionary.pointee.classes[index]
  }

  /// The symbol of the next value of a key.
  @inline(__always) func next(path: Int, list: UInt32) throws(BodyError) -> Symbol {
    let column = unsafe columns.start + Int(columnOfPath[path])
    let place = unsafe try column.pointee.byte()
    let starts = unsafe dictionary.pointee.listStarts
    let index = unsafe Int(starts[Int(list)]) + Int(place)
    guard unsafe index < Int(starts[Int(list) + 1]) else { throw .invalid }
    return unsafe dictionary.pointee.symbols[index]
  }

  @inline(__always) func shape(_ rank: UInt64, _ first: UInt32, _ end: UInt32) throws(BodyError) -> DecodedShape {
    guard rank - 2 < UInt64(end - first) else { throw .invalid }
    return unsafe dictionary.pointee.shapes[Int(first) + Int(rank - 2)]
  }

  /// Makes `count` bytes that were written into `space` part of the sink, if it may become so large.
  @inline(__always) func commit(_ count: Int, _ sink: inout ByteSink) throws(BodyError) {
    guard count <= sink.limit - sink.count else { throw .tooLarge }
    sink.count += count
  }

  /// Room for at most so many bytes, whatever the limit.
  @inline(__always) func space(_ count: Int, _ sink: inout ByteSink) -> UnsafeMutablePointer<UInt8> {
    sink.reserve(count)
    return unsafe sink.start + sink.count
  }

  /// Room for so many more bytes, if the sink may become so large.
  @inline(__always) func room(_ count: Int, _ sink: inout ByteSink) throws(BodyError) -> UnsafeMutablePointer<UInt8> {
    guard count <= sink.limit - sink.count else { throw .tooLarge }
    sink.reserve(count)
    return unsafe sink.start + sink.count
  }

  @inline(__always) func copy(_ from: BytePointer, _ count: Int, _ sink: inout ByteSink) throws(BodyError) {
    let o = unsafe try room(count, &sink)
    unsafe o.update(from: from, count: count)
    sink.count += count
  }

  /// Copies bytes of the dictionary.
  @inline(__always) func copyKnown(_ from: BytePointer, _ count: Int, _ sink: inout ByteSink) throws(BodyError) {
    guard count >= 0, count <= sink.limit - sink.count else { throw .tooLarge }
    unsafe sink.reserve(count &+ DictionaryContents.slack)
    unsafe copyShort(from, count, sink.start + sink.count)
    sink.count += count
  }

  /// Copies bytes of the sink itself, which stand before its end.
  @inline(__always) func copyAgain(_ start: Int, _ count: Int, _ sink: inout ByteSink) throws(BodyError) {
    guard count <= sink.limit - sink.count else { throw .tooLarge }
    unsafe sink.reserve(count &+ DictionaryContents.slack)
    unsafe copyShort(BytePointer(sink.start + start), count, sink.start + sink.count)
    sink.count += count
  }

  /// Most are short: these go by words, and more than wanted, from and into room that is there.
  @inline(__always) private func copyShort(_ from: BytePointer, _ count: Int, _ o: UnsafeMutablePointer<UInt8>) {
    if unsafe count > DictionaryContents.slack { return unsafe o.update(from: from, count: count) }
    unsafe copyWords(from, o)
    if count > 16 { unsafe copyWords(from + 16, o + 16) }
  }

  @inline(__always) private func copyWords(_ from: UnsafeRawPointer, _ o: UnsafeMutableRawPointer) {
    let first = unsafe from.loadUnaligned(as: UInt64.self)
    let second = unsafe from.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
    unsafe o.storeBytes(of: first, as: UInt64.self)
    unsafe o.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
  }

  mutating func putPart(
    _ rank: UInt64, _ first: UInt32, _ end: UInt32, _ context: borrowing BodyContext, _ sink: inout ByteSink
  ) throws(BodyError) {
    if rank == 0 { return }
    if rank == 1 {
      let count = unsafe try wholes.number(max: wholes.remaining)
      return unsafe try copy(wholes.take(count), count, &sink)
    }
    let shape = unsafe try shape(rank, first, end)
    let template = unsafe dictionary.pointee.templates[Int(shape.template)]
    let bytes = unsafe dictionary.pointee.bytes
    var start = Int(template.start)
    var slot = unsafe dictionary.pointee.templateSlots.start + Int(template.firstSlot)
    var list = unsafe dictionary.pointee.shapeLists.start + Int(shape.firstList)
    for _ in 0..<Int(template.slotCount) {
      let pieceEnd = unsafe Int(slot.pointee.pieceEnd)
      unsafe try copyKnown(bytes + start, pieceEnd - start, &sink)
      unsafe try putValue(
        path: Int(slot.pointee.path), list: list.pointee, isString: slot.pointee.isString, context, &sink)
      start = pieceEnd + 1
      unsafe slot += 1
      unsafe list += 1
    }
    unsafe try copyKnown(bytes + start, Int(template.end) - start, &sink)
  }
}
