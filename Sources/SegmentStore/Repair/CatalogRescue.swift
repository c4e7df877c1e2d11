import EventModel
import Platform
import TraceStore

extension Repair {
  /// Makes a catalog from the files, and from whatever rows of the old one can still be read.
  mutating func rebuildCatalog() throws(StoreError) -> CatalogContents {
    report.catalogWasRebuilt = true
    var contents = salvageCatalog()
    let salvaged = Dictionary(contents.segments.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
    let positions = contents.segmentSources
    contents.segments = []
    contents.segmentSources = []
    var names: [UInt32: String] = [:]
    for source in contents.sources { names[source.index] = source.name }
    let all = try mapping { () throws(FileError) in try files.list(directory) }
    // What was merged last holds what the others hold: it comes first, and what shares ordinals with it is left alone.
    let segments = all.filter { DirectoryLayout.segmentRange($0) != nil }.sorted {
      (DirectoryLayout.segmentLevel($0) ?? 0, $1) > (DirectoryLayout.segmentLevel($1) ?? 0, $0)
    }
    var damaged: [(name: String, reason: String)] = []
    for name in segments {
      if let reason = try take(name, salvaged[name], positions, &contents, &names) { damaged.append((name, reason)) }
    }
    contents.lost.removeAll { range in contents.segments.contains { $0.name == range.name } }
    let sealed = contents.segments.map { $0.firstOrdinal...$0.lastOrdinal }
    contents.hot = all.compactMap { DirectoryLayout.hotFirst($0) }
      .filter { first in !sealed.contains { $0.contains(first) } }
      // One that was lost, and is there again: the next start decides what becomes of it.
      .filter { first in
        !contents.lost.contains { $0.isWholeFile && $0.name == DirectoryLayout.hotName(first: first) }
      }.sorted()
    contents.sources = names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    try nameHotSources(&contents)
    restoreCheckpoints(&contents)
    for (name, reason) in damaged { keep(damaged: name, reason, salvaged[name], positions, &contents) }
    var absent = salvaged.values.filter { !all.contains($0.name) }.sorted { $0.firstOrdinal < $1.firstOrdinal }
    absent += try movedSegments().filter { row in !absent.contains { $0.name == row.name } }
    let kept = absent.compactMap { keep(absent: $0, positions, &contents) }
    contents.segments.sort { $0.firstOrdinal < $1.firstOrdinal }
    noteGaps(&contents)
    if salvaged.isEmpty && !contents.segments.isEmpty {
      report.catalogLosses.append(
        "how many traces there are: a trace that lies in several segments is counted in each of them")
    }
    note(moved: DirectoryLayout.catalogName)
    write(contents)
    sourceNames = Dictionary(contents.sources.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
    for row in kept { try look(at: row, contents) }
    return contents
  }

  /// Rows that pass their checksums, table by table, as far as SQLite gets.
  private mutating func salvageCatalog() -> CatalogContents {
    var contents = CatalogContents()
    let path = path(DirectoryLayout.catalogName)
    let files = files
    let opened = try? askingTwice { () throws(StoreError) in try Catalog(path, create: false, files: files) }
    guard files.exists(path), let catalog = opened else {
      report.catalogLosses.append(
        "which events got another trace after they were stored, and which edges and failures count no more")
      return contents
    }
    defer { catalog.close() }
    func rows<Row: StoredRow>(_ type: Row.Type, _ what: String) -> [Row] {
      var found: [Row] = []
      var isWhole = true
      do {
        try askingTwice { () throws(StoreError) in
          found = []
          isWhole = true
          try catalog.forEachRow(type) { row, isValid in
            if isValid, let row { found.append(row) } else { isWhole = false }
          }
        }
      } catch { isWhole = false }
      if !isWhole { report.catalogLosses.append(what) }
      return found
    }
    contents.sources = rows(CatalogRow.Source.self, "names of sources").map { ($0.index, $0.name) }
    contents.segments = rows(CatalogSegment.self, "what was known of segments; it is taken from the files")
    contents.checkpoints = rows(SourceCheckpoint.self, "checkpoints of sources")
    contents.late = rows(LateAssignment.self, "which events got another trace after they were stored")
    contents.voidEdges = rows(VoidEdge.self, "which edges count no more")
    contents.corrections = rows(FailureCorrection.self, "which failures count no more")
    contents.dropped.ranges = rows(DroppedRange.self, "what retention deleted")
    contents.flags = Set(rows(CatalogRow.Meta.self, "facts about the store").map(\.key))
    contents.dropped.sources = rows(DroppedSource.self, "what retention deleted of single sources")
    contents.segmentSources = rows(SegmentSource.self, "what segments hold of each source; it is counted again")
    contents.lost = rows(LostRange.self, "what was lost before")
    contents.reworked = rows(ReworkedEvent.self, "which events wait for a cause otherwise than their files say")
    return contents
  }

  /// A segment file: as the old catalog described it, or by its own account.
  ///
  /// - Returns: what is wrong with it; nil if it is a part of the store, or its events are in another file.
  private mutating func take(
    _ name: String, _ known: CatalogSegment?, _ positions: [SegmentSource], _ contents: inout CatalogContents,
    _ names: inout [UInt32: String]
  ) throws(StoreError) -> String? {
    guard let range = DirectoryLayout.segmentRange(name) else { return nil }
    if contents.segments.contains(where: { ($0.firstOrdinal...$0.lastOrdinal).overlaps(range) }) { return nil }
    if let problem = try problem(name, nil) {
      if problem.isRefusal {
        throw StoreError(
          .inputOutput, "the catalog is to be made from the files, and \(problem.text)",
          hint: "check the disk, or move the file away: its events are named as lost then")
      }
      return problem.text
    }
    let rows = known == nil ? [] : positions.filter { $0.firstOrdinal == range.lowerBound }
    var found = try describe(name, at: path(name), range, countsSources: rows.isEmpty)
    if let known { found.row.startedTraceCount = known.startedTraceCount }
    for (index, source) in found.names where names[index] == nil { names[index] = source }
    contents.segments.append(found.row)
    contents.segmentSources += rows + found.sources
    report.segmentCount += 1
    return nil
  }

  /// A whole segment by its own account, and what it holds of each source.
  func describe(
    _ name: String, at path: String, _ range: ClosedRange<Int64>, countsSources: Bool = true
  ) throws(StoreError) -> (row: CatalogSegment, sources: [SegmentSource], names: [(index: UInt32, name: String)]) {
    let reader = try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 0), files: files)
    let descriptor = reader.descriptor
    let row = CatalogSegment(
      name: name, state: .live, firstOrdinal: range.lowerBound, lastOrdinal: range.upperBound,
      eventCount: descriptor.eventCount, reportCount: descriptor.reportCount,
      startedTraceCount: descriptor.traceCount, rawBytes: descriptor.rawBytes,
      fileBytes: descriptor.fileBytes, firstCreated: descriptor.firstCreated, lastCreated: descriptor.lastCreated,
      firstStored: descriptor.firstStored, lastStored: descriptor.lastStored, reason: "")
    var figures = SourceFigures()
    for zone in countsSources ? reader.blocks : [] {
      try reader.forEachEvent(ofBlock: zone.number) { (event, _) -> Walk in
        figures.add(event)
        return .proceed
      }
    }
    return (row, figures.rows(ofSegment: range.lowerBound), try reader.sources().map { ($0.0, $0.1) })
  }

