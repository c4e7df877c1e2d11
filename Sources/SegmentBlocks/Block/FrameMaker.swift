public import EventModel

/// Makes the frames of runs again. Keeps its memory from one run to the next: one per thread of use.
///
/// `@safe`: frames lie in memory that this object owns; every one was validated before it is shown.
@safe public final class FrameMaker {
  private var sink = ByteSink(capacity: 64 * 1024)
  private var starts: [Int] = []
  private var firstEvent = 0
  private var streams = StreamRevisions()
  private let bodies = BodyMemory()

  public init() {}

  /// What it holds on to.
  public var memoryBytes: Int { sink.capacity + starts.capacity * 8 + bodies.memoryBytes }

  /// The events that were made last, as places in the block.
  public var events: Range<Int> { firstEvent..<(firstEvent + max(starts.count - 1, 0)) }

  /// Calls `body` with one of the events that were made last; the view must not escape.
  @inline(__always) public func withEvent<R, E: Error>(
    at event: Int, _ body: (EventView) throws(E) -> R
  ) throws(E) -> R {
    let place = event - firstEvent
    let range = starts[place]..<starts[place + 1]
    return unsafe try body(EventView(trusted: UnsafeRawBufferPointer(rebasing: sink.bytes[range])))
  }

  /// Makes the frames of one run; those before are gone.
  ///
  /// Other runs are passed over. Complexity: O(values in front of the wanted events + bytes of these).
  /// - Parameters:
  ///   - events: those that are wanted, as places in the block; all of the run if nil.
  ///   - payloads: false leaves metadata and data of the frames empty, and does not tell whether they can be read. Only
  ///     where all events of the run are wanted.
  public func make(
    run wanted: Int, events: ClosedRange<Int>? = nil, of block: BlockData, kinds: SegmentKinds,
    dictionary: SegmentDictionary, payloads: Bool = true
  ) throws(BlockError) {
    precondition(payloads || events == nil, "only whole runs are read without payloads")
    unsafe try decode(block, dictionary) { decoder, all in
      for run in 0...wanted {
        unsafe try begin(run, block, all, &decoder)
        if run < wanted {
          for event in block.head.runs[run].events { try decoder.skip(typeNumber: typeNumber(event, block, kinds)) }
        } else {
          unsafe try make(run, events, block, all, kinds, &decoder, payloads)
        }
      }
    }
  }

  /// Makes the frames of all runs, one run after the other, and calls `body` behind each.
  public func makeAll(
    of block: BlockData, kinds: SegmentKinds, dictionary: SegmentDictionary, _ body: (Int) throws(BlockError) -> Void
  ) throws(BlockError) {
    unsafe try decode(block, dictionary) { decoder, all in
      for run in block.head.runs.indices {
        unsafe try begin(run, block, all, &decoder)
        unsafe try make(run, nil, block, all, kinds, &decoder, true)
        try body(run)
      }
    }
  }

  /// Makes the frames of those runs that have events of a stream, one run after the other, and calls `body` behind each.
  ///
  /// Of all others only the names of streams are made.
  public func make(
    runsOfStream stream: UnsafeRawBufferPointer, of block: BlockData, kinds: SegmentKinds,
    dictionary: SegmentDictionary, _ body: (Int) throws(BlockError) -> Void
  ) throws(BlockError) {
    unsafe try decode(block, dictionary) { decoder, all in
      for run in block.head.runs.indices {
        unsafe try begin(run, block, all, &decoder)
        try decoder.mark()
        guard unsafe try has(stream, run, block, all, kinds, &decoder) else { continue }
        try decoder.rewind()
        unsafe try make(run, nil, block, all, kinds, &decoder, true)
        // The columns stand behind the run again, as they do where it was not wanted.
        try body(run)
      }
    }
  }

