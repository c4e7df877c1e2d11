import EventModel
import Platform
import TraceStore

/// One row of the catalog's `segments`.
struct CatalogSegment: Hashable, Sendable {
  enum State: String, Sendable { case live, quarantined }

  var name: String
  var state: State
  var firstOrdinal: Int64
  var lastOrdinal: Int64
  var eventCount: Int
  var reportCount: Int
  /// Traces whose first event is in this segment: their sum over all segments is the number of traces.
  var startedTraceCount: Int
  var rawBytes: Int
  var fileBytes: Int
  var firstCreated: Timestamp
  var lastCreated: Timestamp
  var firstStored: Timestamp
  var lastStored: Timestamp
  /// Why it is quarantined; "" while it is live.
  var reason: String

  /// The catalog that described it was lost, and its file could not be read: nothing but its name is known.
  var isOnlyNamed: Bool { eventCount == 0 && reportCount == 0 }
}

/// An event whose trace changed after it was sealed (or while it was being sealed).
struct LateAssignment: Hashable, Sendable {
  var ordinal: Int64
  var id: Identifier
  /// Nil: it is in no trace any more.
  var trace: Identifier?
  /// The trace in which its file has it.
  var stored: Identifier?
}

/// Everything the catalog says, read in one transaction.
struct CatalogContents: Sendable {
  var sources: [(index: UInt32, name: String)] = []
  var segments: [CatalogSegment] = []
  /// First ordinals of the hot files, ascending.
  var hot: [Int64] = []
  var checkpoints: [SourceCheckpoint] = []
  var late: [LateAssignment] = []
  var voidEdges: [VoidEdge] = []
  var corrections: [FailureCorrection] = []
  var reworked: [ReworkedEvent] = []
  var dropped = DroppedEvents()
  var segmentSources: [SegmentSource] = []
  var lost: [LostRange] = []
  var flags: Set<String> = []
}

/// `catalog.db`: which files count. Always synced (`synchronous=FULL`); every row carries a checksum.
///
/// Not thread-safe: the store keeps it behind a lock.
final class Catalog {
  static let applicationID = 0x434c_4357
  static let formatVersion: Int64 = 1

  let connection: Connection

  static let schema = """
    CREATE TABLE IF NOT EXISTS meta(key TEXT PRIMARY KEY, value INTEGER NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS sources(source_index INTEGER PRIMARY KEY, name TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS segments(first_ordinal INTEGER PRIMARY KEY, last_ordinal INTEGER NOT NULL,
      name TEXT NOT NULL, state TEXT NOT NULL, event_count INTEGER NOT NULL, report_count INTEGER NOT NULL,
      started_trace_count INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, file_bytes INTEGER NOT NULL,
      first_created INTEGER NOT NULL, last_created INTEGER NOT NULL, first_stored INTEGER NOT NULL,
      last_stored INTEGER NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS hot(first_ordinal INTEGER PRIMARY KEY, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS checkpoints(source TEXT NOT NULL, sub_stream TEXT NOT NULL, major INTEGER NOT NULL,
      minor INTEGER NOT NULL, token TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(source, sub_stream)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS late(ordinal INTEGER PRIMARY KEY, id BLOB NOT NULL, id_is_uuid INTEGER NOT NULL,
      trace BLOB NOT NULL, trace_is_uuid INTEGER NOT NULL, stored_trace BLOB NOT NULL,
      stored_trace_is_uuid INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS void_edges(child_ordinal INTEGER PRIMARY KEY, before_ordinal INTEGER NOT NULL,
      crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS failure_corrections(ordinal INTEGER PRIMARY KEY, delta INTEGER NOT NULL,
      source TEXT NOT NULL, service TEXT NOT NULL, handler TEXT NOT NULL, type TEXT NOT NULL,
      created INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS reworked(ordinal INTEGER PRIMARY KEY, id_high INTEGER NOT NULL, id_low INTEGER NOT NULL,
      crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS dropped(first_ordinal INTEGER PRIMARY KEY, last_ordinal INTEGER NOT NULL,
      event_count INTEGER NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS dropped_sources(first_ordinal INTEGER NOT NULL, source_index INTEGER NOT NULL,
      last_ordinal INTEGER NOT NULL, event_count INTEGER NOT NULL, crc INTEGER NOT NULL,
      PRIMARY KEY(first_ordinal, source_index)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS segment_sources(first_ordinal INTEGER NOT NULL, source_index INTEGER NOT NULL,
      event_count INTEGER NOT NULL, raw_bytes INTEGER NOT NULL, first_major INTEGER NOT NULL,
      first_minor INTEGER NOT NULL, last_major INTEGER NOT NULL, last_minor INTEGER NOT NULL, crc INTEGER NOT NULL,
      PRIMARY KEY(first_ordinal, source_index)) WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS lost(first_ordinal INTEGER PRIMARY KEY, last_ordinal INTEGER NOT NULL,
      event_count INTEGER NOT NULL, name TEXT NOT NULL, reason TEXT NOT NULL, crc INTEGER NOT NULL);
    """