  // MARK: Segments that are not whole, or not there

  /// Whether no other file holds ordinals of a range, and retention has not deleted it.
  func isFree(_ range: ClosedRange<Int64>, _ contents: CatalogContents) -> Bool {
    !contents.segments.contains { ($0.firstOrdinal...$0.lastOrdinal).overlaps(range) }
      && !contents.hot.contains { range.contains($0) }
      && !contents.dropped.ranges.contains { $0.first <= range.lowerBound && range.upperBound <= $0.last }
  }

  /// A damaged segment stays known, so that it comes back when it is mended.
  private mutating func keep(
    damaged name: String, _ reason: String, _ known: CatalogSegment?, _ positions: [SegmentSource],
    _ contents: inout CatalogContents
  ) {
    setAside(name)
    guard let range = DirectoryLayout.segmentRange(name), isFree(range, contents) else { return }
    var row = known ?? onlyNamed(name, range, at: path(name))
    row.state = .quarantined
    row.reason = reason
    contents.lost.removeAll { $0.name == name }
    contents.segments.append(row)
    contents.segmentSources += positions.filter { $0.firstOrdinal == range.lowerBound }
    report.missing.append(missing(row, contents, reason: reason, readable: path(name)))
  }

  /// What earlier repairs moved: where the catalog is gone, nothing but the names is known.
  private func movedSegments() throws(StoreError) -> [CatalogSegment] {
    let moved = DamagedFiles.directoryName
    guard files.exists(path(moved)) else { return [] }
    let names = try mapping { () throws(FileError) in try files.list(path(moved)) }
    return names.sorted().compactMap { name in
      guard let range = DirectoryLayout.segmentRange(name) else { return nil }
      var row = onlyNamed(name, range, at: path(moved + "/" + name))
      row.reason = "it was moved as damaged before"
      return row
    }
  }

