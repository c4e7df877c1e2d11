import EventModel
public import Platform
public import TraceStore

/// What `SegmentStore.verify` found: every checksum and invariant of a directory.
public struct VerifyReport: Sendable {
  public struct Problem: Sendable, Hashable, CustomStringConvertible {
    /// Name of the file in the directory.
    public var file: String
    /// Which table and row, which block; "" for the file as a whole.
    public var place: String
    public var message: String

    public var description: String { place.isEmpty ? "\(file): \(message)" : "\(file): \(place): \(message)" }
  }

  /// At most `problemsMax`, in the order they were found; `problemsLeftOut` counts the rest.
  public private(set) var problems: [Problem] = []
  public private(set) var problemsLeftOut = 0
  public static let problemsMax = 1000

  /// Files that were read whole.
  public var segmentCount = 0
  public var hotFileCount = 0
  /// Events in them, reports counted apart.
  public var eventCount = 0
  public var reportCount = 0
  /// Files in the directory that no part of the store knows. No problem: they harm nothing.
  public var strangeFiles: [String] = []

  /// What is known to be missing, because its file was damaged and `clew repair` moved it away. No problem of what is
  /// there.
  public var setAside: [String] = []

  public var isClean: Bool { problems.isEmpty }

  mutating func note(_ file: String, _ place: String, _ message: String) {
    if problems.count < Self.problemsMax {
      problems.append(Problem(file: file, place: place, message: message))
    } else {
      problemsLeftOut += 1
    }
  }
}

extension SegmentStore {
  /// Reads every file of a directory and checks it; never writes, and works beside a running server.
  ///
  /// - Throws: `.notFound` if there is no store, `.unsupportedFormat`, `.inputOutput`; damage is a problem in the report.
  public static func verify(
    _ directory: String, on files: any FileSystem = RealFileSystem()
  ) throws(StoreError) -> VerifyReport {
    guard files.exists(directory + "/" + DirectoryLayout.catalogName) else {
      throw StoreError(.notFound, "\(directory) holds no store", hint: "name the directory that --data names")
    }
    var verifier = StoreVerifier(directory: directory, files: files)
    return try verifier.run()
  }
}

/// Looks at everything that the catalog names at one moment; what a writer deletes meanwhile is open by then.
private struct StoreVerifier {
  let directory: String
  let files: any FileSystem
  private var report = VerifyReport()

  init(directory: String, files: any FileSystem) {
    self.directory = directory
    self.files = files
  }

  func path(_ name: String) -> String { directory + "/" + name }

  mutating func run() throws(StoreError) -> VerifyReport {
    let name = DirectoryLayout.catalogName
    let catalogPath = path(name)
    let files = files
    guard
      let catalog = try attempt(
        name, { () throws(StoreError) in try Catalog(catalogPath, create: false, files: files) })
    else { return report }
    defer { catalog.close() }
    try checkPages(catalog, name)
    try checkRows(CatalogRow.Source.self, catalog)
    try checkRows(CatalogSegment.self, catalog)
    try checkRows(CatalogRow.Hot.self, catalog)
    try checkRows(SourceCheckpoint.self, catalog)
    try checkRows(LateAssignment.self, catalog)
    try checkRows(VoidEdge.self, catalog)
    try checkRows(FailureCorrection.self, catalog)
    try checkRows(DroppedRange.self, catalog)
    try checkRows(CatalogRow.Meta.self, catalog)
    try checkRows(DroppedSource.self, catalog)
    try checkRows(SegmentSource.self, catalog)
    try checkRows(LostRange.self, catalog)
    try checkRows(ReworkedEvent.self, catalog)
    let directory = directory
    let held = try attempt(name) { () throws(StoreError) in
      try HeldFiles(directory, catalog, cache: BlockCache(bytesMax: 0), hotCacheBytes: 0, files: files)
    }
    guard let held else { return report }
    for segment in held.contents.segments { try check(segment, held) }
    checkRanges(held.contents)
    for first in held.contents.hot { try checkHot(first, held) }
    try findStrangers(held.contents, catalog)
    return report
  }

