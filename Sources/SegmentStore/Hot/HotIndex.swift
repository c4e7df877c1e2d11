import EventModel
import SegmentBlocks
import TraceStore

/// What is known in memory of the events of one hot file: enough to find them and to derive edges without reading
/// them. Events are named by their place (0 for the first event of the file).
///
/// Below 60 bytes for each event: one packed row, and tables with open addressing. Events of one trace and of one stream
/// are lists from the last to the first. Rows lie in slabs, so that nothing is copied as the file grows.
@safe final class HotIndex {
  // `@safe`: `storage` lives from `init` to `deinit`, which owns all memory behind it; places come from the rows and
  // tables themselves, or were compared with `count`. A structure behind a pointer, because the fields of a class are
  // checked for exclusive use at every access.

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
    static let causeIsSpan: UInt32 = 1 << 26
    /// The cause is in another file: its column is a number in `externalCauses`.
    static let causeIsOutside: UInt32 = 1 << 27
    /// The first event of its id in this file, and not the only one.
    static let isRepeated: UInt32 = 1 << 28
    /// An earlier event of this file has its id.
    static let repeats: UInt32 = 1 << 29
  }

  private enum Row {
    static let bytes = 46
    static let high = 0
    static let low = 8
    static let created = 16
    static let word = 24
    // Numbers of 24 bits: a file holds at most `countMax` events.
    static let trace = 28
    static let previousInTrace = 31
    static let previousInStream = 34
    static let cause = 37
    static let source = 40
    static let causeHash = 42
    static let offset = 44
    static let none: UInt32 = 0xff_ffff
  }

  @unsafe private struct Storage {
    var slabs: UnsafeMutablePointer<UnsafeMutableRawPointer?>
    var count = 0
    var ids = TagSlots()
    var streams = StreamSlots()
    var namesakes = Namesakes()
    /// The place of the first event of each row of the file.
    var chunkStarts = ContiguousArray<UInt32>()
    /// Causes in other files.
    var externalCauses = ContiguousArray<ExternalCause>()
    var rawBytes = 0
    var reportCount = 0
    var firstCreated = Int64.max
    var lastCreated = Int64.min
  }

  struct ExternalCause {
    var ordinal: Int64
    var label: UInt32
    var latency: Int64
  }

  static let none = UInt32.max
  /// A file that holds so many events is full.
  static let countMax = TagSlots.numberMax
  private static let slabShift = 13
  private static let slabRows = 1 << slabShift
  private static let slabCount = (countMax >> slabShift) + 1

  let firstOrdinal: Int64
  let traceTable = TraceTable()
  let hash = HotHash.ofProcess
  private let storage: UnsafeMutablePointer<Storage>
  /// Children in older files whose cause arrived with this one.
  var healed = HealedEdges()
  /// Events of older files that got their trace while this one was written; these and the next by ordinal, each once.
  var late: [Int64: LateAssignment] = [:]
  /// Edges and failures of older files that do not count any more since this one was written.
  var voidEdges: [Int64: VoidEdge] = [:]
  var corrections: [Int64: FailureCorrection] = [:]
  /// Events of older files, with their ids, whose edges were worked out again: what their files say of who waits for a
  /// cause does not hold for them.
  var reworked: [Int64: IdentifierKey] = [:]
  /// The writer's alone, which no reader reads.
  var causeChains = CauseChains()
  var startedTraceCount = 0
  var firstStored: Timestamp?
  var lastStored: Timestamp?

  init(firstOrdinal: Int64) {
    self.firstOrdinal = firstOrdinal
    unsafe storage = .allocate(capacity: 1)
    let slabs = UnsafeMutablePointer<UnsafeMutableRawPointer?>.allocate(capacity: Self.slabCount)
    unsafe slabs.initialize(repeating: nil, count: Self.slabCount)
    unsafe storage.initialize(to: Storage(slabs: slabs))
  }

  deinit {
    for slab in 0..<Self.slabCount { unsafe storage.pointee.slabs[slab]?.deallocate() }
    unsafe storage.pointee.slabs.deallocate()
    unsafe storage.pointee.ids.free()
    unsafe storage.pointee.streams.free()
    unsafe storage.deinitialize(count: 1)
    unsafe storage.deallocate()
  }

  var count: Int { unsafe storage.pointee.count }
  /// The place of the first event of each row of the file.
  var chunkStarts: ContiguousArray<UInt32> { unsafe storage.pointee.chunkStarts }
  var rawBytes: Int { unsafe storage.pointee.rawBytes }
  var reportCount: Int { unsafe storage.pointee.reportCount }
  var firstCreated: Timestamp { Timestamp(nanoseconds: unsafe storage.pointee.firstCreated) }
  var lastCreated: Timestamp { Timestamp(nanoseconds: unsafe storage.pointee.lastCreated) }
  var lastOrdinal: Int64 { firstOrdinal + Int64(count) - 1 }
  func ordinal(_ place: Int) -> Int64 { firstOrdinal + Int64(place) }
  func place(_ ordinal: Int64) -> Int? {
    ordinal >= firstOrdinal && ordinal <= lastOrdinal ? Int(ordinal - firstOrdinal) : nil
  }

  // MARK: Rows

  @inline(__always) private func row(_ place: Int) -> UnsafeMutableRawPointer {
    assert(place >= 0 && place < count)
    let slab = unsafe storage.pointee.slabs[place >> Self.slabShift].unsafelyUnwrapped
    return unsafe slab + (place & (Self.slabRows - 1)) * Row.bytes
  }

  @inline(__always) private func get<T: FixedWidthInteger & BitwiseCopyable>(_ place: Int, _ column: Int, _: T.Type)
    -> T
  {
    unsafe row(place).loadUnaligned(fromByteOffset: column, as: T.self)
  }

  @inline(__always) private func get24(_ place: Int, _ column: Int) -> UInt32 {
    get(place, column, UInt32.self) & Row.none
  }

  @inline(__always) private static func set24(_ row: UnsafeMutableRawPointer, _ column: Int, _ value: UInt32) {
    let old = unsafe row.loadUnaligned(fromByteOffset: column, as: UInt32.self)
    unsafe row.storeBytes(of: old & ~Row.none | value, toByteOffset: column, as: UInt32.self)
  }

  @inline(__always) private func set24(_ place: Int, _ column: Int, _ value: UInt32) {
    unsafe Self.set24(row(place), column, value)
  }

  @inline(__always) private func word(_ place: Int) -> UInt32 { get(place, Row.word, UInt32.self) }

  @inline(__always) func id(_ place: Int) -> IdentifierKey {
    IdentifierKey(high: get(place, Row.high, UInt64.self), low: get(place, Row.low, UInt64.self))
  }
  @inline(__always) func created(_ place: Int) -> Int64 { get(place, Row.created, Int64.self) }
  @inline(__always) func source(_ place: Int) -> UInt32 { UInt32(get(place, Row.source, UInt16.self)) }
  /// The number of the event's trace in `traceTable`; 0 if it is in none.
  @inline(__always) func trace(_ place: Int) -> UInt32 { get24(place, Row.trace) }
  @inline(__always) func label(_ place: Int) -> UInt32 { word(place) & Flag.labelMask }
  @inline(__always) func has(_ flag: UInt32, _ place: Int) -> Bool { word(place) & flag != 0 }
  @inline(__always) func failure(_ place: Int) -> FailureKind {
    FailureKind(rawValue: UInt8(word(place) >> Flag.failureShift & 3)) ?? .none
  }
  @inline(__always) func eventClass(_ place: Int) -> EventClass {
    EventClass(rawValue: UInt8(word(place) >> Flag.classShift & 3)) ?? .domain
  }
  @inline(__always) func isDomain(_ place: Int) -> Bool {
    word(place) >> Flag.classShift & 3 == UInt32(EventClass.domain.rawValue)
  }

  @inline(__always) func set(_ flag: UInt32, _ place: Int) { setWord(place, word(place) | flag) }
  @inline(__always) func clear(_ flag: UInt32, _ place: Int) { setWord(place, word(place) & ~flag) }
  @inline(__always) private func setWord(_ place: Int, _ word: UInt32) {
    unsafe row(place).storeBytes(of: word, toByteOffset: Row.word, as: UInt32.self)
  }

  func traceKey(_ place: Int) -> IdentifierKey {
    let number = trace(place)
    return number == 0 ? .zero : traceTable.key(number)
  }

  // MARK: Adding

  /// A new row begins with the next event.
  func beginChunk() { unsafe storage.pointee.chunkStarts.append(UInt32(count)) }

  /// Adds an event that belongs to no trace so far.
  ///
  /// - Precondition: fewer than `countMax` events are in the file.
  /// - Returns: its place.
  @inline(__always) func add(_ draft: UnsafePointer<HotDraft>) -> Int {
    let place = count
    precondition(place < Self.countMax, "a hot file is full before that")
    let slab = place >> Self.slabShift
    if place & (Self.slabRows - 1) == 0 {
      unsafe storage.pointee.slabs[slab] = .allocate(byteCount: Self.slabRows * Row.bytes + 2, alignment: 8)
    }
    unsafe storage.pointee.count = place + 1
    let row = unsafe row(place)
    let previous =
      unsafe draft.pointee.streamHash == 0
      ? nil : storage.pointee.streams.exchange(draft.pointee.streamHash, UInt32(place))
    unsafe row.storeBytes(of: draft.pointee.id.high, toByteOffset: Row.high, as: UInt64.self)
    unsafe row.storeBytes(of: draft.pointee.id.low, toByteOffset: Row.low, as: UInt64.self)
    unsafe row.storeBytes(of: draft.pointee.created, toByteOffset: Row.created, as: Int64.self)
    unsafe row.storeBytes(of: draft.pointee.word, toByteOffset: Row.word, as: UInt32.self)
    unsafe row.storeBytes(of: 0xff00_0000, toByteOffset: Row.trace, as: UInt32.self)
    unsafe row.storeBytes(of: Row.none, toByteOffset: Row.previousInTrace, as: UInt32.self)
    unsafe row.storeBytes(of: previous ?? Row.none, toByteOffset: Row.previousInStream, as: UInt32.self)
    unsafe row.storeBytes(of: Row.none, toByteOffset: Row.cause, as: UInt32.self)
    unsafe row.storeBytes(
      of: UInt16(truncatingIfNeeded: draft.pointee.source), toByteOffset: Row.source, as: UInt16.self)
    unsafe row.storeBytes(of: Self.causeHash(draft.pointee.causeHash), toByteOffset: Row.causeHash, as: UInt16.self)
    unsafe row.storeBytes(
      of: UInt16(truncatingIfNeeded: draft.pointee.offset), toByteOffset: Row.offset, as: UInt16.self)
    if unsafe draft.pointee.eventClass == .report { unsafe storage.pointee.reportCount += 1 }
    unsafe storage.pointee.firstCreated = min(storage.pointee.firstCreated, draft.pointee.created)
    unsafe storage.pointee.lastCreated = max(storage.pointee.lastCreated, draft.pointee.created)
    unsafe storage.pointee.rawBytes += Int(draft.pointee.frameBytes)
    let id = unsafe draft.pointee.id
    let (first, room) = unsafe storage.pointee.ids.search(draft.pointee.idHash) { self.id(Int($0)) == id }
    if let first {
      unsafe addRepeated(place, Int(first), draft)
    } else if unsafe storage.pointee.ids.isFull {
      growIDs()
      unsafe storage.pointee.ids.insertIntoRoom(draft.pointee.idHash, UInt32(place))
    } else {
      unsafe storage.pointee.ids.insert(draft.pointee.idHash, UInt32(place), at: room)
    }
    return place
  }

  // Apart, so that what happens for every event captures nothing. The last event is being added.
  @inline(never) private func growIDs() {
    unsafe storage.pointee.ids.rebuild(of: count - 1) { has(Flag.repeats, Int($0)) ? nil : hash.key(id(Int($0))) }
  }

  private func addRepeated(_ place: Int, _ first: Int, _ draft: UnsafePointer<HotDraft>) {
    set(Flag.isRepeated, first)
    set(Flag.repeats, place)
    let idHash = unsafe draft.pointee.idHash
    let source = unsafe UInt64(draft.pointee.source)
    let stream = unsafe hash.pair(draft.pointee.streamHash, source)
    unsafe storage.pointee.namesakes.add(UInt32(place), firstOfID: UInt32(first))
    unsafe storage.pointee.namesakes.note(Namesakes.hash(idHash, .stream, stream, hash), UInt32(place))
    let ofSource = Namesakes.hash(idHash, .source, source, hash)
    if unsafe storage.pointee.namesakes.first(ofSource) == nil {
      unsafe storage.pointee.namesakes.note(ofSource, UInt32(place))
    } else {
      unsafe storage.pointee.namesakes.note(Namesakes.hash(idHash, .sourceNext, source, hash), UInt32(place))
    }
  }

  /// 16 bits of the cause each event names, a span included; 0 where it names none.
  @inline(__always) static func causeHash(_ hash: UInt64) -> UInt16 {
    hash == 0 ? 0 : UInt16(truncatingIfNeeded: hash) | 1
  }

  /// Brings into the cache what `add` and the look-ups of this event are going to touch.
  @inline(__always) func prefetchTables(_ draft: UnsafePointer<HotDraft>) {
    unsafe storage.pointee.ids.prefetch(draft.pointee.idHash)
    unsafe storage.pointee.streams.prefetch(draft.pointee.streamHash)
    unsafe storage.pointee.ids.prefetch(draft.pointee.causeHash)
    unsafe traceTable.prefetch(draft.pointee.correlationHash)
  }

  /// As `prefetchTables`, for the rows that the tables name.
  @inline(__always) func prefetchRows(_ draft: UnsafePointer<HotDraft>) {
    unsafe traceTable.prefetchRow(draft.pointee.correlationHash)
    if let cause = unsafe storage.pointee.ids.guess(draft.pointee.causeHash) { prefetch(Int(cause)) }
  }

  @inline(__always) func prefetch(_ place: Int) { unsafe Prefetch.ends(row(place), Row.bytes) }

  // MARK: Finding

  /// The first event of this file with that id.
  @inline(__always) func firstPlace(_ id: IdentifierKey, _ idHash: UInt64) -> Int? {
    unsafe storage.pointee.ids.find(idHash) { self.id(Int($0)) == id }.map { Int($0) }
  }

  func containsID(_ id: IdentifierKey) -> Bool { firstPlace(id, hash.key(id)) != nil }

  /// Calls `body` with the places of all events of that id, ascending.
  @inline(__always) func forEach(id: IdentifierKey, _ body: (Int) -> Void) {
    guard let first = firstPlace(id, hash.key(id)) else { return }
    body(first)
    if has(Flag.isRepeated, first) {
      for place in unsafe storage.pointee.namesakes.others(UInt32(first)) { body(Int(place)) }
    }
  }

  /// The first event of that id in the trace of that number; it is the one that counts unless older files hold one.
  @inline(__always) func firstPlace(_ id: IdentifierKey, _ idHash: UInt64, inTrace number: UInt32) -> Int? {
    guard let first = firstPlace(id, idHash) else { return nil }
    if trace(first) == number { return first }
    if !has(Flag.isRepeated, first) { return nil }
    let key = Namesakes.hash(idHash, .trace, UInt64(number), hash)
    return unsafe storage.pointee.namesakes.first(key).map { Int($0) }
  }

  /// The first two events of that id, and the first two of one source; some may be the same.
  func firstPlaces(_ id: IdentifierKey, ofSource source: UInt32) -> (Int, Int?, Int?, Int?)? {
    let idHash = hash.key(id)
    guard let first = firstPlace(id, idHash) else { return nil }
    if !has(Flag.isRepeated, first) { return (first, nil, nil, nil) }
    let second = unsafe storage.pointee.namesakes.others(UInt32(first)).first
    let own = unsafe storage.pointee.namesakes.first(Namesakes.hash(idHash, .source, UInt64(source), hash))
    let next = unsafe storage.pointee.namesakes.first(Namesakes.hash(idHash, .sourceNext, UInt64(source), hash))
    return (first, second.map { Int($0) }, own.map { Int($0) }, next.map { Int($0) })
  }

  /// The events that may have the identity of this one: the first of its id, and the first of its id in its stream.
  @inline(__always) func sameIdentity(_ draft: UnsafePointer<HotDraft>) -> (first: Int, inStream: Int?)? {
    guard let first = unsafe firstPlace(draft.pointee.id, draft.pointee.idHash) else { return nil }
    if !has(Flag.isRepeated, first) { return (first, nil) }
    let stream = unsafe hash.pair(draft.pointee.streamHash, UInt64(draft.pointee.source))
    let key = unsafe Namesakes.hash(draft.pointee.idHash, .stream, stream, hash)
    return unsafe (first, storage.pointee.namesakes.first(key).map { Int($0) })
  }

  /// Places of all events that name this cause, and of a few that do not. Complexity: O(events), a nanosecond each.
  func places(causedBy cause: IdentifierKey) -> [Int] {
    let wanted = Self.causeHash(hash.key(cause))
    var places: [Int] = []
    for place in 0..<count where get(place, Row.causeHash, UInt16.self) == wanted { places.append(place) }
    return places
  }

  @inline(__always) func mayName(_ cause: IdentifierKey, _ place: Int) -> Bool {
    causeTag(place) == Self.causeHash(hash.key(cause))
  }

  @inline(__always) func causeTag(_ place: Int) -> UInt16 { get(place, Row.causeHash, UInt16.self) }

  /// Where in its row the event begins, and the row's first ordinal.
  func location(_ place: Int) -> (chunkFirst: Int64, offset: Int) {
    var low = 0
    var high = unsafe storage.pointee.chunkStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if unsafe Int(storage.pointee.chunkStarts[middle]) <= place { low = middle } else { high = middle }
    }
    return unsafe (firstOrdinal + Int64(storage.pointee.chunkStarts[low]), offset(place))
  }

  @inline(__always) func offset(_ place: Int) -> Int { Int(get(place, Row.offset, UInt16.self)) }

  /// Places of a trace's events, ascending; empty if it has none here.
  func places(ofTrace key: IdentifierKey) -> [Int] {
    guard let number = traceTable.find(key) else { return [] }
    return places(ofTraceNumber: number)
  }

  func places(ofTraceNumber number: UInt32) -> [Int] {
    let tail = traceTable.tail(number)
    return tail == Self.none ? [] : list(tail, Row.previousInTrace)
  }

  /// Whether one of a trace's events was created at or after this time. Of a very long trace not all are looked at:
  /// true then.
  func hasEvent(ofTraceNumber number: UInt32, since: Timestamp) -> Bool {
    var place = traceTable.tail(number)
    var steps = 0
    while place != Row.none, place != Self.none {
      if steps == 1 << 16 || created(Int(place)) >= since.nanoseconds { return true }
      steps += 1
      place = get24(Int(place), Row.previousInTrace)
    }
    return false
  }

  /// Places of a stream's events, ascending, and perhaps of another stream's.
  func places(ofStream stream: [UInt8]) -> [Int] {
    let key = unsafe stream.withUnsafeBytes { unsafe hash.bytes($0) | 1 }
    return unsafe storage.pointee.streams.last(key).map { list($0, Row.previousInStream) } ?? []
  }

  private func list(_ last: UInt32, _ column: Int) -> [Int] {
    var places: [Int] = []
    var place = last
    var isSorted = true
    while place != Row.none {
      if let before = places.last, before < Int(place) { isSorted = false }
      places.append(Int(place))
      place = get24(Int(place), column)
    }
    places.reverse()
    return isSorted ? places : places.sorted()
  }
}

