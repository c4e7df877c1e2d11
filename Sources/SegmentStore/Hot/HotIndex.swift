import EventModel
import TraceStore

/// What is known in memory of the events of one hot file: enough to find them and to derive edges without reading
/// them. Events are named by their place (0 for the first event of the file).
///
/// About 60 bytes for each event: columns, and tables with open addressing. Events of one trace and of one stream are
/// rings: the table holds the last one, whose successor is the first. A class, because a structure of so many columns is
/// copied, column by column, wherever a closure looks into it.
final class HotIndex {
  /// Bits above the label.
  enum Flag {
    static let labelMask: UInt32 = 0x3ffff
    static let failureShift: UInt32 = 18
    static let classShift: UInt32 = 20
    static let ownsCorrelation: UInt32 = 1 << 22
    /// The first stored event of its id in its trace: the one that counts.
    static let counts: UInt32 = 1 << 23
    /// Waits for its cause; frozen when the file is.
    static let waits: UInt32 = 1 << 24
    static let idIsUUID: UInt32 = 1 << 25
  }
  static let none = UInt32.max
  static let externalCause: UInt32 = 1 << 31

  let firstOrdinal: Int64
  private(set) var ids = ContiguousArray<IdentifierKey>()
  private(set) var created = ContiguousArray<Int64>()
  private(set) var labels = ContiguousArray<UInt32>()
  private(set) var traces = ContiguousArray<UInt32>()
  private var nextInTrace = ContiguousArray<UInt32>()
  private var nextInStream = ContiguousArray<UInt32>()
  /// `none`, the place of the cause, or `externalCause` and a number in `externalCauses`.
  private(set) var causes = ContiguousArray<UInt32>()
  private(set) var sources = ContiguousArray<UInt16>()
  private(set) var offsets = ContiguousArray<UInt16>()
  /// 16 bits of the cause each event names, a span included; 0 where it names none. Looked through to find effects.
  private var causeHashes = ContiguousArray<UInt16>()
  /// The place of the first event of each row of the file.
  private(set) var chunkStarts = ContiguousArray<UInt32>()
  private(set) var traceTable = TraceTable()
  private var idSlots = SlotTable()
  private var streamSlots = SlotTable()
  private var streamHashes = ContiguousArray<UInt64>()
  private var streamTails = ContiguousArray<UInt32>()
  /// Causes in other files.
  private(set) var externalCauses = ContiguousArray<ExternalCause>()
  /// Children in older files whose cause arrived with this one.
  var healed: [SegmentEdge] = []
  /// Events of older files that got their trace while this one was written.
  var late: [LateAssignment] = []
  /// Edges and failures of older files that do not count any more since this one was written.
  var voidEdges: [VoidEdge] = []
  var corrections: [FailureCorrection] = []
  var startedTraceCount = 0
  private(set) var reportCount = 0
  var rawBytes = 0
  var firstStored: Timestamp?
  var lastStored: Timestamp?
  private(set) var firstCreated = Timestamp.distantFuture
  private(set) var lastCreated = Timestamp.distantPast

  struct ExternalCause {
    var ordinal: Int64
    var label: UInt32
    var latency: Int64
  }

  init(firstOrdinal: Int64) { self.firstOrdinal = firstOrdinal }

  var count: Int { ids.count }
  var lastOrdinal: Int64 { firstOrdinal + Int64(count) - 1 }
  func ordinal(_ place: Int) -> Int64 { firstOrdinal + Int64(place) }
  func place(_ ordinal: Int64) -> Int? {
    ordinal >= firstOrdinal && ordinal <= lastOrdinal ? Int(ordinal - firstOrdinal) : nil
  }

  func label(_ place: Int) -> UInt32 { labels[place] & Flag.labelMask }
  func has(_ flag: UInt32, _ place: Int) -> Bool { labels[place] & flag != 0 }
  func failure(_ place: Int) -> FailureKind {
    FailureKind(rawValue: UInt8(labels[place] >> Flag.failureShift & 3)) ?? .none
  }
  func eventClass(_ place: Int) -> EventClass {
    EventClass(rawValue: UInt8(labels[place] >> Flag.classShift & 3)) ?? .domain
  }

  func set(_ flag: UInt32, _ place: Int) { labels[place] |= flag }
  func clear(_ flag: UInt32, _ place: Int) { labels[place] &= ~flag }

  /// A new row begins with the next event.
  func beginChunk() { chunkStarts.append(UInt32(count)) }

  /// Adds an event that belongs to no trace so far.
  ///
  /// - Returns: its place.
  func add(_ event: EventView, label: UInt32, offset: Int, streamHash: UInt64?) -> Int {
    let place = count
    let id = event.idKey
    let time = event.created
    let eventClass = event.eventClass
    ids.append(id)
    created.append(time.nanoseconds)
    var flags = label | UInt32(event.failure.rawValue) << Flag.failureShift
    flags |= UInt32(eventClass.rawValue) << Flag.classShift
    if event.flags.contains(.idIsUUID) { flags |= Flag.idIsUUID }
    if unsafe !event.correlationBytes.isEmpty { flags |= Flag.ownsCorrelation }
    labels.append(flags)
    traces.append(0)
    nextInTrace.append(Self.none)
    nextInStream.append(Self.none)
    causes.append(Self.none)
    sources.append(UInt16(truncatingIfNeeded: event.sourceIndex))
    offsets.append(UInt16(truncatingIfNeeded: offset))
    causeHashes.append(Self.causeHash(event.causeKey))
    if eventClass == .report { reportCount += 1 }
    if time < firstCreated { firstCreated = time }
    if time > lastCreated { lastCreated = time }
    rawBytes += unsafe event.bytes.count
    idSlots.insert(id.mixed, UInt32(place)) { ids[Int($0)].mixed }
    if let streamHash { addToStream(place, streamHash) }
    return place
  }

