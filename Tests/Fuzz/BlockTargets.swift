import Compression
import EventModel
import TestSupport

@testable import SegmentBlocks

let blockTargets: [FuzzTarget] = [
  FuzzTarget(name: "block-round-trip", bytesMax: 4096, seeds: roundTripSeeds, run: blockRoundTrip),
  FuzzTarget(name: "block-head", bytesMax: 2048, seeds: headSeeds, run: blockHead),
  FuzzTarget(name: "block-data", bytesMax: 8192, seeds: dataSeeds, run: blockData),
  FuzzTarget(name: "block-rows", bytesMax: 2048, seeds: rowSeeds, run: blockRows),
  FuzzTarget(name: "kinds", bytesMax: 512, seeds: { [Sample.all.followers, []] }, run: kinds),
  FuzzTarget(name: "dictionary", bytesMax: 2048, seeds: { Sample.all.dictionaryChunks }, run: dictionary),
]

// MARK: Frames in, frames out

/// Batches of frames, in one run or several, in one block or several.
@Sendable private func roundTripSeeds() -> [[UInt8]] {
  (0..<12).map { seed in
    var batch = EventBatch()
    for event in shortEvents(seed: UInt64(80 + seed), 6) { event.append(to: &batch) }
    return [UInt8(seed)] + batch.bytes
  }
}

/// Events of any content, in runs of any kind, come back frame by frame.
@Sendable private func blockRoundTrip(_ input: [UInt8]) {
  guard let first = input.first, let batch = try? EventBatch(validating: Array(input.dropFirst())), !batch.isEmpty
  else { return }
  let encoder = BlockEncoder(level: Int(first % 3) * 4 + 1)
  var frames: [[UInt8]] = []
  var rows: [(headRow: [UInt8], dataRow: [UInt8], head: BlockHead)] = []
  var place = 0
  while place < batch.count {
    let length = min(batch.count - place, 1 + Int(first >> 4))
    let trace = first & 8 == 0 ? batch.withEvent(at: place) { $0.correlation } : Identifier("t\(place)")
    encoder.beginRun(trace: first & 4 == 0 ? trace : nil, continues: first & 2 == 0)
    for index in place..<place + length {
      var numbered = EventBatch()
      batch.withEvent(at: index) { numbered.append($0, ordinal: Int64(index) * 3 + 1, sourceIndex: UInt32(index % 3)) }
      frames.append(numbered.bytes)
      let cause = index % 2 == 0 ? BlockEncoder.noCause : Int64(index - 1) * 3 + 1
      numbered.withEvent(at: 0) { encoder.add($0, causeOrdinal: cause) }
    }
    encoder.endRun(goesOn: first & 1 == 0)
    place += length
    if place == batch.count || first & 0x80 != 0 { rows.append(encoder.finish(number: rows.count + 1)) }
  }
  do {
    let kinds = try encoder.kinds.encodedFollowers().withUnsafeBytes {
      try SegmentKinds(kinds: encoder.kinds.kinds, followers: $0)
    }
    let dictionary = try SegmentDictionary(decoding: encoder.dictionary.encodedChunks())
    var found: [[UInt8]] = []
    for (index, row) in rows.enumerated() {
      let head = try row.headRow.withUnsafeBytes { try HeadDecoder().decode($0, number: index + 1, kinds: kinds) }
      demand("\(head)" == "\(row.head)", "a head is read as it was written")
      let data = try row.dataRow.withUnsafeBytes { try DataDecoder().decode($0, head: head, kinds: kinds) }
      let maker = FrameMaker()
      for run in head.runs.indices {
        try maker.make(run: run, of: data, kinds: kinds, dictionary: dictionary)
        for event in maker.events { found.append(maker.withEvent(at: event) { Array($0.bytes) }) }
      }
    }
    demand(found == frames, "frames come back")
  } catch { broken("what was encoded is decoded: \(error)") }
}

// MARK: Rows that no encoder wrote

/// Blocks of one segment, always the same.
private struct Sample: Sendable {
  var kinds: SegmentKinds
  var followers: [UInt8]
  var dictionary: SegmentDictionary
  var dictionaryChunks: [[UInt8]]
  var blocks: [(headRow: [UInt8], dataRow: [UInt8], head: BlockHead)]

