import Glibc
import Platform

/// Makes the standard workload: events of a shop with 12 services and 264 event types, some 3,100 traces at a time, in
/// the order of their times.
///
/// Ids are random and most values are drawn anew, so that no codec finds more than real payloads would give it.
struct ShopWorkload {
  /// Events a second of the shop's own time.
  private static let rate = 2_000.0
  /// 2026-11-23T06:00:00Z in units of 100 ns.
  private static let start = 17_954_136_000_000_000

  private struct Planned {
    var time: Int
    var sequence: Int
    var trace: Int
    var type: Int
    var cause: RandomUUID?
  }

  private let schema = ShopSchema()
  private let values: ShopValues
  private var streams: ShopStreams
  private let userRanks = Zipf(ShopSchema.userCount, exponent: 0.7)
  private let successorRanks = ShopSchema.successorShares
  private var random: Random
  private var traces: [ShopTrace] = []
  private var free: [Int] = []
  private var heap: [Planned] = []
  private var sequence = 0
  private var nextTrace = 0.0

  init(seed: UInt64) {
    values = ShopValues(schema)
    streams = ShopStreams(schema)
    random = Random(seed: seed)
  }

  /// Writes `count` events as JSON lines, and as frames for the baseline (`-`: none).
  mutating func write(_ count: Int, lines: String, frames: String) throws(FileError) {
    let lineFile = try FileDescriptor.create(lines)
    let frameFile = try frames == "-" ? nil : FileDescriptor.create(frames)
    var text = TextBuffer()
    var binary = TextBuffer()
    var position = 0
    for _ in 0..<count {
      while heap.isEmpty || heap[0].time > Self.start + Int(nextTrace * 1e7) { beginTrace() }
      let event = pop()
      position = emit(event, position, &text, &binary)
      try text.flush(to: lineFile, atLeast: 1 << 20)
      if let frameFile {
        try binary.flush(to: frameFile, atLeast: 1 << 20)
      } else {
        binary.bytes.removeAll(keepingCapacity: true)
      }
    }
    try text.flush(to: lineFile, atLeast: 1)
    if let frameFile { try binary.flush(to: frameFile, atLeast: 1) }
    lineFile.close()
    frameFile?.close()
  }

  // MARK: What happens when

  private mutating func beginTrace() {
    let correlation = random.uuid()
    let size = min(max(Int(random.logNormal(log(9), 0.95)), 3), 200)
    let hasDashes = !random.chance(0.15)
    let trace = ShopTrace(
      correlation: correlation, hasDashes: hasDashes, rootCause: random.chance(0.7) ? correlation : random.uuid(),
      user: userRanks.draw(&random), left: size - 1, currency: random.below(5),
      cents: Int(random.logNormal(3.5, 1.2) * 100) + 1,
      articles: (0..<(1 + random.below(4))).map { _ in streams.article(&random) },
      streams: Array(repeating: nil, count: schema.categories.count))
    let number = free.popLast() ?? traces.count
    if number == traces.count { traces.append(trace) } else { traces[number] = trace }
    let type = random.below(40) * 6 % schema.types.count
    push(Planned(time: Self.start + Int(nextTrace * 1e7), sequence: 0, trace: number, type: type, cause: nil))
    nextTrace += random.exponential() * 15 / Self.rate
  }

  /// What a handler does about an event: nothing, or up to five events, some of them in one go.
  private mutating func react(to event: Planned, id: RandomUUID) {
    let number = event.trace
    traces[number].pending -= 1
    if traces[number].left > 0 {
      let chance = random.fraction()
      var effects = chance < 0.35 ? 0 : chance < 0.7 ? 1 : chance < 0.9 ? 2 : chance < 0.97 ? 3 : 5
      if traces[number].pending == 0 { effects = max(effects, 1) }
      effects = min(effects, traces[number].left)
      var time = 0
      var type = 0
      for effect in 0..<effects {
        if effect > 0 && random.chance(0.5) {
          // Another event of the same handler, right behind.
          time += 1 + random.below(200)
          let first = type / ShopSchema.typesPerCategory * ShopSchema.typesPerCategory
          type = first + (type - first + 1) % ShopSchema.typesPerCategory
        } else {
          var delay = random.logNormal(log(0.08), 1.5)
          if random.chance(0.08) { delay += random.fraction() * 60 }
          time = event.time + Int(delay * 1e7) + 1
          let share = random.fraction()
          type = schema.types[event.type].successors[successorRanks.firstIndex { share < $0 } ?? 0]
        }
        traces[number].left -= 1
        traces[number].pending += 1
        push(Planned(time: time, sequence: 0, trace: number, type: type, cause: id))
      }
    }
    if traces[number].left == 0 && traces[number].pending == 0 { free.append(number) }
  }

  // MARK: The queue of planned events: a binary heap by time

  private static func isBefore(_ a: Planned, _ b: Planned) -> Bool {
    a.time < b.time || a.time == b.time && a.sequence < b.sequence
  }

  private mutating func push(_ planned: Planned) {
    var planned = planned
    planned.sequence = sequence
    sequence += 1
    heap.append(planned)
    var place = heap.count - 1
    while place > 0 && Self.isBefore(planned, heap[(place - 1) / 2]) {
      heap[place] = heap[(place - 1) / 2]
      place = (place - 1) / 2
    }
    heap[place] = planned
  }

