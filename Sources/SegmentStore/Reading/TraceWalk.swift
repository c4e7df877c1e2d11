public import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError) {
    try traces(in: range, after: after, mayMeet: TracePrefilter(TraceQuery())) { (step) throws(StoreError) -> Walk in
      if case .trace(let contents) = step { try body(contents) } else { .proceed }
    }
  }

  public func traces(
    in range: TimeRange, after: TracePlace?, mayMeet filter: TracePrefilter,
    _ body: (SearchStep) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let walk = TraceWalk(try view(), range: range, after: after, filter: filter)
    while let step = try walk.next() {
      if try body(step) == .stop { return }
    }
  }
}

/// Gives traces newest first without looking at all of them.
///
/// A heap holds segments and blocks by the latest first event of their traces, and parts of traces by their own first
/// event. A block that comes to the top is replaced by its traces; a part that comes to the top is gathered whole, and
/// given if it is the trace's first part, else it comes again where the trace begins. A part can only lie before its
/// trace's place, so nothing is given too late. Memory: the traces of the blocks that were opened and may be found, and
/// the hot traces.
///
/// A part may be left out if another part leads to every trace that can be found: one with an event in the range, or,
/// without a range, one that meets the filter's leading condition. What is asked of a trace as a whole is asked of a part
/// only if no other file has a part of the trace.
final class TraceWalk {
  private enum Item {
    case segment(Int)
    case block(segment: Int, number: Int)
    /// Judged: all that is known of the trace without its payloads was held against the filter.
    case part(Identifier, isJudged: Bool)
  }

  private struct Entry {
    var time: Timestamp
    var item: Item
  }

  /// How many events are passed over before it is told.
  private static let toldEventCount = 1 << 16

  private let view: StoreView
  private let range: TimeRange
  private let after: TracePlace?
  private let filter: TracePrefilter
  private let conditions: HeadConditions
  /// No trace has events in more than one file.
  private let isAlone: Bool
  /// What no trace reaches beyond: the times of all events that are stored.
  private let extent: CreatedExtent
  private var heap: [Entry] = []
  /// Traces that begin at `currentTime`, the next one last.
  private var ready: [TraceContents] = []
  private var currentTime: Timestamp?
  private var given: Set<Identifier> = []
  /// Events of opened blocks since it was last told.
  private var passedCount = 0

  init(_ view: StoreView, range: TimeRange, after: TracePlace?, filter: TracePrefilter) {
    self.view = view
    self.range = range
    self.after = after
    self.filter = filter
    isAlone = view.segments.count + view.generations.count < 2 && view.late.isEmpty
    extent = view.extent
    conditions = HeadConditions(filter: filter) { Array(view.sourceName($0).utf8) }
    for (number, segment) in view.segments.enumerated() where !segment.isDamaged {
      var latest = Timestamp.distantPast
      for zone in segment.reader.blocks where mayHold(zone, segment) { latest = max(latest, zone.lastTraceCreated) }
      if latest > .distantPast { push(Entry(time: latest, item: .segment(number))) }
    }
    pushLateTraces()
    for generation in view.generations { pushTraces(of: generation) }
  }

  /// The traces of events that got them late may have no part of their own that leads to them, and parts that lost
  /// events begin elsewhere than their files say: these traces are looked up first, and then wait at their places.
  private func pushLateTraces() {
    for trace in view.late.leftTraces { push(Entry(time: .distantFuture, item: .part(trace, isJudged: false))) }
    if range == .all && filter.isTrivial && after == nil { return }
    for trace in view.late.traces { push(Entry(time: .distantFuture, item: .part(trace, isJudged: false))) }
  }

  /// The traces of a hot file that may be found; the lock is held for a few hundred of them at a time.
  private func pushTraces(of generation: HotGeneration) {
    var known: [UInt32: UInt64] = [:]
    var number: UInt32 = 1
    var isOver = false
    while !isOver {
      view.store.lock.withLock {
        let table = generation.index.traceTable
        let end = min(number + 256, UInt32(table.count) + 1)
        while number < end {
          if table.tail(number) != HotIndex.none, mayBeFound(number, in: generation, &known) {
            push(Entry(time: table.firstCreated(number), item: .part(table.identifier(number), isJudged: false)))
          }
          number += 1
        }
        isOver = Int(number) > table.count
      }
    }
  }

