public import EventModel
public import Platform
import SegmentBlocks
public import TraceStore

/// Reads a segment file past any damage: page by page, without SQLite and without trust in anything but checksums.
///
/// Never writes. Memory: one row at a time, some 90 bytes a block.
public final class SegmentInspector {
  public let path: String
  private let pages: SQLitePages
  private var inspection: SegmentInspection
  private var placeOfBlock: [Int: SQLitePages.Place] = [:]
  private var zones: [Int: BlockZone] = [:]
  private var readableRows: [String: Int] = [:]
  private var expectedRows: [String: Int] = [:]
  private var sourceNames: [UInt32: String] = [:]
  private var isInspected = false
  /// What belongs to format 3.
  private var columns: ColumnInspection

  /// - Throws: `.notFound`, `.inputOutput`; a damaged file does not throw.
  public init(path: String, files: any FileSystem = RealFileSystem()) throws(StoreError) {
    self.path = path
    pages = try SQLitePages(path: path, files: files)
    columns = ColumnInspection(pages: pages)
    inspection = SegmentInspection(path: path, fileBytes: pages.fileBytes, pageBytes: pages.pageBytes)
  }

  /// Reads the whole file once; a second call gives the same answer without reading.
  public func inspect() -> SegmentInspection {
    if isInspected { return inspection }
    isInspected = true
    inspectHeader()
    let unreadable = pages.forEachCell { (place, cell) in note(cell, at: place) }
    for page in unreadable { note(.file, "page \(page)", "the disk does not give it") }
    if pages.gaveUp { note(.file, "pages", "they point at each other in circles; the rest was not read") }
    if columns.hasRows { completeColumns() }
    completeBlocks()
    completeTables()
    inspection.meta.sort { $0.name < $1.name }
    if inspection.unreadableRowCount > 0 {
      note(.row, "rows", "\(inspection.unreadableRowCount) rows fail their checksums or cannot be read")
    }
    return inspection
  }

  /// Calls `body` with every event of every readable block, in the order of blocks.
  public func forEachReadableEvent(
    payload: Bool, _ body: (StoredEvent) throws(StoreError) -> Walk
  ) throws(StoreError) {
    for block in inspect().blocks where block.state == .readable {
      if columns.hasRows {
        if try !forEachColumnEvent(of: block.number, payload: payload, body) { return }
        continue
      }
      guard let decoded = decode(block.number) else { continue }
      for run in decoded.runs {
        for index in run.events {
          let next = try decoded.withEvent(at: index) { (event) throws(StoreError) in
            let source = sourceNames[event.sourceIndex] ?? "source \(event.sourceIndex)"
            return try body(StoredEvent(event, source: source, correlation: run.trace, payload: payload))
          }
          if next == .stop { return }
        }
      }
    }
  }

  /// - Returns: whether to go on.
  private func forEachColumnEvent(
    of number: Int, payload: Bool, _ body: (StoredEvent) throws(StoreError) -> Walk
  ) throws(StoreError) -> Bool {
    guard let block = columns.block(number) else { return true }
    var failure: StoreError?
    var next = Walk.proceed
    _ = columns.forEachEvent(of: block) { event, trace in
      let source = sourceNames[event.sourceIndex] ?? "source \(event.sourceIndex)"
      do throws(StoreError) {
        next = try body(StoredEvent(event, source: source, correlation: trace, payload: payload))
      } catch {
        failure = error
        next = .stop
      }
      return next
    }
    if let failure { throw failure }
    return next == .proceed
  }

  private func decode(_ number: Int) -> FrameBlock? {
    guard let place = placeOfBlock[number], case .row(let row)? = pages.cell(at: place),
      let bytes = row.values.last?.blob
    else { return nil }
    return unsafe bytes.withRawBytes { unsafe try? FrameBlock(decoding: $0) }
  }

  private func note(_ kind: SegmentProblem.Kind, _ place: String, _ message: String) {
    if inspection.problems.count < SegmentLimits.problemCountMax {
      inspection.problems.append(SegmentProblem(kind, place, message))
    }
  }

  private func inspectHeader() {
    guard pages.headerIsReadable, pages.applicationID == SegmentFormat.applicationID else {
      note(.file, "header", "it is not that of a segment; pages of \(pages.pageBytes) bytes are assumed")
      return
    }
    inspection.readVersion = Int(pages.userVersion >> 16)
    inspection.writeVersion = Int(pages.userVersion & 0xffff)
    let expected = pages.pageCountInHeader * pages.pageBytes
    inspection.expectedBytes = expected
    if expected != pages.fileBytes {
      note(.file, "file", "\(expected) bytes expected, \(pages.fileBytes) found")
    }
  }

