import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  /// Merges as long as there is something to merge. Runs on the sealer's thread, after sealing.
  func mergeWhileDue() {
    var requests = sealer.mergeRequests
    while let window = dueForWriting() {
      let isSmall = window.load <= Self.smallMerge
      if sealer.isStopping && !isSmall { break }
      let start = Instant.now
      do {
        let merge = try Merge(self, window, isInterruptible: !isSmall)
        try merge.run()
        if !isSmall { ProcessMemory.returnUnused() }
        noteMerged(merge, nanoseconds: Instant.now.nanoseconds - start.nanoseconds)
        requests = sealer.mergeRequests
      } catch {
        requests = sealer.mergeRequests
        // An input that is gone or damaged has left the plan: what else is due need not wait. But a disk that refuses to
        // read may be well again in a moment, and would take one segment after the other away until then.
        let isDamage = error.code != .unreadable && window.handles.contains(where: \.isDamaged)
        let hasLeft = error.code == .closed || isDamage
        if error.code != .closed { noteNotMerged(error, isToWait: !hasLeft) }
        if !hasLeft || sealer.isStopping { break }
      }
    }
    sealer.finishedMerging(requests)
  }

  /// A merge of so few events is not given up when the store is closed: else a directory that is only ever opened for
  /// a moment would never get rid of its small segments.
  static let smallMerge = 50_000

  /// Merges everything that is due, and waits for it. The store does so by itself, a little later.
  public func mergeNow() throws(StoreError) {
    try requireWritable()
    mergeRetry.withLock { $0 = MergeRetry() }
    sealer.runMerges()
  }

  /// Whether the sealer's thread has something to merge.
  var isMergingDue: Bool { dueForWriting() != nil }

  /// Neighbours that are to become one, or a segment of which most is to go; with what is to be left out.
  private func dueForWriting() -> MergeWindow? {
    guard isWritable, mergeRetry.withLock({ $0.isOver }) else { return nil }
    let now = clock.now()
    var window = dueForMerging()
    if window == nil, let handle = dueForRewriting(at: now) { window = MergeWindow(handles: [handle], load: .max) }
    guard var window else { return nil }
    window.expired = window.handles.map { expiredSources(of: $0.row, at: now) }
    return window
  }

  private func dueForMerging() -> MergeWindow? {
    guard options.mergeFactor >= 2 else { return nil }
    let limits = mergeLimits
    let (handles, segments) = mergeCandidates()
    guard let range = MergePlan.next(segments, limits) else { return nil }
    let tiers = MergePlan.Tiers(limits)
    return MergeWindow(
      handles: Array(handles[range]), load: segments[range].reduce(0) { $0 + tiers.load($1) })
  }

  /// Whether sealing, which is more urgent, has put off merging for so long that segments would become ever more.
  ///
  /// False where nothing can be merged, or merging failed a moment ago: waiting for it would not help.
  var isCrowded: Bool {
    guard options.mergeFactor >= 2, mergeRetry.withLock({ $0.isOver }) else { return false }
    if lock.withLock({ state.segments.count }) <= options.mergeBacklogMax { return false }
    let limits = mergeLimits
    let segments = mergeCandidates().segments
    return MergePlan.growingCount(segments, limits) > options.mergeBacklogMax
      && MergePlan.next(segments, limits) != nil
  }

  /// All segments by ordinal, and as the plan sees them.
  private func mergeCandidates() -> (handles: [SegmentHandle], segments: [MergePlan.Segment]) {
    let (handles, quarantined, names) = lock.withLock { (state.segments, state.quarantined, state.notedAside) }
    let noted = names.map { DirectoryLayout.segmentRange($0) ?? Int64.min...Int64.max }
    let aside = quarantined.map(\.firstOrdinal).sorted()
    var segments: [MergePlan.Segment] = []
    var previous: Int64?
    for handle in handles {
      let row = handle.row
      var segment = MergePlan.Segment(
        events: row.eventCount + row.reportCount, rawBytes: row.rawBytes, fileBytes: row.fileBytes,
        firstStored: row.firstStored, lastStored: row.lastStored)
      if let previous { segment.followsPrevious = !aside.contains { $0 > previous && $0 < row.firstOrdinal } }
      // What came back is looked through file by file until what was missed is sealed.
      segment.isUsable = !handle.isDamaged && !noted.contains { $0.overlaps(handle.ordinals) }
      segments.append(segment)
      previous = row.firstOrdinal
    }
    return (handles, segments)
  }

  private var mergeLimits: MergePlan.Limits {
    var limits = MergePlan.Limits(sealEvents: options.sealEventCount, sealRawBytes: options.sealRawBytes)
    limits.factor = options.mergeFactor
    limits.levelMax = options.mergeLevelMax
    // Retention deletes whole segments: what is kept too long stays below a quarter of the age, or of the size.
    limits.spanMax = options.retention.shortestAge.map { max(1, $0.wholeNanoseconds / 4) }
    limits.fileBytesMax = options.retention.totalBytes.map { $0 / 4 }
    return limits
  }

  private func noteMerged(_ merge: Merge, nanoseconds: Int64) {
    mergeRetry.withLock { $0 = MergeRetry() }
    figures.withLock { figures in
      figures.merges.add(nanoseconds)
      figures.mergedBytesRead += merge.bytesRead
      figures.mergedBytesWritten += merge.bytesWritten
      figures.eventsMerged += merge.writtenCount
      figures.eventsDropped += merge.droppedCount
      if merge.bytesWritten == 0 { figures.segmentsDropped += merge.inputCount }
    }
  }

  private func noteNotMerged(_ error: StoreError, isToWait: Bool) {
    if isToWait { mergeRetry.withLock { $0.failed() } }
    figures.withLock { figures in
      figures.mergeFailureCount += 1
      figures.failed("merge")
    }
    log.limitedWarning("store", "segments cannot be merged, and stay as they are: \(error)")
  }
}