  static let all: Sample = {
    let encoder = BlockEncoder(level: 1)
    var blocks: [(headRow: [UInt8], dataRow: [UInt8], head: BlockHead)] = []
    var ordinal: Int64 = 0
    for block in 0..<6 {
      var events = shortEvents(seed: UInt64(90 + block), 8)
      let correlations = events.map(\.correlation)
      for correlation in Set(correlations) {
        encoder.beginRun(trace: correlation, continues: false)
        for event in events where event.correlation == correlation {
          ordinal += 1
          var batch = EventBatch()
          event.append(to: &batch)
          var numbered = EventBatch()
          batch.withEvent(at: 0) { numbered.append($0, ordinal: ordinal, sourceIndex: 1) }
          numbered.withEvent(at: 0) { encoder.add($0, causeOrdinal: ordinal - 1) }
        }
        encoder.endRun(goesOn: false)
      }
      events = []
      blocks.append(encoder.finish(number: 1))
    }
    let followers = encoder.kinds.encodedFollowers()
    let chunks = encoder.dictionary.encodedChunks()
    guard
      let kinds = followers.withUnsafeBytes({ try? SegmentKinds(kinds: encoder.kinds.kinds, followers: $0) }),
      let dictionary = try? SegmentDictionary(decoding: chunks)
    else { broken("the sample is sound") }
    return Sample(
      kinds: kinds, followers: followers, dictionary: dictionary, dictionaryChunks: chunks, blocks: blocks)
  }()
}

private func varint(_ value: Int) -> [UInt8] {
  var bytes: [UInt8] = []
  var rest = value
  while rest >= 0x80 {
    bytes.append(UInt8(rest & 0x7f) | 0x80)
    rest >>= 7
  }
  return bytes + [UInt8(rest)]
}

private func little(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }

/// The raw part of a row, and its columns inflated: what an input holds, so that mutations reach what is behind
/// checksum and compression. A length in two bytes, the raw part, the columns.
private func unpacked(_ row: [UInt8], headerBytes: Int, rawLengthAt: Int) -> [UInt8] {
  let length = (0..<4).reduce(0) { $0 | Int(row[rawLengthAt + $1]) << (8 * $1) }
  let raw = rawPart(row, headerBytes)
  let columns = inflated(packedPart(row, headerBytes), length)
  demand(columns.count == length, "the sample can be taken apart")
  return [UInt8(raw.count & 0xff), UInt8(raw.count >> 8)] + raw + columns
}

/// Where the raw part of a row is, behind its length.
private func rawRange(_ row: [UInt8], _ headerBytes: Int) -> Range<Int> {
  var place = headerBytes
  var count = 0
  var shift = 0
  while true {
    count |= Int(row[place] & 0x7f) << shift
    shift += 7
    place += 1
    if row[place - 1] < 0x80 { return place..<place + count }
  }
}

private func rawPart(_ row: [UInt8], _ headerBytes: Int) -> [UInt8] { Array(row[rawRange(row, headerBytes)]) }

private func packedPart(_ row: [UInt8], _ headerBytes: Int) -> [UInt8] {
  Array(row[rawRange(row, headerBytes).upperBound...])
}

/// Data rows hold their columns in several streams; a row that does not is one stream.
private func inflated(_ packed: [UInt8], _ length: Int) -> [UInt8] {
  if let columns = try? Deflate.decompress(packed, outputBytes: length) { return columns }
  var room = [UInt8](repeating: 0, count: length)
  let isUnpacked = packed.withUnsafeBytes { packed in
    room.withUnsafeMutableBytes { (try? PackedColumns.unpack(packed, into: $0, DeflateDecompressor())) != nil }
  }
  return isUnpacked ? room : []
}

/// The data rows of the sample are in several streams.
private let dataHasStreams: Bool = {
  let row = Sample.all.blocks[0].dataRow
  let length = (0..<4).reduce(0) { $0 | Int(row[DataRow.Offset.rawLength + $1]) << (8 * $1) }
  return (try? Deflate.decompress(packedPart(row, DataRow.bytes), outputBytes: length)) == nil
}()

/// What every row begins with: the current version, so that the targets go along with the format.
private func rowStart(_ magic: UInt32) -> [UInt8] { little(Int(magic)) + [blockVersion, 0, 0, 0] }

