import EventModel

/// One column of a key: the kinds of its values, and the last one of them. Two share a cache line.
@unsafe struct Column {
  var kinds = unsafe ColumnBytes()
  var last = LastValue()

  func deallocate() { unsafe kinds.deallocate() }
}

/// As `Pool`, in half the room: a block has less than 4 GiB.
@unsafe struct ColumnBytes: BitwiseCopyable {
  var start: UnsafeMutablePointer<UInt8>
  private var used: UInt32 = 0
  private var capacity: UInt32 = 64

  init() { unsafe start = .allocate(capacity: 64) }

  func deallocate() { unsafe start.deallocate() }

  var count: Int { unsafe Int(used) }

  mutating func removeAll() { unsafe used = 0 }

  @inline(__always) private mutating func reserve(_ more: Int) {
    if unsafe Int(capacity) &- Int(used) < more { unsafe grow(more) }
  }

  @inline(never) private mutating func grow(_ more: Int) {
    let wanted = unsafe max(Int(used) + more, Int(capacity) * 2)
    let larger = UnsafeMutablePointer<UInt8>.allocate(capacity: wanted)
    unsafe larger.update(from: start, count: Int(used))
    unsafe start.deallocate()
    unsafe start = unsafe larger
    unsafe capacity = UInt32(wanted)
  }

  @inline(__always) mutating func append(_ byte: UInt8) {
    unsafe reserve(1)
    unsafe start[Int(used)] = byte
    unsafe used &+= 1
  }

  @inline(__always) mutating func append(_ from: BytePointer, _ more: Int) {
    unsafe reserve(more)
    unsafe (start + Int(used)).update(from: from, count: more)
    unsafe used &+= UInt32(truncatingIfNeeded: more)
  }

  @inline(__always) mutating func append(varint value: UInt64) {
    unsafe reserve(10)
    var end = unsafe start + Int(used)
    var rest = value
    while rest > 127 {
      unsafe end.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
      unsafe end += 1
      rest >>= 7
    }
    unsafe end.pointee = UInt8(truncatingIfNeeded: rest)
    unsafe used = UInt32(truncatingIfNeeded: end + 1 - start)
  }
}

extension Column: BitwiseCopyable {}
extension Pool: BitwiseCopyable {}

/// The last value of a key in this run, in the run's arena.
struct LastValue: BitwiseCopyable {
  var run: UInt32 = 0
  var length: UInt32 = 0
  var start: Int = 0
}

/// What values of the event at hand may equal.
@unsafe struct EventFields {
  var created: Int64 = 0
  var id = UUIDWords(high: 0, low: 0)
  var correlation = UUIDWords(high: 0, low: 0)
  var cause = UUIDWords(high: 0, low: 0)
  var flags: EventFrame.Flags = []
  var idText = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var correlationText = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var causeText = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var service = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var handler = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  var schemaVersion = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
  /// Of the event's frame: its bytes can be read up to here.
  var end = unsafe BytePointer(bitPattern: 1).unsafelyUnwrapped
}

/// The block that is being encoded.
///
/// `@unsafe`: lives at one address, which its encoder owns; plain memory inside.
@unsafe struct EncodedBlock {
  let tables: UnsafeMutablePointer<DictionaryTables>
  var tokenizer = unsafe Tokenizer()
  var columns = unsafe Pool<Column>(capacity: 256)
  var metadataShapes = unsafe Pool<UInt8>(capacity: 1024)
  var dataShapes = unsafe Pool<UInt8>(capacity: 1024)
  var wholes = unsafe Pool<UInt8>(capacity: 1024)
  /// By kind of value.
  var numbers = unsafe Pool<Pool<UInt8>>(capacity: ValueKind.count)
  var texts = unsafe Pool<UInt8>(capacity: 1024)
  var wordCodes = unsafe Pool<UInt8>(capacity: 1024)
  /// The words of the string at hand: what they are in the segment, plus one, and where they end in the string.
  var wordNumbers = unsafe Pool<UInt32>(capacity: 64)
  var wordEnds = unsafe Pool<UInt32>(capacity: 64)
  var uuidBytes = unsafe Pool<UInt8>(capacity: 1 << 14)
  var hexBytes = unsafe Pool<UInt8>(capacity: 1 << 12)
  var run: UInt32 = 0
  var runArena = unsafe Pool<UInt8>(capacity: 1 << 14)
  var runUUIDs = unsafe Pool<UUIDWords>(capacity: BodyLimit.runUUIDs)
  /// Run in the high half, number plus one in the low half: 16 bits each.
  var runIndex = unsafe Pool<UInt32>(capacity: EncodedBlock.runIndexSlots)
  var fields = unsafe EventFields()
  /// What the key at hand had before its value became the last one.
  var lastBefore = LastValue()

  static let runIndexSlots = 8192

