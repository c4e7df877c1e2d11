import Compression
import EventModel

/// Takes data rows apart. Keeps its tables from one block to the next: one per thread of use.
public final class DataDecoder {
  private let inflater = DeflateDecompressor()

  public init() {}

  /// Checks a data row and inflates it; frames are made later.
  ///
  /// - Parameters:
  ///   - head: of the same block. A row that does not fit it throws.
  ///   - kinds: of the segment, with which the head was decoded.
  ///   - order: perhaps the events by ordinal; those by time nearly always are, and need not be sorted again.
  public func decode(
    _ row: UnsafeRawBufferPointer, head: BlockHead, kinds: SegmentKinds, order: [Int32] = []
  ) throws(BlockError) -> BlockData {
    let fields = unsafe try DataHeader(checking: row)
    guard fields.number == head.number else { throw .badHeader(field: "block number") }
    guard fields.eventCount == head.eventCount else { throw .badHeader(field: "event count") }
    var outer = unsafe ByteCursor(UnsafeRawBufferPointer(rebasing: row[DataHeader.bytes...]))
    let rawBytes = try outer.count(max: outer.remaining)
    let raw = unsafe try outer.slice(rawBytes)
    let packed = unsafe try outer.slice(outer.remaining)
    guard fields.rawLength <= packed.count * BlockLimits.inflationMax else { throw .badHeader(field: "length") }
    var failed = false
    let inflater = self.inflater
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: rawBytes + fields.rawLength) { room, count in
      let all = UnsafeMutableRawBufferPointer(room)
      unsafe all.copyMemory(from: raw)
      do {
        unsafe try PackedColumns.unpack(
          packed, into: UnsafeMutableRawBufferPointer(rebasing: all[rawBytes..<(rawBytes + fields.rawLength)]), inflater
        )
        count = rawBytes + fields.rawLength
      } catch { failed = true }
    }
    if failed { throw .notInflatable }
    return unsafe try bytes.withUnsafeBufferPointer { (typed) throws(BlockError) in
      unsafe try Self.decode(bytes, UnsafeRawBufferPointer(typed), rawBytes, head, kinds, order)
    }
  }

  private static func decode(
    _ bytes: [UInt8], _ all: UnsafeRawBufferPointer, _ rawBytes: Int, _ head: BlockHead, _ kinds: SegmentKinds,
    _ order: [Int32]
  ) throws(BlockError) -> BlockData {
    var columns = unsafe ByteCursor(UnsafeRawBufferPointer(rebasing: all[rawBytes...]))
    let ownBytes = try columns.count(max: columns.remaining)
    let ownRawBytes = try columns.count(max: rawBytes)
    let ownStart = rawBytes + columns.offset
    var own = try columns.part(ownBytes)
    var reader = PlaceReader(rawEnd: ownRawBytes)
    let textBytes = try own.count(max: own.remaining)
    reader.textPlace = ownStart + own.offset
    reader.textEnd = reader.textPlace + textBytes
    let places = unsafe try reader.read(all, head, kinds)
    _ = unsafe try own.slice(textBytes)
    var raw = unsafe ByteCursor(UnsafeRawBufferPointer(rebasing: all[reader.rawPlace..<ownRawBytes]))
    var numbers = DataNumbers()
    numbers.majors = try majors(&own, &raw, head, kinds, order)
    switch try own.byte() {
    case 0: break
    case 1: numbers.minors = try self.numbers(&own, &raw, head.eventCount)
    default: throw ByteCursor.impossible
    }
    numbers.revisions = try self.numbers(&own, &raw, head.eventCount)
    try own.expectEnd()
    try raw.expectEnd()
    return BlockData(
      head: head, bytes: bytes, rawBytes: rawBytes, places: places, numbers: numbers, bodyRawStart: ownRawBytes,
      bodyColumnsStart: ownStart + ownBytes)
  }

  private static func numbers(
    _ columns: inout ByteCursor, _ raw: inout ByteCursor, _ count: Int
  ) throws(BlockError) -> [UInt64] {
    var failure: BlockError?
    let values = unsafe [UInt64](unsafeUninitializedCapacity: count) { room, filled in
      do throws(BlockError) {
        unsafe try NumberColumn.decode(
          UnsafeMutableBufferPointer(rebasing: room[..<count]), columns: &columns, raw: &raw)
        filled = count
      } catch { failure = error }
    }
    if let failure { throw failure }
    return values
  }

  /// Whether the events come by ordinal in this order, and all of them.
  private static func isByOrdinal(_ order: [Int32], _ ordinals: [Int64]) -> Bool {
    // As many places as events, and no ordinal twice: each event once.
    guard order.count == ordinals.count else { return false }
    return unsafe ordinals.withUnsafeBufferPointer { ordinals in
      var last: Int64?
      for place in order {
        guard place >= 0, Int(place) < ordinals.count else { return false }
        let ordinal = unsafe ordinals[Int(place)]
        if let last, ordinal <= last { return false }
        last = ordinal
      }
      return true
    }
  }

  private static func majors(
    _ columns: inout ByteCursor, _ raw: inout ByteCursor, _ head: BlockHead, _ kinds: SegmentKinds, _ known: [Int32]
  ) throws(BlockError) -> [UInt64] {
    let slope = try columns.signed()
    let residuals = try numbers(&columns, &raw, head.eventCount)
    let order =
      isByOrdinal(known, head.ordinals)
      ? known : unsafe head.ordinals.withUnsafeBufferPointer { unsafe EventOrder.sorted($0) }
    precondition(order.count == head.eventCount && residuals.count == order.count, "each event once")
    return unsafe head.ordinals.withUnsafeBufferPointer { ordinals in
      unsafe residuals.withUnsafeBufferPointer { residuals in
        unsafe [UInt64](unsafeUninitializedCapacity: order.count) { values, filled in
          // Each place below the count comes once, so that every value is written.
          var guesses = PositionGuesses()
          var step = 0
          for place in order {
            let place = Int(place)
            let ordinal = unsafe ordinals[place]
            let expected = guesses.expected(source(of: place, head, kinds), ordinal, slope)
            let major = unsafe expected &+ UInt64(bitPattern: unzigzag(residuals[step]))
            guesses.note(major, ordinal)
            unsafe values[place] = major
            step &+= 1
          }
          filled = order.count
        }
      }
    }
  }

  @inline(__always) private static func source(of event: Int, _ head: BlockHead, _ kinds: SegmentKinds) -> UInt32 {
    let kind = head.kinds[event]
    return kind & BlockHead.localKindFlag != 0
      ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].sourceIndex : kinds.sources[Int(kind)]
  }
}

