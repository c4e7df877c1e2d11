import CSQLite
import Platform
import TraceStore

/// One connection to one SQLite file: open, execute, prepare, transaction.
///
/// Not thread-safe: its owner uses it from one thread, or inside a lock. Without mmap (a file cut short would kill
/// the process), without SECURE_DELETE (Debian turns it on, which doubles the writes), and never checkpointing a WAL
/// when it closes, because hot files are deleted whole. `@safe`: the handle is closed once, by `close`, and checked before use.
@safe final class Connection {
  enum Mode: Equatable {
    case readWrite
    /// Beside a process that may be writing.
    case readOnly
    /// A file that nobody changes any more: no locks, no look for a journal.
    case immutable
  }

  let path: String
  let isWritable: Bool
  private let isImmutable: Bool
  /// A transaction failed because the disk refused to sync: what was written before may not be on it either, whatever
  /// a later sync says.
  var hasFailedSync = false
  private static let syncFailed = SQLITE_IOERR | 4 << 8
  private static let directorySyncFailed = SQLITE_IOERR | 5 << 8
  private let files: any FileSystem
  private var database: OpaquePointer?

  /// - Parameters:
  ///   - pageBytes: page size of a file that is created; nil takes SQLite's.
  ///   - files: names the SQLite VFS that opens the file.
  init(
    _ path: String, _ mode: Mode, pageBytes: Int? = nil, cacheBytes: Int = 2 << 20,
    files: any FileSystem = RealFileSystem()
  ) throws(StoreError) {
    self.path = path
    self.files = files
    isWritable = mode == .readWrite
    isImmutable = mode == .immutable
    var flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_URI
    flags |= mode == .readWrite ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY
    let uri = Self.uri(path, immutable: mode == .immutable)
    let result = unsafe sqlite3_open_v2(uri, &database, flags, files.sqliteVFS)
    guard result == SQLITE_OK else {
      let error = unsafe SQLiteFailure.error(database, path, "open", isSegment: mode == .immutable)
      unsafe sqlite3_close_v2(database)
      unsafe database = nil
      throw error
    }
    unsafe sqlite3_extended_result_codes(database, 1)
    unsafe sqlite3_busy_timeout(database, 10_000)
    _ = unsafe clew_sqlite_db_config_int(database!, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    _ = unsafe clew_sqlite_db_config_int(database!, SQLITE_DBCONFIG_DEFENSIVE, 1)
    if let pageBytes, mode == .readWrite { try execute("PRAGMA page_size=\(pageBytes)") }
    do {
      try configure(cacheBytes)
    } catch {
      throw mode == .readOnly ? readingError(error) : error
    }
  }

  private func configure(_ cacheBytes: Int) throws(StoreError) {
    try execute("PRAGMA mmap_size=0; PRAGMA secure_delete=OFF; PRAGMA cache_size=-\(max(cacheBytes / 1024, 64))")
    try execute("PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF")
  }

  /// SQLite needs the index of a WAL (`-shm`) beside it, and makes it if it may write to the directory.
  private func readingError(_ error: StoreError) -> StoreError {
    // A writer deleted the file after it was opened here: SQLite then fails at the files beside it, by other errors.
    if !files.exists(path) {
      return StoreError(.notFound, "\(path) is gone: it was sealed, merged or deleted meanwhile", hint: "ask again")
    }
    guard error.code != .corrupted, files.exists(path + "-wal"), !files.exists(path + "-shm") else { return error }
    return StoreError(
      .inputOutput, "cannot read \(path): \(path)-shm is missing and cannot be made",
      hint: "let a user who may write to the directory open it once, or copy the directory and open the copy")
  }

  deinit { close() }

  /// Statements must be gone or reset; those that are not keep the connection alive inside SQLite until they go.
  func close() {
    if unsafe database != nil { unsafe sqlite3_close_v2(database) }
    unsafe database = nil
  }

  var isOpen: Bool { unsafe database != nil }

  /// Runs statements that give no rows, or whose rows do not matter.
  func execute(_ sql: String) throws(StoreError) {
    try requireOpen()
    guard unsafe sqlite3_exec(database, sql, nil, nil, nil) == SQLITE_OK else {
      throw error("execute `\(sql.prefix(60))` in")
    }
  }

  func prepare(_ sql: String) throws(StoreError) -> Statement {
    try requireOpen()
    var handle: OpaquePointer?
    let persistent = UInt32(SQLITE_PREPARE_PERSISTENT)
    let result = unsafe sqlite3_prepare_v3(database, sql, -1, persistent, &handle, nil)
    guard result == SQLITE_OK, let handle = unsafe handle else { throw error("prepare `\(sql.prefix(60))` in") }
    return unsafe Statement(handle, self)
  }

  /// The first column of the first row, as an integer; nil without a row.
  func integer(_ sql: String) throws(StoreError) -> Int64? {
    let statement = try prepare(sql)
    return try statement.step() ? statement.integer(0) : nil
  }

  func text(_ sql: String) throws(StoreError) -> String? {
    let statement = try prepare(sql)
    return try statement.step() ? statement.text(0) : nil
  }

  /// All of `body` or nothing: rolled back when it, or the commit, throws.
  func transaction<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    try execute("BEGIN IMMEDIATE")
    do {
      let result = try body()
      try execute("COMMIT")
      return result
    } catch {
      let code = unsafe sqlite3_extended_errcode(database)
      if code == Self.syncFailed || code == Self.directorySyncFailed { hasFailedSync = true }
      // SQLite may have rolled back by itself already (a full disk): then there is nothing to roll back.
      try? execute("ROLLBACK")
      throw error
    }
  }

  /// Everything is in the file itself, and on the disk; the WAL is empty.
  func bringInWAL() throws(StoreError) {
    guard try integer("PRAGMA wal_checkpoint(TRUNCATE)") == 0 else {
      throw StoreError(.locked, "\(path) is being read", hint: "stop what reads it, and try again")
    }
  }

  /// A consistent view over several reads.
  func readTransaction<R>(_ body: () throws(StoreError) -> R) throws(StoreError) -> R {
    try execute("BEGIN")
    defer { try? execute("COMMIT") }
    return try body()
  }

  func error(_ operation: String) -> StoreError {
    unsafe SQLiteFailure.error(database, path, operation, isSegment: isImmutable)
  }

  private func requireOpen() throws(StoreError) {
    if unsafe database == nil { throw StoreError(.closed, "\(path) is closed", hint: "") }
  }

  /// `file:` with everything escaped that has a meaning in a URI.
  static func uri(_ path: String, immutable: Bool) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes = Array("file:".utf8)
    var rest = Array(path.utf8)[...]
    // Two slashes at the start would begin a host name.
    while rest.starts(with: [0x2f, 0x2f]) { rest = rest.dropFirst() }
    for byte in rest {
      switch byte {
      case 0x25, 0x3f, 0x23, 0...0x20, 0x7f...0xff:
        bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      default: bytes.append(byte)
      }
    }
    return String(decoding: bytes, as: UTF8.self) + (immutable ? "?immutable=1" : "")
  }
}