  init(_ tables: UnsafeMutablePointer<DictionaryTables>) {
    unsafe self.tables = unsafe tables
    unsafe runIndex.start.initialize(repeating: 0, count: EncodedBlock.runIndexSlots)
    for _ in 0..<ValueKind.count { unsafe numbers.append(Pool<UInt8>(capacity: 64)) }
  }

  func deallocate() {
    unsafe tokenizer.deallocate()
    for index in unsafe 0..<columns.count { unsafe columns[index].deallocate() }
    unsafe columns.deallocate()
    unsafe metadataShapes.deallocate()
    unsafe dataShapes.deallocate()
    unsafe wholes.deallocate()
    for index in unsafe 0..<numbers.count { unsafe numbers[index].deallocate() }
    unsafe numbers.deallocate()
    unsafe texts.deallocate()
    unsafe wordCodes.deallocate()
    unsafe wordNumbers.deallocate()
    unsafe wordEnds.deallocate()
    unsafe uuidBytes.deallocate()
    unsafe hexBytes.deallocate()
    unsafe runArena.deallocate()
    unsafe runUUIDs.deallocate()
    unsafe runIndex.deallocate()
  }

  mutating func beginRun(_ trace: UnsafeRawBufferPointer, isUUID: Bool) {
    unsafe run += 1
    if unsafe run == 0xffff {
      unsafe run = 1
      unsafe runIndex.start.update(repeating: 0, count: EncodedBlock.runIndexSlots)
      for index in unsafe 0..<columns.count { unsafe columns.start[index].last.run = 0 }
    }
    unsafe runArena.count = 0
    unsafe runUUIDs.count = 0
    if isUUID, trace.count == 16 { _ = unsafe findRunUUID(words(trace)) }
  }

  @inline(__always) func words(_ uuid: UnsafeRawBufferPointer) -> UUIDWords {
    unsafe UUIDWords(
      high: uuid.loadUnaligned(as: UInt64.self).bigEndian,
      low: uuid.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
  }

  /// How many UUIDs of this run came after this one; nil if it is new, and then it is added.
  @inline(__always) mutating func findRunUUID(_ uuid: UUIDWords) -> Int? {
    var place = unsafe Int(truncatingIfNeeded: uuid.hash >> 20) & (EncodedBlock.runIndexSlots - 1)
    while true {
      let entry = unsafe runIndex[place]
      if unsafe entry >> 16 != run { break }
      let number = Int(entry & 0xffff) - 1
      if unsafe runUUIDs[number] == uuid { return unsafe runUUIDs.count - 1 - number }
      place = unsafe (place + 1) & (EncodedBlock.runIndexSlots - 1)
    }
    if unsafe runUUIDs.count < BodyLimit.runUUIDs {
      unsafe runIndex[place] = unsafe run << 16 | UInt32(runUUIDs.count + 1)
      unsafe runUUIDs.append(uuid)
    }
    return nil
  }

  mutating func append(_ event: EventView, typeNumber: UInt32) {
    unsafe readFields(event)
    let classIndex = unsafe tables.pointee.classIndex(typeNumber)
    unsafe putStream(event.stream, classIndex)
    unsafe putPart(event.metadata, classIndex, isData: false)
    unsafe putPart(event.data, classIndex, isData: true)
  }

  @inline(__always) private mutating func readFields(_ event: EventView) {
    let flags = event.flags
    unsafe fields.flags = flags
    unsafe fields.created = event.created.nanoseconds
    unsafe fields.idText = unsafe event.idBytes
    unsafe fields.correlationText = unsafe event.correlationBytes
    unsafe fields.causeText = unsafe event.causeBytes
    if flags.contains(.idIsUUID) { unsafe fields.id = unsafe words(fields.idText) }
    if flags.contains(.correlationIsUUID) { unsafe fields.correlation = unsafe words(fields.correlationText) }
    if flags.contains(.causeIsUUID) { unsafe fields.cause = unsafe words(fields.causeText) }
    unsafe fields.service = unsafe event.service
    unsafe fields.handler = unsafe event.handler
    unsafe fields.schemaVersion = unsafe event.schemaVersion
    let frame = unsafe event.bytes
    unsafe fields.end = unsafe frame.baseAddress.unsafelyUnwrapped.assumingMemoryBound(to: UInt8.self) + frame.count
  }

  @inline(__always) private mutating func putStream(_ stream: UnsafeRawBufferPointer, _ classIndex: Int) {
    var list = unsafe tables.pointee.streamLists[classIndex]
    if list == 0 {
      guard let made = unsafe tables.pointee.lists.find(classIndex: classIndex, path: 0) else {
        preconditionFailure("room is kept for the list of streams of every class")
      }
      list = made + 1
      unsafe tables.pointee.streamLists[classIndex] = list
    }
    unsafe withBytes(stream) { p in unsafe putString(list - 1, 0, p, stream.count) }
  }

  @inline(__always) private mutating func putPart(_ part: UnsafeRawBufferPointer, _ classIndex: Int, isData: Bool) {
    guard let base = part.baseAddress, part.count > 0 else { return unsafe putRank(0, isData) }
    let text = unsafe base.assumingMemoryBound(to: UInt8.self)
    guard
      let shape = unsafe tables.pointee.shape(
        text, part.count, readable: fields.end, classIndex: classIndex, isData: isData, &tokenizer)
    else {
      unsafe putRank(1, isData)
      unsafe wholes.append(varint: UInt64(part.count))
      unsafe wholes.append(text, part.count)
      return
    }
    unsafe putRank(UInt64(shape.rank) + 2, isData)
    let nodes = unsafe tables.pointee.nodes.start
    var token = unsafe tokenizer.tokens
    for _ in 0..<Int(shape.slotCount) {
      let value = unsafe text + Int(token.pointee.start)
      let node = unsafe nodes + Int(token.pointee.node)
      if unsafe node.pointee.isString {
        unsafe putString(node.pointee.list, Int(node.pointee.path), value, Int(token.pointee.length))
      } else {
        unsafe putOther(node.pointee.list, Int(node.pointee.path), value, Int(token.pointee.length))
      }
      unsafe token += 1
    }
  }

  @inline(__always) private mutating func putRank(_ rank: UInt64, _ isData: Bool) {
    if isData { unsafe dataShapes.append(varint: rank) } else { unsafe metadataShapes.append(varint: rank) }
  }

  @inline(__always) func withBytes(_ bytes: UnsafeRawBufferPointer, _ body: (BytePointer) -> Void) {
    // An empty slice may have no address. Nothing of the one given instead counts, though 32 bytes may be read there.
    unsafe body(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) ?? BytePointer(wholes.start))
  }

