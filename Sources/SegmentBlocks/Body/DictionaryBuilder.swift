import Compression

/// Most that the dictionaries of one segment may hold. Beyond a bound, values are written out.
public struct DictionaryLimits: Sendable {
  /// Strings that occurred twice, and their bytes.
  public var strings = 65_000
  public var stringBytes = 2 << 20
  /// How well strings of more than 40 bytes are remembered; they are among the `strings`.
  public var longStrings = 16_384
  /// Words of texts that occurred twice.
  public var words = 16_575
  /// UUIDs that occurred in two traces.
  public var uuids = 262_144

  public init() {}
}

/// The dictionaries of one segment while its blocks are encoded: they only grow, and are stored at the end.
///
/// One thread at a time. Memory: 2 MB at first, some 20 MB for a segment of 500,000 events, at most some 60 MB.
///
/// `@safe`: the pointer is set once, in `init`, and freed in `deinit` only.
@safe public final class DictionaryBuilder {
  let tables: UnsafeMutablePointer<DictionaryTables>

  public init(limits: DictionaryLimits = DictionaryLimits()) {
    unsafe tables = .allocate(capacity: 1)
    unsafe tables.initialize(to: DictionaryTables(limits: limits))
  }

  deinit {
    unsafe tables.pointee.deallocate()
    unsafe tables.deallocate()
  }

  /// The dictionaries as chunks of at most about 256 KiB, compressed where that helps: stored in this order, each with
  /// a checksum of its row, and given to `SegmentDictionary` again.
  public func encodedChunks() -> [[UInt8]] {
    var text = ByteSink(capacity: 1 << 20)
    unsafe tables.pointee.write(&text)
    let compressor = DeflateCompressor(level: 6)
    var chunks: [[UInt8]] = []
    var start = 0
    while start < text.count {
      let piece = unsafe UnsafeRawBufferPointer(
        rebasing: text.bytes[start..<min(text.count, start + DictionaryChunk.bytesMax)])
      unsafe chunks.append(DictionaryChunk.make(.text, piece, compressor))
      start += piece.count
    }
    text.removeAll()
    for index in unsafe 0..<tables.pointee.uuidEntries.count {
      let uuid = unsafe tables.pointee.uuidEntries[index]
      for word in [uuid.high, uuid.low] {
        for shift in 0..<8 { text.append(UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * shift))) }
      }
    }
    start = 0
    while start < text.count {
      let piece = unsafe UnsafeRawBufferPointer(
        rebasing: text.bytes[start..<min(text.count, start + DictionaryChunk.bytesMax)])
      unsafe chunks.append(DictionaryChunk.make(.uuids, piece, nil))
      start += piece.count
    }
    return chunks
  }
}

/// A piece of a segment's dictionaries as stored: version, section, codec, length before compression, bytes.
enum DictionaryChunk {
  static let version: UInt8 = 2
  static let bytesMax = 256 << 10
  static let headBytes = 7

  enum Section: UInt8 {
    case text = 1
    case uuids = 2
  }

  static func make(_ section: Section, _ raw: UnsafeRawBufferPointer, _ compressor: DeflateCompressor?) -> [UInt8] {
    let packed = unsafe compressor?.compress(raw)
    let isSmaller = (packed?.count ?? .max) < raw.count
    var chunk: [UInt8] = [version, section.rawValue, isSmaller ? 1 : 0]
    for shift in 0..<4 { chunk.append(UInt8(truncatingIfNeeded: raw.count >> (8 * shift))) }
    if let packed, isSmaller { chunk += packed } else { unsafe chunk += raw }
    return chunk
  }

  /// What a chunk says of itself; the bytes behind can be that many.
  static func head(_ chunk: [UInt8]) throws(BodyError) -> (section: Section, length: Int) {
    guard chunk.count >= headBytes else { throw .truncated }
    guard chunk[0] == version else { throw .unknown(chunk[0]) }
    guard let section = Section(rawValue: chunk[1]), chunk[2] <= 1 else { throw .unknown(max(chunk[1], chunk[2])) }
    let length = (0..<4).reduce(0) { $0 | Int(chunk[3 + $1]) << (8 * $1) }
    guard length <= bytesMax else { throw .tooLarge }
    let stored = chunk.count - headBytes
    guard chunk[2] == 0 ? stored == length : length <= (stored + 1) * BlockLimits.inflationMax else { throw .truncated }
    return (section, length)
  }

