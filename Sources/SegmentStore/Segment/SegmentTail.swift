import EventModel
import TraceStore

/// Writes the tables of a segment that are written when all its blocks are.
struct SegmentTail {
  let connection: Connection

  func write(zones: [BlockZone], longTraces: [SegmentTrace], counts: inout [String: Int]) throws(StoreError) {
    let blocks = try RowInserter(connection, SegmentTable.blocks)
    for zone in zones { try blocks.insert(zone.row) }
    counts[SegmentTable.blocks.nameText] = blocks.rowCount
    let traces = try RowInserter(connection, SegmentTable.longTraces)
    for trace in longTraces { try traces.insert(trace.row) }
    counts[SegmentTable.longTraces.nameText] = traces.rowCount
  }

  func write(index: IndexBuilder, blockCount: Int, counts: inout [String: Int]) throws(StoreError) {
    let chunks = try RowInserter(connection, SegmentTable.indexChunks)
    try index.forEachChunk(blockCount: blockCount) { (_, chunk) throws(StoreError) in
      try chunks.insert([.blob(chunk)])
    }
    counts[SegmentTable.indexChunks.nameText] = chunks.rowCount
    let filters = try RowInserter(connection, SegmentTable.filters)
    for (name, keys) in zip(
      SegmentFormat.filterNames, [index.correlations, index.eventIDs, index.outsideCauses])
    {
      var filter = BloomFilter(expectedKeyCount: keys.hashes.count)
      for hash in keys.hashes { filter.insert(hash) }
      try filters.insert([.text(name), .count(keys.hashes.count), .blob(filter.bytes)])
    }
    counts[SegmentTable.filters.nameText] = filters.rowCount
  }

  func write(extras: SegmentExtras, counts: inout [String: Int]) throws(StoreError) {
    let labels = try RowInserter(connection, SegmentTable.labels)
    for (index, names) in extras.labels.sorted(by: { $0.index < $1.index }) {
      try labels.insert([
        .integer(Int64(index)), .text(names.source), .text(names.service), .text(names.handler), .text(names.type),
        .integer(Int64(names.identity.rawValue)),
      ])
    }
    counts[SegmentTable.labels.nameText] = labels.rowCount
    let sources = try RowInserter(connection, SegmentTable.sources)
    for (index, name) in extras.sources.sorted(by: { $0.index < $1.index }) {
      try sources.insert([.integer(Int64(index)), .text(name)])
    }
    counts[SegmentTable.sources.nameText] = sources.rowCount
    let bounds = try RowInserter(connection, SegmentTable.chunkBounds)
    try write(chunksOf: extras.edges, bounds, counts: &counts)
    try write(chunksOf: extras.failures, bounds, counts: &counts)
    try write(chunksOf: extras.unresolved, bounds, counts: &counts)
    try write(chunksOf: extras.healed.map { HealedChild(ordinal: $0) }, bounds, counts: &counts)
    try write(chunksOf: extras.uncorrelated, bounds, counts: &counts)
    counts[SegmentTable.chunkBounds.nameText] = bounds.rowCount
  }

  private func write<Row: ChunkRow>(
    chunksOf rows: [Row], _ bounds: RowInserter, counts: inout [String: Int]
  ) throws(StoreError) {
    let inserter = try RowInserter(connection, SegmentTable.chunks(Row.self))
    let sorted = rows.sorted { $0.bound < $1.bound }
    var start = 0
    while start < sorted.count {
      let end = min(start + SegmentLimits.chunkRowCountMax, sorted.count)
      let raw = ChunkCoding.encode(sorted[start..<end])
      try inserter.insert([.blob(ChunkCoding.deflate(raw))])
      try bounds.insert([
        .text("\(Row.table)"), .count(inserter.rowCount), .count(end - start), .integer(sorted[start].bound),
        .integer(sorted[end - 1].bound), .count(raw.count),
      ])
      start = end
    }
    counts["\(Row.table)"] = inserter.rowCount
  }

  func write(meta total: SegmentDescriptor, counts: inout [String: Int]) throws(StoreError) {
    let meta = try RowInserter(connection, SegmentTable.meta)
    for (name, value) in total.metaRows { try meta.insert([.text(name), value]) }
    counts[SegmentTable.meta.nameText] = meta.rowCount
  }

  func writeManifest(_ counts: [String: Int]) throws(StoreError) {
    let manifest = try RowInserter(connection, SegmentTable.manifest)
    for table in SegmentTable.counted {
      try manifest.insert([.text(table.nameText), .count(counts[table.nameText] ?? 0)])
    }
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
  init(emptyNumber number: Int) {
    self.init(
      number: number, eventCount: 0, firstOrdinal: .max, lastOrdinal: .min, firstCreated: .distantFuture,
      lastCreated: .distantPast, firstTraceCreated: .distantFuture, lastTraceCreated: .distantPast, traceCount: 0,
      rawBytes: 0)
  }

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
      values[3] <= values[4], values[5] >= 0, values[5] <= values[0], values[8] > 0, values[8] <= Int64(1) << 40
    else { return nil }
    self.init(
      number: number, eventCount: Int(values[0]), firstOrdinal: values[1], lastOrdinal: values[2],
      firstCreated: Timestamp(nanoseconds: values[3]), lastCreated: Timestamp(nanoseconds: values[4]),
      firstTraceCreated: Timestamp(nanoseconds: values[6]), lastTraceCreated: Timestamp(nanoseconds: values[7]),
      traceCount: Int(values[5]), rawBytes: Int(values[8]))
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
