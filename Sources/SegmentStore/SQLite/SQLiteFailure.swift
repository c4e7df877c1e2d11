import CSQLite
import TraceStore

/// Turns what SQLite says into what operators and callers need to know.
enum SQLiteFailure {
  /// The error of the last call on `database`.
  ///
  /// - Parameter isSegment: the file is sealed, and is only read.
  static func error(
    _ database: OpaquePointer?, _ path: String, _ operation: String, isSegment: Bool = false
  ) -> StoreError {
    guard let database = unsafe database else {
      return StoreError(.inputOutput, "cannot \(operation) \(path): out of memory", hint: "free some memory")
    }
    let code = unsafe sqlite3_extended_errcode(database)
    let system = unsafe sqlite3_system_errno(database)
    let text = unsafe String(cString: sqlite3_errmsg(database))
    if isSegment,
      let found = segmentError(code, system, "cannot \(operation) \(path): \(text) (SQLite \(code))", operation)
    {
      return found
    }
    return error(code: code, systemCode: system, text: text, path, operation)
  }

  /// A sealed segment is only read, without locks and journals: what SQLite finds wrong is the file, or the disk.
  ///
  /// - Returns: nil if it is neither: memory, open files or rights are short, and the file may be as good as ever.
  private static func segmentError(
    _ code: Int32, _ systemCode: Int32, _ message: String, _ operation: String
  ) -> StoreError? {
    let noMemory = SQLITE_IOERR | 12 << 8
    let refusedByDisk: Int32 = 5
    switch code & 0xff {
    case SQLITE_NOMEM, SQLITE_MISUSE, SQLITE_INTERRUPT: return nil
    case SQLITE_IOERR where code == noMemory: return nil
    case SQLITE_CANTOPEN where operation == "open" && systemCode != refusedByDisk: return nil
    case SQLITE_IOERR,
      SQLITE_CANTOPEN where operation == "open":
      return StoreError(.unreadable, message, hint: SegmentReader.unreadableHint)
    default: return StoreError(.corrupted, message, hint: SegmentReader.damageHint)
    }
  }

  static func error(
    code: Int32, systemCode: Int32, text: String, _ path: String, _ operation: String
  ) -> StoreError {
    let message = "cannot \(operation) \(path): \(text) (SQLite \(code))"
    if isDiskFull(code, systemCode) {
      return StoreError(.diskFull, message, hint: "free space on the volume; Clew goes on by itself")
    }
    switch code & 0xff {
    case SQLITE_CORRUPT, SQLITE_NOTADB, SQLITE_FORMAT,
      // Our tables and columns were there when the file was made.
      SQLITE_ERROR where text.hasPrefix("no such ") || text.hasPrefix("unsupported file format"):
      return StoreError(.corrupted, message, hint: "run `clew verify` on the directory")
    case SQLITE_BUSY, SQLITE_LOCKED:
      return StoreError(.locked, message, hint: "another process holds the file; stop it, or try again")
    case SQLITE_CANTOPEN where systemCode == 2:
      return StoreError(.notFound, message, hint: "check the path")
    case SQLITE_READONLY, SQLITE_PERM, SQLITE_CANTOPEN, SQLITE_AUTH:
      return StoreError(.inputOutput, message, hint: "check the permissions of the directory and its files")
    default:
      return StoreError(.inputOutput, message, hint: "check the disk and the system's log")
    }
  }

  /// A write that fails for want of space comes as `SQLITE_FULL`, or as an I/O error with the system's reason.
  static func isDiskFull(_ code: Int32, _ systemCode: Int32) -> Bool {
    if code & 0xff == SQLITE_FULL { return true }
    let noSpace: Int32 = 28
    let overQuota: Int32 = 122
    return code & 0xff == SQLITE_IOERR && (systemCode == noSpace || systemCode == overQuota)
  }
}
