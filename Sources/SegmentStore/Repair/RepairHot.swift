import EventModel
import Platform
import TraceStore

/// What a hot file still gives.
private struct HotContents {
  struct Row {
    var first: Int64
    var count: Int
    var storedAt: Int64
    var frames: [UInt8]
    var crc: Int64
  }

  /// First ordinals of rows that fail their checksum.
  var invalid: [Int64] = []
  var damagedCheckpoints = 0
  /// SQLite cannot walk over all of it.
  var isBroken = false
  /// By ordinal; only where it is broken.
  var readable: [Row] = []
  var checkpoints: [SourceCheckpoint] = []
  /// First and last ordinal of each stretch that is missing; the last one may be open to the end.
  var gaps: [(first: Int64, last: Int64?)] = []
}

extension Repair {
  mutating func lookAtHot(_ first: Int64, _ contents: CatalogContents) throws(StoreError) {
    let name = DirectoryLayout.hotName(first: first)
    guard files.exists(path(name)) else {
      lose(name, LostRange.missing, from: first, through: nil, contents)
      return forgetHot(first)
    }
    report.hotFileCount += 1
    let found = try examine(name, first, contents.lost)
    if found.invalid.isEmpty && found.damagedCheckpoints == 0 && !found.isBroken { return }
    let reason =
      found.isBroken
      ? "its pages are damaged"
      : "\(found.invalid.count) batches and \(found.damagedCheckpoints) checkpoints fail their checksums"
    for gap in found.gaps { lose(name, reason, from: gap.first, through: gap.last, contents) }
    if found.isBroken { rewrite(name, first, found) } else { mend(name, found) }
  }

  /// - Parameter last: nil: to the end of what was stored, wherever that was.
  private mutating func lose(
    _ name: String, _ reason: String, from first: Int64, through last: Int64?, _ contents: CatalogContents
  ) {
    report.missing.append(
      RepairReport.Missing(file: name, reason: reason, firstOrdinal: first, lastOrdinal: last))
    if let last {
      note(lost: LostRange(first: first, last: last, eventCount: 0, name: name, reason: reason))
    } else if contents.hot.contains(where: { DirectoryLayout.hotName(first: $0) == name }) {
      // A repair that was interrupted before it moved the file noted it.
      let isMoved = files.exists(path(DamagedFiles.directoryName + "/" + name))
      if reason != LostRange.missing, !isMoved, contents.lost.contains(where: { $0.name == name && $0.first == first })
      {
        return
      }
      for range in LostRange.endOfHot(name, from: first, known: contents, reason: reason) { note(lost: range) }
    }
  }

  /// A disk that refuses to read once is asked again: what it gives then was never damaged.
  ///
  /// - Throws: what the disk, or the system, refuses twice: the file may be whole.
  private func examine(_ name: String, _ first: Int64, _ lost: [LostRange]) throws(StoreError) -> HotContents {
    for _ in 0..<2 {
      do throws(StoreError) {
        if let found = try askingTwice({ () throws(StoreError) in try look(name, first, lost) }) { return found }
      } catch {
        guard error.code == .corrupted else { throw error }
      }
    }
    for file in DirectoryLayout.withCompanions(name).prefix(2) where files.exists(path(file)) {
      if let refusal = damaged.refusal(file) { throw StoreError(refusal) }
    }
    return try salvage(name, first)
  }

  /// Nil: SQLite finds something wrong with its pages.
  private func look(_ name: String, _ first: Int64, _ lost: [LostRange]) throws(StoreError) -> HotContents? {
    var found = HotContents()
    var next = first
    var damaged = next - 1
    let file = try HotFile(path(name), first: first, writable: false, cacheBytes: 0, files: files)
    try file.forEachRow { (row) throws(StoreError) in
      if !row.isValid {
        found.invalid.append(row.chunk.first)
        let start = max(next, damaged + 1)
        damaged = DamagedRow.ordinals(key: row.chunk.first, count: row.chunk.count, next: start, lost: lost).upperBound
        return
      }
      if row.chunk.first > next { found.gaps.append((next, row.chunk.first - 1)) }
      next = max(next, row.chunk.first + Int64(row.chunk.count))
    }
    if damaged >= next { found.gaps.append((next, damaged)) }
    let checkpoints = try file.checkpoints()
    found.checkpoints = checkpoints.valid
    found.damagedCheckpoints = checkpoints.damagedCount
    let check = try Connection(path(name), .readOnly, files: files).prepare("PRAGMA quick_check(1)")
    return try check.step() && check.text(0) != "ok" ? nil : found
  }

