import EventModel
import SegmentBlocks
import TraceStore

/// Writes the tables of a segment that are written when all its blocks are.
final class SegmentTail {
  private let connection: Connection
  private let bounds: RowInserter
  /// Rows by table.
  var counts: [String: Int] = [:]

  init(_ connection: Connection) throws(StoreError) {
    self.connection = connection
    bounds = try RowInserter(connection, SegmentTable.chunkBounds)
  }

  private func write(_ table: SegmentTable, _ body: (RowInserter) throws(StoreError) -> Void) throws(StoreError) {
    let inserter = try RowInserter(connection, table)
    try body(inserter)
    counts[table.nameText] = inserter.rowCount
  }

  func write(zones: [BlockZone], longTraces: [SegmentTrace]) throws(StoreError) {
    try write(chunksOf: zones)
    try write(.longTraces) { (rows) throws(StoreError) in
      for trace in longTraces { try rows.insert(trace.row) }
    }
  }

  func write(index: IndexBuilder, blockCount: Int) throws(StoreError) {
    try write(.indexChunks) { (rows) throws(StoreError) in
      try index.forEachChunk(blockCount: blockCount) { (_, chunk) throws(StoreError) in
        try rows.insert([.blob(chunk)])
      }
    }
    try write(.filters) { (rows) throws(StoreError) in
      for (name, keys) in zip(
        SegmentFormat.filterNames, [index.correlations, index.eventIDs, index.outsideCauses])
      {
        var filter = BloomFilter(expectedKeyCount: keys.hashes.count)
        for hash in keys.hashes { filter.insert(hash) }
        try rows.insert([.text(name), .count(keys.hashes.count), .blob(filter.bytes)])
      }
    }
  }

  func write(
    extras: SegmentExtras, encoder: BlockEncoder, sketches: SketchBook, failed: [FailedEvent]
  ) throws(StoreError) {
    var extras = extras
    var book = LabelBook()
    var names: [UInt32: String] = [:]
    for (index, name) in extras.sources { names[index] = name }
    extras.renumberLabels(&book)
    let table = encoder.kinds
    let labelOfKind = book.numbers(of: table.kinds) { names[$0] ?? "source \($0)" }
    let overflow = book.number(of: LabelBook.overflow)
    var labelOfType: [UInt32] = []
    for (kind, type) in table.typeNumbers.enumerated() where Int(type) == labelOfType.count {
      labelOfType.append(labelOfKind[kind])
    }
    try write(labels: book.labels, sources: extras.sources)
    try write(kinds: table, labelOfKind: labelOfKind, dictionary: encoder.dictionary)
    try write(
      chunksOf: sketches.sketches(
        labelOfKind: labelOfKind, labelOfType: labelOfType, overflow: overflow, edges: extras.edges,
        labels: book.labels))
    let failures = FailureBook(
      failed: failed.map { ($0, $0.label(labelOfKind, overflow: overflow)) }, counted: extras.failures)
    try write(.failureCounts) { (rows) throws(StoreError) in
      for (label, count) in failures.counts { try rows.insert([.integer(Int64(label)), .count(count)]) }
    }
    try write(chunksOf: failures.uncounted)
    try write(chunksOf: failures.further)
    try write(chunksOf: extras.edges)
    try write(chunksOf: extras.unresolved)
    try write(chunksOf: extras.healed.map { HealedChild(ordinal: $0) })
    try write(chunksOf: extras.uncorrelated)
    counts[SegmentTable.chunkBounds.nameText] = bounds.rowCount
  }

  private func write(labels: [EventLabels], sources: [(index: UInt32, name: String)]) throws(StoreError) {
    try write(.labels) { (rows) throws(StoreError) in
      for (number, names) in labels.enumerated() {
        try rows.insert([
          .count(number), .text(names.source), .text(names.service), .text(names.handler), .text(names.type),
          .integer(Int64(names.identity.rawValue)),
        ])
      }
    }
    try write(.sources) { (rows) throws(StoreError) in
      for (index, name) in sources.sorted(by: { $0.index < $1.index }) {
        try rows.insert([.integer(Int64(index)), .text(name)])
      }
    }
  }

