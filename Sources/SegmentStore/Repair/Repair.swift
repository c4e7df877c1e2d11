import EventModel
public import Platform
public import TraceStore

extension SegmentStore {
  /// Puts a damaged directory in order, so that it opens clean: damaged files go to `DIR/damaged/`, segments that are
  /// whole again come back, and a catalog that cannot be read is made from the files. Says what is missing then.
  ///
  /// Deletes nothing. Whatever interrupts it, it may be run again, and the store may be opened. Cost: reads every file.
  ///
  /// - Parameter dryRun: says what it would do, and does nothing.
  /// - Throws: `.locked` if a process has the directory open, `.notFound` if there is no store, `.inputOutput`,
  ///   `.diskFull`.
  public static func repair(
    _ directory: String, dryRun: Bool = false, on files: any FileSystem = RealFileSystem()
  ) throws(StoreError) -> RepairReport {
    guard files.exists(directory) else {
      throw StoreError(.notFound, "\(directory) does not exist", hint: "name the directory that --data names")
    }
    let names = try mapping { () throws(FileError) in try files.list(directory) }
    let isStore = names.contains {
      $0 == DirectoryLayout.catalogName || DirectoryLayout.segmentRange($0) != nil
        || DirectoryLayout.hotFirst($0) != nil
    }
    guard isStore else {
      throw StoreError(.notFound, "\(directory) holds no store", hint: "name the directory that --data names")
    }
    let lock = try DirectoryLock(directory, files)
    defer { lock.release() }
    var repair = Repair(directory: directory, files: files, isDryRun: dryRun)
    return try repair.run()
  }
}

/// One run over a directory that nobody else has open for writing.
///
/// First it looks at everything. Then one transaction of the catalog names what is missing, and only then files are
/// changed and moved: what a crash leaves undone is found and done by the next run, and is named in answers before it.
struct Repair {
  let directory: String
  let files: any FileSystem
  let damaged: DamagedFiles
  var report = RepairReport()
  /// As the catalog numbers them.
  var sourceNames: [UInt32: String] = [:]
  /// What the catalog shall say at the end; nil while it is to be kept as it is.
  private var changes: [(Catalog) throws(StoreError) -> Void] = []
  /// What is done to files once the catalog says so.
  private var actions: [() throws(StoreError) -> Void] = []

  init(directory: String, files: any FileSystem, isDryRun: Bool) {
    self.directory = directory
    self.files = files
    damaged = DamagedFiles(directory: directory, files: files)
    report.isDryRun = isDryRun
  }

  func path(_ name: String) -> String { directory + "/" + name }

