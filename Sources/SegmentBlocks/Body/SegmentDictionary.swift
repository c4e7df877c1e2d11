import Compression

/// The dictionaries of one finished segment: immutable, shared by all who decode its blocks.
///
/// `@safe`, `@unchecked Sendable`: the pointer is set once, in `init`, nothing changes what it refers to afterwards, and
/// `deinit` frees it; indexes are checked by whoever uses them.
@safe public final class SegmentDictionary: @unchecked Sendable {
  let contents: UnsafePointer<DictionaryContents>

  /// - Parameter chunks: what `DictionaryBuilder.encodedChunks` gave, in its order. Any other bytes throw.
  ///   Complexity: O(bytes); allocates in proportion to what the chunks hold, bounded by `BodyLimit`.
  public init(decoding chunks: [[UInt8]]) throws(BodyError) {
    var byteCount = 0
    var uuidBytes = 0
    for chunk in chunks {
      let head = try DictionaryChunk.head(chunk)
      if head.section == .text { byteCount += head.length } else { uuidBytes += head.length }
      guard byteCount <= BodyLimit.dictionaryBytes, uuidBytes <= BodyLimit.uuids * 16 else { throw .tooLarge }
    }
    guard uuidBytes % 16 == 0 else { throw .truncated }
    var contents = unsafe DictionaryContents(byteCount: byteCount, uuidCount: uuidBytes / 16)
    do throws(BodyError) {
      unsafe try contents.fill(chunks)
      if byteCount > 0 { unsafe try contents.read(byteCount) }
      unsafe contents.fit()
    } catch {
      unsafe contents.deallocate()
      throw error
    }
    let place = UnsafeMutablePointer<DictionaryContents>.allocate(capacity: 1)
    unsafe place.initialize(to: contents)
    unsafe self.contents = unsafe UnsafePointer(place)
  }

  deinit {
    unsafe contents.pointee.deallocate()
    unsafe contents.deallocate()
  }

  /// What it holds in memory.
  public var memoryBytes: Int { unsafe contents.pointee.memoryBytes + 256 }
}

/// What a place in a list means: a kind, and the bytes of its prefix or string.
struct Symbol: BitwiseCopyable {
  var start: UInt32
  var kind: UInt8
  var length: UInt8
  /// What is to be done where the value is not wanted: one of `Passing`.
  var passing: UInt8

  init(start: UInt32, kind: UInt8, length: UInt8) {
    self.start = start
    self.kind = kind
    self.length = length
    passing = Passing.of(kind)
  }
}

/// Where a value stands in a template: its piece ends here, in `bytes`, and this mark follows.
struct TemplateSlot: BitwiseCopyable {
  var pieceEnd: UInt32
  var path: UInt16
  var isString: Bool
}

struct DecodedTemplate: BitwiseCopyable {
  var start: UInt32
  var end: UInt32
  var firstSlot: UInt32
  var slotCount: UInt32
}

struct DecodedShape: BitwiseCopyable {
  var template: UInt32
  /// In `shapeLists`: one list for each slot.
  var firstList: UInt32
}

struct DecodedClass: BitwiseCopyable {
  var streamList: UInt32 = .max
  var firstMetadata: UInt32 = 0
  var firstData: UInt32 = 0
  var endData: UInt32 = 0
}

/// `@unsafe`: memory of its owner; starts and lengths in it were checked against `bytes` when they were read.
@unsafe struct DictionaryContents {
  /// Behind them there are so many more that may be read: pieces are copied by words.
  static let slack = 32
  let bytes: UnsafeMutablePointer<UInt8>
  let uuids: UnsafeMutablePointer<UInt8>
  let byteCount: Int
  let uuidCount: Int
  var keyCount = 2
  var prefixStarts = unsafe Pool<UInt32>(capacity: 16)
  var templates = unsafe Pool<DecodedTemplate>(capacity: 16)
  var templateSlots = unsafe Pool<TemplateSlot>(capacity: 16)
  var shapes = unsafe Pool<DecodedShape>(capacity: 16)
  var shapeLists = unsafe Pool<UInt32>(capacity: 16)
  var classes = unsafe Pool<DecodedClass>(capacity: 16)
  var listStarts = unsafe Pool<UInt32>(capacity: 16)
  var symbols = unsafe Pool<Symbol>(capacity: 16)
  var entryStarts = unsafe Pool<UInt32>(capacity: 16)
  var wordStarts = unsafe Pool<UInt32>(capacity: 16)

