import EventModel
import Platform
import TraceStore

/// What lies in the directory when a store is opened, against what the catalog says: files that a crash left over, files
/// that are gone, and files that were gone and have come back.
extension SegmentStore {
  /// Removes what a crash left over, and names what is lost.
  ///
  /// - Returns: the first ordinals of the hot files that count.
  func resolveLeftovers(_ contents: CatalogContents) throws(StoreError) -> [Int64] {
    let names = try mapping { () throws(FileError) in try fileSystem.list(directory) }
    try removeLeftoverSegments(names, contents)
    var hot = try hotThatIsThere(names, contents)
    for name in names {
      guard let first = DirectoryLayout.hotFirst(name), !contents.hot.contains(first) else { continue }
      try settleUnnamedHot(name, first, contents, &hot)
    }
    return hot
  }

  /// Deletes what SQLite had beside a hot file that was sealed, which a crash left over behind the file itself. Called once
  /// the segments are open: only where its ordinals lie in one that is whole, or retention has deleted them, it is
  /// rubbish. Beside a file that is lost it stays where it is, for the day when the file is put back.
  func removeLeftoverCompanions(_ contents: CatalogContents) throws(StoreError) {
    let names = try mapping { () throws(FileError) in try fileSystem.list(directory) }
    let present = Set(names)
    for base in Set(names.compactMap(DirectoryLayout.baseOfCompanion)).subtracting(present).sorted() {
      guard let first = DirectoryLayout.hotFirst(base), !contents.hot.contains(first), !isLost(base, first) else {
        continue
      }
      let isSealed = state.segments.contains { !$0.isDamaged && $0.ordinals.contains(first) }
      guard isSealed || contents.dropped.ranges.contains(where: { $0.first <= first && first <= $0.last }) else {
        continue
      }
      log.info("store", "what a crash left of \(base), whose events are sealed, is deleted")
      try removeHotFile(base)
    }
  }

  /// Whether a hot file is lost as a whole, by its name, or by where it begins: a catalog that was made anew knows that
  /// ordinals are missing, and not whose they were. Segments on both sides of a gap may be one by now, so that it lies in
  /// the range of a segment says nothing then.
  private func isLost(_ name: String, _ first: Int64) -> Bool {
    state.lost.contains { $0.overlaps(first...first) || $0.name == name && $0.isWholeFile }
  }

  /// Segments that the catalog does not name, and temporary files.
  private func removeLeftoverSegments(_ names: [String], _ contents: CatalogContents) throws(StoreError) {
    let known = Set(contents.segments.map(\.name))
    let sealed = contents.finishedRanges
    for name in names {
      if name.contains(DirectoryLayout.temporarySuffix) {
        try mapping { () throws(FileError) in try fileSystem.remove(path(name)) }
      } else if let range = DirectoryLayout.segmentRange(name), !known.contains(name) {
        if state.lost.contains(where: { $0.name == name }) {
          log.warning("store", "\(name) was lost, and is there: `clew repair` takes it in, or says why it cannot")
          continue
        }
        // A catalog that went back in time may name a hot file that is gone: then this is all that is left of it.
        let isHot = contents.hot.contains { range.contains($0) && names.contains(DirectoryLayout.hotName(first: $0)) }
        if isHot || sealed.contains(where: { $0.overlaps(range) }) {
          log.info("store", "\(name) was not published, or has been merged; its events are in another file")
          try mapping { () throws(FileError) in try fileSystem.remove(path(name)) }
        } else {
          log.warning("store", "\(name) is no segment of this store; it is left alone")
        }
      }
    }
  }

  /// Hot files that the catalog names. SQLite takes an empty file for a new one, and its WAL for garbage; ours was synced
  /// before the catalog named it, so that an empty one is as lost as one that is missing.
  private func hotThatIsThere(_ names: [String], _ contents: CatalogContents) throws(StoreError) -> [Int64] {
    var hot: [Int64] = []
    for first in contents.hot {
      let name = DirectoryLayout.hotName(first: first)
      let isThere = names.contains(name)
      if isThere, try !isEmptyFile(name) {
        hot.append(first)
        continue
      }
      let reason = isThere ? LostRange.empty : LostRange.missing
      log.error("store", "\(name): \(reason), its events are lost")
      var known = contents
      known.lost = state.lost
      let ranges = LostRange.endOfHot(name, from: first, known: known, reason: reason)
      try withCatalog { (catalog) throws(StoreError) in
        try catalog.transaction { () throws(StoreError) in
          // From now on answers name what it held, and its ordinals are not given again.
          for range in ranges { try catalog.put(range) }
          try catalog.removeHot(first: first)
        }
      }
      state.lost += ranges
      if isThere { try moveAside(name) }
    }
    return hot
  }

  private func isEmptyFile(_ name: String) throws(StoreError) -> Bool {
    try mapping { () throws(FileError) in try fileSystem.status(path(name)).size } < HotFile.headerBytes
  }

  /// What SQLite has beside an empty file may be all that is left: SQLite itself would delete it.
  private func moveAside(_ name: String) throws(StoreError) {
    try DamagedFiles(directory: directory, files: fileSystem).moveAside(name)
    log.warning("store", "\(name) holds no events, and is moved to \(DamagedFiles.directoryName)/")
  }