/// The row around such an input, with lengths and checksum that are right.
private func headRow(_ input: [UInt8]) -> [UInt8] {
  let (columns, stored) = parts(input, inStreams: false)
  var row = rowStart(HeadRow.magic) + little(1) + little(columns.count) + little(stored.count)
  row += [0, 0, 0, 0] + stored
  fix(&row, HeadRow.bytes, HeadRow.Offset.checksum)
  return row
}

private func dataRow(_ input: [UInt8], eventCount: Int) -> [UInt8] {
  let (columns, stored) = parts(input, inStreams: dataHasStreams)
  var row = rowStart(DataRow.magic) + little(1) + little(eventCount) + little(columns.count)
  row += little(stored.count) + [0, 0, 0, 0] + stored
  fix(&row, DataRow.bytes, DataRow.Offset.checksum)
  return row
}

private func parts(_ input: [UInt8], inStreams: Bool) -> (columns: [UInt8], stored: [UInt8]) {
  var dice = Dice(input)
  let raw = dice.take(dice.word())
  let columns = dice.rest()
  guard inStreams else { return (columns, varint(raw.count) + raw + Deflate.compress(columns, level: 1)) }
  let packed = columns.withUnsafeBytes {
    PackedColumns.pack($0, ends: [columns.count], DeflateCompressor(level: 1))
  }
  return (columns, varint(raw.count) + raw + packed)
}

private func fix(_ row: inout [UInt8], _ headerBytes: Int, _ place: Int) {
  let checksum = row.withUnsafeBytes { rowChecksum($0, headerBytes: headerBytes, checksumAt: place) }
  row.replaceSubrange(place..<place + 4, with: little(Int(checksum)))
}

@Sendable private func headSeeds() -> [[UInt8]] {
  let seeds = Sample.all.blocks.map {
    unpacked($0.headRow, headerBytes: HeadRow.bytes, rawLengthAt: HeadRow.Offset.rawLength)
  }
  // Else the target would go on for ever in front of what it is to test, and find nothing.
  for seed in seeds { demand(decodedHead(seed) != nil, "a head that is put together again is a head") }
  return seeds
}

private func decodedHead(_ input: [UInt8]) -> BlockHead? {
  headRow(input).withUnsafeBytes { try? HeadDecoder().decode($0, number: 1, kinds: Sample.all.kinds) }
}

/// A head that is taken is within its limits, and every place in it is one.
@Sendable private func blockHead(_ input: [UInt8]) {
  let kinds = Sample.all.kinds
  guard let head = decodedHead(input) else { return }
  let count = head.eventCount
  demand(count <= BlockLimits.eventCountMax && head.memoryBytes < 64 << 20, "a head is bounded")
  demand(
    [head.parents.count, head.edges.count, head.created.count, head.ordinals.count].allSatisfy { $0 == count },
    "a value for each event")
  var next = 0
  for run in head.runs {
    demand(run.events.lowerBound == next && !run.events.isEmpty, "runs follow each other")
    next = run.events.upperBound
    for event in run.events where head.parents[event] >= 0 {
      demand(run.events.contains(Int(head.parents[event])), "a parent is in the run")
    }
  }
  demand(next == count, "runs cover all events")
  for event in 0..<count { _ = head.kind(event, kinds) }
}

@Sendable private func dataSeeds() -> [[UInt8]] {
  Sample.all.blocks.enumerated().map { index, block in
    let columns = unpacked(block.dataRow, headerBytes: DataRow.bytes, rawLengthAt: DataRow.Offset.rawLength)
    let row = dataRow(columns, eventCount: block.head.eventCount)
    let data = row.withUnsafeBytes { try? DataDecoder().decode($0, head: block.head, kinds: Sample.all.kinds) }
    demand(data != nil, "data that is put together again is data")
    return [UInt8(index)] + columns
  }
}

