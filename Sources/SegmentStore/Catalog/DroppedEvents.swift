import EventModel
import TraceStore

/// A range of ordinals that retention deleted.
struct DroppedRange: Hashable, Sendable {
  var first: Int64
  var last: Int64
  var eventCount: Int
}

/// Events of one source that retention deleted out of a range of ordinals; what else the range holds is there.
struct DroppedSource: Hashable, Sendable {
  var first: Int64
  var last: Int64
  var source: UInt32
  var eventCount: Int
}

/// Everything that retention deleted. Neighbouring ranges become one, so that it stays as short as retention is regular.
struct DroppedEvents: Sendable {
  /// By ordinal, not touching each other.
  var ranges: [DroppedRange] = []
  /// By source and ordinal.
  var sources: [DroppedSource] = []

  var isEmpty: Bool { ranges.isEmpty && sources.isEmpty }

  /// A whole segment.
  mutating func add(_ row: CatalogSegment) {
    add(DroppedRange(first: row.firstOrdinal, last: row.lastOrdinal, eventCount: row.eventCount))
    // What was taken of single sources before is part of it.
    let range = row.firstOrdinal...row.lastOrdinal
    for taken in sources where range.contains(taken.first) && range.contains(taken.last) {
      if let place = ranges.firstIndex(where: { $0.first <= taken.first && taken.last <= $0.last }) {
        ranges[place].eventCount += taken.eventCount
      }
    }
    sources.removeAll { range.contains($0.first) && range.contains($0.last) }
  }

  /// What was lost before, and is too old now as well: how much it was is not known.
  mutating func add(_ lost: LostRange) { add(DroppedRange(first: lost.first, last: lost.last, eventCount: 0)) }

  private mutating func add(_ range: DroppedRange) {
    ranges.append(range)
    ranges.sort { $0.first < $1.first }
    ranges = ranges.reduce(into: []) { joined, next in
      if let last = joined.last, last.last + 1 >= next.first {
        joined[joined.count - 1].last = max(last.last, next.last)
        joined[joined.count - 1].eventCount += next.eventCount
      } else {
        joined.append(next)
      }
    }
  }

  mutating func add(_ dropped: DroppedSource) {
    sources.append(dropped)
    sources.sort { ($0.source, $0.first) < ($1.source, $1.first) }
    sources = sources.reduce(into: []) { joined, next in
      if let last = joined.last, last.source == next.source, last.last + 1 >= next.first {
        joined[joined.count - 1].last = max(last.last, next.last)
        joined[joined.count - 1].eventCount += next.eventCount
      } else {
        joined.append(next)
      }
    }
  }
}

extension DroppedRange: StoredRow {
  static var table: StaticString { "dropped" }
  static var columns: String { "first_ordinal,last_ordinal,event_count" }

  init?(_ statement: Statement) {
    self.init(
      first: statement.integer(0), last: statement.integer(1), eventCount: Int(statement.integer(2)))
    if first > last { return nil }
  }

  var values: [RowValue] {
    [.integer(first), .integer(last), .count(eventCount)]
  }
}

extension DroppedSource: StoredRow {
  static var table: StaticString { "dropped_sources" }
  static var columns: String { "first_ordinal,source_index,last_ordinal,event_count" }

  init?(_ statement: Statement) {
    guard let source = UInt32(exactly: statement.integer(1)), statement.integer(0) <= statement.integer(2) else {
      return nil
    }
    self.init(
      first: statement.integer(0), last: statement.integer(2), source: source, eventCount: Int(statement.integer(3)))
  }

  var values: [RowValue] {
    [.integer(first), .integer(Int64(source)), .integer(last), .count(eventCount)]
  }
}

extension SegmentSource: StoredRow {
  static var table: StaticString { "segment_sources" }
  static var columns: String {
    "first_ordinal,source_index,event_count,raw_bytes,first_major,first_minor,last_major,last_minor"
  }

  init?(_ statement: Statement) {
    guard let source = UInt32(exactly: statement.integer(1)) else { return nil }
    func position(_ column: Int32) -> SourcePosition {
      SourcePosition(major: statement.bits(column), minor: statement.bits(column + 1))
    }
    self.init(
      firstOrdinal: statement.integer(0), source: source, eventCount: Int(statement.integer(2)),
      rawBytes: Int(statement.integer(3)), firstPosition: position(4), lastPosition: position(6))
  }

  var values: [RowValue] {
    [
      .integer(firstOrdinal), .integer(Int64(source)), .count(eventCount), .count(rawBytes),
      .bits(firstPosition.major), .bits(firstPosition.minor), .bits(lastPosition.major),
      .bits(lastPosition.minor),
    ]
  }
}
