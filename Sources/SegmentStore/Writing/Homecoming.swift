import EventModel
import Platform
import TraceStore

/// Segments that were set aside, and are read again: events that were stored meanwhile, and whose causes they hold, get
/// the edges and traces that they could not get then; and so do events of these segments whose causes came meanwhile.
///
/// A start collects the events in question while it loads who waits, and goes through them at its end.
struct Homecoming {
  /// An event of a sealed file. The file gives its id, or its trace.
  fileprivate struct Child {
    var ordinal: Int64
    var id: IdentifierKey?
    var trace: IdentifierKey?
    /// Files do not say whether it has an edge.
    var isReworked = false
  }

  /// As the catalog notes them.
  fileprivate let names: Set<String>
  /// Those, or what they were merged into.
  private let segments: [SegmentHandle]
  fileprivate var children: [Child] = []

  /// Nil: nothing came back.
  init?(_ state: StoreState) {
    names = state.notedAside.subtracting(state.asideNames)
    if names.isEmpty { return nil }
    let ranges = names.map { DirectoryLayout.segmentRange($0) ?? Int64.min...Int64.max }
    segments = state.segments.filter { segment in ranges.contains { $0.overlaps(segment.ordinals) } }
  }

  private func holds(_ ordinal: Int64) -> Bool { segments.contains { $0.ordinals.contains(ordinal) } }

  /// What else a child waits for was not missed.
  private func mayHaveMissed(_ cause: IdentifierKey, _ ordinal: Int64) -> Bool {
    holds(ordinal) || segments.contains { $0.mayContain(eventID: cause) }
  }

  /// A child that its file has waiting for something that is stored.
  mutating func consider(_ row: UnresolvedChild, _ state: StoreState) {
    guard mayHaveMissed(row.cause.key, row.ordinal) else { return }
    let trace = state.late.trace(of: row.ordinal, stored: row.trace)?.key
    children.append(Child(ordinal: row.ordinal, id: row.childID?.key, trace: trace))
  }

  /// An event that its file has in no trace: it belongs to the one of its own id.
  mutating func consider(_ row: UncorrelatedEvent, _ state: StoreState) {
    let others = holds(row.ordinal) ? state.segments : segments
    guard state.late.trace(of: row.ordinal, stored: nil) == nil,
      others.contains(where: { $0.mayContain(trace: row.id.key) })
    else { return }
    children.append(Child(ordinal: row.ordinal, id: row.id.key))
  }

  /// An event whose edge was worked out again after its file was finished; perhaps while its cause could not be read.
  mutating func consider(reworked event: KnownEvent) {
    guard !event.cause.isZero, mayHaveMissed(event.cause, event.ordinal) else { return }
    children.append(Child(ordinal: event.ordinal, id: event.id, isReworked: true))
  }

  /// Children whose cause is the event that names their trace, where one of the two is in a segment that came back, and
  /// the other was stored later. They wait for nothing, so that no file lists them, and none says whether they have their
  /// edge: it is drawn anew. Cost: reading these segments.
  mutating func considerRootMarkers(_ state: StoreState) {
    for segment in segments {
      let others = state.segments.filter { $0.row.firstOrdinal > segment.row.lastOrdinal }
      if others.isEmpty { continue }
      var roots: [IdentifierKey] = []
      var found: [Child] = []
      state.reading(segment) { (reader) throws(StoreError) in
        for zone in reader.blocks {
          try reader.forEachEvent(ofBlock: zone.number) { (view, stored) in
            let event = state.known(sealed: view, stored: stored)
            if event.id == event.trace {
              if others.contains(where: { $0.mayContain(outsideCause: event.id) }) { roots.append(event.id) }
            } else if event.isRootMarker, others.contains(where: { $0.mayContain(eventID: event.cause) }) {
              found.append(Child(ordinal: event.ordinal, id: event.id, isReworked: true))
            }
            return .proceed
          }
        }
      }
      children += found
      for root in roots { considerChildren(ofRoot: root, in: others, state) }
    }
  }

  private mutating func considerChildren(ofRoot root: IdentifierKey, in others: [SegmentHandle], _ state: StoreState) {
    for other in others where other.mayContain(outsideCause: root) {
      var found: [Child] = []
      state.reading(other) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: root) { (view, stored) in
          if view.causeKey == root {
            let event = state.known(sealed: view, stored: stored)
            if event.isRootMarker { found.append(Child(ordinal: event.ordinal, id: event.id, isReworked: true)) }
          }
          return .proceed
        }
      }
      children += found
    }
  }
}

extension SegmentStore {
  /// From now on events are stored whose causes may be where nobody can read them. Best effort: on a disk that refuses
  /// reading the catalog may be refused, too, and the next append tries again.
  func noteAside() {
    guard isWritable else { return }
    let isNew = lock.withLock { state.asideNames.contains { state.isToBeNoted($0) } }
    if !isNew { return }
    do {
      // The catalog is held until memory says the same: the sealing that takes notes out must not come between.
      try withCatalog { (catalog) throws(StoreError) in
        for name in lock.withLock({ state.asideNames.filter { state.isToBeNoted($0) } }) {
          try catalog.put(CatalogRow.Meta(wasAside: name))
          lock.withLock {
            state.notedAside.insert(name)
            state.settledAside?.names.remove(name)
          }
        }
      }
    } catch { log.limitedWarning("store", "\(error)") }
  }

