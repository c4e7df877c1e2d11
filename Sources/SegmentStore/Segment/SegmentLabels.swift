import BlockCodec
import EventModel
import TraceStore

/// Numbers the labels of a segment: those of its kinds, and those that the store names in edges and other rows.
struct LabelBook {
  private(set) var labels: [EventLabels] = []
  private var numbers: [[UInt8]: UInt32] = [:]

  /// Names as bytes, for Swift takes texts for equal that only look the same.
  private static func key(_ labels: EventLabels) -> [UInt8] {
    var key: [UInt8] = [labels.identity.rawValue]
    for name in [labels.source, labels.service, labels.handler, labels.type] {
      var text = name
      text.withUTF8 { utf8 in
        unsafe withUnsafeBytes(of: UInt32(utf8.count)) { unsafe key.append(contentsOf: $0) }
        unsafe key.append(contentsOf: utf8)
      }
    }
    return key
  }

  mutating func number(of labels: EventLabels) -> UInt32 {
    let key = Self.key(labels)
    if let known = numbers[key] { return known }
    let number = UInt32(self.labels.count)
    numbers[key] = number
    self.labels.append(labels)
    return number
  }

  /// What events are counted under whose kind the segment has no room for.
  static let overflow = EventLabels(
    source: "_overflow", service: "_overflow", handler: "_overflow", type: "_overflow", identity: .none)

  /// The labels of kinds, in their order. `name`: of a source.
  mutating func numbers(of kinds: [EventKind], name: (UInt32) -> String) -> [UInt32] {
    kinds.map { kind in
      number(
        of: EventLabels(
          source: name(kind.sourceIndex), service: String(decoding: kind.service, as: UTF8.self),
          handler: String(decoding: kind.handler, as: UTF8.self), type: String(decoding: kind.type, as: UTF8.self),
          identity: kind.identity))
    }
  }
}

/// Counts the edges inside runs and the failed events of a segment, block by block.
struct SketchBook {
  /// Of a kind that is no number of the segment's table.
  static let otherKind = UInt32.max

  struct Key: Hashable {
    var kind: UInt32
    var causeType: UInt32
  }

  struct Row {
    var key: Key
    var failureCount = 0
    var latencies = LatencySketch()
  }

  private(set) var rows: [Row] = []
  private var places: [Key: Int] = [:]
  private var lastKey = Key(kind: 0, causeType: 0)
  private var lastPlace = -1
  private var failing: [Bool] = []

  private static func fails(_ kind: EventKind) -> Bool {
    kind.failure != .none && kind.eventClass == EventClass.domain.rawValue
  }

