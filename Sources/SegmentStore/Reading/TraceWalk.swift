public import EventModel
import Platform
public import TraceStore

extension SegmentStore {
  public func traces(
    in range: TimeRange, after: TracePlace?, _ body: (TraceContents) throws(StoreError) -> Walk
  ) throws(StoreError) {
    let walk = TraceWalk(try view(), range: range, after: after)
    while let contents = try walk.next() {
      if try body(contents) == .stop { return }
    }
  }
}

/// Gives traces newest first without looking at all of them.
///
/// A heap holds blocks by the latest first event of their traces, and parts of traces by their own first event. A block
/// that comes to the top is replaced by its traces; a part that comes to the top is gathered whole, and given if it is
/// the trace's first part, else it comes again where the trace begins. A part can only lie before its trace's place, so
/// nothing is given too late. Memory: the traces of the blocks that were opened, and the hot traces.
final class TraceWalk {
  private enum Item {
    case block(segment: Int, number: Int)
    case part(Identifier)
  }

  private struct Entry {
    var time: Timestamp
    var item: Item
  }

  private let view: StoreView
  private let range: TimeRange
  private let after: TracePlace?
  private var heap: [Entry] = []
  /// Traces that begin at `currentTime`, the next one last.
  private var ready: [TraceContents] = []
  private var currentTime: Timestamp?
  private var given: Set<Identifier> = []

  init(_ view: StoreView, range: TimeRange, after: TracePlace?) {
    self.view = view
    self.range = range
    self.after = after
    for (number, segment) in view.segments.enumerated() where !segment.isDamaged {
      for zone in segment.reader.blocks where zone.traceCount > 0 && mayTouch(zone.firstCreated, segment) {
        push(Entry(time: zone.lastTraceCreated, item: .block(segment: number, number: zone.number)))
      }
    }
    pushLateTraces()
    for generation in view.generations {
      let traces = view.store.lock.withLock { () -> [(Timestamp, Identifier)] in
        let table = generation.index.traceTable
        return (1...max(1, table.count)).lazy.filter { $0 <= table.count && table.tail(UInt32($0)) != HotIndex.none }
          .map { (table.firstCreated(UInt32($0)), table.identifier(UInt32($0))) }
      }
      for (time, trace) in traces where range.until.map({ time < $0 }) ?? true {
        push(Entry(time: time, item: .part(trace)))
      }
    }
  }

  /// The traces of events that got them late may have no part of their own in the range, and parts that lost events
  /// begin elsewhere than their files say: these traces are looked up first, and then wait at their places.
  private func pushLateTraces() {
    for trace in view.late.leftTraces { push(Entry(time: .distantFuture, item: .part(trace))) }
    if range == .all { return }
    for trace in view.late.traces { push(Entry(time: .distantFuture, item: .part(trace))) }
  }

  /// A trace whose part begins at or after `until` may still have an earlier part, which then leads to it; one that
  /// ends before `since` in this segment is led to by a later part.
  private func mayTouch(_ first: Timestamp, _ segment: SegmentHandle) -> Bool {
    if let until = range.until, first >= until { return false }
    if let since = range.since, segment.row.lastCreated < since { return false }
    return true
  }

  /// The next trace; nil at the end.
  func next() throws(StoreError) -> TraceContents? {
    while ready.isEmpty {
      guard let top = heap.first else { return nil }
      if currentTime != top.time {
        currentTime = top.time
        given.removeAll(keepingCapacity: true)
      }
      while let entry = heap.first, entry.time == top.time {
        pop()
        try take(entry)
      }
      ready.sort { $1.correlation < $0.correlation }
    }
    return ready.removeLast()
  }

  private func take(_ entry: Entry) throws(StoreError) {
    switch entry.item {
    case .block(let number, let block):
      try view.reading(view.segments[number]) { (reader) throws(StoreError) in
        for trace in try reader.tracesOfBlock(block) {
          if let until = range.until, trace.firstCreated >= until { continue }
          if let since = range.since, trace.lastCreated < since { continue }
          push(Entry(time: trace.firstCreated, item: .part(trace.correlation)))
        }
      }
    case .part(let trace):
      if given.contains(trace) { return }
      // Given on an earlier page, unless it has a part that lies further back.
      if let after, entry.time > after.firstEvent, view.partCount(of: trace) < 2 { return }
      let contents = try view.contents(of: trace)
      guard let place = contents.place else { return }
      if place.firstEvent < entry.time {
        push(Entry(time: place.firstEvent, item: .part(trace)))
        return
      }
      // A part that lost its first events: the trace's place is known from the beginning.
      if place.firstEvent > entry.time { return }
      given.insert(trace)
      guard contents.records.contains(where: { range.contains($0.created) }) else { return }
      if let after, !after.isBefore(place) { return }
      ready.append(contents)
    }
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
