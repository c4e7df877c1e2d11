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

  init(first: Int64, last: Int64, eventCount: Int, name: String, reason: String) {
    self.first = first
    self.last = last
    self.eventCount = eventCount
    self.name = name
    self.reason = reason
  }

  /// What a hot file held from an ordinal on, where nothing says to which end: up to the next ordinal that has its place,
  /// else as many as a hot file can hold. None of them is given a second time: senders and readers know some.
  init(endOfHot name: String, from first: Int64, known: CatalogContents, reason: String) {
    let taken = known.finishedRanges + known.lost.map { $0.first...$0.last }
    // A file outlives what was lost of it, or sealed out of it, before.
    var first = first
    for range in taken.sorted(by: { $0.lowerBound < $1.lowerBound })
    where range.contains(first) && range.upperBound < .max {
      first = range.upperBound + 1
    }
    let next = (taken.map(\.lowerBound) + known.hot).filter { $0 > first }.min()
    let last = next ?? first.addingReportingOverflow(Int64(HotIndex.countMax)).partialValue
    self.init(first: first, last: max(first, last - 1), eventCount: 0, name: name, reason: reason)
  }
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