/// When the next attempt is made after a merge that failed: later each time.
struct MergeRetry {
  private var failures = 0
  private var next = Instant(nanoseconds: 0)

  var isOver: Bool { failures == 0 || Instant.now > next }

  mutating func failed() {
    failures = min(failures + 1, 7)
    next = Instant.now.advanced(bySeconds: 5 * Double(1 << failures))
  }
}

/// How much may be sealed in the middle of a merge.
///
/// Sealing is more urgent: ingest waits for it when it falls behind. But where it is always behind, merges would never
/// end, and segments become ever more. So once too many wait, one hot file is sealed for two segments that are merged,
/// spread over the merge: ingest goes on meanwhile, and segments become fewer all the same.
struct SealPace {
  private let step: Int
  private let isMerge: Bool
  private var isCrowded: Bool
  private var next: Int

  init(inputs: Int, events: Int, isCrowded: Bool) {
    // One more, so that the merge ends before the turn behind the last.
    step = events / (inputs / 2 + 1) + 1
    // Writing a single segment anew makes them no fewer: nothing is put off for that.
    self.isMerge = inputs > 1
    self.isCrowded = isCrowded && isMerge
    next = step
  }

  var filesAtOnce: Int { isCrowded ? 1 : .max }

  /// - Parameter done: events that the merge has come to.
  func allowsSealing(after done: Int) -> Bool { !isCrowded || done >= next }

  /// - Parameter count: hot files that were sealed; nil: it failed. Where there was none, the next attempt need not wait.
  mutating func sealed(_ count: Int?, after done: Int, isCrowded: Bool) {
    if !self.isCrowded || count == nil {
      next = done + step
    } else if count != 0 {
      next += step
    }
    self.isCrowded = isCrowded && isMerge
  }
}

/// Neighbours that are to become one.
struct MergeWindow {
  var handles: [SegmentHandle]
  var load: Int
  /// By input: sources whose events are too old to be kept.
  var expired: [Set<UInt32>] = []
}

