import EventModel
import TraceStore

/// What one segment holds of one source: so that it can be said what is missing when the file is not readable any more,
/// and what retention by source would gain.
struct SegmentSource: Hashable, Sendable {
  /// Of the segment, as in its row.
  var firstOrdinal: Int64
  var source: UInt32
  var eventCount: Int
  var rawBytes: Int
  var firstPosition: SourcePosition
  var lastPosition: SourcePosition
}

/// Counts the events of a segment by source.
struct SourceFigures {
  private var rows: [SegmentSource] = []
  private var places: [UInt32: Int] = [:]
  private var lastSource = UInt32.max
  private var lastPlace = 0

  /// A few nanoseconds while events of one source follow each other.
  mutating func add(_ event: EventView) {
    unsafe add(source: event.sourceIndex, position: event.position, bytes: event.bytes.count)
  }

  mutating func add(source: UInt32, position: SourcePosition, bytes: Int) {
    if source != lastSource {
      lastSource = source
      lastPlace = places[source] ?? rows.count
      if lastPlace == rows.count {
        places[source] = lastPlace
        rows.append(
          SegmentSource(
            firstOrdinal: 0, source: source, eventCount: 0, rawBytes: 0, firstPosition: position,
            lastPosition: position))
      }
    }
    rows[lastPlace].eventCount += 1
    rows[lastPlace].rawBytes += bytes
    if position < rows[lastPlace].firstPosition { rows[lastPlace].firstPosition = position }
    if rows[lastPlace].lastPosition < position { rows[lastPlace].lastPosition = position }
  }

  var isEmpty: Bool { rows.isEmpty }
  var sources: Set<UInt32> { Set(places.keys) }

  /// The rows of the catalog, by source.
  func rows(ofSegment first: Int64) -> [SegmentSource] {
    rows.sorted { $0.source < $1.source }.map { row in
      var row = row
      row.firstOrdinal = first
      return row
    }
  }
}
