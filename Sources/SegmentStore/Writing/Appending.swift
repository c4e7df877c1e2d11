public import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  /// Events indexed while holding the lock once: readers wait for no more than these.
  private static let eventsPerLock = 64
  /// The largest event that can be sealed.
  private static let frameBytesMax = SegmentLimits.frameBytesMax

  public func append(_ batches: [SourceBatch]) throws(StoreError) -> [AppendOutcome] {
    try requireWritable()
    try settleDamage()
    do {
      let plan = try plan(batches)
      try write(plan, batches)
      let outcomes = index(plan)
      rotateIfDue()
      return outcomes
    } catch {
      figures.withLock { $0.failed("append") }
      throw error
    }
  }

  /// The files at this moment. The sealer replaces them, so that the writer, too, takes them inside the lock.
  private typealias Files = (generations: [HotGeneration], segments: [SegmentHandle])
  private var files: Files { lock.withLock { (state.generations, state.segments) } }
  var active: HotGeneration { lock.withLock { state.active } }

  // MARK: Before writing

  private func plan(_ batches: [SourceBatch]) throws(StoreError) -> AppendPlan {
    var plan = AppendPlan(nextOrdinal: state.lastOrdinal + 1)
    let files = files
    var checkpoints: [CheckpointKey: SourceCheckpoint] = [:]
    for batch in batches {
      let isNewSource = state.sources.index(batch.source) == nil
      let source = try sourceIndex(batch.source)
      let key = CheckpointKey(source: batch.source, subStream: batch.checkpoint?.subStream ?? "")
      var batchPlan = AppendPlan.BatchPlan()
      batchPlan.dispositions.reserveCapacity(batch.events.count)
      var position = (checkpoints[key] ?? state.checkpoints[key])?.position
      try batch.events.forEach { (place, event) throws(StoreError) in
        let disposition: Disposition
        switch batch.identity {
        case .position:
          if let last = position, event.position <= last {
            disposition = .duplicate
          } else {
            position = event.position
            disposition = .accepted
          }
        case .eventID:
          if let known = plan.find(event, source: source) {
            disposition = known
          } else {
            disposition = isNewSource ? .accepted : try stored(event, source: source, files)
          }
        }
        if disposition == .accepted {
          try checkSize(event)
          plan.accept(event, source: source, remember: batch.identity == .eventID)
          batchPlan.acceptedIndexes.append(UInt32(place))
        }
        if disposition == .duplicate { batchPlan.duplicateCount += 1 }
        if disposition == .conflict { batchPlan.conflictCount += 1 }
        batchPlan.dispositions.append(disposition)
      }
      plan.batches.append(batchPlan)
      if let checkpoint = batch.checkpoint {
        var checkpoint = checkpoint
        checkpoint.source = batch.source
        checkpoints[key] = checkpoint
      }
    }
    plan.checkpoints = Array(checkpoints.values)
    return plan
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
  private func stored(_ event: EventView, source: UInt32, _ files: Files) throws(StoreError) -> Disposition {
    let id = event.idKey
    var found: Disposition?
    for generation in files.generations {
      var places: [Int] = []
      generation.index.forEach(id: id) { place in
        if UInt32(generation.index.sources[place]) == source { places.append(place) }
      }
      for place in places.sorted() where found == nil {
        do throws(StoreError) {
          try generation.withEvent(generation.location(place)) { (known) throws(StoreError) in
            found = compareIdentity(event, source: source, with: known)
          }
        } catch {
          // What cannot be read any more is not stored: its damage must not stop new events.
          guard error.code == .corrupted else { throw error }
          log.limitedWarning("store", "\(error.message): the event counts as not stored")
        }
      }
      if let found { return found }
    }
    for segment in files.segments where segment.mayContain(eventID: id) {
      state.reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: id) { known, _ in
          found = compareIdentity(event, source: source, with: known)
          return found == nil ? .proceed : .stop
        }
      }
      if let found { return found }
    }
    return .accepted
  }

  // MARK: Writing

  private func write(_ plan: AppendPlan, _ batches: [SourceBatch]) throws(StoreError) {
    if plan.chunks.isEmpty && plan.checkpoints.isEmpty { return try syncIfDemanded(batches) }
    let full = options.durability == .power || options.durability == .auto && Self.wantsSync(batches)
    let start = Instant.now
    try reach("append")
    try active.file.append(plan.chunks, checkpoints: plan.checkpoints, storedAt: clock.now(), full: full)
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

  private func index(_ plan: AppendPlan) -> [AppendOutcome] {
    var outcomes: [AppendOutcome] = []
    for batch in plan.batches {
      var outcome = AppendOutcome()
      outcome.dispositions = batch.dispositions
      outcome.duplicateCount = batch.duplicateCount
      outcome.conflictCount = batch.conflictCount
      outcome.accepted.reserveCapacity(batch.acceptedIndexes.count)
      outcomes.append(outcome)
    }
    let now = clock.now()
    lock.withLock {
      for checkpoint in plan.checkpoints { state.set(checkpoint) }
      if !plan.chunks.isEmpty { state.active.noteStored(now) }
    }
    var batch = 0
    var next = 0
    for chunk in plan.chunks {
      var offset = 0
      lock.withLock { state.active.index.beginChunk() }
      while offset < chunk.bytes.count {
        lock.withLock {
          indexSome(chunk, &offset, plan, &batch, &next, &outcomes)
        }
      }
    }
    return outcomes
  }

  /// Indexes the next events of a row.
  private func indexSome(
    _ chunk: HotChunk, _ offset: inout Int, _ plan: AppendPlan, _ batch: inout Int, _ next: inout Int,
    _ outcomes: inout [AppendOutcome]
  ) {
    unsafe chunk.bytes.withUnsafeBytes { all in
      var count = 0
      while offset < all.count && count < Self.eventsPerLock {
        let rest = unsafe UnsafeRawBufferPointer(rebasing: all[offset...])
        guard let event = try? unsafe EventView(validating: rest) else {
          preconditionFailure("frames of a batch are valid")
        }
        while next == plan.batches[batch].acceptedIndexes.count {
          batch += 1
          next = 0
        }
        let place = Int(plan.batches[batch].acceptedIndexes[next])
        state.derive(event, offset: offset, indexInBatch: place, into: &outcomes[batch])
        next += 1
        count += 1
        unsafe offset += event.bytes.count
      }
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
      index.count >= options.sealEventCount || index.rawBytes >= options.sealRawBytes || age >= ageMax
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