  private func removeHotFile(_ name: String) throws(StoreError) {
    try mapping { () throws(FileError) in try DirectoryLayout.removeDatabase(path(name), fileSystem) }
  }

  /// A hot file that the catalog does not name: one that was sealed or never written to, which goes; or one that was
  /// lost, and has come back.
  private func settleUnnamedHot(
    _ name: String, _ first: Int64, _ contents: CatalogContents, _ hot: inout [Int64]
  ) throws(StoreError) {
    let sealed = contents.finishedRanges
    let lost = state.lost.filter { $0.name == name }
    if lost.isEmpty && isLost(name, first) {
      return log.warning("store", "\(name) may hold events that are lost; it is left alone: docs/OPERATIONS.md")
    }
    if lost.isEmpty && sealed.contains(where: { $0.contains(first) }) { return try removeHotFile(name) }
    let rows: HotRows
    do {
      rows = try isEmptyFile(name) ? HotRows() : hotRows(name, first)
    } catch {
      guard !lost.isEmpty && error.concernsOneFile else { throw error }
      return log.warning("store", "\(name) was lost, and is there, but cannot be read; it is left alone: \(error)")
    }
    // Segments on both sides of what was lost may be one by now: that its ordinals lie in one does not mean that it is in.
    let isSettled = rows.ranges.allSatisfy { row in
      !lost.contains { $0.overlaps(row) } && sealed.contains { $0.overlaps(row) }
    }
    if isSettled && !rows.hasDamaged {
      // One that was put back without its WAL has no rows.
      return lost.contains(where: \.isWholeFile) ? try moveAside(name) : try removeHotFile(name)
    }
    if lost.isEmpty {
      if first <= state.lastOrdinal {
        return log.warning("store", "\(name) is no hot file of this store any more; it is left alone")
      }
      log.warning("store", "\(name) is not in the catalog, but holds events: it is taken in")
      try withCatalog { (catalog) throws(StoreError) in try catalog.put(CatalogRow.Hot(first: first)) }
      return hot.append(first)
    }
    let back = lost.filter { range in range.isWholeFile || rows.ranges.contains { range.overlaps($0) } }
    try takeBack(name, first, back, &hot)
  }

  /// What a hot file holds.
  private struct HotRows {
    var ranges: [ClosedRange<Int64>] = []
    /// Nobody knows which ordinals these have: what is damaged may be their keys.
    var hasDamaged = false
    var hasCheckpoints = false
  }

  private func hotRows(_ name: String, _ first: Int64) throws(StoreError) -> HotRows {
    let file = try HotFile(path(name), first: first, writable: true, cacheBytes: 0, files: fileSystem)
    var rows = HotRows()
    try unsafe file.forEachFrames { (first, count, _, isValid, _) throws(StoreError) in
      let last = first.addingReportingOverflow(Int64(max(count, 1)) - 1)
      if isValid && !last.overflow { rows.ranges.append(first...last.partialValue) } else { rows.hasDamaged = true }
    }
    let checkpoints = try file.checkpoints()
    rows.hasCheckpoints = !checkpoints.valid.isEmpty || checkpoints.damagedCount > 0
    return rows
  }

  /// A hot file that was lost counts again, unless something is stored behind it: its ordinals would lie among others,
  /// and its checkpoints were lost with it, so that a source may have sent the same events once more.
  ///
  /// - Parameter lost: what is lost no more. What `clew repair` took out of the file before stays lost.
  private func takeBack(
    _ name: String, _ first: Int64, _ lost: [LostRange], _ hot: inout [Int64]
  ) throws(StoreError) {
    var isNewest = first > state.lastOrdinal
    for other in hot where isNewest { isNewest = try !holdsAnything(other, behind: first) }
    guard isNewest else {
      return log.warning(
        "store",
        "\(name) was lost, and is back, but events behind it are stored, and some may be those that it holds, sent again; "
          + "it is left alone: docs/OPERATIONS.md says how to get at them")
    }
    log.warning("store", "\(name) was lost, and is back: it is taken in")
    let empty = hot.filter { $0 > first }
    try withCatalog { (catalog) throws(StoreError) in
      try catalog.transaction { () throws(StoreError) in
        try catalog.put(CatalogRow.Hot(first: first))
        for range in lost { try catalog.removeLost(first: range.first) }
        // They were begun behind what is lost no more.
        for other in empty { try catalog.removeHot(first: other) }
      }
    }
    state.lost.removeAll { lost.contains($0) }
    for other in empty { try removeHotFile(DirectoryLayout.hotName(first: other)) }
    hot.removeAll { $0 > first }
    hot.append(first)
  }

  /// Whether a hot file has events from an ordinal on, or, if it was begun behind it, knows how far a source was read.
  private func holdsAnything(_ other: Int64, behind first: Int64) throws(StoreError) -> Bool {
    let name = DirectoryLayout.hotName(first: other)
    let rows = try hotRows(name, other)
    if rows.hasDamaged || rows.ranges.contains(where: { $0.upperBound >= first }) { return true }
    if other < first { return false }
    return rows.hasCheckpoints
  }
}

extension CatalogContents {
  /// Ordinals of which the catalog knows what became of them: sealed, or deleted by retention.
  var finishedRanges: [ClosedRange<Int64>] {
    segments.map { $0.firstOrdinal...$0.lastOrdinal } + dropped.ranges.map { $0.first...$0.last }
  }
}