  /// Filled by `fill`.
  init(byteCount: Int, uuidCount: Int) {
    unsafe self.byteCount = byteCount
    unsafe self.uuidCount = uuidCount
    unsafe bytes = .allocate(capacity: byteCount + Self.slack)
    unsafe (bytes + byteCount).initialize(repeating: 0, count: Self.slack)
    unsafe uuids = .allocate(capacity: uuidCount * 16 + 1)
    unsafe listStarts.append(0)
  }

  /// Straight from the chunks: megabytes, which are not to be moved about.
  ///
  /// - Precondition: their heads say as many bytes as there is room for.
  func fill(_ chunks: [[UInt8]]) throws(BodyError) {
    let decompressor = DeflateDecompressor()
    var filled = 0
    var filledUUIDs = 0
    for chunk in chunks {
      let (section, length) = try DictionaryChunk.head(chunk)
      let start = unsafe section == .text ? bytes + filled : uuids + filledUUIDs
      unsafe try DictionaryChunk.read(
        chunk, into: UnsafeMutableRawBufferPointer(start: start, count: length), decompressor)
      if section == .text { filled += length } else { filledUUIDs += length }
    }
  }

  /// Gives back what is not used: nothing grows any more.
  mutating func fit() {
    unsafe prefixStarts.fit()
    unsafe templates.fit()
    unsafe templateSlots.fit()
    unsafe shapes.fit()
    unsafe shapeLists.fit()
    unsafe classes.fit()
    unsafe listStarts.fit()
    unsafe symbols.fit()
    unsafe entryStarts.fit()
    unsafe wordStarts.fit()
  }

  func deallocate() {
    unsafe bytes.deallocate()
    unsafe uuids.deallocate()
    unsafe prefixStarts.deallocate()
    unsafe templates.deallocate()
    unsafe templateSlots.deallocate()
    unsafe shapes.deallocate()
    unsafe shapeLists.deallocate()
    unsafe classes.deallocate()
    unsafe listStarts.deallocate()
    unsafe symbols.deallocate()
    unsafe entryStarts.deallocate()
    unsafe wordStarts.deallocate()
  }

  var memoryBytes: Int {
    var sum = unsafe byteCount + uuidCount * 16 + prefixStarts.capacity * 4 + templates.capacity * 16
    unsafe sum += templateSlots.capacity * 8 + shapes.capacity * 8 + shapeLists.capacity * 4 + classes.capacity * 16
    return unsafe sum + listStarts.capacity * 4 + symbols.capacity * 8 + entryStarts.capacity * 4
      + wordStarts.capacity * 4
  }

