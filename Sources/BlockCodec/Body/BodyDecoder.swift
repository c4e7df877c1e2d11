/// Decodes the bodies of one block, in the order in which they were encoded.
///
/// Calls: for each run `beginTrace`; for each of its events either `skip`, or `decodeStream`, `decodeMetadata` and
/// `decodeData`, in this order (that of the event frame, so that a frame can be built in place). Within one run all
/// events are skipped, or all are decoded into the same sink, which only grows meanwhile.
///
/// Never traps and never reads outside its input, whatever the bytes: it throws. After an error it is of no more use.
///
/// `@safe`: every read is checked against the end of its column. What the type cannot check is that the caller keeps
/// `columns` and `raw` alive while it is used. The pointer is set once, in `init`, and freed in `deinit` only.
@safe public struct BodyDecoder: ~Copyable {
  private let dictionary: SegmentDictionary
  private let block: UnsafeMutablePointer<DecodedBlock>

  public init(
    columns: UnsafeRawBufferPointer, raw: UnsafeRawBufferPointer, dictionary: SegmentDictionary
  ) throws(BodyError) {
    // Opened before it is this value's: a value whose `init` throws after its parts are set is deinitialized.
    let opened: UnsafeMutablePointer<DecodedBlock> = .allocate(capacity: 1)
    unsafe opened.initialize(to: DecodedBlock(dictionary.contents))
    do throws(BodyError) {
      unsafe try opened.pointee.open(columns, raw)
    } catch {
      unsafe opened.pointee.deallocate()
      unsafe opened.deallocate()
      throw error
    }
    self.dictionary = dictionary
    unsafe block = unsafe opened
  }

  deinit {
    unsafe block.pointee.deallocate()
    unsafe block.deallocate()
  }

  /// Begins a run. `trace`: the identifier of the run's trace as stored, empty for none; read only by this call.
  public mutating func beginTrace(_ trace: UnsafeRawBufferPointer, isUUID: Bool) throws(BodyError) {
    guard !isUUID || trace.count == 16 else { throw .invalid }
    unsafe block.pointee.beginRun(trace, isUUID: isUUID)
  }

  /// Passes over one event. Complexity: O(values).
  public mutating func skip(typeNumber: UInt32) throws(BodyError) {
    unsafe try block.pointee.skipEvent(typeNumber)
  }

  /// Appends the event's stream to `sink`. - Returns: its length.
  public mutating func decodeStream(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    let known = unsafe try block.pointee.classOf(typeNumber)
    guard known.streamList != .max else { throw .invalid }
    unsafe try block.pointee.putValue(path: 0, list: known.streamList, isString: true, context, &sink)
    return sink.count - start
  }

  /// As `decodeStream`, and passes over the rest of the event. Within one run all events are read so, or none.
  public mutating func decodeStreamAlone(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let count = unsafe try decodeStream(typeNumber: typeNumber, context, into: &sink)
    unsafe try block.pointee.passBody(typeNumber)
    return count
  }

  /// Called behind `beginTrace`: `rewind` leads back to here, to read the run again.
  public mutating func mark() { unsafe block.pointee.mark() }

  public mutating func rewind() throws(BodyError) { unsafe try block.pointee.rewind() }

  public mutating func decodeMetadata(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    let known = unsafe try block.pointee.classOf(typeNumber)
    let rank = unsafe try block.pointee.metadataShapes.varint()
    unsafe try block.pointee.putPart(rank, known.firstMetadata, known.firstData, context, &sink)
    return sink.count - start
  }

  public mutating func decodeData(
    typeNumber: UInt32, _ context: borrowing BodyContext, into sink: inout ByteSink
  ) throws(BodyError) -> Int {
    let start = sink.count
    let known = unsafe try block.pointee.classOf(typeNumber)
    let rank = unsafe try block.pointee.dataShapes.varint()
    unsafe try block.pointee.putPart(rank, known.firstData, known.endData, context, &sink)
    return sink.count - start
  }
}

