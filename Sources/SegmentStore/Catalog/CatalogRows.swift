import EventModel
import TraceStore

/// A row that carries a checksum over its table, key and columns in a last column, `crc`.
protocol StoredRow {
  static var table: StaticString { get }
  static var columns: String { get }
  static var columnCount: Int32 { get }
  /// Reads the columns, which start at 0; nil if a value is impossible.
  init?(_ statement: Statement)
  /// Binds the columns, from parameter 1.
  func bind(_ statement: Statement) throws(StoreError)
  func addColumns(to checksum: inout RowChecksum)
}

extension StoredRow {
  var checksum: UInt32 {
    var checksum = RowChecksum(table: Self.table)
    addColumns(to: &checksum)
    return checksum.value
  }
}

enum CatalogRow {
  struct Source: StoredRow {
    var index: UInt32
    var name: String

    static var table: StaticString { "sources" }
    static var columns: String { "source_index,name" }
    static var columnCount: Int32 { 2 }

    init(index: UInt32, name: String) {
      self.index = index
      self.name = name
    }

    init?(_ statement: Statement) {
      guard let index = UInt32(exactly: statement.integer(0)) else { return nil }
      self.init(index: index, name: statement.text(1))
    }

    func bind(_ statement: Statement) throws(StoreError) {
      try statement.bind(1, Int64(index))
      try statement.bind(2, name)
    }

    func addColumns(to checksum: inout RowChecksum) {
      checksum.add(Int64(index))
      checksum.add(name)
    }
  }

  struct Hot: StoredRow {
    var first: Int64

    static var table: StaticString { "hot" }
    static var columns: String { "first_ordinal" }
    static var columnCount: Int32 { 1 }

    init(first: Int64) { self.first = first }
    init?(_ statement: Statement) { first = statement.integer(0) }
    func bind(_ statement: Statement) throws(StoreError) { try statement.bind(1, first) }
    func addColumns(to checksum: inout RowChecksum) { checksum.add(first) }
  }

  /// A fact about the store as a whole.
  struct Meta: StoredRow {
    /// Events got another trace than their file said, and a merged file says it now.
    static let assignmentsWereMerged = "assignments_were_merged"

    /// Those that are not known were written by a newer program, and say nothing to this one.
    var key: String
    var value: Int64

    static var table: StaticString { "meta" }
    static var columns: String { "key,value" }
    static var columnCount: Int32 { 2 }

    init(key: String, value: Int64) {
      self.key = key
      self.value = value
    }

    init?(_ statement: Statement) {
      self.init(key: statement.text(0), value: statement.integer(1))
    }

    func bind(_ statement: Statement) throws(StoreError) {
      try statement.bind(1, key)
      try statement.bind(2, value)
    }

    func addColumns(to checksum: inout RowChecksum) {
      checksum.add(key)
      checksum.add(value)
    }
  }
}

extension CatalogSegment: StoredRow {
  static var table: StaticString { "segments" }
  static var columns: String {
    "first_ordinal,last_ordinal,name,state,event_count,report_count,started_trace_count,raw_bytes,file_bytes,"
      + "first_created,last_created,first_stored,last_stored,reason"
  }
  static var columnCount: Int32 { 14 }

  init?(_ statement: Statement) {
    guard let state = State(rawValue: statement.text(3)) else { return nil }
    self.init(
      name: statement.text(2), state: state, firstOrdinal: statement.integer(0), lastOrdinal: statement.integer(1),
      eventCount: Int(statement.integer(4)), reportCount: Int(statement.integer(5)),
      startedTraceCount: Int(statement.integer(6)), rawBytes: Int(statement.integer(7)),
      fileBytes: Int(statement.integer(8)), firstCreated: Timestamp(nanoseconds: statement.integer(9)),
      lastCreated: Timestamp(nanoseconds: statement.integer(10)),
      firstStored: Timestamp(nanoseconds: statement.integer(11)),
      lastStored: Timestamp(nanoseconds: statement.integer(12)), reason: statement.text(13))
  }

  /// The integer columns behind name and state.
  private var figures: [Int64] {
    [
      Int64(eventCount), Int64(reportCount), Int64(startedTraceCount), Int64(rawBytes), Int64(fileBytes),
      firstCreated.nanoseconds, lastCreated.nanoseconds, firstStored.nanoseconds, lastStored.nanoseconds,
    ]
  }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, firstOrdinal)
    try statement.bind(2, lastOrdinal)
    try statement.bind(3, name)
    try statement.bind(4, state.rawValue)
    for (index, figure) in figures.enumerated() { try statement.bind(Int32(5 + index), figure) }
    try statement.bind(14, reason)
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(firstOrdinal)
    checksum.add(lastOrdinal)
    checksum.add(name)
    checksum.add(state.rawValue)
    for figure in figures { checksum.add(figure) }
    checksum.add(reason)
  }
}

extension SourceCheckpoint: StoredRow {
  static var table: StaticString { "checkpoints" }
  static var columns: String { "source,sub_stream,major,minor,token" }
  static var columnCount: Int32 { 5 }

