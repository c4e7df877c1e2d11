import Compression
import EventModel
import Platform
import TraceStore

/// Frames that stand in one row of a hot file.
struct HotChunk {
  var first: Int64
  var count: Int
  var bytes: [UInt8]
}

/// One hot file: rows of frames in the order of storing, and checkpoints, written in one transaction for each append.
///
/// A row is about one page, so that one event is read with one page. The WAL is not brought in: the file is deleted
/// once it is sealed. Only if very small transactions have made the WAL much larger than what it holds, it is.
final class HotFile: @unchecked Sendable {
  // `@unchecked Sendable`: `writer` belongs to the one writing thread; `reader` and `cache` are only touched inside
  // `readLock`; `retired` is set before the last reference goes.
  static let pageBytes = 32 * 1024
  /// Of a SQLite file: fewer are none.
  static let headerBytes = 100
  /// Frames of one row: with the row's header they fit a page.
  static let chunkBytes = 32_600
  static let walBytesBeforeCheckpoint = 256 << 20

  let path: String
  let first: Int64
  let files: any FileSystem
  private var writer: Connection?
  private var insert: Statement?
  private var upsert: Statement?
  private var synchronousIsFull = false
  private let readLock = Lock()
  private var reader: Connection?
  private var select: Statement?
  private var cache: ChunkCache
  private let retired = Locked(false)
  // Kept open as long as SQLite has the file open: closing any descriptor of a file drops all of the process's locks
  // on it, SQLite's included.
  private var mainFile: (any OpenFile)?

  static let schema = """
    CREATE TABLE IF NOT EXISTS batch(first_ordinal INTEGER PRIMARY KEY, event_count INTEGER NOT NULL,
      stored_at INTEGER NOT NULL, frames BLOB NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE IF NOT EXISTS checkpoints(source TEXT NOT NULL, sub_stream TEXT NOT NULL, major INTEGER NOT NULL,
      minor INTEGER NOT NULL, token TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(source, sub_stream)) WITHOUT ROWID;
    """

  /// - Parameter writable: creates the file if it is missing.
  init(
    _ path: String, first: Int64, writable: Bool, cacheBytes: Int, files: any FileSystem = RealFileSystem()
  ) throws(StoreError) {
    self.path = path
    self.files = files
    self.first = first
    cache = ChunkCache(bytesMax: cacheBytes)
    if writable {
      let writer = try Connection(path, .readWrite, pageBytes: Self.pageBytes, cacheBytes: 1 << 20, files: files)
      try writer.execute("PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL")
      if try writer.integer("PRAGMA user_version") != Catalog.formatVersion {
        try writer.execute(Self.schema)
        try writer.execute(
          "PRAGMA application_id=\(Catalog.applicationID); PRAGMA user_version=\(Catalog.formatVersion)")
      }
      insert = try writer.prepare("INSERT INTO batch VALUES(?,?,?,?,?)")
      upsert = try writer.prepare("INSERT OR REPLACE INTO checkpoints VALUES(?,?,?,?,?,?)")
      self.writer = writer
      mainFile = try mapping { () throws(FileError) in try files.open(path, .reading) }
    }
    let reader = try Connection(path, .readOnly, cacheBytes: 256 << 10, files: files)
    select = try reader.prepare("SELECT event_count, stored_at, frames, crc FROM batch WHERE first_ordinal=?")
    self.reader = reader
    try requirePresent()
  }

  /// A reader beside another process: the writer deletes a sealed file before its WAL. So what has just been opened had
  /// its WAL if the file is still there; else it may have been read without.
  private func requirePresent() throws(StoreError) {
    if writer == nil && !files.exists(path) {
      throw StoreError(.notFound, "\(path) is gone: it was sealed meanwhile", hint: "")
    }
  }

  deinit {
    insert = nil
    upsert = nil
    select = nil
    writer?.close()
    reader?.close()
    mainFile?.close()
    if retired.withLock({ $0 }) { try? DirectoryLayout.removeDatabase(path, files) }
  }

  /// The file is deleted when its last user lets go of it.
  func retire() { retired.withLock { $0 = true } }

