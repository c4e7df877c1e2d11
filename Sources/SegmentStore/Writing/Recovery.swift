import EventModel
import Platform
import TraceStore

extension SegmentStore {
  /// Reads the catalog, opens what it names, removes what a crash left over, and replays the hot files.
  func recover() throws(StoreError) {
    if isWritable { try DamagedFiles.finish(directory, fileSystem) }
    let catalogPath = path(DirectoryLayout.catalogName)
    let files = try filesOfEvents()
    if !fileSystem.exists(catalogPath), let first = files.first { throw Self.lostCatalog(catalogPath, first) }
    let isNew = isWritable && files.isEmpty && !fileSystem.exists(catalogPath)
    let opened: Catalog
    do {
      opened = try Catalog(catalogPath, create: isWritable, mayBeNew: files.isEmpty, files: fileSystem)
    } catch {
      // What was made of it may not be on the disk: the next attempt begins from nothing.
      if isNew { try? DirectoryLayout.removeDatabase(catalogPath, fileSystem) }
      throw error
    }
    if isWritable { try mapping { () throws(FileError) in try fileSystem.syncDirectory(directory) } }
    var held: HeldFiles?
    if !isWritable {
      held = try HeldFiles(
        directory, opened, cache: blockCache, hotCacheBytes: options.hotCacheBytes, files: fileSystem)
    }
    let contents: CatalogContents
    if let held { contents = held.contents } else { contents = try opened.load() }
    catalog.withLock { catalog in
      catalog?.close()
      catalog = opened
    }
    for source in contents.sources { state.sources.set(source.index, source.name) }
    for checkpoint in contents.checkpoints { state.set(checkpoint) }
    for assignment in contents.late { state.late.set(assignment) }
    for void in contents.voidEdges { state.late.set(void) }
    for correction in contents.corrections { state.late.set(correction) }
    state.dropped = contents.dropped
    state.lost = contents.lost
    state.segmentSources = Dictionary(grouping: contents.segmentSources, by: \.firstOrdinal)
    state.notedAside = Set(contents.flags.compactMap { CatalogRow.Meta.nameAside($0) })
    state.assignmentsWereMerged = contents.flags.contains(CatalogRow.Meta.assignmentsWereMerged)
    var last: Int64 = contents.dropped.ranges.map(\.last).max() ?? 0
    last = max(last, contents.segments.map(\.lastOrdinal).max() ?? 0)
    state.lastOrdinal = last
    var hot = contents.hot
    if isWritable { hot = try resolveLeftovers(contents) }
    try openSegments(contents.segments, held)
    if isWritable { try removeLeftoverCompanions(contents) }
    loadWaiting(reworked: contents.reworked)
    for first in hot.sorted() { try replay(first: first, held) }
    skipLostOrdinals()
    state.labels.forgetAnnouncements()
    if isWritable {
      if state.generations.isEmpty { try beginGeneration() }
      try healWhatCameBack()
      if state.generations.count > 1 || isMergingDue { sealer.wake() }
    }
  }

  /// Ordinals that are lost are not given again.
  private func skipLostOrdinals() {
    guard let last = state.lost.map(\.last).max(), last > state.lastOrdinal else { return }
    state.lastOrdinal = last
    if let active = state.generations.last {
      state.generations.append(HotGeneration(file: active.file, first: last + 1))
    }
  }

  private func filesOfEvents() throws(StoreError) -> [String] {
    try mapping { () throws(FileError) in try fileSystem.list(directory) }
      .filter { DirectoryLayout.segmentRange($0) != nil || DirectoryLayout.hotFirst($0) != nil }
  }

  /// Without the catalog nobody knows which ordinals are taken: a new one would number from 1 and overwrite segments.
  static func lostCatalog(_ catalogPath: String, _ file: String) -> StoreError {
    StoreError(
      .corrupted, "\(catalogPath) is missing or empty, but files of events are there, \(file) for one",
      hint: "run `clew repair`, which makes it anew from the files, or put it back from a copy")
  }

