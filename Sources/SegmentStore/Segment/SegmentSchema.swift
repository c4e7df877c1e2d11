import TraceStore

/// What makes a SQLite file a segment.
enum SegmentFormat {
  /// `Clew` as bytes; `PRAGMA application_id`.
  static let applicationID: Int64 = 0x436c_6577
  /// The oldest program that may read the file.
  static let readVersion: Int64 = 3
  /// The program that wrote it.
  static let writeVersion: Int64 = 3
  /// Written by builds between releases only, and not read any more.
  static let skippedVersion: Int64 = 2
  /// `PRAGMA user_version`.
  static let userVersion = readVersion << 16 | writeVersion
  /// Measured (FORMAT.md section 11): smaller pages cost time for blocks, larger ones bytes at their ends.
  static let pageBytes = 4096
  /// Of DEFLATE, for blocks.
  static let level = 6

  /// Rows of `dictionaries`: which kinds follow which; what the bodies of events are coded with.
  static let followersName = "followers"
  static let bodyName = "body"
  /// Row of `meta`: bytes of a row of the tapes.
  static let tapeRowBytesName = "tape_row_bytes"

  /// The rows of `filters`, in order.
  static let filterNames = ["correlation", "event id", "outside cause"]
}

/// One table of a segment. The first column is the key, 1, 2, 3 … without gaps; the last one is `crc`, except in
/// `block_data`, whose blocks carry their own checksum.
struct SegmentTable: Sendable {
  var name: StaticString
  /// Without key and checksum: name and SQL type.
  var columns: [(name: String, type: String)]
  var hasChecksum = true

  var nameText: String { "\(name)" }
  var columnNames: [String] { ["id"] + columns.map(\.name) + (hasChecksum ? ["crc"] : []) }

  var createSQL: String {
    let middle = columns.map { "\($0.name) \($0.type) NOT NULL" }
    let all = ["id INTEGER PRIMARY KEY"] + middle + (hasChecksum ? ["crc INTEGER NOT NULL"] : [])
    return "CREATE TABLE \(name)(\(all.joined(separator: ", ")))"
  }

  var insertSQL: String {
    "INSERT INTO \(name) VALUES(\(columnNames.map { _ in "?" }.joined(separator: ",")))"
  }

  var selectRowSQL: String { "SELECT \(columnNames.joined(separator: ",")) FROM \(name) WHERE id=?" }

  static let meta = SegmentTable(name: "meta", columns: [("name", "TEXT"), ("value", "ANY")])
  static let blocks = SegmentTable(
    name: "blocks",
    columns: [
      ("event_count", "INTEGER"), ("first_ordinal", "INTEGER"), ("last_ordinal", "INTEGER"),
      ("first_created", "INTEGER"), ("last_created", "INTEGER"), ("trace_count", "INTEGER"),
      ("first_trace_created", "INTEGER"), ("last_trace_created", "INTEGER"), ("raw_bytes", "INTEGER"),
    ])
  static let blockData = SegmentTable(name: "block_data", columns: [("block", "BLOB")], hasChecksum: false)
  static let longTraces = SegmentTable(
    name: "long_traces",
    columns: [
      ("correlation", "ANY"), ("first_block", "INTEGER"), ("last_block", "INTEGER"), ("event_count", "INTEGER"),
      ("first_created", "INTEGER"), ("last_created", "INTEGER"),
    ])
  static let indexChunks = SegmentTable(name: "index_chunks", columns: [("entries", "BLOB")])
  static let filters = SegmentTable(
    name: "filters", columns: [("name", "TEXT"), ("key_count", "INTEGER"), ("bits", "BLOB")])
  static let labels = SegmentTable(
    name: "labels",
    columns: [
      ("label", "INTEGER"), ("source", "TEXT"), ("service", "TEXT"), ("handler", "TEXT"), ("type", "TEXT"),
      ("identity", "INTEGER"),
    ])
  static let sources = SegmentTable(name: "sources", columns: [("source", "INTEGER"), ("name", "TEXT")])
  /// Rows of one page each; heads, or the data of blocks, lie on them back to back.
  /// `part` is 1 and takes a byte: it tells rows of the two tapes apart where the pages above them are lost.
  static let headTape = SegmentTable(
    name: "head_tape", columns: [("bytes", "BLOB"), ("part", "INTEGER")], hasChecksum: false)
  static let dataTape = SegmentTable(name: "data_tape", columns: [("bytes", "BLOB")], hasChecksum: false)
  static let zones = chunks(BlockZone.self)
  static let kinds = SegmentTable(
    name: "kinds",
    columns: [
      ("label", "INTEGER"), ("flags", "INTEGER"), ("class", "INTEGER"), ("failure", "INTEGER"),
      ("correlation_form", "INTEGER"), ("source", "INTEGER"), ("schema_version", "TEXT"),
    ])
  static let dictionaries = SegmentTable(
    name: "dictionaries", columns: [("name", "TEXT"), ("raw_bytes", "INTEGER"), ("chunk", "BLOB")])
  static let failureCounts = SegmentTable(
    name: "failure_counts", columns: [("label", "INTEGER"), ("failure_count", "INTEGER")])
  static let sketches = chunks(SegmentSketch.self)
  static let uncounted = chunks(UncountedFailure.self)
  static let edges = chunks(SegmentEdge.self)
  static let failures = chunks(SegmentFailure.self)
  static let unresolved = chunks(UnresolvedChild.self)
  static let healed = chunks(HealedChild.self)
  static let uncorrelated = chunks(UncorrelatedEvent.self)
  /// The chunks of `edges` to `uncorrelated`: apart from them, so that bounds are checked without reading columns.
  static let chunkBounds = SegmentTable(
    name: "chunk_bounds",
    columns: [
      ("table_name", "TEXT"), ("chunk", "INTEGER"), ("row_count", "INTEGER"), ("first_bound", "INTEGER"),
      ("last_bound", "INTEGER"), ("raw_bytes", "INTEGER"),
    ])
  /// How many rows each of the other tables has; written last.
  static let manifest = SegmentTable(name: "manifest", columns: [("table_name", "TEXT"), ("row_count", "INTEGER")])