  /// A segment that the old catalog knew, and whose file is elsewhere: moved by an earlier repair, or gone.
  private mutating func keep(
    absent known: CatalogSegment, _ positions: [SegmentSource], _ contents: inout CatalogContents
  ) -> CatalogSegment? {
    guard known.firstOrdinal <= known.lastOrdinal, isFree(known.firstOrdinal...known.lastOrdinal, contents) else {
      return nil
    }
    var row = known
    row.state = .quarantined
    if row.reason.isEmpty { row.reason = "the file is missing" }
    contents.lost.removeAll { $0.name == row.name }
    contents.segments.append(row)
    contents.segmentSources += positions.filter { $0.firstOrdinal == row.firstOrdinal }
    return row
  }

  /// A damaged segment that no catalog describes. When its file was written says how old its events are at least.
  func onlyNamed(_ name: String, _ range: ClosedRange<Int64>, at path: String) -> CatalogSegment {
    let none = Timestamp(nanoseconds: 0)
    let written = Timestamp(nanoseconds: (try? files.status(path))?.modifiedNanoseconds ?? 0)
    return CatalogSegment(
      name: name, state: .quarantined, firstOrdinal: range.lowerBound, lastOrdinal: range.upperBound, eventCount: 0,
      reportCount: 0, startedTraceCount: 0, rawBytes: 0, fileBytes: 0, firstCreated: none, lastCreated: none,
      firstStored: written, lastStored: written, reason: "")
  }

  /// Hot files name sources by number only.
  private mutating func nameHotSources(_ contents: inout CatalogContents) throws(StoreError) {
    var unnamed: Set<UInt32> = []
    let known = Set(contents.sources.map(\.index))
    for first in contents.hot {
      let path = path(DirectoryLayout.hotName(first: first))
      let files = files
      // As far as it can be read: the rest is lost, and needs no names.
      try? askingTwice { () throws(StoreError) in
        let file = try HotFile(path, first: first, writable: false, cacheBytes: 0, files: files)
        try file.forEachRow { row in
          guard row.isValid else { return }
          unsafe row.chunk.bytes.withUnsafeBytes { all in
            var offset = 0
            while offset < all.count,
              let event = try? unsafe EventView(validating: UnsafeRawBufferPointer(rebasing: all[offset...]))
            {
              if !known.contains(event.sourceIndex) { unnamed.insert(event.sourceIndex) }
              unsafe offset += event.bytes.count
            }
          }
        }
      }
    }
    for index in unnamed.sorted() {
      contents.sources.append((index, "source-\(index)"))
      report.catalogLosses.append("the name of source \(index), which is called source-\(index) now")
    }
  }

  /// A source whose checkpoint is gone goes on behind its last event: read again from the start, events would be there
  /// twice where positions are their identity.
  private mutating func restoreCheckpoints(_ contents: inout CatalogContents) {
    var last: [UInt32: SourcePosition] = [:]
    for row in contents.segmentSources {
      last[row.source] = max(last[row.source] ?? row.lastPosition, row.lastPosition)
    }
    for (index, name) in contents.sources {
      let isKnown = contents.checkpoints.contains { $0.source.utf8.elementsEqual(name.utf8) }
      guard !isKnown, let position = last[index], position > SourcePosition(major: 0) else { continue }
      contents.checkpoints.append(SourceCheckpoint(source: name, position: position))
      report.catalogLosses.append(
        "the checkpoint of source \(name): it goes on behind position \(position.major), its last sealed event")
    }
  }

  /// Ordinals that no file holds, before the last one that is there.
  private mutating func noteGaps(_ contents: inout CatalogContents) {
    var covered: [ClosedRange<Int64>] = contents.segments.map { $0.firstOrdinal...$0.lastOrdinal }
    covered += contents.dropped.ranges.map { $0.first...$0.last } + contents.lost.map { $0.first...$0.last }
    let hot = contents.hot.min()
    if let hot { covered.append(hot...Int64.max - 1) }
    var next: Int64 = 1
    for range in covered.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if range.lowerBound > next {
        let gap = LostRange(
          first: next, last: range.lowerBound - 1, eventCount: 0, name: "ordinals \(next) to \(range.lowerBound - 1)",
          reason: "no file holds them")
        contents.lost.append(gap)
        report.missing.append(
          RepairReport.Missing(
            file: gap.name, reason: gap.reason, firstOrdinal: gap.first, lastOrdinal: gap.last))
      }
      next = max(next, range.upperBound + 1)
    }
  }
}
