import CSQLite
import TraceStore

/// One prepared statement. Parameters count from 1, columns from 0, as in SQLite.
@safe final class Statement {
  // Keeps the connection alive; `@safe`: the handle is valid until `deinit`, and nothing of it leaves but copies and
  // buffers inside closures.
  private let connection: Connection
  private let handle: OpaquePointer
  /// Rows were given since the start of this run.
  private var isUnderWay = false

  init(_ handle: OpaquePointer, _ connection: Connection) {
    unsafe self.handle = unsafe handle
    self.connection = connection
  }

  deinit { unsafe sqlite3_finalize(handle) }

  func bind(_ index: Int32, _ value: Int64) throws(StoreError) {
    try check(unsafe sqlite3_bind_int64(handle, index, value))
  }

  func bind(_ index: Int32, _ value: Int) throws(StoreError) { try bind(index, Int64(value)) }

  func bind(_ index: Int32, _ value: String) throws(StoreError) {
    var value = value
    let result = value.withUTF8 { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) { text in
        unsafe sqlite3_bind_text(handle, index, text.baseAddress ?? Self.empty, Int32(text.count), transient)
      }
    }
    try check(result)
  }

  /// Copies a text given as UTF-8, which may hold zero bytes.
  func bind(_ index: Int32, text: [UInt8]) throws(StoreError) {
    let result = unsafe text.withUnsafeBufferPointer { utf8 in
      unsafe utf8.withMemoryRebound(to: CChar.self) { text in
        unsafe sqlite3_bind_text(handle, index, text.baseAddress ?? Self.empty, Int32(text.count), transient)
      }
    }
    try check(result)
  }

  /// Copies the bytes.
  func bind(_ index: Int32, _ bytes: [UInt8]) throws(StoreError) {
    let result = unsafe bytes.withUnsafeBytes { unsafe bindCopy(index, $0) }
    try check(result)
  }

  /// Does not copy: the buffer must stay valid until the statement was reset.
  func bind(_ index: Int32, borrowing bytes: UnsafeRawBufferPointer) throws(StoreError) {
    if unsafe bytes.isEmpty { return try check(unsafe sqlite3_bind_zeroblob(handle, index, 0)) }
    try check(unsafe sqlite3_bind_blob64(handle, index, bytes.baseAddress, UInt64(bytes.count), nil))
  }

  func bind(_ index: Int32, _ value: RowValue) throws(StoreError) {
    switch value {
    case .integer(let integer): try bind(index, integer)
    case .text(let text): try bind(index, text: text)
    case .blob(let bytes): try bind(index, bytes)
    case .null: try bindNull(index)
    }
  }

  func bindNull(_ index: Int32) throws(StoreError) { try check(unsafe sqlite3_bind_null(handle, index)) }

  /// Runs to the next row.
  ///
  /// - Returns: false after the last one; the statement is then reset.
  ///
  /// A disk that refuses to read once is asked once more, as long as no row was given.
  func step() throws(StoreError) -> Bool {
    var result = unsafe sqlite3_step(handle)
    if result & 0xff == SQLITE_IOERR && !isUnderWay && !connection.isWritable {
      unsafe sqlite3_reset(handle)
      result = unsafe sqlite3_step(handle)
    }
    switch result {
    case SQLITE_ROW:
      isUnderWay = true
      return true
    case SQLITE_DONE:
      reset()
      return false
    default:
      let error = connection.error("read or write")
      reset()
      throw error
    }
  }

  /// Runs a statement that gives no rows.
  func run() throws(StoreError) { while try step() {} }

  /// Makes the statement ready for another run; its parameters stay.
  func reset() {
    isUnderWay = false
    unsafe sqlite3_reset(handle)
  }

  /// Lets go of what was bound, borrowed buffers above all.
  func clearBindings() { unsafe sqlite3_clear_bindings(handle) }

  func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }

  func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }

  /// The column as it is stored.
  func value(_ column: Int32) -> RowValue {
    switch unsafe sqlite3_column_type(handle, column) {
    case SQLITE_INTEGER: .integer(integer(column))
    case SQLITE_TEXT: .text(blob(column))
    case SQLITE_BLOB: .blob(blob(column))
    // A REAL is never written: where one is found, it is damage.
    default: .null
    }
  }

  func text(_ column: Int32) -> String { String(decoding: blob(column), as: UTF8.self) }

  func blob(_ column: Int32) -> [UInt8] {
    unsafe withBlob(column) { unsafe Array($0) }
  }

  /// The bytes of a blob or text column, in place; the buffer must not escape.
  func withBlob<R, E: Error>(_ column: Int32, _ body: (UnsafeRawBufferPointer) throws(E) -> R) throws(E) -> R {
    let start = unsafe sqlite3_column_blob(handle, column)
    let count = unsafe Int(sqlite3_column_bytes(handle, column))
    return try unsafe body(UnsafeRawBufferPointer(start: start, count: start == nil ? 0 : count))
  }

  private func bindCopy(_ index: Int32, _ bytes: UnsafeRawBufferPointer) -> Int32 {
    if unsafe bytes.isEmpty { return unsafe sqlite3_bind_zeroblob(handle, index, 0) }
    return unsafe sqlite3_bind_blob64(handle, index, bytes.baseAddress, UInt64(bytes.count), transient)
  }

  private func check(_ result: Int32) throws(StoreError) {
    if result != SQLITE_OK { throw connection.error("bind a value in") }
  }

  private var transient: sqlite3_destructor_type? { unsafe clew_sqlite_transient() }
  private static var empty: UnsafePointer<CChar> {
    // An empty string must not be bound through a null pointer, which would mean NULL.
    unsafe emptyText.withUnsafeBufferPointer { $0.baseAddress! }
  }
}

private let emptyText: StaticEmpty = StaticEmpty()

/// One zero byte that lives as long as the process. `@safe`: never freed, never written.
@safe private struct StaticEmpty: @unchecked Sendable {
  // `@unchecked Sendable`: never written after `init`.
  private let byte: UnsafeMutableBufferPointer<CChar>
  init() {
    unsafe byte = .allocate(capacity: 1)
    unsafe byte.initialize(repeating: 0)
  }
  func withUnsafeBufferPointer<R>(_ body: (UnsafeBufferPointer<CChar>) -> R) -> R {
    unsafe body(UnsafeBufferPointer(byte))
  }
}