  /// Inside the store's lock.
  private func mayBeFound(_ number: UInt32, in generation: HotGeneration, _ known: inout [UInt32: UInt64]) -> Bool {
    if let until = range.until, generation.index.traceTable.firstCreated(number) >= until { return false }
    // Another part leads to the trace, if it has events in the range.
    if let since = range.since, !generation.index.hasEvent(ofTraceNumber: number, since: since) { return false }
    if filter.wanted | filter.unwanted == 0 { return true }
    return leads(view.met(byTrace: number, in: generation, filter, &known))
  }

  /// Whether a part whose events meet these conditions has to be followed.
  private func leads(_ met: UInt64) -> Bool {
    if met & filter.unwanted != 0 { return false }
    return range != .all || met & filter.leading == filter.leading
  }

  /// A trace whose part begins at or after `until` may still have an earlier part, which then leads to it; one that
  /// ends before `since` in this segment is led to by a later part.
  private func mayHold(_ zone: BlockZone, _ segment: SegmentHandle) -> Bool {
    if zone.traceCount == 0 { return false }
    if let until = range.until, zone.firstCreated >= until { return false }
    if let since = range.since, zone.lastCreated < since {
      // A trace that goes on behind the block may still reach into the range.
      let long = segment.reader.longTrace(startingIn: zone.number)
      guard let long, long.lastCreated >= since else { return false }
    }
    // Every part leads to its trace: what lies before the page is led to by a part behind its beginning, if at all.
    if let after, range == .all, filter.leading == 0, zone.firstTraceCreated > after.firstEvent { return false }
    return true
  }

  /// The next trace, or how far the walk came without one; nil at the end.
  func next() throws(StoreError) -> SearchStep? {
    while ready.isEmpty {
      guard let top = heap.first else { return nil }
      if currentTime != top.time {
        if let reached = currentTime, passedCount >= Self.toldEventCount {
          defer { passedCount = 0 }
          return .passed(eventCount: passedCount, upTo: TracePlace(behind: reached))
        }
        currentTime = top.time
        given.removeAll(keepingCapacity: true)
      }
      while let entry = heap.first, entry.time == top.time {
        pop()
        try take(entry)
      }
      ready.sort { $1.correlation < $0.correlation }
    }
    return .trace(ready.removeLast())
  }

  private func take(_ entry: Entry) throws(StoreError) {
    switch entry.item {
    case .segment(let number):
      let segment = view.segments[number]
      for zone in segment.reader.blocks where mayHold(zone, segment) {
        push(Entry(time: zone.lastTraceCreated, item: .block(segment: number, number: zone.number)))
      }
    case .block(let number, let block):
      try view.reading(view.segments[number]) { (reader) throws(StoreError) in
        let count = try open(block, of: reader)
        // What lies before the page was told on an earlier one.
        if after.map({ entry.time <= $0.firstEvent }) ?? true { passedCount += count }
      }
    case .part(let trace, let isJudged): try take(part: trace, at: entry.time, isJudged)
    }
  }

  /// - Returns: how many events the block has.
  private func open(_ number: Int, of reader: SegmentReader) throws(StoreError) -> Int {
    try reader.forEachStart(inBlock: number, conditions) { (run, block) throws(StoreError) in
      if run.goesOn {
        // What the rest of the trace is like, the next blocks know.
        if let trace = reader.longTrace(startingIn: number) {
          pushPart(trace.correlation, trace.firstCreated, trace.lastCreated, isJudged: false)
        }
        return
      }
      guard leads(run.met) else { return }
      let (first, last) = (Timestamp(nanoseconds: run.first), Timestamp(nanoseconds: run.last))
      // What can be said without the trace's identifier comes first.
      guard touchesRange(first, last) else { return }
      let duration = run.last.subtractingReportingOverflow(run.first)
      let isEnough =
        run.met & filter.wanted == filter.wanted
        && filter.mayHold(duration: duration.overflow ? .max : duration.partialValue, eventCount: run.eventCount)
      if !isEnough && (isAlone || !mayGrow(run, to: extent)) { return }
      guard let trace = try block.trace(ofRun: run.number) else { return }
      let parts = isAlone ? TraceParts(count: 1) : view.parts(of: trace)
      if !isEnough && (parts.count < 2 || !mayGrow(run, to: parts.extent)) { return }
      pushPart(trace, first, last, isJudged: isEnough && parts.count < 2)
    }
  }

