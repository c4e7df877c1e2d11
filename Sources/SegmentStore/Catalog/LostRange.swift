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

  /// A hot file that is not there any more, and no part of the store until it comes back.
  static let missing = "the file is missing"
  static let empty = "the file is empty"
  var isWholeFile: Bool { reason == Self.missing || reason == Self.empty }

  func overlaps(_ range: ClosedRange<Int64>) -> Bool { first <= range.upperBound && range.lowerBound <= last }

  /// What a hot file held from an ordinal on, where nothing says to which end: up to the next ordinal that has its place
  /// elsewhere, else as many as a hot file can hold. None of them is given a second time: senders and readers know some.
  ///
  /// - Returns: several where parts of it were lost before, or none where all of it has its place.
  static func endOfHot(_ name: String, from start: Int64, known: CatalogContents, reason: String) -> [LostRange] {
    let gaps = known.lost.filter { $0.name == name }.map { $0.first...$0.last }
    let taken = known.finishedRanges + known.lost.map { $0.first...$0.last }
    let most = Int64(HotIndex.countMax)
    var found: [LostRange] = []
    var first = start
    while true {
      while let range = taken.first(where: { $0.contains(first) }) {
        guard range.upperBound < .max - most else { return found }
        first = range.upperBound + 1
      }
      // Behind what was lost of it another file may begin.
      if first != start && known.hot.contains(first) { return found }
      let next = (taken.map(\.lowerBound) + known.hot).filter { $0 > first }.min() ?? first + most
      found.append(LostRange(first: first, last: next - 1, eventCount: 0, name: name, reason: reason))
      guard gaps.contains(where: { $0.lowerBound == next }) else { return found }
      first = next
    }
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
