import Compression
import EventModel
import EventSource
import Glibc
import SegmentBlocks

/// Bytes and CPU of the body codec alone, on the events of one file of JSON lines, grouped by trace: `codec FILE`.
struct CodecBenchmark {
  struct Block {
    var columns: [UInt8] = []
    var raw: [UInt8] = []
    var packed: [UInt8] = []
    /// Where its runs end in the order of the events.
    var runEnds: [Int] = []
  }

  var frames: [UInt8] = []
  /// Where each frame is, in the order of traces.
  var places: [Range<Int>] = []
  var types: [UInt32] = []
  var runEnds: [Int] = []
  var blocks: [Block] = []
  let blockBytes: Int

  static func run(_ arguments: [String]) throws {
    var benchmark = CodecBenchmark(blockBytes: (arguments.dropFirst().first.flatMap { Int($0) } ?? 128) << 10)
    try benchmark.load(arguments[0])
    let count = Double(benchmark.places.count)
    func perEvent(_ seconds: Double) -> Double { (seconds / count * 1e9).rounded() / 1000 }
    var builder = DictionaryBuilder()
    var encode = Double.infinity
    for _ in 0..<3 {
      builder = DictionaryBuilder()
      encode = min(encode, cpuSeconds { benchmark.encode(builder) })
    }
    var chunks: [[UInt8]] = []
    let finish = cpuSeconds { chunks = builder.encodedChunks() }
    let columns = benchmark.blocks.reduce(0) { $0 + $1.columns.count }
    let raw = benchmark.blocks.reduce(0) { $0 + $1.raw.count }
    print("\(Int(count)) events, \(benchmark.blocks.count) blocks of \(blockText(benchmark.blockBytes))")
    print("encode \(perEvent(encode)) us/event, dictionaries \(perEvent(finish)) us/event")
    let stored = chunks.reduce(0) { $0 + $1.count }
    print(
      "bytes/event: columns \(Double(columns) / count), raw \(Double(raw) / count), dictionaries \(Double(stored) / count)"
    )
    for (name, size) in benchmark.sections() {
      print("  \(name): \(Double(size) / count) bytes/event compressed alone")
    }
    for level in [1, 3, 4, 5, 6, 7, 9] {
      let compressor = DeflateCompressor(level: level)
      let seconds = cpuSeconds { benchmark.pack(compressor) }
      let packed = benchmark.blocks.reduce(0) { $0 + $1.packed.count }
      print(
        "libdeflate \(level): \(Double(packed) / count) bytes/event, in all \(Double(packed + raw + stored) / count),",
        "\(perEvent(seconds)) us/event")
    }
    let compressor = DeflateCompressor(level: 6)
    benchmark.pack(compressor)
    let decompressor = DeflateDecompressor()
    let inflate = try cpuSecondsOf {
      for block in benchmark.blocks {
        var room = [UInt8](repeating: 0, count: block.columns.count)
        try block.packed.withUnsafeBytes { packed in
          try room.withUnsafeMutableBytes { try PackedColumns.unpack(packed, into: $0, decompressor) }
        }
        precondition(room == block.columns)
      }
    }
    let dictionary = try SegmentDictionary(decoding: chunks)
    let load = try cpuSecondsOf { _ = try SegmentDictionary(decoding: chunks) }
    var wrong = 0
    let decode = try cpuSecondsOf { wrong = try benchmark.decode(dictionary, comparing: true) }
    let skip = try cpuSecondsOf { _ = try benchmark.skipAll(dictionary) }
    print("inflate \(perEvent(inflate)) us/event, decode and compare \(perEvent(decode)), skip \(perEvent(skip))")
    print("dictionary: \(dictionary.memoryBytes) bytes in memory, loaded in \(load * 1000) ms; \(wrong) events differ")
    precondition(wrong == 0)
  }

  static func blockText(_ bytes: Int) -> String { "\(bytes >> 10) KiB" }