  private func write(
    kinds table: KindTableBuilder, labelOfKind: [UInt32], dictionary: DictionaryBuilder
  ) throws(StoreError) {
    try write(.kinds) { (rows) throws(StoreError) in
      for (kind, label) in zip(table.kinds, labelOfKind) { try rows.insert(kind.row(label: label)) }
    }
    try write(.dictionaries) { (rows) throws(StoreError) in
      let followers = table.encodedFollowers()
      try rows.insert([
        .text(SegmentFormat.followersName), .count(followers.count), .blob(ChunkCoding.deflate(followers)),
      ])
      for chunk in dictionary.encodedChunks() {
        try rows.insert([.text(SegmentFormat.bodyName), .count(chunk.count), .blob(chunk)])
      }
    }
  }

  /// As many rows a chunk as its limits allow.
  private func write<Row: ChunkRow>(chunksOf rows: [Row]) throws(StoreError) {
    let inserter = try RowInserter(connection, SegmentTable.chunks(Row.self))
    let sorted = rows.sorted { $0.bound < $1.bound }
    var start = 0
    var rowCount = SegmentLimits.chunkRowCountMax
    while start < sorted.count {
      let end = min(start + rowCount, sorted.count)
      let raw = ChunkCoding.encode(sorted[start..<end])
      if raw.count > SegmentLimits.chunkRawBytesMax, end - start > 1 {
        rowCount = (end - start) / 2
        continue
      }
      try inserter.insert([.blob(ChunkCoding.deflate(raw))])
      try bounds.insert([
        .text("\(Row.table)"), .count(inserter.rowCount), .count(end - start), .integer(sorted[start].bound),
        .integer(sorted[end - 1].bound), .count(raw.count),
      ])
      start = end
    }
    counts["\(Row.table)"] = inserter.rowCount
  }

  func write(meta total: SegmentDescriptor, tapeRowBytes: Int) throws(StoreError) {
    try write(.meta) { (rows) throws(StoreError) in
      for (name, value) in total.metaRows { try rows.insert([.text(name), value]) }
      try rows.insert([.text(SegmentFormat.tapeRowBytesName), .count(tapeRowBytes)])
    }
  }

  func writeManifest() throws(StoreError) {
    let manifest = try RowInserter(connection, SegmentTable.manifest)
    for table in SegmentTable.counted(SegmentFormat.writeVersion) {
      try manifest.insert([.text(table.nameText), .count(counts[table.nameText] ?? 0)])
    }
  }
}

extension SegmentExtras {
  /// From the store's label numbers to those of the segment.
  fileprivate mutating func renumberLabels(_ book: inout LabelBook) {
    var numbers: [UInt32: UInt32] = [:]
    for (index, names) in labels.sorted(by: { $0.index < $1.index }) { numbers[index] = book.number(of: names) }
    func number(_ label: UInt32) -> UInt32 { numbers[label] ?? book.number(of: LabelBook.overflow) }
    for row in edges.indices {
      edges[row].childLabel = number(edges[row].childLabel)
      edges[row].causeLabel = number(edges[row].causeLabel)
    }
    for row in failures.indices { failures[row].label = number(failures[row].label) }
    for row in unresolved.indices { unresolved[row].label = number(unresolved[row].label) }
    for row in uncorrelated.indices { uncorrelated[row].label = number(uncorrelated[row].label) }
  }
}

extension EventKind {
  /// The columns of `kinds`.
  func row(label: UInt32) -> [RowValue] {
    [
      .integer(Int64(label)), .integer(Int64(flags.rawValue)), .integer(Int64(eventClass)),
      .integer(Int64(failureAndIdentity & 15)), .integer(Int64(correlationForm.rawValue)),
      .integer(Int64(sourceIndex)), .text(schemaVersion),
    ]
  }

