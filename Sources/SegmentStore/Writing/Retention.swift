public import EventModel
import Platform
public import TraceStore

/// Which segments go: a pure function, so that its test is a table.
enum RetentionPlan {
  struct Segment: Equatable {
    var name: String
    var lastStored: Timestamp
    var bytes: Int
  }

  struct Situation {
    var now: Timestamp
    /// Bytes of all segments: what is hot is sealed soon, and deleting segments cannot make it smaller.
    var totalBytes: Int
    /// Free bytes of the volume; nil if that is unknown.
    var availableBytes: Int?
  }

  /// Names of the segments to delete: always the oldest ones, without a gap.
  ///
  /// - Parameter segments: by age, the oldest first.
  static func plan(_ segments: [Segment], _ situation: Situation, _ policy: RetentionPolicy) -> [String] {
    var dropped: [String] = []
    var total = situation.totalBytes
    var available = situation.availableBytes
    for segment in segments {
      let isOld = policy.age.map { isOlder(segment.lastStored, than: $0, at: situation.now) } ?? false
      let isTooMuch = policy.totalBytes.map { total > $0 } ?? false
      let isTooFull = available.map { $0 < policy.freeDiskBytes } ?? false
      guard isOld || isTooMuch || isTooFull else { break }
      dropped.append(segment.name)
      total -= segment.bytes
      available? += segment.bytes
    }
    return dropped
  }

  private static func isOlder(_ time: Timestamp, than age: Duration, at now: Timestamp) -> Bool {
    let (seconds, attoseconds) = age.components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return false }
    return now.since(time) > product &+ attoseconds / 1_000_000_000
  }
}

extension SegmentStore {
  public func applyRetention(now: Timestamp) throws(StoreError) {
    try requireWritable()
    try settleDamage()
    rotateIfDue()
    // A hot file that could not be sealed is tried again.
    if lock.withLock({ state.generations.count }) > 1 { sealer.wake() }
    do {
      try drop(try planRetention(now))
    } catch {
      figures.withLock { $0.failed("delete") }
      throw error
    }
  }

  private func planRetention(_ now: Timestamp) throws(StoreError) -> [String] {
    let policy = options.retention
    if policy.age == nil && policy.totalBytes == nil && policy.freeDiskBytes == 0 { return [] }
    // Segments that are set aside are old data, too, and go with the rest.
    var rows = lock.withLock { state.segments.map(\.row) + state.quarantined }
    rows.sort { $0.firstOrdinal < $1.firstOrdinal }
    let available = (try? fileSystem.volume(directory))?.available
    return RetentionPlan.plan(
      rows.map { RetentionPlan.Segment(name: $0.name, lastStored: $0.lastStored, bytes: $0.fileBytes) },
      RetentionPlan.Situation(now: now, totalBytes: rows.reduce(0) { $0 + $1.fileBytes }, availableBytes: available),
      policy)
  }

  /// Out of the catalog first, then out of sight of new readers, then the file: by its last reader.
  private func drop(_ names: [String]) throws(StoreError) {
    for name in names {
      let handle = lock.withLock { state.segments.first { $0.name == name } }
      guard let row = handle?.row ?? lock.withLock({ state.quarantined.first { $0.name == name } }) else { continue }
      try reach("retention-begins")
      // The catalog is held until memory says the same: a merge of this segment must not come between.
      let isGone = try withCatalog { (catalog) throws(StoreError) -> Bool in
        guard lock.withLock({ state.hasFile(name) }) else { return false }
        var dropped = lock.withLock { state.dropped }
        dropped.add(row)
        try catalog.transaction { () throws(StoreError) in
          try catalog.removeSegment(first: row.firstOrdinal, last: row.lastOrdinal)
          try catalog.replace(dropped)
        }
        try reach("retention-in-catalog")
        lock.withLock {
          state.dropped = dropped
          state.segments.removeAll { $0.name == name }
          state.quarantined.removeAll { $0.name == name }
          state.segmentSources[row.firstOrdinal] = nil
          state.waiting.remove(ordinals: row.firstOrdinal...row.lastOrdinal)
          state.late.remove(ordinals: row.firstOrdinal...row.lastOrdinal)
        }
        return true
      }
      guard isGone else { continue }
      if let handle {
        handle.retire()
      } else {
        try mapping { () throws(FileError) in try fileSystem.remove(path(name)) }
      }
      figures.withLock { figures in
        figures.segmentsDropped += 1
        figures.eventsDropped += row.eventCount
      }
      log.info("store", "\(name) with \(row.eventCount) events was deleted by retention")
    }
  }
}