  private static func causeHash(_ cause: IdentifierKey) -> UInt16 {
    cause.isZero ? 0 : UInt16(truncatingIfNeeded: cause.mixed) | 1
  }

  /// Places of all events that name this cause, and of a few that do not. Complexity: O(events), a nanosecond each.
  func places(causedBy cause: IdentifierKey) -> [Int] {
    let hash = Self.causeHash(cause)
    var places: [Int] = []
    for place in causeHashes.indices where causeHashes[place] == hash { places.append(place) }
    return places
  }

  private func addToStream(_ place: Int, _ hash: UInt64) {
    if let stream = streamSlots.find(hash, where: { streamHashes[Int($0)] == hash }) {
      let tail = Int(streamTails[Int(stream)])
      nextInStream[place] = nextInStream[tail]
      nextInStream[tail] = UInt32(place)
      streamTails[Int(stream)] = UInt32(place)
      return
    }
    let stream = UInt32(streamHashes.count)
    streamHashes.append(hash)
    streamTails.append(UInt32(place))
    nextInStream[place] = UInt32(place)
    streamSlots.insert(hash, stream) { streamHashes[Int($0)] }
  }

  /// Puts an event into a trace, taking it out of the one it was in.
  ///
  /// - Parameters:
  ///   - known: the trace's number, if it has one here.
  ///   - text: of a new trace that is no UUID.
  func assign(_ place: Int, to key: IdentifierKey, known: UInt32?, text: [UInt8]?) {
    if traces[place] != 0 { unlink(place) }
    let number = known ?? traceTable.add(key, text: text)
    traces[place] = number
    let tail = traceTable.tail(number)
    if tail == Self.none {
      nextInTrace[place] = UInt32(place)
    } else {
      nextInTrace[place] = nextInTrace[Int(tail)]
      nextInTrace[Int(tail)] = UInt32(place)
    }
    traceTable.added(number, last: UInt32(place), created: created[place])
  }

  /// Takes an event out of its trace.
  func unassign(_ place: Int) {
    if traces[place] != 0 { unlink(place) }
  }

  func clearCause(_ place: Int) { causes[place] = Self.none }

  private func unlink(_ place: Int) {
    let number = traces[place]
    var previous = place
    var first = Int64.max
    // Round the ring to the one before; rare, and as long as the trace.
    while Int(nextInTrace[previous]) != place {
      previous = Int(nextInTrace[previous])
      first = min(first, created[previous])
    }
    let alone = previous == place
    nextInTrace[previous] = nextInTrace[place]
    traceTable.removed(
      number, last: alone ? Self.none : UInt32(previous), ifLast: UInt32(place), firstCreated: first)
    traces[place] = 0
  }

  func setCause(_ place: Int, _ cause: Int) { causes[place] = UInt32(cause) }

  func setExternalCause(_ place: Int, _ cause: ExternalCause) {
    causes[place] = Self.externalCause | UInt32(externalCauses.count)
    externalCauses.append(cause)
  }

  func setOlderFragments(_ trace: UInt32) { traceTable.setOlderFragments(trace) }

  /// Where in its row the event begins, and the row's first ordinal.
  func location(_ place: Int) -> (chunkFirst: Int64, offset: Int) {
    var low = 0
    var high = chunkStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if Int(chunkStarts[middle]) <= place { low = middle } else { high = middle }
    }
    return (firstOrdinal + Int64(chunkStarts[low]), Int(offsets[place]))
  }

  /// Calls `body` with the places of all events of that id.
  @inline(__always) func forEach(id: IdentifierKey, _ body: (Int) -> Void) {
    idSlots.forEach(id.mixed) { value in
      if ids[Int(value)] == id { body(Int(value)) }
    }
  }

  func containsID(_ id: IdentifierKey) -> Bool {
    idSlots.find(id.mixed) { ids[Int($0)] == id } != nil
  }

  /// Places of a trace's events, ascending; empty if it has none here.
  func places(ofTrace key: IdentifierKey) -> [Int] {
    guard let number = traceTable.find(key) else { return [] }
    return places(ofTraceNumber: number)
  }

  func places(ofTraceNumber number: UInt32) -> [Int] { ring(traceTable.tail(number), nextInTrace).sorted() }

  func places(ofStream hash: UInt64) -> [Int] {
    guard let stream = streamSlots.find(hash, where: { streamHashes[Int($0)] == hash }) else { return [] }
    return ring(streamTails[Int(stream)], nextInStream)
  }

  private func ring(_ tail: UInt32, _ next: ContiguousArray<UInt32>) -> [Int] {
    guard tail != Self.none else { return [] }
    var places: [Int] = []
    var place = next[Int(tail)]
    while true {
      places.append(Int(place))
      if place == tail { return places }
      place = next[Int(place)]
    }
  }

  func traceKey(_ place: Int) -> IdentifierKey { traces[place] == 0 ? .zero : traceTable.key(traces[place]) }

  /// What the columns and tables occupy.
  var memoryBytes: Int {
    let columns = ids.capacity * 16 + created.capacity * 8 + sources.capacity * 2 + offsets.capacity * 4
    let words = labels.capacity + traces.capacity + nextInTrace.capacity + nextInStream.capacity + causes.capacity
    let streams = streamHashes.capacity * 8 + streamTails.capacity * 4 + streamSlots.memoryBytes
    let rare = externalCauses.capacity * 24 + healed.capacity * 48
    return columns + words * 4 + streams + idSlots.memoryBytes + traceTable.memoryBytes + rare
  }
}