  // MARK: Rows

  private func note(_ cell: SQLitePages.Cell, at place: SQLitePages.Place) {
    switch cell {
    case .broken(let rowID, let local): noteBroken(rowID, local)
    case .row(let row):
      if row.values.count == 2, row.values[0] == .null, let bytes = row.values[1].blob, isBlock(bytes) {
        noteBlock(row.rowID, bytes, at: place)
      } else if inspection.readVersion != 1, columns.note(row, at: place) {
        return
      } else if let table = table(of: row) {
        readableRows[table.nameText, default: 0] += 1
        note(row, of: table)
      } else if !isSchema(row) {
        inspection.unreadableRowCount += 1
      }
    }
  }

  private func isBlock(_ bytes: [UInt8]) -> Bool {
    unsafe inspection.readVersion ?? 1 == 1 && bytes.count >= BlockHeader.bytes && bytes[4] == BlockHeader.version
      && bytes.withRawBytes { unsafe UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)) } == BlockHeader.magic
  }

  /// A row of `sqlite_schema`: type, name, table, root page, statement.
  private func isSchema(_ row: SQLitePages.Row) -> Bool {
    guard row.values.count == 5, case .text(let type) = row.values[0], case .text(let sql) = row.values[4] else {
      return false
    }
    return type == Array("table".utf8) && allTables.contains { Array($0.createSQL.utf8) == sql }
  }

  /// The table whose checksum the row carries; nil if there is none.
  private func table(of row: SQLitePages.Row) -> SegmentTable? {
    guard row.values.count >= 2, row.values[0] == .null, case .integer(let stored)? = row.values.last else {
      return nil
    }
    return allTables.first { table in
      guard table.hasChecksum, table.columnNames.count == row.values.count else { return false }
      var checksum = RowChecksum(table: table.name)
      checksum.add(row.rowID)
      for value in row.values.dropFirst().dropLast() { checksum.add(value) }
      return Int64(checksum.value) == stored
    }
  }

  /// Those of the version that the header names; of both where it cannot be read.
  private var allTables: [SegmentTable] {
    switch inspection.readVersion {
    case 1: SegmentTable.all(1)
    case .some: SegmentTable.all(SegmentFormat.writeVersion)
    case nil: SegmentTable.all(SegmentFormat.writeVersion) + [.blocks, .blockData, .failures]
    }
  }

  private func note(_ row: SQLitePages.Row, of table: SegmentTable) {
    let values = Array(row.values.dropFirst().dropLast())
    columns.note(values, rowID: row.rowID, of: table)
    switch table.nameText {
    case SegmentTable.meta.nameText:
      guard inspection.meta.count < SegmentLimits.problemCountMax, let name = values[0].text else { return }
      inspection.meta.append((name, values[1].integer.map { "\($0)" } ?? values[1].text ?? ""))
    case SegmentTable.manifest.nameText:
      guard let name = values[0].text, let count = values[1].integer, count >= 0, count <= Int64(Int32.max) else {
        return
      }
      if allTables.contains(where: { $0.nameText == name }) { expectedRows[name] = Int(count) }
    case SegmentTable.blocks.nameText:
      guard row.rowID >= 1, row.rowID <= Int64(SegmentLimits.blockCountMax) else { return }
      zones[Int(row.rowID)] = BlockZone(number: Int(row.rowID), row: values)
    case SegmentTable.sources.nameText:
      if let index = values[0].integer.flatMap(UInt32.init(exactly:)) { sourceNames[index] = values[1].text }
    default: break
    }
  }

  private func noteBroken(_ rowID: Int64, _ local: [UInt8]) {
    // The first bytes of a block stand on the leaf page, behind the record's own short header.
    let isBlock = (2...12).contains { start in
      local.count >= start + BlockHeader.bytes && self.isBlock(Array(local[start...]))
    }
    if isBlock, rowID >= 1, rowID <= Int64(SegmentLimits.blockCountMax) {
      let number = Int(rowID)
      if placeOfBlock[number] == nil {
        placeOfBlock[number] = SQLitePages.Place(page: 0, cell: 0)
        inspection.blocks.append(
          SegmentInspection.Block(number: number, state: .damaged("pages that it needs are missing or damaged")))
      }
    } else {
      inspection.unreadableRowCount += 1
    }
  }

  private func noteBlock(_ rowID: Int64, _ bytes: [UInt8], at place: SQLitePages.Place) {
    guard rowID >= 1, rowID <= Int64(SegmentLimits.blockCountMax) else {
      inspection.unreadableRowCount += 1
      return
    }
    let number = Int(rowID)
    if placeOfBlock[number] != nil {
      note(.block, "block \(number)", "it is there twice; the first one counts")
      return
    }
    placeOfBlock[number] = place
    var block = SegmentInspection.Block(number: number, state: .readable, storedBytes: bytes.count)
    do {
      let decoded = unsafe try bytes.withRawBytes { (all) throws(BlockDecodeError) in
        unsafe try FrameBlock(decoding: all)
      }
      if decoded.number != number { block.state = .damaged("it says that it is block \(decoded.number)") }
      block.describe(decoded)
      readableRows[SegmentTable.blockData.nameText, default: 0] += 1
    } catch {
      block.state = .damaged("\(error)")
    }
    inspection.blocks.append(block)
  }

  // MARK: What should be there

  private func completeColumns() {
    columns.complete(expected: expectedRows)
    readableRows[SegmentTable.headTape.nameText] = columns.rowCounts.head
    readableRows[SegmentTable.dataTape.nameText] = columns.rowCounts.data
    zones = columns.zones
    for missing in columns.missing { note(.row, missing, "it cannot be read, and every block needs it") }
    for number in Set(columns.heads.keys).union(columns.data.keys).sorted()
    where number <= SegmentLimits.blockCountMax { inspection.blocks.append(inspectColumns(number)) }
  }

  private func inspectColumns(_ number: Int) -> SegmentInspection.Block {
    var block = SegmentInspection.Block(number: number, state: .readable)
    block.storedBytes = (columns.heads[number]?.count ?? 0) + (columns.data[number]?.count ?? 0)
    placeOfBlock[number] = SQLitePages.Place(page: 0, cell: 0)
    guard let decoded = columns.block(number) else {
      block.state = .damaged(columns.reason(number))
      if let head = columns.head(number) { block.describe(head) }
      return block
    }
    if case .columns(let data) = decoded.content { block.describe(data.head) }
    if let reason = columns.forEachEvent(of: decoded, { _, _ in .proceed }) { block.state = .damaged(reason) }
    return block
  }

  private func completeBlocks() {
    let known = Set(inspection.blocks.map(\.number))
    let expected = max(expectedRows[SegmentTable.blocks.nameText] ?? 0, zones.keys.max() ?? 0)
    for number in 1...max(1, min(expected, SegmentLimits.blockCountMax))
    where number <= expected && !known.contains(number) {
      inspection.blocks.append(SegmentInspection.Block(number: number, state: .missing))
    }
    inspection.blocks.sort { $0.number < $1.number }
    for index in inspection.blocks.indices {
      let block = inspection.blocks[index]
      if block.state == .readable { continue }
      if let zone = zones[block.number] { inspection.blocks[index].describe(zone) }
      switch block.state {
      case .readable: break
      case .missing: note(.block, "block \(block.number)", "it is missing")
      case .damaged(let reason): note(.block, "block \(block.number)", reason)
      }
    }
  }

  private func completeTables() {
    for table in allTables {
      let isManifest = table.nameText == SegmentTable.manifest.nameText
      let expected = isManifest ? allTables.count - 1 : expectedRows[table.nameText]
      let readable = readableRows[table.nameText] ?? 0
      inspection.tables.append(
        SegmentInspection.Table(name: table.nameText, expectedRows: expected, readableRows: readable))
      if let expected, expected != readable, table.nameText != SegmentTable.blockData.nameText {
        note(.count, table.nameText, "\(expected) rows expected, \(readable) readable")
      }
      if expected == nil { note(.count, table.nameText, "how many rows it should have is not known") }
    }
  }
}

extension SegmentInspection.Block {
  fileprivate mutating func describe(_ head: BlockHead) {
    eventCount = head.eventCount
    traceCount = head.runs.count { $0.traceKind != .none }
    firstOrdinal = head.ordinals.min()
    lastOrdinal = head.ordinals.max()
    firstCreated = head.created.min().map { Timestamp(nanoseconds: $0) }
    lastCreated = head.created.max().map { Timestamp(nanoseconds: $0) }
  }

  fileprivate mutating func describe(_ decoded: FrameBlock) {
    eventCount = decoded.eventCount
    traceCount = decoded.runs.count { $0.trace != nil }
    var zone = BlockZone(emptyNumber: number)
    for index in 0..<decoded.eventCount {
      decoded.withEvent(at: index) { unsafe zone.note($0.created, $0.ordinal, bytes: $0.bytes.count) }
    }
    describe(zone)
  }

  fileprivate mutating func describe(_ zone: BlockZone) {
    eventCount = zone.eventCount
    firstOrdinal = zone.firstOrdinal
    lastOrdinal = zone.lastOrdinal
    firstCreated = zone.firstCreated
    lastCreated = zone.lastCreated
  }
}
