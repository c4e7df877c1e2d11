import EventModel
import Platform
import TraceStore

/// What the catalog says of the events of segments that are merged: it becomes part of the new file.
///
/// Only what the catalog holds: what a hot file has brought about since is worked out again from that file after a
/// crash, and must find the segments as the catalog describes them.
struct MergedLateness {
  private(set) var assignments: [LateAssignment] = []
  private(set) var voids: [VoidEdge] = []
  private(set) var corrections: [FailureCorrection] = []
  private var byOrdinal: [Int64: Int] = [:]
  private var voidBefore: [Int64: Int64] = [:]
  private var arrivals: [Identifier?: [Int]] = [:]
  /// Traces that gain or lose events.
  private(set) var traces: Set<Identifier> = []

  init() {}

  init(_ catalog: Catalog, _ range: ClosedRange<Int64>) throws(StoreError) {
    assignments = try catalog.rows(LateAssignment.self, "ordinal BETWEEN \(range.lowerBound) AND \(range.upperBound)")
    voids = try catalog.rows(
      VoidEdge.self, "child_ordinal <= \(range.upperBound) AND before_ordinal > \(range.lowerBound)")
    corrections = try catalog.rows(
      FailureCorrection.self, "ordinal BETWEEN \(range.lowerBound) AND \(range.upperBound)")
    for (index, assignment) in assignments.enumerated() {
      byOrdinal[assignment.ordinal] = index
      if let trace = assignment.trace { traces.insert(trace) }
      if let trace = assignment.stored { traces.insert(trace) }
      if assignment.trace != assignment.stored { arrivals[assignment.trace, default: []].append(index) }
    }
    for void in voids { voidBefore[void.child] = void.before }
  }

  var isEmpty: Bool { assignments.isEmpty && voids.isEmpty && corrections.isEmpty }
  var hasAssignments: Bool { !assignments.isEmpty }

  func assignment(of ordinal: Int64) -> LateAssignment? { byOrdinal[ordinal].map { assignments[$0] } }

  /// The trace of an event whose file says `stored`.
  func trace(of ordinal: Int64, stored: Identifier?) -> Identifier? {
    assignment(of: ordinal).map(\.trace) ?? stored
  }

  func isVoid(_ child: Int64, in firstOrdinal: Int64) -> Bool {
    guard !voidBefore.isEmpty, let before = voidBefore[child] else { return false }
    return firstOrdinal < before
  }

  /// Whether this very row was there.
  func applies(_ void: VoidEdge) -> Bool { voidBefore[void.child] == void.before }

  /// Assigned to this trace (nil: to none) and stored in another one, by ordinal.
  func arrivals(in trace: Identifier?) -> [LateAssignment] {
    (arrivals[trace] ?? []).map { assignments[$0] }.sorted { $0.ordinal < $1.ordinal }
  }
}

/// One of the segments that become one.
struct MergeInput {
  let handle: SegmentHandle
  /// Sources whose events in this segment are too old to be kept.
  var expired: Set<UInt32> = []

  var reader: SegmentReader { handle.reader }
  var first: Int64 { handle.row.firstOrdinal }
}

/// Copies the events of several segments into one: whole traces, in the order of the first segment that has them, then
/// what is in no trace.
///
/// The inputs follow each other by ordinal. So a trace begins in the first input that has a part of it, which is where it
/// is met; its other parts are looked up in the later inputs, by their filters and indexes. Memory: the traces that lie
/// in several inputs, and one block.
final class MergeContent {
  private let inputs: [MergeInput]
  private let writer: SegmentWriter
  private let late: MergedLateness
  private let pause: (Int) throws(StoreError) -> Void
  /// Traces with parts in several inputs that are written.
  private var done: Set<Identifier> = []
  private var openTrace: Identifier?
  private var isOpen = false
  private var lastTraceless: Int64 = 0
  private var addedCount = 0
  private(set) var writtenCount = 0
  /// By input and source: events that were left out.
  private(set) var dropped: [[UInt32: Int]]
  private(set) var figures = SourceFigures()

  /// - Parameter pause: called every few events with how many there were: does what is more urgent, and throws to give up.
  init(
    _ inputs: [MergeInput], to writer: SegmentWriter, late: MergedLateness,
    pause: @escaping (Int) throws(StoreError) -> Void
  ) {
    self.inputs = inputs
    self.writer = writer
    self.late = late
    self.pause = pause
    dropped = Array(repeating: [:], count: inputs.count)
  }