  /// From both ends, as far as SQLite gets.
  private func salvage(_ name: String, _ first: Int64) throws(StoreError) -> HotContents {
    var found = HotContents()
    found.isBroken = true
    var rows: [Int64: HotContents.Row] = [:]
    var isWalkedOver = true
    for order in ["ASC", "DESC"] {
      do throws(StoreError) {
        // Each walk ends where SQLite gives up; not where the disk refuses once.
        try askingTwice { () throws(StoreError) in
          try forEachStoredRow(name, order) { row in
            let computed = HotFile.checksum(row.first, row.count, Timestamp(nanoseconds: row.storedAt), row.frames)
            if Int64(computed) == row.crc { rows[row.first] = row }
          }
        }
      } catch {
        guard error.code == .corrupted else { throw error }
        isWalkedOver = false
      }
    }
    found.readable = rows.values.sorted { $0.first < $1.first }
    var next = first
    for row in found.readable {
      if row.first > next { found.gaps.append((next, row.first - 1)) }
      next = max(next, row.first + Int64(row.count))
    }
    // Where both walks came to their end, nothing says that rows are missing behind the last one.
    if !isWalkedOver || found.readable.isEmpty { found.gaps.append((next, nil)) }
    let files = files
    let path = path(name)
    let checkpoints = try? askingTwice { () throws(StoreError) in
      try HotFile(path, first: first, writable: false, cacheBytes: 0, files: files).checkpoints()
    }
    found.checkpoints = checkpoints?.valid ?? []
    return found
  }

  private func forEachStoredRow(
    _ name: String, _ order: String, _ body: (HotContents.Row) -> Void
  ) throws(StoreError) {
    let walk = try Connection(path(name), .readOnly, cacheBytes: 256 << 10, files: files)
    let rows = try walk.prepare(
      "SELECT first_ordinal, event_count, stored_at, frames, crc FROM batch ORDER BY first_ordinal \(order)")
    while try rows.step() {
      body(
        HotContents.Row(
          first: rows.integer(0), count: Int(rows.integer(1)), storedAt: rows.integer(2), frames: rows.blob(3),
          crc: rows.integer(4)))
    }
  }

  /// Only rows are wrong: they are taken out, in one transaction, after the catalog has named them.
  private mutating func mend(_ name: String, _ found: HotContents) {
    note(moved: name)
    let (damaged, files) = (damaged, files)
    afterwards { () throws(StoreError) in
      try damaged.copyAside(name)
      let connection = try Connection(damaged.path(name), .readWrite, files: files)
      defer { connection.close() }
      try connection.execute("PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=FULL")
      try connection.transaction { () throws(StoreError) in
        for first in found.invalid { try connection.execute("DELETE FROM batch WHERE first_ordinal=\(first)") }
        if found.damagedCheckpoints > 0 { try Self.write(found.checkpoints, connection) }
      }
    }
  }

  private static func write(_ checkpoints: [SourceCheckpoint], _ connection: Connection) throws(StoreError) {
    try connection.execute("DELETE FROM checkpoints")
    let insert = try connection.prepare("INSERT INTO checkpoints VALUES(?,?,?,?,?,?)")
    for checkpoint in checkpoints {
      try checkpoint.bind(insert)
      try insert.bind(6, Int64(checkpoint.checksum))
      try insert.run()
    }
  }

  /// The file itself is broken: what can be read goes into a new one.
  private mutating func rewrite(_ name: String, _ first: Int64, _ found: HotContents) {
    if found.readable.isEmpty && found.checkpoints.isEmpty {
      setAside(name)
      return forgetHot(first)
    }
    note(moved: name)
    let (damaged, files) = (damaged, files)
    let temporary = name + DirectoryLayout.temporarySuffix
    afterwards { () throws(StoreError) in
      let path = damaged.path(temporary)
      try mapping { () throws(FileError) in try DirectoryLayout.removeDatabase(path, files) }
      // Made as any hot file, then filled.
      _ = try HotFile(path, first: first, writable: true, cacheBytes: 0, files: files)
      try Self.fill(path, found, files)
      try damaged.replace(name, with: temporary)
    }
  }

  private static func fill(_ path: String, _ found: HotContents, _ files: any FileSystem) throws(StoreError) {
    let connection = try Connection(path, .readWrite, files: files)
    defer { connection.close() }
    try connection.execute("PRAGMA synchronous=FULL")
    try connection.transaction { () throws(StoreError) in
      let insert = try connection.prepare("INSERT OR REPLACE INTO batch VALUES(?,?,?,?,?)")
      for row in found.readable {
        try insert.bind(1, row.first)
        try insert.bind(2, row.count)
        try insert.bind(3, row.storedAt)
        try insert.bind(4, row.frames)
        try insert.bind(5, row.crc)
        try insert.run()
      }
      try write(found.checkpoints, connection)
    }
    try connection.bringInWAL()
  }
}