  private mutating func pop() -> Planned {
    let first = heap[0]
    let moved = heap.removeLast()
    if heap.isEmpty { return first }
    var place = 0
    while true {
      var child = 2 * place + 1
      if child >= heap.count { break }
      if child + 1 < heap.count && Self.isBefore(heap[child + 1], heap[child]) { child += 1 }
      if !Self.isBefore(heap[child], moved) { break }
      heap[place] = heap[child]
      place = child
    }
    heap[place] = moved
    return first
  }

  // MARK: Writing one event

  private var metadata = TextBuffer()
  private var data = TextBuffer()
  private var stream = TextBuffer()
  private var correlation = TextBuffer()
  private var cause = TextBuffer()

  /// Returns the position of the next event in the log that the workload stands for.
  private mutating func emit(
    _ event: Planned, _ position: Int, _ text: inout TextBuffer, _ binary: inout TextBuffer
  ) -> Int {
    let id = random.uuid()
    let type = schema.types[event.type]
    var trace = traces[event.trace]
    let used = streams.stream(of: &trace, type.category, &random)
    let revision = streams.nextRevision(used)
    for part in [\Self.metadata, \.data, \.stream, \.correlation, \.cause] {
      self[keyPath: part].bytes.removeAll(keepingCapacity: true)
    }
    stream.put(schema.categories[type.category].name)
    stream.put(byte: 0x2d)
    stream.put(used.id)
    correlation.put(trace.correlation, dashes: trace.hasDashes)
    if event.cause == nil && trace.rootCause == trace.correlation {
      cause.put(trace.rootCause, dashes: trace.hasDashes)
    } else {
      cause.put(event.cause ?? trace.rootCause)
    }
    putMetadata(type, trace.user)
    values.put(type, at: event.time, &trace, &streams, &random, into: &data)
    traces[event.trace] = trace
    putLine(id, type.name, revision, event.time, &text)
    putFrame(id, type.name, revision, event.time, position, &binary)
    react(to: event, id: id)
    let size = stream.bytes.count + type.name.count + metadata.bytes.count + data.bytes.count + 120
    return position + size + (random.chance(0.05) ? 64 + random.below(2_000) : 0)
  }

  private mutating func putMetadata(_ type: ShopSchema.EventType, _ user: Int) {
    metadata.put("{\"$correlationId\":\"")
    metadata.put(correlation.bytes)
    metadata.put("\",\"$causationId\":\"")
    metadata.put(cause.bytes)
    metadata.put("\",\"service\":\"")
    metadata.put(ShopSchema.services[type.category % ShopSchema.services.count])
    metadata.put("\",\"handler\":\"")
    metadata.put(type.handlers[random.chance(0.2) ? 1 : 0])
    metadata.put("\",\"user\":\"usr_")
    metadata.put(hex: Random.scramble(UInt64(user + 17)) & 0xffff_ffff, digits: 8)
    metadata.put("\",\"ms\":")
    metadata.put(Int(random.logNormal(2.2, 1) * 10), decimals: 1)
    if random.chance(0.015) {
      metadata.put(",\"error\":\"")
      metadata.put(Self.errors[random.below(Self.errors.count)])
      metadata.put(ShopSchema.services[random.below(ShopSchema.services.count)])
      metadata.put(", code ")
      metadata.put(random.below(3_000))
      metadata.put(byte: 0x22)
    }
    metadata.put(byte: 0x7d)
  }

  private static let errors: [StaticString] = [
    "Timeout: no answer in time from ", "Conflict: somebody else wrote first to ", "Invalid: refused by ",
    "Unavailable: no connection to ", "Declined: not enough funds says ", "Deadlock: given up after retries in ",
  ]

  private func putLine(_ id: RandomUUID, _ type: [UInt8], _ revision: Int, _ time: Int, _ text: inout TextBuffer) {
    text.put("{\"id\":\"")
    text.put(id)
    text.put("\",\"stream\":\"")
    text.put(stream.bytes)
    text.put("\",\"revision\":")
    text.put(revision)
    text.put(",\"type\":\"")
    text.put(type)
    text.put("\",\"created\":\"")
    text.put(time: time, decimals: 7)
    text.put("\",\"data\":")
    text.put(data.bytes)
    text.put(",\"metadata\":")
    text.put(metadata.bytes)
    text.put("}\n")
  }

  /// Little-endian: u32 length of what follows, u64 position, i64 time, u32 revision, six u16 lengths (stream, type,
  /// correlation, cause, metadata, data), the id's 16 bytes, then the six texts.
  private func putFrame(
    _ id: RandomUUID, _ type: [UInt8], _ revision: Int, _ time: Int, _ position: Int, _ binary: inout TextBuffer
  ) {
    let texts = [stream.bytes, type, correlation.bytes, cause.bytes, metadata.bytes, data.bytes]
    binary.put(binary: UInt32(48 + texts.reduce(0) { $0 + $1.count }))
    binary.put(binary: UInt64(position))
    binary.put(binary: Int64(time))
    binary.put(binary: UInt32(revision))
    for text in texts { binary.put(binary: UInt16(text.count)) }
    binary.put(binary: id.high.byteSwapped)
    binary.put(binary: id.low.byteSwapped)
    for text in texts { binary.put(text) }
  }
}