  /// Stores rows and checkpoints in one transaction; on failure nothing of it is stored.
  ///
  /// - Parameter full: the transaction, and all before it, survive the loss of power when this returns.
  func append(_ plan: AppendPlan, storedAt: Timestamp, full: Bool) throws(StoreError) {
    guard let writer, let insert, let upsert else { throw StoreError(.closed, "\(path) is closed", hint: "") }
    if full && writer.hasFailedSync { try settleDoubt() }
    if full != synchronousIsFull {
      try writer.execute("PRAGMA synchronous=\(full ? "FULL" : "NORMAL")")
      synchronousIsFull = full
    }
    try writer.transaction { () throws(StoreError) in
      for chunk in plan.chunks {
        try unsafe Self.write(chunk.first, chunk.count, plan.bytes(of: chunk), storedAt, insert)
      }
      for checkpoint in plan.checkpoints {
        try checkpoint.bind(upsert)
        try upsert.bind(6, Int64(checkpoint.checksum))
        try upsert.run()
      }
    }
  }

  private static func write(
    _ first: Int64, _ count: Int, _ frames: UnsafeRawBufferPointer, _ storedAt: Timestamp, _ insert: Statement
  ) throws(StoreError) {
    let crc = unsafe checksum(first, count, storedAt, frames)
    try insert.bind(1, first)
    try insert.bind(2, count)
    try insert.bind(3, storedAt.nanoseconds)
    try unsafe insert.bind(4, borrowing: frames)
    try insert.bind(5, Int64(crc))
    defer {
      insert.reset()
      insert.clearBindings()
    }
    try insert.run()
  }

  static func checksum(
    _ first: Int64, _ count: Int, _ storedAt: Timestamp, _ frames: UnsafeRawBufferPointer
  ) -> UInt32 {
    var checksum = RowChecksum(table: "batch")
    checksum.add(first)
    checksum.add(count)
    checksum.add(storedAt.nanoseconds)
    unsafe checksum.add(frames)
    return checksum.value
  }

  static func checksum(_ first: Int64, _ count: Int, _ storedAt: Timestamp, _ bytes: [UInt8]) -> UInt32 {
    unsafe bytes.withUnsafeBytes { unsafe checksum(first, count, storedAt, $0) }
  }

  /// Everything appended so far survives the loss of power.
  func sync() throws(StoreError) {
    if writer?.hasFailedSync == true { try settleDoubt() }
    do {
      try syncFiles()
    } catch {
      writer?.hasFailedSync = true
      throw error
    }
  }