  init?(_ statement: Statement) {
    self.init(
      source: statement.text(0), subStream: statement.text(1),
      position: SourcePosition(
        major: UInt64(bitPattern: statement.integer(2)), minor: UInt64(bitPattern: statement.integer(3))),
      token: statement.text(4))
  }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, source)
    try statement.bind(2, subStream)
    try statement.bind(3, Int64(bitPattern: position.major))
    try statement.bind(4, Int64(bitPattern: position.minor))
    try statement.bind(5, token)
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(source)
    checksum.add(subStream)
    checksum.add(Int64(bitPattern: position.major))
    checksum.add(Int64(bitPattern: position.minor))
    checksum.add(token)
  }
}

extension LateAssignment: StoredRow {
  static var table: StaticString { "late" }
  static var columns: String { "ordinal,id,id_is_uuid,trace,trace_is_uuid,stored_trace,stored_trace_is_uuid" }
  static var columnCount: Int32 { 7 }

  init?(_ statement: Statement) {
    guard let id = Identifier(stored: statement.blob(1), isUUID: statement.integer(2) != 0) else { return nil }
    var traces: [Identifier?] = []
    for column: Int32 in [3, 5] {
      let bytes = statement.blob(column)
      let trace = Identifier(stored: bytes, isUUID: statement.integer(column + 1) != 0)
      if trace == nil && !bytes.isEmpty { return nil }
      traces.append(trace)
    }
    self.init(ordinal: statement.integer(0), id: id, trace: traces[0], stored: traces[1])
  }

  private var identifiers: [Identifier?] { [id, trace, stored] }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, ordinal)
    for (index, identifier) in identifiers.enumerated() {
      try statement.bind(Int32(2 + 2 * index), identifier?.storedBytes ?? [])
      try statement.bind(Int32(3 + 2 * index), identifier?.isUUID == true ? 1 : 0)
    }
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(ordinal)
    for identifier in identifiers {
      unsafe (identifier?.storedBytes ?? []).withUnsafeBytes { unsafe checksum.add($0) }
      checksum.add(identifier?.isUUID == true ? 1 : 0)
    }
  }
}

extension VoidEdge: StoredRow {
  static var table: StaticString { "void_edges" }
  static var columns: String { "child_ordinal,before_ordinal" }
  static var columnCount: Int32 { 2 }

  init?(_ statement: Statement) { self.init(child: statement.integer(0), before: statement.integer(1)) }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, child)
    try statement.bind(2, before)
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(child)
    checksum.add(before)
  }
}

extension ReworkedEvent: StoredRow {
  static var table: StaticString { "reworked" }
  static var columns: String { "ordinal,id_high,id_low" }
  static var columnCount: Int32 { 3 }

  init?(_ statement: Statement) {
    self.init(
      ordinal: statement.integer(0),
      id: IdentifierKey(
        high: UInt64(bitPattern: statement.integer(1)), low: UInt64(bitPattern: statement.integer(2))))
  }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, ordinal)
    try statement.bind(2, Int64(bitPattern: id.high))
    try statement.bind(3, Int64(bitPattern: id.low))
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(ordinal)
    checksum.add(Int64(bitPattern: id.high))
    checksum.add(Int64(bitPattern: id.low))
  }
}

extension FailureCorrection: StoredRow {
  static var table: StaticString { "failure_corrections" }
  static var columns: String { "ordinal,delta,source,service,handler,type,created" }
  static var columnCount: Int32 { 7 }

  init?(_ statement: Statement) {
    self.init(
      ordinal: statement.integer(0), delta: Int(statement.integer(1)),
      labels: EventLabels(
        source: statement.text(2), service: statement.text(3), handler: statement.text(4), type: statement.text(5),
        identity: .none),
      created: Timestamp(nanoseconds: statement.integer(6)))
  }

  private var names: [String] { [labels.source, labels.service, labels.handler, labels.type] }

  func bind(_ statement: Statement) throws(StoreError) {
    try statement.bind(1, ordinal)
    try statement.bind(2, delta)
    for (index, name) in names.enumerated() { try statement.bind(Int32(3 + index), name) }
    try statement.bind(7, created.nanoseconds)
  }

  func addColumns(to checksum: inout RowChecksum) {
    checksum.add(ordinal)
    checksum.add(delta)
    for name in names { checksum.add(name) }
    checksum.add(created.nanoseconds)
  }
}

extension Identifier {
  /// From bytes as `storedBytes` gives them; nil if they are none.
  init?(stored bytes: [UInt8], isUUID: Bool) {
    if !isUUID {
      guard !bytes.isEmpty, bytes.count <= Self.textBytesMax else { return nil }
      self.init(text: bytes)
      return
    }
    guard bytes.count == 16 else { return nil }
    let key = bytes.enumerated().reduce(into: (high: UInt64(0), low: UInt64(0))) { key, next in
      if next.offset < 8 { key.high = key.high << 8 | UInt64(next.element) }
      if next.offset >= 8 { key.low = key.low << 8 | UInt64(next.element) }
    }
    self.init(uuid: IdentifierKey(high: key.high, low: key.low))
  }
}
