import EventModel
import Platform
import SegmentBlocks
import TraceStore

/// Checks everything that a segment claims: every checksum, every frame, the order of events, that every event is found
/// through every index, and all counts.
///
/// Memory: the index of the segment (about 6 bytes an event), one block, one bit for each ordinal.
struct SegmentVerifier {
  private let reader: SegmentReader
  private(set) var problems: [SegmentProblem] = []
  /// Those beyond `SegmentLimits.problemCountMax`.
  private(set) var problemsLeftOut = 0

  private var chunks: [[UInt8]?] = []
  private var seenOrdinals: OrdinalSet
  private var traceKeys = KeySet()
  private var found = SegmentDescriptor.empty

  // The trace that goes on over blocks.
  private var idsOfTrace = KeySet()
  private var causesOfTrace: [(mixed: UInt64, block: Int)] = []
  private var open: SegmentTrace?
  /// Those that span blocks, so far.
  private var longTraceCount = 0
  /// Parts of the open trace could not be read, so what is inside it is not known.
  private var openIsIncomplete = false
  private var lastOrdinalOfTrace = Int64.min

  // What heads add up to.
  private var sketches = SketchBook()
  private var sketchesAreIncomplete = false
  private var uncounted: Set<Int64> = []
  private var failureCounts: [UInt32: Int] = [:]

