import EventModel
import Platform
import TraceStore

/// Everything the store knows in memory. Changed by the writing thread inside the store's lock; read inside that lock,
/// or by the writing thread.
final class StoreState {
  /// By ordinal; the last one is written.
  var generations: [HotGeneration] = []
  /// Live segments, by ordinal.
  var segments: [SegmentHandle] = [] { didSet { sealed = SealedMemory() } }
  var quarantined: [CatalogSegment] = []
  /// Of those, the ones that can be opened: no answer comes from them, but whether an event that is sent again is stored.
  var aside: [SegmentHandle] = []
  /// Names of hot files with damaged rows.
  var damagedHot: [String] = []
  var dropped = DroppedEvents()
  /// What repairs have given up, and hot files that were gone at a start.
  var lost: [LostRange] = []
  /// By the first ordinal of the segment: what it holds of each source; nothing for segments of older programs.
  var segmentSources: [Int64: [SegmentSource]] = [:]
  /// A merged file says of some events another trace than the one they were stored with.
  var assignmentsWereMerged = false
  /// Segments that were set aside, as the catalog notes them: what was stored since may lack what follows from them.
  var notedAside: Set<String> = []
  /// Of those, the ones that are read again: while a start looks for what was missed.
  var homecoming: Homecoming?
  /// Of those, the ones of which all was found: their notes go with the sealing of the hot file that begins there.
  var settledAside: (names: Set<String>, first: Int64)?
  var sources = SourceTable()
  let labels: LabelTable
  var waiting: WaitingTable
  /// Events whose edges were worked out again after their file was finished, in the catalog and not there yet.
  var reworked: Set<Int64> = []
  let reworkedMax: Int
  var late: LateTable
  /// What was not noted of finished files because the bounds were reached.
  var refused = LateRefusals()
  var checkpoints: [CheckpointKey: SourceCheckpoint] = [:]
  var lastOrdinal: Int64 = 0
  /// Events that are to be given a trace.
  var pending: [KnownEvent] = []
  /// Of the children whose edges were drawn again for the event that is being stored: how they stood before it.
  var drawnAgain: [Int64: EdgeBefore] = [:]
  /// What was looked up in segments and is asked for again.
  var sealed = SealedMemory()
  /// Ancestors far above an event, for walks up long chains.
  var shortcuts: [Int64: Int64] = [:]
  let log: Log

  init(options: StoreOptions, log: Log) {
    labels = LabelTable(entriesMax: options.labelsMax, bytesMax: options.labelBytesMax)
    waiting = WaitingTable(countMax: options.unresolvedMax)
    late = LateTable(countMax: options.lateMax)
    reworkedMax = options.reworkedMax
    self.log = log
  }

  var active: HotGeneration { generations[generations.count - 1] }

  /// What all answers may lack.
  func missing() -> [MissingPart] {
    var parts = quarantined.map { MissingPart.damagedSegment(name: $0.name) }
    parts += segments.filter(\.isDamaged).map { .damagedSegment(name: $0.name) }
    parts += lostNames.map { .damagedSegment(name: $0) }
    for range in dropped.sources {
      parts.append(.droppedOfSource(name: sources.name(range.source), ordinals: range.first...range.last))
    }
    for range in dropped.ranges { parts.append(.droppedByRetention(ordinals: range.first...range.last)) }
    return parts
  }

  /// Files of which something is lost, and that are no segments of the catalog: each once.
  var lostNames: [String] {
    var seen: Set<String> = []
    return (lost.map(\.name) + damagedHot).filter { seen.insert($0).inserted }
  }

  /// Segments from which no answer comes.
  var asideNames: [String] { quarantined.map(\.name) + segments.filter(\.isDamaged).map(\.name) }

  /// Whether this segment is a part of the store, damaged or not.
  func hasFile(_ name: String) -> Bool {
    segments.contains { $0.name == name } || quarantined.contains { $0.name == name }
  }

  func isHot(_ ordinal: Int64) -> Bool { generation(of: ordinal) != nil }

  func generation(of ordinal: Int64) -> HotGeneration? {
    generations.last { $0.index.place(ordinal) != nil }
  }

  /// The effective trace of an event of an older generation or segment, whose own record says `stored`.
  func trace(of ordinal: Int64, stored: IdentifierKey) -> IdentifierKey {
    guard !late.isEmpty, let assignment = late.assignment(of: ordinal) else { return stored }
    return assignment.trace?.key ?? .zero
  }

  func trace(_ generation: HotGeneration, _ place: Int) -> IdentifierKey {
    let stored = generation.index.traceKey(place)
    return late.isEmpty ? stored : trace(of: generation.index.ordinal(place), stored: stored)
  }

  /// The trace of an event that was read before traces changed.
  func traceNow(_ event: KnownEvent) -> IdentifierKey {
    if let generation = generation(of: event.ordinal), let place = generation.index.place(event.ordinal) {
      return trace(generation, place)
    }
    return trace(of: event.ordinal, stored: event.trace)
  }

