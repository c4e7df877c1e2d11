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
    for name in segments { try take(name, salvaged[name], positions, &contents, &names) }
    contents.segments.sort { $0.firstOrdinal < $1.firstOrdinal }
    let sealed = contents.segments.map { $0.firstOrdinal...$0.lastOrdinal }
    contents.hot = all.compactMap { DirectoryLayout.hotFirst($0) }
      .filter { first in !sealed.contains { $0.contains(first) } }.sorted()
    contents.sources = names.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    try nameHotSources(&contents)
    restoreCheckpoints(&contents)
    noteGaps(&contents)
    if salvaged.isEmpty && !contents.segments.isEmpty {
      report.catalogLosses.append(
        "how many traces there are: a trace that lies in several segments is counted in each of them")
    }
    note(moved: DirectoryLayout.catalogName)
    write(contents)
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
  private mutating func take(
    _ name: String, _ known: CatalogSegment?, _ positions: [SegmentSource], _ contents: inout CatalogContents,
    _ names: inout [UInt32: String]
  ) throws(StoreError) {
    guard let range = DirectoryLayout.segmentRange(name) else { return }
    if contents.segments.contains(where: { ($0.firstOrdinal...$0.lastOrdinal).overlaps(range) }) { return }
    if let problem = try problem(name, nil) {
      if problem.isRefusal {
        throw StoreError(
          .inputOutput, "the catalog is to be made from the files, and \(problem.text)",
          hint: "check the disk, or move the file away: its events are named as lost then")
      }
      var missing = RepairReport.Missing(
        file: name, reason: problem.text, firstOrdinal: range.lowerBound, lastOrdinal: range.upperBound,
        eventCount: known?.eventCount)
      missing.sources = readableSources(path(name))
      report.missing.append(missing)
      contents.lost.append(
        LostRange(
          first: range.lowerBound, last: range.upperBound, eventCount: known?.eventCount ?? 0, name: name,
          reason: problem.text))
      return setAside(name)
    }
    let reader = try SegmentReader.open(path: path(name), cache: BlockCache(bytesMax: 0), files: files)
    for (index, source) in try reader.sources() where names[index] == nil { names[index] = source }
    let descriptor = reader.descriptor
    contents.segments.append(
      CatalogSegment(
        name: name, state: .live, firstOrdinal: range.lowerBound, lastOrdinal: range.upperBound,
        eventCount: descriptor.eventCount, reportCount: descriptor.reportCount,
        startedTraceCount: known?.startedTraceCount ?? descriptor.traceCount, rawBytes: descriptor.rawBytes,
        fileBytes: descriptor.fileBytes, firstCreated: descriptor.firstCreated, lastCreated: descriptor.lastCreated,
        firstStored: descriptor.firstStored, lastStored: descriptor.lastStored, reason: ""))
    report.segmentCount += 1
    let rows = positions.filter { $0.firstOrdinal == range.lowerBound }
    if known != nil && !rows.isEmpty {
      contents.segmentSources += rows
      return
    }
    var figures = SourceFigures()
    for zone in reader.blocks {
      try reader.forEachEvent(ofBlock: zone.number) { (event, _) -> Walk in
        figures.add(event)
        return .proceed
      }
    }
    contents.segmentSources += figures.rows(ofSegment: range.lowerBound)
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
