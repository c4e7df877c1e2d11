import EventModel
import SegmentBlocks
import TestSupport

/// Events through the body codec and back: runs of equal correlation, blocks of a few runs, types by number.
struct BodyHarness {
  struct Block {
    var columns: [UInt8] = []
    var raw: [UInt8] = []
    var runs: [Range<Int>] = []
  }

  let batch: EventBatch
  var types: [UInt32] = []
  var blocks: [Block] = []
  var chunks: [[UInt8]] = []

  /// - Parameter firstType: the number of the first type.
  init(
    _ batch: EventBatch, eventsPerBlock: Int = 40, limits: DictionaryLimits = DictionaryLimits(), firstType: UInt32 = 0
  ) {
    self.batch = batch
    var known: [[UInt8]: UInt32] = [:]
    var runs: [Range<Int>] = []
    var last: IdentifierKey?
    batch.forEach { index, event in
      let type = unsafe Array(event.type)
      let number = known[type] ?? UInt32(known.count)
      known[type] = number
      types.append(firstType &+ number)
      if last == event.correlationKey, let run = runs.last {
        runs[runs.count - 1] = run.lowerBound..<(index + 1)
      } else {
        runs.append(index..<(index + 1))
      }
      last = event.correlationKey
    }
    let builder = DictionaryBuilder(limits: limits)
    let encoder = BodyEncoder(builder)
    var block = Block()
    for run in runs {
      for index in run { encode(index, encoder, first: index == run.lowerBound) }
      block.runs.append(run)
      if run.upperBound - block.runs[0].lowerBound < eventsPerBlock { continue }
      encoder.finishBlock(columns: &block.columns, raw: &block.raw)
      blocks.append(block)
      block = Block()
    }
    encoder.finishBlock(columns: &block.columns, raw: &block.raw)
    if !block.runs.isEmpty { blocks.append(block) }
    chunks = builder.encodedChunks()
  }

  private func encode(_ index: Int, _ encoder: BodyEncoder, first: Bool) {
    batch.withEvent(at: index) { event in
      if first { unsafe encoder.beginTrace(event.correlationBytes, isUUID: event.flags.contains(.correlationIsUUID)) }
      encoder.append(event, typeNumber: types[index])
    }
  }

  var storedBytes: Int { blocks.reduce(0) { $0 + $1.columns.count + $1.raw.count } }

  /// Decodes all blocks, with the same memory, passing over those runs that `skip` says, and over so many events at the
  /// beginning of other runs as `follow` says.
  ///
  /// - Returns: the indexes of events that came out differently.
  func decode(
    skip: (Int) -> Bool = { _ in false }, follow: (Int) -> Int = { _ in 0 }
  ) throws(BodyError) -> [Int] {
    let dictionary = try SegmentDictionary(decoding: chunks)
    let memory = BodyMemory()
    var wrong: [Int] = []
    for block in blocks { wrong += try decode(block, dictionary, skip, follow, memory) }
    return wrong
  }

  func decode(
    _ block: Block, _ dictionary: SegmentDictionary, _ skip: (Int) -> Bool, _ follow: (Int) -> Int = { _ in 0 },
    _ memory: BodyMemory = BodyMemory(), limit: Int = .max
  ) throws(BodyError) -> [Int] {
    unsafe try block.columns.withUnsafeBufferPointer { (columns) throws(BodyError) in
      unsafe try block.raw.withUnsafeBufferPointer { (raw) throws(BodyError) in
        var decoder = unsafe try BodyDecoder(
          columns: UnsafeRawBufferPointer(columns), raw: UnsafeRawBufferPointer(raw), dictionary: dictionary,
          memory: memory)
        var sink = ByteSink(capacity: 64, limit: limit)
        var wrong: [Int] = []
        for (number, run) in block.runs.enumerated() {
          sink.removeAll()
          let isSkipped = skip(number)
          let firstDecoded = run.lowerBound + follow(number)
          for index in run {
            let passing: Passing = isSkipped ? .skip : index < firstDecoded ? .follow : .nothing
            let isRight = try batch.withEvent(at: index) { (event) throws(BodyError) in
              try decode(event, types[index], &decoder, &sink, first: index == run.lowerBound, passing)
            }
            if !isRight { wrong.append(index) }
          }
        }
        return wrong
      }
    }
  }

  /// How an event is passed over.
  private enum Passing { case nothing, skip, follow }

  private func decode(
    _ event: EventView, _ type: UInt32, _ decoder: inout BodyDecoder, _ sink: inout ByteSink, first: Bool,
    _ passing: Passing
  ) throws(BodyError) -> Bool {
    if first { unsafe try decoder.beginTrace(event.correlationBytes, isUUID: event.flags.contains(.correlationIsUUID)) }
    if passing == .skip {
      try decoder.skip(typeNumber: type)
      return true
    }
    var context = unsafe BodyContext()
    unsafe context.flags = event.flags
    unsafe context.created = event.created.nanoseconds
    unsafe context.id = unsafe event.idBytes
    unsafe context.correlation = unsafe event.correlationBytes
    unsafe context.cause = unsafe event.causeBytes
    unsafe context.service = unsafe event.service
    unsafe context.handler = unsafe event.handler
    unsafe context.schemaVersion = unsafe event.schemaVersion
    if passing == .follow {
      let place = unsafe try decoder.follow(typeNumber: type, context, into: &sink)
      return unsafe sink.bytes[place].elementsEqual(event.stream)
    }
    let start = sink.count
    let stream = unsafe try decoder.decodeStream(typeNumber: type, context, into: &sink)
    let metadata = unsafe try decoder.decodeMetadata(typeNumber: type, context, into: &sink)
    let data = unsafe try decoder.decodeData(typeNumber: type, context, into: &sink)
    let given = unsafe Array(event.stream) + Array(event.metadata) + Array(event.data)
    return unsafe stream == event.stream.count && metadata == event.metadata.count && data == event.data.count
      && Array(sink.bytes[start...]) == given
  }
}
