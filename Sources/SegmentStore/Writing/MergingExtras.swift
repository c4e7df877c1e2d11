import EventModel
import TraceStore

/// Puts together what several segments hold beside events: with the names renumbered, without what does not count any
/// more, and with what the catalog said of it.
struct MergeExtras {
  private let inputs: [MergeInput]
  private let late: MergedLateness
  private let range: ClosedRange<Int64>
  private let sourceName: (UInt32) -> String
  private var extras = SegmentExtras()
  private var numbers: [LabelIdentity: UInt32] = [:]
  /// Children whose cause came with one of the inputs.
  private var healed: Set<Int64> = []
  /// Of the input that is read: its label numbers here, and which of them are of sources that are left out.
  private var renumbered: [UInt32: UInt32] = [:]
  /// By number: the source of a label is to be left out, by input.
  private var expiredNames: [Set<[UInt8]>] = []
  private var appliedCorrections: Set<Int64> = []
  /// Ordinals of events that waited for a cause, and are left out.
  private(set) var droppedWaiting: [Int64] = []

  init(_ inputs: [MergeInput], late: MergedLateness, sourceName: @escaping (UInt32) -> String) {
    self.inputs = inputs
    self.late = late
    self.sourceName = sourceName
    range = inputs[0].first...inputs[inputs.count - 1].handle.row.lastOrdinal
    expiredNames = inputs.map { Set($0.expired.map { Array(sourceName($0).utf8) }) }
  }

  /// Corrections that are part of the file now; any other one stays in the catalog.
  var corrections: [FailureCorrection] { late.corrections.filter { appliedCorrections.contains($0.ordinal) } }

  /// - Parameter isInHead: whether the edge of a child has been written already.
  mutating func collect(sources: Set<UInt32>, isInHead: (Int64) -> Bool) throws(StoreError) -> SegmentExtras {
    for input in inputs { try input.reader.forEachHealed { healed.insert($0) } }
    for number in inputs.indices { try collect(number, isInHead) }
    applyCorrections()
    extras.unresolved.sort { $0.ordinal < $1.ordinal }
    extras.uncorrelated.sort { $0.ordinal < $1.ordinal }
    extras.healed = healed.filter { !range.contains($0) }.sorted()
    extras.sources = sources.sorted().map { ($0, sourceName($0)) }
    extras.firstStored = inputs.map(\.handle.row.firstStored).min() ?? Timestamp(nanoseconds: 0)
    extras.lastStored = inputs.map(\.handle.row.lastStored).max() ?? Timestamp(nanoseconds: 0)
    return extras
  }

  private mutating func collect(_ number: Int, _ isInHead: (Int64) -> Bool) throws(StoreError) {
    let input = inputs[number]
    renumbered.removeAll()
    var expiredLabels: Set<UInt32> = []
    for (index, labels) in try input.reader.labels() {
      renumbered[index] = self.number(of: labels)
      if !expiredNames.isEmpty, expiredNames.contains(where: { $0.contains(Array(labels.source.utf8)) }) {
        expiredLabels.insert(index)
      }
    }
    var found = MergeRows()
    // Most edges are inside runs, and have come with their events.
    try input.reader.forEachEdge(in: .all) { if !isInHead($0.childOrdinal) { found.edges.append($0) } }
    try input.reader.forEachFailure(in: .all) { found.failures.append($0) }
    try input.reader.forEachUnresolved { found.unresolved.append($0) }
    try input.reader.forEachUncorrelated { found.uncorrelated.append($0) }
    for edge in found.edges where !late.isVoid(edge.childOrdinal, in: input.first) {
      if expiredLabels.contains(edge.childLabel), isDropped(edge.childOrdinal, label: edge.childLabel) { continue }
      add(edge)
    }
    for failure in found.failures {
      let label = renumbered[failure.label] ?? 0
      if expiredLabels.contains(failure.label), isDropped(label, in: number) { continue }
      extras.failures.append(SegmentFailure(label: label, created: failure.created))
    }
    for child in found.unresolved where !healed.contains(child.ordinal) { add(child, input) }
    for event in found.uncorrelated { add(event, input) }
    try addNewlyTraceless(number)
  }

  // MARK: Rows

  private mutating func add(_ edge: SegmentEdge) {
    var edge = edge
    edge.childLabel = renumbered[edge.childLabel] ?? 0
    edge.causeLabel = renumbered[edge.causeLabel] ?? 0
    extras.edges.append(edge)
  }

