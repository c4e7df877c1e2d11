import EventModel
import Glibc
import Platform
import TestSupport
import Testing
import TraceStore

@testable import SegmentStore

@Suite struct SegmentFileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("segment") }

  func open(_ plan: SegmentPlan, name: String = "a.db") throws -> SegmentReader {
    try plan.write(to: directory.file(name))
    return try SegmentReader.open(path: directory.file(name), cache: BlockCache(bytesMax: 8 << 20))
  }

  @Test func `a segment gives back every trace with every byte`() throws {
    let plan = SegmentPlan.random(seed: 1, eventCount: 3_000, payloadBytes: 400)
    let reader = try open(plan)
    #expect(reader.blocks.count > 3)
    #expect(reader.descriptor.eventCount + reader.descriptor.reportCount == 3_000)
    #expect(reader.descriptor.reportCount == plan.events.count { $0.event.eventClass == .report })
    #expect(reader.descriptor.traceCount == plan.groups.count { $0.trace != nil })
    #expect((reader.descriptor.firstOrdinal, reader.descriptor.lastOrdinal) == (1, 3_000))
    for (trace, places) in plan.groups {
      guard let trace, let identifier = Identifier(trace) else { continue }
      let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: identifier, body) }
      #expect(found.map(\.frame) == places.map { plan.frame($0) })
      #expect(found.allSatisfy { $0.trace == identifier })
    }
  }

  /// Streams that are named by what stood in the payload of an earlier event: who passes over payloads has to know it.
  private func plannedCarts() -> SegmentPlan {
    var random = SeededRandom(seed: 11)
    var plan = SegmentPlan()
    var last: [String] = (0..<40).map { _ in SegmentPlan.uuid(&random) }
    for number in 0..<2_000 {
      let place = number % 40
      var event = TestEvent(SegmentPlan.uuid(&random), trace: "trace-\(place)", at: Int64(number))
      event.stream = random.oneIn(3) ? last[place] : "cart-\(last[place])"
      event.type = "Type\(number % 5)"
      event.metadata = "{\"request\":\"\(SegmentPlan.uuid(&random))\",\"cart\":\"\(last[place])\"}"
      if random.oneIn(2) { last[place] = SegmentPlan.uuid(&random) }
      event.data = "{\"cart\":\"\(last[place])\",\"at\":\"\(event.created)\",\"note\":\"\(number) of many\"}"
      plan.add(event, trace: "trace-\(place)")
    }
    return plan
  }

  @Test func `without payloads everything else of a trace is the same`() throws {
    func record(_ frame: [UInt8], _ names: inout NameTable) throws -> TraceRecord {
      try unsafe frame.withUnsafeBytes { try unsafe TraceRecord(EventView(validating: $0), source: 0, names: &names) }
    }
    func payloadBytes(_ frame: [UInt8]) -> [Int] {
      unsafe frame.withUnsafeBytes {
        let event = unsafe EventView(trusted: $0)
        return unsafe [event.data.count, event.metadata.count]
      }
    }
    let plans = [SegmentPlan.random(seed: 1, eventCount: 3_000, payloadBytes: 400), plannedCarts()]
    for (number, plan) in plans.enumerated() {
      let reader = try open(plan, name: "\(number).db")
      for (trace, places) in plan.groups {
        guard let trace, let identifier = Identifier(trace) else { continue }
        let found = try collect { (body) throws(StoreError) in
          try reader.forEachEvent(ofTrace: identifier, payloads: false, body)
        }
        try #require(found.count == places.count && found.allSatisfy { $0.trace == identifier })
        var names = NameTable()
        for (event, place) in zip(found, places) {
          try #require(try record(event.frame, &names) == record(plan.frame(place), &names))
          try #require(payloadBytes(event.frame) == [0, 0])
        }
      }
    }
    #expect(plans[1].events.indices.allSatisfy { payloadBytes(plans[1].frame($0)).min() ?? 0 > 40 })
  }

  @Test func `every event is found by its id, in its trace`() throws {
    let plan = SegmentPlan.random(seed: 2, eventCount: 800, payloadBytes: 700)
    let reader = try open(plan)
    for planned in plan.events {
      let id = try #require(Identifier(planned.event.id))
      let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }
      #expect(found.map(\.ordinal) == [planned.ordinal])
      #expect(found.first?.trace == planned.trace.flatMap { Identifier($0) })
    }
  }

  @Test func `a stream is found whole, and behind an ordinal`() throws {
    let plan = SegmentPlan.random(seed: 3, eventCount: 1_000, payloadBytes: 600)
    let reader = try open(plan)
    for stream in Set(plan.events.map(\.event.stream)) {
      let all = try collect { (body) throws(StoreError) in
        try reader.forEachEvent(inStream: Array(stream.utf8), body)
      }
      #expect(all.map(\.ordinal).sorted() == plan.ordinals { $0.event.stream == stream })
      let later = try collect { (body) throws(StoreError) in
        try reader.forEachEvent(inStream: Array(stream.utf8), after: 500, body)
      }
      #expect(later.map(\.ordinal).sorted() == plan.ordinals { $0.event.stream == stream && $0.ordinal > 500 })
    }
  }

  @Test func `causes outside their trace are found, whether stored or not`() throws {
    let plan = SegmentPlan.random(seed: 4, eventCount: 2_000, payloadBytes: 300)
    let reader = try open(plan)
    var idsOfTrace: [String: Set<String>] = [:]
    for planned in plan.events {
      if let trace = planned.trace { idsOfTrace[trace, default: []].insert(planned.event.id) }
    }
    var expected: [String: [Int64]] = [:]
    for planned in plan.events {
      guard let cause = planned.event.cause else { continue }
      if let trace = planned.trace, idsOfTrace[trace]?.contains(cause) == true { continue }
      expected[cause, default: []].append(planned.ordinal)
    }
    #expect(expected.count > 100)
    for (cause, ordinals) in expected {
      let id = try #require(Identifier(cause))
      let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(causedByOutside: id, body) }
      #expect(Set(ordinals).isSubset(of: found.map(\.ordinal)))
      #expect(found.allSatisfy { plan.events[Int($0.ordinal) - 1].event.cause == cause })
    }
  }

  @Test func `what is not stored is not found, and the filters say so mostly`() throws {
    let plan = SegmentPlan.random(seed: 5, eventCount: 1_000)
    let reader = try open(plan)
    var random = SeededRandom(seed: 99)
    var perhaps = 0
    for _ in 0..<2_000 {
      let id = try #require(Identifier(SegmentPlan.uuid(&random)))
      if reader.mayContain(eventID: id.key) { perhaps += 1 }
      #expect(try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }.isEmpty)
      #expect(try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: id, body) }.isEmpty)
    }
    #expect(perhaps < 100)
  }

  @Test func `a text identifier is not mistaken for the UUID that has its hash as bits`() throws {
    var plan = SegmentPlan()
    let text = try #require(Identifier("some text"))
    plan.add(TestEvent("some text", trace: "t"), trace: "t")
    let reader = try open(plan)
    let twin = Identifier(uuid: text.key)
    #expect(reader.mayContain(eventID: twin.key))
    #expect(try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: twin, body) }.isEmpty)
  }

  @Test func `a trace of more than a block spans blocks and stays one`() throws {
    var plan = SegmentPlan()
    let payload = String(repeating: "x", count: 20_000)
    for number in 0..<100 {
      plan.add(
        TestEvent("big-\(number)", trace: "long", at: Int64(1000 - number), data: payload + "\(number)"),
        trace: "long")
      plan.add(TestEvent("small-\(number)", trace: "s\(number)", at: Int64(number)), trace: "s\(number)")
    }
    let reader = try open(plan)
    #expect(reader.blocks.count >= 4)
    let found = try collect { (body) throws(StoreError) in
      try reader.forEachEvent(ofTrace: Identifier("long")!, body)
    }
    #expect(found.map(\.ordinal) == plan.ordinals { $0.trace == "long" })
    var traces: [SegmentTrace] = []
    for zone in reader.blocks { traces += try reader.tracesOfBlock(zone.number) }
    #expect(traces.count == 101)
    let long = try #require(traces.first { $0.correlation == Identifier("long") })
    #expect(long.eventCount == 100 && long.lastBlock > long.firstBlock)
    #expect(long.firstCreated == TestEvent.epoch.advanced(byNanoseconds: 901_000_000))
    #expect(long.lastCreated == TestEvent.epoch.advanced(byNanoseconds: 1_000_000_000))
    #expect(reader.blocks[long.firstBlock - 1].firstTraceCreated <= long.firstCreated)
  }

  @Test func `an event larger than a block is kept`() throws {
    var plan = SegmentPlan()
    var random = SeededRandom(seed: 6)
    let chunk = String(decoding: random.bytes(1 << 16).map { 0x20 + $0 % 64 }, as: UTF8.self)
    let large = String(repeating: chunk, count: 17 << 4)
    plan.add(TestEvent("before", trace: "t"), trace: "t")
    plan.add(TestEvent("large", trace: "t", data: large), trace: "t")
    plan.add(TestEvent("after", trace: "t"), trace: "t")
    let reader = try open(plan)
    let found = try collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: Identifier("t")!, body) }
    #expect(found.map(\.ordinal) == [1, 2, 3])
    // Not `==`, which is slow for so many bytes in a debug build.
    #expect(unsafe memcmp(found[1].frame, plan.frame(1), found[1].frame.count) == 0)
  }

  @Test func `zone maps bound what the blocks hold`() throws {
    let plan = SegmentPlan.random(seed: 7, eventCount: 2_500, payloadBytes: 400)
    let reader = try open(plan)
    var traceCount = 0
    for zone in reader.blocks {
      let events = try collect { (body) throws(StoreError) in try reader.forEachEvent(ofBlock: zone.number, body) }
      #expect(events.count == zone.eventCount)
      #expect(events.map(\.ordinal).min() == zone.firstOrdinal && events.map(\.ordinal).max() == zone.lastOrdinal)
      let traces = try reader.tracesOfBlock(zone.number)
      traceCount += traces.count
      #expect(traces.count == zone.traceCount)
      #expect(traces.map(\.firstCreated).min() ?? .distantFuture == zone.firstTraceCreated)
      #expect(traces.map(\.firstCreated).max() ?? .distantPast == zone.lastTraceCreated)
    }
    #expect(traceCount == reader.descriptor.traceCount)
  }

  @Test func `everything beside the events comes back as it was given`() throws {
    let plan = SegmentPlan.random(seed: 8, eventCount: 12_000, payloadBytes: 10)
    let reader = try open(plan)
    let extras = try reader.extras()
    #expect(extras.labels.map(\.labels).starts(with: plan.extras.labels.map(\.labels)))
    #expect(extras.sources.map(\.name) == plan.extras.sources.map(\.name))
    #expect(extras.edges.map(\.bound) == plan.extras.edges.map(\.bound))
    #expect(Set(extras.edges) == Set(plan.extras.edges))
    #expect(Set(extras.failures) == Set(plan.extras.failures))
    #expect(extras.unresolved == plan.extras.unresolved)
    #expect(extras.healed == plan.extras.healed)
    #expect(extras.uncorrelated == plan.extras.uncorrelated)
    #expect((extras.firstStored, extras.lastStored) == (plan.extras.firstStored, plan.extras.lastStored))
    let since = TestEvent.epoch.advanced(byNanoseconds: 30_000_000_000)
    let until = TestEvent.epoch.advanced(byNanoseconds: 60_000_000_000)
    let range = TimeRange(since: since, until: until)
    var edges: [SegmentEdge] = []
    try reader.forEachEdge(in: range) { edges.append($0) }
    #expect(Set(edges) == Set(plan.extras.edges.filter { range.contains($0.childCreated) }))
    #expect(reader.chunkBounds["edges"]?.count == 2)
    try reader.forEachEdge(in: TimeRange(since: until, until: since)) { _ in Issue.record("an empty range") }
  }

  @Test(arguments: [Int64(0), 1, 434, 799, 800])
  func `the cursor gives every event by ordinal`(after: Int64) throws {
    let plan = SegmentPlan.random(seed: 9, eventCount: 800, payloadBytes: 1_500)
    let reader = try open(plan)
    let cursor = try SegmentOrdinalCursor(
      reader, after: after, temporaryDirectory: directory.path, partBytes: 100_000)
    var place = Int(after)
    while true {
      let count = try cursor.next(limit: 300) { (event, trace) in
        unsafe #expect(Array(event.bytes) == plan.frame(place))
        #expect(trace == plan.events[place].trace.flatMap { Identifier($0) })
        place += 1
      }
      if count == 0 { break }
    }
    #expect(place == 800)
    #expect(try Files.list(directory.path) == ["a.db"])
  }

  @Test func `many threads read at once, through a cache that holds a few blocks`() throws {
    let plan = SegmentPlan.random(seed: 10, eventCount: 1_000, payloadBytes: 1_500)
    try plan.write(to: directory.file("a.db"))
    let cache = BlockCache(bytesMax: 1_300_000)
    let reader = try SegmentReader.open(path: directory.file("a.db"), cache: cache)
    let failures = Locked(0)
    let events = plan.events
    let threads = (0..<8).map { number in
      WorkerThread(name: "reader-\(number)") {
        for planned in events where planned.ordinal % 8 == number || planned.ordinal % 5 == 0 {
          guard let id = Identifier(planned.event.id) else { continue }
          let found = try? collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }
          if found?.map(\.ordinal) != [planned.ordinal] { failures.withLock { $0 += 1 } }
        }
      }
    }
    for thread in threads { thread.join() }
    #expect(failures.withLock { $0 } == 0)
    #expect(cache.counters.bytes <= 1_300_000 && cache.counters.hits > 0 && cache.counters.misses > 0)
  }

  @Test func `the stock shell shows the tables with plain names`() throws {
    let plan = SegmentPlan.random(seed: 11, eventCount: 200)
    try plan.write(to: directory.file("a.db"))
    let connection = try Connection(directory.file("a.db"), .immutable)
    #expect(try connection.text("PRAGMA integrity_check") == "ok")
    #expect(try connection.integer("SELECT value FROM meta WHERE name='last_ordinal'") == 200)
    #expect(try connection.integer("SELECT count(*) FROM kinds") ?? 0 > 7)
    #expect(try connection.text("SELECT handler FROM labels WHERE label=2") == "h2")
  }

  @Test func `a missing file, another file and a newer format are told apart`() throws {
    let cache = BlockCache(bytesMax: 1 << 20)
    func code(_ name: String) -> StoreError.Code? {
      do {
        _ = try SegmentReader.open(path: directory.file(name), cache: cache)
        return nil
      } catch { return error.code }
    }
    #expect(code("missing.db") == .notFound)
    try directory.write("text.db", String(repeating: "no segment\n", count: 1_000))
    #expect(code("text.db") == .corrupted)
    try directory.write("empty.db", "")
    #expect(code("empty.db") == .corrupted)
    try SegmentPlan.random(seed: 12, eventCount: 20).write(to: directory.file("new.db"))
    let connection = try Connection(directory.file("new.db"), .readWrite)
    try connection.execute("PRAGMA user_version=\(4 << 16 | 4)")
    connection.close()
    #expect(code("new.db") == .unsupportedFormat)
  }

  @Test func `a segment of a development build is refused, and the reason says what to do`() throws {
    try SegmentPlan.random(seed: 12, eventCount: 20).write(to: directory.file("old.db"))
    let connection = try Connection(directory.file("old.db"), .readWrite)
    try connection.execute("PRAGMA user_version=\(2 << 16 | 2)")
    connection.close()
    do {
      _ = try SegmentReader.open(path: directory.file("old.db"), cache: BlockCache(bytesMax: 1 << 20))
      Issue.record("it was opened")
    } catch {
      #expect(error.code == .unsupportedFormat)
      #expect(error.message.contains("development builds") && error.hint.contains("import its events again"))
    }
  }

  @Test func `a segment of a newer program that old readers may read is read, and what it adds is ignored`() throws {
    let plan = SegmentPlan.random(seed: 13, eventCount: 50)
    try plan.write(to: directory.file("newer.db"))
    let connection = try Connection(directory.file("newer.db"), .readWrite)
    try connection.execute("CREATE TABLE more(id INTEGER PRIMARY KEY, value TEXT)")
    try connection.execute("INSERT INTO manifest VALUES(\(SegmentTable.counted(3).count + 1), 'more', 0, 0)")
    try connection.execute("PRAGMA user_version=\(3 << 16 | 4)")
    connection.close()
    let reader = try SegmentReader.open(path: directory.file("newer.db"), cache: BlockCache(bytesMax: 1 << 20))
    #expect(try SegmentVerifier.verify(reader) == [])
    let id = try #require(Identifier(plan.events[7].event.id))
    #expect(try collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }.count == 1)
  }
}
