public import EventModel
import Platform
import SegmentBlocks
public import TraceStore

extension SegmentStore {
  /// Events indexed while holding the lock once: readers wait for no more than these.
  private static let eventsPerLock = 64
  /// What the index needs of an event is asked for so many events before it is read: the reader's thread wrote it.
  private static let eventsAhead = 4
  /// The largest event that can be sealed.
  private static let frameBytesMax = SegmentLimits.frameBytesMax

  public func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome] {
    try requireWritable()
    try settleDamage()
    do {
      try plan(batches)
      try write(batches)
      let outcomes = index()
      rotateIfDue()
      return outcomes
    } catch {
      figures.withLock { $0.failed("append") }
      throw error
    }
  }

  /// The files at this moment. The sealer replaces them, so that the writer, too, takes them inside the lock.
  private struct Files {
    var generations: [HotGeneration]
    var segments: [SegmentHandle]
    var aside: [SegmentHandle]
    /// Of the generation that is written to.
    var newest: HotIndex { generations[generations.count - 1].index }
  }
  private var files: Files {
    lock.withLock {
      Files(
        generations: state.generations, segments: state.segments,
        aside: state.aside + state.segments.filter(\.isDamaged))
    }
  }
  var active: HotGeneration { lock.withLock { state.active } }

  // MARK: Before writing

  private func plan(_ batches: [SourceBatch]) throws(StoreError) {
    let files = files
    plan.begin(batches, nextOrdinal: state.lastOrdinal + 1)
    var checkpoints: [CheckpointKey: SourceCheckpoint] = [:]
    for batch in batches {
      let isNewSource = state.sources.index(batch.source) == nil
      let source = try sourceIndex(batch.source)
      let key = CheckpointKey(source: batch.source, subStream: batch.checkpoint?.subStream ?? "")
      makeDrafts(batch.events, source, files)
      let position = (checkpoints[key] ?? state.checkpoints[key])?.position
      try plan.batches.append(plan(batch, position, isNewSource: isNewSource, files))
      if let checkpoint = batch.checkpoint {
        var checkpoint = checkpoint
        checkpoint.source = batch.source
        checkpoints[key] = checkpoint
      }
    }
    plan.checkpoints = Array(checkpoints.values)
    if files.newest.count + plan.draftCount > HotIndex.countMax {
      throw StoreError(
        .limitExceeded, "the hot file is full with \(HotIndex.countMax) events, and the next one cannot be made",
        hint: "see the log for why sealing fails, or append fewer events at once")
    }
  }

  /// Reads what the index needs of every event, and asks the files whether they may hold its id: file by file, so that
  /// what one question brings into the cache serves the next.
  private func makeDrafts(_ events: EventBatch, _ source: UInt32, _ files: Files) {
    let hash = HotHash.ofProcess
    // Held here, so that they are not held and let go for every event.
    let (plan, labels, newest) = (plan, state.labels, files.newest)
    events.forEach { (place, event) in
      events.prefetchFrame(place + Self.eventsAhead)
      let label = labels.find(event, source: source) ?? newLabel(event, source)
      let draft = unsafe plan.candidate(place)
      unsafe draft.initialize(to: HotDraft(event, source: source, label: label, hash: hash))
    }
    for index in 0..<events.count { unsafe newest.prefetchTables(UnsafePointer(plan.candidate(index))) }
    if events.count == 0 { return }
    let drafts = unsafe plan.candidates(events.count)
    for generation in files.generations.dropLast() { unsafe generation.index.noteOlder(drafts, events.count) }
    for segment in files.segments where !segment.isDamaged { unsafe segment.reader.noteOlder(drafts, events.count) }
    for segment in files.aside { unsafe segment.reader.noteOlder(drafts, events.count) }
  }

  /// Names that were not seen since the store was opened; readers look at them.
  private func newLabel(_ event: EventView, _ source: UInt32) -> UInt32 {
    lock.withLock { state.labels.number(of: event, source: source) }
  }

  /// Decides what becomes of each event of a batch.
  private func plan(
    _ batch: SourceBatch, _ lastPosition: SourcePosition?, isNewSource: Bool, _ files: Files
  ) throws(StoreError) -> AppendPlan.BatchPlan {
    var batchPlan = AppendPlan.BatchPlan()
    batchPlan.dispositions.reserveCapacity(batch.events.count)
    let first = plan.draftCount
    var position = lastPosition
    let byPosition = batch.identity == .position
    let (plan, newest) = (plan, files.newest)
    try batch.events.forEach { (place, event) throws(StoreError) in
      let disposition: Disposition
      if byPosition {
        if let last = position, event.position <= last {
          disposition = .duplicate
        } else {
          position = event.position
          disposition = .accepted
        }
      } else if let known = plan.find(event, candidate: place) {
        disposition = known
      } else {
        disposition =
          isNewSource
          ? .accepted : try unsafe stored(event, UnsafePointer(plan.candidate(place)), newest, files)
      }
      if disposition == .accepted {
        try checkSize(event)
        plan.accept(event, candidate: place, remember: !byPosition)
      }
      if disposition == .duplicate { batchPlan.duplicateCount += 1 }
      if disposition == .conflict { batchPlan.conflictCount += 1 }
      batchPlan.dispositions.append(disposition)
    }
    batchPlan.drafts = first..<plan.draftCount
    return batchPlan
  }

  private func checkSize(_ event: EventView) throws(StoreError) {
    if unsafe event.bytes.count > Self.frameBytesMax {
      throw StoreError(
        .limitExceeded, unsafe "an event of \(event.bytes.count) bytes is beyond \(Self.frameBytesMax) bytes",
        hint: "lower the payload limit")
    }
  }

  /// The number of a source. A new one is written to the catalog, which is synced, before any event names it.
  private func sourceIndex(_ name: String) throws(StoreError) -> UInt32 {
    if let known = state.sources.index(name) { return known }
    let index = state.sources.nextIndex
    guard index < UInt32(SourceTable.countMax) else {
      throw StoreError(
        .limitExceeded, "the store has \(SourceTable.countMax) sources; `\(name)` would be one more",
        hint: "use fewer source names")
    }
    try withCatalog { (catalog) throws(StoreError) in try catalog.put(CatalogRow.Source(index: index, name: name)) }
    lock.withLock { state.sources.set(index, name) }
    return index
  }

  /// Whether an event of this identity is stored, and then what the new one is.
  @inline(__always) private func stored(
    _ event: EventView, _ draft: UnsafePointer<HotDraft>, _ newest: HotIndex, _ files: Files
  ) throws(StoreError) -> Disposition {
    if unsafe !draft.pointee.mayBeOlder, unsafe newest.sameIdentity(draft) == nil { return .accepted }
    return try unsafe storedBefore(event, draft, files)
  }

  private func storedBefore(
    _ event: EventView, _ draft: UnsafePointer<HotDraft>, _ files: Files
  ) throws(StoreError) -> Disposition {
    let source = unsafe draft.pointee.source
    for generation in files.generations {
      guard let same = unsafe generation.index.sameIdentity(draft) else { continue }
      for place in [same.first, same.inStream] {
        guard let place, generation.index.source(place) == source else { continue }
        if let found = try compare(event, source, with: place, of: generation) { return found }
      }
    }
    return unsafe draft.pointee.mayBeOlder ? try sealed(event, source, files) : .accepted
  }

  private func compare(
    _ event: EventView, _ source: UInt32, with place: Int, of generation: HotGeneration
  ) throws(StoreError) -> Disposition? {
    do throws(StoreError) {
      return try generation.withEvent(generation.location(place)) { (known) throws(StoreError) in
        compareIdentity(event, source: source, with: known)
      }
    } catch {
      // What cannot be read any more is not stored: its damage must not stop new events.
      guard error.code == .corrupted else { throw error }
      log.limitedWarning("store", "\(error.message): the event counts as not stored")
      return nil
    }
  }

  private func sealed(_ event: EventView, _ source: UInt32, _ files: Files) throws(StoreError) -> Disposition {
    let id = event.idKey
    for segment in files.aside {
      if let found = segment.findDespiteDamage(event, source: source) { return found }
    }
    if let known = lock.withLock({ state.sealed.namesakes(id) }) {
      return known.find(event, source: source) ?? .accepted
    }
    var found: Disposition?
    var seen = 0
    // Only the same UUID is the same event: blocks without it need not be inflated.
    let uuid = event.flags.contains(.idIsUUID) ? Identifier(uuid: id) : nil
    for segment in files.segments where found == nil && segment.mayContain(eventID: id) {
      state.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: id, of: uuid) { known, _ in
          found = compareIdentity(event, source: source, with: known)
          seen += 1
          return found == nil ? .proceed : .stop
        }
      }
    }
    // One id of many streams: the next event of it is answered from memory.
    if seen >= SealedMemory.namesakesMin { lock.withLock { state.forEachSealed(id: id) { _ in } } }
    return found ?? .accepted
  }

  // MARK: Writing

  private func write(_ batches: [SourceBatch]) throws(StoreError) {
    if plan.chunks.isEmpty && plan.checkpoints.isEmpty { return try syncIfDemanded(batches) }
    let full = options.durability == .power || options.durability == .auto && Self.wantsSync(batches)
    let start = Instant.now
    try reach("append")
    try active.file.append(plan, storedAt: clock.now(), full: full)
    let nanoseconds = Instant.now.nanoseconds - start.nanoseconds
    figures.withLock { figures in
      figures.transactionCount += 1
      figures.rawBytesAppended += plan.rawBytes
      if full { figures.syncs.add(nanoseconds) }
    }
  }

  /// Duplicates are acknowledged, too: what they are duplicates of must be as durable as the sender is told.
  private func syncIfDemanded(_ batches: [SourceBatch]) throws(StoreError) {
    if options.durability != .process && Self.wantsSync(batches) { try sync() }
  }

  private static func wantsSync(_ batches: [SourceBatch]) -> Bool { batches.contains { $0.durability == .synced } }

  public func sync() throws(StoreError) {
    try requireWritable()
    let start = Instant.now
    do {
      for generation in files.generations { try generation.file.sync() }
    } catch {
      figures.withLock { $0.failed("sync") }
      throw error
    }
    figures.withLock { $0.syncs.add(Instant.now.nanoseconds - start.nanoseconds) }
  }

  // MARK: After writing

  private func index() -> [AppendOutcome] {
    let now = clock.now()
    lock.withLock {
      for checkpoint in plan.checkpoints { state.set(checkpoint) }
      if plan.draftCount > 0 { state.active.noteStored(now) }
    }
    return plan.batches.map { batch in
      var outcome = AppendOutcome()
      outcome.dispositions = batch.dispositions
      outcome.duplicateCount = batch.duplicateCount
      outcome.conflictCount = batch.conflictCount
      outcome.accepted.reserveCapacity(batch.drafts.count)
      outcome.edges.reserveCapacity(batch.drafts.count)
      var next = batch.drafts.lowerBound
      while next < batch.drafts.upperBound {
        let end = min(next + Self.eventsPerLock, batch.drafts.upperBound)
        lock.withLock { unsafe state.derive(from: plan.draft(next), count: end - next, frames: plan.base, &outcome) }
        next = end
      }
      return outcome
    }
  }

  /// Begins the next hot file when this one is full or old, and wakes the sealer.
  func rotateIfDue() {
    let index = active.index
    guard index.count > 0 else { return }
    let age = clock.now().since(index.firstStored ?? clock.now())
    let (seconds, attoseconds) = options.sealAfter.components
    let ageMax = seconds.multipliedReportingOverflow(by: 1_000_000_000).partialValue &+ attoseconds / 1_000_000_000
    let isDue =
      index.count >= min(options.sealEventCount, HotIndex.countMax / 2) || index.rawBytes >= options.sealRawBytes
      || age >= ageMax
    if isDue { rotate() } else { boundWAL(index.rawBytes) }
  }

  private func rotate() {
    if isSealerBehind {
      // Wait for one file rather than keep ever more in memory. If sealing fails, the hot file goes on.
      let start = Instant.now
      do {
        while isSealerBehind { try sealer.waitForOne() }
      } catch {
        log.limitedWarning("store", "sealing fails: \(error)")
      }
      figures.withLock { $0.sealWaits.add(Instant.now.nanoseconds - start.nanoseconds) }
      if isSealerBehind { return }
    }
    do {
      try freezeActive()
      sealer.wake()
    } catch {
      figures.withLock { $0.failed("seal") }
      log.limitedWarning("store", "the next hot file cannot be made, the old one goes on: \(error)")
    }
  }

  private var isSealerBehind: Bool { files.generations.count > max(options.sealBacklogMax, 1) }

  /// Very small transactions write whole pages each: then the WAL is brought in once it is much larger than its content.
  private func boundWAL(_ rawBytes: Int) {
    let bound = max(HotFile.walBytesBeforeCheckpoint, rawBytes * 4)
    let file = active.file
    transactionsSinceLook.withLock { $0 += 1 }
    guard transactionsSinceLook.withLock({ $0 }) % 256 == 0 else { return }
    if file.walBytes > bound { file.checkpoint() }
  }
}

extension EventBatch {
  /// Asks for the header of a frame and the names behind it, as far as they usually go.
  @inline(__always) fileprivate func prefetchFrame(_ index: Int) {
    if index >= count { return }
    let start = offsets[index]
    unsafe bytes.withUnsafeBytes { all in
      unsafe Prefetch.lines(all.baseAddress.unsafelyUnwrapped + start, min(all.count - start, 256), max: 4)
    }
  }
}
