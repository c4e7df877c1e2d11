import Compression
import EventModel

/// Takes heads apart. Keeps its tables from one block to the next: one per thread of use.
public final class HeadDecoder {
  private let inflater = DeflateDecompressor()
  private var numbers: [UInt64] = []
  private var columnBytes: [UInt8] = []
  /// The places of the events of the head that was decoded last, by time; none where ordinals were left out.
  public private(set) var order: [Int32] = []

  public init() {}

  /// Checks and decodes exactly one head row.
  ///
  /// - Parameters:
  ///   - number: of the block; another one in the row throws.
  ///   - kinds: of the segment. A head that names a kind beyond them throws.
  ///   - withOrdinals: false leaves `ordinals` empty, which is a third of the work: for searches.
  public func decode(
    _ row: UnsafeRawBufferPointer, number: Int, kinds: SegmentKinds, withOrdinals: Bool = true
  ) throws(BlockError) -> BlockHead {
    let fields = unsafe try HeadHeader(checking: row)
    guard fields.number == number else { throw .badHeader(field: "block number") }
    var outer = unsafe ByteCursor(UnsafeRawBufferPointer(rebasing: row[HeadHeader.bytes...]))
    let rawBytes = try outer.count(max: outer.remaining)
    let raw = try outer.part(rawBytes)
    let packed = unsafe try outer.slice(outer.remaining)
    if columnBytes.count < fields.rawLength {
      columnBytes = [UInt8](repeating: 0, count: max(fields.rawLength, columnBytes.count * 2, 16_384))
    }
    guard fields.rawLength <= packed.count * BlockLimits.inflationMax else { throw .badHeader(field: "length") }
    var failed = false
    let inflater = self.inflater
    unsafe columnBytes.withUnsafeMutableBytes { all in
      do {
        unsafe try inflater.decompress(
          packed, into: UnsafeMutableRawBufferPointer(rebasing: all[..<fields.rawLength]))
      } catch { failed = true }
    }
    if failed { throw .notInflatable }
    let bytes = columnBytes
    defer { if columnBytes.count > 1 << 20 { columnBytes = [] } }
    return unsafe try bytes.withUnsafeBufferPointer { (all) throws(BlockError) in
      let columns = unsafe ByteCursor(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: all[..<fields.rawLength])))
      return try decode(columns, raw, number, kinds, withOrdinals)
    }
  }

  private func decode(
    _ columns: ByteCursor, _ raw: ByteCursor, _ number: Int, _ kinds: SegmentKinds, _ withOrdinals: Bool
  ) throws(BlockError) -> BlockHead {
    var columns = columns
    var raw = raw
    let eventCount = try columns.count(max: min(BlockLimits.eventCountMax, columns.remaining))
    let runCount = try columns.count(max: eventCount)
    let frameBytes = try columns.count(max: BlockLimits.frameBytesMax)
    guard eventCount > 0 else { throw ByteCursor.impossible }
    let locals = try Self.localKinds(&columns, eventCount)
    let runs = try Self.runs(&columns, runCount, eventCount)
    let parents = try Self.parents(&columns, runs, eventCount)
    let numbersOfKinds = try Self.kinds(&columns, runs, parents.parents, kinds, locals.count)
    let created = try self.created(&columns, &raw, runs, eventCount)
    order = []
    let ordinals = withOrdinals ? try self.ordinals(&columns, &raw, created) : []
    if withOrdinals {
      try columns.expectEnd()
      try raw.expectEnd()
      for run in runs {
        for event in run.events.dropFirst() where ordinals[event] <= ordinals[event - 1] {
          throw .badPayload(reason: "ordinals do not ascend")
        }
      }
    }
    return BlockHead(
      number: number, runs: runs, kinds: numbersOfKinds, parents: parents.parents, edges: parents.edges,
      created: created, ordinals: ordinals, localKinds: locals, frameBytes: frameBytes)
  }

  private static func localKinds(_ columns: inout ByteCursor, _ eventCount: Int) throws(BlockError) -> [EventKind] {
    let count = try columns.count(max: eventCount)
    var locals: [EventKind] = []
    for _ in 0..<count {
      let word = try columns.fixed(UInt32.self)
      let source = try columns.fixed(UInt32.self)
      let lengths = try columns.fixed(UInt64.self)
      let total = Int((lengths & 0xffff) + (lengths >> 16 & 0xffff) + (lengths >> 32 & 0xffff) + (lengths >> 48))
      let names = unsafe try columns.slice(total)
      guard let kind = unsafe EventKind(word: word, source: source, lengths: lengths, names: names) else {
        throw ByteCursor.impossible
      }
      locals.append(kind)
    }
    return locals
  }

  private static func runs(
    _ columns: inout ByteCursor, _ runCount: Int, _ eventCount: Int
  ) throws(BlockError) -> [HeadRun] {
    var runs: [HeadRun] = []
    runs.reserveCapacity(runCount)
    var first = 0
    for _ in 0..<runCount {
      let code = try columns.varint()
      let count = Int(clamping: code >> 4)
      guard count >= 1, count <= eventCount - first, let kind = HeadRun.TraceKind(rawValue: UInt8(code & 3)) else {
        throw ByteCursor.impossible
      }
      runs.append(
        HeadRun(
          traceKind: kind, continues: code & 4 != 0, goesOn: code & 8 != 0, events: first..<(first + count)))
      first += count
    }
    guard first == eventCount else { throw ByteCursor.impossible }
    return runs
  }

  private static func parents(
    _ columns: inout ByteCursor, _ runs: [HeadRun], _ eventCount: Int
  ) throws(BlockError) -> (parents: [Int32], edges: [UInt8]) {
    var parents = [Int32](repeating: BlockHead.Parent.absent, count: eventCount)
    var edges = [UInt8](repeating: 0, count: eventCount)
    unsafe try parents.withUnsafeMutableBufferPointer { (parents) throws(BlockError) in
      unsafe try edges.withUnsafeMutableBufferPointer { (edges) throws(BlockError) in
        // Runs cover the events from the first to the last, each once: every place is below `eventCount`. A copy of the
        // cursor stays in registers.
        var cursor = columns
        defer { columns = cursor }
        for run in runs {
          var event = run.events.lowerBound
          while event < run.events.upperBound {
            let code = try cursor.varint()
            if code >= HeadCoding.Code.firstEvent {
              let value = code &- HeadCoding.Code.firstEvent
              unsafe parents[event] = try parent(of: event, in: run.events, value)
              unsafe edges[event] = value & HeadCoding.noEdge == 0 ? 1 : 0
            } else if code != HeadCoding.Code.absent {
              unsafe parents[event] = try specialParent(code)
            }
            event &+= 1
          }
        }
      }
    }
    return (parents, edges)
  }

  /// An event of the same run.
  @inline(__always) private static func parent(
    of event: Int, in run: Range<Int>, _ value: UInt64
  ) throws(BlockError) -> Int32 {
    let distance = Int(truncatingIfNeeded: value >> 2)
    let isForward = value & HeadCoding.forward != 0
    guard distance < (isForward ? run.upperBound &- event &- 1 : event &- run.lowerBound) else {
      throw ByteCursor.impossible
    }
    return Int32(truncatingIfNeeded: isForward ? event &+ 1 &+ distance : event &- 1 &- distance)
  }

  private static func specialParent(_ code: UInt64) throws(BlockError) -> Int32 {
    switch code {
    case HeadCoding.Code.trace: BlockHead.Parent.trace
    case HeadCoding.Code.foreign: BlockHead.Parent.foreign
    case HeadCoding.Code.own: BlockHead.Parent.own
    case HeadCoding.Code.sameForeign: BlockHead.Parent.sameForeign
    default: throw ByteCursor.impossible
    }
  }

  private static func kinds(
    _ columns: inout ByteCursor, _ runs: [HeadRun], _ parents: [Int32], _ table: SegmentKinds, _ localCount: Int
  ) throws(BlockError) -> [UInt32] {
    var kinds = [UInt32](repeating: 0, count: parents.count)
    unsafe try kinds.withUnsafeMutableBufferPointer { (kinds) throws(BlockError) in
      unsafe try parents.withUnsafeBufferPointer { (parents) throws(BlockError) in
        unsafe try table.withFollowers { (followers) throws(BlockError) in
          var cursor = columns
          for event in 0..<parents.count {
            unsafe kinds[event] = unsafe try kind(of: event, &cursor, parents, kinds, followers, localCount)
          }
          columns = cursor
        }
      }
    }
    return kinds
  }

  /// - Precondition: both buffers have a place for the event, and parents are events of the block.
  @inline(__always) private static func kind(
    of event: Int, _ columns: inout ByteCursor, _ parents: UnsafeBufferPointer<Int32>,
    _ kinds: UnsafeMutableBufferPointer<UInt32>, _ followers: SegmentKinds.Followers, _ localCount: Int
  ) throws(BlockError) -> UInt32 {
    let code = try columns.varint()
    if code == 0 {
      let number = try columns.varint()
      if number == 0 { return BlockHead.localKindFlag | UInt32(try columns.count(max: localCount - 1)) }
      guard unsafe number <= UInt64(followers.kindCount) else {
        throw .badPayload(reason: "a kind that the segment lacks")
      }
      return UInt32(number - 1)
    }
    // An event whose cause comes behind it has no context: kinds are decoded in order.
    let parent = unsafe Int(parents[event])
    var context = 0
    if parent >= 0, parent < event {
      let kind = unsafe kinds[parent]
      if kind & BlockHead.localKindFlag == 0 { context = Int(kind) &+ 1 }
    }
    guard let kind = unsafe followers.follower(context: context, rank: code &- 1) else {
      throw .badPayload(reason: "a rank that the segment lacks")
    }
    return kind
  }

  private func readNumbers(
    _ columns: inout ByteCursor, _ raw: inout ByteCursor, _ count: Int
  ) throws(BlockError) {
    if numbers.count < count { numbers = [UInt64](repeating: 0, count: max(count, 1024)) }
    var failure: BlockError?
    unsafe numbers.withUnsafeMutableBufferPointer { all in
      do throws(BlockError) {
        unsafe try NumberColumn.decode(
          UnsafeMutableBufferPointer(rebasing: all[..<count]), columns: &columns, raw: &raw)
      } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private func created(
    _ columns: inout ByteCursor, _ raw: inout ByteCursor, _ runs: [HeadRun], _ count: Int
  ) throws(BlockError) -> [Int64] {
    let unitNumber = Int(try columns.byte())
    guard unitNumber < HeadCoding.units.count else { throw ByteCursor.impossible }
    let unit = HeadCoding.units[unitNumber]
    var start = try columns.signed()
    try readNumbers(&columns, &raw, count)
    // Runs cover the events from the first to the last, each once.
    return unsafe numbers.withUnsafeBufferPointer { numbers in
      unsafe [Int64](unsafeUninitializedCapacity: count) { created, filled in
        for run in runs {
          start = unsafe start &+ unzigzag(numbers[run.events.lowerBound])
          var last = start
          unsafe created[run.events.lowerBound] = last &* unit
          var event = run.events.lowerBound &+ 1
          while event < run.events.upperBound {
            last = unsafe last &+ unzigzag(numbers[event])
            unsafe created[event] = last &* unit
            event &+= 1
          }
        }
        filled = count
      }
    }
  }

  private func ordinals(
    _ columns: inout ByteCursor, _ raw: inout ByteCursor, _ created: [Int64]
  ) throws(BlockError) -> [Int64] {
    var ordinal = try columns.signed()
    let slope = try columns.signed()
    try readNumbers(&columns, &raw, created.count)
    order = unsafe created.withUnsafeBufferPointer { unsafe EventOrder.sorted($0) }
    // Each place comes once, so that every ordinal is written.
    let order = self.order
    return unsafe created.withUnsafeBufferPointer { created in
      unsafe numbers.withUnsafeBufferPointer { numbers in
        unsafe [Int64](unsafeUninitializedCapacity: created.count) { ordinals, filled in
          var last = unsafe created[Int(order[0])]
          var step = 0
          for place in order {
            let time = unsafe created[Int(place)]
            ordinal = unsafe ordinal &+ HeadCoding.predicted(slope, time &- last) &+ unzigzag(numbers[step])
            last = time
            unsafe ordinals[Int(place)] = ordinal
            step &+= 1
          }
          filled = created.count
        }
      }
    }
  }
}
