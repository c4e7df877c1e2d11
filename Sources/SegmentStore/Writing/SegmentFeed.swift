import EventModel
import Platform
import TraceStore

/// Writes one frozen generation as a segment: whole traces in the order of their last events, then what is in none.
struct SegmentFeed {
  private let store: SegmentStore
  private let generation: HotGeneration
  private let sources: SourceTable

  init(store: SegmentStore, generation: HotGeneration, sources: SourceTable) {
    self.store = store
    self.generation = generation
    self.sources = sources
  }

  /// - Returns: what was written, and how much of it came from each source.
  func write(to path: String) throws(StoreError) -> (SegmentDescriptor, SourceFigures) {
    var figures = SourceFigures()
    let index = generation.index
    let order = SealOrder(index)
    let frames = try SealFrames(
      generation, order, directory: store.directory, windowBytes: store.options.sealWindowBytes)
    let writer = try SegmentWriter(path: path, files: store.fileSystem)
    var extras = SegmentExtras()
    for rank in order.traces.indices {
      let trace = index.traceTable.identifier(order.traces[rank])
      try writer.beginTrace(trace)
      for slot in order.slots(rank) {
        let event = try frames.event(slot: slot)
        let place = Int(order.places[slot])
        try writer.add(event, causeOrdinal: index.causeOrdinal(of: place))
        figures.add(event)
        if index.has(HotIndex.Flag.waits, place) { note(waiting: event, place, trace, &extras) }
      }
      try writer.endTrace()
      if store.sealer.isStopping { throw StoreError(.closed, "the store is closing", hint: "") }
    }
    if order.untracedCount > 0 { try writeUntraced(frames, writer, &extras, &figures) }
    finish(&extras, writer)
    return (try writer.finish(extras), figures)
  }

  private func writeUntraced(
    _ frames: SealFrames, _ writer: SegmentWriter, _ extras: inout SegmentExtras, _ figures: inout SourceFigures
  ) throws(StoreError) {
    let index = generation.index
    try writer.beginTrace(nil)
    try frames.forEachUntraced { (place, event) throws(StoreError) in
      try writer.add(event)
      figures.add(event)
      if index.has(HotIndex.Flag.waits, place) { note(waiting: event, place, nil, &extras) }
      if event.eventClass == .domain {
        extras.uncorrelated.append(
          UncorrelatedEvent(
            ordinal: event.ordinal, id: event.id, cause: event.cause, sourceIndex: event.sourceIndex,
            label: index.label(place), created: event.created, failure: event.failure))
      }
    }
    try writer.endTrace()
  }

  private func note(waiting event: EventView, _ place: Int, _ trace: Identifier?, _ extras: inout SegmentExtras) {
    guard let cause = event.cause else { return }
    let id = trace == nil || event.causeKey == event.idKey ? event.id : nil
    extras.unresolved.append(
      UnresolvedChild(
        cause: cause, childID: id, ordinal: event.ordinal, created: event.created,
        label: generation.index.label(place), trace: trace, failure: event.failure, sourceIndex: event.sourceIndex))
  }

  private func finish(_ extras: inout SegmentExtras, _ writer: SegmentWriter) {
    let index = generation.index
    var labels = NumberSet()
    var sourceNumbers = NumberSet()
    index.forEachEdge { edge in
      labels.insert(edge.childLabel)
      labels.insert(edge.causeLabel)
      // What a head holds already needs no memory here: nearly all of them.
      if !writer.isInHead(edge.childOrdinal) { extras.edges.append(edge) }
    }
    index.forEachFailure { label, created in
      labels.insert(label)
      extras.failures.append(SegmentFailure(label: label, created: created))
    }
    for child in extras.unresolved { labels.insert(child.label) }
    for event in extras.uncorrelated { labels.insert(event.label) }
    for place in 0..<index.count { sourceNumbers.insert(index.source(place)) }
    extras.unresolved.sort { $0.ordinal < $1.ordinal }
    extras.healed = index.healed.edges.map(\.childOrdinal).sorted()
    let names = sources
    for label in labels.sorted {
      // One by one: neither readers nor the writer shall wait for all of them.
      let found = store.lock.withLock { store.state.labels.names(label) { names.name($0) } }
      extras.labels.append((label, found))
    }
    extras.sources = sourceNumbers.sorted.map { ($0, names.name($0)) }
    extras.firstStored = index.firstStored ?? Timestamp(nanoseconds: 0)
    extras.lastStored = index.lastStored ?? Timestamp(nanoseconds: 0)
  }
}

/// Small numbers, each once: a flag for each, because it is asked for every event.
private struct NumberSet {
  private var isIn: ContiguousArray<Bool> = []

  @inline(__always) mutating func insert(_ number: UInt32) {
    if Int(number) >= isIn.count { grow(Int(number)) }
    isIn[Int(number)] = true
  }

  private mutating func grow(_ number: Int) {
    isIn.append(contentsOf: repeatElement(false, count: max(number + 1, isIn.count * 2) - isIn.count))
  }

  var sorted: [UInt32] { isIn.indices.filter { isIn[$0] }.map { UInt32($0) } }
}