  /// Whether a run may be part of a trace that is long enough, whose other events were created between these times.
  private func mayGrow(_ run: ScannedRun, to extent: CreatedExtent) -> Bool {
    let duration = max(run.last, extent.last).subtractingReportingOverflow(min(run.first, extent.first))
    return filter.mayHold(duration: duration.overflow ? .max : duration.partialValue, eventCount: .max)
  }

  private func touchesRange(_ first: Timestamp, _ last: Timestamp) -> Bool {
    if let until = range.until, first >= until { return false }
    if let since = range.since, last < since { return false }
    return true
  }

  private func pushPart(_ trace: Identifier, _ first: Timestamp, _ last: Timestamp, isJudged: Bool) {
    if touchesRange(first, last) { push(Entry(time: first, item: .part(trace, isJudged: isJudged))) }
  }

  private func take(part trace: Identifier, at time: Timestamp, _ isJudged: Bool) throws(StoreError) {
    if given.contains(trace) { return }
    // Given on an earlier page, unless it has a part that lies further back, or its place is only looked up.
    if let after, time > after.firstEvent, time != .distantFuture, view.parts(of: trace).count < 2 { return }
    if !isJudged, !filter.isTrivial, try !view.mayHold(trace, conditions) { return }
    let contents = try view.contents(of: trace)
    guard let place = contents.place else { return }
    if place.firstEvent < time {
      push(Entry(time: place.firstEvent, item: .part(trace, isJudged: false)))
      return
    }
    // A part that lost its first events: the trace's place is known from the beginning.
    if place.firstEvent > time { return }
    given.insert(trace)
    guard contents.records.contains(where: { range.contains($0.created) }) else { return }
    if let after, !after.isBefore(place) { return }
    ready.append(contents)
  }

  // MARK: Heap, the latest time on top

  private func push(_ entry: Entry) {
    heap.append(entry)
    var child = heap.count - 1
    while child > 0 {
      let parent = (child - 1) / 2
      if heap[parent].time >= heap[child].time { return }
      heap.swapAt(parent, child)
      child = parent
    }
  }

  private func pop() {
    heap.swapAt(0, heap.count - 1)
    heap.removeLast()
    var parent = 0
    while true {
      var largest = parent
      for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count {
        if heap[child].time > heap[largest].time { largest = child }
      }
      if largest == parent { return }
      heap.swapAt(parent, largest)
      parent = largest
    }
  }
}

extension StoreView {
  /// The conditions that the hot events of a trace meet, taken together. Inside the store's lock.
  ///
  /// - Parameter known: what labels met so far, by label and, in the highest bit, failure.
  func met(
    byTrace number: UInt32, in generation: HotGeneration, _ filter: TracePrefilter, _ known: inout [UInt32: UInt64]
  ) -> UInt64 {
    var met: UInt64 = 0
    for place in generation.index.places(ofTraceNumber: number) {
      let label = generation.index.label(place)
      let isFailed = generation.index.failure(place) != .none
      let key = label | (isFailed ? 1 << 31 : 0)
      if known[key] == nil {
        let names = store.state.labels.names(label) { store.state.sources.name($0) }
        known[key] =
          label == 0
          // Names that the table had no room for: whatever is wanted.
          ? filter.wanted
          : filter.met(
            source: Array(names.source.utf8), type: Array(names.type.utf8), service: Array(names.service.utf8),
            handler: Array(names.handler.utf8), isFailed: isFailed)
      }
      met |= known[key] ?? 0
    }
    return met
  }

  /// Whether the events of a trace, as all files know them without their payloads, may meet what is asked.
  func mayHold(_ trace: Identifier, _ conditions: HeadConditions) throws(StoreError) -> Bool {
    // Files are wrong about events that moved to another trace.
    if !late.isEmpty { return true }
    let key = trace.key
    var outline = TraceOutline()
    for segment in segments where segment.mayContain(trace: key) {
      try reading(segment) { (reader) throws(StoreError) in
        try reader.outline(trace, conditions, into: &outline)
      }
    }
    store.lock.withLock {
      var known: [UInt32: UInt64] = [:]
      for generation in generations {
        guard let number = generation.index.traceTable.find(key) else { continue }
        outline.met |= met(byTrace: number, in: generation, conditions.filter, &known)
        for place in generation.index.places(ofTraceNumber: number) {
          outline.add(created: generation.index.created(place))
        }
      }
    }
    return outline.mayBeFound(conditions.filter)
  }
}
