import EventModel
import Platform
import TraceStore

/// What a merge has written, before it counts.
struct MergedSegment {
  /// Nil: nothing was left to be kept.
  var row: CatalogSegment?
  var sources: [SegmentSource]
  /// By input and source: events that retention left out.
  var dropped: [[UInt32: Int]]
  /// Corrections that are part of the file.
  var corrections: [FailureCorrection]
  /// Ordinals of events that waited for a cause, and were left out.
  var droppedWaiting: [Int64]
}

/// How what is known beside the files changes when some of it has become part of a merged one.
///
/// What came since the merge began says by how much it differs from the old files; now it must say by how much it
/// differs from the new one.
struct MergedLateChange {
  private let late: MergedLateness
  private let corrections: [FailureCorrection]
  private let range: ClosedRange<Int64>

  init(_ late: MergedLateness, corrections: [FailureCorrection], range: ClosedRange<Int64>) {
    self.late = late
    self.corrections = corrections
    self.range = range
  }

  /// What becomes of what is known of an event now; nil: nothing is left.
  private func changed(_ now: LateAssignment, from merged: LateAssignment) -> LateAssignment? {
    var now = now
    now.stored = merged.trace
    return now.trace == now.stored ? nil : now
  }

  private func changed(_ now: FailureCorrection, from merged: FailureCorrection) -> FailureCorrection? {
    var now = now
    now.delta -= merged.delta
    return now.delta == 0 ? nil : now
  }

  /// The new file begins before inputs whose edges count and holds none of the void ones: it must not be meant. Files
  /// before it may hold edges of children that are older than it.
  private func changed(_ now: VoidEdge) -> VoidEdge? {
    // One that came since is meant for the edges of the new file, too.
    guard late.applies(now), now.before > range.lowerBound, now.before <= range.upperBound + 1 else { return now }
    return now.child >= range.lowerBound ? nil : VoidEdge(child: now.child, before: range.lowerBound)
  }

  func apply(to catalog: Catalog) throws(StoreError) {
    if late.isEmpty { return }
    let now = try MergedLateness(catalog, range)
    for merged in late.assignments {
      guard let known = now.assignment(of: merged.ordinal) else { continue }
      try catalog.execute("DELETE FROM late WHERE ordinal=\(merged.ordinal)")
      if let changed = changed(known, from: merged) { try catalog.put(changed) }
    }
    for void in now.voids {
      guard let changed = changed(void) else {
        try catalog.execute("DELETE FROM void_edges WHERE child_ordinal=\(void.child)")
        continue
      }
      if changed != void { try catalog.put(changed) }
    }
    let known = Dictionary(now.corrections.map { ($0.ordinal, $0) }, uniquingKeysWith: { first, _ in first })
    for merged in corrections {
      guard let known = known[merged.ordinal] else { continue }
      try catalog.execute("DELETE FROM failure_corrections WHERE ordinal=\(merged.ordinal)")
      if let changed = changed(known, from: merged) { try catalog.put(changed) }
    }
    if late.hasAssignments { try catalog.put(CatalogRow.Meta(key: CatalogRow.Meta.assignmentsWereMerged, value: 1)) }
  }

  /// Inside the store's lock.
  func apply(to state: StoreState) {
    if late.isEmpty { return }
    if late.hasAssignments { state.assignmentsWereMerged = true }
    for merged in late.assignments {
      state.late.replace(assignmentOf: merged.ordinal) { changed($0, from: merged) }
    }
    state.late.replaceVoids(changed)
    for merged in corrections {
      state.late.replace(correctionOf: merged.ordinal) { changed($0, from: merged) }
    }
    for generation in state.generations {
      // Not left out where nothing is left: it must overwrite what an older generation says, which is sealed before.
      for merged in late.assignments { generation.index.late[merged.ordinal]?.stored = merged.trace }
      for merged in corrections { generation.index.corrections[merged.ordinal]?.delta -= merged.delta }
    }
  }
}

extension Merge {
  /// What retention left out, beside what it had taken before.
  func droppedEvents(_ written: MergedSegment) -> DroppedEvents {
    var dropped = store.lock.withLock { store.state.dropped }
    if written.row != nil {
      for (input, counts) in zip(inputs, written.dropped) {
        for (source, count) in counts {
          dropped.add(
            DroppedSource(
              first: input.first, last: input.handle.row.lastOrdinal, source: source, eventCount: count))
        }
      }
    } else {
      for input in inputs { dropped.add(input.handle.row) }
    }
    return dropped
  }
}

extension SegmentStore {
  /// A file that was renamed and did not get into the catalog; one that did stays.
  func removeUnpublished(_ name: String) {
    do {
      let isNamed = try withCatalog { (catalog) throws(StoreError) in try catalog.hasSegment(name) }
      if !isNamed { try mapping { () throws(FileError) in try fileSystem.remove(path(name)) } }
    } catch {
      log.limitedWarning("store", "\(name) is left over, and removed at the next start: \(error)")
    }
  }
}

extension Duration {
  /// Saturating.
  var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, carry) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
    return carry ? .max : sum
  }
}
