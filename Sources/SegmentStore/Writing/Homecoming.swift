import EventModel
import Platform
import TraceStore

/// Segments that were set aside, and are read again after a restart: events that were stored meanwhile, and whose causes
/// they hold, get the edges and traces that they could not get then.
extension SegmentStore {
  /// From now on events are stored whose causes may be where nobody can read them. Best effort: on a disk that refuses
  /// reading the catalog may be refused, too, and the next append tries again.
  func noteAside() {
    if state.segmentsWereAside || !isWritable { return }
    let row = CatalogRow.Meta(key: CatalogRow.Meta.segmentsWereAside, value: 1)
    do {
      try withCatalog { (catalog) throws(StoreError) in try catalog.put(row) }
      lock.withLock { state.segmentsWereAside = true }
    } catch { log.limitedWarning("store", "\(error)") }
  }

  /// At the end of a start. What is healed is written with the hot file when that is sealed; until then each start heals
  /// it again.
  func healWhatCameBack() throws(StoreError) {
    guard state.segmentsWereAside else { return }
    let missed = state.mayHaveMissed
    state.mayHaveMissed = []
    let count = lock.withLock { state.linkAgain(missed) }
    if count > 0 {
      log.info("store", "\(count) events were stored while their causes could not be read, and have them now")
    }
    if count > 0 || !state.quarantined.isEmpty || state.segments.contains(where: \.isDamaged) { return }
    try withCatalog { (catalog) throws(StoreError) in
      try catalog.execute("DELETE FROM meta WHERE key='\(CatalogRow.Meta.segmentsWereAside)'")
    }
    state.segmentsWereAside = false
  }
}

extension StoreState {
  /// Gives waiting events of sealed files the edges to sealed causes that nobody has drawn, and the traces that they
  /// inherit from them.
  ///
  /// - Returns: how many events changed.
  func linkAgain(_ children: [MissedChild]) -> Int {
    var outcome = AppendOutcome()
    var count = 0
    for child in children.sorted(by: { $0.ordinal < $1.ordinal }) {
      let found = child.id.flatMap { load(ordinal: child.ordinal, id: $0) }
      guard !isHot(child.ordinal), let event = found ?? child.trace.flatMap({ self.event(child.ordinal, in: $0) })
      else {
        continue
      }
      if event.trace.isZero {
        if inheritedTrace(event).isZero { continue }
        pending.append(event)
      } else {
        // An event that closes a cycle gets no edge, and waits for nothing.
        guard let cause = structuralParent(event), topAncestor(of: cause) != event.ordinal, !hasEdge(event.ordinal)
        else {
          continue
        }
        waiting.remove(of: event.cause, inTrace: event.trace) { $0.ordinal == event.ordinal }
        setEdge(event, cause)
      }
      count += 1
    }
    let changing = settlePending(&outcome)
    if !changing.isEmpty {
      var rework = Rework(self)
      rework.run(changing, outcome, edgesBefore: outcome.edges.count)
    }
    drawnAgain.removeAll()
    return count
  }
}
