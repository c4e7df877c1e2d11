import EventModel
import TraceStore

/// A row that carries a checksum over its table, key and columns in a last column, `crc`.
protocol StoredRow {
  static var table: StaticString { get }
  static var columns: String { get }
  /// Reads the columns, which start at 0; nil if a value is impossible.
  init?(_ statement: Statement)
  /// What the columns hold, in their order.
  var values: [RowValue] { get }
}

extension StoredRow {
  static var columnCount: Int32 { Int32(columns.utf8.count { $0 == UInt8(ascii: ",") }) + 1 }

  /// Binds the columns, from parameter 1.
  func bind(_ statement: Statement) throws(StoreError) {
    for (index, value) in values.enumerated() { try statement.bind(Int32(index + 1), value) }
  }

  var checksum: UInt32 {
    var checksum = RowChecksum(table: Self.table)
    for value in values { checksum.add(value) }
    return checksum.value
  }
}

extension Statement {
  /// An integer that was bound as `.bits()`.
  func bits(_ column: Int32) -> UInt64 { UInt64(bitPattern: integer(column)) }
}

enum CatalogRow {
  struct Source: StoredRow {
    var index: UInt32
    var name: String

    static var table: StaticString { "sources" }
    static var columns: String { "source_index,name" }

    init(index: UInt32, name: String) {
      self.index = index
      self.name = name
    }

    init?(_ statement: Statement) {
      guard let index = UInt32(exactly: statement.integer(0)) else { return nil }
      self.init(index: index, name: statement.text(1))
    }

    var values: [RowValue] {
      [.integer(Int64(index)), .text(name)]
    }
  }

  struct Hot: StoredRow {
    var first: Int64

    static var table: StaticString { "hot" }
    static var columns: String { "first_ordinal" }

    init(first: Int64) { self.first = first }
    init?(_ statement: Statement) { first = statement.integer(0) }
    var values: [RowValue] {
      [.integer(first)]
    }
  }

  /// A fact about the store as a whole.
  struct Meta: StoredRow {
    /// Events got another trace than their file said, and a merged file says it now.
    static let assignmentsWereMerged = "assignments_were_merged"
    /// The catalog was given every table of this program: one that is missing was lost.
    static let tablesAreComplete = "tables_are_complete"
    /// Before the name of a segment that was set aside: events were stored whose causes may be in it.
    private static let wasAside = "segment_was_aside:"
    /// The same without saying which segment, as builds between releases wrote it.
    private static let someWereAside = "segments_were_aside"

    /// Those that are not known were written by a newer program, and say nothing to this one.
    var key: String
    var value: Int64

    static var table: StaticString { "meta" }
    static var columns: String { "key,value" }

    init(key: String, value: Int64) {
      self.key = key
      self.value = value
    }

    /// - Parameter name: of a segment; "" for any.
    init(wasAside name: String) {
      self.init(key: name.isEmpty ? Self.someWereAside : Self.wasAside + name, value: 1)
    }

    init?(_ statement: Statement) {
      self.init(key: statement.text(0), value: statement.integer(1))
    }

    /// The segment that a key tells of; "" for any, nil if it tells of something else.
    static func nameAside(_ key: String) -> String? {
      if key == someWereAside { return "" }
      return key.hasPrefix(wasAside) ? String(key.dropFirst(wasAside.utf8.count)) : nil
    }

    var values: [RowValue] {
      [.text(key), .integer(value)]
    }
  }
}

extension CatalogSegment: StoredRow {
  static var table: StaticString { "segments" }
  static var columns: String {
    "first_ordinal,last_ordinal,name,state,event_count,report_count,started_trace_count,raw_bytes,file_bytes,"
      + "first_created,last_created,first_stored,last_stored,reason"
  }

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

  var values: [RowValue] {
    [
      .integer(firstOrdinal), .integer(lastOrdinal), .text(name), .text(state.rawValue), .count(eventCount),
      .count(reportCount), .count(startedTraceCount), .count(rawBytes), .count(fileBytes),
      .integer(firstCreated.nanoseconds), .integer(lastCreated.nanoseconds), .integer(firstStored.nanoseconds),
      .integer(lastStored.nanoseconds), .text(reason),
    ]
  }
}

extension SourceCheckpoint: StoredRow {
  static var table: StaticString { "checkpoints" }
  static var columns: String { "source,sub_stream,major,minor,token" }

  init?(_ statement: Statement) {
    self.init(
      source: statement.text(0), subStream: statement.text(1),
      position: SourcePosition(major: statement.bits(2), minor: statement.bits(3)),
      token: statement.text(4))
  }

  var values: [RowValue] {
    [
      .text(source), .text(subStream), .bits(position.major), .bits(position.minor),
      .text(token),
    ]
  }
}

extension LateAssignment: StoredRow {
  static var table: StaticString { "late" }
  static var columns: String { "ordinal,id,id_is_uuid,trace,trace_is_uuid,stored_trace,stored_trace_is_uuid" }

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

  var values: [RowValue] {
    [.integer(ordinal)]
      + [id, trace, stored].flatMap { identifier in
        [.blob(identifier?.storedBytes ?? []), .integer(identifier?.isUUID == true ? 1 : 0)]
      }
  }
}

extension VoidEdge: StoredRow {
  static var table: StaticString { "void_edges" }
  static var columns: String { "child_ordinal,before_ordinal" }

  init?(_ statement: Statement) { self.init(child: statement.integer(0), before: statement.integer(1)) }

  var values: [RowValue] {
    [.integer(child), .integer(before)]
  }
}

extension ReworkedEvent: StoredRow {
  static var table: StaticString { "reworked" }
  static var columns: String { "ordinal,id_high,id_low" }

  init?(_ statement: Statement) {
    self.init(
      ordinal: statement.integer(0),
      id: IdentifierKey(high: statement.bits(1), low: statement.bits(2)))
  }

  var values: [RowValue] {
    [.integer(ordinal), .bits(id.high), .bits(id.low)]
  }
}

extension FailureCorrection: StoredRow {
  static var table: StaticString { "failure_corrections" }
  static var columns: String { "ordinal,delta,source,service,handler,type,created" }

  init?(_ statement: Statement) {
    self.init(
      ordinal: statement.integer(0), delta: Int(statement.integer(1)),
      labels: EventLabels(
        source: statement.text(2), service: statement.text(3), handler: statement.text(4), type: statement.text(5),
        identity: .none),
      created: Timestamp(nanoseconds: statement.integer(6)))
  }

  var values: [RowValue] {
    [
      .integer(ordinal), .count(delta), .text(labels.source), .text(labels.service), .text(labels.handler),
      .text(labels.type), .integer(created.nanoseconds),
    ]
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