  func write() throws(StoreError) {
    var traceless: [[Int]] = Array(repeating: [], count: inputs.count)
    for number in inputs.indices {
      for zone in inputs[number].reader.blocks {
        let block = try inputs[number].reader.readBlock(zone.number)
        if block.runs.contains(where: { $0.trace == nil }) { traceless[number].append(zone.number) }
        try writeTraces(of: block, number)
      }
      try end()
    }
    for trace in late.traces.sorted() { try writeTouched(trace) }
    for number in inputs.indices {
      for block in traceless[number] { try writeTraceless(try inputs[number].reader.readBlock(block), number) }
    }
    try end()
    for arrival in late.arrivals(in: nil) { try writeArrival(arrival, nil) }
    try end()
  }

  /// The traces that begin in this block, and the part of one that began in the block before.
  private func writeTraces(of block: DecodedBlock, _ number: Int) throws(StoreError) {
    for (place, run) in block.runs.enumerated() {
      guard let trace = run.trace, !late.traces.contains(trace) else { continue }
      if run.continues {
        guard openTrace == trace else { continue }
      } else {
        if number > 0 && done.contains(trace) { continue }
        try begin(trace)
      }
      try addRun(place, block, number)
      if !run.goesOn {
        try addLaterParts(of: trace, behind: number)
        try end()
      }
    }
  }

  private func addRun(_ run: Int, _ block: DecodedBlock, _ number: Int) throws(StoreError) {
    var place = block.runs[run].events.lowerBound
    _ = try inputs[number].reader.walk(block, run) { (event, _) throws(StoreError) in
      let cause = late.isVoid(event.ordinal, in: inputs[number].first) ? nil : block.causeOrdinal(of: place)
      place += 1
      try add(event, number, causeOrdinal: cause)
      return .proceed
    }
  }

  private func addLaterParts(of trace: Identifier, behind number: Int) throws(StoreError) {
    let key = trace.key
    for later in (number + 1)..<max(number + 1, inputs.count) where inputs[later].reader.mayContain(correlation: key) {
      var isHere = false
      try inputs[later].reader.forEachEvent(ofTrace: trace) { (event, _) throws(StoreError) -> Walk in
        isHere = true
        try add(event, later)
        return .proceed
      }
      if isHere { done.insert(trace) }
    }
  }

  /// A trace that gained or lost events.
  private func writeTouched(_ trace: Identifier) throws(StoreError) {
    var arrivals = late.arrivals(in: trace)[...]
    try begin(trace)
    for number in inputs.indices {
      try inputs[number].reader.forEachEvent(ofTrace: trace) { (event, _) throws(StoreError) -> Walk in
        guard late.trace(of: event.ordinal, stored: trace) == trace else { return .proceed }
        while let next = arrivals.first, next.ordinal < event.ordinal {
          arrivals.removeFirst()
          try writeArrival(next, trace)
        }
        try add(event, number)
        return .proceed
      }
    }
    for arrival in arrivals { try writeArrival(arrival, trace) }
    try end()
  }

  private func writeArrival(_ arrival: LateAssignment, _ trace: Identifier?) throws(StoreError) {
    if !isOpen { try begin(trace) }
    for number in inputs.indices where inputs[number].handle.ordinals.contains(arrival.ordinal) {
      try inputs[number].reader.forEachEvent(withID: arrival.id) { (event, _) throws(StoreError) -> Walk in
        guard event.ordinal == arrival.ordinal else { return .proceed }
        try add(event, number)
        return .stop
      }
    }
  }

  private func writeTraceless(_ block: DecodedBlock, _ number: Int) throws(StoreError) {
    for (place, run) in block.runs.enumerated() where run.trace == nil {
      if !isOpen { try begin(nil) }
      _ = try inputs[number].reader.walk(block, place) { (event, _) throws(StoreError) in
        if late.hasAssignments, late.trace(of: event.ordinal, stored: nil) != nil { return .proceed }
        try add(event, number)
        return .proceed
      }
    }
  }

  // MARK: The open trace

  private func begin(_ trace: Identifier?) throws(StoreError) {
    try writer.beginTrace(trace)
    openTrace = trace
    isOpen = true
  }

  private func end() throws(StoreError) {
    if isOpen { try writer.endTrace() }
    isOpen = false
    openTrace = nil
  }

  private func add(_ event: EventView, _ number: Int, causeOrdinal: Int64? = nil) throws(StoreError) {
    addedCount += 1
    if addedCount & 63 == 0 { try pause(addedCount) }
    let source = event.sourceIndex
    if !inputs[number].expired.isEmpty, inputs[number].expired.contains(source) {
      dropped[number][source, default: 0] += 1
      return
    }
    if isOpen, openTrace == nil {
      // Events that lost their trace stand in a run of their own behind the others: a file that was merged before has
      // two runs, and ordinals ascend within each only.
      if event.ordinal <= lastTraceless {
        try end()
        try begin(nil)
      }
      lastTraceless = event.ordinal
    }
    writtenCount += 1
    figures.add(event)
    try writer.add(event, causeOrdinal: causeOrdinal)
  }
}
