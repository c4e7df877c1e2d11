import EventModel

/// The names under which events are counted, by number; number 0 is `_overflow`.
///
/// Bounded in entries and bytes; what does not fit is counted under number 0. Looked up once for each event, without
/// making a `String`.
@safe final class LabelTable {
  // `@safe`: `storage` lives from `init` to `deinit`. A structure behind a pointer, because the fields of a class are
  // checked for exclusive use at every access.
  private struct Storage {
    var arena: [UInt8]
    var entries: ContiguousArray<Entry> = []
    var slots = TagSlots()
    var overflowCount = 0
  }

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

  private let storage: UnsafeMutablePointer<Storage>
  private let entriesMax: Int
  private let bytesMax: Int
  private let hash = HotHash.ofProcess

  init(entriesMax: Int, bytesMax: Int) {
    // 18 bits of a row hold the number.
    self.entriesMax = min(entriesMax, Int(HotIndex.Flag.labelMask) + 1)
    self.bytesMax = min(bytesMax, Int(Int32.max))
    unsafe storage = .allocate(capacity: 1)
    unsafe storage.initialize(to: Self.empty())
  }

  private static func empty() -> Storage {
    let overflow = Array("_overflow".utf8)
    let length = UInt16(overflow.count)
    var storage = Storage(arena: overflow + overflow + overflow)
    storage.entries.append(
      Entry(
        hash: 0, start: 0, source: .max, service: length, handler: length, type: length, identity: .none,
        announced: false))
    return storage
  }

  func removeAll() {
    unsafe storage.pointee.slots.free()
    unsafe storage.pointee = Self.empty()
  }

  deinit {
    unsafe storage.pointee.slots.free()
    unsafe storage.deinitialize(count: 1)
    unsafe storage.deallocate()
  }

  var count: Int { unsafe storage.pointee.entries.count }
  var overflowCount: Int { unsafe storage.pointee.overflowCount }

  /// The number of an event's names; 0 where the table is full.
  func number(of event: EventView) -> UInt32 { number(of: event, source: event.sourceIndex) }

  func number(of event: EventView, source: UInt32) -> UInt32 {
    unsafe number(
      source: source, service: event.service, handler: event.handler, type: event.type,
      identity: event.handlerIdentity)
  }

  /// The number of names that are known.
  @inline(__always) func find(_ event: EventView, source: UInt32) -> UInt32? {
    unsafe find(
      Names(
        source: source, service: event.service, handler: event.handler, type: event.type,
        identity: event.handlerIdentity)
    ).number
  }

  func number(
    source: UInt32, service: UnsafeRawBufferPointer, handler: UnsafeRawBufferPointer, type: UnsafeRawBufferPointer,
    identity: HandlerIdentity
  ) -> UInt32 {
    let names = unsafe Names(source: source, service: service, handler: handler, type: type, identity: identity)
    let (known, hash) = unsafe find(names)
    if let known { return known }
    let bytes = service.count + handler.count + type.count
    guard count < entriesMax, unsafe storage.pointee.arena.count + bytes <= bytesMax else {
      unsafe storage.pointee.overflowCount += 1
      return 0
    }
    let number = UInt32(count)
    unsafe storage.pointee.entries.append(
      Entry(
        hash: hash, start: UInt32(storage.pointee.arena.count), source: source, service: UInt16(service.count),
        handler: UInt16(handler.count), type: UInt16(type.count), identity: identity, announced: false))
    unsafe storage.pointee.arena.append(contentsOf: service)
    unsafe storage.pointee.arena.append(contentsOf: handler)
    unsafe storage.pointee.arena.append(contentsOf: type)
    unsafe storage.pointee.slots.insert(hash, number) { unsafe storage.pointee.entries[Int($0)].hash }
    return number
  }

  @unsafe private struct Names {
    var source: UInt32
    var service: UnsafeRawBufferPointer
    var handler: UnsafeRawBufferPointer
    var type: UnsafeRawBufferPointer
    var identity: HandlerIdentity
  }

  @inline(__always) private func find(_ names: Names) -> (number: UInt32?, hash: UInt64) {
    var hash = unsafe hash.pair(
      UInt64(names.source) << 8 | UInt64(names.identity.rawValue), self.hash.bytes(names.type))
    unsafe hash = HotHash.fold(hash ^ self.hash.bytes(names.handler), 0x9e37_79b9_7f4a_7c15)
    unsafe hash = HotHash.fold(hash ^ self.hash.bytes(names.service), 0xd6e8_feb8_6659_fd93)
    let number = unsafe storage.pointee.slots.find(hash) { number in
      unsafe matches(storage.pointee.entries[Int(number)], hash, names)
    }
    return (number, hash)
  }

  @inline(__always) private func matches(_ entry: Entry, _ hash: UInt64, _ names: Names) -> Bool {
    guard entry.hash == hash, unsafe entry.source == names.source, unsafe entry.identity == names.identity,
      unsafe Int(entry.service) == names.service.count, unsafe Int(entry.handler) == names.handler.count,
      unsafe Int(entry.type) == names.type.count
    else { return false }
    return unsafe storage.pointee.arena.withUnsafeBytes { all in
      let start = Int(entry.start)
      let second = start + Int(entry.service)
      let third = second + Int(entry.handler)
      return unsafe sameBytes(names.service, all, start) && sameBytes(names.handler, all, second)
        && sameBytes(names.type, all, third)
    }
  }

  /// Whether this number was named in no outcome so far; it is from now on.
  @inline(__always) func announce(_ number: UInt32) -> Bool {
    if unsafe storage.pointee.entries[Int(number)].announced { return false }
    unsafe storage.pointee.entries[Int(number)].announced = true
    return true
  }

  /// All numbers count as new again: what named them so far went nowhere.
  func forgetAnnouncements() {
    for number in 0..<count { unsafe storage.pointee.entries[number].announced = false }
  }

  func names(_ number: UInt32, source: (UInt32) -> String) -> EventLabels {
    let entry = unsafe storage.pointee.entries[Int(number)]
    let service = Int(entry.start)
    let handler = service + Int(entry.service)
    let type = handler + Int(entry.handler)
    func text(_ range: Range<Int>) -> String { unsafe String(decoding: storage.pointee.arena[range], as: UTF8.self) }
    return EventLabels(
      source: entry.source == .max ? "_overflow" : source(entry.source), service: text(service..<handler),
      handler: text(handler..<type), type: text(type..<(type + Int(entry.type))), identity: entry.identity)
  }
}