  /// Damage becomes a problem, anything else goes on.
  private mutating func attempt<R>(
    _ file: String, _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R? {
    do {
      return try body()
    } catch {
      guard error.concernsOneFile else { throw error }
      report.note(file, "", error.message)
      return nil
    }
  }

  private mutating func checkPages(_ catalog: Catalog, _ name: String) throws(StoreError) {
    let found = try attempt(name) { () throws(StoreError) -> [String] in
      try catalog.pageProblems()
    }
    for problem in found ?? [] where problem != "ok" { report.note(name, "pages", problem) }
  }

  private mutating func checkRows<Row: StoredRow>(_ type: Row.Type, _ catalog: Catalog) throws(StoreError) {
    var damaged: [Int] = []
    var number = 0
    _ = try attempt(DirectoryLayout.catalogName) { () throws(StoreError) in
      try catalog.forEachRow(type) { _, isValid in
        number += 1
        if !isValid { damaged.append(number) }
      }
    }
    for row in damaged { report.note(DirectoryLayout.catalogName, "\(Row.table) \(row)", "the checksum is wrong") }
  }

  private mutating func check(_ segment: CatalogSegment, _ held: HeldFiles) throws(StoreError) {
    let name = segment.name
    let segmentPath = path(name)
    let files = files
    if segment.state == .quarantined {
      // The operator may have taken it away; a live one must be there.
      guard files.exists(segmentPath) else { return report.setAside.append("\(name): \(segment.reason)") }
      report.note(name, "", "set aside as damaged: \(segment.reason)")
    }
    // Nil: the file is not there. No value at all: it is damaged, which is noted by now.
    let opened = try attempt(name) { () throws(StoreError) -> SegmentReader? in
      if segment.state == .live { return try held.segment(name) }
      return try SegmentReader.open(path: segmentPath, cache: BlockCache(bytesMax: 0), files: files)
    }
    if case .some(.none) = opened { return report.note(name, "", "the file is missing: its events are lost") }
    report.segmentCount += 1
    guard case .some(.some(let reader)) = opened else { return }
    let descriptor = reader.descriptor
    if descriptor.fileBytes != segment.fileBytes {
      report.note(name, "", "the file has \(descriptor.fileBytes) bytes, the catalog says \(segment.fileBytes)")
    }
    for problem in try SegmentVerifier.verify(reader) { report.note(name, problem.place, problem.message) }
    report.eventCount += descriptor.eventCount
    report.reportCount += descriptor.reportCount
    if descriptor.eventCount != segment.eventCount || descriptor.reportCount != segment.reportCount {
      report.note(
        segment.name, "",
        "it holds \(descriptor.eventCount) events and \(descriptor.reportCount) reports, the catalog says "
          + "\(segment.eventCount) and \(segment.reportCount)")
    }
    if descriptor.firstOrdinal < segment.firstOrdinal || descriptor.lastOrdinal > segment.lastOrdinal {
      report.note(segment.name, "", "it holds ordinals that the catalog does not give it")
    }
  }

  /// Every ordinal up to the last sealed one belongs to one segment, or to what was deleted.
  private mutating func checkRanges(_ contents: CatalogContents) {
    let segments = contents.segments.map { ($0.firstOrdinal, $0.lastOrdinal, $0.name) }
    let all = contents.dropped.ranges.map { ($0.first, $0.last, "what was deleted") }
    let lost = contents.lost.map { ($0.first, $0.last, "what is lost") }
    for range in contents.lost { report.setAside.append("\(range.name): \(range.reason)") }
    // What was deleted between two segments lies inside the one they became.
    let dropped = (all + lost).filter { range in !segments.contains { $0.0 <= range.0 && range.1 <= $0.1 } }
    let ranges = (segments + dropped).sorted { $0.0 < $1.0 }
    for (one, next) in zip(ranges, ranges.dropFirst()) where next.0 != one.1 + 1 {
      let message = next.0 <= one.1 ? "share ordinals" : "have ordinals between them that no file holds"
      report.note(DirectoryLayout.catalogName, "segments", "\(one.2) and \(next.2) \(message)")
    }
  }

  private mutating func checkHot(_ first: Int64, _ held: HeldFiles) throws(StoreError) {
    let name = DirectoryLayout.hotName(first: first)
    let lost = held.contents.lost
    var found: [(place: String, message: String)] = []
    var (events, reports) = (0, 0)
    report.hotFileCount += 1
    _ = try attempt(name) { () throws(StoreError) in
      let file: HotFile
      do throws(StoreError) {
        file = try held.hotFile(first)
      } catch {
        guard error.code == .notFound else { throw error }
        return found.append(("", "the file is missing: its events are lost"))
      }
      var next = Int64.min
      try file.forEachRow { (row) throws(StoreError) in
        let place = "batch \(row.chunk.first)"
        if !row.isValid { return found.append((place, "the checksum is wrong")) }
        if row.chunk.first < next { found.append((place, "ordinals are there twice")) }
        let isKnown = lost.contains { $0.first <= next && row.chunk.first - 1 <= $0.last }
        if next != .min && row.chunk.first > next && !isKnown {
          found.append((place, "ordinals from \(next) on are missing"))
        }
        next = row.chunk.first + Int64(row.chunk.count)
        if let problem = Self.count(row.chunk, &events, &reports) { found.append((place, problem)) }
      }
      let damaged = try file.checkpoints().damagedCount
      if damaged > 0 { found.append(("checkpoints", "\(damaged) rows have a wrong checksum")) }
    }
    for problem in found { report.note(name, problem.place, problem.message) }
    report.eventCount += events
    report.reportCount += reports
  }

  /// Frames of a row: whole, as many as it says, with its ordinals.
  private static func count(_ chunk: HotChunk, _ events: inout Int, _ reports: inout Int) -> String? {
    unsafe chunk.bytes.withUnsafeBytes { all in
      var offset = 0
      var count = 0
      while offset < all.count {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[offset...])
        guard let event = unsafe try? EventView(validating: rest) else { return "event \(count + 1) is no whole frame" }
        if event.ordinal != chunk.first + Int64(count) { return "event \(count + 1) has the ordinal \(event.ordinal)" }
        if event.eventClass == .report { reports += 1 } else { events += 1 }
        count += 1
        unsafe offset += event.bytes.count
      }
      return count == chunk.count ? nil : "it holds \(count) events and says \(chunk.count)"
    }
  }

  private mutating func findStrangers(_ contents: CatalogContents, _ catalog: Catalog) throws(StoreError) {
    let names = try mapping { () throws(FileError) in try files.list(directory) }
    // A writer may have made and named files since.
    let now = try catalog.load()
    var known = Set((contents.segments + now.segments).map(\.name))
    known.insert(DirectoryLayout.lockName)
    let databases = (contents.hot + now.hot).map { DirectoryLayout.hotName(first: $0) } + [DirectoryLayout.catalogName]
    for name in databases { known.formUnion(DirectoryLayout.withCompanions(name)) }
    report.strangeFiles = names.filter { !known.contains($0) && files.exists(path($0)) }
  }
}