  /// All but `manifest`, in the order in which that names them, by the version of the format.
  static func counted(_ version: Int64) -> [SegmentTable] {
    version == 1
      ? [
        meta, blocks, blockData, longTraces, indexChunks, filters, labels, sources, edges, failures, unresolved, healed,
        uncorrelated, chunkBounds,
      ]
      : [
        meta, headTape, dataTape, zones, longTraces, indexChunks, filters, labels, sources, kinds, dictionaries,
        sketches, failureCounts, uncounted, failures, edges, unresolved, healed, uncorrelated, chunkBounds,
      ]
  }

  static func chunked(_ version: Int64) -> [SegmentTable] {
    version == 1
      ? [edges, failures, unresolved, healed, uncorrelated]
      : [zones, sketches, uncounted, failures, edges, unresolved, healed, uncorrelated]
  }

  static func all(_ version: Int64) -> [SegmentTable] { counted(version) + [manifest] }

  static func chunks<Row: ChunkRow>(_ type: Row.Type) -> SegmentTable {
    SegmentTable(name: Row.table, columns: [("columns", "BLOB")])
  }
}

/// A column of a row that carries a checksum.
enum RowValue: Equatable {
  case integer(Int64)
  case text([UInt8])
  case blob([UInt8])
  case null

  static func text(_ text: String) -> RowValue { .text(Array(text.utf8)) }
  /// SQLite's integers are signed.
  static func bits(_ bits: UInt64) -> RowValue { .integer(Int64(bitPattern: bits)) }
  static func count(_ count: Int) -> RowValue { .integer(Int64(count)) }

  var integer: Int64? { if case .integer(let value) = self { value } else { nil } }
  var blob: [UInt8]? { if case .blob(let value) = self { value } else { nil } }
  var textBytes: [UInt8]? { if case .text(let value) = self { value } else { nil } }
  var text: String? { textBytes.map { String(decoding: $0, as: UTF8.self) } }
}

extension RowChecksum {
  mutating func add(_ value: RowValue) {
    switch value {
    case .integer(let integer): add(integer)
    case .text(let bytes): unsafe bytes.withRawBytes { unsafe add(text: $0) }
    case .blob(let bytes): unsafe bytes.withRawBytes { unsafe add($0) }
    case .null: addNull()
    }
  }
}

/// Fills one table, numbering its rows from 1.
final class RowInserter {
  private let table: SegmentTable
  private let statement: Statement
  private(set) var rowCount = 0

  init(_ connection: Connection, _ table: SegmentTable) throws(StoreError) {
    self.table = table
    statement = try connection.prepare(table.insertSQL)
  }

  /// - Parameter values: all columns but key and checksum.
  func insert(_ values: [RowValue]) throws(StoreError) {
    precondition(values.count == table.columns.count, "a row has all its columns")
    rowCount += 1
    var checksum = RowChecksum(table: table.name)
    checksum.add(rowCount)
    try statement.bind(1, rowCount)
    for (index, value) in values.enumerated() {
      checksum.add(value)
      let place = Int32(index + 2)
      switch value {
      case .integer(let integer): try statement.bind(place, integer)
      case .text(let bytes): try statement.bind(place, text: bytes)
      case .blob(let bytes): try statement.bind(place, bytes)
      case .null: try statement.bindNull(place)
      }
    }
    if table.hasChecksum { try statement.bind(Int32(values.count + 2), Int64(checksum.value)) }
    try statement.run()
  }
}
