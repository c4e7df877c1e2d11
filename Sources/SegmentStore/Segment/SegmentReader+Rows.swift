import Compression
import EventModel
import TraceStore

// What a segment holds beside events.

extension SegmentReader {
  /// Edges whose child was created in the range. Cost: the heads of the blocks, and the chunks, that touch the range.
  func forEachEdge(
    in range: TimeRange, _ body: (SegmentEdge) throws(StoreError) -> Void
  ) throws(StoreError) {
    guard let bounds = range.closed else { return }
    if version >= 2 { try forEachHeadEdge(in: bounds, body) }
    try forEachRow(SegmentEdge.self, in: bounds, body)
  }

  /// Failed events that were created in the range. Cost: as for edges.
  func forEachFailure(
    in range: TimeRange, _ body: (SegmentFailure) throws(StoreError) -> Void
  ) throws(StoreError) {
    guard let bounds = range.closed else { return }
    if version >= 2 { try forEachHeadFailure(in: bounds, body) }
    try forEachRow(SegmentFailure.self, in: bounds, body)
  }

  /// Children whose cause was not stored when this segment was sealed, by ordinal.
  func forEachUnresolved(_ body: (UnresolvedChild) throws(StoreError) -> Void) throws(StoreError) {
    try forEachRow(UnresolvedChild.self, in: .min ... .max, body)
  }

  /// Ordinals of children of earlier segments whose cause arrived with this one, ascending.
  func forEachHealed(_ body: (Int64) throws(StoreError) -> Void) throws(StoreError) {
    try forEachRow(HealedChild.self, in: .min ... .max) { (row) throws(StoreError) in try body(row.ordinal) }
  }

  /// Events that were in no trace when this segment was sealed and may still get into one, by ordinal.
  func forEachUncorrelated(_ body: (UncorrelatedEvent) throws(StoreError) -> Void) throws(StoreError) {
    try forEachRow(UncorrelatedEvent.self, in: .min ... .max, body)
  }

  /// By number.
  func labels() throws(StoreError) -> [(index: UInt32, labels: EventLabels)] {
    var result: [(index: UInt32, labels: EventLabels)] = []
    try forEachRow(of: .labels) { (id, row) throws(StoreError) in
      guard let (index, names) = EventLabels.row(row) else { throw damage("labels \(id)", "a value is impossible") }
      result.append((index, names))
    }
    return result
  }

  /// By number.
  func sources() throws(StoreError) -> [(index: UInt32, name: String)] {
    var result: [(index: UInt32, name: String)] = []
    try forEachRow(of: .sources) { (id, row) throws(StoreError) in
      guard let index = row[0].integer.flatMap(UInt32.init(exactly:)), let name = row[1].text else {
        throw damage("sources \(id)", "a value is impossible")
      }
      result.append((index, name))
    }
    return result
  }

  /// What was given to `SegmentWriter.finish`, with the edges of heads. Memory: all of it; see the methods above for one
  /// row at a time.
  func extras() throws(StoreError) -> SegmentExtras {
    var extras = SegmentExtras()
    extras.labels = try labels()
    extras.sources = try sources()
    try forEachEdge(in: .all) { extras.edges.append($0) }
    try forEachFailure(in: .all) { extras.failures.append($0) }
    try forEachUnresolved { extras.unresolved.append($0) }
    try forEachHealed { extras.healed.append($0) }
    try forEachUncorrelated { extras.uncorrelated.append($0) }
    extras.firstStored = descriptor.firstStored
    extras.lastStored = descriptor.lastStored
    return extras
  }

  private func forEachRow(
    of table: SegmentTable, _ body: (Int, [RowValue]) throws(StoreError) -> Void
  ) throws(StoreError) {
    try resources.forEachRow(of: table, body)
  }

  /// Rows of one kind with a bound in `range`, in order.
  func forEachRow<Row: ChunkRow>(
    _ type: Row.Type, in range: ClosedRange<Int64>, _ body: (Row) throws(StoreError) -> Void
  ) throws(StoreError) {
    for bounds in chunkBounds["\(Row.table)"] ?? [] where bounds.last >= range.lowerBound {
      if bounds.first > range.upperBound { return }
      for row in try chunk(type, bounds) where range.contains(row.bound) { try body(row) }
    }
  }

  /// One chunk, checked against its bounds.
  func chunk<Row: ChunkRow>(_ type: Row.Type, _ bounds: ChunkBounds) throws(StoreError) -> [Row] {
    let stored = try resources.withConnection { (connection) throws(StoreError) in
      try connection.row(bounds.chunk, of: SegmentTable.chunks(type))
    }
    let place = "\(Row.table) \(bounds.chunk)"
    guard let columns = stored[0].blob else { throw damage(place, "a value is impossible") }
    let rows: [Row]
    do {
      rows = try ChunkCoding.inflate(type, columns, rawBytes: bounds.rawBytes)
    } catch { throw damage(place, "\(error)") }
    guard rows.count == bounds.rowCount, rows.first?.bound == bounds.first, rows.last?.bound == bounds.last else {
      throw damage(place, "it is not the chunk that `chunk_bounds` describes")
    }
    return rows
  }
}

extension TimeRange {
  /// Both bounds inclusive, in nanoseconds; nil if nothing can be inside.
  var closed: ClosedRange<Int64>? {
    let lower = since?.nanoseconds ?? .min
    guard let until else { return lower ... .max }
    guard until.nanoseconds > lower else { return nil }
    return lower...(until.nanoseconds - 1)
  }
}
