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

  /// Seals every hot file but the one that is written. Runs on the sealer's thread.
  func sealAllFrozen() {
    while !sealer.isStopping {
      let next = lock.withLock { state.generations.count > 1 ? state.generations[0] : nil }
      guard let generation = next else {
        sealer.finished(nil)
        return
      }
      let start = Instant.now
      do {
        try sealOne(generation)
        figures.withLock { $0.seals.add(Instant.now.nanoseconds - start.nanoseconds) }
      } catch {
        if error.code == .closed { return sealer.finished(error) }
        figures.withLock { figures in
          figures.sealFailureCount += 1
          figures.failed("seal")
        }
        log.limitedWarning("store", "\(generation.file.path) cannot be sealed, and stays as it is: \(error)")
        sealer.finished(error)
        return
      }
    }
    sealer.finished(nil)
  }

  private func sealOne(_ generation: HotGeneration) throws(StoreError) {
    guard generation.index.count > 0 else { return try publishEmpty(generation) }
    let index = generation.index
    let name = DirectoryLayout.segmentName(level: 0, first: index.firstOrdinal, last: index.lastOrdinal)
    let temporary = path(name + DirectoryLayout.temporarySuffix)
    try reach("seal-begins")
    let descriptor: SegmentDescriptor
    // The traces that are open at one time: more than is kept for readers.
    generation.file.setCache(bytes: max(options.hotCacheBytes, 64 << 20))
    defer { generation.file.setCache(bytes: options.hotCacheBytes) }
    do {
      let sources = lock.withLock { state.sources }
      let sealing = Sealing(store: self, generation: generation, sources: sources)
      descriptor = try sealing.write(to: temporary)
    } catch {
      try? fileSystem.remove(temporary)
      throw error
    }
    try reach("segment-written")
    try mapping { () throws(FileError) in try fileSystem.renameDurably(temporary, to: path(name)) }
    try reach("segment-renamed")
    let reader = try SegmentReader.open(path: path(name), cache: blockCache, files: fileSystem)
    let row = Self.row(descriptor, name: name, index: index)
    try publish(row, generation)
    try reach("segment-published")
    let handle = SegmentHandle(reader: reader, row: row)
    lock.withLock {
      state.generations.removeAll { $0 === generation }
      state.segments.append(handle)
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
  private func publish(_ row: CatalogSegment, _ generation: HotGeneration) throws(StoreError) {
    let checkpoints = try generation.file.checkpoints().valid
    let isShared = sharesFile(generation)
    try withCatalog { (catalog) throws(StoreError) in
      try catalog.transaction { () throws(StoreError) in
        try catalog.put(row)
        for checkpoint in checkpoints { try catalog.put(checkpoint) }
        for assignment in generation.index.late { try catalog.put(assignment) }
        for void in generation.index.voidEdges { try catalog.put(void) }
        for correction in generation.index.corrections { try catalog.put(correction) }
        if !isShared { try catalog.removeHot(first: generation.file.first) }
        try reach("before-catalog-commit")
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

/// Writes one frozen generation as a segment: whole traces in the order of their first events, then what is in none.
struct Sealing {
  private let store: SegmentStore
  private let generation: HotGeneration
  private let sources: SourceTable

  init(store: SegmentStore, generation: HotGeneration, sources: SourceTable) {
    self.store = store
    self.generation = generation
    self.sources = sources
  }

  func write(to path: String) throws(StoreError) -> SegmentDescriptor {
    let index = generation.index
    let writer = try SegmentWriter(path: path, files: store.fileSystem)
    var extras = SegmentExtras()
    var isWritten = ContiguousArray(repeating: false, count: index.traceTable.count + 1)
    for place in 0..<index.count {
      let trace = index.traces[place]
      if trace == 0 || isWritten[Int(trace)] { continue }
      isWritten[Int(trace)] = true
      try writer.beginTrace(index.traceTable.identifier(trace))
      for member in index.places(ofTraceNumber: trace) {
        try add(member, index.traceTable.identifier(trace), writer, &extras)
      }
      try writer.endTrace()
      if store.sealer.isStopping { throw StoreError(.closed, "the store is closing", hint: "") }
    }
    if index.traces.contains(0) {
      try writer.beginTrace(nil)
      for place in 0..<index.count where index.traces[place] == 0 { try add(place, nil, writer, &extras) }
      try writer.endTrace()
    }
    finish(&extras)
    return try writer.finish(extras)
  }

  private func add(
    _ place: Int, _ trace: Identifier?, _ writer: SegmentWriter, _ extras: inout SegmentExtras
  ) throws(StoreError) {
    let index = generation.index
    try generation.withEvent(generation.location(place)) { (event) throws(StoreError) in
      try writer.add(event)
      if index.has(HotIndex.Flag.waits, place), let cause = event.cause {
        extras.unresolved.append(
          UnresolvedChild(
            cause: cause, childID: event.id, ordinal: event.ordinal, created: event.created,
            label: index.label(place), trace: trace, failure: event.failure, sourceIndex: event.sourceIndex))
      }
      if trace == nil, event.eventClass == .domain {
        extras.uncorrelated.append(
          UncorrelatedEvent(
            ordinal: event.ordinal, id: event.id, cause: event.cause, sourceIndex: event.sourceIndex,
            label: index.label(place), created: event.created, failure: event.failure))
      }
    }
  }

  private func finish(_ extras: inout SegmentExtras) {
    let index = generation.index
    var labels: Set<UInt32> = []
    var sourceNumbers: Set<UInt32> = []
    index.forEachEdge { edge in extras.edges.append(edge) }
    for edge in extras.edges {
      labels.insert(edge.childLabel)
      labels.insert(edge.causeLabel)
    }
    index.forEachFailure { label, created in
      labels.insert(label)
      extras.failures.append(SegmentFailure(label: label, created: created))
    }
    for child in extras.unresolved { labels.insert(child.label) }
    for event in extras.uncorrelated { labels.insert(event.label) }
    for place in 0..<index.count { sourceNumbers.insert(UInt32(index.sources[place])) }
    extras.unresolved.sort { $0.ordinal < $1.ordinal }
    extras.healed = index.healed.map(\.childOrdinal).sorted()
    let names = sources
    store.lock.withLock {
      for label in labels.sorted() {
        extras.labels.append((label, store.state.labels.names(label) { names.name($0) }))
      }
    }
    extras.sources = sourceNumbers.sorted().map { ($0, names.name($0)) }
    extras.firstStored = index.firstStored ?? Timestamp(nanoseconds: 0)
    extras.lastStored = index.lastStored ?? Timestamp(nanoseconds: 0)
  }
}