extension HotIndex {
  // MARK: Traces

  /// Puts an event into a trace, taking it out of the one it was in.
  @inline(__always) func assign(_ place: Int, to number: UInt32) {
    if trace(place) != 0 { unassign(place) }
    let tail = traceTable.tail(number)
    let row = unsafe row(place)
    unsafe Self.set24(row, Row.trace, number)
    unsafe Self.set24(row, Row.previousInTrace, tail & Row.none)
    traceTable.added(number, last: UInt32(place), created: created(place))
    if has(Flag.repeats, place) {
      let key = Namesakes.hash(hash.key(id(place)), .trace, UInt64(number), hash)
      unsafe storage.pointee.namesakes.note(key, UInt32(place))
    }
  }

  /// Takes an event out of its trace. Rare; complexity: O(events of the trace).
  func unassign(_ place: Int) {
    let number = trace(place)
    if number == 0 { return }
    var last = traceTable.tail(number)
    let before = get24(place, Row.previousInTrace)
    if Int(last) == place { last = before }
    var first = Int64.max
    var next = last
    while next != Row.none {
      let member = Int(next)
      if Int(get24(member, Row.previousInTrace)) == place { set24(member, Row.previousInTrace, before) }
      first = min(first, created(member))
      next = get24(member, Row.previousInTrace)
    }
    traceTable.removed(number, last: last == Row.none ? nil : last, firstCreated: first)
    set24(place, Row.trace, 0)
    set24(place, Row.previousInTrace, Row.none)
    if has(Flag.repeats, place) { replaceFirst(place, number) }
  }