  /// - Parameters:
  ///   - create: false never writes, not even a missing table.
  ///   - mayBeNew: false: a catalog without tables has lost them.
  init(_ path: String, create: Bool, mayBeNew: Bool = true, files: any FileSystem = RealFileSystem()) throws(StoreError)
  {
    connection = try Connection(path, create ? .readWrite : .readOnly, pageBytes: 4096, files: files)
    if create {
      try connection.execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL")
    }
    let version = try connection.integer("PRAGMA user_version") ?? 0
    guard version <= Self.formatVersion else {
      throw StoreError(
        .unsupportedFormat, "\(path) has format \(version); this program knows up to \(Self.formatVersion)",
        hint: "use the Clew that wrote it, or a newer one")
    }
    // Tables are only ever added: an older catalog gets those it lacks, and an older program does not see them.
    if create {
      if version == 0 && !mayBeNew { throw SegmentStore.lostCatalog(path, "hot or sealed ones") }
      let isComplete = try wasComplete()
      if version != 0 && !isComplete { try requireFirstTables() }
      if version == 0 || !isComplete { try createTables() }
    }
    if !create && version == 0 {
      throw StoreError(
        .notFound, "\(path) holds no store yet", hint: "let `clew serve` or `clew import` write to it first")
    }
  }

  func close() { connection.close() }

  /// What SQLite finds wrong with the pages; "ok" if nothing.
  func pageProblems() throws(StoreError) -> [String] {
    var problems: [String] = []
    let rows = try connection.prepare("PRAGMA quick_check(20)")
    while try rows.step() { problems.append(rows.text(0)) }
    return problems
  }

  /// Whether it had every table that this program knows.
  private func wasComplete() throws(StoreError) -> Bool {
    guard try hasTable(CatalogRow.Meta.table) else { return false }
    let key = CatalogRow.Meta.tablesAreComplete
    return try connection.integer("SELECT count(*) FROM meta WHERE key='\(key)'") == 1
  }

  /// Rows of tables that came after the first release: a catalog may lack them.
  private static var laterRows: [any StoredRow.Type] {
    [DroppedSource.self, SegmentSource.self, LostRange.self, ReworkedEvent.self]
  }

  /// Those that every catalog had. One that is missing was lost: an empty one in its place would hide that.
  private func requireFirstTables() throws(StoreError) {
    let first: [any StoredRow.Type] = [
      CatalogRow.Meta.self, CatalogRow.Source.self, CatalogSegment.self, CatalogRow.Hot.self, SourceCheckpoint.self,
      LateAssignment.self, VoidEdge.self, FailureCorrection.self, DroppedRange.self,
    ]
    for row in first {
      let isThere = try hasTable(row.table)
      if !isThere { throw missing(table: row.table) }
    }
  }

  private func missing(table: StaticString) -> StoreError {
    StoreError(
      .corrupted, "\(connection.path): table \(table) is missing",
      hint: "run `clew repair`: it makes the catalog anew from the files")
  }

  private func hasTable(_ name: StaticString) throws(StoreError) -> Bool {
    try connection.integer("SELECT count(*) FROM sqlite_schema WHERE type='table' AND name='\(name)'") == 1
  }

  private func createTables() throws(StoreError) {
    try connection.transaction { () throws(StoreError) in
      try connection.execute(Self.schema)
      try put(CatalogRow.Meta(key: CatalogRow.Meta.tablesAreComplete, value: 1))
      try connection.execute("PRAGMA application_id=\(Self.applicationID); PRAGMA user_version=\(Self.formatVersion)")
    }
  }

  /// - Throws: `.corrupted` if a row's checksum is wrong: the catalog is small, synced, and what all else hangs on.
  func load() throws(StoreError) -> CatalogContents {
    try connection.readTransaction { () throws(StoreError) -> CatalogContents in
      try requireOwnPages()
      var contents = CatalogContents()
      contents.sources = try rows(CatalogRow.Source.self).map { ($0.index, $0.name) }
      contents.segments = try rows(CatalogSegment.self)
      contents.hot = try rows(CatalogRow.Hot.self).map { $0.first }
      contents.checkpoints = try rows(SourceCheckpoint.self)
      contents.late = try rows(LateAssignment.self)
      contents.voidEdges = try rows(VoidEdge.self)
      contents.corrections = try rows(FailureCorrection.self)
      contents.dropped.ranges = try rows(DroppedRange.self)
      contents.flags = Set(try rows(CatalogRow.Meta.self).map(\.key))
      contents.dropped.sources = try rows(DroppedSource.self)
      contents.segmentSources = try rows(SegmentSource.self)
      contents.lost = try rows(LostRange.self)
      contents.reworked = try rows(ReworkedEvent.self)
      return contents
    }
  }

