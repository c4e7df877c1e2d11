import EventModel
import WideScan

/// Numbers the kinds of a segment's events while it is written, and ranks each kind among those that follow the same
/// cause. One thread at a time.
///
/// Memory: bounded by `BlockLimits`: names, 40 bytes a kind, 24 bytes a pair.
public final class KindTableBuilder {
  /// In the order of their numbers.
  public private(set) var kinds: [EventKind] = []
  /// For each kind the number of its type; types are numbered as they appear among the kinds.
  public private(set) var typeNumbers: [UInt32] = []
  private var typeNumberByName: [[UInt8]: UInt32] = [:]
  private var nameBytes = 0

  // Open addressing: slot -> kind number + 1. What is compared stands beside it.
  private struct Entry {
    var hash: UInt64
    var first: UInt64
    var lengths: UInt64
    var start: Int
    var count: Int
  }
  private var entries: ContiguousArray<Entry> = []
  private var names: [UInt8] = []
  private var slots = ContiguousArray<UInt32>(repeating: 0, count: 1024)

  /// Pairs of (context, kind): the context is 0, or the kind of the cause and 1.
  public struct Pair: Sendable {
    public var context: UInt32
    public var kind: UInt32
    var rank: UInt32
  }
  public private(set) var pairs: ContiguousArray<Pair> = []
  private var pairSlots = ContiguousArray<UInt32>(repeating: 0, count: 4096)
  private var followerCounts: [UInt32] = [0]

  public init() {}

  /// The number of an event's kind; nil if the table is full.
  @inline(__always) func number(of event: EventView, _ form: CorrelationForm) -> UInt32? {
    let first =
      UInt64(event.load32(EventFrame.Offset.flags)) | UInt64(form.rawValue) << 14
      | UInt64(event.load32(EventFrame.Offset.sourceIndex)) << 32
    let lengths = event.load64(EventFrame.Offset.typeLength)
    let start = unsafe event.type.baseAddress!
    let count = Int(
      (lengths & 0xffff) &+ (lengths &>> 16 & 0xffff) &+ (lengths &>> 32 & 0xffff) &+ (lengths &>> 48))
    let hash = unsafe Self.hash(first, lengths, start, count)
    let mask = slots.count &- 1
    var slot = Int(truncatingIfNeeded: hash) & mask
    while true {
      let number = slots[slot]
      if number == 0 { break }
      let place = Int(number) &- 1
      let entry = entries[place]
      if entry.hash == hash, entry.first == first, entry.lengths == lengths, unsafe matches(entry, start) {
        return number &- 1
      }
      slot = (slot &+ 1) & mask
    }
    return unsafe insert(event, form, Entry(hash: hash, first: first, lengths: lengths, start: 0, count: count), start)
  }

  @inline(__always) private func matches(_ entry: Entry, _ start: UnsafeRawPointer) -> Bool {
    unsafe names.withUnsafeBytes { unsafe ByteScan.isSame($0.baseAddress! + entry.start, start, entry.count) }
  }

  @inline(__always) private static func hash(
    _ first: UInt64, _ lengths: UInt64, _ start: UnsafeRawPointer, _ count: Int
  ) -> UInt64 {
    var hash = (first ^ 0x9e37_79b9_7f4a_7c15) &* 0xff51_afd7_ed55_8ccd
    hash = (hash ^ (hash &>> 32) ^ lengths) &* 0xc4ce_b9fe_1a85_ec53
    var offset = 0
    while offset &+ 8 <= count {
      let word = unsafe start.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
      hash = (hash ^ (hash &>> 32) ^ word) &* 0xff51_afd7_ed55_8ccd
      offset &+= 8
    }
    if offset < count, count >= 8 {
      // Overlaps what is hashed already: the lengths are part of the hash.
      let word = unsafe start.loadUnaligned(fromByteOffset: count &- 8, as: UInt64.self)
      hash = (hash ^ (hash &>> 32) ^ word) &* 0xff51_afd7_ed55_8ccd
    } else {
      while offset < count {
        let byte = unsafe start.load(fromByteOffset: offset, as: UInt8.self)
        hash = (hash ^ UInt64(byte)) &* 0xc4ce_b9fe_1a85_ec53
        offset &+= 1
      }
    }
    hash ^= hash &>> 29
    hash &*= 0x94d0_49bb_1331_11eb
    return hash ^ (hash &>> 32)
  }

