import TraceStore

/// A range of ordinals whose events are lost: their file was damaged, and is no part of the store any more.
struct LostRange: Hashable, Sendable {
  var first: Int64
  var last: Int64
  /// As far as it is known.
  var eventCount: Int
  /// Of the file.
  var name: String
  var reason: String
}

extension LostRange: StoredRow {
  static var table: StaticString { "lost" }
  static var columns: String { "first_ordinal,last_ordinal,event_count,name,reason" }

  init?(_ statement: Statement) {
    self.init(
      first: statement.integer(0), last: statement.integer(1), eventCount: Int(statement.integer(2)),
      name: statement.text(3), reason: statement.text(4))
    if first > last { return nil }
  }

  var values: [RowValue] {
    [.integer(first), .integer(last), .count(eventCount), .text(name), .text(reason)]
  }
}
