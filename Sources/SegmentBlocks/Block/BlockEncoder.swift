import Compression
public import EventModel

/// Makes the blocks of one segment out of runs of event frames, one block after the other. One thread at a time.
///
/// Calls: `beginRun`, `add` for each of its events by ordinal, `endRun`; any number of runs; `finish`. Memory: the frames
/// of one run, the columns of one block, and the tables of the segment.
///
/// `@safe`: frames are copied into memory that this object owns, and addressed by offsets that it wrote.
@safe public final class BlockEncoder {
  /// An event whose edge is not known to go anywhere.
  public static let noCause = Int64.min

  public let kinds = KindTableBuilder()
  public let dictionary: DictionaryBuilder
  let body: BodyEncoder
  let compressor: DeflateCompressor
  /// Of the data, of which little repeats that the fastest level does not find (ADR-007).
  let dataCompressor: DeflateCompressor

  // The open run.
  var frames = ByteSink(capacity: 256 * 1024)
  var frameStarts: ContiguousArray<Int> = []
  var causeOrdinals: ContiguousArray<Int64> = []
  var idHighs: ContiguousArray<UInt64> = []
  var idLows: ContiguousArray<UInt64> = []
  var idSlots: ContiguousArray<Int32> = []
  var trace: [UInt8] = []
  var traceKey = IdentifierKey.zero
  var traceIsUUID = false
  var runFlags: UInt64 = 0
  var typesOfRun: ContiguousArray<UInt32> = []
  private var isOpen = false

  // The block.
  var runs: [HeadRun] = []
  var kindNumbers: [UInt32] = []
  var parents: [Int32] = []
  var edges: [UInt8] = []
  var created: [Int64] = []
  var ordinals: [Int64] = []
  var majors: ContiguousArray<UInt64> = []
  var minors: ContiguousArray<UInt64> = []
  var revisions: ContiguousArray<UInt64> = []
  var localKinds: [EventKind] = []
  private(set) var finishedFrameBytes = 0
  var kindColumn = ByteSink()
  var parentColumn = ByteSink()
  var traceUUIDs = ByteSink()
  var idUUIDs = ByteSink()
  var foreignUUIDs = ByteSink()
  var traceTexts = ByteSink()
  var idTexts = ByteSink()
  var foreignTexts = ByteSink()
  var streamCache = StreamRevisions()
  var scratch: ContiguousArray<UInt64> = []
  var orderScratch: [Int32] = []

  /// - Parameters:
  ///   - dictionary: of the segment.
  ///   - level: of DEFLATE, 1 to 12, for heads; see `dataCompressor`.
  public init(dictionary: DictionaryBuilder = DictionaryBuilder(), level: Int) {
    self.dictionary = dictionary
    body = BodyEncoder(dictionary)
    compressor = DeflateCompressor(level: level)
    dataCompressor = DeflateCompressor(level: 1)
  }

  public var eventCount: Int { ordinals.count + frameStarts.count }
  /// Bytes of the frames in the block so far.
  public var frameBytes: Int { finishedFrameBytes + frames.count }

  /// - Parameter trace: nil for events in no trace.
  public func beginRun(trace: Identifier?, continues: Bool) {
    precondition(!isOpen, "one run at a time")
    isOpen = true
    self.trace = trace?.storedBytes ?? []
    traceKey = trace?.key ?? .zero
    traceIsUUID = trace?.isUUID ?? false
    runFlags = continues ? 4 : 0
  }

  /// Adds the next event of the open run.
  ///
  /// - Parameter causeOrdinal: of the event that its edge goes to; `noCause` without an edge.
  @inline(__always) public func add(_ event: EventView, causeOrdinal: Int64) {
    precondition(isOpen, "events belong to a run")
    frameStarts.append(frames.count)
    causeOrdinals.append(causeOrdinal)
    unsafe frames.append(event.bytes)
  }

  /// A run without events leaves no trace.
  public func endRun(goesOn: Bool) {
    precondition(isOpen, "a run is open")
    isOpen = false
    if frameStarts.isEmpty { return }
    encodeRun(goesOn: goesOn)
    finishedFrameBytes += frames.count
    frames.removeAll()
    frameStarts.removeAll(keepingCapacity: true)
    causeOrdinals.removeAll(keepingCapacity: true)
    idHighs.removeAll(keepingCapacity: true)
    idLows.removeAll(keepingCapacity: true)
  }

  /// The finished block: its two rows, and its head as a reader sees it. The encoder is empty afterwards.
  public func finish(number: Int) -> (headRow: [UInt8], dataRow: [UInt8], head: BlockHead) {
    precondition(!isOpen && !ordinals.isEmpty, "a block has ended runs")
    let headRow = makeHeadRow(number)
    let dataRow = makeDataRow(number)
    let head = BlockHead(
      number: number, runs: runs, kinds: kindNumbers, parents: parents, edges: edges, created: created,
      ordinals: ordinals, localKinds: localKinds, frameBytes: finishedFrameBytes)
    reset()
    return (headRow, dataRow, head)
  }

  private func reset() {
    runs = []
    kindNumbers = []
    parents = []
    edges = []
    created = []
    ordinals = []
    localKinds = []
    majors.removeAll(keepingCapacity: true)
    minors.removeAll(keepingCapacity: true)
    revisions.removeAll(keepingCapacity: true)
    finishedFrameBytes = 0
    kindColumn.removeAll()
    parentColumn.removeAll()
    traceUUIDs.removeAll()
    idUUIDs.removeAll()
    foreignUUIDs.removeAll()
    traceTexts.removeAll()
    idTexts.removeAll()
    foreignTexts.removeAll()
  }
}

/// The last revision of streams in a run, by a hash of the stream: a guess, right or wrong in the same way for encoder
/// and decoder. 1 KiB.
struct StreamRevisions {
  private var tags = ContiguousArray<UInt64>(repeating: 0, count: 64)
  private var last = ContiguousArray<Int64>(repeating: 0, count: 64)

  mutating func removeAll() {
    for slot in 0..<64 { tags[slot] = 0 }
  }

  /// What the next revision of this stream is guessed to be. `update` must follow.
  @inline(__always) static func tag(_ stream: UnsafeRawBufferPointer) -> UInt64 {
    let count = stream.count
    var hash = UInt64(count) &* 0x9e37_79b9_7f4a_7c15
    if count >= 8 {
      hash ^= unsafe stream.word(0).littleEndian
      hash = (hash ^ hash &>> 29) &* 0xff51_afd7_ed55_8ccd
      hash ^= unsafe stream.word(count &- 8).littleEndian
    } else {
      for index in 0..<count { unsafe hash = (hash ^ UInt64(stream[index])) &* 0x0000_0100_0000_01b3 }
    }
    hash = (hash ^ hash &>> 32) &* 0xc4ce_b9fe_1a85_ec53
    return (hash ^ hash &>> 32) | 1
  }

  @inline(__always) func predicted(_ tag: UInt64) -> Int64 {
    let slot = Int(tag &>> 58)
    return tags[slot] == tag ? last[slot] &+ 1 : 0
  }

  @inline(__always) mutating func note(_ tag: UInt64, _ revision: Int64) {
    let slot = Int(tag &>> 58)
    tags[slot] = tag
    last[slot] = revision
  }
}