  /// Another event of the id may be the trace's first one now.
  private func replaceFirst(_ place: Int, _ number: UInt32) {
    let idHash = hash.key(id(place))
    let key = Namesakes.hash(idHash, .trace, UInt64(number), hash)
    guard unsafe storage.pointee.namesakes.first(key) == UInt32(place), let first = firstPlace(id(place), idHash) else {
      return
    }
    let others = unsafe storage.pointee.namesakes.others(UInt32(first))
    unsafe storage.pointee.namesakes.set(key, others.first { trace(Int($0)) == number })
  }

  // MARK: Causes

  @inline(__always) func setCause(_ place: Int, _ cause: Int) {
    set24(place, Row.cause, UInt32(cause))
    if has(Flag.causeIsOutside | Flag.waits, place) { clear(Flag.causeIsOutside | Flag.waits, place) }
  }

  func setExternalCause(_ place: Int, _ cause: ExternalCause) {
    // One for each event of the file at most, but for those drawn again and again.
    guard unsafe storage.pointee.externalCauses.count < Int(Row.none) else { return clearCause(place) }
    unsafe set24(place, Row.cause, UInt32(storage.pointee.externalCauses.count))
    unsafe storage.pointee.externalCauses.append(cause)
    clear(Flag.waits, place)
    set(Flag.causeIsOutside, place)
  }

