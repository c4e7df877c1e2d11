import Compression
public import EventModel

/// The inflated data of a block with what is needed to find ids in it. Immutable, shared by readers.
///
/// Memory: `memoryBytes`; frames are made when they are asked for.
public final class BlockData: Sendable {
  public let head: BlockHead
  /// The raw part, then the inflated columns.
  let bytes: [UInt8]
  let rawBytes: Int
  /// Where the raw part and the columns of the body start in `bytes`.
  let bodyRawStart: Int
  let bodyColumnsStart: Int
  /// Where identifiers are in `bytes`; 16 bytes, or the text behind a byte with its length minus 1.
  let traceStarts: [Int32]
  let idStarts: [Int32]
  /// Of foreign correlation ids and causes; -1 where the event has none.
  let foreignCorrelations: [Int32]
  let foreignCauses: [Int32]
  let majors: [UInt64]
  let minors: [UInt64]
  let revisions: [UInt64]

  public let memoryBytes: Int

  init(
    head: BlockHead, bytes: [UInt8], rawBytes: Int, places: DataPlaces, numbers: DataNumbers, bodyRawStart: Int,
    bodyColumnsStart: Int
  ) {
    self.head = head
    self.bytes = bytes
    self.rawBytes = rawBytes
    self.bodyRawStart = bodyRawStart
    self.bodyColumnsStart = bodyColumnsStart
    traceStarts = places.traces
    idStarts = places.ids
    foreignCorrelations = places.correlations
    foreignCauses = places.causes
    majors = numbers.majors
    minors = numbers.minors
    revisions = numbers.revisions
    memoryBytes = bytes.count + head.memoryBytes + head.eventCount * 36 + head.runs.count * 4 + 512
  }

  /// The identifier at a place of `bytes`, as stored.
  ///
  /// - Precondition: the place was checked when the block was decoded.
  @inline(__always) static func identifier(
    _ all: UnsafeRawBufferPointer, at place: Int32, isUUID: Bool
  ) -> UnsafeRawBufferPointer {
    let start = Int(place)
    if isUUID { return unsafe UnsafeRawBufferPointer(rebasing: all[start..<(start &+ 16)]) }
    let count = unsafe Int(all[start]) &+ 1
    return unsafe UnsafeRawBufferPointer(rebasing: all[(start &+ 1)..<(start &+ 1 &+ count)])
  }

  /// The trace of a run; nil for events in no trace.
  public func trace(ofRun run: Int) -> Identifier? {
    unsafe bytes.withUnsafeBytes { all in
      switch head.runs[run].traceKind {
      case .none: nil
      case .text: unsafe Identifier(text: Array(Self.identifier(all, at: traceStarts[run], isUUID: false)))
      case .uuid, .firstID:
        unsafe Identifier(uuid: Self.key(Self.identifier(all, at: traceStarts[run], isUUID: true)))
      }
    }
  }

  /// The key of the trace of a run; zero for events in no trace.
  public func traceKey(ofRun run: Int) -> IdentifierKey {
    unsafe bytes.withUnsafeBytes { all in
      switch head.runs[run].traceKind {
      case .none: .zero
      case .text: unsafe IdentifierKey.hashing(Self.identifier(all, at: traceStarts[run], isUUID: false))
      case .uuid, .firstID: unsafe Self.key(Self.identifier(all, at: traceStarts[run], isUUID: true))
      }
    }
  }

  @inline(__always) static func key(_ bytes: UnsafeRawBufferPointer) -> IdentifierKey {
    unsafe IdentifierKey(high: bytes.word(0).bigEndian, low: bytes.word(8).bigEndian)
  }

  /// The places of the events with this id; `table` must be the one that the head was decoded with.
  public func events(withID key: IdentifierKey, _ table: SegmentKinds) -> [Int] {
    var found: [Int] = []
    unsafe bytes.withUnsafeBytes { all in
      for event in 0..<head.eventCount {
        let flags = kindFlags(event, table)
        let isUUID = flags.contains(.idIsUUID)
        let id = unsafe Self.identifier(all, at: idStarts[event], isUUID: isUUID)
        let matches =
          unsafe isUUID
          ? id.word(8).bigEndian == key.low && id.word(0).bigEndian == key.high : IdentifierKey.hashing(id) == key
        if matches { found.append(event) }
      }
    }
    return found
  }

  /// The places of the events that name this cause, and are not in one trace with an event of that id in this block.
  public func events(withForeignCause key: IdentifierKey, _ table: SegmentKinds) -> [Int] {
    var found: [Int] = []
    for (run, fields) in head.runs.enumerated() {
      for event in fields.events where isOutside(head.parents[event], fields) {
        let matches = unsafe bytes.withUnsafeBytes { all in
          let isUUID = kindFlags(event, table).contains(.causeIsUUID)
          let cause = unsafe self.cause(event, run, all, table)
          return unsafe (isUUID ? Self.key(cause) : IdentifierKey.hashing(cause)) == key
        }
        if matches { found.append(event) }
      }
    }
    return found
  }

  /// Events in no trace have no inside.
  @inline(__always) private func isOutside(_ parent: Int32, _ run: HeadRun) -> Bool {
    parent != BlockHead.Parent.absent && (parent < 0 || run.traceKind == .none)
  }

  /// The run of an event.
  public func run(of event: Int) -> Int {
    var low = 0
    var high = head.runs.count - 1
    while low < high {
      let middle = (low + high) / 2
      if head.runs[middle].events.upperBound <= event { low = middle + 1 } else { high = middle }
    }
    return low
  }

  @inline(__always) func kindFlags(_ event: Int, _ table: SegmentKinds) -> EventFrame.Flags {
    let kind = head.kinds[event]
    return kind & BlockHead.localKindFlag != 0
      ? head.localKinds[Int(kind & ~BlockHead.localKindFlag)].flags : table.flags[Int(kind)]
  }

  /// The stored bytes of an event's cause; empty without one.
  @inline(__always) func cause(
    _ event: Int, _ run: Int, _ all: UnsafeRawBufferPointer, _ table: SegmentKinds
  ) -> UnsafeRawBufferPointer {
    let parent = head.parents[event]
    if parent >= 0 { return unsafe id(Int(parent), all, table) }
    switch parent {
    case BlockHead.Parent.trace: return unsafe trace(run, all)
    case BlockHead.Parent.own: return unsafe id(event, all, table)
    case BlockHead.Parent.absent: return unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    default:
      let isUUID = kindFlags(event, table).contains(.causeIsUUID)
      return unsafe Self.identifier(all, at: foreignCauses[event], isUUID: isUUID)
    }
  }

  @inline(__always) func id(
    _ event: Int, _ all: UnsafeRawBufferPointer, _ table: SegmentKinds
  ) -> UnsafeRawBufferPointer {
    unsafe Self.identifier(
      all, at: idStarts[event], isUUID: kindFlags(event, table).contains(.idIsUUID))
  }

  @inline(__always) func trace(_ run: Int, _ all: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
    switch head.runs[run].traceKind {
    case .none: unsafe UnsafeRawBufferPointer(start: nil, count: 0)
    case .text: unsafe Self.identifier(all, at: traceStarts[run], isUUID: false)
    case .uuid, .firstID: unsafe Self.identifier(all, at: traceStarts[run], isUUID: true)
    }
  }
}

/// Where the identifiers of a block are.
struct DataPlaces {
  var traces: [Int32] = []
  var ids: [Int32] = []
  var correlations: [Int32] = []
  var causes: [Int32] = []
}

struct DataNumbers {
  var majors: [UInt64] = []
  var minors: [UInt64] = []
  var revisions: [UInt64] = []
}
