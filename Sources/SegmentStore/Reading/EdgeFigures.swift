import EventModel
import Platform
import TraceStore

/// One edge with the numbers of its names.
struct NumberedEdge {
  var child: Int
  var causeType: Int
  var latency: Int64
  var isFailure: Bool
}

/// All edges of one segment between two kinds of events.
struct NumberedEdges {
  var child: Int
  var causeType: Int
  var failureCount: Int
  var latencies: LatencySketch
}

/// What statistics are made of.
enum Figure {
  case edge(NumberedEdge)
  case edges(NumberedEdges)
  /// Failed events of one label, or corrections of their number, which may be negative.
  case failures(label: Int, count: Int)
}

/// The numbers of the labels of one file; labels are small numbers themselves.
private struct NumberedLabels {
  private var numbers: [(label: Int, type: Int)?] = []

  subscript(label: UInt32) -> (label: Int, type: Int)? {
    Int(label) < numbers.count ? numbers[Int(label)] : nil
  }

  mutating func set(_ label: UInt32, _ number: (label: Int, type: Int)) {
    while numbers.count <= Int(label) { numbers.append(nil) }
    numbers[Int(label)] = number
  }
}

extension StoreView {
  /// Calls `body` with what the statistics of a range are made of: every edge whose child was created in it, every
  /// failed event that was.
  ///
  /// Segments that lie in the range as a whole give their sketches, others the heads of the blocks that touch it. Where
  /// edges of a segment do not count any more, sketches cannot tell its minima, and its heads are read as well.
  func forEachFigure(
    in range: TimeRange, _ names: LabelNumbers, _ body: (Figure) -> Void
  ) throws(StoreError) {
    for segment in segments where !segment.isDamaged {
      try reading(segment) { (reader) throws(StoreError) in
        var numbers = NumberedLabels()
        for (index, labels) in try reader.labels() { numbers.set(index, names.number(labels)) }
        if reader.hasHeads, reader.lies(in: range), !late.mayVoid(edgesOf: segment) {
          try giveSketches(reader, numbers, body)
        } else {
          try giveEdges(segment, reader, range, numbers, body)
        }
      }
    }
    for generation in generations { giveHot(generation, range, names, body) }
    for correction in late.corrections where range.contains(correction.created) {
      body(.failures(label: names.number(correction.labels).label, count: correction.delta))
    }
  }

  private func giveSketches(
    _ reader: SegmentReader, _ numbers: NumberedLabels, _ body: (Figure) -> Void
  ) throws(StoreError) {
    for sketch in try reader.sketches() {
      guard let child = numbers[sketch.childLabel], let cause = numbers[sketch.causeLabel] else { continue }
      body(
        .edges(
          NumberedEdges(
            child: child.label, causeType: cause.type, failureCount: sketch.failureCount,
            latencies: sketch.latencies)))
    }
    for (label, count) in try reader.failureCounts() {
      if let number = numbers[label] { body(.failures(label: number.label, count: count)) }
    }
  }

  private func giveEdges(
    _ segment: SegmentHandle, _ reader: SegmentReader, _ range: TimeRange, _ numbers: NumberedLabels,
    _ body: (Figure) -> Void
  ) throws(StoreError) {
    try reader.forEachEdge(in: range) { edge in
      if late.isVoid(edge.childOrdinal, in: segment.row.firstOrdinal) { return }
      if let child = numbers[edge.childLabel], let cause = numbers[edge.causeLabel] {
        body(.edge(numbered(edge, child.label, cause.type)))
      }
    }
    try reader.forEachFailure(in: range) { failure in
      if let number = numbers[failure.label] { body(.failures(label: number.label, count: 1)) }
    }
  }

  private func numbered(_ edge: SegmentEdge, _ child: Int, _ causeType: Int) -> NumberedEdge {
    NumberedEdge(child: child, causeType: causeType, latency: edge.latency, isFailure: edge.childFailure != .none)
  }

  /// How many hot events are looked at before others get the store's lock.
  private static let hotStep = 4_096

  private func giveHot(
    _ generation: HotGeneration, _ range: TimeRange, _ names: LabelNumbers, _ body: (Figure) -> Void
  ) {
    var numbers = NumberedLabels()
    let first = generation.index.firstOrdinal
    func number(_ label: UInt32) -> (label: Int, type: Int) {
      if let known = numbers[label] { return known }
      let made = names.number(store.state.labels.names(label) { store.state.sources.name($0) })
      numbers.set(label, made)
      return made
    }
    func give(_ edge: SegmentEdge) {
      // What was stored, or healed, since this view was made is left out.
      guard edge.childOrdinal <= lastOrdinal, edge.causeOrdinal <= lastOrdinal, range.contains(edge.childCreated),
        !late.isVoid(edge.childOrdinal, in: first)
      else { return }
      body(.edge(numbered(edge, number(edge.childLabel).label, number(edge.causeLabel).type)))
    }
    var place = 0
    var isOver = false
    while !isOver {
      store.lock.withLock {
        let index = generation.index
        let end = min(index.count, place + Self.hotStep)
        while place < end {
          if let edge = index.edge(of: place) { give(edge) }
          place += 1
        }
        if end == index.count {
          for edge in index.healed.edges { give(edge) }
          isOver = true
        }
      }
    }
    var counts: [UInt32: Int] = [:]
    store.lock.withLock {
      generation.index.forEachFailure { label, created in
        if range.contains(created) { counts[label, default: 0] += 1 }
      }
      for (label, count) in counts { body(.failures(label: number(label).label, count: count)) }
    }
  }
}

extension SegmentReader {
  /// Whether every event of the segment, and every child of its edges, was created in a range.
  func lies(in range: TimeRange) -> Bool {
    guard range.contains(descriptor.firstCreated), range.contains(descriptor.lastCreated) else { return false }
    return (chunkBounds["edges"] ?? []).allSatisfy {
      range.contains(Timestamp(nanoseconds: $0.first)) && range.contains(Timestamp(nanoseconds: $0.last))
    }
  }
}