/// One merge: reads several segments, writes one, and puts it in their place.
///
/// Crash-safe as sealing: a temporary file, synced, renamed; one transaction of the catalog takes the old rows out and
/// the new one in; the old files go when nobody reads them any more.
final class Merge {
  let store: SegmentStore
  let inputs: [MergeInput]
  private let isInterruptible: Bool
  private let late: MergedLateness
  private(set) var bytesRead = 0
  private(set) var bytesWritten = 0
  private(set) var writtenCount = 0
  /// Events that retention left out.
  private(set) var droppedCount = 0

  init(_ store: SegmentStore, _ window: MergeWindow, isInterruptible: Bool) throws(StoreError) {
    self.store = store
    self.isInterruptible = isInterruptible
    inputs = window.handles.enumerated().map { number, handle in
      MergeInput(handle: handle, expired: number < window.expired.count ? window.expired[number] : [])
    }
    let range = inputs[0].first...inputs[inputs.count - 1].handle.row.lastOrdinal
    late = try store.withCatalog { (catalog) throws(StoreError) in try MergedLateness(catalog, range) }
    bytesRead = inputs.reduce(0) { $0 + $1.handle.row.fileBytes }
  }

  var inputCount: Int { inputs.count }
  private var first: Int64 { inputs[0].first }
  private var last: Int64 { inputs[inputs.count - 1].handle.row.lastOrdinal }

  private var name: String {
    let level = inputs.compactMap { DirectoryLayout.segmentLevel($0.handle.name) }.max() ?? 0
    return DirectoryLayout.segmentName(level: level + 1, first: first, last: last)
  }

  func run() throws(StoreError) {
    try store.reach("merge-begins")
    try checkSpace()
    let temporary = store.path(name + DirectoryLayout.temporarySuffix)
    let written: MergedSegment
    do {
      written = try write(to: temporary)
    } catch {
      try? store.fileSystem.remove(temporary)
      noteDamage(error)
      throw error
    }
    try store.reach("merge-written")
    if written.row == nil {
      try? store.fileSystem.remove(temporary)
      return try publish(written, nil)
    }
    let path = store.path(name)
    try mapping { () throws(FileError) in try store.fileSystem.renameDurably(temporary, to: path) }
    try store.reach("merge-renamed")
    do {
      let reader = try SegmentReader.open(path: path, cache: store.blockCache, files: store.fileSystem)
      try publish(written, reader)
    } catch {
      store.removeUnpublished(name)
      throw error
    }
    bytesWritten = written.row?.fileBytes ?? 0
  }

  /// The copy must fit beside what it replaces, with what is to stay free.
  private func checkSpace() throws(StoreError) {
    guard let available = (try? store.fileSystem.volume(store.directory))?.available else { return }
    let needed = bytesRead + bytesRead / 8 + store.options.retention.freeDiskBytes
    if available < needed {
      throw StoreError(
        .diskFull, "merging \(inputs.count) segments needs \(needed) bytes of free space, \(available) are there",
        hint: "free space on the volume; until then there are more segments, and look-ups cost more")
    }
  }

  /// Damage is noted at its segment, which leaves the plan.
  private func noteDamage(_ error: StoreError) {
    for input in inputs where error.message.contains(input.handle.name) && store.isOnly(input.handle, error) {
      input.handle.note(error, log: store.log)
    }
  }

  // MARK: Writing