  /// Lends a decoder of the block's bodies.
  private func decode(
    _ block: BlockData, _ dictionary: SegmentDictionary,
    _ body: (inout BodyDecoder, UnsafeRawBufferPointer) throws -> Void
  ) throws(BlockError) {
    starts.removeAll(keepingCapacity: true)
    sink.removeAll()
    unsafe try block.bytes.withUnsafeBufferPointer { (typed) throws(BlockError) in
      let all = UnsafeRawBufferPointer(typed)
      do {
        var decoder = unsafe try BodyDecoder(
          columns: UnsafeRawBufferPointer(rebasing: all[block.bodyColumnsStart...]),
          raw: UnsafeRawBufferPointer(rebasing: all[block.bodyRawStart..<block.rawBytes]), dictionary: dictionary,
          memory: bodies)
        unsafe try body(&decoder, all)
      } catch let error as BodyError {
        throw BlockError.badPayload(reason: error.description)
      } catch let error as BlockError {
        throw error
      } catch { throw BlockError.badPayload(reason: "the body is damaged") }
    }
  }

  private func begin(
    _ run: Int, _ block: BlockData, _ all: UnsafeRawBufferPointer, _ decoder: inout BodyDecoder
  ) throws {
    let kind = block.head.runs[run].traceKind
    unsafe try decoder.beginTrace(block.trace(run, all), isUUID: kind == .uuid || kind == .firstID)
  }

  /// Whether a run has events of a stream; reads all of it.
  private func has(
    _ stream: UnsafeRawBufferPointer, _ run: Int, _ block: BlockData, _ all: UnsafeRawBufferPointer,
    _ kinds: SegmentKinds, _ decoder: inout BodyDecoder
  ) throws -> Bool {
    sink.removeAll()
    sink.limit = block.head.frameBytes
    var isThere = false
    for event in block.head.runs[run].events {
      unsafe try withKind(of: event, block, kinds) { kind, typeNumber in
        let context = unsafe context(event, run, block, all, kinds, kind)
        let count = unsafe try decoder.decodeStreamAlone(typeNumber: typeNumber, context, into: &sink)
        let made = unsafe UnsafeRawBufferPointer(rebasing: sink.bytes[(sink.count - count)...])
        if unsafe count == stream.count && made.elementsEqual(stream) { isThere = true }
      }
    }
    return isThere
  }

  @inline(__always) private func typeNumber(_ event: Int, _ block: BlockData, _ kinds: SegmentKinds) -> UInt32 {
    let kind = block.head.kinds[event]
    return kind & BlockHead.localKindFlag != 0 ? SegmentKinds.otherType : kinds.typeNumbers[Int(kind)]
  }

  @inline(__always) private func withKind(
    of event: Int, _ block: BlockData, _ kinds: SegmentKinds, _ body: (FrameKind, UInt32) throws -> Void
  ) throws {
    let kind = block.head.kinds[event]
    if kind & BlockHead.localKindFlag != 0 {
      let local = block.head.localKinds[Int(kind & ~BlockHead.localKindFlag)]
      let names = local.names
      unsafe try names.withUnsafeBytes { names in unsafe try body(FrameKind(local, names), SegmentKinds.otherType) }
    } else {
      unsafe try kinds.names.withUnsafeBytes { names in
        unsafe try body(kinds.frameKind(Int(kind), names), kinds.typeNumbers[Int(kind)])
      }
    }
  }

  private func make(
    _ run: Int, _ wanted: ClosedRange<Int>?, _ block: BlockData, _ all: UnsafeRawBufferPointer, _ kinds: SegmentKinds,
    _ decoder: inout BodyDecoder, _ payloads: Bool
  ) throws {
    let events = block.head.runs[run].events
    let made = wanted.map { events.clamped(to: $0.lowerBound..<($0.upperBound + 1)) } ?? events
    sink.removeAll()
    sink.limit = block.head.frameBytes
    sink.reserve(min(block.head.frameBytes, made.count * (payloads ? 1024 : 256)))
    starts.removeAll(keepingCapacity: true)
    firstEvent = made.lowerBound
    streams.removeAll()
    for event in events.lowerBound..<made.lowerBound {
      unsafe try withKind(of: event, block, kinds) { kind, typeNumber in
        let context = unsafe context(event, run, block, all, kinds, kind)
        let stream = unsafe try decoder.follow(typeNumber: typeNumber, context, into: &sink)
        _ = unsafe revision(of: event, block, UnsafeRawBufferPointer(rebasing: sink.bytes[stream]))
      }
    }
    for event in made {
      starts.append(sink.count)
      unsafe try withKind(of: event, block, kinds) { kind, typeNumber in
        unsafe try make(event, run, block, all, kinds, kind, typeNumber, &decoder, payloads)
      }
    }
    starts.append(sink.count)
  }