  static func cpuSeconds(_ body: () -> Void) -> Double {
    var from = timespec()
    var to = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from)
    body()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to)
    return Double(to.tv_sec - from.tv_sec) + Double(to.tv_nsec - from.tv_nsec) * 1e-9
  }

  static func cpuSecondsOf(_ body: () throws -> Void) throws -> Double {
    var failure: (any Error)?
    let seconds = cpuSeconds { do { try body() } catch { failure = error } }
    if let failure { throw failure }
    return seconds
  }

  init(blockBytes: Int) { self.blockBytes = blockBytes }

  /// Reads all events and orders them by the first event of their trace.
  mutating func load(_ path: String) throws {
    let reader = try EventFileReader(path: path)
    var traceOf: [IdentifierKey: Int] = [:]
    var typeOf: [IdentifierKey: UInt32] = [:]
    var members: [[Int]] = []
    var starts: [Range<Int>] = []
    var typeNumbers: [UInt32] = []
    while let batch = try reader.next() {
      batch.events.forEach { _, event in
        let start = frames.count
        frames.append(contentsOf: event.bytes)
        let key = event.correlationKey.isZero ? event.idKey : event.correlationKey
        let trace = traceOf[key] ?? members.count
        if trace == members.count {
          members.append([])
          traceOf[key] = trace
        }
        members[trace].append(starts.count)
        starts.append(start..<frames.count)
        let type = IdentifierKey.hashing(event.type)
        let number = typeOf[type] ?? UInt32(typeOf.count)
        typeOf[type] = number
        typeNumbers.append(number)
      }
    }
    for trace in members {
      for event in trace {
        places.append(starts[event])
        types.append(typeNumbers[event])
      }
      runEnds.append(places.count)
    }
    // Traces one behind the other in memory too: the order of a hot file is another figure.
    var ordered: [UInt8] = []
    ordered.reserveCapacity(frames.count)
    for index in places.indices {
      let start = ordered.count
      ordered += frames[places[index]]
      places[index] = start..<ordered.count
    }
    frames = ordered
  }

  mutating func encode(_ builder: DictionaryBuilder) {
    let encoder = BodyEncoder(builder)
    blocks = []
    var block = Block()
    var bytes = 0
    var first = 0
    frames.withUnsafeBytes { all in
      for end in runEnds {
        for index in first..<end {
          guard let event = try? EventView(validating: UnsafeRawBufferPointer(rebasing: all[places[index]])) else {
            continue
          }
          if index == first {
            encoder.beginTrace(event.correlationBytes, isUUID: event.flags.contains(.correlationIsUUID))
          }
          encoder.append(event, typeNumber: types[index])
          bytes += places[index].count
        }
        first = end
        block.runEnds.append(end)
        if bytes >= blockBytes || end == places.count {
          encoder.finishBlock(columns: &block.columns, raw: &block.raw)
          blocks.append(block)
          block = Block()
          bytes = 0
        }
      }
    }
  }

  mutating func pack(_ compressor: DeflateCompressor) {
    for index in blocks.indices {
      // One stream, as it is written.
      blocks[index].packed = blocks[index].columns.withUnsafeBytes {
        PackedColumns.pack($0, ends: [$0.count], compressor)
      }
    }
  }

  /// The parts of all blocks' columns, each compressed by itself.
  func sections() -> [(String, Int)] {
    let names = ["head", "metadata shapes", "data shapes", "wholes", "kinds", "numbers", "texts", "words"]
    var sums = [Int](repeating: 0, count: names.count)
    let compressor = DeflateCompressor(level: 6)
    for block in blocks {
      var position = 0
      func varint() -> Int {
        var value = 0
        var shift = 0
        while true {
          let byte = block.columns[position]
          position += 1
          value |= Int(byte & 127) << shift
          if byte < 128 { return value }
          shift += 7
        }
      }
      var lengths = [0, varint(), varint(), varint(), 0, 0, varint(), varint()]
      _ = varint()
      for part in 4..<6 {
        let count = varint()
        for _ in 0..<count { _ = varint() }
        for _ in 0..<count { lengths[part] += varint() }
      }
      lengths[0] = position
      var start = 0
      for (index, length) in lengths.enumerated() {
        sums[index] += block.columns[start..<(start + length)].withUnsafeBytes { compressor.compress($0).count }
        start += length
      }
    }
    return Array(zip(names, sums))
  }

  /// - Returns: how many events came out differently.
  func decode(_ dictionary: SegmentDictionary, comparing: Bool) throws -> Int {
    var wrong = 0
    var sink = ByteSink(capacity: 1 << 20)
    var first = 0
    try frames.withUnsafeBytes { all in
      for block in blocks {
        try block.columns.withUnsafeBytes { columns in
          try block.raw.withUnsafeBytes { raw in
            var decoder = try BodyDecoder(columns: columns, raw: raw, dictionary: dictionary)
            for end in block.runEnds {
              sink.removeAll()
              for index in first..<end {
                let event = try EventView(validating: UnsafeRawBufferPointer(rebasing: all[places[index]]))
                if index == first {
                  try decoder.beginTrace(event.correlationBytes, isUUID: event.flags.contains(.correlationIsUUID))
                }
                wrong += try decodeOne(&decoder, event, types[index], &sink) ? 0 : 1
              }
              first = end
            }
          }
        }
      }
    }
    return wrong
  }

  func decodeOne(
    _ decoder: inout BodyDecoder, _ event: EventView, _ type: UInt32, _ sink: inout ByteSink
  ) throws -> Bool {
    var context = BodyContext()
    context.flags = event.flags
    context.created = event.created.nanoseconds
    context.id = event.idBytes
    context.correlation = event.correlationBytes
    context.cause = event.causeBytes
    context.service = event.service
    context.handler = event.handler
    context.schemaVersion = event.schemaVersion
    let start = sink.count
    let stream = try decoder.decodeStream(typeNumber: type, context, into: &sink)
    let metadata = try decoder.decodeMetadata(typeNumber: type, context, into: &sink)
    let data = try decoder.decodeData(typeNumber: type, context, into: &sink)
    guard stream == event.stream.count, metadata == event.metadata.count, data == event.data.count else { return false }
    func same(_ from: Int, _ part: UnsafeRawBufferPointer) -> Bool {
      part.isEmpty || memcmp(sink.bytes.baseAddress! + from, part.baseAddress!, part.count) == 0
    }
    return same(start, event.stream) && same(start + stream, event.metadata)
      && same(start + stream + metadata, event.data)
  }

  func skipAll(_ dictionary: SegmentDictionary) throws -> Int {
    var first = 0
    for block in blocks {
      try block.columns.withUnsafeBytes { columns in
        try block.raw.withUnsafeBytes { raw in
          var decoder = try BodyDecoder(columns: columns, raw: raw, dictionary: dictionary)
          for end in block.runEnds {
            for index in first..<end { try decoder.skip(typeNumber: types[index]) }
            first = end
          }
        }
      }
    }
    return first
  }
}