/// Whatever the data of a block is, frames that are made of it are valid and within what the head says.
@Sendable private func blockData(_ input: [UInt8]) {
  let sample = Sample.all
  var dice = Dice(input)
  let head = sample.blocks[Int(dice.byte()) % sample.blocks.count].head
  let row = dataRow(dice.rest(), eventCount: head.eventCount)
  guard let data = row.withUnsafeBytes({ try? DataDecoder().decode($0, head: head, kinds: sample.kinds) }) else {
    return
  }
  _ = data.events(withID: IdentifierKey(high: 1, low: 1), sample.kinds)
  _ = data.events(withForeignCause: IdentifierKey(high: 1, low: 1), sample.kinds)
  _ = row.withUnsafeBytes { try? RunTraces($0, head: head, kinds: sample.kinds) }
  readStreams(of: data, sample)
  let maker = FrameMaker()
  for run in head.runs.indices {
    _ = (data.trace(ofRun: run), data.traceKey(ofRun: run))
    guard let whole = makeRun(run, of: data, sample, maker, payloads: true) else {
      _ = makeRun(run, of: data, sample, maker, payloads: false)
      continue
    }
    demand(
      makeRun(run, of: data, sample, maker, payloads: false) == whole,
      "id, stream and revision are the same without payloads")
  }
}

/// Revision, stream and id of each event of a run; nil where it cannot be made.
private func makeRun(
  _ run: Int, of data: BlockData, _ sample: Sample, _ maker: FrameMaker, payloads: Bool
) -> [[UInt8]]? {
  let isMade: Void? = try? maker.make(
    run: run, of: data, kinds: sample.kinds, dictionary: sample.dictionary, payloads: payloads)
  if isMade == nil { return nil }
  var bytes = 0
  var found: [[UInt8]] = []
  for event in maker.events {
    maker.withEvent(at: event) { event in
      demand((try? EventView(validating: event.bytes)) != nil, "a frame that is shown is valid")
      touch(event)
      bytes += event.bytes.count
      found.append(Array("\(event.revision ?? -1) \(event.id) ".utf8) + Array(event.stream))
    }
  }
  demand(bytes <= data.head.frameBytes, "no more than the head says")
  return found
}

/// Reading one stream gives valid frames, and goes back and forth within the columns only.
private func readStreams(of data: BlockData, _ sample: Sample) {
  let maker = FrameMaker()
  var streams: Set<[UInt8]> = [Array("s1-1".utf8)]
  if (try? maker.make(run: 0, of: data, kinds: sample.kinds, dictionary: sample.dictionary)) != nil {
    for event in maker.events { maker.withEvent(at: event) { _ = streams.insert(Array($0.stream)) } }
  }
  for stream in streams.prefix(4) {
    stream.withUnsafeBytes { name in
      _ = try? maker.make(
        runsOfStream: name, of: data, kinds: sample.kinds, dictionary: sample.dictionary
      ) { _ in
        for event in maker.events { maker.withEvent(at: event) { touch($0) } }
      }
    }
  }
}

@Sendable private func rowSeeds() -> [[UInt8]] { Sample.all.blocks.prefix(2).flatMap { [$0.headRow, $0.dataRow] } }

/// Rows as they are, and with checksums that hold.
@Sendable private func blockRows(_ input: [UInt8]) {
  let sample = Sample.all
  var row = input
  for _ in 0..<2 {
    row.withUnsafeBytes { bytes in
      _ = try? BlockRow.checkHead(bytes)
      _ = try? BlockRow.checkData(bytes)
      _ = try? HeadDecoder().decode(bytes, number: 1, kinds: sample.kinds)
      _ = try? DataDecoder().decode(bytes, head: sample.blocks[0].head, kinds: sample.kinds)
    }
    guard input.count >= DataRow.bytes else { return }
    let isHead = input[3] & 1 == 0
    let header = isHead ? HeadRow.bytes : DataRow.bytes
    row.replaceSubrange(0..<8, with: rowStart(isHead ? HeadRow.magic : DataRow.magic))
    let length = isHead ? HeadRow.Offset.storedLength : DataRow.Offset.storedLength
    row.replaceSubrange(length..<length + 4, with: little(row.count - header))
    fix(&row, header, isHead ? HeadRow.Offset.checksum : DataRow.Offset.checksum)
  }
}

@Sendable private func kinds(_ input: [UInt8]) {
  let all = Sample.all.kinds.kinds
  for count in [0, 1, all.count] {
    let kinds = Array(all.prefix(count))
    let made = input.withUnsafeBytes { try? SegmentKinds(kinds: kinds, followers: $0) }
    if let made { demand(made.memoryBytes < 64 << 20, "bounded") }
  }
}

@Sendable private func dictionary(_ input: [UInt8]) {
  for chunks in [[input], [input, input]] {
    guard let made = try? SegmentDictionary(decoding: chunks) else { continue }
    demand(made.memoryBytes < 64 << 20, "bounded")
  }
}
