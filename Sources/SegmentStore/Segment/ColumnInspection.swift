import EventModel
import SegmentBlocks
import TraceStore

/// What the inspector gathers of a segment of format 3 while it goes over the pages, and how it reads blocks with it.
struct ColumnInspection {
  private let pages: SQLitePages
  /// Rows of the tapes by number.
  private var headRows: [Int: SQLitePages.Place] = [:]
  private var dataRows: [Int: SQLitePages.Place] = [:]
  private(set) var rowBytes = 0
  private var labels: [Int: [RowValue]] = [:]
  private var kinds: [Int: [RowValue]] = [:]
  private var dictionaries: [Int: [RowValue]] = [:]
  private(set) var zones: [Int: BlockZone] = [:]
  /// Where blocks are on the tapes.
  private(set) var heads: [Int: (start: Int, count: Int)] = [:]
  private(set) var data: [Int: (start: Int, count: Int)] = [:]
  private var table: SegmentKinds?
  private var dictionary: SegmentDictionary?
  private var bench = BlockWorkbench()
  /// What of the tables that all blocks need cannot be read.
  private(set) var missing: [String] = []

  init(pages: SQLitePages) { self.pages = pages }

  var hasRows: Bool { !headRows.isEmpty || !dataRows.isEmpty }
  var rowCounts: (head: Int, data: Int) { (headRows.count, dataRows.count) }

  /// - Returns: whether the row is one of a tape.
  mutating func note(_ row: SQLitePages.Row, at place: SQLitePages.Place) -> Bool {
    guard row.rowID >= 1, row.rowID <= Int64(Int32.max), row.values.first == .null, row.values.count >= 2,
      let bytes = row.values[1].blob
    else { return false }
    switch row.values.count {
    case 2: dataRows[Int(row.rowID)] = place
    case 3 where row.values[2] == .integer(1): headRows[Int(row.rowID)] = place
    default: return false
    }
    rowBytes = max(rowBytes, bytes.count)
    return true
  }

  /// A row that passes its checksum, without key and checksum.
  mutating func note(_ values: [RowValue], rowID: Int64, of table: SegmentTable) {
    guard rowID >= 1, rowID <= Int64(BlockLimits.kindCountMax * 8) else { return }
    switch table.nameText {
    case SegmentTable.labels.nameText: labels[Int(rowID)] = values
    case SegmentTable.kinds.nameText: kinds[Int(rowID)] = values
    case SegmentTable.dictionaries.nameText: dictionaries[Int(rowID)] = values
    case SegmentTable.zones.nameText: noteZones(values)
    default: break
    }
  }

  private mutating func noteZones(_ values: [RowValue]) {
    guard let columns = values[0].blob,
      let raw = ChunkCoding.inflate(columns, rawBytesMax: SegmentLimits.chunkRawBytesMax),
      let rows = unsafe raw.withUnsafeBytes({ unsafe try? ChunkCoding.decode(BlockZone.self, $0) })
    else { return }
    for zone in rows { zones[zone.number] = zone }
  }

  /// To be called when all pages were seen. `expected`: rows by table, as the manifest says.
  mutating func complete(expected: [String: Int]) {
    if rowBytes == 0 { return }
    let pages = self.pages
    func bytes(_ rows: [Int: SQLitePages.Place]) -> (Int) -> [UInt8]? {
      { number in
        guard let place = rows[number], case .row(let row)? = pages.cell(at: place) else { return nil }
        return row.values[1].blob
      }
    }
    var scan = TapeScan(.head, rowBytes: rowBytes, lastRow: headRows.keys.max() ?? 0, row: bytes(headRows))
    var found: [Int: (start: Int, count: Int)] = [:]
    scan.forEachBlock { number, start, count in if found[number] == nil { found[number] = (start, count) } }
    heads = found
    found = [:]
    scan = TapeScan(.data, rowBytes: rowBytes, lastRow: dataRows.keys.max() ?? 0, row: bytes(dataRows))
    scan.forEachBlock { number, start, count in if found[number] == nil { found[number] = (start, count) } }
    data = found
    loadTables(expected)
  }

