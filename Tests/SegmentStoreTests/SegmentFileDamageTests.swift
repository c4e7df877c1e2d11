import EventModel
import Platform
import TestSupport
import Testing
import TraceStore

@testable import SegmentStore

@Suite struct SegmentFileDamageTests {
  let directory: TemporaryDirectory
  let plan: SegmentPlan
  let original: [UInt8]

  init() throws {
    directory = try TemporaryDirectory("damage")
    plan = SegmentPlan.random(seed: 21, eventCount: 60, payloadBytes: 200)
    try plan.write(to: directory.file("sound.db"))
    original = try Files.read(directory.file("sound.db"), bytesMax: 10 << 20)
  }

  /// Every answer that a damaged file still gives must be the right one; any other question must say that it is damaged.
  func expectRightAnswersOrErrors(_ path: String, _ what: String) {
    guard let reader = try? SegmentReader.open(path: path, cache: BlockCache(bytesMax: 1 << 20)) else { return }
    for (trace, places) in plan.groups {
      guard let trace, let identifier = Identifier(trace) else { continue }
      let found = try? collect { (body) throws(StoreError) in try reader.forEachEvent(ofTrace: identifier, body) }
      if let found { #expect(found.map(\.frame) == places.map { plan.frame($0) }, "\(what)") }
    }
    for planned in plan.events.prefix(20) {
      guard let id = Identifier(planned.event.id) else { continue }
      let found = try? collect { (body) throws(StoreError) in try reader.forEachEvent(withID: id, body) }
      if let found { #expect(found.map(\.ordinal) == [planned.ordinal], "\(what)") }
    }
    if let extras = try? reader.extras() {
      #expect(Set(extras.edges) == Set(plan.extras.edges), "\(what)")
      #expect(extras.unresolved == plan.extras.unresolved && extras.healed == plan.extras.healed, "\(what)")
      #expect(extras.labels.map(\.labels).starts(with: plan.extras.labels.map(\.labels)), "\(what)")
    }
  }

  /// - Returns: whether `verify` found something.
  func isNoticed(_ path: String) -> Bool {
    do {
      return try !SegmentVerifier.verify(path: path).isEmpty
    } catch { return true }
  }

  @Test func `a sound segment has no problems`() throws {
    #expect(try SegmentVerifier.verify(path: directory.file("sound.db")) == [])
    let inspection = try SegmentInspector(path: directory.file("sound.db")).inspect()
    #expect(inspection.problems == [])
    #expect(inspection.readableEventCount == 60)
    #expect(inspection.readVersion == 3 && inspection.expectedBytes == original.count)
    #expect(inspection.meta.contains { $0.name == "last_ordinal" && $0.value == "60" })
    #expect(inspection.tables.allSatisfy { $0.expectedRows == $0.readableRows })
  }

  @Test func `larger segments are sound too, with long traces and small pages`() throws {
    var plan = SegmentPlan.random(seed: 22, eventCount: 1_500, payloadBytes: 500)
    for number in 0..<80 {
      let cause = number % 3 == 0 ? "unknown-\(number / 9)" : "long-\(max(0, number - 1))"
      plan.add(
        TestEvent("long-\(number)", trace: "long", cause: cause, data: String(repeating: "é", count: 9_000)),
        trace: "long")
    }
    for pageBytes in [1024, 4096, 16384] {
      try plan.write(to: directory.file("large.db"), pageBytes: pageBytes)
      #expect(try SegmentVerifier.verify(path: directory.file("large.db")) == [])
      let inspector = try SegmentInspector(path: directory.file("large.db"))
      #expect(inspector.inspect().problems == [])
      #expect(inspector.inspect().readableEventCount == 1_580)
      var events: [StoredEvent] = []
      try inspector.forEachReadableEvent(payload: true) { (event) in
        events.append(event)
        return .proceed
      }
      #expect(events.count == 1_580)
      #expect(events.allSatisfy { $0.source == "default" })
    }
  }

  @Test func `every cut is noticed, and nothing wrong is answered`() throws {
    for length in stride(from: 0, to: original.count, by: 1_531) {
      let path = try directory.write("cut.db", Array(original[0..<length]))
      #expect(isNoticed(path), "cut at \(length)")
      expectRightAnswersOrErrors(path, "cut at \(length)")
      let inspection = try SegmentInspector(path: path).inspect()
      #expect(!inspection.isSound)
    }
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func `a flipped bit is noticed, or changes no answer`(seed: UInt64) throws {
    var random = SeededRandom(seed: seed)
    for _ in 0..<120 {
      // Half of them in the first pages, where most bytes carry something.
      let range = random.oneIn(2) ? 0..<original.count : 0..<min(original.count, 24_576)
      let byte = Int.random(in: range, using: &random)
      let bit = UInt8.random(in: 0..<8, using: &random)
      var flipped = original
      flipped[byte] ^= 1 << bit
      let path = try directory.write("flip.db", flipped)
      // `isNoticed` may be false in bytes that carry nothing; the answers are right all the same.
      _ = isNoticed(path)
      expectRightAnswersOrErrors(path, "bit \(bit) of byte \(byte), seed \(seed)")
      _ = try SegmentInspector(path: path).inspect()
    }
  }

  @Test func `every flipped bit of rows and blocks is noticed by verify`() throws {
    // Where a byte of a known text stands, a row or block stands.
    let connection = try Connection(directory.file("sound.db"), .immutable)
    var places: [Int] = []
    for (sql, table) in [
      ("SELECT bytes FROM head_tape", "head_tape"), ("SELECT bytes FROM data_tape", "data_tape"),
      ("SELECT columns FROM edges", "edges"), ("SELECT chunk FROM dictionaries", "dictionaries"),
    ] {
      let statement = try connection.prepare(sql)
      while try statement.step() {
        let blob = statement.blob(0)
        // The tail of a blob lies on an overflow page or a leaf, whole.
        let tail = Array(blob.suffix(40))
        let start = try #require(position(of: tail), "\(table)")
        places.append(contentsOf: start..<(start + 40))
      }
    }
    for byte in places {
      var flipped = original
      flipped[byte] ^= 1 << UInt8(byte % 8)
      #expect(isNoticed(try directory.write("flip.db", flipped)), "byte \(byte)")
    }
  }

  func position(of pattern: [UInt8]) -> Int? {
    (0...(original.count - pattern.count)).first { start in
      original[start] == pattern[0] && original[start..<(start + pattern.count)].elementsEqual(pattern)
    }
  }

  @Test func `inspect reads what other pages hold when pages are gone`() throws {
    let plan = SegmentPlan.random(seed: 23, eventCount: 5_000, payloadBytes: 700)
    try plan.write(to: directory.file("large.db"))
    let sound = try Files.read(directory.file("large.db"), bytesMax: 64 << 20)
    let whole = try SegmentInspector(path: directory.file("large.db")).inspect()
    let blockCount = whole.blocks.count
    #expect(blockCount >= 14 && whole.readableBlockCount == blockCount)
    // The first page: no schema, no header.
    var damaged = sound
    damaged.replaceSubrange(0..<4096, with: [UInt8](repeating: 0, count: 4096))
    var inspection = try SegmentInspector(path: directory.write("a.db", damaged)).inspect()
    #expect(inspection.readableEventCount == 5_000 && !inspection.isSound)
    // Each page in turn: at most one block goes.
    var random = SeededRandom(seed: 5)
    for _ in 0..<12 {
      let page = Int.random(in: 0..<(sound.count / 4096), using: &random)
      damaged = sound
      damaged.replaceSubrange(page * 4096..<(page + 1) * 4096, with: random.bytes(4096))
      inspection = try SegmentInspector(path: directory.write("a.db", damaged)).inspect()
      #expect(!inspection.isSound)
      // A page holds heads of up to nine blocks, or a part of one or two; unless it holds what all of them need.
      let needed = ["kinds", "labels", "dictionaries"]
      if inspection.tables.contains(where: { needed.contains($0.name) && $0.expectedRows != $0.readableRows }) {
        #expect(inspection.blocks.count == blockCount)
        continue
      }
      #expect(inspection.readableBlockCount >= blockCount - 9)
      #expect(inspection.blocks.count >= blockCount - 9)
    }
    // Cut in the middle: what the blocks need stands behind them. They are found and counted.
    damaged = Array(sound[0..<(sound.count / 2)])
    inspection = try SegmentInspector(path: directory.write("a.db", damaged)).inspect()
    #expect(inspection.blocks.count >= blockCount / 3)
    #expect(inspection.expectedBytes == sound.count)
  }

  @Test func `inspect of what is no segment says so`() throws {
    for content in [[], [0x0d], [UInt8](repeating: 0x0d, count: 20_000), Array("SQLite format 3\0".utf8)] {
      let inspection = try SegmentInspector(path: directory.write("b.db", content)).inspect()
      #expect(!inspection.isSound && inspection.blocks.isEmpty)
    }
    var random = SeededRandom(seed: 6)
    for _ in 0..<20 {
      var content = random.bytes(40_000)
      for page in 0..<9 {
        content.replaceSubrange(page * 4096..<page * 4096 + 5, with: [0x0d, 0, 0, 0, 200])
      }
      #expect(try !SegmentInspector(path: directory.write("b.db", content)).inspect().isSound)
    }
    #expect(throws: StoreError.self) { try SegmentInspector(path: directory.file("missing.db")) }
  }

  /// Look-ups leave out the blocks that a trace is said to have for itself: rows that are whole, but made up.
  private func claim(_ traces: [SegmentTrace], _ path: String) throws {
    let connection = try Connection(path, .readWrite)
    var counts: [(name: [UInt8], count: Int64)] = []
    let manifest = try connection.prepare("SELECT table_name, row_count FROM manifest ORDER BY id")
    while try manifest.step() { counts.append((manifest.blob(0), manifest.integer(1))) }
    try connection.execute("DELETE FROM manifest; DELETE FROM long_traces")
    let rows = try RowInserter(connection, .longTraces)
    for trace in traces { try rows.insert(trace.row) }
    let described = try RowInserter(connection, .manifest)
    for table in counts {
      let isChanged = table.name == Array(SegmentTable.longTraces.nameText.utf8)
      try described.insert([.text(table.name), isChanged ? .count(traces.count) : .integer(table.count)])
    }
    connection.close()
  }

  @Test func `traces that are said to span blocks must not overlap, and must be there`() throws {
    try SegmentPlan.random(seed: 24, eventCount: 4_000, payloadBytes: 700).write(to: directory.file("large.db"))
    let sound = try Files.read(directory.file("large.db"), bytesMax: 64 << 20)
    let opened = try SegmentReader.open(path: directory.file("large.db"), cache: BlockCache(bytesMax: 1 << 20))
    #expect(opened.blocks.count > 8 && opened.rowCounts[SegmentTable.longTraces.nameText] == 0)
    func made(_ first: Int, _ last: Int) -> SegmentTrace {
      SegmentTrace(
        correlation: Identifier(uuid: IdentifierKey(high: 7, low: UInt64(first))), firstCreated: TestEvent.epoch,
        lastCreated: TestEvent.epoch, eventCount: 9, firstBlock: first, lastBlock: last)
    }
    let path = directory.file("claimed.db")
    func claimed(_ traces: [SegmentTrace]) throws -> String {
      _ = try directory.write("claimed.db", sound)
      try claim(traces, path)
      return path
    }
    #expect(try SegmentVerifier.verify(path: claimed([])) == [], "rewritten as it was")
    for overlapping in [[made(1, 5), made(4, 6)], [made(1, 5), made(1, 3)], [made(4, 6), made(1, 3)]] {
      let path = try claimed(overlapping)
      #expect(throws: StoreError.self) { try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 1 << 20)) }
      #expect(isNoticed(path))
    }
    for invented in [[made(1, 5)], [made(1, 3), made(3, 6)]] {
      let path = try claimed(invented)
      _ = try SegmentReader.open(path: path, cache: BlockCache(bytesMax: 1 << 20))
      #expect(try SegmentVerifier.verify(path: path).contains { $0.place == "long_traces" })
    }
  }
}