  /// The revision of an event, which is a guess and what is wrong with it. Asked once for each event of a run, in order.
  @inline(__always) private func revision(
    of event: Int, _ block: BlockData, _ stream: UnsafeRawBufferPointer
  ) -> Int64 {
    let tag = unsafe StreamRevisions.tag(stream)
    let revision = unzigzag(block.revisions[event]) &+ streams.predicted(tag)
    streams.note(tag, revision)
    return revision
  }

  private func context(
    _ event: Int, _ run: Int, _ block: BlockData, _ all: UnsafeRawBufferPointer, _ table: SegmentKinds,
    _ kind: FrameKind
  ) -> BodyContext {
    var context = unsafe BodyContext()
    unsafe context.flags = kind.flags
    unsafe context.created = block.head.created[event]
    unsafe context.id = unsafe block.id(event, all, table)
    unsafe context.cause = unsafe block.cause(event, run, all, table)
    switch unsafe kind.form {
    case .absent: break
    case .trace: unsafe context.correlation = unsafe block.trace(run, all)
    case .foreign:
      unsafe context.correlation = unsafe BlockData.identifier(
        all, at: block.foreignCorrelations[event], isUUID: kind.flags.contains(.correlationIsUUID))
    }
    unsafe kind.fill(&context)
    return unsafe context
  }

  private func make(
    _ event: Int, _ run: Int, _ block: BlockData, _ all: UnsafeRawBufferPointer, _ table: SegmentKinds,
    _ kind: FrameKind, _ typeNumber: UInt32, _ decoder: inout BodyDecoder, _ payloads: Bool
  ) throws {
    let start = sink.count
    let room = unsafe EventFrame.headerBytes + 3 * 256 + kind.names.count
    guard sink.limit - sink.count >= EventFrame.headerBytes else { throw BlockError.badPayload(reason: "too long") }
    sink.reserve(room)
    let context = unsafe context(event, run, block, all, table, kind)
    appendHeader()
    unsafe sink.append(context.id)
    unsafe sink.append(context.correlation)
    unsafe sink.append(context.cause)
    let stream =
      payloads
      ? unsafe try decoder.decodeStream(typeNumber: typeNumber, context, into: &sink)
      : unsafe try decoder.decodeStreamAlone(typeNumber: typeNumber, context, into: &sink)
    let streamStart = sink.count - stream
    let revision = unsafe revision(of: event, block, UnsafeRawBufferPointer(rebasing: sink.bytes[streamStart...]))
    unsafe sink.append(kind.names)
    let metadata = payloads ? unsafe try decoder.decodeMetadata(typeNumber: typeNumber, context, into: &sink) : 0
    let data = payloads ? unsafe try decoder.decodeData(typeNumber: typeNumber, context, into: &sink) : 0
    guard sink.count <= sink.limit, stream <= EventFrame.nameBytesMax else {
      throw BlockError.badPayload(reason: "frames are longer than the head says")
    }
    unsafe fill(start, block, event, kind, context, stream, metadata, data, revision)
    guard unsafe (try? EventView(validating: UnsafeRawBufferPointer(rebasing: sink.bytes[start...]))) != nil else {
      throw BlockError.badPayload(reason: "an event is impossible")
    }
  }