  /// At the end of a start. What is found is written with the hot file when that is sealed; until then each start finds
  /// it again.
  func healWhatCameBack() throws(StoreError) {
    guard var homecoming = state.homecoming else { return }
    state.homecoming = nil
    homecoming.considerRootMarkers(state)
    let count = lock.withLock { state.linkAgain(homecoming.children) }
    // One that could not be read after all is looked at again when it can.
    let names = homecoming.names.subtracting(state.asideNames)
    if count > 0 {
      log.info("store", "segments that were set aside are read again: \(count) events got what follows from them")
      state.settledAside = (names, state.active.index.firstOrdinal)
    } else {
      try withCatalog { (catalog) throws(StoreError) in try catalog.removeNotes(aside: names) }
      state.notedAside.subtract(names)
    }
  }
}

extension StoreState {
  fileprivate func isToBeNoted(_ name: String) -> Bool {
    !notedAside.contains(name) || settledAside?.names.contains(name) == true
  }

  /// What a generation holds has become a segment, the edges and traces of a homecoming with it.
  func settledNames(with generation: HotGeneration) -> Set<String> {
    guard let settled = settledAside, settled.first == generation.index.firstOrdinal else { return [] }
    return settled.names
  }

  /// Gives events of sealed files the edges to sealed causes that nobody has drawn, and the traces that they inherit.
  ///
  /// Cost: reading each of their traces once.
  /// - Returns: how many events changed, or may have.
  fileprivate func linkAgain(_ children: [Homecoming.Child]) -> Int {
    var outcome = AppendOutcome()
    var count = 0
    let asideLast = quarantined.map(\.lastOrdinal).max() ?? 0
    let (alone, inTraces) = (children.filter { $0.id != nil }, children.filter { $0.id == nil })
    for (trace, members) in Dictionary(grouping: inTraces, by: \.trace) {
      guard let trace else { continue }
      let wanted = Set(members.map(\.ordinal))
      var events: [KnownEvent] = []
      forEachLoaded(ofTrace: trace) { if wanted.contains($0.ordinal) { events.append($0) } }
      count += link(events, asideLast: asideLast) { _ in false }
    }
    let reworked = Set(alone.filter(\.isReworked).map(\.ordinal))
    var byTrace: [IdentifierKey: [Int64: KnownEvent]] = [:]
    for child in alone {
      guard let id = child.id, let event = load(ordinal: child.ordinal, id: id) else { continue }
      byTrace[event.trace, default: [:]][event.ordinal] = event
    }
    for (trace, events) in byTrace {
      if !trace.isZero {
        count += link(Array(events.values), asideLast: asideLast) { reworked.contains($0) }
        continue
      }
      let inheriting = events.values.filter { !isHot($0.ordinal) && !inheritedTrace($0).isZero }
      pending += inheriting.sorted { $0.ordinal < $1.ordinal }
      count += inheriting.count
    }
    let changing = settlePending(&outcome)
    if !changing.isEmpty {
      var rework = Rework(self)
      rework.run(changing, outcome, edgesBefore: outcome.edges.count)
    }
    drawnAgain.removeAll()
    return count
  }

  /// Draws the edges of sealed events of one trace.
  ///
  /// - Parameter asideLast: the last ordinal that cannot be read: a file up to there may hold the edge of an older child.
  private func link(_ events: [KnownEvent], asideLast: Int64, isReworked: (Int64) -> Bool) -> Int {
    var linked: [IdentifierKey: Set<Int64>] = [:]
    for event in events.sorted(by: { $0.ordinal < $1.ordinal }) where !isHot(event.ordinal) {
      // An event that closes a cycle gets no edge, and waits for nothing.
      guard let cause = structuralParent(event), topAncestor(of: cause) != event.ordinal,
        !hasHotEdge(ofOlder: event.ordinal)
      else { continue }
      // Whatever its files have of it, or will have when they are read again: one edge.
      if isReworked(event.ordinal) || event.ordinal < asideLast,
        !removeEdge(ofOlder: event.ordinal, wasDrawn: true)
      {
        continue
      }
      setEdge(event, cause)
      linked[event.cause, default: []].insert(event.ordinal)
    }
    guard let trace = events.first?.trace else { return 0 }
    for (cause, ordinals) in linked { waiting.remove(of: cause, inTrace: trace) { ordinals.contains($0.ordinal) } }
    return linked.values.reduce(0) { $0 + $1.count }
  }

  /// Whether a hot file holds an edge of a child of an older file.
  private func hasHotEdge(ofOlder child: Int64) -> Bool {
    generations.contains { generation in
      generation.index.healed[child] != nil
        && (generation === active || !late.isVoid(child, in: generation.index.firstOrdinal))
    }
  }
}