/// Finds out where the identifiers of a block are, and that they are there.
private struct PlaceReader {
  var rawPlace = 0
  let rawEnd: Int
  var textPlace = 0
  var textEnd = 0

  init(rawEnd: Int) { self.rawEnd = rawEnd }

  @inline(__always) private mutating func uuid() throws(BlockError) -> Int32 {
    guard rawEnd &- rawPlace >= 16 else { throw ByteCursor.short }
    defer { rawPlace &+= 16 }
    return Int32(rawPlace)
  }

  private mutating func text(_ all: UnsafeRawBufferPointer) throws(BlockError) -> Int32 {
    guard textPlace < textEnd else { throw ByteCursor.short }
    let end = unsafe textPlace + 2 + Int(all[textPlace])
    guard end <= textEnd else { throw ByteCursor.short }
    defer { textPlace = end }
    return Int32(textPlace)
  }

  mutating func read(
    _ all: UnsafeRawBufferPointer, _ head: BlockHead, _ kinds: SegmentKinds
  ) throws(BlockError) -> DataPlaces {
    var places = DataPlaces()
    places.traces.reserveCapacity(head.runs.count)
    for run in head.runs {
      switch run.traceKind {
      case .none, .firstID: places.traces.append(-1)
      case .uuid: places.traces.append(try uuid())
      case .text: places.traces.append(unsafe try text(all))
      }
    }
    var flags: [EventFrame.Flags] = []
    flags.reserveCapacity(head.eventCount)
    places.ids.reserveCapacity(head.eventCount)
    for event in 0..<head.eventCount {
      let kind = head.kinds[event]
      let ours =
        kind & BlockHead.localKindFlag != 0
        ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].flags : kinds.flags[Int(kind)]
      flags.append(ours)
      places.ids.append(unsafe ours.contains(.idIsUUID) ? try uuid() : try text(all))
    }
    places.correlations = [Int32](repeating: -1, count: head.eventCount)
    places.causes = places.correlations
    for (number, run) in head.runs.enumerated() {
      if run.traceKind == .firstID {
        guard flags[run.events.lowerBound].contains(.idIsUUID) else { throw ByteCursor.impossible }
        places.traces[number] = places.ids[run.events.lowerBound]
      }
      unsafe try readForeign(all, run, head, kinds, flags, &places)
    }
    guard textPlace == textEnd else { throw ByteCursor.impossible }
    return places
  }

  private mutating func readForeign(
    _ all: UnsafeRawBufferPointer, _ run: HeadRun, _ head: BlockHead, _ kinds: SegmentKinds,
    _ flags: [EventFrame.Flags], _ places: inout DataPlaces
  ) throws(BlockError) {
    let traceIsUUID = run.traceKind == .uuid || run.traceKind == .firstID
    var last: (place: Int32, isUUID: Bool)?
    for event in run.events {
      let kind = head.kinds[event]
      let form =
        kind & BlockHead.localKindFlag != 0
        ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].correlationForm : kinds.forms[Int(kind)]
      let ours = flags[event]
      switch form {
      case .absent: break
      case .trace:
        guard run.traceKind != .none, ours.contains(.correlationIsUUID) == traceIsUUID else {
          throw ByteCursor.impossible
        }
      case .foreign:
        places.correlations[event] = unsafe ours.contains(.correlationIsUUID) ? try uuid() : try text(all)
      }
      let isUUID = ours.contains(.causeIsUUID)
      let parent = head.parents[event]
      switch parent {
      case BlockHead.Parent.absent: break
      case BlockHead.Parent.trace:
        guard run.traceKind != .none, isUUID == traceIsUUID else { throw ByteCursor.impossible }
      case BlockHead.Parent.own: guard isUUID == ours.contains(.idIsUUID) else { throw ByteCursor.impossible }
      case BlockHead.Parent.foreign:
        let place = unsafe isUUID ? try uuid() : try text(all)
        places.causes[event] = place
        last = (place, isUUID)
      case BlockHead.Parent.sameForeign:
        guard let last, last.isUUID == isUUID else { throw ByteCursor.impossible }
        places.causes[event] = last.place
      default:
        guard isUUID == flags[Int(parent)].contains(.idIsUUID) else { throw ByteCursor.impossible }
      }
    }
  }
}