  @inline(never) private func insert(
    _ event: EventView, _ form: CorrelationForm, _ entry: Entry, _ start: UnsafeRawPointer
  ) -> UInt32? {
    guard kinds.count < BlockLimits.kindCountMax, nameBytes + entry.count <= BlockLimits.kindNameBytesMax else {
      return nil
    }
    nameBytes += entry.count
    var entry = entry
    entry.start = names.count
    unsafe names.append(contentsOf: UnsafeRawBufferPointer(start: start, count: entry.count))
    entries.append(entry)
    let kind = Self.kind(of: event, form)
    kinds.append(kind)
    let type = typeNumberByName[kind.type] ?? UInt32(typeNumberByName.count)
    typeNumberByName[kind.type] = type
    typeNumbers.append(type)
    followerCounts.append(0)
    if entries.count * 2 > slots.count {
      slots = ContiguousArray(repeating: 0, count: slots.count * 2)
      for number in entries.indices.dropLast() { linkEntry(number) }
    }
    linkEntry(entries.count - 1)
    return UInt32(kinds.count - 1)
  }

  private func linkEntry(_ number: Int) {
    let mask = slots.count - 1
    var slot = Int(truncatingIfNeeded: entries[number].hash) & mask
    while slots[slot] != 0 { slot = (slot + 1) & mask }
    slots[slot] = UInt32(number + 1)
  }

  static func kind(of event: EventView, _ form: CorrelationForm) -> EventKind {
    let mixed = event.failure.rawValue | event.handlerIdentity.rawValue << 4
    return unsafe EventKind(
      flags: event.flags, eventClass: event.eventClass.rawValue, failureAndIdentity: mixed, correlationForm: form,
      sourceIndex: event.sourceIndex, type: Array(event.type), service: Array(event.service),
      handler: Array(event.handler), schemaVersion: Array(event.schemaVersion))
  }

  /// The place in `pairs` of a kind behind a context; nil if there are too many pairs.
  @inline(__always) func pair(context: UInt32, kind: UInt32) -> Int? {
    let mask = pairSlots.count &- 1
    var slot = Int(truncatingIfNeeded: Self.mix(context, kind)) & mask
    while true {
      let place = Int(pairSlots[slot]) &- 1
      if place < 0 { break }
      if pairs[place].kind == kind && pairs[place].context == context { return place }
      slot = (slot &+ 1) & mask
    }
    return insertPair(context, kind)
  }

  @inline(__always) private static func mix(_ context: UInt32, _ kind: UInt32) -> UInt64 {
    let hash = (UInt64(context) << 32 | UInt64(kind)) &* 0x9e37_79b9_7f4a_7c15
    return hash ^ hash &>> 32
  }

  @inline(never) private func insertPair(_ context: UInt32, _ kind: UInt32) -> Int? {
    guard pairs.count < BlockLimits.followerCountMax else { return nil }
    let rank = followerCounts[Int(context)]
    followerCounts[Int(context)] += 1
    pairs.append(Pair(context: context, kind: kind, rank: rank))
    if pairs.count * 2 > pairSlots.count {
      pairSlots = ContiguousArray(repeating: 0, count: pairSlots.count * 2)
      for place in pairs.indices.dropLast() { link(place) }
    }
    link(pairs.count - 1)
    return pairs.count - 1
  }

  private func link(_ place: Int) {
    let mask = pairSlots.count - 1
    var slot = Int(truncatingIfNeeded: Self.mix(pairs[place].context, pairs[place].kind)) & mask
    while pairSlots[slot] != 0 { slot = (slot + 1) & mask }
    pairSlots[slot] = UInt32(place + 1)
  }

  /// What `SegmentKinds` needs beside the kinds: for each context, in order, how many kinds follow it, and which.
  public func encodedFollowers() -> [UInt8] {
    var lists = [[UInt32]](repeating: [], count: kinds.count + 1)
    for pair in pairs { lists[Int(pair.context)].append(pair.kind) }
    var sink = ByteSink()
    for list in lists {
      sink.append(varint: UInt64(list.count))
      for kind in list { sink.append(varint: UInt64(kind)) }
    }
    return unsafe Array(sink.bytes)
  }
}