  @inline(__always) mutating func column(_ path: Int) -> UnsafeMutablePointer<Column> {
    if unsafe path >= columns.count { unsafe addColumns(path) }
    return unsafe columns.start + path
  }

  @inline(never) private mutating func addColumns(_ path: Int) {
    while unsafe columns.count <= path {
      unsafe columns.append(Column())
    }
  }

  /// About what all columns have become so far.
  var columnBytes: Int {
    var sum = unsafe metadataShapes.count + dataShapes.count + wholes.count + texts.count + wordCodes.count
    for index in unsafe 0..<columns.count { unsafe sum += (columns.start + index).pointee.kinds.count }
    for index in unsafe 0..<numbers.count { unsafe sum += (numbers.start + index).pointee.count }
    return sum
  }

  mutating func finish(columns output: inout [UInt8], raw: inout [UInt8]) {
    var head = unsafe finishedHead()
    unsafe output.reserveCapacity(output.count + head.count + columnBytes)
    unsafe take(&head, &output)
    unsafe head.deallocate()
    unsafe take(&metadataShapes, &output)
    unsafe take(&dataShapes, &output)
    unsafe take(&wholes, &output)
    for index in unsafe 0..<columns.count { unsafe take(&columns.start[index].kinds, &output) }
    for index in unsafe 0..<numbers.count { unsafe take(&numbers.start[index], &output) }
    unsafe take(&texts, &output)
    unsafe take(&wordCodes, &output)
    unsafe take(&uuidBytes, &raw)
    unsafe take(&hexBytes, &raw)
  }

  /// How long everything is.
  private func finishedHead() -> Pool<UInt8> {
    var head = unsafe Pool<UInt8>(capacity: 256 + 16 * columns.count)
    unsafe head.append(varint: UInt64(metadataShapes.count))
    unsafe head.append(varint: UInt64(dataShapes.count))
    unsafe head.append(varint: UInt64(wholes.count))
    unsafe head.append(varint: UInt64(texts.count))
    unsafe head.append(varint: UInt64(wordCodes.count))
    unsafe head.append(varint: UInt64(uuidBytes.count))
    unsafe appendLengths(columns.count, &head) { unsafe columns[$0].kinds.count }
    unsafe appendLengths(numbers.count, &head) { unsafe numbers[$0].count }
    return unsafe head
  }

  /// How many of them are not empty; for each its number minus that of the one before; then the lengths.
  private func appendLengths(_ count: Int, _ head: inout Pool<UInt8>, _ length: (Int) -> Int) {
    var used = 0
    for index in 0..<count where length(index) > 0 { used += 1 }
    unsafe head.append(varint: UInt64(used))
    var previous = 0
    for index in 0..<count where length(index) > 0 {
      unsafe head.append(varint: UInt64(index - previous))
      previous = index
    }
    for index in 0..<count where length(index) > 0 { unsafe head.append(varint: UInt64(length(index))) }
  }

  private func take(_ bytes: inout ColumnBytes, _ output: inout [UInt8]) {
    unsafe output.append(contentsOf: UnsafeBufferPointer(start: bytes.start, count: bytes.count))
    unsafe bytes.removeAll()
  }

  private func take(_ pool: inout Pool<UInt8>, _ output: inout [UInt8]) {
    unsafe output.append(contentsOf: UnsafeBufferPointer(start: pool.start, count: pool.count))
    unsafe pool.count = 0
  }
}