  func clearCause(_ place: Int) {
    set24(place, Row.cause, Row.none)
    clear(Flag.causeIsOutside, place)
  }

  /// The event has an edge.
  @inline(__always) func hasCause(_ place: Int) -> Bool { get24(place, Row.cause) != Row.none }

  /// The place of the event that its edge goes to; nil if it has none, or one in another file.
  @inline(__always) func causePlace(_ place: Int) -> Int? {
    let cause = get24(place, Row.cause)
    return cause == Row.none || has(Flag.causeIsOutside, place) ? nil : Int(cause)
  }

  /// The cause in another file that its edge goes to.
  func externalCause(_ place: Int) -> ExternalCause? {
    let cause = get24(place, Row.cause)
    if cause == Row.none || !has(Flag.causeIsOutside, place) { return nil }
    return unsafe storage.pointee.externalCauses[Int(cause)]
  }

  /// The ordinal of the event that its edge goes to, in whatever file.
  @inline(__always) func causeOrdinal(of place: Int) -> Int64? {
    if let cause = causePlace(place) { return ordinal(cause) }
    return externalCause(place)?.ordinal
  }

  /// Of rows and tables; what was only reserved is not there.
  var memoryBytes: Int {
    let tables = unsafe storage.pointee.ids.memoryBytes + storage.pointee.streams.memoryBytes
    let rare = unsafe storage.pointee.externalCauses.capacity * 24 + storage.pointee.namesakes.memoryBytes
    let starts = unsafe storage.pointee.chunkStarts.capacity * 4
    return count * Row.bytes + tables + rare + starts + healed.memoryBytes + traceTable.memoryBytes + lateBytes
  }
}
