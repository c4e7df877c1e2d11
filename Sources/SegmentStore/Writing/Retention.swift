public import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func applyRetention(now: Timestamp) throws(StoreError) {
    try requireWritable()
    try settleDamage()
    rotateIfDue()
    // A hot file that could not be sealed is tried again.
    if lock.withLock({ state.generations.count }) > 1 || isMergingDue { sealer.wake() }
    do {
      try drop(try planRetention(now))
    } catch {
      figures.withLock { $0.failed("delete") }
      throw error
    }
  }

  private func planRetention(_ now: Timestamp) throws(StoreError) -> [String] {
    let policy = options.retention
    if policy.isEmpty { return [] }
    // Segments that are set aside are old data, too, and go with the rest.
    var rows = lock.withLock { state.segments.map(\.row) + state.quarantined }
    rows.sort { $0.firstOrdinal < $1.firstOrdinal }
    let available = (try? fileSystem.volume(directory))?.available
    let hot = policy.totalBytes == nil ? 0 : (try? DirectoryLayout.bytesByKind(directory, fileSystem))?["hot"] ?? 0
    return RetentionPlan.plan(
      rows.map(retained),
      RetentionPlan.Situation(
        now: now, totalBytes: rows.reduce(hot) { $0 + $1.fileBytes }, availableBytes: available),
      policy)
  }

  /// A segment as the plan sees it.
  private func retained(_ row: CatalogSegment) -> RetentionPlan.Segment {
    lock.withLock {
      let sources = state.segmentSources[row.firstOrdinal].map { rows in
        Dictionary(rows.map { (state.sources.name($0.source), $0.rawBytes) }, uniquingKeysWith: +)
      }
      return RetentionPlan.Segment(
        name: row.name, lastStored: row.lastStored, bytes: row.fileBytes, sources: sources)
    }
  }

  /// Numbers of the sources whose events in this segment are too old to be kept.
  func expiredSources(of row: CatalogSegment, at now: Timestamp) -> Set<UInt32> {
    if options.retention.sourceAges.isEmpty { return [] }
    let names = RetentionPlan.expiredSources(retained(row), now, options.retention)
    return lock.withLock { Set(names.compactMap { state.sources.index($0) }) }
  }

  /// The first segment that is worth writing anew for the events that are too old in it.
  func dueForRewriting(at now: Timestamp) -> SegmentHandle? {
    if options.retention.sourceAges.isEmpty { return nil }
    let handles = lock.withLock { state.segments }
    return handles.first {
      !$0.isDamaged && RetentionPlan.isMostlyExpired(retained($0.row), now, options.retention)
    }
  }

  /// Out of the catalog first, then out of sight of new readers, then the file: by its last reader.
  private func drop(_ names: [String]) throws(StoreError) {
    for name in names {
      let handle = lock.withLock { state.segments.first { $0.name == name } }
      // What was set aside is open, too: to say of its events that they are stored, which ends here.
      let aside = lock.withLock { state.aside.first { $0.name == name } }
      guard let row = handle?.row ?? lock.withLock({ state.quarantined.first { $0.name == name } }) else { continue }
      try reach("retention-begins")
      // The catalog is held until memory says the same: a merge of this segment must not come between.
      let isGone = try withCatalog { (catalog) throws(StoreError) -> Bool in
        guard lock.withLock({ state.hasFile(name) }) else { return false }
        var dropped = lock.withLock { state.dropped }
        dropped.add(row)
        let lost = lock.withLock { state.lostBefore(row) }
        for range in lost { dropped.add(range) }
        try catalog.transaction { () throws(StoreError) in
          try catalog.removeSegment(first: row.firstOrdinal, last: row.lastOrdinal)
          try catalog.replace(dropped)
          for range in lost { try catalog.removeLost(first: range.first) }
        }
        try reach("retention-in-catalog")
        lock.withLock {
          state.dropped = dropped
          state.lost.removeAll { lost.contains($0) }
          state.segments.removeAll { $0.name == name }
          state.quarantined.removeAll { $0.name == name }
          state.aside.removeAll { $0.name == name }
          state.segmentSources[row.firstOrdinal] = nil
          state.waiting.remove(ordinals: row.firstOrdinal...row.lastOrdinal)
          state.late.remove(ordinals: row.firstOrdinal...row.lastOrdinal)
          state.reworked = state.reworked.filter { $0 < row.firstOrdinal || $0 > row.lastOrdinal }
          for generation in state.generations { generation.index.forgetLater(row.firstOrdinal...row.lastOrdinal) }
        }
        return true
      }
      guard isGone else { continue }
      if let handle = handle ?? aside {
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

extension StoreState {
  /// What is lost is older than a segment that goes, and nothing that is older is kept: it goes with it.
  fileprivate func lostBefore(_ row: CatalogSegment) -> [LostRange] {
    let kept = segments.map(\.row) + quarantined
    return lost.filter { range in
      range.last <= row.lastOrdinal
        && kept.allSatisfy { $0.firstOrdinal == row.firstOrdinal || $0.lastOrdinal > range.last }
    }
  }
}