  /// - Parameter room: of the length that its head says; filled exactly.
  static func read(
    _ chunk: [UInt8], into room: UnsafeMutableRawBufferPointer, _ decompressor: DeflateDecompressor
  ) throws(BodyError) {
    let isPacked = chunk[2] == 1
    let isRead = unsafe chunk.withUnsafeBytes { all in
      let stored = unsafe UnsafeRawBufferPointer(rebasing: all[headBytes...])
      if !isPacked {
        unsafe room.copyMemory(from: stored)
        return true
      }
      return unsafe (try? decompressor.decompress(stored, into: room)) != nil
    }
    if !isRead { throw .invalid }
  }
}

extension DictionaryTables {
  /// Everything but the UUIDs; `SegmentDictionary` reads it. BODY.md describes it.
  func write(_ sink: inout ByteSink) {
    unsafe write(keys, &sink)
    unsafe write(prefixes, &sink)
    unsafe sink.append(varint: UInt64(templates.count))
    for index in unsafe 0..<templates.count { unsafe sink.append(varint: UInt64(templates[index].length)) }
    unsafe sink.append(templateBytes.start, templateBytes.count)
    for index in unsafe 0..<templatePaths.count { unsafe sink.append(varint: UInt64(templatePaths[index])) }
    unsafe writeClasses(&sink)
    unsafe write(stringStarts, entryBytes, &sink)
    unsafe write(wordStarts, wordBytes, &sink)
  }

  private func write(_ starts: Pool<UInt32>, _ bytes: Pool<UInt8>, _ sink: inout ByteSink) {
    unsafe sink.append(varint: UInt64(starts.count - 1))
    for index in unsafe 1..<max(starts.count, 1) {
      unsafe sink.append(varint: UInt64(starts[index] - starts[index - 1]))
    }
    unsafe sink.append(bytes.start, bytes.count)
  }

  private func write(_ names: NameTable, _ sink: inout ByteSink) {
    unsafe sink.append(varint: UInt64(names.count))
    for index in unsafe 0..<names.count { unsafe sink.append(varint: UInt64(names.lengths[index])) }
    for index in unsafe 0..<names.count {
      unsafe sink.append(arena.start + Int(names.starts[index]), Int(names.lengths[index]))
    }
  }

  private func writeClasses(_ sink: inout ByteSink) {
    let classCount = unsafe streamLists.count
    let listsOfClass = unsafe grouped(lists.count, classCount) { unsafe Int(lists[UInt32($0)].owner >> 16) }
    let symbolsOfList = unsafe grouped(lists.symbols.count, lists.count) { unsafe Int(lists.symbolLists[$0]) }
    let shapesOfPart = unsafe grouped(shapes.count, classCount * 2) { unsafe Int(shapeOwners[$0]) }
    sink.append(varint: UInt64(classCount))
    for index in 0..<classCount {
      sink.append(varint: UInt64(listsOfClass[index].count))
      for list in listsOfClass[index] {
        let record = unsafe lists[UInt32(list)]
        unsafe sink.append(varint: UInt64(record.owner & 0xffff))
        sink.append(varint: UInt64(symbolsOfList[list].count))
        for symbol in symbolsOfList[list] { unsafe write(symbol: lists.symbols[symbol], record, &sink) }
      }
      for part in 0..<2 {
        let owned = shapesOfPart[index * 2 + part]
        sink.append(varint: UInt64(owned.count))
        for shape in owned { unsafe sink.append(varint: UInt64(shapes[shape].template)) }
      }
    }
  }

  private func write(symbol: UInt32, _ record: ListRecord, _ sink: inout ByteSink) {
    let kind = UInt8(truncatingIfNeeded: symbol)
    let operand = Int(symbol >> 8)
    sink.append(kind)
    if kind >= ValueKind.prefixUUIDNew, kind <= ValueKind.prefixHex {
      sink.append(varint: UInt64(operand))
    } else if kind == ValueKind.constant || kind == ValueKind.listed {
      unsafe sink.append(varint: UInt64(record.length(operand)))
      unsafe sink.append(arena.start + record.start(operand), record.length(operand))
    }
  }

  /// The numbers below `count` by group, ascending.
  private func grouped(_ count: Int, _ groups: Int, _ group: (Int) -> Int) -> [[Int]] {
    var result = [[Int]](repeating: [], count: groups)
    for index in 0..<count { result[group(index)].append(index) }
    return result
  }
}
