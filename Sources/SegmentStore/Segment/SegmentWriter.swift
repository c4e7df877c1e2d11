import EventModel
import Platform
import SegmentBlocks
import TraceStore

/// Writes one segment file: whole traces in any order, the events of each in the order of ordinals.
///
/// Memory: one block, the dictionaries and kinds of the segment (bounded: `BlockLimits`, `DictionaryLimits`), 12 bytes
/// for each index key (about 1.7 an event), 88 bytes a block, and what the caller gives to `finish`. Not thread-safe. The file is complete, and durable, when `finish` has returned; the caller then renames it.
/// A writer that is dropped before leaves a useless file.
final class SegmentWriter {
  private let path: String
  private let pageBytes: Int
  private let files: any FileSystem
  private let connection: Connection
  private let headTape: TapeWriter
  private let dataTape: TapeWriter
  private let blockBytes: Int
  private let encoder: BlockEncoder
  private var sketches = SketchBook()
  /// The failed events that heads show.
  private var failedEvents: [FailedEvent] = []
  /// Ordinals of children whose edges are in heads.
  private var headEdges = OrdinalBits()
  private var index = IndexBuilder()
  /// The last one is of the block that is being filled.
  private var zones: [BlockZone] = []
  private var longTraces: [SegmentTrace] = []
  private var streamsOfBlock = KeySet()

  // The open trace.
  private var isOpen = false
  private var trace: Identifier?
  private var traceMixed: UInt64 = 0
  private var current = SegmentTrace.empty
  private var lastOrdinalOfRun = Int64.min
  private var idsOfTrace = KeySet()
  private var causesOfTrace: [(mixed: UInt64, block: Int)] = []

  // Of the whole segment.
  private var total = SegmentDescriptor.empty

  /// - Parameters:
  ///   - path: a temporary name; whatever is there is replaced.
  ///   - level: of DEFLATE, 1 to 9, for heads; data is packed at level 1.
  ///   - blockBytes: frames of a block, about; see `SegmentLimits.blockRawBytesTarget`.
  init(
    path: String, level: Int = SegmentFormat.level, pageBytes: Int = SegmentFormat.pageBytes,
    blockBytes: Int = SegmentLimits.blockRawBytesTarget, files: any FileSystem = RealFileSystem()
  ) throws(StoreError) {
    self.path = path
    self.pageBytes = pageBytes
    self.files = files
    encoder = BlockEncoder(level: level)
    self.blockBytes = blockBytes
    do {
      try files.remove(path)
    } catch { throw StoreError.file(error) }
    connection = try Connection(path, .readWrite, pageBytes: pageBytes, cacheBytes: 1 << 20, files: files)
    // Nobody reads the file before it is finished and renamed, so nothing needs to be undone.
    try connection.execute("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE")
    try connection.execute("PRAGMA application_id=\(SegmentFormat.applicationID)")
    try connection.execute("PRAGMA user_version=\(SegmentFormat.userVersion)")
    try connection.execute("BEGIN")
    for table in SegmentTable.all(SegmentFormat.writeVersion) { try connection.execute(table.createSQL) }
    let rowBytes = SegmentTape.rowBytes(pageBytes: pageBytes)
    headTape = try TapeWriter(connection, .headTape, rowBytes: rowBytes)
    dataTape = try TapeWriter(connection, .dataTape, rowBytes: rowBytes)
  }

  /// Begins the events of one trace, or of none (nil; may be done several times).
  ///
  /// - Precondition: no trace is open, and this one was not written before.
  func beginTrace(_ trace: Identifier?) throws(StoreError) {
    precondition(!isOpen, "one trace at a time")
    try openBlockIfNeeded()
    isOpen = true
    self.trace = trace
    traceMixed = trace?.key.mixed ?? 0
    current = .empty
    current.firstBlock = zones.count
    beginRun(continues: false)
  }