  /// Room for the fixed part, filled when all lengths are known.
  private func appendHeader() {
    unsafe withUnsafeTemporaryAllocation(byteCount: EventFrame.headerBytes, alignment: 8) { room in
      unsafe room.initializeMemory(as: UInt8.self, repeating: 0)
      unsafe sink.append(UnsafeRawBufferPointer(room))
    }
  }

  /// The fixed part of the frame that begins at `start`.
  private func fill(
    _ start: Int, _ block: BlockData, _ event: Int, _ kind: FrameKind, _ context: borrowing BodyContext,
    _ stream: Int, _ metadata: Int, _ data: Int, _ revision: Int64
  ) {
    let length = sink.count - start
    sink.replace(at: start + EventFrame.Offset.frameLength, with: UInt32(length))
    unsafe sink.replace(at: start + EventFrame.Offset.flags, with: kind.word & 0xffff_3fff)
    sink.replace(at: start + EventFrame.Offset.ordinal, with: block.head.ordinals[event])
    unsafe sink.replace(at: start + EventFrame.Offset.sourceIndex, with: kind.source)
    let ids = unsafe UInt64(context.id.count) | UInt64(context.correlation.count) << 16
    sink.replace(
      at: start + EventFrame.Offset.idLength,
      with: unsafe ids | UInt64(context.cause.count) << 32 | UInt64(stream) << 48)
    unsafe sink.replace(at: start + EventFrame.Offset.typeLength, with: kind.lengths)
    sink.replace(at: start + EventFrame.Offset.metadataLength, with: UInt32(metadata))
    sink.replace(at: start + EventFrame.Offset.dataLength, with: UInt32(data))
    sink.replace(at: start + EventFrame.Offset.created, with: block.head.created[event])
    sink.replace(at: start + EventFrame.Offset.positionMajor, with: block.majors[event])
    sink.replace(at: start + EventFrame.Offset.positionMinor, with: block.minors.isEmpty ? 0 : block.minors[event])
    sink.replace(at: start + EventFrame.Offset.revision, with: revision)
    sink.replace(at: start + EventFrame.Offset.reserved, with: UInt64(0))
  }
}

/// What a frame takes from its kind.
///
/// `@unsafe`: `names` is valid as long as the table or the block that it came from.
@unsafe struct FrameKind {
  var word: UInt32
  var source: UInt32
  var lengths: UInt64
  var names: UnsafeRawBufferPointer

  init(word: UInt32, source: UInt32, lengths: UInt64, names: UnsafeRawBufferPointer) {
    unsafe self.word = word
    unsafe self.source = source
    unsafe self.lengths = lengths
    unsafe self.names = names
  }

  init(_ kind: EventKind, _ names: UnsafeRawBufferPointer) {
    unsafe self.init(word: kind.word, source: kind.sourceIndex, lengths: kind.lengths, names: names)
  }

  var flags: EventFrame.Flags { unsafe EventFrame.Flags(rawValue: UInt16(word & 0x3fff)) }
  var form: CorrelationForm { unsafe CorrelationForm(rawValue: UInt8(word >> 14 & 3)) ?? .absent }

  @inline(__always) func fill(_ context: inout BodyContext) {
    let type = unsafe Int(lengths & 0xffff)
    let service = unsafe Int(lengths >> 16 & 0xffff)
    let handler = unsafe Int(lengths >> 32 & 0xffff)
    let base = unsafe UnsafeRawBufferPointer(rebasing: names[type...])
    unsafe context.service = UnsafeRawBufferPointer(rebasing: base[..<service])
    unsafe context.handler = UnsafeRawBufferPointer(rebasing: base[service..<(service + handler)])
    unsafe context.schemaVersion = UnsafeRawBufferPointer(rebasing: base[(service + handler)...])
  }
}

extension SegmentKinds {
  @inline(__always) func frameKind(_ kind: Int, _ names: UnsafeRawBufferPointer) -> FrameKind {
    unsafe FrameKind(
      word: words[kind], source: sources[kind], lengths: lengths[kind],
      names: UnsafeRawBufferPointer(rebasing: names[Int(nameStarts[kind])..<Int(nameStarts[kind + 1])]))
  }
}
