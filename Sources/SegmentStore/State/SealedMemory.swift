import EventModel
import TraceStore

/// What was read from segments for one question and is kept for the next: causes within the trace that was walked last,
/// and the events of ids that many sealed events have. Forgotten whenever a segment comes or goes.
struct SealedMemory {
  /// An id that fewer sealed events have is read again.
  static let namesakesMin = 16
  /// Of the weights of all ids that are remembered, in events: some 40 MB; beyond, all are forgotten.
  static let namesakesMax = 262_144
  static let eventsMax = 2_000_000

  private var trace = IdentifierKey.zero
  private var kept: SealedTrace?
  private var byID: [IdentifierKey: SealedNamesakes] = [:]
  private var count = 0
  /// While traces are worked out again the same few questions are asked of each event: everything that is read is kept,
  /// until they are over.
  var keepsEverything = false {
    didSet { if !keepsEverything { forgetFew() } }
  }

  private mutating func forgetFew() {
    byID = byID.filter { $0.value.events.count >= Self.namesakesMin }
    count = byID.values.reduce(0) { $0 + Self.weight($1) }
  }

  /// An id costs as much as some five events, whatever the number of its own.
  private static func weight(_ namesakes: SealedNamesakes) -> Int { namesakes.events.count + 5 }

  func isWorthKeeping(_ eventCount: Int) -> Bool { keepsEverything || eventCount >= Self.namesakesMin }

  func trace(_ trace: IdentifierKey) -> SealedTrace? { trace == self.trace ? kept : nil }

  mutating func keep(_ made: SealedTrace, ofTrace trace: IdentifierKey) {
    self.trace = trace
    kept = made.parents.count + made.ends.count <= Self.eventsMax ? made : nil
  }

  /// Sealed events change their traces.
  mutating func forgetTrace() { kept = nil }

  func namesakes(_ id: IdentifierKey) -> SealedNamesakes? { byID.isEmpty ? nil : byID[id] }

  mutating func keep(_ namesakes: SealedNamesakes, _ id: IdentifierKey) {
    let weight = Self.weight(namesakes)
    if count + weight > Self.namesakesMax {
      byID = [:]
      count = 0
    }
    if weight > Self.namesakesMax { return }
    byID[id] = namesakes
    count += weight
  }
}

/// All sealed events of one id.
final class SealedNamesakes {
  /// As their files say: traces they got later are not among it.
  let events: [KnownEvent]
  private var byTrace: [IdentifierKey: Int] = [:]
  private var bySource: [UInt32: (first: Int, second: Int?)] = [:]
  /// By source and stream: the content of the first event, as a hash.
  private let identities: [UInt64: UInt64]

  init(events: [KnownEvent], identities: [UInt64: UInt64]) {
    self.events = events.sorted { $0.ordinal < $1.ordinal }
    self.identities = identities
    for (number, event) in self.events.enumerated() {
      if let known = bySource[event.source] {
        if known.second == nil { bySource[event.source] = (known.first, number) }
      } else {
        bySource[event.source] = (number, nil)
      }
      if event.eventClass == .domain, byTrace[event.trace] == nil { byTrace[event.trace] = number }
    }
  }

  func first(inTrace trace: IdentifierKey) -> KnownEvent? { byTrace[trace].map { events[$0] } }

  /// The first two of all, and the first two of a source; some may come twice.
  func firsts(ofSource source: UInt32) -> [KnownEvent] {
    let own = bySource[source]
    return Array(events.prefix(2)) + [own?.first, own?.second].compactMap { $0.map { events[$0] } }
  }

  /// What an event of this id is, if a sealed one has its source and stream.
  func find(_ event: EventView, source: UInt32) -> Disposition? {
    guard let content = identities[unsafe Self.identity(source: source, stream: event.stream)] else { return nil }
    return content == Self.content(event) ? .duplicate : .conflict
  }

  static func identity(source: UInt32, stream: UnsafeRawBufferPointer) -> UInt64 {
    let hash = HotHash.ofProcess
    return unsafe hash.pair(UInt64(source), hash.bytes(stream))
  }

  /// Of all that `hasSameContent` compares but the id, which is the same.
  static func content(_ event: EventView) -> UInt64 {
    if event.eventClass == .report { return 0 }
    let hash = HotHash.ofProcess
    var state = hash.pair(UInt64(bitPattern: event.created.nanoseconds), UInt64(event.flags.rawValue))
    state = hash.pair(state, UInt64(bitPattern: event.revision ?? -1))
    state = unsafe hash.pair(state, hash.bytes(event.type))
    state = unsafe hash.pair(state, hash.bytes(event.correlationBytes))
    state = unsafe hash.pair(state, hash.bytes(event.causeBytes))
    state = unsafe hash.pair(state, hash.bytes(event.metadata))
    state = unsafe hash.pair(state, hash.bytes(event.data))
    return state | 1
  }
}

extension StoreState {
  /// Calls `body` with every sealed event of that id, in whatever order.
  func forEachSealed(id: IdentifierKey, _ body: (KnownEvent) -> Void) {
    if let known = sealed.namesakes(id) {
      for event in known.events { body(effective(event)) }
      return
    }
    var events: [KnownEvent] = []
    var identities: [UInt64: UInt64] = [:]
    var firsts: [UInt64: Int64] = [:]
    for segment in segments where segment.mayContain(eventID: id) {
      reading(segment) { (reader) throws(StoreError) in
        try reader.forEachEvent(withIDKey: id) { event, stored in
          events.append(KnownEvent(event, label: labels.number(of: event), trace: stored?.key ?? .zero))
          let identity = unsafe SealedNamesakes.identity(source: event.sourceIndex, stream: event.stream)
          if event.ordinal < firsts[identity] ?? .max {
            firsts[identity] = event.ordinal
            identities[identity] = SealedNamesakes.content(event)
          }
          return .proceed
        }
      }
    }
    for event in events { body(effective(event)) }
    if sealed.isWorthKeeping(events.count) {
      sealed.keep(SealedNamesakes(events: events, identities: identities), id)
    }
  }

  /// As `forEachSealed`, but only the first two of all and of one source where that is known.
  func forEachSealed(
    id: IdentifierKey, firstOfSource source: UInt32, excluding ordinal: Int64, _ body: (KnownEvent) -> Void
  ) {
    if let known = sealed.namesakes(id) {
      for event in known.firsts(ofSource: source) where event.ordinal != ordinal { body(effective(event)) }
      return
    }
    forEachSealed(id: id) { if $0.ordinal != ordinal { body($0) } }
  }

  /// Whether a sealed event has that id.
  func isSealed(id: IdentifierKey, excluding ordinal: Int64) -> Bool {
    if let known = sealed.namesakes(id), known.events.count > 1 { return true }
    var found = false
    forEachSealed(id: id) { if $0.ordinal != ordinal { found = true } }
    return found
  }

  /// As `forEachSealed`, but only the first of a trace where that is known.
  func forEachSealed(id: IdentifierKey, inTrace trace: IdentifierKey, _ body: (KnownEvent) -> Void) {
    if !late.concerns(id), let known = sealed.namesakes(id) {
      if let first = known.first(inTrace: trace) { body(first) }
      return
    }
    forEachSealed(id: id, body)
  }

  /// The event with the trace that it has by now.
  private func effective(_ event: KnownEvent) -> KnownEvent {
    if late.isEmpty { return event }
    var event = event
    event.trace = trace(of: event.ordinal, stored: event.trace)
    return event
  }
}