  /// - Parameters:
  ///   - kinds: at least those that the block names, with the numbers of their types.
  ///   - noteFailure: called with every failed event.
  mutating func add(
    _ head: BlockHead, kinds: [EventKind], typeNumbers: [UInt32], noteFailure: (FailedEvent) -> Void
  ) {
    while failing.count < kinds.count {
      failing.append(Self.fails(kinds[failing.count]))
    }
    for event in head.kinds.indices {
      let kind = head.kinds[event]
      let isLocal = kind & BlockHead.localKindFlag != 0
      let isFailed = isLocal ? Self.fails(head.localKinds[Int(kind & ~BlockHead.localKindFlag)]) : failing[Int(kind)]
      if isFailed {
        noteFailure(
          FailedEvent(
            ordinal: head.ordinals[event], created: head.created[event], kind: isLocal ? Self.otherKind : kind))
      }
      if head.edges[event] == 0 { continue }
      let parent = Int(head.parents[event])
      let causeKind = head.kinds[parent]
      let type = causeKind & BlockHead.localKindFlag != 0 ? Self.otherKind : typeNumbers[Int(causeKind)]
      let place = self.place(Key(kind: isLocal ? Self.otherKind : kind, causeType: type))
      rows[place].latencies.add(
        Timestamp(nanoseconds: head.created[event]).since(Timestamp(nanoseconds: head.created[parent])))
      let failure =
        isLocal ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].failure : kinds[Int(kind)].failure
      if failure != .none { rows[place].failureCount += 1 }
    }
  }

  private mutating func place(_ key: Key) -> Int {
    if lastPlace >= 0, lastKey == key { return lastPlace }
    lastKey = key
    lastPlace = places[key] ?? rows.count
    if lastPlace == rows.count {
      places[key] = lastPlace
      rows.append(Row(key: key))
    }
    return lastPlace
  }

  /// The rows of the segment's tables: edges inside runs together with those of the table `edges`.
  ///
  /// - Parameters:
  ///   - labelOfKind: of all kinds.
  ///   - labelOfType: any label with the type of this number.
  ///   - overflow: the label of what has no kind.
  ///   - edges: with the segment's label numbers; `typeOfLabel` gives a number for the type of each.
  func sketches(
    labelOfKind: [UInt32], labelOfType: [UInt32], overflow: UInt32, edges: [SegmentEdge], labels: [EventLabels]
  ) -> [SegmentSketch] {
    var representative: [[UInt8]: UInt32] = [:]
    let typeLabels = labels.enumerated().map { number, names -> UInt32 in
      let type = Array(names.type.utf8)
      let known = representative[type] ?? UInt32(number)
      representative[type] = known
      return known
    }
    var merged: [UInt64: SegmentSketch] = [:]
    func add(_ child: UInt32, _ cause: UInt32, _ failures: Int, _ body: (inout LatencySketch) -> Void) {
      let key = UInt64(child) << 32 | UInt64(typeLabels[Int(cause)])
      body(
        &merged[
          key,
          default: SegmentSketch(
            childLabel: child, causeLabel: typeLabels[Int(cause)], failureCount: 0, latencies: LatencySketch())
        ].latencies)
      merged[key]?.failureCount += failures
    }
    for row in rows {
      let child = row.key.kind == Self.otherKind ? overflow : labelOfKind[Int(row.key.kind)]
      let cause = row.key.causeType == Self.otherKind ? overflow : labelOfType[Int(row.key.causeType)]
      add(child, cause, row.failureCount) { $0.merge(row.latencies) }
    }
    for edge in edges {
      add(edge.childLabel, edge.causeLabel, edge.childFailure == .none ? 0 : 1) { $0.add(edge.latency) }
    }
    return merged.sorted { $0.key < $1.key }.map(\.value)
  }
}

/// A failed event as a head shows it.
struct FailedEvent {
  var ordinal: Int64
  var created: Int64
  /// `SketchBook.otherKind` for a kind of a block's own.
  var kind: UInt32

  func label(_ labelOfKind: [UInt32], overflow: UInt32) -> UInt32 {
    kind == SketchBook.otherKind ? overflow : labelOfKind[Int(kind)]
  }
}

/// What counts as a failure beside what heads show: those of theirs that do not count, and further ones.
struct FailureBook {
  private struct Key: Hashable {
    var label: UInt32
    var created: Int64
  }

  private(set) var uncounted: [UncountedFailure] = []
  private(set) var further: [SegmentFailure] = []
  private(set) var counts: [(label: UInt32, count: Int)] = []

  /// - Parameters:
  ///   - failed: all that heads show, with a label each.
  ///   - counted: those that count, in the segment's label numbers.
  init(failed: [(event: FailedEvent, label: UInt32)], counted: [SegmentFailure]) {
    var open: [Key: Int] = [:]
    var counts: [UInt32: Int] = [:]
    for failure in counted {
      open[Key(label: failure.label, created: failure.created.nanoseconds), default: 0] += 1
      counts[failure.label, default: 0] += 1
    }
    for (event, label) in failed {
      let key = Key(label: label, created: event.created)
      if let count = open[key], count > 0 {
        open[key] = count - 1
      } else {
        uncounted.append(UncountedFailure(ordinal: event.ordinal))
      }
    }
    for failure in counted {
      let key = Key(label: failure.label, created: failure.created.nanoseconds)
      if let count = open[key], count > 0 {
        open[key] = count - 1
        further.append(failure)
      }
    }
    self.counts = counts.sorted { $0.key < $1.key }.map { (label: $0.key, count: $0.value) }
  }
}
