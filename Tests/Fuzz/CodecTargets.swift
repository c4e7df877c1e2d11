import EventModel
import SegmentBlocks
import TestSupport

let codecTargets: [FuzzTarget] = [
  FuzzTarget(name: "body-round-trip", bytesMax: 4096, seeds: bodyPlanSeeds, run: bodyRoundTrip),
  FuzzTarget(name: "body-decoder", bytesMax: 4096, seeds: bodyByteSeeds, run: bodyDecoder),
]

/// Events that an input describes: any bytes as stream, metadata and data, in blocks and runs.
private struct BodyPlan {
  struct Run {
    var trace: [UInt8]
    var isUUID: Bool
    var events: [Range<Int>] = []
  }

  var batch = EventBatch()
  var types: [UInt32] = []
  /// Runs by block; `events` are ranges of one event each, in `batch`.
  var blocks: [[Run]] = [[]]

  init(_ input: [UInt8]) {
    var dice = Dice(input)
    begin(dice.byte())
    while !dice.isEmpty && batch.count < 64 {
      let control = dice.byte()
      if control & 0xc0 == 0xc0 { blocks.append([]) }
      if control & 0x80 != 0 || blocks[blocks.count - 1].isEmpty { begin(dice.byte()) }
      add(control, &dice)
    }
  }

  private mutating func begin(_ number: UInt8) {
    let isUUID = number & 1 == 0
    let trace: [UInt8] = number == 0xff ? [] : isUUID ? [UInt8](repeating: number, count: 16) : [0x74, number]
    blocks[blocks.count - 1].append(Run(trace: trace, isUUID: isUUID && number != 0xff))
  }

  private mutating func add(_ control: UInt8, _ dice: inout Dice) {
    let created = Int64(dice.word()) * 1_000_000
    let stream = dice.take(Int(dice.byte()))
    let metadata = dice.take(dice.word())
    let data = dice.take(dice.word())
    let id = [UInt8](repeating: control, count: 16)
    let last = blocks[blocks.count - 1].count - 1
    let run = blocks[blocks.count - 1][last]
    var draft = EventDraft()
    let all = id + run.trace + stream + metadata + data
    all.withUnsafeBytes { bytes in
      var offset = 0
      func part(_ count: Int) -> UnsafeRawBufferPointer {
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
      }
      draft.flags = run.isUUID ? [.idIsUUID, .correlationIsUUID] : .idIsUUID
      draft.flags.formUnion([.hasData, .hasMetadata])
      draft.created = Timestamp(nanoseconds: 1_767_225_600_000_000_000 + created)
      draft.id = part(16)
      draft.correlation = part(run.trace.count)
      draft.stream = part(stream.count)
      draft.metadata = part(metadata.count)
      draft.data = part(data.count)
      let type: [UInt8] = [0x54]
      type.withUnsafeBytes {
        draft.type = $0
        batch.append(draft)
      }
    }
    blocks[blocks.count - 1][last].events.append(batch.count - 1..<batch.count)
    types.append(UInt32(control & 7))
  }

  func context(_ index: Int, _ body: (borrowing BodyContext) throws -> Void) rethrows {
    try batch.withEvent(at: index) { event in
      var context = BodyContext()
      context.flags = event.flags
      context.created = event.created.nanoseconds
      context.id = event.idBytes
      context.correlation = event.correlationBytes
      context.cause = event.causeBytes
      context.service = event.service
      context.handler = event.handler
      context.schemaVersion = event.schemaVersion
      try body(context)
    }
  }

  /// Columns and raw part of each block, and the dictionary behind them.
  func encoded() -> (blocks: [(columns: [UInt8], raw: [UInt8])], dictionary: [[UInt8]]) {
    let dictionary = DictionaryBuilder()
    let encoder = BodyEncoder(dictionary)
    let parts = blocks.map { runs in
      for run in runs {
        run.trace.withUnsafeBytes { encoder.beginTrace($0, isUUID: run.isUUID) }
        for index in run.events.joined() {
          batch.withEvent(at: index) { encoder.append($0, typeNumber: types[index]) }
        }
      }
      var columns: [UInt8] = []
      var raw: [UInt8] = []
      encoder.finishBlock(columns: &columns, raw: &raw)
      return (columns, raw)
    }
    return (parts, dictionary.encodedChunks())
  }
}

/// The input that describes these events to `BodyPlan`.
private func plan(_ events: [HostileEvent]) -> [UInt8] {
  var input: [UInt8] = [2]
  for (index, event) in events.enumerated() {
    let control = UInt8(index % 8) | (index % 5 == 4 ? 0x80 : 0) | (index % 13 == 12 ? 0xc0 : 0)
    input.append(control)
    if control & 0x80 != 0 { input.append(UInt8(index % 16)) }
    func put(word: Int) { input += [UInt8(truncatingIfNeeded: word), UInt8(truncatingIfNeeded: word >> 8)] }
    put(word: index * 7)
    let stream = Array(event.stream.utf8.prefix(200))
    input.append(UInt8(stream.count))
    input += stream
    let metadata = event.metadata?.bytes ?? []
    put(word: metadata.count)
    input += metadata
    let data = event.data?.bytes ?? []
    put(word: data.count)
    input += data
  }
  return input
}