  /// After a sync that failed the system may take for written what is not. So everything is written once more, to where
  /// it was not before: the WAL is brought in, and begun again.
  private func settleDoubt() throws(StoreError) {
    guard let writer else { return }
    guard try writer.integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
      throw StoreError(
        .inputOutput, "\(path) could not be synced, and is being read, so that it cannot be written again",
        hint: "check the disk and the system's log")
    }
    writer.hasFailedSync = false
  }

  private func syncFiles() throws(StoreError) {
    try mapping { () throws(FileError) in
      if files.exists(path + "-wal") {
        let wal = try files.open(path + "-wal", .updating)
        try wal.sync()
        wal.close()
      }
      try mainFile?.sync()
    }
  }

  var walBytes: Int { (try? files.status(path + "-wal"))?.size ?? 0 }

  /// Brings the WAL in, so that it starts again from its beginning. A stall of some 70 ms: only for files of very
  /// small transactions.
  func checkpoint() { try? writer?.execute("PRAGMA wal_checkpoint(PASSIVE)") }

  /// How much of the file is kept in memory from now on: sealing reads events of one trace from far apart.
  func setCache(bytes: Int) { readLock.withLock { cache = ChunkCache(bytesMax: bytes) } }

  /// The frames of the row that begins with `first`, read through the cache; nil if there is no such row.
  func chunk(_ first: Int64) throws(StoreError) -> SharedBytes? {
    try readLock.withLock { () throws(StoreError) -> SharedBytes? in
      if let known = cache.find(first) { return known }
      guard let select else { throw StoreError(.closed, "\(path) is closed", hint: "") }
      try select.bind(1, first)
      defer { select.reset() }
      guard try select.step() else { return nil }
      let count = Int(select.integer(0))
      let storedAt = Timestamp(nanoseconds: select.integer(1))
      let bytes = select.blob(2)
      guard Int64(Self.checksum(first, count, storedAt, bytes)) == select.integer(3) else {
        throw StoreError(.corrupted, "\(path): batch \(first) fails its checksum", hint: "run `clew verify`")
      }
      let shared = SharedBytes(bytes)
      cache.insert(first, shared)
      return shared
    }
  }

  /// One row as it stands in the file.
  struct Row {
    var chunk: HotChunk
    var storedAt: Timestamp
    var isValid: Bool
  }

  /// Calls `body` with every row by ordinal, in one consistent view; `body` may read chunks.
  func forEachRow(_ body: (Row) throws(StoreError) -> Void) throws(StoreError) {
    unsafe try forEachFrames { (first, count, storedAt, isValid, frames) throws(StoreError) in
      let chunk = unsafe HotChunk(first: first, count: count, bytes: Array(frames))
      try body(Row(chunk: chunk, storedAt: storedAt, isValid: isValid))
    }
  }

  /// Beside a writer in another process the file may be gone by now: what is open is read. Nobody else uses it then,
  /// because a file that is only read is walked over before it is shown to anybody.
  private func walkConnection() throws(StoreError) -> Connection {
    if writer == nil, let reader { return reader }
    return try Connection(path, .readOnly, cacheBytes: 256 << 10, files: files)
  }

  /// As `forEachRow`, with the frames in place: the buffer must not escape.
  func forEachFrames(
    _ body: (_ first: Int64, _ count: Int, Timestamp, _ isValid: Bool, UnsafeRawBufferPointer) throws(StoreError) ->
      Void
  ) throws(StoreError) {
    let walk = try walkConnection()
    let rows = try walk.prepare(
      "SELECT first_ordinal, event_count, stored_at, frames, crc FROM batch ORDER BY first_ordinal")
    while try rows.step() {
      let first = rows.integer(0)
      let count = Int(rows.integer(1))
      let storedAt = Timestamp(nanoseconds: rows.integer(2))
      let expected = rows.integer(4)
      try unsafe rows.withBlob(3) { (frames) throws(StoreError) in
        let computed = unsafe Int64(Self.checksum(first, count, storedAt, frames))
        try unsafe body(first, count, storedAt, computed == expected, frames)
      }
    }
  }

  /// The checkpoints of this file; rows that fail their checksum are left out and counted.
  func checkpoints() throws(StoreError) -> (valid: [SourceCheckpoint], damagedCount: Int) {
    try readLock.withLock { () throws(StoreError) -> ([SourceCheckpoint], Int) in
      guard let reader else { throw StoreError(.closed, "\(path) is closed", hint: "") }
      let rows = try reader.prepare("SELECT \(SourceCheckpoint.columns), crc FROM checkpoints ORDER BY 1, 2")
      var found: [SourceCheckpoint] = []
      var damaged = 0
      while try rows.step() {
        if let row = SourceCheckpoint(rows), Int64(row.checksum) == rows.integer(5) {
          found.append(row)
        } else {
          damaged += 1
        }
      }
      return (found, damaged)
    }
  }
}

/// Bytes that several threads read and nobody changes.
final class SharedBytes: Sendable {
  let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }
}

/// The chunks that were read last, as many as fit.
struct ChunkCache {
  private let bytesMax: Int
  private var byFirst: [Int64: (chunk: SharedBytes, stamp: UInt64)] = [:]
  private var bytes = 0
  private var stamp: UInt64 = 0

  init(bytesMax: Int) { self.bytesMax = bytesMax }

  mutating func find(_ first: Int64) -> SharedBytes? {
    stamp += 1
    guard let known = byFirst[first]?.chunk else { return nil }
    byFirst[first]?.stamp = stamp
    return known
  }

  mutating func insert(_ first: Int64, _ chunk: SharedBytes) {
    if chunk.bytes.count > bytesMax / 2 { return }
    stamp += 1
    byFirst[first] = (chunk, stamp)
    bytes += chunk.bytes.count
    if bytes > bytesMax { evict() }
  }

  /// Drops the older half at once: rare, and so no list needs to be kept in order.
  private mutating func evict() {
    let stamps = byFirst.values.map(\.stamp).sorted()
    let middle = stamps[stamps.count / 2]
    for (first, entry) in byFirst where entry.stamp <= middle {
      bytes -= entry.chunk.bytes.count
      byFirst[first] = nil
    }
  }
}
