import Compression
import EventModel

/// A kind of rows that a segment keeps in chunks: column after column, deflated, with the bounds of the first column
/// beside them, so that a question for a range reads only the chunks it needs. FORMAT.md section 8.
protocol ChunkRow: Sendable {
  /// The table that holds the chunks.
  static var table: StaticString { get }
  /// What is bounded: created (nanoseconds) or ordinal.
  var bound: Int64 { get }
  static func encode(_ rows: ArraySlice<Self>, into writer: inout ByteWriter)
  static func decode(count: Int, from reader: inout ByteReader) throws(CodingError) -> [Self]
}

enum ChunkCoding {
  static let version: UInt8 = 1
  static let level = 6

  /// Version, row count, columns.
  static func encode<Row: ChunkRow>(_ rows: ArraySlice<Row>) -> [UInt8] {
    precondition(!rows.isEmpty && rows.count <= SegmentLimits.chunkRowCountMax, "a chunk has 1 to 8,192 rows")
    var writer = ByteWriter()
    writer.put(version)
    writer.putVarint(UInt64(rows.count))
    Row.encode(rows, into: &writer)
    return writer.bytes
  }

  static func deflate(_ raw: [UInt8]) -> [UInt8] { Deflate.compress(raw, level: level) }

  /// Nil unless it inflates to exactly so many bytes.
  static func inflate(_ chunk: [UInt8], rawBytes: Int) -> [UInt8]? {
    try? Deflate.decompress(chunk, outputBytes: rawBytes)
  }

  /// Nil unless it inflates to at most so many bytes.
  static func inflate(_ chunk: [UInt8], rawBytesMax: Int) -> [UInt8]? {
    unsafe chunk.withUnsafeBytes { unsafe try? Deflate.decompress($0, outputBytesMax: rawBytesMax) }
  }

  static func inflate<Row: ChunkRow>(
    _ type: Row.Type, _ columns: [UInt8], rawBytes: Int
  ) throws(CodingError) -> [Row] {
    guard rawBytes <= columns.count * SegmentLimits.inflationMax else {
      throw .badValue(field: "inflated length", atByte: 0)
    }
    let raw: [UInt8]
    do {
      raw = try Deflate.decompress(columns, outputBytes: rawBytes)
    } catch { throw .badValue(field: "compressed columns", atByte: 0) }
    return unsafe try raw.withRawBytes { (bytes) throws(CodingError) in unsafe try decode(type, bytes) }
  }

  static func decode<Row: ChunkRow>(_ type: Row.Type, _ raw: UnsafeRawBufferPointer) throws(CodingError) -> [Row] {
    var reader = unsafe ByteReader(raw)
    guard try reader.get(UInt8.self) == version else { throw .badValue(field: "chunk version", atByte: 0) }
    let count = try reader.getVarint()
    guard count >= 1, count <= UInt64(SegmentLimits.chunkRowCountMax) else {
      throw .badValue(field: "row count", atByte: 1)
    }
    let rows = try Row.decode(count: Int(count), from: &reader)
    try reader.expectEnd()
    return rows
  }
}

extension ByteWriter {
  /// Differences to the row before, the first one to 0.
  mutating func putDeltas<S: Sequence>(_ values: S) where S.Element == Int64 {
    var last: Int64 = 0
    for value in values {
      putSigned(value &- last)
      last = value
    }
  }

  mutating func putNumbers<S: Sequence>(_ values: S) where S.Element == UInt32 {
    for value in values { putVarint(UInt64(value)) }
  }

  /// Lengths first (0: absent, 1: a UUID, n + 2: a text of n bytes), then the bytes.
  mutating func putIdentifiers<S: Sequence>(_ values: S) where S.Element == Identifier? {
    for value in values {
      guard let value else {
        putVarint(0)
        continue
      }
      putVarint(value.isUUID ? 1 : UInt64(value.storedBytes.count + 2))
    }
    for value in values {
      if let value { bytes.append(contentsOf: value.storedBytes) }
    }
  }
}

extension ByteReader {
  mutating func getDeltas(_ count: Int) throws(CodingError) -> [Int64] {
    var values: [Int64] = []
    values.reserveCapacity(count)
    var last: Int64 = 0
    for _ in 0..<count {
      last = last &+ (try getSigned())
      values.append(last)
    }
    return values
  }

  mutating func getNumbers(_ count: Int) throws(CodingError) -> [UInt32] {
    var values: [UInt32] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      let start = offset
      guard let value = UInt32(exactly: try getVarint()) else { throw .badValue(field: "number", atByte: start) }
      values.append(value)
    }
    return values
  }

  mutating func getFailures(_ count: Int) throws(CodingError) -> [FailureKind] {
    var values: [FailureKind] = []
    values.reserveCapacity(count)
    for _ in 0..<count {
      let start = offset
      guard let value = FailureKind(rawValue: try get(UInt8.self)) else {
        throw .badValue(field: "failure", atByte: start)
      }
      values.append(value)
    }
    return values
  }

  mutating func getIdentifiers(_ count: Int) throws(CodingError) -> [Identifier?] {
    var lengths: [Int] = []
    lengths.reserveCapacity(count)
    for _ in 0..<count {
      let start = offset
      let length = try getVarint()
      guard length <= UInt64(Identifier.textBytesMax + 2), length != 2 else {
        throw .badValue(field: "identifier", atByte: start)
      }
      lengths.append(Int(length))
    }
    var values: [Identifier?] = []
    values.reserveCapacity(count)
    for length in lengths {
      if length == 0 {
        values.append(nil)
      } else if length == 1 {
        let bytes = unsafe try getSlice(16)
        unsafe values.append(
          Identifier(
            uuid: IdentifierKey(
              high: bytes.loadUnaligned(as: UInt64.self).bigEndian,
              low: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)))
      } else {
        unsafe values.append(Identifier(text: Array(try getSlice(length - 2))))
      }
    }
    return values
  }

  mutating func getPresentIdentifiers(_ count: Int) throws(CodingError) -> [Identifier] {
    let start = offset
    var values: [Identifier] = []
    values.reserveCapacity(count)
    for value in try getIdentifiers(count) {
      guard let value else { throw .badValue(field: "identifier", atByte: start) }
      values.append(value)
    }
    return values
  }
}