  @inline(__always) func uuid(_ number: Int) -> UUIDWords {
    let raw = unsafe UnsafeRawPointer(uuids + 16 * number)
    return unsafe UUIDWords(
      high: raw.loadUnaligned(as: UInt64.self).bigEndian,
      low: raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
  }

  mutating func read(_ count: Int) throws(BodyError) {
    var reader = unsafe ByteReader(bytes, count)
    var keys = unsafe Pool<UInt32>(capacity: 16)
    defer { unsafe keys.deallocate() }
    unsafe try readNames(&reader, BodyLimit.keys, &keys)
    unsafe keyCount = unsafe keys.count - 1
    guard unsafe keyCount >= 2 else { throw .invalid }
    unsafe try readNames(&reader, BodyLimit.prefixes, &prefixStarts)
    unsafe try readTemplates(&reader)
    unsafe try readClasses(&reader)
    unsafe try readNames(&reader, BodyLimit.strings, &entryStarts)
    unsafe try readNames(&reader, BodyLimit.words, &wordStarts)
    guard unsafe reader.remaining == 0 else { throw .invalid }
  }

  /// Lengths, then bytes; `starts` gets where each begins and where the last one ends.
  private func readNames(
    _ reader: inout ByteReader, _ limit: Int, _ starts: inout Pool<UInt32>
  ) throws(BodyError) {
    let count = unsafe try reader.number(max: min(limit, reader.remaining))
    unsafe starts.reserve(count + 1)
    var sum = 0
    for _ in 0..<count {
      unsafe starts.append(UInt32(sum))
      unsafe sum += try reader.number(max: BodyLimit.dictionaryBytes)
      guard unsafe sum <= byteCount else { throw .truncated }
    }
    unsafe starts.append(UInt32(sum))
    let base = unsafe UInt32(try reader.take(sum) - BytePointer(bytes))
    for index in 0...count { unsafe starts[index] += base }
  }

  private mutating func readTemplates(_ reader: inout ByteReader) throws(BodyError) {
    var starts = unsafe Pool<UInt32>(capacity: 16)
    defer { unsafe starts.deallocate() }
    unsafe try readNames(&reader, BodyLimit.templates, &starts)
    for index in unsafe 0..<(starts.count - 1) {
      let first = unsafe templateSlots.count
      for offset in unsafe starts[index]..<starts[index + 1] where unsafe bytes[Int(offset)] <= 2 {
        guard unsafe bytes[Int(offset)] > 0 else { throw .invalid }
        unsafe templateSlots.append(TemplateSlot(pieceEnd: offset, path: 0, isString: bytes[Int(offset)] == 1))
      }
      let count = unsafe templateSlots.count - first
      guard count <= BodyLimit.slotsPerTemplate else { throw .invalid }
      unsafe templates.append(
        DecodedTemplate(
          start: starts[index], end: starts[index + 1], firstSlot: UInt32(first), slotCount: UInt32(count)))
    }
    for index in unsafe 0..<templateSlots.count {
      let path = unsafe try reader.number(max: keyCount - 1)
      unsafe templateSlots.start[index].path = UInt16(path)
    }
  }

  private mutating func readClasses(_ reader: inout ByteReader) throws(BodyError) {
    var listOfPath = unsafe [UInt32](repeating: 0, count: keyCount)
    let count = unsafe try reader.number(max: BodyLimit.ownClasses + 1)
    for _ in 0..<count {
      var decoded = DecodedClass()
      let firstList = unsafe listStarts.count - 1
      let listCount = unsafe try reader.number(max: min(BodyLimit.lists - firstList, reader.remaining))
      for list in firstList..<(firstList + listCount) {
        let path = unsafe try reader.number(max: keyCount - 1)
        if path == 0 { decoded.streamList = UInt32(list) }
        listOfPath[path] = UInt32(list)
        for _ in unsafe 0..<(try reader.number(max: BodyLimit.symbolsPerList)) {
          unsafe symbols.append(try readSymbol(&reader))
        }
        unsafe listStarts.append(UInt32(symbols.count))
      }
      decoded.firstMetadata = unsafe UInt32(shapes.count)
      unsafe try readShapes(&reader, listOfPath, firstList)
      decoded.firstData = unsafe UInt32(shapes.count)
      unsafe try readShapes(&reader, listOfPath, firstList)
      decoded.endData = unsafe UInt32(shapes.count)
      unsafe classes.append(decoded)
    }
  }

  private mutating func readShapes(
    _ reader: inout ByteReader, _ listOfPath: [UInt32], _ firstList: Int
  ) throws(BodyError) {
    let count = unsafe try reader.number(max: min(BodyLimit.shapes - shapes.count, reader.remaining))
    for _ in 0..<count {
      let number = unsafe try reader.number(max: BodyLimit.templates)
      guard unsafe number < templates.count else { throw .invalid }
      let template = unsafe templates[number]
      guard unsafe shapeLists.count + Int(template.slotCount) <= BodyLimit.slots else { throw .tooLarge }
      unsafe shapes.append(DecodedShape(template: UInt32(number), firstList: UInt32(shapeLists.count)))
      for slot in Int(template.firstSlot)..<Int(template.firstSlot + template.slotCount) {
        let list = unsafe listOfPath[Int(templateSlots[slot].path)]
        // A list of an earlier class, or none: no encoder writes that.
        guard list >= UInt32(firstList), unsafe Int(list) < listStarts.count - 1 else { throw .invalid }
        unsafe shapeLists.append(list)
      }
    }
  }

  private func readSymbol(_ reader: inout ByteReader) throws(BodyError) -> Symbol {
    let kind = unsafe try reader.byte()
    guard kind > 0, kind < ValueKind.count else { throw .unknown(kind) }
    if kind >= ValueKind.prefixUUIDNew, kind <= ValueKind.prefixHex {
      let number = unsafe try reader.number(max: BodyLimit.prefixes)
      guard unsafe number + 1 < prefixStarts.count else { throw .invalid }
      let length = unsafe prefixStarts[number + 1] - prefixStarts[number]
      guard length <= 255 else { throw .invalid }
      return unsafe Symbol(start: prefixStarts[number], kind: kind, length: UInt8(length))
    }
    guard kind == ValueKind.constant || kind == ValueKind.listed else {
      return Symbol(start: 0, kind: kind, length: 0)
    }
    let length = unsafe try reader.number(max: 255)
    let start = unsafe try reader.take(length) - BytePointer(bytes)
    return Symbol(start: UInt32(start), kind: kind, length: UInt8(length))
  }
}
