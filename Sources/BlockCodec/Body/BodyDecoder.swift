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

@unsafe struct DecodedColumn: BitwiseCopyable {
  var kinds: ByteReader
  var numbers: ByteReader
  var texts: ByteReader
}

/// `@unsafe`: lives at one address, which its decoder owns; valid as long as the bytes of the block are.
@unsafe struct DecodedBlock {
  let dictionary: UnsafePointer<DictionaryContents>
  var columns = unsafe Pool<DecodedColumn>(capacity: 128)
  /// Of each key its column.
  var columnOfPath: Pool<UInt16>
  var lastValues: Pool<LastValue>
  var metadataShapes: ByteReader
  var dataShapes: ByteReader
  var wholes: ByteReader
  var uuidBytes: ByteReader
  var hexBytes: ByteReader
  var run: UInt32 = 0
  var runUUIDs = unsafe Pool<UUIDWords>(capacity: BodyLimit.runUUIDs)

  init(_ dictionary: UnsafePointer<DictionaryContents>) {
    unsafe self.dictionary = unsafe dictionary
    let keys = unsafe dictionary.pointee.keyCount
    unsafe columnOfPath = unsafe Pool(capacity: keys)
    unsafe lastValues = unsafe Pool(capacity: keys)
    let nothing = unsafe ByteReader(dictionary.pointee.bytes, 0)
    unsafe (metadataShapes, dataShapes, wholes) = unsafe (nothing, nothing, nothing)
    unsafe (uuidBytes, hexBytes) = unsafe (nothing, nothing)
    unsafe columns.append(DecodedColumn(kinds: nothing, numbers: nothing, texts: nothing))
    for _ in 0..<keys {
      unsafe columnOfPath.append(0)
      unsafe lastValues.append(LastValue())
    }
  }

  func deallocate() {
    unsafe columns.deallocate()
    unsafe columnOfPath.deallocate()
    unsafe lastValues.deallocate()
    unsafe runUUIDs.deallocate()
  }

  mutating func open(_ bytes: UnsafeRawBufferPointer, _ raw: UnsafeRawBufferPointer) throws(BodyError) {
    guard let base = bytes.baseAddress else { throw .truncated }
    var reader = unsafe ByteReader(base.assumingMemoryBound(to: UInt8.self), bytes.count)
    let metadataCount = unsafe try reader.number(max: bytes.count)
    let dataCount = unsafe try reader.number(max: bytes.count)
    let wholeCount = unsafe try reader.number(max: bytes.count)
    let uuidCount = unsafe try reader.number(max: raw.count)
    let count = unsafe try reader.number(max: dictionary.pointee.keyCount)
    var lengths = unsafe Pool<UInt32>(capacity: count * 3 + 1)
    defer { unsafe lengths.deallocate() }
    var path = 0
    for index in 0..<count {
      let step = unsafe try reader.number(max: dictionary.pointee.keyCount)
      guard index == 0 || step > 0 else { throw .invalid }
      path += step
      guard unsafe path < dictionary.pointee.keyCount else { throw .invalid }
      unsafe columnOfPath[path] = UInt16(index + 1)
    }
    for _ in 0..<(count * 3) {
      unsafe lengths.append(UInt32(truncatingIfNeeded: try reader.number(max: min(bytes.count, 1 << 31))))
    }
    unsafe metadataShapes = unsafe ByteReader(try reader.take(metadataCount), metadataCount)
    unsafe dataShapes = unsafe ByteReader(try reader.take(dataCount), dataCount)
    unsafe wholes = unsafe ByteReader(try reader.take(wholeCount), wholeCount)
    let nothing = unsafe columns[0]
    for _ in 0..<count { unsafe columns.append(nothing) }
    for index in 0..<count { unsafe columns.start[index + 1].kinds = unsafe try part(&reader, lengths[index]) }
    for index in 0..<count {
      unsafe columns.start[index + 1].numbers = unsafe try part(&reader, lengths[count + index])
    }
    for index in 0..<count {
      unsafe columns.start[index + 1].texts = unsafe try part(&reader, lengths[2 * count + index])
    }
    guard unsafe reader.remaining == 0 else { throw .invalid }
    guard let rawBase = raw.baseAddress else { return }
    let rawStart = unsafe rawBase.assumingMemoryBound(to: UInt8.self)
    unsafe uuidBytes = unsafe ByteReader(rawStart, uuidCount)
    unsafe hexBytes = unsafe ByteReader(rawStart + uuidCount, raw.count - uuidCount)
  }

  private func part(_ reader: inout ByteReader, _ count: UInt32) throws(BodyError) -> ByteReader {
    unsafe ByteReader(try reader.take(Int(count)), Int(count))
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

  /// The symbol of the next value of a key, and its column.
  @inline(__always) func next(
    path: Int, list: UInt32
  ) throws(BodyError) -> (symbol: Symbol, column: UnsafeMutablePointer<DecodedColumn>) {
    let column = unsafe columns.start + Int(columnOfPath[path])
    let place = unsafe try column.pointee.kinds.byte()
    let starts = unsafe dictionary.pointee.listStarts
    let index = unsafe Int(starts[Int(list)]) + Int(place)
    guard unsafe index < Int(starts[Int(list) + 1]) else { throw .invalid }
    return unsafe (dictionary.pointee.symbols[index], column)
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
      unsafe try copy(bytes + start, pieceEnd - start, &sink)
      unsafe try putValue(
        path: Int(slot.pointee.path), list: list.pointee, isString: slot.pointee.isString, context, &sink)
      start = pieceEnd + 1
      unsafe slot += 1
      unsafe list += 1
    }
    unsafe try copy(bytes + start, Int(template.end) - start, &sink)
  }

  mutating func skipEvent(_ typeNumber: UInt32) throws(BodyError) {
    let known = unsafe try classOf(typeNumber)
    guard known.streamList != .max else { throw .invalid }
    unsafe try skipValue(path: 0, list: known.streamList)
    unsafe try skipPart(metadataShapes.varint(), known.firstMetadata, known.firstData)
    unsafe try skipPart(dataShapes.varint(), known.firstData, known.endData)
  }

  private mutating func skipPart(_ rank: UInt64, _ first: UInt32, _ end: UInt32) throws(BodyError) {
    if rank == 0 { return }
    if rank == 1 {
      _ = unsafe try wholes.take(wholes.number(max: wholes.remaining))
      return
    }
    let shape = unsafe try shape(rank, first, end)
    let template = unsafe dictionary.pointee.templates[Int(shape.template)]
    for index in 0..<Int(template.slotCount) {
      unsafe try skipValue(
        path: Int(dictionary.pointee.templateSlots[Int(template.firstSlot) + index].path),
        list: dictionary.pointee.shapeLists[Int(shape.firstList) + index])
    }
  }
}
