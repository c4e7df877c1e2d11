import EventModel

/// Children that wait for their cause; bounded.
struct WaitingBook {
  struct Entry {
    var label: UInt32
    var source: Int
    var created: Timestamp
    var arrival: Timestamp
    var failure: FailureKind
    var ownKey: IdentifierKey
    /// The grace is over: counted as orphan.
    var isOrphan = false
    /// Not waiting in the eyes of the gauge: a root marker that may still turn into an edge.
    var isRoot = false
    /// The failure counts already, against the event's own id.
    var failureCounted = false
  }

  private let max: Int
  private(set) var entries: [Int64: Entry] = [:]
  /// Ordinals in order of arrival; those already healed are passed over.
  private var queue: [Int64] = []
  private var evictHead = 0
  private var graceHead = 0
  private(set) var evictedCount: Int64 = 0
  /// By source: the newest created time, never beyond the clock, so that one event from the future orphans nothing.
  private var logTimes: [Timestamp] = []

  init(options: MetricsOptions) { max = options.waitingMax }

  /// - Returns: the entry that had to go for it, if any.
  mutating func add(_ ordinal: Int64, _ entry: Entry) -> Entry? {
    var evicted: Entry?
    while evicted == nil && entries.count >= max && evictHead < queue.count {
      evicted = entries.removeValue(forKey: queue[evictHead])
      evictHead += 1
      if evicted != nil { evictedCount += 1 }
    }
    graceHead = Swift.max(graceHead, evictHead)
    if evictHead > 4096 && evictHead * 2 > queue.count { compact() }
    entries[ordinal] = entry
    queue.append(ordinal)
    return evicted
  }

  mutating func remove(_ ordinal: Int64) -> Entry? {
    guard !entries.isEmpty, let found = entries.removeValue(forKey: ordinal) else { return nil }
    // Healed entries leave their ordinals behind; without this a stream of children that come first would grow it.
    if queue.count > 4096 && queue.count > 4 * entries.count { compact() }
    return found
  }

  mutating func advanceLogTime(_ source: Int, _ time: Timestamp) {
    while logTimes.count <= source { logTimes.append(.distantPast) }
    if logTimes[source] < time { logTimes[source] = time }
  }

  private func logTime(_ source: Int) -> Timestamp { source < logTimes.count ? logTimes[source] : .distantPast }

  /// The next entry, in order of arrival, whose grace `isOver` says has ended; marks it as orphan.
  mutating func nextOrphan(_ isOver: (Entry, _ logTime: Timestamp) -> Bool) -> (ordinal: Int64, entry: Entry)? {
    while graceHead < queue.count {
      let ordinal = queue[graceHead]
      guard let entry = entries[ordinal], !entry.isOrphan, !entry.isRoot else {
        graceHead += 1
        continue
      }
      guard isOver(entry, logTime(entry.source)) else { return nil }
      entries[ordinal]!.isOrphan = true
      graceHead += 1
      return (ordinal, entry)
    }
    return nil
  }

  mutating func markFailureCounted(_ ordinal: Int64) { entries[ordinal]?.failureCounted = true }

  private mutating func compact() {
    var kept: [Int64] = []
    var keptBeforeGrace = 0
    for index in evictHead..<queue.count where entries[queue[index]] != nil {
      if index < graceHead { keptBeforeGrace += 1 }
      kept.append(queue[index])
    }
    queue = kept
    evictHead = 0
    graceHead = keptBeforeGrace
  }
}