  private mutating func loadTables(_ expected: [String: Int]) {
    func whole(_ rows: [Int: [RowValue]], _ table: SegmentTable) -> [[RowValue]]? {
      let count = expected[table.nameText] ?? rows.count
      let all = (1...max(1, count)).compactMap { rows[$0] }
      return all.count == count ? all : nil
    }
    guard let labelRows = whole(labels, .labels), let kindRows = whole(kinds, .kinds) else {
      missing.append("the table of kinds")
      return
    }
    let names = labelRows.compactMap { EventLabels.row($0)?.labels }
    let all = kindRows.compactMap { EventKind(row: $0, labels: names) }
    guard let rows = whole(dictionaries, .dictionaries), let first = rows.first,
      let followers = LoadedKinds.inflate(first), all.count == kindRows.count
    else {
      let lists = dictionaries.values.first { $0[0].text == SegmentFormat.followersName }
      missing.append("the dictionaries")
      if let bytes = lists.flatMap({ LoadedKinds.inflate($0) }), all.count == kindRows.count {
        table = unsafe bytes.withUnsafeBytes { unsafe try? SegmentKinds(kinds: all, followers: $0) }
      }
      return
    }
    table = unsafe followers.withUnsafeBytes { unsafe try? SegmentKinds(kinds: all, followers: $0) }
    if table == nil { missing.append("the table of kinds") }
    let chunks = rows.filter { $0[0].text == SegmentFormat.bodyName }.compactMap { $0[2].blob }
    dictionary = try? SegmentDictionary(decoding: chunks)
    if dictionary == nil { missing.append("the dictionaries") }
  }

  private func tape(_ rows: [Int: SQLitePages.Place], _ place: (start: Int, count: Int)) -> [UInt8]? {
    let pages = self.pages
    var scan = TapeScan(.head, rowBytes: rowBytes, lastRow: 0) { number in
      guard let place = rows[number], case .row(let row)? = pages.cell(at: place) else { return nil }
      return row.values[1].blob
    }
    return scan.bytes(from: place.start, count: place.count)
  }

  /// The head of a block; nil if it cannot be read.
  func head(_ number: Int) -> BlockHead? {
    guard let place = heads[number], let table, let row = tape(headRows, place) else { return nil }
    return unsafe row.withUnsafeBytes { unsafe try? bench.heads.decode($0, number: number, kinds: table) }
  }

  /// A block with its ids, and the frames if dictionaries and columns can be read.
  ///
  /// - Returns: nil if not even the ids can be read.
  func block(_ number: Int) -> DecodedBlock? {
    guard let head = head(number), let place = data[number], let table, let row = tape(dataRows, place) else {
      return nil
    }
    return unsafe row.withUnsafeBytes { row in
      guard let data = unsafe try? bench.data.decode(row, head: head, kinds: table) else { return nil }
      return DecodedBlock(data)
    }
  }

  /// Calls `body` with every event of a block.
  ///
  /// - Returns: why they cannot all be read; nil if they can.
  func forEachEvent(of block: DecodedBlock, _ body: (EventView, Identifier?) -> Walk) -> String? {
    guard case .columns(let data) = block.content, let table else { return "its kinds cannot be read" }
    guard let dictionary else { return "its body needs \(missing.joined(separator: " and "))" }
    do throws(BlockError) {
      var isStopped = false
      try bench.frames.makeAll(of: data, kinds: table, dictionary: dictionary) { run throws(BlockError) in
        for event in block.runs[run].events where !isStopped {
          isStopped = bench.frames.withEvent(at: event) { body($0, block.runs[run].trace) } == .stop
        }
      }
      return nil
    } catch { return error.description }
  }

  /// What is wrong with a block that is not readable as a whole.
  func reason(_ number: Int) -> String {
    if let first = missing.first, table == nil { return "it needs \(first), which cannot be read" }
    if heads[number] == nil { return data[number] == nil ? "it was not found" : "its head is missing or damaged" }
    if data[number] == nil { return "pages that it needs are missing or damaged; its head can be read" }
    return "it is damaged"
  }
}
