import TraceStore

/// A table whose rows, of one page each, hold one long sequence of bytes: blocks lie there back to back, so that no
/// page is half empty and no chain of overflow pages must be followed. FORMAT.md section 5.
enum SegmentTape {
  /// Bytes of a row that fill a page: SQLite keeps a row on its page up to page size - 35 bytes, of which 4 or 5
  /// describe the columns.
  static func rowBytes(pageBytes: Int) -> Int { pageBytes - 40 }
}

/// Writes one tape.
final class TapeWriter {
  private let statement: Statement
  private let rowBytes: Int
  private let hasPart: Bool
  private var pending: [UInt8] = []
  private(set) var rowCount = 0
  /// Bytes on the tape so far.
  private(set) var length = 0

  init(_ connection: Connection, _ table: SegmentTable, rowBytes: Int) throws(StoreError) {
    statement = try connection.prepare(table.insertSQL)
    self.rowBytes = rowBytes
    hasPart = table.columns.count == 2
    pending.reserveCapacity(rowBytes * 8)
  }

  /// - Returns: where the bytes start.
  func append(_ bytes: [UInt8]) throws(StoreError) -> Int {
    let start = length
    length += bytes.count
    pending.append(contentsOf: bytes)
    if pending.count >= rowBytes { try writeRows() }
    return start
  }

  func finish() throws(StoreError) {
    if !pending.isEmpty { try writeRow(0..<pending.count) }
    pending = []
  }

  private func writeRows() throws(StoreError) {
    var start = 0
    while pending.count - start >= rowBytes {
      try writeRow(start..<(start + rowBytes))
      start += rowBytes
    }
    pending.removeSubrange(..<start)
  }

  private func writeRow(_ range: Range<Int>) throws(StoreError) {
    rowCount += 1
    try statement.bind(1, rowCount)
    if hasPart { try statement.bind(3, 1) }
    unsafe try pending.withRawBytes { (all) throws(StoreError) in
      unsafe try statement.bind(2, borrowing: UnsafeRawBufferPointer(rebasing: all[range]))
      try statement.run()
    }
  }
}