@Sendable private func bodyPlanSeeds() -> [[UInt8]] {
  (0..<10).map { plan(Array(shortEvents(seed: UInt64(50 + $0), 12))) } + [[0], plan([])]
    + payloadSeeds().filter { $0.count < 1000 }.map { payload in
      let word = { (count: Int) in [UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)] }
      let event = [UInt8(1), 0, 0, 1, 0x73] + word(2) + [0x7b, 0x7d] + word(payload.count) + payload
      return [2] + event + event + event
    }
}

/// Any bytes as stream, metadata and data come out as they went in, whichever runs of a block are read.
@Sendable private func bodyRoundTrip(_ input: [UInt8]) {
  let plan = BodyPlan(input)
  let encoded = plan.encoded()
  do {
    let dictionary = try SegmentDictionary(decoding: encoded.dictionary)
    for (runs, block) in zip(plan.blocks, encoded.blocks) {
      for skipped in [0, 1, 2] {
        try block.columns.withUnsafeBytes { columns in
          try block.raw.withUnsafeBytes { raw in
            var decoder = try BodyDecoder(columns: columns, raw: raw, dictionary: dictionary)
            try read(plan, runs, &decoder, skipping: skipped)
          }
        }
      }
    }
  } catch { broken("what was encoded is decoded: \(error)") }
}

/// - Parameter skipping: 0 none; 1 the runs of odd numbers, 2 those of even numbers, and of the others the first half is
///   passed over.
private func read(
  _ plan: BodyPlan, _ runs: [BodyPlan.Run], _ decoder: inout BodyDecoder, skipping: Int
) throws {
  for (number, run) in runs.enumerated() {
    var sink = ByteSink()
    try run.trace.withUnsafeBytes { try decoder.beginTrace($0, isUUID: run.isUUID) }
    let events = Array(run.events.joined())
    for (place, index) in events.enumerated() {
      if skipping > 0 && number % 2 == 2 - skipping {
        try decoder.skip(typeNumber: plan.types[index])
        continue
      }
      try plan.context(index) { context in
        if skipping > 0 && place < events.count / 2 {
          _ = try decoder.follow(typeNumber: plan.types[index], context, into: &sink)
          return
        }
        let start = sink.count
        let stream = try decoder.decodeStream(typeNumber: plan.types[index], context, into: &sink)
        let metadata = try decoder.decodeMetadata(typeNumber: plan.types[index], context, into: &sink)
        let data = try decoder.decodeData(typeNumber: plan.types[index], context, into: &sink)
        let found = Array(sink.bytes[start...])
        plan.batch.withEvent(at: index) { event in
          demand(found == Array(event.stream) + Array(event.metadata) + Array(event.data), "the body comes back")
          demand(
            stream == event.stream.count && metadata == event.metadata.count && data == event.data.count, "lengths")
        }
      }
    }
  }
}

// MARK: Bytes that no encoder wrote

/// Two lengths, then columns, raw part and dictionary.
@Sendable private func bodyByteSeeds() -> [[UInt8]] {
  (0..<6).flatMap { seed -> [[UInt8]] in
    let encoded = BodyPlan(plan(Array(shortEvents(seed: UInt64(70 + seed), 10)))).encoded()
    let word = { (count: Int) in [UInt8(truncatingIfNeeded: count), UInt8(truncatingIfNeeded: count >> 8)] }
    return encoded.blocks.map { block in
      word(block.columns.count) + word(block.raw.count) + block.columns + block.raw
        + (encoded.dictionary.first ?? [])
    }
  }
}

@Sendable private func bodyDecoder(_ input: [UInt8]) {
  var dice = Dice(input)
  let columnCount = dice.word()
  let rawCount = dice.word()
  let columns = dice.take(columnCount)
  let raw = dice.take(rawCount)
  let chunk = dice.rest()
  var dictionaries = [try? SegmentDictionary(decoding: [])]
  if !chunk.isEmpty { dictionaries.append(try? SegmentDictionary(decoding: [chunk])) }
  for dictionary in dictionaries.compactMap(\.self) {
    demand(dictionary.memoryBytes < 64 << 20, "a dictionary is bounded")
    for skipping in [false, true] {
      columns.withUnsafeBytes { columns in
        raw.withUnsafeBytes { try? decode(columns, $0, dictionary, skipping) }
      }
    }
  }
}

private func decode(
  _ columns: UnsafeRawBufferPointer, _ raw: UnsafeRawBufferPointer, _ dictionary: SegmentDictionary, _ skipping: Bool
) throws {
  var decoder = try BodyDecoder(columns: columns, raw: raw, dictionary: dictionary)
  let id = [UInt8](1...16)
  try id.withUnsafeBytes { id in
    for run in 0..<4 {
      var sink = ByteSink(limit: 1 << 20)
      try decoder.beginTrace(id, isUUID: true)
      var context = BodyContext()
      context.flags = [.idIsUUID, .correlationIsUUID]
      context.created = 1_767_225_600_000_000_000
      context.id = id
      context.correlation = id
      for event in 0..<16 {
        let type = UInt32(event % 8)
        if skipping && run % 2 == 0 {
          try decoder.skip(typeNumber: type)
          continue
        }
        if skipping && event < 8 {
          _ = try decoder.follow(typeNumber: type, context, into: &sink)
          continue
        }
        _ = try decoder.decodeStream(typeNumber: type, context, into: &sink)
        _ = try decoder.decodeMetadata(typeNumber: type, context, into: &sink)
        _ = try decoder.decodeData(typeNumber: type, context, into: &sink)
        demand(sink.count <= 1 << 20, "the limit of the output holds")
      }
    }
  }
}
