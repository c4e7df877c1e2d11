import EventModel
import Platform
import SegmentBlocks
import TestSupport
import Testing
import TraceStore

@testable import SegmentStore

/// What is read of a block without making all its events: streams, identifiers of traces, single events.
@Suite struct SegmentFileScanTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("segment") }

  func open(_ plan: SegmentPlan) throws -> SegmentReader {
    try plan.write(to: directory.file("a.db"))
    return try SegmentReader.open(path: directory.file("a.db"), cache: BlockCache(bytesMax: 8 << 20))
  }

  /// Streams are named by ids that payloads before them, of the same trace or of others, hold in all forms, so that their
  /// names are references to what has to be passed over.
  private func entangled(seed: UInt64) -> SegmentPlan {
    var random = SeededRandom(seed: seed)
    var plan = SegmentPlan()
    let known = (0..<40).map { _ in SegmentPlan.uuid(&random) }
    for trace in 0..<60 {
      let name = trace % 5 == 0 ? "trace/\(trace)" : SegmentPlan.uuid(&random)
      var own: [String] = [name]
      for number in 0..<(1 + trace % 17) {
        var event = TestEvent(
          number == 0 && trace % 7 == 1 ? name : SegmentPlan.uuid(&random), at: Int64(trace * 100 + number))
        event.correlation = name
        event.type = "Type\(number % 5)"
        let fresh = SegmentPlan.uuid(&random)
        own.append(fresh)
        let used = own.randomElement(using: &random) ?? name
        let prefixes = ["order-", "", "Käse-", "a-\(number)-"]
        event.stream = prefixes[number % 4] + (random.oneIn(3) ? known[trace % 40] : random.oneIn(2) ? fresh : used)
        event.data =
          "{\"id\":\"\(fresh)\",\"other\":\"\(known[number % 40])\",\"form\":\"\(used.uppercased())\",\"n\":\(number),"
          + "\"text\":\"\(String(repeating: "x", count: number * 7))\",\"again\":\"\(used)\"}"
        event.metadata = random.oneIn(2) ? nil : "{\"order\":\"order-\(fresh)\",\"hex\":\"0a\(number % 10)bcdef\"}"
        plan.add(event, trace: name)
      }
    }
    plan.fillExtras(&random)
    return plan
  }

  @Test(arguments: 1...8) func `events of a stream are those that reading all events finds, with every byte`(
    seed: Int
  ) throws {
    let plan = entangled(seed: UInt64(seed))
    let reader = try open(plan)
    for stream in Set(plan.events.map(\.event.stream)) {
      let found = try collect { (body) throws(StoreError) in
        try reader.forEachEvent(inStream: Array(stream.utf8), body)
      }
      let expected = plan.events.filter { $0.event.stream == stream }
      #expect(found.map(\.ordinal).sorted() == expected.map(\.ordinal))
      for event in found { #expect(event.frame == plan.frame(Int(event.ordinal) - 1)) }
    }
  }

  @Test(arguments: 1...4) func `an event by id is whole, whatever stands behind it`(seed: Int) throws {
    let plan = entangled(seed: UInt64(20 + seed))
    let reader = try open(plan)
    for planned in plan.events {
      let id = try #require(Identifier(planned.event.id))
      let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }
      #expect(found.map(\.frame) == [plan.frame(Int(planned.ordinal) - 1)])
    }
  }

  @Test func `traces of a block are told without inflating its data`() throws {
    var kinds: Set<String> = []
    for plan in [entangled(seed: 40), SegmentPlan.random(seed: 41, eventCount: 1_500, payloadBytes: 300)] {
      let reader = try open(plan)
      for zone in reader.blocks {
        let traces = try reader.traces(ofBlock: zone.number, try reader.head(of: zone.number))
        for (place, run) in try reader.readBlock(zone.number).runs.enumerated() {
          switch traces[place] {
          case .none: #expect(run.trace == nil)
          case .text: #expect(run.trace?.isUUID == false)
          case .uuid(let key): #expect(run.trace == Identifier(uuid: key))
          }
          kinds.insert(String("\(traces[place])".prefix(4)))
        }
      }
    }
    #expect(kinds == ["none", "text", "uuid"])
  }

  /// Two small traces, one of some 40 blocks, and two small ones; and the name of a trace that is in none of them, but
  /// looks to the index like the one of many blocks.
  private func withLongTrace() throws -> (SegmentPlan, long: String, alike: Identifier) {
    var random = SeededRandom(seed: 77)
    var plan = SegmentPlan()
    let names = (0..<5).map { _ in SegmentPlan.uuid(&random) }
    for (number, name) in names.enumerated() {
      for place in 0..<(number == 2 ? 8_000 : 3) {
        var event = TestEvent(SegmentPlan.uuid(&random), at: Int64(plan.events.count))
        event.correlation = name
        event.data = "{\"place\":\(place),\"text\":\"\(String(repeating: "y", count: 700))\"}"
        plan.add(event, trace: name)
      }
    }
    plan.fillExtras(&random)
    let reader = try open(plan)
    let key = try #require(Identifier(names[2])).key
    func place(_ key: IdentifierKey) -> IndexPlace {
      IndexPlace(hash: indexHash(.correlation, key), chunkCount: reader.indexChunkCount)
    }
    let wanted = place(key)
    while true {
      let other = Identifier(uuid: IdentifierKey(high: random.next() | 1, low: random.next()))
      let found = place(other.key)
      if found.chunk == wanted.chunk, found.place == wanted.place { return (plan, names[2], other) }
    }
  }

  @Test func `a trace that looks like one of many blocks costs none of the blocks that this one has for itself`() throws
  {
    let (plan, long, alike) = try withLongTrace()
    let reader = try open(plan)
    let name = try #require(Identifier(long))
    let all = try reader.candidates(.correlation, alike.key)
    #expect(all.count > 30)
    let read = try reader.candidates(ofTrace: { $0 == alike }, alike.key)
    #expect(read == [try #require(all.first), try #require(all.last)])
    #expect(try reader.candidates(ofTrace: { $0 == name }, name.key) == all)
    for number in all.dropFirst().dropLast() { #expect(reader.onlyTrace(ofBlock: number)?.correlation == name) }
    for number in [all[0], all[all.count - 1], all[0] - 1, all[all.count - 1] + 1] {
      #expect(reader.onlyTrace(ofBlock: number) == nil)
    }
    // Who asks is spared them: the filter, which would say no before that, is not asked here.
    _ = try reader.resources.tools()
    func readBytes(_ body: () throws -> Void) rethrows -> Int {
      let before = SegmentReader.bytesRead.value
      try body()
      return SegmentReader.bytesRead.value - before
    }
    var outline = TraceOutline()
    let conditions = HeadConditions(filter: TracePrefilter(TraceQuery())) { _ in [] }
    let spared = try readBytes { try reader.outline(alike, conditions, into: &outline) }
    let whole = try readBytes {
      for number in all { _ = try reader.traces(ofBlock: number, try reader.head(of: number, withOrdinals: false)) }
    }
    #expect(outline.eventCount == 0 && spared > 0 && spared * 8 < whole)
    for (trace, places) in plan.groups {
      let identifier = try #require(trace.flatMap { Identifier($0) })
      let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: identifier, body) }
      #expect(found.map(\.frame) == places.map { plan.frame($0) })
    }
  }

  /// Many traces in one stream, which is in every block; one of them has a name, an event id and a cause of its own.
  private func withStreamEverywhere(_ names: [String]) -> SegmentPlan {
    var random = SeededRandom(seed: 78)
    var plan = SegmentPlan()
    for number in 0..<600 {
      let name = number == 300 ? names[0] : SegmentPlan.uuid(&random)
      for place in 0..<10 {
        var event = TestEvent(SegmentPlan.uuid(&random), stream: "everywhere", at: Int64(plan.events.count))
        if number == 300 && place == 5 { event.id = names[1] }
        event.correlation = name
        event.cause = number == 300 && place == 7 ? names[2] : nil
        event.data = "{\"text\":\"\(String(repeating: "y", count: 700))\"}"
        plan.add(event, trace: name)
      }
    }
    plan.fillExtras(&random)
    return plan
  }

  @Test func `what looks like a stream of many blocks costs none of these`() throws {
    var random = SeededRandom(seed: 79)
    let draft = try open(withStreamEverywhere((0..<3).map { _ in SegmentPlan.uuid(&random) }))
    let stream = unsafe Array("everywhere".utf8).withUnsafeBytes { unsafe IdentifierKey.hashing($0) }
    func place(_ kind: IndexKind, _ key: IdentifierKey) -> IndexPlace {
      IndexPlace(hash: indexHash(kind, key), chunkCount: draft.indexChunkCount)
    }
    let wanted = place(.stream, stream)
    let alike = [IndexKind.correlation, .eventID, .outsideCause].map { kind in
      while true {
        let key = IdentifierKey(high: random.next() | 1, low: random.next())
        let found = place(kind, key)
        if found.chunk == wanted.chunk, found.place == wanted.place { return Identifier(uuid: key) }
      }
    }
    let plan = withStreamEverywhere(alike.map(\.description))
    func look(
      _ kind: IndexKind, _ identifier: Identifier, expecting places: [Int], _ find: (SegmentReader) throws -> [[UInt8]]
    ) throws {
      let reader = try open(plan)
      try #require(reader.indexChunkCount == draft.indexChunkCount)
      let all = try reader.candidates(kind, identifier.key)
      #expect(all.count > 30)
      #expect(try find(reader) == places.map { plan.frame($0) })
      #expect(all.filter { reader.cachedBlock($0) != nil }.count <= 2)
    }
    let group = try #require(plan.groups.first { $0.0 == alike[0].description }).1
    try look(.correlation, alike[0], expecting: group) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: alike[0], body) }.map(\.frame)
    }
    let reader = try open(plan)
    var outline = TraceOutline()
    try reader.outline(alike[0], HeadConditions(filter: TracePrefilter(TraceQuery())) { _ in [] }, into: &outline)
    #expect(outline.eventCount == group.count)
    try look(.eventID, alike[1], expecting: [group[5]]) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: alike[1], body) }.map(\.frame)
    }
    // Who knows the key only is spared them, too: no identifier of these blocks is a text.
    try look(.correlation, alike[0], expecting: group) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTraceKey: alike[0].key, body) }.map(\.frame)
    }
    try look(.eventID, alike[1], expecting: [group[5]]) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(withIDKey: alike[1].key, body) }.map(\.frame)
    }
    try look(.outsideCause, alike[2], expecting: [group[7]]) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(causedByOutsideKey: alike[2].key, body) }.map(
        \.frame)
    }
    try look(.outsideCause, alike[2], expecting: [group[7]]) { reader in
      try collect { (body) throws(StoreError) in try reader.forEachEvent(causedByOutside: alike[2], body) }.map(\.frame)
    }
  }

  @Test(arguments: 1...6) func `no block is passed over that has what is looked for`(seed: Int) throws {
    let plan =
      seed <= 3
      ? entangled(seed: UInt64(60 + seed))
      : SegmentPlan.random(seed: UInt64(60 + seed), eventCount: 1_500, payloadBytes: 300)
    let reader = try open(plan)
    var forms: Set<Bool> = []
    for zone in reader.blocks {
      let block = try reader.readBlock(zone.number)
      var wanted: [(IndexKind, Identifier)] = block.runs.compactMap { run in run.trace.map { (.correlation, $0) } }
      _ = try reader.walkAll(block) { (event, _) throws(StoreError) in
        wanted.append((.eventID, event.id))
        if let cause = event.cause { wanted.append((.outsideCause, cause)) }
        return .proceed
      }
      forms.formUnion(wanted.map(\.1.isUUID))
      let many = Array(repeating: zone.number, count: 9)
      for (kind, identifier) in wanted {
        for known in [identifier, nil] {
          let deserves = try reader.deserves(kind, identifier.key, known, block: zone.number, of: many)
          #expect(deserves, "\(kind) \(identifier) in block \(zone.number)")
        }
      }
    }
    #expect(seed <= 3 || reader.blocks.count > 3 && forms == [false, true])
    #expect(forms.contains(true))
  }
}
