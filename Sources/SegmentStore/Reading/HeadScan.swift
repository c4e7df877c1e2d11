import EventModel
import SegmentBlocks
import TraceStore

/// What a search asks of the events of segments, and what it worked out of it for their kinds.
final class HeadConditions {
  let filter: TracePrefilter
  private let sourceName: (UInt32) -> [UInt8]
  /// For each segment that was asked, the conditions that its kinds meet, by kind.
  private var metByKind: [ObjectIdentifier: [UInt64]] = [:]

  init(filter: TracePrefilter, sourceName: @escaping (UInt32) -> [UInt8]) {
    self.filter = filter
    self.sourceName = sourceName
  }

  fileprivate func met(by kind: EventKind) -> UInt64 {
    filter.met(
      source: sourceName(kind.sourceIndex), type: kind.type, service: kind.service, handler: kind.handler,
      isFailed: kind.failure != .none)
  }

  fileprivate func met(by event: EventView) -> UInt64 {
    unsafe filter.met(
      source: sourceName(event.sourceIndex), type: Array(event.type), service: Array(event.service),
      handler: Array(event.handler), isFailed: event.failure != .none)
  }

  fileprivate func metByKind(of reader: SegmentReader, _ kinds: LoadedKinds) -> [UInt64] {
    let key = ObjectIdentifier(reader)
    if let known = metByKind[key] { return known }
    let made = kinds.table.kinds.map { met(by: $0) }
    metByKind[key] = made
    return made
  }
}

/// What a search knows of one run of a block without reading its payloads.
struct ScannedRun {
  /// Its place among the runs of the block.
  var number: Int
  /// The trace has events in the next block.
  var goesOn: Bool
  var eventCount: Int
  /// The conditions that its events meet, taken together.
  var met: UInt64
  var first: Int64
  var last: Int64
}

/// What a search knows of a trace from heads and from the index of hot events, without reading its payloads.
struct TraceOutline {
  /// The conditions that its events meet, taken together.
  var met: UInt64 = 0
  var first = Int64.max
  var last = Int64.min
  var eventCount = 0

  mutating func add(_ run: ScannedRun) {
    met |= run.met
    first = min(first, run.first)
    last = max(last, run.last)
    eventCount += run.eventCount
  }

  mutating func add(created: Int64) {
    first = min(first, created)
    last = max(last, created)
    eventCount += 1
  }

  func mayBeFound(_ filter: TracePrefilter) -> Bool {
    if eventCount == 0 { return true }
    let duration = last.subtractingReportingOverflow(first)
    return filter.mayHold(met: met)
      && filter.mayHold(duration: duration.overflow ? .max : duration.partialValue, eventCount: eventCount)
  }
}

/// A block that is being scanned: tells the traces of those runs that are of interest.
final class ScannedBlock {
  private let reader: SegmentReader
  private let number: Int
  private let head: BlockHead?
  private var known: DecodedBlock?
  private var traces: RunTraces?

  fileprivate init(_ reader: SegmentReader, _ number: Int, head: BlockHead? = nil, _ known: DecodedBlock? = nil) {
    self.reader = reader
    self.number = number
    self.head = head
    self.known = known
  }

  /// Reads the identifiers of the block's traces when first asked; inflates the block only for those that are texts.
  func trace(ofRun run: Int) throws(StoreError) -> Identifier? {
    if let known { return known.runs[run].trace }
    if let head {
      let traces = if let known = self.traces { known } else { try reader.traces(ofBlock: number, head) }
      self.traces = traces
      switch traces[run] {
      case .none: return nil
      case .uuid(let key): return Identifier(uuid: key)
      case .text: break
      }
    }
    let block = try reader.block(number)
    known = block
    return block.runs[run].trace
  }
}

extension SegmentReader {
  /// Calls `body` with every run of a block with which a trace begins in this segment.
  ///
  /// - Returns: how many events the block has.
  func forEachStart(
    inBlock number: Int, _ conditions: HeadConditions,
    _ body: (ScannedRun, ScannedBlock) throws(StoreError) -> Void
  ) throws(StoreError) -> Int {
    if !hasHeads {
      let block = try self.block(number)
      let scanned = ScannedBlock(self, number, head: nil, block)
      for (place, run) in block.runs.enumerated() where !run.continues && run.trace != nil {
        try body(try scan(block, place, conditions), scanned)
      }
      return block.eventCount
    }
    let metByKind = conditions.metByKind(of: self, try kinds())
    let head = try self.head(of: number, withOrdinals: false)
    let block = ScannedBlock(self, number, head: head)
    for (place, run) in head.runs.enumerated() where !run.continues && run.traceKind != .none {
      try body(scan(head, place, metByKind, conditions), block)
    }
    return head.eventCount
  }

  /// Adds the events of a trace in this segment.
  func outline(
    _ trace: Identifier, _ conditions: HeadConditions, into outline: inout TraceOutline
  ) throws(StoreError) {
    let key = trace.key
    let numbers = try candidates(ofTrace: { $0 == trace }, key)
    for number in numbers where try deserves(.correlation, key, trace, block: number, of: numbers) {
      if hasHeads, trace.isUUID, cachedBlock(number) == nil {
        let metByKind = conditions.metByKind(of: self, try kinds())
        let head = try self.head(of: number, withOrdinals: false)
        let traces = try self.traces(ofBlock: number, head)
        for place in head.runs.indices where traces[place].is(key) {
          outline.add(scan(head, place, metByKind, conditions))
          // A trace begins once in a segment.
          if !head.runs[place].goesOn { return }
        }
        continue
      }
      let block = try self.block(number)
      for (place, run) in block.runs.enumerated() where run.key == key && run.trace == trace {
        outline.add(try scan(block, place, conditions))
        if !run.goesOn { return }
      }
    }
  }

  private func scan(
    _ block: DecodedBlock, _ place: Int, _ conditions: HeadConditions
  ) throws(StoreError) -> ScannedRun {
    if case .columns(let data) = block.content {
      return scan(data.head, place, conditions.metByKind(of: self, try kinds()), conditions)
    }
    let run = block.runs[place]
    var scanned = ScannedRun(
      number: place, goesOn: run.goesOn, eventCount: run.events.count, met: 0, first: .max, last: .min)
    _ = try walk(block, place) { (event, _) throws(StoreError) in
      let time = event.created.nanoseconds
      scanned.first = min(scanned.first, time)
      scanned.last = max(scanned.last, time)
      scanned.met |= conditions.met(by: event)
      return .proceed
    }
    return scanned
  }

  private func scan(
    _ head: BlockHead, _ place: Int, _ metByKind: [UInt64], _ conditions: HeadConditions
  ) -> ScannedRun {
    let run = head.runs[place]
    var scanned = ScannedRun(
      number: place, goesOn: run.goesOn, eventCount: run.events.count, met: 0, first: .max, last: .min)
    // Search spends its time here. Arrays of the head have an element for each event, and kinds are numbers of the table.
    for time in head.created[run.events] {
      scanned.first = min(scanned.first, time)
      scanned.last = max(scanned.last, time)
    }
    for kind in head.kinds[run.events] {
      scanned.met |=
        kind & BlockHead.localKindFlag == 0
        ? metByKind[Int(kind)] : conditions.met(by: head.localKinds[Int(kind & ~BlockHead.localKindFlag)])
    }
    return scanned
  }
}
