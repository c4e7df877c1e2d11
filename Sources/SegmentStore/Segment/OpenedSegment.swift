import EventModel
import Platform
import TraceStore

/// Which rows a chunk of columns holds.
struct ChunkBounds: Equatable, Sendable {
  /// Its key in its own table.
  var chunk: Int
  var rowCount: Int
  var first: Int64
  var last: Int64
  var rawBytes: Int
}

/// A segment file whose identification, counts and in-memory parts were read and checked.
struct OpenedSegment {
  let path: String
  let connection: SegmentConnection
  private(set) var descriptor: SegmentDescriptor
  private(set) var rowCounts: [String: Int] = [:]
  private(set) var zones: [BlockZone] = []
  private(set) var longTraces: [SegmentTrace] = []
  private(set) var filters: [BloomFilter] = []
  private(set) var chunkBounds: [String: [ChunkBounds]] = [:]
  /// Of the format: 1 or 3.
  private(set) var version: Int64 = 0
  /// Bytes of a row of the tapes; 0 in format 1.
  private(set) var tapeRowBytes = 0

  init(path: String, files: any FileSystem) throws(StoreError) {
    self.path = path
    let name = path.split(separator: "/").last.map(String.init) ?? path
    connection = try SegmentConnection(path: path, name: name, files: files)
    let fileBytes: Int
    do {
      fileBytes = try files.status(path).size
    } catch {
      if error.isInputOutput { throw StoreError(.unreadable, error.description, hint: SegmentReader.unreadableHint) }
      throw StoreError.file(error)
    }
    descriptor = .empty
    version = try Self.checkIdentity(connection, name, fileBytes: fileBytes)
    rowCounts = try Self.readManifest(connection, name, version)
    var meta: [String: RowValue] = [:]
    try forEachRow(of: .meta) { (_, row) throws(StoreError) in
      if let key = row[0].text { meta[key] = row[1] }
    }
    guard let descriptor = SegmentDescriptor(name: name, fileBytes: fileBytes, meta: meta) else {
      throw SegmentReader.damage(name, "meta", "a value is missing or impossible")
    }
    self.descriptor = descriptor
    if version >= 2 {
      guard let bytes = meta[SegmentFormat.tapeRowBytesName]?.integer, bytes >= 1, bytes <= 1 << 16 else {
        throw SegmentReader.damage(name, "meta", "a value is missing or impossible")
      }
      tapeRowBytes = Int(bytes)
    }
    try readChunkBounds()
    if version == 1 { try readZones() } else { try readZoneChunks() }
    try readLongTraces()
    try readFilters()
    guard rowCount(.indexChunks) > 0 else { throw SegmentReader.damage(name, "index_chunks", "the index is missing") }
  }

  func rowCount(_ table: SegmentTable) -> Int { rowCounts[table.nameText] ?? 0 }

  private func forEachRow(
    of table: SegmentTable, _ body: (Int, [RowValue]) throws(StoreError) -> Void
  ) throws(StoreError) {
    try connection.forEachRow(of: table, count: rowCount(table), body)
  }

  private static func checkIdentity(
    _ connection: SegmentConnection, _ name: String, fileBytes: Int
  ) throws(StoreError) -> Int64 {
    guard try connection.pragma("application_id") == SegmentFormat.applicationID else {
      throw SegmentReader.damage(name, "header", "it is no segment of Clew")
    }
    let version = try connection.pragma("user_version") >> 16
    guard version >= 1 else { throw SegmentReader.damage(name, "header", "impossible version \(version)") }
    guard version <= SegmentFormat.readVersion else {
      throw StoreError(
        .unsupportedFormat,
        "segment \(name) needs a program that reads format \(version); this one reads \(SegmentFormat.readVersion)",
        hint: "use a newer Clew")
    }
    guard version != SegmentFormat.skippedVersion else {
      throw StoreError(
        .unsupportedFormat, "segment \(name) has format \(version), which only development builds wrote",
        hint: "import its events again; `clew export events` of the build that wrote it gives them")
    }
    // Without this, SQLite would notice a cut only where something is read behind it.
    let expected = try connection.pragma("page_size") * connection.pragma("page_count")
    guard expected == Int64(fileBytes) else {
      throw SegmentReader.damage(name, "file", "\(expected) bytes expected, \(fileBytes) found")
    }
    return version
  }

  private static func readManifest(
    _ connection: SegmentConnection, _ name: String, _ version: Int64
  ) throws(StoreError) -> [String: Int] {
    var counts: [String: Int] = [:]
    let isNewer = try connection.pragma("user_version") & 0xffff > SegmentFormat.writeVersion
    let tables = SegmentTable.counted(version)
    let known = tables.count
    try connection.forEachRow(of: .manifest, count: known, ignoresMore: isNewer) { (id, row) throws(StoreError) in
      let table = tables[id - 1]
      guard row[0].text == table.nameText, let count = row[1].integer, count >= 0, count <= Int64(Int32.max) else {
        throw SegmentReader.damage(name, "manifest \(id)", "a value is impossible")
      }
      counts[table.nameText] = Int(count)
    }
    return counts
  }