/// `@unsafe`: lives at one address, which its decoder owns; valid as long as the bytes of the block are.
@unsafe struct DecodedBlock {
  let dictionary: UnsafePointer<DictionaryContents>
  /// The kinds of the values of each key that has some; the first one is empty.
  var columns = unsafe Pool<ByteReader>(capacity: 128)
  /// Of each key its column.
  var columnOfPath: Pool<UInt16>
  var lastValues: Pool<LastValue>
  var metadataShapes: ByteReader
  var dataShapes: ByteReader
  var wholes: ByteReader
  /// By kind of value.
  var numbers = unsafe Pool<ByteReader>(capacity: ValueKind.count)
  var texts: ByteReader
  var wordCodes: ByteReader
  var uuidBytes: ByteReader
  var hexBytes: ByteReader
  var run: UInt32 = 0
  var runUUIDs = unsafe Pool<UUIDWords>(capacity: BodyLimit.runUUIDs)
  var runMark: RunMark?

  init(_ dictionary: UnsafePointer<DictionaryContents>) {
    unsafe self.dictionary = unsafe dictionary
    let keys = unsafe dictionary.pointee.keyCount
    unsafe columnOfPath = unsafe Pool(capacity: keys)
    unsafe lastValues = unsafe Pool(capacity: keys)
    let nothing = unsafe ByteReader(dictionary.pointee.bytes, 0)
    unsafe (metadataShapes, dataShapes, wholes) = unsafe (nothing, nothing, nothing)
    unsafe (uuidBytes, hexBytes) = unsafe (nothing, nothing)
    unsafe (texts, wordCodes) = unsafe (nothing, nothing)
    unsafe columns.append(nothing)
    for _ in 0..<ValueKind.count { unsafe numbers.append(nothing) }
    for _ in 0..<keys {
      unsafe columnOfPath.append(0)
      unsafe lastValues.append(LastValue())
    }
  }

  func deallocate() {
    unsafe columns.deallocate()
    unsafe numbers.deallocate()
    unsafe columnOfPath.deallocate()
    unsafe lastValues.deallocate()
    unsafe runUUIDs.deallocate()
    unsafe runMark?.columns.deallocate()
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
    var kindLengths = unsafe Pool<(place: Int, length: Int)>(capacity: 128)
    var numberLengths = unsafe Pool<(place: Int, length: Int)>(capacity: ValueKind.count)
    defer {
      unsafe kindLengths.deallocate()
      unsafe numberLengths.deallocate()
    }
    unsafe try readLengths(&reader, max: dictionary.pointee.keyCount, &kindLengths)
    unsafe try readLengths(&reader, max: ValueKind.count, &numberLengths)
    unsafe metadataShapes = unsafe try part(&reader, metadataCount)
    unsafe dataShapes = unsafe try part(&reader, dataCount)
    unsafe wholes = unsafe try part(&reader, wholeCount)
    for index in unsafe 0..<kindLengths.count {
      let (key, length) = unsafe kindLengths[index]
      unsafe columnOfPath[key] = UInt16(columns.count)
      unsafe columns.append(try part(&reader, length))
    }
    for index in unsafe 0..<numberLengths.count {
      let (kind, length) = unsafe numberLengths[index]
      unsafe numbers[kind] = unsafe try part(&reader, length)
    }
    unsafe texts = unsafe try part(&reader, textCount)
    unsafe wordCodes = unsafe try part(&reader, wordCount)
    guard unsafe reader.remaining == 0 else { throw .invalid }
    guard let rawBase = raw.baseAddress else { return }
    let rawStart = unsafe rawBase.assumingMemoryBound(to: UInt8.self)
    unsafe uuidBytes = unsafe ByteReader(rawStart, uuidCount)
    unsafe hexBytes = unsafe ByteReader(rawStart + uuidCount, raw.count - uuidCount)
  }

  /// Places below `limit`, ascending, and their lengths.
  private func readLengths(
    _ reader: inout ByteReader, max limit: Int, _ found: inout Pool<(place: Int, length: Int)>
  ) throws(BodyError) {
    let count = unsafe try reader.number(max: limit)
    var place = 0
    for index in 0..<count {
      let step = unsafe try reader.number(max: limit)
      place += step
      guard index == 0 || step > 0, place < limit else { throw .invalid }
      unsafe found.append((place, 0))
    }
    for index in 0..<count { unsafe found.start[index].length = try reader.number(max: reader.remaining) }
  }

  private func part(_ reader: inout ByteReader, _ count: Int) throws(BodyError) -> ByteReader {
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

  func shape(_ rank: UInt64, _ first: UInt32, _ end: UInt32) throws(BodyError) -> DecodedShape {
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