  /// What SQLite keeps of tables has no checksum of ours: one that seems to begin where another one does would show its
  /// rows, or none.
  private func requireOwnPages() throws(StoreError) {
    let shared = try connection.integer(
      "SELECT count(*) - count(DISTINCT rootpage) FROM sqlite_schema WHERE rootpage > 0")
    if shared == 0 { return }
    throw StoreError(
      .corrupted, "\(connection.path): two tables begin on one page",
      hint: "run `clew repair`: it makes the catalog anew from the files")
  }

  /// Rows by their key.
  ///
  /// - Parameter condition: of SQL; "": all.
  func rows<Row: StoredRow>(_ type: Row.Type, _ condition: String = "") throws(StoreError) -> [Row] {
    var found: [Row] = []
    var problem: String?
    try forEachRow(type, condition) { row, valid in
      if valid, let row { found.append(row) } else if problem == nil { problem = "row \(found.count + 1)" }
    }
    if let problem {
      throw StoreError(
        .corrupted, "\(connection.path): table \(Row.table), \(problem) fails its checksum",
        hint: "run `clew repair`: it makes the catalog anew from the files")
    }
    return found
  }

  /// Calls `body` with every row and whether its checksum holds; none in a catalog older than the table.
  ///
  /// - Throws: `.corrupted` if a table is missing that the catalog had.
  func forEachRow<Row: StoredRow>(
    _ type: Row.Type, _ condition: String = "", _ body: (Row?, Bool) -> Void
  ) throws(StoreError) {
    guard try hasTable(Row.table) else {
      let isLater = Self.laterRows.contains { $0 == Row.self }
      let wasComplete = try wasComplete()
      if isLater && !wasComplete { return }
      throw missing(table: Row.table)
    }
    let part = condition.isEmpty ? "" : "WHERE \(condition)"
    let statement = try connection.prepare("SELECT \(Row.columns), crc FROM \(Row.table) \(part) ORDER BY 1, 2")
    while try statement.step() {
      let row = Row(statement)
      let stored = UInt32(truncatingIfNeeded: statement.integer(Row.columnCount))
      body(row, row?.checksum == stored)
    }
  }

  func put<Row: StoredRow>(_ row: Row) throws(StoreError) {
    let marks = Array(repeating: "?", count: Int(Row.columnCount) + 1).joined(separator: ",")
    let statement = try connection.prepare("INSERT OR REPLACE INTO \(Row.table)(\(Row.columns),crc) VALUES(\(marks))")
    try row.bind(statement)
    try statement.bind(Row.columnCount + 1, Int64(row.checksum))
    try statement.run()
  }

  func transaction<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R { try connection.transaction(body) }

  func removeHot(first: Int64) throws(StoreError) {
    try connection.execute("DELETE FROM hot WHERE first_ordinal=\(first)")
  }

  /// A range of `lost` is there again.
  func removeLost(first: Int64) throws(StoreError) {
    try connection.execute("DELETE FROM lost WHERE first_ordinal=\(first)")
  }

  /// What segments that were set aside may have left out has been found.
  func removeNotes(aside names: Set<String>) throws(StoreError) {
    let delete = try connection.prepare("DELETE FROM meta WHERE key=?")
    for name in names {
      try delete.bind(1, CatalogRow.Meta(wasAside: name).key)
      try delete.run()
    }
  }

  func execute(_ sql: String) throws(StoreError) { try connection.execute(sql) }

  func hasSegment(_ name: String) throws(StoreError) -> Bool {
    try rows(CatalogSegment.self).contains { $0.name == name }
  }

  /// The row of a segment and what is counted by source; what is known of its events stays.
  func removeSegmentRow(first: Int64) throws(StoreError) {
    try connection.execute("DELETE FROM segments WHERE first_ordinal=\(first)")
    try connection.execute("DELETE FROM segment_sources WHERE first_ordinal=\(first)")
  }

  func removeSegment(first: Int64, last: Int64) throws(StoreError) {
    try removeSegmentRow(first: first)
    try connection.execute("DELETE FROM late WHERE ordinal BETWEEN \(first) AND \(last)")
    try connection.execute("DELETE FROM void_edges WHERE child_ordinal BETWEEN \(first) AND \(last)")
    try connection.execute("DELETE FROM failure_corrections WHERE ordinal BETWEEN \(first) AND \(last)")
    try connection.execute("DELETE FROM reworked WHERE ordinal BETWEEN \(first) AND \(last)")
  }

  /// The tables of what was deleted are short, and written anew.
  func replace(_ dropped: DroppedEvents) throws(StoreError) {
    try connection.execute("DELETE FROM dropped; DELETE FROM dropped_sources")
    for range in dropped.ranges { try put(range) }
    for range in dropped.sources { try put(range) }
  }

  /// The file stays small: its WAL is brought in when nothing else is going on.
  func checkpoint() { try? connection.execute("PRAGMA wal_checkpoint(PASSIVE)") }
}