  private mutating func readZones() throws(StoreError) {
    let name = descriptor.name
    guard rowCount(.blocks) == rowCount(.blockData), rowCount(.blocks) <= SegmentLimits.blockCountMax else {
      throw SegmentReader.damage(name, "manifest", "blocks and block_data differ")
    }
    var zones: [BlockZone] = []
    try forEachRow(of: .blocks) { (id, row) throws(StoreError) in
      guard let zone = BlockZone(number: id, row: row) else {
        throw SegmentReader.damage(name, "blocks \(id)", "a value is impossible")
      }
      zones.append(zone)
    }
    self.zones = zones
  }

  /// Format 3: zones in chunks, back to back on the tapes.
  private mutating func readZoneChunks() throws(StoreError) {
    let name = descriptor.name
    var zones: [BlockZone] = []
    for bounds in chunkBounds[SegmentTable.zones.nameText] ?? [] {
      let place = "block_zones \(bounds.chunk)"
      let row = try connection.row(bounds.chunk, of: .zones)
      guard let columns = row[0].blob,
        let rows = try? ChunkCoding.inflate(BlockZone.self, columns, rawBytes: bounds.rawBytes),
        rows.count == bounds.rowCount
      else { throw SegmentReader.damage(name, place, "a value is impossible") }
      for zone in rows {
        let last = zones.last
        guard zone.isPossible, zone.number == zones.count + 1,
          zone.headStart == (last.map { $0.headStart + $0.headBytes } ?? 0),
          zone.dataStart == (last.map { $0.dataStart + $0.dataBytes } ?? 0)
        else { throw SegmentReader.damage(name, place, "block \(zone.number) is impossible") }
        zones.append(zone)
      }
    }
    guard let last = zones.last,
      rows(forBytes: last.headStart + last.headBytes) == rowCount(.headTape),
      rows(forBytes: last.dataStart + last.dataBytes) == rowCount(.dataTape)
    else { throw SegmentReader.damage(name, "manifest", "the tapes are not as long as their blocks") }
    // Kept as long as the segment is, and not with the room that growing left.
    self.zones.reserveCapacity(zones.count)
    self.zones += zones
  }

  private func rows(forBytes bytes: Int) -> Int { (bytes + tapeRowBytes - 1) / tapeRowBytes }

  private mutating func readLongTraces() throws(StoreError) {
    let name = descriptor.name
    var traces: [SegmentTrace] = []
    try forEachRow(of: .longTraces) { (id, row) throws(StoreError) in
      // Look-ups leave out the blocks that such a trace has for itself: what overlaps another one is made up.
      guard let trace = SegmentTrace(row: row), trace.lastBlock <= zones.count,
        trace.firstBlock >= traces.last?.lastBlock ?? 1
      else {
        throw SegmentReader.damage(name, "long_traces \(id)", "a value is impossible")
      }
      traces.append(trace)
    }
    longTraces = traces
  }

  private mutating func readFilters() throws(StoreError) {
    let name = descriptor.name
    var filters: [BloomFilter] = []
    guard rowCount(.filters) == SegmentFormat.filterNames.count else {
      throw SegmentReader.damage(name, "manifest", "three filters expected")
    }
    try forEachRow(of: .filters) { (id, row) throws(StoreError) in
      guard row[0].text == SegmentFormat.filterNames[id - 1], let bits = row[2].blob,
        bits.count <= SegmentLimits.filterBytesMax,
        let filter = unsafe bits.withRawBytes({ unsafe BloomFilter(bytes: $0) })
      else { throw SegmentReader.damage(name, "filters \(id)", "a value is impossible") }
      filters.append(filter)
    }
    self.filters = filters
  }

  private mutating func readChunkBounds() throws(StoreError) {
    let name = descriptor.name
    var bounds: [String: [ChunkBounds]] = [:]
    try forEachRow(of: .chunkBounds) { (id, row) throws(StoreError) in
      let numbers = row.dropFirst().compactMap(\.integer)
      guard let table = row[0].text, numbers.count == 5, numbers[0] == Int64(bounds[table]?.count ?? 0) + 1,
        numbers[1] >= 1, numbers[1] <= Int64(SegmentLimits.chunkRowCountMax), numbers[2] <= numbers[3],
        numbers[4] >= 1, numbers[4] <= Int64(SegmentLimits.chunkRawBytesMax)
      else { throw SegmentReader.damage(name, "chunk_bounds \(id)", "a value is impossible") }
      bounds[table, default: []].append(
        ChunkBounds(
          chunk: Int(numbers[0]), rowCount: Int(numbers[1]), first: numbers[2], last: numbers[3],
          rawBytes: Int(numbers[4])))
    }
    for table in SegmentTable.chunked(version) where (bounds[table.nameText]?.count ?? 0) != rowCount(table) {
      throw SegmentReader.damage(name, "chunk_bounds", "chunks of \(table.name) are missing")
    }
    chunkBounds = bounds
  }
}
