internal import EventModel

/// What assembly does to a trace, in this order: later passes rely on what earlier ones left.
///
/// A pass never fails a trace: it adds findings, which become warnings. No pass recurses, so the depth of a trace is
/// bounded by memory only.
enum StandardPasses {
  typealias Pass = @Sendable (inout Assembly) -> Void

  /// What needs the trace alone. Then it is known which causes are not in it.
  static let linking: [Pass] = [
    // First: everything after it may take an id for one event.
    dropDuplicates,
    linkByCausation,
    // After linking, before anything that walks from child to parent.
    breakCycles,
  ]

  static let finishing: [Pass] = [
    adoptOrphans,
    // After adoption: only causes that are nowhere stored can be phantoms.
    findPhantomCauses,
    // After the last change of a parent.
    orderSiblings,
    markClockSkew,
    computeCriticalPath,
  ]
}

/// What the passes work on. All arrays are by record, which is by ordinal; -1 stands for "none".
struct Assembly {
  let contents: TraceContents
  /// Causes that are stored, but not in this trace, and their trace.
  var externalCauses: [Identifier: Identifier?] = [:]

  /// The record's id was stored before, in this trace.
  var isDropped: [Bool]
  var droppedCount = 0
  var index = IdentifierIndex()
  var parent: [Int32]
  var causeKind: [CauseKind]
  /// The edge to the cause was cut because it would have closed a cycle.
  var isCycleTop: [Bool]
  /// Cause given, no root marker, not an event of the trace.
  var isOrphan: [Bool]
  var findings: [(record: Int32, finding: Finding)] = []
  var phantoms: [(cause: Identifier, records: [Int32])] = []
  /// Records in tree order, and the end of each one's subtree (by place).
  var order: [Int32] = []
  var subtreeEnd: [Int32] = []
  var depth: [Int32] = []
  /// From a top to the event that ended last, by record.
  var criticalPath: [Int32] = []

  init(_ contents: TraceContents) {
    let count = contents.records.count
    precondition(count < Int32.max, "a trace holds less than 2^31 events")
    self.contents = contents
    isDropped = Array(repeating: false, count: count)
    parent = Array(repeating: -1, count: count)
    causeKind = Array(repeating: .root, count: count)
    isCycleTop = Array(repeating: false, count: count)
    isOrphan = Array(repeating: false, count: count)
  }

  /// The causes that no event of the trace has as its id, each once, by the first event that names it; span ids and root
  /// markers left out. After the passes that link.
  func causesOutside(limit: Int) -> [Identifier] {
    var seen: Set<Identifier> = []
    var causes: [Identifier] = []
    for record in isOrphan.indices where isOrphan[record] && causeKind[record] == .unknown {
      if causes.count >= limit { break }
      if let cause = contents.records[record].cause, seen.insert(cause).inserted { causes.append(cause) }
    }
    return causes
  }

  mutating func add(_ finding: Finding, to record: Int) { findings.append((Int32(record), finding)) }

  /// Created of an event minus created of its parent, in nanoseconds; nil without a parent.
  func latency(_ record: Int) -> Int64? {
    let cause = Int(parent[record])
    if cause < 0 { return nil }
    return contents.records[record].created.since(contents.records[cause].created)
  }
}

/// What a pass noticed; the message is made when somebody reads it, so that a million findings stay small.
enum Finding {
  /// Stored again, with the same fields; `first` is the first of these records.
  case duplicate(count: Int32, first: Int32)
  case conflict(count: Int32, first: Int32)
  case selfCause
  case cycle(members: Int32)
  case cycleCut
  case orphan
  case causeInOtherTrace
  case clockSkew
}
