import EventModel

/// A failed event of a finished file that counts now and did not when the file was finished, or the other way round.
struct FailureCorrection: Hashable, Sendable {
  var ordinal: Int64
  /// What is added to the number of failures: 1 or -1.
  var delta: Int
  var labels: EventLabels
  var created: Timestamp
}

/// A child whose edge in an older file does not count any more.
struct VoidEdge: Hashable, Sendable {
  var child: Int64
  /// Edges of this child in files that begin before this ordinal do not count.
  var before: Int64
}

/// An event of a finished file whose edge was worked out again since. Whether it waits for its cause is not what the
/// files say, and is found out from the events when the store is opened.
struct ReworkedEvent: Hashable, Sendable {
  var ordinal: Int64
  var id: IdentifierKey
}

/// What is to be known of events beside their finished files: traces they got later, edges and failures that do not
/// count as the file says. Small, since it needs events that come out of order, or ids that are used twice.
struct LateTable: Sendable {
  /// Of all kinds together. What is beyond stays as its file says, is counted, and is told in the log.
  private let countMax: Int

  private var byOrdinal: [Int64: LateAssignment] = [:]
  /// Events that were stored in another trace, or in none, by the one they are in now.
  private var byTrace: [IdentifierKey: Set<Int64>] = [:]
  /// How many events of an id are here.
  private var countByID: [IdentifierKey: Int] = [:]
  private var voidBefore: [Int64: Int64] = [:]
  private var correctionByOrdinal: [Int64: FailureCorrection] = [:]

  init(countMax: Int) { self.countMax = countMax }

  var isEmpty: Bool { byOrdinal.isEmpty }
  var assignmentCount: Int { byOrdinal.count }
  var voidCount: Int { voidBefore.count }
  var correctionCount: Int { correctionByOrdinal.count }
  private var isFull: Bool { byOrdinal.count + voidBefore.count + correctionByOrdinal.count >= countMax }
  var traces: [Identifier] { Set(byOrdinal.values.compactMap(\.trace)).sorted() }
  var corrections: [FailureCorrection] {
    correctionByOrdinal.values.filter { $0.delta != 0 }.sorted { $0.ordinal < $1.ordinal }
  }

  /// Traces that lost events: what their files say of their first events may be wrong.
  var leftTraces: [Identifier] { Set(byOrdinal.values.compactMap(\.stored)).sorted() }

  // What is noted already may change again, however full the table is.
  func mayNote(assignmentOf ordinal: Int64) -> Bool { !isFull || byOrdinal[ordinal] != nil }
  func mayNote(voidOf child: Int64) -> Bool { !isFull || voidBefore[child] != nil }
  func mayNote(correctionOf ordinal: Int64) -> Bool { !isFull || correctionByOrdinal[ordinal] != nil }

  func assignment(of ordinal: Int64) -> LateAssignment? { byOrdinal[ordinal] }
  func hasEvents(ofTrace trace: IdentifierKey) -> Bool { !(byTrace[trace] ?? []).isEmpty }
  /// The id of a trace that some event got late. Complexity: O(1), where `events(ofTrace:)` sorts.
  func identifier(ofTrace trace: IdentifierKey) -> Identifier? {
    byTrace[trace]?.first.flatMap { byOrdinal[$0]?.trace }
  }
  func events(ofTrace trace: IdentifierKey) -> [LateAssignment] {
    (byTrace[trace] ?? []).sorted().compactMap { byOrdinal[$0] }
  }

  /// The trace of an event of a finished file, which itself says `stored`.
  @inline(__always) func trace(of ordinal: Int64, stored: Identifier?) -> Identifier? {
    if byOrdinal.isEmpty { return stored }
    return byOrdinal[ordinal].map(\.trace) ?? stored
  }

  /// Whether some event of that id is in another trace than its file says.
  @inline(__always) func concerns(_ id: IdentifierKey) -> Bool { !countByID.isEmpty && countByID[id] != nil }

  mutating func set(_ assignment: LateAssignment) {
    forget(assignment.ordinal)
    byOrdinal[assignment.ordinal] = assignment
    countByID[assignment.id.key, default: 0] += 1
    // One that went back to where it was is found there.
    if let trace = assignment.trace, trace != assignment.stored {
      byTrace[trace.key, default: []].insert(assignment.ordinal)
    }
  }

  private mutating func forget(_ ordinal: Int64) {
    guard let old = byOrdinal.removeValue(forKey: ordinal) else { return }
    let id = old.id.key
    countByID[id] = countByID[id].flatMap { $0 > 1 ? $0 - 1 : nil }
    guard let trace = old.trace?.key else { return }
    byTrace[trace]?.remove(ordinal)
    if byTrace[trace]?.isEmpty == true { byTrace[trace] = nil }
  }

  mutating func set(_ void: VoidEdge) { voidBefore[void.child] = void.before }

  func isVoid(_ child: Int64, in firstOrdinal: Int64) -> Bool {
    guard !voidBefore.isEmpty, let before = voidBefore[child] else { return false }
    return firstOrdinal < before
  }

  /// Whether some edge of a segment may not count any more.
  func mayVoid(edgesOf segment: SegmentHandle) -> Bool {
    if voidBefore.isEmpty { return false }
    // Edges of children of earlier files are in a table of their own.
    let hasOutside = segment.reader.rowCounts["edges"] ?? 0 > 0
    let ordinals = segment.ordinals
    return voidBefore.contains { child, before in
      ordinals.lowerBound < before && (ordinals.contains(child) || (hasOutside && child < ordinals.lowerBound))
    }
  }

  func correction(of ordinal: Int64) -> FailureCorrection? { correctionByOrdinal[ordinal] }
  mutating func set(_ correction: FailureCorrection) { correctionByOrdinal[correction.ordinal] = correction }

  mutating func remove(ordinals: ClosedRange<Int64>) {
    for ordinal in Array(byOrdinal.keys) where ordinals.contains(ordinal) { forget(ordinal) }
    for child in Array(voidBefore.keys) where ordinals.contains(child) { voidBefore[child] = nil }
    for ordinal in Array(correctionByOrdinal.keys) where ordinals.contains(ordinal) {
      correctionByOrdinal[ordinal] = nil
    }
  }

  // MARK: Merging

  mutating func replace(assignmentOf ordinal: Int64, _ change: (LateAssignment) -> LateAssignment?) {
    guard let known = byOrdinal[ordinal] else { return }
    forget(ordinal)
    if let changed = change(known) { set(changed) }
  }

  mutating func replace(correctionOf ordinal: Int64, _ change: (FailureCorrection) -> FailureCorrection?) {
    guard let known = correctionByOrdinal[ordinal] else { return }
    correctionByOrdinal[ordinal] = change(known)
  }

  mutating func replaceVoids(_ change: (VoidEdge) -> VoidEdge?) {
    for (child, before) in voidBefore { voidBefore[child] = change(VoidEdge(child: child, before: before))?.before }
  }
}

/// What could not be noted of events of finished files because as much was noted as may be, since the store was opened.
struct LateRefusals: Sendable {
  /// Events that are not in the trace they should be in.
  var traces = 0
  /// Edges that go on counting, and the other ones that are not drawn for it.
  var edges = 0
  /// Failures that count as their file says.
  var failures = 0
  /// Events that wait for a cause after the next start as their file says.
  var waiting = 0
}