  /// Adds the next event of the open trace.
  ///
  /// - Parameters:
  ///   - causeOrdinal: of the event that its edge goes to, if it has one. Where that is in the same run of the same
  ///     block, the edge is kept in the head, and left out of `SegmentExtras.edges` by `finish`.
  /// - Precondition: its ordinal is above that of the event before it in this trace.
  func add(
    _ event: EventView, causeOrdinal: Int64? = nil
  ) throws(StoreError) {
    precondition(isOpen, "events belong to an open trace, or to none")
    if unsafe event.bytes.count > SegmentLimits.frameBytesMax {
      throw StoreError(
        .limitExceeded, unsafe "an event of \(event.bytes.count) bytes is beyond \(SegmentLimits.frameBytesMax) bytes",
        hint: "lower the payload limit")
    }
    if encoder.frameBytes >= 2 * blockBytes || encoder.eventCount >= SegmentLimits.blockEventCountMax {
      try splitTrace()
    }
    let ordinal = event.ordinal
    precondition(ordinal > lastOrdinalOfRun, "events of a trace come in the order of ordinals")
    lastOrdinalOfRun = ordinal
    encoder.add(event, causeOrdinal: causeOrdinal ?? BlockEncoder.noCause)
    let created = event.created
    unsafe note(created, ordinal, bytes: event.bytes.count)
    if event.eventClass == .report { total.reportCount += 1 } else { total.eventCount += 1 }
    indexKeys(of: event)
  }

  private func indexKeys(of event: EventView) {
    let block = zones.count
    let id = event.idKey.mixed
    index.add(.eventID, mixed: id, block: block)
    let stream = unsafe event.stream
    if unsafe !stream.isEmpty {
      let mixed = unsafe IdentifierKey.hashing(stream).mixed
      if streamsOfBlock.insert(mixed) { index.add(.stream, mixed: mixed, block: block) }
    }
    if trace != nil { idsOfTrace.insert(id) }
    if unsafe !event.causeBytes.isEmpty { causesOfTrace.append((event.causeKey.mixed, block)) }
    // Events in no trace have no inside: their causes need not be kept until the end.
    if trace == nil && causesOfTrace.count >= 4096 { indexOutsideCauses() }
  }

  /// Ends the open trace.
  func endTrace() throws(StoreError) {
    precondition(isOpen, "a trace is open")
    encoder.endRun(goesOn: false)
    indexOutsideCauses()
    idsOfTrace.removeAll()
    isOpen = false
    if let trace, current.eventCount > 0 {
      total.traceCount += 1
      current.correlation = trace
      current.lastBlock = zones.count
      let first = current.firstBlock - 1
      zones[first].noteTrace(current)
      if current.lastBlock > current.firstBlock { longTraces.append(current) }
    }
    if encoder.frameBytes >= blockBytes { try flushBlock() }
  }

  /// Whether the edge of that child is in the head of a block that was written: it needs not be given to `finish`.
  func isInHead(_ childOrdinal: Int64) -> Bool { headEdges.contains(childOrdinal) }

  /// Writes everything that is left, syncs the file and closes it.
  ///
  /// - Precondition: at least one event was added, and no trace is open.
  func finish(_ extras: SegmentExtras) throws(StoreError) -> SegmentDescriptor {
    precondition(!isOpen && total.eventCount + total.reportCount > 0, "a segment has events")
    if encoder.eventCount > 0 { try flushBlock() }
    if zones.last?.eventCount == 0 { zones.removeLast() }
    total.name = String(path[path.index(after: path.lastIndex(of: "/") ?? path.startIndex)...])
    if !path.contains("/") { total.name = path }
    total.firstStored = extras.firstStored
    total.lastStored = extras.lastStored
    try headTape.finish()
    try dataTape.finish()
    let tables = try SegmentTail(connection)
    tables.counts[SegmentTable.headTape.nameText] = headTape.rowCount
    tables.counts[SegmentTable.dataTape.nameText] = dataTape.rowCount
    try tables.write(zones: zones, longTraces: longTraces)
    try tables.write(index: index, blockCount: zones.count)
    var extras = extras
    extras.edges.removeAll { headEdges.contains($0.childOrdinal) }
    try tables.write(
      extras: extras, encoder: encoder, sketches: sketches, failed: failedEvents)
    try tables.write(meta: total, tapeRowBytes: SegmentTape.rowBytes(pageBytes: pageBytes))
    try tables.writeManifest()
    try connection.execute("COMMIT")
    connection.close()
    do {
      let file = try files.open(path, .reading)
      try file.sync()
      total.fileBytes = try file.size()
    } catch { throw StoreError.file(error) }
    return total
  }

  // MARK: Blocks