  /// Nil if a value is of the wrong type or impossible. The names are those of its label.
  init?(row: [RowValue], labels: [EventLabels]) {
    guard let label = row[0].integer, label >= 0, label < Int64(labels.count),
      let flags = row[1].integer.flatMap(UInt16.init(exactly:)), let source = row[5].integer,
      let eventClass = row[2].integer.flatMap(UInt8.init(exactly:)),
      let failure = row[3].integer.flatMap(UInt8.init(exactly:)), failure < 16,
      let form = row[4].integer.flatMap(UInt8.init(exactly:)).flatMap(CorrelationForm.init(rawValue:)),
      let sourceIndex = UInt32(exactly: source), let schemaVersion = row[6].textBytes
    else { return nil }
    let names = labels[Int(label)]
    self.init(
      flags: EventFrame.Flags(rawValue: flags), eventClass: eventClass,
      failureAndIdentity: failure | names.identity.rawValue << 4, correlationForm: form, sourceIndex: sourceIndex,
      type: Array(names.type.utf8), service: Array(names.service.utf8), handler: Array(names.handler.utf8),
      schemaVersion: schemaVersion)
  }
}

extension SegmentDescriptor {
  static let empty = SegmentDescriptor(
    name: "", firstOrdinal: .max, lastOrdinal: .min, eventCount: 0, reportCount: 0, traceCount: 0,
    firstCreated: .distantFuture, lastCreated: .distantPast, firstStored: Timestamp(nanoseconds: 0),
    lastStored: Timestamp(nanoseconds: 0), rawBytes: 0, fileBytes: 0)

  mutating func note(_ created: Timestamp, _ ordinal: Int64, bytes: Int) {
    firstOrdinal = min(firstOrdinal, ordinal)
    lastOrdinal = max(lastOrdinal, ordinal)
    firstCreated = min(firstCreated, created)
    lastCreated = max(lastCreated, created)
    rawBytes += bytes
  }

  /// The rows of `meta`, in order.
  var metaRows: [(String, RowValue)] {
    [
      ("about", .text("A sealed segment of Clew; blocks are described in Sources/SegmentStore/FORMAT.md")),
      ("first_ordinal", .integer(firstOrdinal)), ("last_ordinal", .integer(lastOrdinal)),
      ("event_count", .count(eventCount)), ("report_count", .count(reportCount)),
      ("trace_count", .count(traceCount)), ("first_created", .integer(firstCreated.nanoseconds)),
      ("last_created", .integer(lastCreated.nanoseconds)), ("first_stored", .integer(firstStored.nanoseconds)),
      ("last_stored", .integer(lastStored.nanoseconds)), ("raw_bytes", .count(rawBytes)),
    ]
  }

  /// Nil if a row is missing or of the wrong type.
  init?(name: String, fileBytes: Int, meta: [String: RowValue]) {
    func number(_ key: String) -> Int64? { meta[key]?.integer }
    guard let firstOrdinal = number("first_ordinal"), let lastOrdinal = number("last_ordinal"),
      let events = number("event_count"), let reports = number("report_count"), let traces = number("trace_count"),
      let firstCreated = number("first_created"), let lastCreated = number("last_created"),
      let firstStored = number("first_stored"), let lastStored = number("last_stored"),
      let rawBytes = number("raw_bytes"), firstOrdinal <= lastOrdinal, events >= 0, reports >= 0, traces >= 0,
      rawBytes >= 0, events <= Int64(Int32.max), reports <= Int64(Int32.max)
    else { return nil }
    self.init(
      name: name, firstOrdinal: firstOrdinal, lastOrdinal: lastOrdinal, eventCount: Int(events),
      reportCount: Int(reports), traceCount: Int(traces), firstCreated: Timestamp(nanoseconds: firstCreated),
      lastCreated: Timestamp(nanoseconds: lastCreated), firstStored: Timestamp(nanoseconds: firstStored),
      lastStored: Timestamp(nanoseconds: lastStored), rawBytes: Int(rawBytes), fileBytes: fileBytes)
  }
}

extension BlockZone {
  mutating func note(_ created: Timestamp, _ ordinal: Int64, bytes: Int) {
    eventCount += 1
    firstOrdinal = min(firstOrdinal, ordinal)
    lastOrdinal = max(lastOrdinal, ordinal)
    firstCreated = min(firstCreated, created)
    lastCreated = max(lastCreated, created)
    rawBytes += bytes
  }