  private func openSegments(_ rows: [CatalogSegment], _ held: HeldFiles?) throws(StoreError) {
    for var row in rows {
      if row.state == .quarantined {
        guard isWholeAgain(row) else {
          state.quarantined.append(row)
          keepAside(row)
          continue
        }
        try restore(&row)
        log.info("store", "\(row.name) was set aside as damaged, and is whole: it is a part of the store again")
      }
      do {
        let found: SegmentReader?
        if let held { found = try held.segment(row.name) } else { found = try openSegment(row.name) }
        guard let reader = found else {
          let message = "\(path(row.name)) is missing"
          log.error("store", "\(message); everything else goes on")
          try quarantine(row, reason: message)
          continue
        }
        state.segments.append(SegmentHandle(reader: reader, row: row, limiter: limiter))
      } catch {
        // A refusal of the system (no permission, too many open files) is for the operator to end: a healthy segment
        // must not be given up for it.
        guard error.concernsOneFile else { throw error }
        log.error("store", "\(error.message); \(row.name) is set aside, everything else goes on")
        // What the disk refuses to read it may read at the next start: the catalog is told of damage only.
        try quarantine(row, reason: error.message, isLasting: error.code == .corrupted)
      }
    }
    state.segments.sort { $0.row.firstOrdinal < $1.row.firstOrdinal }
    noteAside()
  }

  /// A segment is live again. An older program, which noted nothing, may have stored events while it was not.
  private func restore(_ row: inout CatalogSegment) throws(StoreError) {
    row.state = .live
    row.reason = ""
    let restored = row
    try withCatalog { (catalog) throws(StoreError) in
      try catalog.transaction { () throws(StoreError) in
        try catalog.put(CatalogRow.Meta(wasAside: restored.name))
        try catalog.put(restored)
      }
    }
    state.notedAside.insert(row.name)
  }

  /// What was set aside still says of some events that they are stored.
  private func keepAside(_ row: CatalogSegment) {
    guard isWritable,
      let reader = try? SegmentReader.open(path: path(row.name), cache: blockCache, files: fileSystem)
    else { return }
    state.aside.append(SegmentHandle(reader: reader, row: row, limiter: limiter))
  }

  /// - Returns: nil if the file is not there.
  private func openSegment(_ name: String) throws(StoreError) -> SegmentReader? {
    do {
      return try SegmentReader.open(path: path(name), cache: blockCache, files: fileSystem)
    } catch {
      guard error.code == .notFound else { throw error }
      return nil
    }
  }

  /// Whether a segment that was set aside has been put back, from a copy say. Reads all of it; one that is still damaged
  /// is best moved away by `clew repair`, so that it is not read at each start.
  private func isWholeAgain(_ row: CatalogSegment) -> Bool {
    guard isWritable, let status = try? fileSystem.status(path(row.name)), status.size == row.fileBytes,
      let problems = try? SegmentVerifier.verify(path: path(row.name), files: fileSystem), problems.isEmpty,
      let reader = try? SegmentReader.open(path: path(row.name), cache: blockCache, files: fileSystem)
    else { return false }
    return reader.descriptor.eventCount == row.eventCount && reader.descriptor.firstOrdinal >= row.firstOrdinal
      && reader.descriptor.lastOrdinal <= row.lastOrdinal
  }

  /// Notes that a segment is damaged.
  ///
  /// - Parameter isLasting: the catalog is told, if we may write.
  func quarantine(_ row: CatalogSegment, reason: String, isLasting: Bool = true) throws(StoreError) {
    var row = row
    row.state = .quarantined
    row.reason = reason
    state.quarantined.append(row)
    if isWritable && isLasting { try withCatalog { (catalog) throws(StoreError) in try catalog.put(row) } }
  }

  /// Segments in which a reader found damage leave the living, for good. Called by the writing thread.
  func settleDamage() throws(StoreError) {
    noteAside()
    let damaged = lock.withLock { state.segments.filter(\.isDamaged) }
    for handle in damaged where handle.isDamagedForGood {
      try lockedQuarantine(handle)
    }
  }

