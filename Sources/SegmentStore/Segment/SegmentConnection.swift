import Platform
import TraceStore

/// One connection to a segment file with its prepared statements. Used by one thread at a time.
final class SegmentConnection: @unchecked Sendable {
  // `@unchecked Sendable`: `ConnectionPool` lends it to one thread at a time.
  let name: String
  private let connection: Connection
  private var blockStatement: Statement?
  private var chunkStatement: Statement?
  private var headStatement: Statement?
  private var dataStatement: Statement?

  init(path: String, name: String, files: any FileSystem) throws(StoreError) {
    self.name = name
    connection = try Connection(path, .immutable, cacheBytes: 96 << 10, files: files)
  }

  func pragma(_ name: String) throws(StoreError) -> Int64 {
    try connection.integer("PRAGMA \(name)") ?? 0
  }

  func prepare(_ sql: String) throws(StoreError) -> Statement { try connection.prepare(sql) }

  /// What SQLite finds wrong with its pages, and tables that are not as they were created; at most 20.
  func structureProblems() throws(StoreError) -> [String] {
    var found: [String] = []
    let schema = try prepare("SELECT sql FROM sqlite_schema ORDER BY rowid")
    let version = try pragma("user_version") >> 16
    var expected = SegmentTable.all(version).map(\.createSQL)[...]
    let isNewer = try pragma("user_version") & 0xffff > SegmentFormat.writeVersion
    while try schema.step() {
      if isNewer && expected.isEmpty { break }
      if expected.popFirst() != schema.text(0) { found.append("a table is not as it was created") }
      if found.count >= 10 { return found }
    }
    if !expected.isEmpty { found.append("tables are missing") }
    schema.reset()
    let check = try prepare("PRAGMA integrity_check(10)")
    while try check.step() {
      let line = check.text(0)
      if line != "ok" { found.append(line) }
    }
    return found
  }

  /// The stored bytes of a block.
  func block(_ number: Int) throws(StoreError) -> [UInt8] {
    if blockStatement == nil { blockStatement = try prepare("SELECT block FROM block_data WHERE id=?") }
    guard let statement = blockStatement else { preconditionFailure("just prepared") }
    try statement.bind(1, number)
    guard try statement.step() else { throw SegmentReader.damage(name, "block \(number)", "the row is missing") }
    let bytes = statement.blob(0)
    statement.reset()
    return bytes
  }

  /// Reads a stretch of a tape. `row` is emptied first.
  func readTape(
    _ table: SegmentTable, from start: Int, count: Int, rowBytes: Int, into bytes: inout [UInt8]
  ) throws(StoreError) {
    bytes.removeAll(keepingCapacity: true)
    bytes.reserveCapacity(count)
    let statement = try tapeStatement(table)
    let first = start / rowBytes + 1
    let last = (start + count - 1) / rowBytes + 1
    try statement.bind(1, first)
    try statement.bind(2, last)
    defer { statement.reset() }
    var offset = start - (first - 1) * rowBytes
    for row in first...last {
      guard try statement.step() else { throw SegmentReader.damage(name, "\(table.name) \(row)", "the row is missing") }
      let wanted = min(rowBytes - offset, count - bytes.count)
      let fits = unsafe statement.withBlob(0) { blob in
        guard blob.count >= offset + wanted, blob.count <= rowBytes else { return false }
        unsafe bytes.append(contentsOf: UnsafeRawBufferPointer(rebasing: blob[offset..<(offset + wanted)]))
        return true
      }
      guard fits else { throw SegmentReader.damage(name, "\(table.name) \(row)", "it has another length") }
      offset = 0
    }
  }

  private func tapeStatement(_ table: SegmentTable) throws(StoreError) -> Statement {
    let isHead = table.nameText == SegmentTable.headTape.nameText
    if let known = isHead ? headStatement : dataStatement { return known }
    let made = try prepare("SELECT bytes FROM \(table.name) WHERE id BETWEEN ? AND ?")
    if isHead { headStatement = made } else { dataStatement = made }
    return made
  }

  /// Calls `body` with the bytes of one chunk of the index, after checking them.
  func withIndexChunk(
    _ chunk: Int, _ body: (UnsafeRawBufferPointer) throws(CodingError) -> Void
  ) throws(StoreError) {
    if chunkStatement == nil { chunkStatement = try prepare("SELECT entries, crc FROM index_chunks WHERE id=?") }
    guard let statement = chunkStatement else { preconditionFailure("just prepared") }
    let place = "index_chunks \(chunk + 1)"
    try statement.bind(1, chunk + 1)
    guard try statement.step() else { throw SegmentReader.damage(name, place, "the row is missing") }
    defer { statement.reset() }
    var checksum = RowChecksum(table: SegmentTable.indexChunks.name)
    checksum.add(chunk + 1)
    let stored = statement.integer(1)
    unsafe try statement.withBlob(0) { (bytes) throws(StoreError) in
      unsafe checksum.add(bytes)
      guard Int64(checksum.value) == stored else {
        throw SegmentReader.damage(name, place, "the checksum does not match")
      }
      do {
        unsafe try body(bytes)
      } catch { throw SegmentReader.damage(name, place, "\(error)") }
    }
  }

  /// Calls `body` with every row of a table, in order, without key and checksum.
  ///
  /// - Parameter ignoresMore: rows behind `count` are not looked at: a newer program may have written them.
  /// - Throws: `.corrupted` if a row is missing, superfluous, or fails its checksum.
  func forEachRow(
    of table: SegmentTable, count: Int, ignoresMore: Bool = false,
    _ body: (Int, [RowValue]) throws(StoreError) -> Void
  ) throws(StoreError) {
    let columns = table.columnNames
    let statement = try prepare("SELECT \(columns.joined(separator: ",")) FROM \(table.name) ORDER BY id")
    var row = 0
    while try statement.step() {
      if ignoresMore && row == count { return }
      row += 1
      let place = "\(table.name) \(row)"
      guard row <= count else { throw SegmentReader.damage(name, place, "a row too many") }
      let id = statement.integer(0)
      guard id == Int64(row) else { throw SegmentReader.damage(name, place, "the row is missing") }
      try body(row, try checkedRow(statement, table, id: row))
    }
    if row != count { throw SegmentReader.damage(name, "\(table.name) \(row + 1)", "the row is missing") }
  }

  /// One row of a table, without key and checksum.
  func row(_ id: Int, of table: SegmentTable) throws(StoreError) -> [RowValue] {
    let statement = try prepare(table.selectRowSQL)
    try statement.bind(1, id)
    guard try statement.step() else { throw SegmentReader.damage(name, "\(table.name) \(id)", "the row is missing") }
    return try checkedRow(statement, table, id: id)
  }

  private func checkedRow(
    _ statement: Statement, _ table: SegmentTable, id: Int
  ) throws(StoreError) -> [RowValue] {
    var checksum = RowChecksum(table: table.name)
    checksum.add(id)
    var values: [RowValue] = []
    values.reserveCapacity(table.columns.count)
    for column in table.columns.indices {
      let value = statement.value(Int32(column + 1))
      if table.hasChecksum { checksum.add(value) }
      values.append(value)
    }
    if table.hasChecksum, statement.value(Int32(values.count + 1)) != .integer(Int64(checksum.value)) {
      throw SegmentReader.damage(name, "\(table.name) \(id)", "the checksum does not match")
    }
    return values
  }
}