  mutating func run() throws(StoreError) -> RepairReport {
    if !report.isDryRun { try DamagedFiles.finish(directory, files) }
    var contents: CatalogContents
    if let known = try readCatalog() {
      contents = known
      sourceNames = Dictionary(known.sources.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
      for row in known.segments { try look(at: row, known) }
      for range in known.lost { try sweep(range, known) }
    } else {
      contents = try rebuildCatalog()
    }
    for first in try hotFiles(contents) { try lookAtHot(first, contents) }
    try apply()
    return report
  }

  /// Nil: it cannot be read. What the disk refuses once is asked for again.
  private func readCatalog() throws(StoreError) -> CatalogContents? {
    let catalogPath = path(DirectoryLayout.catalogName)
    guard files.exists(catalogPath) else { return nil }
    var refusal: StoreError?
    for _ in 0..<2 {
      do throws(StoreError) {
        refusal = nil
        let catalog = try Catalog(catalogPath, create: false, files: files)
        defer { catalog.close() }
        if try catalog.pageProblems().allSatisfy({ $0 == "ok" }) { return try catalog.load() }
      } catch {
        switch error.code {
        case .corrupted, .notFound: break
        case .inputOutput: refusal = error
        default: throw error
        }
      }
    }
    if let refusal { throw refusal }
    return nil
  }

  /// Those that the catalog names, and those that a repair was about to take out of it when it was interrupted.
  private func hotFiles(_ contents: CatalogContents) throws(StoreError) -> [Int64] {
    let names = try mapping { () throws(FileError) in try files.list(directory) }
    let sealed = contents.segments.map { $0.firstOrdinal...$0.lastOrdinal }
    let unnamed = names.compactMap { DirectoryLayout.hotFirst($0) }.filter { first in
      !contents.hot.contains(first) && !sealed.contains { $0.contains(first) }
    }
    return (contents.hot + unnamed).sorted()
  }

  private mutating func change(_ body: @escaping (Catalog) throws(StoreError) -> Void) { changes.append(body) }

  mutating func afterwards(_ body: @escaping () throws(StoreError) -> Void) { actions.append(body) }

  /// One transaction, and then the files.
  private func apply() throws(StoreError) {
    if report.isDryRun { return }
    if report.catalogWasRebuilt {
      try replaceCatalog()
    } else if !changes.isEmpty {
      let catalog = try Catalog(path(DirectoryLayout.catalogName), create: true, files: files)
      defer { catalog.close() }
      try catalog.transaction { () throws(StoreError) in
        for change in changes { try change(catalog) }
      }
    }
    for action in actions { try action() }
  }

  private func replaceCatalog() throws(StoreError) {
    let temporary = DirectoryLayout.catalogName + DirectoryLayout.temporarySuffix
    try mapping { () throws(FileError) in try DirectoryLayout.removeDatabase(path(temporary), files) }
    let catalog = try Catalog(path(temporary), create: true, files: files)
    defer { catalog.close() }
    try catalog.transaction { () throws(StoreError) in
      for change in changes { try change(catalog) }
    }
    try catalog.connection.bringInWAL()
    catalog.close()
    try damaged.replace(DirectoryLayout.catalogName, with: temporary)
  }

  // MARK: Segments

  mutating func look(at row: CatalogSegment, _ contents: CatalogContents) throws(StoreError) {
    if !files.exists(path(row.name)), files.exists(path(DamagedFiles.directoryName + "/" + row.name)) {
      return try lookAtMoved(row, contents)
    }
    guard files.exists(path(row.name)) else {
      try lose(row, contents, reason: row.reason.isEmpty ? "the file is missing" : row.reason, isThere: false)
      return
    }
    if let problem = try problem(row.name, row) {
      if problem.isRefusal { return note(unreadable: row, contents, problem.text) }
      return try lose(row, contents, reason: problem.text, isThere: true)
    }
    report.segmentCount += 1
    if row.state == .quarantined { try restore(row, at: path(row.name)) }
  }

  /// A segment that an earlier repair moved: it may have been mended where it lies.
  private mutating func lookAtMoved(_ row: CatalogSegment, _ contents: CatalogContents) throws(StoreError) {
    let movedName = DamagedFiles.directoryName + "/" + row.name
    let moved = path(movedName)
    guard let problem = try problem(movedName, row) else {
      report.segmentCount += 1
      return try restore(row, at: moved)
    }
    // Known, and told when it was moved; but a repair may have been interrupted before it said so to the catalog.
    if row.state == .live { return try lose(row, contents, reason: problem.text, isThere: false) }
    report.missing.append(missing(row, contents, reason: row.reason, readable: moved))
  }

  /// - Parameter place: where its whole file is: under its name, or moved.
  private mutating func restore(_ row: CatalogSegment, at place: String) throws(StoreError) {
    report.restoredSegments.append(row.name)
    var live = row
    var sources: [SegmentSource] = []
    var names: [(index: UInt32, name: String)] = []
    if row.isOnlyNamed {
      (live, sources, names) = try describe(row.name, at: place, row.firstOrdinal...row.lastOrdinal)
    }
    live.state = .live
    live.reason = ""
    if !report.isDryRun && place != path(row.name) {
      try mapping { () throws(FileError) in try files.renameDurably(place, to: path(row.name)) }
    }
    let (restored, counted, numbered) = (live, sources, names)
    change { (catalog) throws(StoreError) in
      // The next start looks for what was missed while it was aside.
      try catalog.put(CatalogRow.Meta(wasAside: restored.name))
      try catalog.put(restored)
      for row in counted { try catalog.put(row) }
      for (index, name) in numbered { try catalog.put(CatalogRow.Source(index: index, name: name)) }
    }
  }

  /// The first thing that is wrong with a segment.
  struct Problem {
    var text: String
    /// The disk does not give its bytes, which may be as good as ever.
    var isRefusal = false
  }

  /// - Parameter row: nil: whatever it holds is right.
  /// - Returns: nil if nothing is wrong. A disk that refuses to read once is asked again.
  func problem(_ name: String, _ row: CatalogSegment?) throws(StoreError) -> Problem? {
    let first = try askingTwice { () throws(StoreError) in try problemNow(name, row) }
    guard first != nil, let second = try problemNow(name, row) else { return nil }
    guard let refusal = damaged.refusal(name) else { return Problem(text: second) }
    return Problem(text: refusal.description, isRefusal: true)
  }

  private func problemNow(_ name: String, _ row: CatalogSegment?) throws(StoreError) -> String? {
    let found = try SegmentVerifier.verify(path: path(name), files: files)
    if let problem = found.first { return problem.description }
    guard let row else { return nil }
    let reader = try SegmentReader.open(path: path(name), cache: BlockCache(bytesMax: 0), files: files)
    let descriptor = reader.descriptor
    let hasOtherCounts = descriptor.eventCount != row.eventCount || descriptor.reportCount != row.reportCount
    if hasOtherCounts && !row.isOnlyNamed || descriptor.firstOrdinal < row.firstOrdinal
      || descriptor.lastOrdinal > row.lastOrdinal
    {
      return "it is not the segment that the catalog describes"
    }
    if row.isOnlyNamed {
      for (index, source) in try reader.sources()
      where sourceNames[index].map({ !$0.utf8.elementsEqual(source.utf8) }) == true {
        return "its source \(index) is \(source), and that of the catalog is another one"
      }
    }
    return nil
  }

  /// A file that the disk refuses to read stays where it is, and what it is: it may be whole.
  private mutating func note(unreadable row: CatalogSegment, _ contents: CatalogContents, _ reason: String) {
    report.missing.append(missing(row, contents, reason: reason, readable: nil))
  }

  /// The file of what is known to be lost: it may have been put back, or mended where it was moved to, and an interrupted
  /// repair has not moved it.
  private mutating func sweep(_ range: LostRange, _ contents: CatalogContents) throws(StoreError) {
    guard let ordinals = DirectoryLayout.segmentRange(range.name),
      !contents.segments.contains(where: { $0.name == range.name })
    else { return }
    let moved = DamagedFiles.directoryName + "/" + range.name
    guard let place = [range.name, moved].first(where: { files.exists(path($0)) }) else { return }
    let row = onlyNamed(range.name, ordinals, at: path(place))
    var reason = range.reason
    if isFree(ordinals, contents) {
      guard let problem = try problem(place, row) else {
        report.segmentCount += 1
        change { (catalog) throws(StoreError) in try catalog.removeLost(first: range.first) }
        return try restore(row, at: path(place))
      }
      reason = problem.text
      if problem.isRefusal { return note(unreadable: row, contents, reason) }
    }
    if place == moved { return }
    var missing = RepairReport.Missing(
      file: range.name, reason: reason, firstOrdinal: range.first, lastOrdinal: range.last,
      eventCount: range.eventCount == 0 ? nil : range.eventCount)
    missing.sources = readableSources(path(range.name))
    report.missing.append(missing)
    setAside(range.name)
  }

  private mutating func lose(
    _ row: CatalogSegment, _ contents: CatalogContents, reason: String, isThere: Bool
  ) throws(StoreError) {
    report.missing.append(missing(row, contents, reason: reason, readable: isThere ? path(row.name) : nil))
    if isThere { setAside(row.name) }
    var aside = row
    aside.state = .quarantined
    aside.reason = reason
    let changed = aside
    if changed != row { change { (catalog) throws(StoreError) in try catalog.put(changed) } }
  }

  func missing(
    _ row: CatalogSegment, _ contents: CatalogContents, reason: String, readable: String?
  ) -> RepairReport.Missing {
    var missing = RepairReport.Missing(
      file: row.name, reason: reason, firstOrdinal: row.firstOrdinal, lastOrdinal: row.lastOrdinal,
      eventCount: row.isOnlyNamed ? nil : row.eventCount)
    let names = Dictionary(contents.sources.map { ($0.index, $0.name) }, uniquingKeysWith: { first, _ in first })
    for source in contents.segmentSources where source.firstOrdinal == row.firstOrdinal {
      missing.sources.append(
        RepairReport.Missing.Source(
          name: names[source.source] ?? "source \(source.source)", eventCount: source.eventCount,
          firstPosition: source.firstPosition, lastPosition: source.lastPosition))
    }
    // An older program did not count by source: what is readable says something.
    if missing.sources.isEmpty, let readable { missing.sources = readableSources(readable) }
    return missing
  }

  func readableSources(_ path: String) -> [RepairReport.Missing.Source] {
    var found: [String: RepairReport.Missing.Source] = [:]
    try? SegmentInspector(path: path, files: files).forEachReadableEvent(payload: false) { event in
      var source =
        found[event.source]
        ?? RepairReport.Missing.Source(
          name: event.source, eventCount: nil, firstPosition: event.position, lastPosition: event.position)
      source.firstPosition = min(source.firstPosition, event.position)
      source.lastPosition = max(source.lastPosition, event.position)
      found[event.source] = source
      return .proceed
    }
    return found.values.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
  }

  // MARK: Files

  /// Moves a file, and what SQLite has beside it, out of the way once the catalog is written.
  mutating func setAside(_ name: String) {
    note(moved: name)
    let damaged = damaged
    afterwards { () throws(StoreError) in try damaged.moveAside(name) }
  }

  /// Says where a file, and what SQLite has beside it, goes.
  mutating func note(moved name: String) { report.movedFiles += damaged.targets(name).map(\.to) }

  mutating func note(lost range: LostRange) {
    change { (catalog) throws(StoreError) in try catalog.put(range) }
  }

  mutating func forgetHot(_ first: Int64) {
    change { (catalog) throws(StoreError) in try catalog.removeHot(first: first) }
  }

  mutating func write(_ contents: CatalogContents) {
    change { (catalog) throws(StoreError) in
      for (index, name) in contents.sources { try catalog.put(CatalogRow.Source(index: index, name: name)) }
      for row in contents.segments { try catalog.put(row) }
      for row in contents.segmentSources { try catalog.put(row) }
      for first in contents.hot { try catalog.put(CatalogRow.Hot(first: first)) }
      for row in contents.checkpoints { try catalog.put(row) }
      for row in contents.late { try catalog.put(row) }
      for row in contents.voidEdges { try catalog.put(row) }
      for row in contents.corrections { try catalog.put(row) }
      for row in contents.reworked { try catalog.put(row) }
      for row in contents.lost { try catalog.put(row) }
      for flag in contents.flags { try catalog.put(CatalogRow.Meta(key: flag, value: 1)) }
      try catalog.replace(contents.dropped)
    }
  }
}