  private func lockedQuarantine(_ handle: SegmentHandle) throws(StoreError) {
    var row = handle.row
    row.state = .quarantined
    row.reason = handle.damageReason
    // The catalog is held until memory says the same: a merge of this segment must not come between.
    try withCatalog { (catalog) throws(StoreError) in
      guard lock.withLock({ state.segments.contains { $0 === handle } }) else { return }
      try catalog.put(row)
      lock.withLock {
        state.segments.removeAll { $0 === handle }
        state.quarantined.append(row)
        state.aside.append(handle)
      }
    }
  }

  /// Children in sealed segments that still wait.
  private func loadWaiting(reworked: [ReworkedEvent]) {
    if isWritable { state.homecoming = Homecoming(state) }
    var known = Set(reworked.map(\.ordinal))
    state.reworked = known
    for segment in state.segments {
      state.reading(segment) { (reader) throws(StoreError) in try reader.forEachHealed { known.insert($0) } }
    }
    for segment in state.segments {
      var numbers: [UInt32: UInt32] = [:]
      state.reading(segment) { (reader) throws(StoreError) in
        for (index, labels) in try reader.labels() { numbers[index] = state.number(of: labels) }
        try reader.forEachUnresolved { row in
          if known.contains(row.ordinal) { return }
          let waitsForStored = state.wait(row, label: numbers[row.label] ?? 0)
          if waitsForStored { state.homecoming?.consider(row, state) }
        }
        if state.homecoming == nil { return }
        try reader.forEachUncorrelated { state.homecoming?.consider($0, state) }
      }
    }
    for row in reworked {
      guard let event = state.load(ordinal: row.ordinal, id: row.id) else { continue }
      if state.shouldWait(event) { state.wait(event) }
      state.homecoming?.consider(reworked: event)
    }
  }

  /// Opens a hot file and derives again what follows from its events.
  private func replay(first: Int64, _ held: HeldFiles?) throws(StoreError) {
    let fileFirst = first
    let name = DirectoryLayout.hotName(first: first)
    let file: HotFile
    if let held {
      do {
        file = try held.hotFile(first)
      } catch {
        log.error("store", error.message)
        state.damagedHot.append(name)
        return
      }
    } else {
      file = try HotFile(
        path(name), first: first, writable: true, cacheBytes: options.hotCacheBytes, files: fileSystem)
    }
    var generation: HotGeneration?
    var outcome = AppendOutcome()
    var drafts: ContiguousArray<HotDraft> = []
    var damagedRows = 0
    var lastDamaged: Int64 = 0
    try unsafe file.forEachFrames { (first, rowCount, storedAt, isValid, frames) throws(StoreError) in
      guard isValid else {
        damagedRows += 1
        let next = max(state.lastOrdinal, lastDamaged, fileFirst - 1) + 1
        lastDamaged = DamagedRow.ordinals(key: first, count: rowCount, next: next, lost: state.lost).upperBound
        generation = nil
        return
      }
      if first <= state.lastOrdinal { return }
      // Repair took out what could not be read.
      if first > state.lastOrdinal + 1 { generation = nil }
      let current = generation ?? HotGeneration(file: file, first: first)
      if generation == nil {
        state.generations.append(current)
        generation = current
      }
      current.noteStored(storedAt)
      unsafe replay(frames, &drafts, into: &outcome)
    }
    let checkpoints = try file.checkpoints()
    for checkpoint in checkpoints.valid { state.set(checkpoint) }
    if damagedRows + checkpoints.damagedCount > 0 {
      log.error("store", "\(name): \(damagedRows) batches fail their checksums and are left out")
      state.damagedHot.append(name)
    }
    if lastDamaged > state.lastOrdinal {
      state.lastOrdinal = lastDamaged
      generation = nil
    }
    if generation == nil { state.generations.append(HotGeneration(file: file, first: state.lastOrdinal + 1)) }
  }

