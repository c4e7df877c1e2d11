import EventModel
import SegmentBlocks
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

  struct Key: Equatable {
    var kind: UInt32
    var causeType: UInt32
  }

  struct Row {
    var key: Key
    var failureCount = 0
    var negativeCount = 0
    var minimum = Int64.max
    var maximum = Int64.min
  }

  private var rows: ContiguousArray<Row> = []
  private var places = PairNumbers()
  private var buckets = BucketCounts()
  private var lastKey = Key(kind: 0, causeType: 0)
  private var lastPlace = -1
  private var failing: [Bool] = []
  /// What the block at hand adds to `buckets`.
  private var keys: ContiguousArray<UInt64> = []

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
      let latency = Timestamp(nanoseconds: head.created[event]).since(Timestamp(nanoseconds: head.created[parent]))
      keys.append(BucketCounts.key(row: place, bucket: LatencySketch.bucket(latency)))
      if latency < 0 { rows[place].negativeCount += 1 }
      rows[place].minimum = min(rows[place].minimum, latency)
      rows[place].maximum = max(rows[place].maximum, latency)
      let failure =
        isLocal ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].failure : kinds[Int(kind)].failure
      if failure != .none { rows[place].failureCount += 1 }
    }
    buckets.add(keys)
    keys.removeAll(keepingCapacity: true)
  }

  private mutating func place(_ key: Key) -> Int {
    if lastPlace >= 0, lastKey == key { return lastPlace }
    lastKey = key
    lastPlace = places.number(of: UInt64(key.kind) << 32 | UInt64(key.causeType))
    if lastPlace == rows.count { rows.append(Row(key: key)) }
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
    let held = buckets.byRow(rowCount: rows.count)
    for (place, row) in rows.enumerated() {
      let child = row.key.kind == Self.otherKind ? overflow : labelOfKind[Int(row.key.kind)]
      let cause = row.key.causeType == Self.otherKind ? overflow : labelOfType[Int(row.key.causeType)]
      let sketch = LatencySketch(
        negativeCount: row.negativeCount, minimum: row.minimum, maximum: row.maximum, buckets: held[place])
      if let sketch { add(child, cause, row.failureCount) { $0.merge(sketch) } }
    }
    for edge in edges {
      add(edge.childLabel, edge.causeLabel, edge.childFailure == .none ? 0 : 1) { $0.add(edge.latency) }
    }
    return merged.sorted { $0.key < $1.key }.map(\.value)
  }
}

/// Numbers keys in the order of their first sight: open addressing.
private struct PairNumbers {
  private var keys = ContiguousArray<UInt64>(repeating: 0, count: 1024)
  /// One more than the number; 0 in an empty slot.
  private var numbers = ContiguousArray<UInt32>(repeating: 0, count: 1024)
  private var count = 0

  @inline(__always) private func slot(of key: UInt64) -> Int {
    let mask = keys.count &- 1
    let hash = key &* 0x9e37_79b9_7f4a_7c15
    var slot = Int(truncatingIfNeeded: hash ^ hash &>> 32) & mask
    while numbers[slot] != 0 && keys[slot] != key { slot = (slot &+ 1) & mask }
    return slot
  }

  @inline(__always) mutating func number(of key: UInt64) -> Int {
    let slot = self.slot(of: key)
    return numbers[slot] != 0 ? Int(numbers[slot]) &- 1 : insert(key)
  }

  @inline(never) private mutating func insert(_ key: UInt64) -> Int {
    if count * 2 >= keys.count {
      let (oldKeys, oldNumbers) = (keys, numbers)
      keys = ContiguousArray(repeating: 0, count: oldKeys.count * 2)
      numbers = ContiguousArray(repeating: 0, count: oldKeys.count * 2)
      for place in oldKeys.indices where oldNumbers[place] != 0 {
        let slot = self.slot(of: oldKeys[place])
        keys[slot] = oldKeys[place]
        numbers[slot] = oldNumbers[place]
      }
    }
    count += 1
    let slot = self.slot(of: key)
    keys[slot] = key
    numbers[slot] = UInt32(count)
    return count - 1
  }
}

/// Counts by row and bucket: open addressing, 16 bytes a bucket in use.
private struct BucketCounts {
  private struct Slot {
    /// 0 in an empty slot.
    var key: UInt64 = 0
    var count: UInt32 = 0
  }

  private var slots = ContiguousArray<Slot>(repeating: Slot(), count: 4096)
  private var used = 0

  @inline(__always) private static func slot(_ key: UInt64, _ mask: Int) -> Int {
    let hash = key &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: hash ^ hash &>> 32) & mask
  }

  @inline(__always) static func key(row: Int, bucket: Int32) -> UInt64 {
    UInt64(row &+ 1) << 32 | UInt64(UInt32(bitPattern: bucket))
  }

  /// One more of each: the table is larger than caches are, so what comes next is asked for ahead.
  mutating func add(_ keys: ContiguousArray<UInt64>) {
    for place in keys.indices {
      if place &+ 8 < keys.count { prefetch(keys[place &+ 8]) }
      add(keys[place])
    }
  }

  @inline(__always) private func prefetch(_ key: UInt64) {
    let slot = Self.slot(key, slots.count &- 1)
    unsafe slots.withUnsafeBufferPointer {
      unsafe Prefetch.line(UnsafeRawPointer($0.baseAddress.unsafelyUnwrapped + slot))
    }
  }

  @inline(__always) private mutating func add(_ key: UInt64) {
    let mask = slots.count &- 1
    var slot = Self.slot(key, mask)
    while slots[slot].key != key {
      if slots[slot].key == 0 { return insert(key) }
      slot = (slot &+ 1) & mask
    }
    slots[slot].count &+= 1
  }

  @inline(never) private mutating func insert(_ key: UInt64) {
    if used * 2 >= slots.count {
      let old = slots
      slots = ContiguousArray(repeating: Slot(), count: old.count * 2)
      for held in old where held.key != 0 { slots[free(held.key)] = held }
    }
    used += 1
    slots[free(key)] = Slot(key: key, count: 1)
  }

  private func free(_ key: UInt64) -> Int {
    var slot = Self.slot(key, slots.count - 1)
    while slots[slot].key != 0 { slot = (slot + 1) & (slots.count - 1) }
    return slot
  }

  /// The buckets of each row, ascending.
  func byRow(rowCount: Int) -> [[(bucket: Int32, count: Int)]] {
    var rows = [[(bucket: Int32, count: Int)]](repeating: [], count: rowCount)
    for held in slots where held.key != 0 {
      rows[Int(held.key >> 32) - 1].append(
        (Int32(bitPattern: UInt32(truncatingIfNeeded: held.key)), Int(held.count)))
    }
    for row in rows.indices { rows[row].sort { $0.bucket < $1.bucket } }
    return rows
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