  /// - Returns: an empty list for a sound segment.
  /// - Throws: `.notFound`, `.inputOutput`, `.unsupportedFormat`; damage is a problem in the list.
  static func verify(
    path: String, files: any FileSystem = RealFileSystem()
  ) throws(StoreError) -> [SegmentProblem] {
    let reader: SegmentReader
    do {
      reader = try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 0), files: files)
    } catch {
      guard error.concernsOneFile else { throw error }
      return [SegmentProblem(.file, "file", error.message)]
    }
    return try verify(reader)
  }

  static func verify(_ reader: SegmentReader) throws(StoreError) -> [SegmentProblem] {
    var verifier = SegmentVerifier(reader)
    try verifier.run()
    return verifier.problems
  }

  private init(_ reader: SegmentReader) {
    self.reader = reader
    seenOrdinals = OrdinalSet(reader.descriptor.firstOrdinal...reader.descriptor.lastOrdinal)
  }

  private mutating func run() throws(StoreError) {
    try checkStructure()
    try checkRows()
    for number in 1...max(1, reader.blocks.count) where number <= reader.blocks.count { try check(block: number) }
    try checkSketches()
    checkCounts()
  }

  private mutating func note(_ kind: SegmentProblem.Kind, _ place: String, _ message: String) {
    if problems.count < SegmentLimits.problemCountMax {
      problems.append(SegmentProblem(kind, place, message))
    } else {
      problemsLeftOut += 1
    }
  }

  /// Damage becomes a problem, anything else goes on.
  private mutating func attempt<R>(
    _ kind: SegmentProblem.Kind, _ place: String, _ body: () throws(StoreError) -> R
  ) throws(StoreError) -> R? {
    do {
      return try body()
    } catch {
      guard error.concernsOneFile else { throw error }
      note(kind, place, error.message)
      return nil
    }
  }

  // MARK: Tables

  /// SQLite's own check of its pages, and that the tables are those that were written.
  private mutating func checkStructure() throws(StoreError) {
    let reader = self.reader
    let found = try attempt(.file, "schema") { () throws(StoreError) -> [String] in
      try reader.resources.withConnection { (connection) throws(StoreError) in try connection.structureProblems() }
    }
    for problem in found ?? [] { note(.file, "pages", problem) }
  }

  private mutating func checkRows() throws(StoreError) {
    let reader = self.reader
    for table in [SegmentTable.labels, .sources] + (reader.hasHeads ? [.kinds, .dictionaries, .failureCounts] : []) {
      for id in 0..<(reader.rowCounts[table.nameText] ?? 0) {
        let place = "\(table.name) \(id + 1)"
        _ = try attempt(.row, place) { () throws(StoreError) in
          try reader.resources.withConnection { (connection) throws(StoreError) in try connection.row(id + 1, of: table)
          }
        }
      }
    }
    _ = try attempt(.row, "labels") { () throws(StoreError) in try reader.labels() }
    _ = try attempt(.row, "sources") { () throws(StoreError) in try reader.sources() }
    try checkChunks(SegmentEdge.self)
    if reader.hasHeads {
      try checkChunks(BlockZone.self)
      try checkChunks(SegmentSketch.self)
      try checkChunks(UncountedFailure.self)
      let ordinals = try attempt(.row, "uncounted_failures") { () throws(StoreError) in try reader.uncountedFailures() }
      uncounted = ordinals ?? []
      _ = try attempt(.row, "dictionaries") { () throws(StoreError) in try reader.resources.tools() }
    }
    try checkChunks(SegmentFailure.self)
    try checkChunks(UnresolvedChild.self)
    try checkChunks(HealedChild.self)
    try checkChunks(UncorrelatedEvent.self)
    for chunk in 0..<reader.indexChunkCount {
      var bytes: [UInt8]?
      _ = try attempt(.index, "index_chunks \(chunk + 1)") { () throws(StoreError) in
        try reader.resources.withConnection { (connection) throws(StoreError) in
          unsafe try connection.withIndexChunk(chunk) { bytes = unsafe Array($0) }
        }
      }
      chunks.append(bytes)
    }
  }

  private mutating func checkChunks<Row: ChunkRow>(_ type: Row.Type) throws(StoreError) {
    let reader = self.reader
    for bounds in reader.chunkBounds["\(Row.table)"] ?? [] {
      let place = "\(Row.table) \(bounds.chunk)"
      let rows = try attempt(.row, place) { () throws(StoreError) in try reader.chunk(type, bounds) }
      guard let rows else { continue }
      if !zip(rows, rows.dropFirst()).allSatisfy({ $0.bound <= $1.bound }) {
        note(.order, place, "rows are not in the order of their bounds")
      }
    }
  }

  // MARK: Blocks

  private mutating func check(block number: Int) throws(StoreError) {
    let reader = self.reader
    let place = "block \(number)"
    var zone = BlockZone(emptyNumber: number)
    var decoded = try attempt(.block, place) { () throws(StoreError) in try reader.readBlock(number) }
    if let block = decoded {
      do throws(StoreError) {
        try checkEvents(of: block, &zone)
      } catch {
        guard error.concernsOneFile else { throw error }
        note(.block, place, error.message)
        decoded = nil
      }
    }
    guard let block = decoded else {
      if open != nil { openIsIncomplete = true }
      sketchesAreIncomplete = true
      return
    }
    if case .columns(let data) = block.content, let kinds = try? reader.kinds() {
      var failures: [FailedEvent] = []
      sketches.add(data.head, kinds: kinds.table.kinds, typeNumbers: kinds.table.typeNumbers) { failures.append($0) }
      for failed in failures where !uncounted.contains(failed.ordinal) {
        failureCounts[failed.label(kinds.labelOfKind, overflow: kinds.overflowLabel), default: 0] += 1
      }
    }
    let claimed = reader.blocks[number - 1]
    (zone.headStart, zone.headBytes) = (claimed.headStart, claimed.headBytes)
    (zone.dataStart, zone.dataBytes) = (claimed.dataStart, claimed.dataBytes)
    zone.traceCount = claimed.traceCount
    zone.firstTraceCreated = claimed.firstTraceCreated
    zone.lastTraceCreated = claimed.lastTraceCreated
    if zone != claimed { note(.count, place, "`blocks` describes other events than the block holds") }
    let traces = try attempt(.count, place) { () throws(StoreError) in try reader.tracesOfBlock(number) }
    guard let traces else { return }
    if traces.count != claimed.traceCount
      || traces.map(\.firstCreated).min() ?? .distantFuture != claimed.firstTraceCreated
      || traces.map(\.firstCreated).max() ?? .distantPast != claimed.lastTraceCreated
    {
      note(.count, place, "`blocks` describes other traces than start in the block")
    }
  }

  private mutating func checkEvents(of block: DecodedBlock, _ zone: inout BlockZone) throws(StoreError) {
    var streams = KeySet()
    var place = 0
    var current = 0
    _ = try reader.walkAll(block) { (event, _) throws(StoreError) in
      let run = block.runs[current]
      if place == run.events.lowerBound { beginRun(run, block.number) }
      check(event, run, block.number, &zone, &streams)
      place += 1
      if place == run.events.upperBound {
        current += 1
        if !run.goesOn { endTrace(run, block.number) }
      }
      return .proceed
    }
  }

  /// What the heads of all blocks give must be what the segment's tables say.
  private mutating func checkSketches() throws(StoreError) {
    let reader = self.reader
    guard reader.hasHeads, !sketchesAreIncomplete else { return }
    let kinds = try attempt(.row, "kinds") { () throws(StoreError) in try reader.kinds() }
    guard let kinds else { return }
    var edges: [SegmentEdge] = []
    let isRead = try attempt(.row, "edges") { () throws(StoreError) in
      try reader.forEachRow(SegmentEdge.self, in: .min ... .max) { edges.append($0) }
      return true
    }
    guard isRead == true else { return }
    var labelOfType: [UInt32] = []
    for (kind, type) in kinds.table.typeNumbers.enumerated() where Int(type) == labelOfType.count {
      labelOfType.append(kinds.labelOfKind[kind])
    }
    let expected = sketches.sketches(
      labelOfKind: kinds.labelOfKind, labelOfType: labelOfType, overflow: kinds.overflowLabel, edges: edges,
      labels: kinds.labels)
    let claimed = try attempt(.row, "sketches") { () throws(StoreError) in try reader.sketches() }
    if let claimed, claimed != expected { note(.count, "sketches", "they are not those of the heads and edges") }
    var further: [SegmentFailure] = []
    _ = try attempt(.row, "failures") { () throws(StoreError) in
      try reader.forEachRow(SegmentFailure.self, in: .min ... .max) { further.append($0) }
    }
    for failure in further { failureCounts[failure.label, default: 0] += 1 }
    let failures = failureCounts.sorted { $0.key < $1.key }.map { (label: $0.key, count: $0.value) }
    let counted = try attempt(.row, "failure_counts") { () throws(StoreError) in try reader.failureCounts() }
    if let counted, !counted.elementsEqual(failures, by: { $0 == $1 }) {
      note(.count, "failure_counts", "they are not those of the heads")
    }
  }

  private mutating func beginRun(_ run: DecodedBlock.Run, _ number: Int) {
    // Events in no trace go on over blocks as well; no trace has the nil UUID.
    let correlation = run.trace ?? Identifier(uuid: .zero)
    if run.continues {
      if open?.correlation != correlation {
        // Its beginning was in a block that cannot be read, or the blocks are mixed up.
        if number > 1 && problems.isEmpty { note(.order, "block \(number)", "a trace goes on that did not begin") }
        openIsIncomplete = true
        open = .empty
        open?.correlation = correlation
        lastOrdinalOfTrace = .min
      }
    } else {
      idsOfTrace.removeAll()
      causesOfTrace.removeAll(keepingCapacity: true)
      open = .empty
      open?.correlation = correlation
      open?.firstBlock = number
      openIsIncomplete = false
      lastOrdinalOfTrace = .min
      if let trace = run.trace {
        found.traceCount += 1
        if !traceKeys.insert(trace.key.mixed) { note(.order, "block \(number)", "trace \(trace) begins twice") }
      }
    }
    if run.trace != nil {
      expect(.correlation, run.key.mixed, number, "trace \(run.trace.map(\.description) ?? "")")
      if !reader.mayContain(correlation: run.key) { note(.filter, "block \(number)", "a trace is missing") }
    }
  }

  private mutating func check(
    _ event: EventView, _ run: DecodedBlock.Run, _ number: Int, _ zone: inout BlockZone, _ streams: inout KeySet
  ) {
    let ordinal = event.ordinal
    let created = event.created
    unsafe zone.note(created, ordinal, bytes: event.bytes.count)
    unsafe found.note(created, ordinal, bytes: event.bytes.count)
    open?.note(created)
    if event.eventClass == .report { found.reportCount += 1 } else { found.eventCount += 1 }
    if ordinal <= lastOrdinalOfTrace { note(.order, "block \(number)", "ordinal \(ordinal) follows a higher one") }
    lastOrdinalOfTrace = ordinal
    if !seenOrdinals.insert(ordinal) {
      note(.order, "block \(number)", "ordinal \(ordinal) is there twice, or strange")
    }
    let id = event.idKey
    expect(.eventID, id.mixed, number, "event \(ordinal)")
    if !reader.mayContain(eventID: id) { note(.filter, "block \(number)", "the id of event \(ordinal) is missing") }
    if unsafe !event.stream.isEmpty {
      let mixed = unsafe IdentifierKey.hashing(event.stream).mixed
      if streams.insert(mixed) { expect(.stream, mixed, number, "the stream of event \(ordinal)") }
    }
    if run.trace != nil { idsOfTrace.insert(id.mixed) }
    if unsafe !event.causeBytes.isEmpty {
      if run.trace == nil {
        expectOutside(event.causeKey.mixed, number)
      } else {
        causesOfTrace.append((event.causeKey.mixed, number))
      }
    }
  }

  private mutating func endTrace(_ run: DecodedBlock.Run, _ number: Int) {
    if !openIsIncomplete, run.trace != nil {
      let outside = causesOfTrace
      for cause in outside where !idsOfTrace.contains(cause.mixed) { expectOutside(cause.mixed, cause.block) }
      if var trace = open, trace.firstBlock < number {
        trace.lastBlock = number
        longTraceCount += 1
        if reader.longTrace(startingIn: trace.firstBlock) != trace {
          note(.count, "long_traces", "the trace that starts in block \(trace.firstBlock) is described wrongly")
        }
      }
    }
    causesOfTrace.removeAll(keepingCapacity: true)
    open = nil
  }

  // MARK: Index and filters

  private mutating func expectOutside(_ mixed: UInt64, _ number: Int) {
    expect(.outsideCause, mixed, number, "a cause outside its trace")
    if !reader.mayContain(outsideCauseMixed: mixed) { note(.filter, "block \(number)", "an outside cause is missing") }
  }

  private mutating func expect(_ kind: IndexKind, _ mixed: UInt64, _ number: Int, _ what: @autoclosure () -> String) {
    let place = IndexPlace(hash: indexHash(kind, mixed: mixed), chunkCount: reader.indexChunkCount)
    // A chunk that cannot be read was noted once.
    guard let chunk = chunks[place.chunk] else { return }
    var blocks: [Int] = []
    do {
      unsafe try chunk.withRawBytes { (bytes) throws(CodingError) in
        unsafe try IndexChunk.probe(bytes, place: place, into: &blocks)
      }
    } catch {
      note(.index, "index_chunks \(place.chunk + 1)", "\(error)")
      chunks[place.chunk] = nil
      return
    }
    if !blocks.contains(number) { note(.index, "block \(number)", "\(what()) is not in the index") }
  }

  private mutating func checkCounts() {
    let claimed = reader.descriptor
    found.name = claimed.name
    found.fileBytes = claimed.fileBytes
    found.firstStored = claimed.firstStored
    found.lastStored = claimed.lastStored
    if problems.isEmpty && found != claimed {
      note(.count, "meta", "the segment says \(claimed.summary), and holds \(found.summary)")
    }
    let longTraces = reader.rowCounts[SegmentTable.longTraces.nameText] ?? 0
    if problems.isEmpty && longTraceCount != longTraces {
      note(.count, "long_traces", "\(longTraces) traces are said to span blocks, and \(longTraceCount) do")
    }
  }
}

extension SegmentDescriptor {
  fileprivate var summary: String {
    "\(eventCount) events and \(reportCount) reports in \(traceCount) traces, ordinals \(firstOrdinal) to \(lastOrdinal), "
      + "\(rawBytes) bytes"
  }
}

/// One bit for each ordinal of a range that is not too wide; a wider one is not watched.
private struct OrdinalSet {
  static let bitCountMax: UInt64 = 1 << 28
  private let range: ClosedRange<Int64>
  private var words: [UInt64]

  init(_ range: ClosedRange<Int64>) {
    self.range = range
    let span = UInt64(bitPattern: range.upperBound &- range.lowerBound)
    words = span < Self.bitCountMax ? [UInt64](repeating: 0, count: Int(span / 64) + 1) : []
  }

  /// - Returns: false if it was there already, or is outside the range.
  mutating func insert(_ ordinal: Int64) -> Bool {
    guard range.contains(ordinal) else { return false }
    if words.isEmpty { return true }
    let place = UInt64(bitPattern: ordinal &- range.lowerBound)
    let bit = UInt64(1) << (place & 63)
    if words[Int(place >> 6)] & bit != 0 { return false }
    words[Int(place >> 6)] |= bit
    return true
  }
}