  private func replay(
    _ frames: UnsafeRawBufferPointer, _ drafts: inout ContiguousArray<HotDraft>, into outcome: inout AppendOutcome
  ) {
    drafts.removeAll(keepingCapacity: true)
    let hash = HotHash.ofProcess
    var offset = 0
    while offset < frames.count {
      let rest = unsafe UnsafeRawBufferPointer(rebasing: frames[offset...])
      // The row's checksum held: a frame that is none was written so.
      guard let event = try? unsafe EventView(validating: rest) else { break }
      let source = event.sourceIndex
      var draft = HotDraft(
        event, source: source, label: state.labels.number(of: event, source: source), hash: hash)
      draft.offset = UInt32(offset)
      draft.start = offset
      drafts.append(draft)
      unsafe offset += event.bytes.count
    }
    unsafe drafts.withUnsafeMutableBufferPointer { buffer in
      if let first = buffer.baseAddress, let base = frames.baseAddress {
        unsafe state.noteOlder(first, count: buffer.count)
        unsafe state.derive(from: first, count: buffer.count, frames: base, &outcome)
      }
    }
    outcome.accepted.removeAll(keepingCapacity: true)
    outcome.edges.removeAll(keepingCapacity: true)
    outcome.newLabels.removeAll()
  }

  /// Ends the hot file that is written and begins the next one.
  ///
  /// The old one is synced first: a checkpoint in the next file, once that is synced, must not outlive events before it.
  func freezeActive() throws(StoreError) {
    // What the last append could not read: its events are derived again as long as they are hot, and not after that.
    noteAside()
    if options.durability != .process { try active.file.sync() }
    try beginGeneration()
  }

  /// Opens the next hot file; from now on it is written.
  func beginGeneration() throws(StoreError) {
    let first = state.lastOrdinal + 1
    let name = DirectoryLayout.hotName(first: first)
    let isNew = !fileSystem.exists(path(name))
    let file: HotFile
    do {
      file = try HotFile(
        path(name), first: first, writable: true, cacheBytes: options.hotCacheBytes, files: fileSystem)
    } catch {
      // What was made of it may not be on the disk: the next attempt begins from nothing.
      if isNew { try? DirectoryLayout.removeDatabase(path(name), fileSystem) }
      throw error
    }
    try mapping { () throws(FileError) in try fileSystem.syncDirectory(directory) }
    try reach("hot-file-created")
    try withCatalog { (catalog) throws(StoreError) in try catalog.put(CatalogRow.Hot(first: first)) }
    lock.withLock { state.generations.append(HotGeneration(file: file, first: first)) }
  }
}

extension StoreState {
  func set(_ checkpoint: SourceCheckpoint) {
    checkpoints[CheckpointKey(source: checkpoint.source, subStream: checkpoint.subStream)] = checkpoint
  }

  /// The number of names that were read from a segment.
  func number(of names: EventLabels) -> UInt32 {
    guard let source = sources.index(names.source) else { return 0 }
    return unsafe Array(names.service.utf8).withUnsafeBytes { service in
      unsafe Array(names.handler.utf8).withUnsafeBytes { handler in
        unsafe Array(names.type.utf8).withUnsafeBytes { type in
          unsafe labels.number(source: source, service: service, handler: handler, type: type, identity: names.identity)
        }
      }
    }
  }

  /// A child of a sealed segment goes on waiting.
  ///
  /// - Returns: whether an event of the id that it waits for is stored: in another trace, as a rule.
  func wait(_ row: UnresolvedChild, label: UInt32) -> Bool {
    let trace = late.trace(of: row.ordinal, stored: row.trace)
    // Files of older programs list root markers, too.
    if let trace, row.cause.key == trace.key { return false }
    // The row of a child that has left its trace may lack its id.
    guard let traceOrID = (trace ?? row.childID ?? late.assignment(of: row.ordinal)?.id)?.key else { return false }
    var child = WaitingTable.Child(
      cause: row.cause.key, ordinal: row.ordinal, created: row.created, label: label, source: row.sourceIndex,
      failure: row.failure, hasNoTrace: trace == nil, traceOrID: traceOrID)
    let isStored = isStored(id: row.cause.key)
    child.isUnresolved = row.cause != trace && row.cause != row.childID && !isStored
    _ = waiting.insert(child)
    return isStored
  }
}