  func known(_ generation: HotGeneration, _ place: Int) -> KnownEvent {
    let index = generation.index
    return KnownEvent(
      ordinal: index.ordinal(place), id: index.id(place), source: index.source(place),
      created: Timestamp(nanoseconds: index.created(place)), label: index.label(place), failure: index.failure(place),
      eventClass: index.eventClass(place), ownsCorrelation: index.has(HotIndex.Flag.ownsCorrelation, place),
      trace: trace(generation, place))
  }

  /// Reads a segment; damage sets the segment aside, for this answer and all later ones, and harms nothing else.
  func reading(_ segment: SegmentHandle, _ body: (SegmentReader) throws(StoreError) -> Void) {
    segment.read(log: log, body)
  }

  /// Calls `body` with every stored event of that id, in whatever order.
  func forEachKnown(id: IdentifierKey, _ body: (KnownEvent) -> Void) {
    for generation in generations { generation.index.forEach(id: id) { body(known(generation, $0)) } }
    forEachSealed(id: id, body)
  }

  /// Calls `body` with the first two stored events of that id, with the first two of that source, and perhaps with more:
  /// whoever is left out, the first of the others is among them. Some may come twice.
  func forEachFirst(of id: IdentifierKey, source: UInt32, excluding ordinal: Int64, _ body: (KnownEvent) -> Void) {
    for generation in generations {
      let index = generation.index
      guard let firsts = index.firstPlaces(id, ofSource: source) else { continue }
      for place in [firsts.0, firsts.1, firsts.2, firsts.3] {
        if let place, index.ordinal(place) != ordinal { body(known(generation, place)) }
      }
    }
    forEachSealed(id: id, firstOfSource: source, excluding: ordinal, body)
  }

  func known(sealed event: EventView, stored: Identifier?) -> KnownEvent {
    KnownEvent(
      event, label: labels.number(of: event), trace: trace(of: event.ordinal, stored: stored?.key ?? .zero))
  }

  /// Whether another event of that id is stored, whatever its class.
  func isStored(id: IdentifierKey, excluding ordinal: Int64 = 0) -> Bool {
    for generation in generations {
      let index = generation.index
      guard let first = index.firstPlace(id, index.hash.key(id)) else { continue }
      if index.ordinal(first) != ordinal || index.has(HotIndex.Flag.isRepeated, first) { return true }
    }
    return isSealed(id: id, excluding: ordinal)
  }

  /// Notes of which events an older file may hold the id.
  func noteOlder(_ drafts: UnsafeMutablePointer<HotDraft>, count: Int) {
    for generation in generations.dropLast() { unsafe generation.index.noteOlder(drafts, count) }
    for segment in segments where !segment.isDamaged { unsafe segment.reader.noteOlder(drafts, count) }
  }

  /// Whether any event of that trace is stored, the newest generation left out.
  func isTraceStoredBefore(_ trace: IdentifierKey) -> Bool {
    for generation in generations.dropLast() {
      if let number = generation.index.traceTable.find(trace),
        generation.index.traceTable.tail(number) != HotIndex.none
      {
        return true
      }
    }
    if late.hasEvents(ofTrace: trace) { return true }
    var found = false
    for segment in segments where !found && segment.mayContain(trace: trace) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(ofTraceKey: trace) { _, _ in
          found = true
          return .stop
        }
      }
    }
    return found
  }

  func isTraceStored(_ trace: IdentifierKey) -> Bool {
    if let number = active.index.traceTable.find(trace), active.index.traceTable.tail(number) != HotIndex.none {
      return true
    }
    return isTraceStoredBefore(trace)
  }
}

/// Names as bytes: Swift takes texts for equal that only look the same.
struct CheckpointKey: Hashable {
  private let source: [UInt8]
  private let subStream: [UInt8]

  init(source: String, subStream: String) {
    self.source = Array(source.utf8)
    self.subStream = Array(subStream.utf8)
  }
}

/// Sources by number; numbers are never given twice.
struct SourceTable {
  /// 16 bits of a column hold the number.
  static let countMax = 65_535

  private var names: [String?] = []
  private var indexByName: [[UInt8]: UInt32] = [:]

  mutating func set(_ index: UInt32, _ name: String) {
    while names.count <= Int(index) { names.append(nil) }
    names[Int(index)] = name
    indexByName[Array(name.utf8)] = index
  }

  func index(_ name: String) -> UInt32? { indexByName[Array(name.utf8)] }
  func name(_ index: UInt32) -> String { Int(index) < names.count ? names[Int(index)] ?? "" : "" }
  var count: Int { names.count }
  var nextIndex: UInt32 { UInt32(names.count) }
  var all: [String] { names.compactMap { $0 } }
}