  private func openBlockIfNeeded() throws(StoreError) {
    if let zone = zones.last, zone.eventCount == 0 || encoder.eventCount > 0 { return }
    guard zones.count < SegmentLimits.blockCountMax else {
      throw StoreError(
        .limitExceeded, "a segment has at most \(SegmentLimits.blockCountMax) blocks", hint: "seal earlier")
    }
    zones.append(BlockZone(emptyNumber: zones.count + 1))
  }

  private func beginRun(continues: Bool) {
    lastOrdinalOfRun = continues ? lastOrdinalOfRun : .min
    encoder.beginRun(trace: trace, continues: continues)
    if trace != nil { index.add(.correlation, mixed: traceMixed, block: zones.count) }
  }

  private func splitTrace() throws(StoreError) {
    encoder.endRun(goesOn: true)
    try flushBlock()
    try openBlockIfNeeded()
    beginRun(continues: true)
  }

  private func flushBlock() throws(StoreError) {
    let (headRow, dataRow, head) = encoder.finish(number: zones.count)
    streamsOfBlock.removeAll()
    let last = zones.count - 1
    zones[last].headBytes = headRow.count
    zones[last].dataBytes = dataRow.count
    zones[last].headStart = try headTape.append(headRow)
    zones[last].dataStart = try dataTape.append(dataRow)
    sketches.add(head, kinds: encoder.kinds.kinds, typeNumbers: encoder.kinds.typeNumbers) {
      failedEvents.append($0)
    }
    for event in head.edges.indices where head.edges[event] != 0 { headEdges.insert(head.ordinals[event]) }
  }

  private func note(_ created: Timestamp, _ ordinal: Int64, bytes: Int) {
    zones[zones.count - 1].note(created, ordinal, bytes: bytes)
    current.note(created)
    total.note(created, ordinal, bytes: bytes)
  }

  private func indexOutsideCauses() {
    if causesOfTrace.isEmpty { return }
    var seen = (mixed: UInt64(0), block: 0)
    for cause in causesOfTrace where trace == nil || !idsOfTrace.contains(cause.mixed) {
      // Siblings of one outside cause mostly follow each other.
      if cause == seen { continue }
      seen = cause
      index.add(.outsideCause, mixed: cause.mixed, block: cause.block)
    }
    causesOfTrace.removeAll(keepingCapacity: causesOfTrace.count <= 4096)
  }
}

/// A set of ordinals, a bit each in pages of 8 KiB: ordinals mostly come in a narrow range.
struct OrdinalBits {
  private static let pageShift: Int64 = 16
  private static let pageWords = 1 << (pageShift - 6)
  private var words: ContiguousArray<UInt64> = []
  /// Where in `words` each page begins.
  private var pages: [Int64: Int] = [:]
  private var lastPage = Int64.min
  private var lastStart = 0

  mutating func insert(_ ordinal: Int64) {
    if ordinal >> Self.pageShift != lastPage, !turn(to: ordinal >> Self.pageShift) {
      addPage(ordinal >> Self.pageShift)
    }
    words[lastStart + Self.word(ordinal)] |= Self.bit(ordinal)
  }

  /// Changes nothing but which page is looked at first.
  mutating func contains(_ ordinal: Int64) -> Bool {
    if ordinal >> Self.pageShift != lastPage, !turn(to: ordinal >> Self.pageShift) { return false }
    return words[lastStart + Self.word(ordinal)] & Self.bit(ordinal) != 0
  }

  private mutating func turn(to page: Int64) -> Bool {
    guard let known = pages[page] else { return false }
    lastPage = page
    lastStart = known
    return true
  }

  private mutating func addPage(_ page: Int64) {
    lastPage = page
    lastStart = words.count
    pages[page] = lastStart
    words.append(contentsOf: repeatElement(0, count: Self.pageWords))
  }

  private static func word(_ ordinal: Int64) -> Int { Int(ordinal & (1 << pageShift - 1)) >> 6 }
  private static func bit(_ ordinal: Int64) -> UInt64 { 1 << UInt64(ordinal & 63) }
}

extension StoreError {
  /// What the operating system refused, for operators.
  static func file(_ error: FileError) -> StoreError {
    if error.isDiskFull {
      return StoreError(.diskFull, error.description, hint: "free space on the volume; Clew goes on by itself")
    }
    if error.isNotFound { return StoreError(.notFound, error.description, hint: "check the path") }
    let hint = error.isPermission ? "check the permissions of the directory and its files" : "check the disk"
    return StoreError(.inputOutput, error.description, hint: hint)
  }
}
