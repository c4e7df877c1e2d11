internal import EventModel

/// Records by event id: a table of 4-byte entries, because a trace may have a million events.
struct IdentifierIndex: Sendable {
  private var slots: [Int32] = []
  private var mask = 0

  init() {}

  init(capacity: Int) {
    var size = 16
    while size < capacity * 2 { size *= 2 }
    slots = Array(repeating: -1, count: size)
    mask = size - 1
  }

  /// The record with this id; -1 if there is none. Complexity: O(1) on average.
  func find(_ id: Identifier, _ records: [TraceRecord]) -> Int {
    if slots.isEmpty { return -1 }
    var slot = Int(truncatingIfNeeded: id.key.mixed) & mask
    while slots[slot] >= 0 {
      let record = Int(slots[slot])
      if records[record].id == id { return record }
      slot = (slot + 1) & mask
    }
    return -1
  }

  /// Adds a record unless its id is there already; gives the record that has the id.
  mutating func insert(_ record: Int, _ records: [TraceRecord]) -> Int {
    let id = records[record].id
    var slot = Int(truncatingIfNeeded: id.key.mixed) & mask
    while slots[slot] >= 0 {
      let known = Int(slots[slot])
      if records[known].id == id { return known }
      slot = (slot + 1) & mask
    }
    slots[slot] = Int32(record)
    return record
  }
}
