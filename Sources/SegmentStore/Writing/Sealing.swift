import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func seal() throws(StoreError) {
    try requireWritable()
    if active.index.count > 0 { try freezeActive() }
    while lock.withLock({ state.generations.count }) > 1 { try sealer.runRound() }
    withCatalogQuietly { $0.checkpoint() }
  }

  private func withCatalogQuietly(_ body: (Catalog) -> Void) {
    catalog.withLock { catalog in
      if let catalog { body(catalog) }
    }
  }

  private static let bytesWorthReturning = 32 << 20

  /// Seals hot files, the oldest first, but not the one that is written. Runs on the sealer's thread.
  ///
  /// Ends before the last of them, and asks to be called again, when `most` were sealed or too many segments wait to be
  /// merged, which is up to the caller.
  ///
  /// - Returns: how many were sealed; nil if one could not be.
  @discardableResult func sealFrozen(most: Int = .max) -> Int? {
    var sealedBytes = 0
    var count = 0
    while !sealer.isStopping {
      let next = lock.withLock { state.generations.count > 1 ? state.generations[0] : nil }
      guard let generation = next else {
        // The index of the hot file and what sealing needed: 100 MB and more.
        if sealedBytes >= Self.bytesWorthReturning { ProcessMemory.returnUnused() }
        sealer.finished(nil)
        return count
      }
      let start = Instant.now
      do {
        try sealOne(generation)
        sealedBytes += generation.index.rawBytes
        figures.withLock { $0.seals.add(Instant.now.nanoseconds - start.nanoseconds) }
        sealer.sealedOne()
        count += 1
      } catch {
        if error.code == .closed {
          sealer.finished(error)
          return nil
        }
        figures.withLock { figures in
          figures.sealFailureCount += 1
          figures.failed("seal")
        }
        log.limitedWarning("store", "\(generation.file.path) cannot be sealed, and stays as it is: \(error)")
        sealer.finished(error)
        return nil
      }
      if lock.withLock({ state.generations.count }) > 1, count >= most || isCrowded {
        sealer.finished(nil)
        sealer.wake()
        return count
      }
    }
    sealer.finished(nil)
    return count
  }

  private func sealOne(_ generation: HotGeneration) throws(StoreError) {
    guard generation.index.count > 0 else { return try publishEmpty(generation) }
    let index = generation.index
    let name = DirectoryLayout.segmentName(level: 0, first: index.firstOrdinal, last: index.lastOrdinal)
    let temporary = path(name + DirectoryLayout.temporarySuffix)
    try reach("seal-begins")
    let (descriptor, sourceFigures): (SegmentDescriptor, SourceFigures)
    do {
      let sources = lock.withLock { state.sources }
      (descriptor, sourceFigures) = try SegmentFeed(store: self, generation: generation, sources: sources).write(
        to: temporary)
    } catch {
      try? fileSystem.remove(temporary)
      throw error
    }
    try reach("segment-written")
    try mapping { () throws(FileError) in try fileSystem.renameDurably(temporary, to: path(name)) }
    try reach("segment-renamed")
    let reader = try SegmentReader.open(path: path(name), cache: blockCache, files: fileSystem)
    let row = Self.row(descriptor, name: name, index: index)
    let sourceRows = sourceFigures.rows(ofSegment: row.firstOrdinal)
    try publish(row, sourceRows, generation)
    try reach("segment-published")
    let handle = SegmentHandle(reader: reader, row: row, limiter: limiter)
    lock.withLock {
      state.generations.removeAll { $0 === generation }
      state.segments.append(handle)
      state.segmentSources[row.firstOrdinal] = sourceRows
      state.segments.sort { $0.row.firstOrdinal < $1.row.firstOrdinal }
      if !state.generations.contains(where: { $0.file === generation.file }) { generation.file.retire() }
    }
    figures.withLock { figures in
      figures.rawBytesSealed += row.rawBytes
      figures.bytesSealed += row.fileBytes
      figures.eventsSealed += row.eventCount
    }
  }

  /// From the moment this transaction is durable the segment counts, and the hot file does not.
  private func publish(
    _ row: CatalogSegment, _ sources: [SegmentSource], _ generation: HotGeneration
  ) throws(StoreError) {
    let checkpoints = try generation.file.checkpoints().valid
    let isShared = sharesFile(generation)
    try withCatalog { (catalog) throws(StoreError) in
      let found = lock.withLock { state.settledNames(with: generation) }
      try catalog.transaction { () throws(StoreError) in
        try catalog.put(row)
        try catalog.removeNotes(aside: found)
        for source in sources { try catalog.put(source) }
        for checkpoint in checkpoints { try catalog.put(checkpoint) }
        for assignment in generation.index.late.values { try catalog.put(assignment) }
        for void in generation.index.voidEdges.values { try catalog.put(void) }
        for correction in generation.index.corrections.values { try catalog.put(correction) }
        for (ordinal, id) in generation.index.reworked { try catalog.put(ReworkedEvent(ordinal: ordinal, id: id)) }
        if !isShared { try catalog.removeHot(first: generation.file.first) }
        try reach("before-catalog-commit")
      }
      if found.isEmpty { return }
      lock.withLock {
        state.notedAside.subtract(found)
        state.settledAside = nil
      }
    }
  }

  private func publishEmpty(_ generation: HotGeneration) throws(StoreError) {
    let checkpoints = try generation.file.checkpoints().valid
    let isShared = sharesFile(generation)
    try withCatalog { (catalog) throws(StoreError) in
      try catalog.transaction { () throws(StoreError) in
        for checkpoint in checkpoints { try catalog.put(checkpoint) }
        if !isShared { try catalog.removeHot(first: generation.file.first) }
      }
    }
    lock.withLock {
      state.generations.removeAll { $0 === generation }
      if !isShared { generation.file.retire() }
    }
  }

  /// A damaged hot file is several generations: it goes with the last of them.
  private func sharesFile(_ generation: HotGeneration) -> Bool {
    lock.withLock { state.generations.contains { $0 !== generation && $0.file === generation.file } }
  }

  private static func row(_ descriptor: SegmentDescriptor, name: String, index: HotIndex) -> CatalogSegment {
    CatalogSegment(
      name: name, state: .live, firstOrdinal: descriptor.firstOrdinal, lastOrdinal: descriptor.lastOrdinal,
      eventCount: descriptor.eventCount, reportCount: descriptor.reportCount,
      startedTraceCount: index.startedTraceCount, rawBytes: descriptor.rawBytes, fileBytes: descriptor.fileBytes,
      firstCreated: descriptor.firstCreated, lastCreated: descriptor.lastCreated,
      firstStored: descriptor.firstStored, lastStored: descriptor.lastStored, reason: "")
  }
}