  private func write(to path: String) throws(StoreError) -> MergedSegment {
    let writer = try SegmentWriter(path: path, files: store.fileSystem)
    let expected = inputs.reduce(0) { $0 + $1.handle.row.eventCount + $1.handle.row.reportCount }
    var pace = SealPace(inputs: inputCount, events: expected, isCrowded: store.isCrowded)
    let content = MergeContent(inputs, to: writer, late: late) { [self] (done) throws(StoreError) in
      if isInterruptible && store.sealer.isStopping {
        throw StoreError(.closed, "the store is closing", hint: "")
      }
      guard pace.allowsSealing(after: done), store.sealer.takeWork() else { return }
      pace.sealed(store.sealFrozen(most: pace.filesAtOnce), after: done, isCrowded: store.isCrowded)
      // That took its time: retention may have deleted one meanwhile, and all that follows would be in vain.
      try checkInputsAreLive()
    }
    try content.write()
    writtenCount = content.writtenCount
    droppedCount = content.dropped.reduce(0) { $0 + $1.values.reduce(0, +) }
    guard content.writtenCount + droppedCount == expected else {
      throw StoreError(
        .inputOutput,
        "merging \(inputs.map(\.handle.name).joined(separator: ", ")) gave \(content.writtenCount) of \(expected) events",
        hint: "run `clew verify`")
    }
    let sources = store.lock.withLock { store.state.sources }
    var collector = MergeExtras(inputs, late: late) { sources.name($0) }
    let extras = try collector.collect(sources: content.figures.sources) { writer.isInHead($0) }
    var written = MergedSegment(
      row: nil, sources: content.figures.rows(ofSegment: first), dropped: content.dropped,
      corrections: collector.corrections, droppedWaiting: collector.droppedWaiting)
    if content.writtenCount > 0 { written.row = row(try writer.finish(extras)) }
    return written
  }

  private func row(_ descriptor: SegmentDescriptor) -> CatalogSegment {
    let rows = inputs.map(\.handle.row)
    return CatalogSegment(
      name: name, state: .live, firstOrdinal: first, lastOrdinal: last, eventCount: descriptor.eventCount,
      reportCount: descriptor.reportCount, startedTraceCount: rows.reduce(0) { $0 + $1.startedTraceCount },
      rawBytes: descriptor.rawBytes, fileBytes: descriptor.fileBytes, firstCreated: descriptor.firstCreated,
      lastCreated: descriptor.lastCreated, firstStored: descriptor.firstStored, lastStored: descriptor.lastStored,
      reason: "")
  }

  // MARK: Publishing

  /// One transaction, and then what is in memory, while nobody else changes which files count.
  private func publish(_ written: MergedSegment, _ reader: SegmentReader?) throws(StoreError) {
    try store.withCatalog { (catalog) throws(StoreError) in
      try checkInputsAreLive()
      let change = MergedLateChange(late, corrections: written.corrections, range: first...last)
      let dropped = droppedEvents(written)
      let hasDropped = written.dropped.contains { !$0.isEmpty }
      try catalog.transaction { () throws(StoreError) in
        for input in inputs { try catalog.removeSegmentRow(first: input.first) }
        if let row = written.row { try catalog.put(row) }
        for row in written.sources { try catalog.put(row) }
        try change.apply(to: catalog)
        if hasDropped { try catalog.replace(dropped) }
        try store.reach("before-merge-commit")
      }
      try store.reach("merge-published")
      store.lock.withLock {
        let old = Set(inputs.map { ObjectIdentifier($0.handle) })
        store.state.segments.removeAll { old.contains(ObjectIdentifier($0)) }
        if let reader, let row = written.row {
          store.state.segments.append(SegmentHandle(reader: reader, row: row, limiter: store.limiter))
          store.state.segments.sort { $0.row.firstOrdinal < $1.row.firstOrdinal }
        }
        for input in inputs { store.state.segmentSources[input.first] = nil }
        if !written.sources.isEmpty { store.state.segmentSources[first] = written.sources }
        change.apply(to: store.state)
        store.state.dropped = dropped
        if !written.droppedWaiting.isEmpty { store.state.waiting.remove(ordinals: Set(written.droppedWaiting)) }
      }
    }
    for input in inputs { input.handle.retire() }
  }

  /// Retention, or damage found by a reader, may have taken one away meanwhile.
  private func checkInputsAreLive() throws(StoreError) {
    let live = store.lock.withLock { Set(store.state.segments.filter { !$0.isDamaged }.map { ObjectIdentifier($0) }) }
    guard inputs.allSatisfy({ live.contains(ObjectIdentifier($0.handle)) }) else {
      throw StoreError(.closed, "a segment that was being merged is gone", hint: "")
    }
  }
}
