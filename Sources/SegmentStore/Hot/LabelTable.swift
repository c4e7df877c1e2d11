import EventModel

/// The names under which events are counted, by number; number 0 is `_overflow`.
///
/// Bounded in entries and bytes; what does not fit is counted under number 0. Looked up once for each event, without
/// making a `String`.
struct LabelTable {
  private var arena: [UInt8] = []
  private var entries: ContiguousArray<Entry> = []
  private var slots = SlotTable()
  private let entriesMax: Int
  private let bytesMax: Int
  private(set) var overflowCount = 0

  private struct Entry {
    var hash: UInt64
    var start: UInt32
    var source: UInt32
    var service: UInt16
    var handler: UInt16
    var type: UInt16
    var identity: HandlerIdentity
    var announced: Bool
  }

  init(entriesMax: Int, bytesMax: Int) {
    // 18 bits of a label column hold the number.
    self.entriesMax = min(entriesMax, Int(HotIndex.Flag.labelMask) + 1)
    self.bytesMax = min(bytesMax, Int(Int32.max))
    let overflow = Array("_overflow".utf8)
    arena = overflow + overflow + overflow
    let length = UInt16(overflow.count)
    entries.append(
      Entry(
        hash: 0, start: 0, source: .max, service: length, handler: length, type: length, identity: .none,
        announced: false))
  }

  var count: Int { entries.count }

  /// The number of an event's names; 0 where the table is full.
  mutating func number(of event: EventView) -> UInt32 {
    unsafe number(
      source: event.sourceIndex, service: event.service, handler: event.handler, type: event.type,
      identity: event.handlerIdentity)
  }

  mutating func number(
    source: UInt32, service: UnsafeRawBufferPointer, handler: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer,
    identity: HandlerIdentity
  ) -> UInt32 {
    var hash = unsafe Self.mix(UInt64(source) << 8 | UInt64(identity.rawValue), service)
    hash = unsafe Self.mix(hash, handler)
    hash = unsafe Self.mix(hash, type)
    let known = slots.find(hash) { number in
      unsafe matches(entries[Int(number)], hash, source, service, handler, type, identity)
    }
    if let known { return known }
    let bytes = service.count + handler.count + type.count
    guard entries.count < entriesMax, arena.count + bytes <= bytesMax else {
      overflowCount += 1
      return 0
    }
    let number = UInt32(entries.count)
    entries.append(
      Entry(
        hash: hash, start: UInt32(arena.count), source: source, service: UInt16(service.count),
        handler: UInt16(handler.count), type: UInt16(type.count), identity: identity, announced: false))
    unsafe arena.append(contentsOf: service)
    unsafe arena.append(contentsOf: handler)
    unsafe arena.append(contentsOf: type)
    slots.insert(hash, number) { entries[Int($0)].hash }
    return number
  }

  @inline(__always) private func matches(
    _ entry: Entry, _ hash: UInt64, _ source: UInt32, _ service: UnsafeRawBufferPointer,
    _ handler: UnsafeRawBufferPointer, _ type: UnsafeRawBufferPointer, _ identity: HandlerIdentity
  ) -> Bool {
    guard entry.hash == hash, entry.source == source, entry.identity == identity,
      Int(entry.service) == service.count, Int(entry.handler) == handler.count,
      Int(entry.type) == type.count
    else { return false }
    return unsafe arena.withUnsafeBytes { all in
      let start = Int(entry.start)
      let second = start + service.count
      let third = second + handler.count
      return unsafe sameBytes(service, all, start) && sameBytes(handler, all, second) && sameBytes(type, all, third)
    }
  }

  @inline(__always) private static func mix(_ seed: UInt64, _ bytes: UnsafeRawBufferPointer) -> UInt64 {
    let key = unsafe IdentifierKey.hashing(bytes)
    return IdentifierKey(high: seed ^ key.high, low: key.low).mixed
  }

  /// Whether this number was named in no outcome so far; it is from now on.
  mutating func announce(_ number: UInt32) -> Bool {
    if entries[Int(number)].announced { return false }
    entries[Int(number)].announced = true
    return true
  }

  /// All numbers count as new again: what named them so far went nowhere.
  mutating func forgetAnnouncements() {
    for number in entries.indices { entries[number].announced = false }
  }

  func names(_ number: UInt32, source: (UInt32) -> String) -> EventLabels {
    let entry = entries[Int(number)]
    let service = Int(entry.start)
    let handler = service + Int(entry.service)
    let type = handler + Int(entry.handler)
    func text(_ range: Range<Int>) -> String { String(decoding: arena[range], as: UTF8.self) }
    return EventLabels(
      source: entry.source == .max ? "_overflow" : source(entry.source), service: text(service..<handler),
      handler: text(handler..<type), type: text(type..<(type + Int(entry.type))), identity: entry.identity)
  }
}