  private mutating func add(_ child: UnresolvedChild, _ input: MergeInput) {
    if input.expired.contains(child.sourceIndex) { return droppedWaiting.append(child.ordinal) }
    var child = child
    child.label = renumbered[child.label] ?? 0
    if let assignment = late.assignment(of: child.ordinal) {
      child.trace = assignment.trace
      if child.trace == nil { child.childID = assignment.id }
    }
    extras.unresolved.append(child)
  }

  private mutating func add(_ event: UncorrelatedEvent, _ input: MergeInput) {
    if input.expired.contains(event.sourceIndex) || late.trace(of: event.ordinal, stored: nil) != nil { return }
    var event = event
    event.label = renumbered[event.label] ?? 0
    extras.uncorrelated.append(event)
  }

  /// Events that were in a trace when their file was written, and are in none any more.
  private mutating func addNewlyTraceless(_ number: Int) throws(StoreError) {
    let input = inputs[number]
    for arrival in late.arrivals(in: nil) where input.handle.ordinals.contains(arrival.ordinal) {
      var found: UncorrelatedEvent?
      var labels: EventLabels?
      try input.reader.forEachEvent(withID: arrival.id) { (event, _) -> Walk in
        guard event.ordinal == arrival.ordinal else { return .proceed }
        if input.expired.contains(event.sourceIndex) { return .stop }
        unsafe labels = EventLabels(
          source: sourceName(event.sourceIndex), service: String(decoding: event.service, as: UTF8.self),
          handler: String(decoding: event.handler, as: UTF8.self), type: String(decoding: event.type, as: UTF8.self),
          identity: event.handlerIdentity)
        found = UncorrelatedEvent(
          ordinal: event.ordinal, id: event.id, cause: event.cause, sourceIndex: event.sourceIndex, label: 0,
          created: event.created, failure: event.failure)
        return .stop
      }
      if var found, let labels {
        found.label = self.number(of: labels)
        extras.uncorrelated.append(found)
      }
    }
  }

  /// Failures that count now and did not when their file was written, or the other way round.
  private mutating func applyCorrections() {
    if late.corrections.isEmpty { return }
    let names = extras.labels.map { LabelKey($0.labels) }
    let times = Set(late.corrections.map(\.created))
    var places: [Timestamp: [Int]] = [:]
    for (place, failure) in extras.failures.enumerated() where times.contains(failure.created) {
      places[failure.created, default: []].append(place)
    }
    var taken: Set<Int> = []
    for correction in late.corrections {
      let number = inputs.firstIndex { $0.handle.ordinals.contains(correction.ordinal) }
      if let number, expiredNames[number].contains(Array(correction.labels.source.utf8)) {
        appliedCorrections.insert(correction.ordinal)
        continue
      }
      var delta = correction.delta
      while delta > 0 {
        extras.failures.append(
          SegmentFailure(label: self.number(of: correction.labels), created: correction.created))
        delta -= 1
      }
      let key = LabelKey(correction.labels)
      while delta < 0 {
        let place = places[correction.created]?.first {
          !taken.contains($0) && names[Int(extras.failures[$0].label)] == key
        }
        guard let place else { break }
        taken.insert(place)
        delta += 1
      }
      // What finds no failure to take back goes on counting from the catalog.
      if delta == 0 { appliedCorrections.insert(correction.ordinal) }
    }
    if !taken.isEmpty {
      extras.failures = extras.failures.enumerated().filter { !taken.contains($0.offset) }.map(\.element)
    }
  }

  // MARK: Names

  private mutating func number(of labels: EventLabels) -> UInt32 {
    let key = LabelIdentity(labels)
    if let known = numbers[key] { return known }
    let number = UInt32(numbers.count)
    numbers[key] = number
    extras.labels.append((number, labels))
    return number
  }

  /// Whether the child of an edge is left out: it may be in an earlier input than the edge, or in none.
  private func isDropped(_ child: Int64, label: UInt32) -> Bool {
    guard let number = inputs.firstIndex(where: { $0.handle.ordinals.contains(child) }) else { return false }
    return isDropped(renumbered[label] ?? 0, in: number)
  }

  private func isDropped(_ label: UInt32, in number: Int) -> Bool {
    expiredNames[number].contains(Array(extras.labels[Int(label)].labels.source.utf8))
  }
}

/// The rows of one input.
private struct MergeRows {
  var edges: [SegmentEdge] = []
  var failures: [SegmentFailure] = []
  var unresolved: [UnresolvedChild] = []
  var uncorrelated: [UncorrelatedEvent] = []
}

/// Names as bytes, and how the handler is known.
private struct LabelIdentity: Hashable {
  private let names: LabelKey
  private let identity: HandlerIdentity

  init(_ labels: EventLabels) {
    names = LabelKey(labels)
    identity = labels.identity
  }
}
