import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  /// Puts a damaged directory in order, so that it opens clean: damaged files go to `DIR/damaged/`, segments that are
  /// whole again come back, and a catalog that cannot be read is made from the files. Says what is missing then.
  ///
  /// Deletes nothing. Cost: reads every file.
  ///
  /// - Parameter dryRun: says what it would do, and does nothing.
  /// - Throws: `.locked` if a process has the directory open, `.notFound` if there is no store, `.inputOutput`,
  ///   `.diskFull`.
  public static func repair(_ directory: String, dryRun: Bool = false) throws(StoreError) -> RepairReport {
    let files: any FileSystem = RealFileSystem()
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
struct Repair {
  static let damagedDirectory = "damaged"

  let directory: String
  let files: any FileSystem
  var report = RepairReport()
  /// What the catalog shall say at the end; nil while it is to be kept as it is.
  private var changes: [(Catalog) throws(StoreError) -> Void] = []

  init(directory: String, files: any FileSystem, isDryRun: Bool) {
    self.directory = directory
    self.files = files
    report.isDryRun = isDryRun
  }

  func path(_ name: String) -> String { directory + "/" + name }

  mutating func run() throws(StoreError) -> RepairReport {
    var contents: CatalogContents
    if let known = try readCatalog() {
      contents = known
      for row in known.segments { try look(at: row, known) }
    } else {
      contents = try rebuildCatalog()
    }
    for first in contents.hot.sorted() { try lookAtHot(first, contents) }
    try apply()
    return report
  }

  /// Nil: it cannot be read.
  private func readCatalog() throws(StoreError) -> CatalogContents? {
    guard files.exists(path(DirectoryLayout.catalogName)) else { return nil }
    do {
      let catalog = try Catalog(path(DirectoryLayout.catalogName), create: false, files: files)
      defer { catalog.close() }
      for problem in try catalog.pageProblems() where problem != "ok" { return nil }
      return try catalog.load()
    } catch {
      guard error.code == .corrupted || error.code == .notFound else { throw error }
      return nil
    }
  }

  private mutating func change(_ body: @escaping (Catalog) throws(StoreError) -> Void) { changes.append(body) }

  /// One transaction: an interrupted repair is begun again.
  private func apply() throws(StoreError) {
    if report.isDryRun || changes.isEmpty { return }
    let catalog = try Catalog(path(DirectoryLayout.catalogName), create: true, files: files)
    defer { catalog.close() }
    try catalog.transaction { () throws(StoreError) in
      for change in changes { try change(catalog) }
    }
  }

  // MARK: Segments

  private mutating func look(at row: CatalogSegment, _ contents: CatalogContents) throws(StoreError) {
    if !files.exists(path(row.name)), files.exists(path(Self.damagedDirectory + "/" + row.name)) {
      return try lookAtMoved(row, contents)
    }
    guard files.exists(path(row.name)) else {
      try lose(row, contents, reason: row.reason.isEmpty ? "the file is missing" : row.reason, isThere: false)
      return
    }
    let problems = try problems(path(row.name), row)
    if let problem = problems.first {
      try lose(row, contents, reason: problem, isThere: true)
      return
    }
    report.segmentCount += 1
    if row.state == .quarantined { restore(row) }
  }

  /// A segment that an earlier repair moved: it may have been mended where it lies.
  private mutating func lookAtMoved(_ row: CatalogSegment, _ contents: CatalogContents) throws(StoreError) {
    let moved = path(Self.damagedDirectory + "/" + row.name)
    guard try problems(moved, row).isEmpty else {
      // Known, and told when it was moved.
      report.missing.append(missing(row, contents, reason: row.reason, readable: moved))
      return
    }
    if !report.isDryRun {
      try mapping { () throws(FileError) in try files.renameDurably(moved, to: path(row.name)) }
    }
    report.segmentCount += 1
    restore(row)
  }

  private mutating func restore(_ row: CatalogSegment) {
    report.restoredSegments.append(row.name)
    var live = row
    live.state = .live
    live.reason = ""
    let restored = live
    change { (catalog) throws(StoreError) in try catalog.put(restored) }
  }

  private func problems(_ path: String, _ row: CatalogSegment) throws(StoreError) -> [String] {
    let found = try SegmentVerifier.verify(path: path, files: files).map(\.description)
    if !found.isEmpty { return found }
    let descriptor = try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 0), files: files).descriptor
    if descriptor.eventCount != row.eventCount || descriptor.reportCount != row.reportCount
      || descriptor.firstOrdinal < row.firstOrdinal || descriptor.lastOrdinal > row.lastOrdinal
    {
      return ["it is not the segment that the catalog describes"]
    }
    return []
  }

  private mutating func lose(
    _ row: CatalogSegment, _ contents: CatalogContents, reason: String, isThere: Bool
  ) throws(StoreError) {
    report.missing.append(missing(row, contents, reason: reason, readable: isThere ? path(row.name) : nil))
    if isThere { try setAside(row.name) }
    var aside = row
    aside.state = .quarantined
    aside.reason = reason
    let changed = aside
    if changed != row { change { (catalog) throws(StoreError) in try catalog.put(changed) } }
  }

  private func missing(
    _ row: CatalogSegment, _ contents: CatalogContents, reason: String, readable: String?
  ) -> RepairReport.Missing {
    var missing = RepairReport.Missing(
      file: row.name, reason: reason, firstOrdinal: row.firstOrdinal, lastOrdinal: row.lastOrdinal,
      eventCount: row.eventCount)
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

  /// Moves a file, and what SQLite has beside it, out of the way; whatever has its name there stays.
  mutating func setAside(_ name: String) throws(StoreError) {
    for file in DirectoryLayout.withCompanions(name) where files.exists(path(file)) {
      let target = freeName(file)
      report.movedFiles.append(target)
      if report.isDryRun { continue }
      try mapping { () throws(FileError) in
        try files.makeDirectory(path(Self.damagedDirectory))
        try files.renameDurably(path(file), to: path(target))
        try files.syncDirectory(directory)
      }
    }
  }

  private func freeName(_ file: String) -> String {
    let wanted = Self.damagedDirectory + "/" + file
    if !files.exists(path(wanted)) { return wanted }
    for number in 1... where !files.exists(path("\(wanted).\(number)")) { return "\(wanted).\(number)" }
    return wanted
  }

  /// Copies a file, and what SQLite has beside it, before it is changed.
  mutating func copyAside(_ name: String) throws(StoreError) {
    for file in DirectoryLayout.withCompanions(name) where files.exists(path(file)) {
      let target = freeName(file)
      report.movedFiles.append(target)
      if report.isDryRun { continue }
      try mapping { () throws(FileError) in
        try files.makeDirectory(path(Self.damagedDirectory))
        try copy(path(file), to: path(target))
        try files.syncDirectory(path(Self.damagedDirectory))
      }
    }
  }

  private func copy(_ path: String, to target: String) throws(FileError) {
    let from = try files.open(path, .reading)
    defer { from.close() }
    let to = try files.open(target, .creating)
    defer { to.close() }
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while true {
      let count = unsafe try buffer.withUnsafeMutableBufferPointer { (typed) throws(FileError) -> Int in
        unsafe try from.read(into: UnsafeMutableRawBufferPointer(typed), at: offset)
      }
      if count == 0 { break }
      try to.write(Array(buffer[..<count]), at: offset)
      offset += count
    }
    try to.sync()
  }

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