  /// A trace that starts in this block has ended.
  mutating func noteTrace(_ trace: SegmentTrace) {
    traceCount += 1
    firstTraceCreated = min(firstTraceCreated, trace.firstCreated)
    lastTraceCreated = max(lastTraceCreated, trace.firstCreated)
  }

  /// The columns of `blocks`.
  var row: [RowValue] {
    [
      .count(eventCount), .integer(firstOrdinal), .integer(lastOrdinal), .integer(firstCreated.nanoseconds),
      .integer(lastCreated.nanoseconds), .count(traceCount), .integer(firstTraceCreated.nanoseconds),
      .integer(lastTraceCreated.nanoseconds), .count(rawBytes),
    ]
  }

  /// Nil if a value is of the wrong type or impossible.
  init?(number: Int, row: [RowValue]) {
    let values = row.compactMap(\.integer)
    guard values.count == 9, values[0] > 0, values[0] <= Int64(Int32.max), values[1] <= values[2],
      values[3] <= values[4], values[5] >= 0, values[5] <= values[0], values[8] > 0,
      values[8] <= Int64(BlockZone.countMax)
    else { return nil }
    self.init(emptyNumber: number)
    eventCount = Int(values[0])
    firstOrdinal = values[1]
    lastOrdinal = values[2]
    firstCreated = Timestamp(nanoseconds: values[3])
    lastCreated = Timestamp(nanoseconds: values[4])
    firstTraceCreated = Timestamp(nanoseconds: values[6])
    lastTraceCreated = Timestamp(nanoseconds: values[7])
    traceCount = Int(values[5])
    rawBytes = Int(values[8])
  }
}

extension SegmentTrace {
  static let empty = SegmentTrace(
    correlation: Identifier(uuid: .zero), firstCreated: .distantFuture, lastCreated: .distantPast, eventCount: 0,
    firstBlock: 0, lastBlock: 0)

  mutating func note(_ created: Timestamp) {
    eventCount += 1
    firstCreated = min(firstCreated, created)
    lastCreated = max(lastCreated, created)
  }

  /// The columns of `long_traces`: a UUID is a blob of 16 bytes, any other identifier a text.
  var row: [RowValue] {
    [
      correlation.isUUID ? .blob(correlation.storedBytes) : .text(correlation.storedBytes), .count(firstBlock),
      .count(lastBlock), .count(eventCount), .integer(firstCreated.nanoseconds), .integer(lastCreated.nanoseconds),
    ]
  }

  init?(row: [RowValue]) {
    let values = row.dropFirst().compactMap(\.integer)
    guard values.count == 5, values[0] >= 1, values[0] < values[1], values[1] <= Int64(SegmentLimits.blockCountMax),
      values[2] >= 2, values[2] <= Int64(Int32.max), let correlation = Identifier(column: row[0])
    else { return nil }
    self.init(
      correlation: correlation, firstCreated: Timestamp(nanoseconds: values[3]),
      lastCreated: Timestamp(nanoseconds: values[4]), eventCount: Int(values[2]), firstBlock: Int(values[0]),
      lastBlock: Int(values[1]))
  }
}

extension Identifier {
  /// A UUID from a blob of 16 bytes, any other identifier from a text; nil for anything else.
  init?(column: RowValue) {
    switch column {
    case .blob(let bytes) where bytes.count == 16:
      unsafe self.init(uuid: bytes.withRawBytes { unsafe IdentifierKey(uuidBytes: $0) })
    case .text(let bytes) where !bytes.isEmpty && bytes.count <= Identifier.textBytesMax: self.init(text: bytes)
    default: return nil
    }
  }
}

extension IdentifierKey {
  /// The 16 bytes of a UUID, most significant first.
  init(uuidBytes: UnsafeRawBufferPointer) {
    unsafe self.init(
      high: uuidBytes.loadUnaligned(as: UInt64.self).bigEndian,
      low: uuidBytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self).bigEndian)
  }
}
