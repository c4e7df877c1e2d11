import Compression
import EventModel
import EventSource
import Platform
import TestSupport
import Testing

private func event(_ id: Int, _ more: String = "") -> String {
  #"{"id":"e\#(id)","type":"T","created":"2026-01-01T00:00:00Z"\#(more)}"#
}

struct FileResult {
  var ids: [String] = []
  var positions: [UInt64] = []
  var counts = IngestCounts()
  var failure: EventReadError?
}

func readFile(_ path: String, _ rules: ReadingRules = ReadingRules(), limits: BatchLimits = BatchLimits()) throws
  -> FileResult
{
  let reader = try EventFileReader(path: path, rules: rules, clock: Reading.clock, limits: limits)
  var result = FileResult()
  do throws(EventReadError) {
    while let batch = try reader.next() {
      result.counts.addRead(batch)
      for read in Reading.events(batch.events) {
        result.ids.append(read.event.id.description)
        result.positions.append(read.event.position.major)
      }
    }
  } catch { result.failure = error }
  return result
}

@Suite("Files") struct FileTests {
  let directory: TemporaryDirectory

  init() throws { directory = try TemporaryDirectory("files") }

  @Test func `lines are counted, positions are behind the line`() throws {
    let content = event(1) + "\n" + "bad\n\n" + event(2) + "\r\n" + event(3)
    let result = try readFile(try directory.write("a.ndjson", content))
    #expect(result.ids == ["e1", "e2", "e3"])
    let first = UInt64(event(1).utf8.count + 1)
    #expect(result.positions == [first, first * 2 + 6, first * 3 + 5])
    #expect(result.counts.lines == 5 && result.counts.blank == 1 && result.counts.refusals.map(\.line) == [2])
  }

  @Test func `an empty file has no lines, a last line feed starts none`() throws {
    #expect(try readFile(try directory.write("empty", "")).counts.lines == 0)
    #expect(try readFile(try directory.write("one", event(1) + "\n")).counts.lines == 1)
    #expect(try readFile(try directory.write("feed", "\n")).counts.blank == 1)
    #expect(try readFile(try directory.write("short", "x")).counts.refused == 1)
  }

  @Test func `a byte order mark at the start is skipped`() throws {
    let path = try directory.write("mark", "\u{feff}" + event(1) + "\n\u{feff}" + event(2))
    let result = try readFile(path)
    #expect(result.ids == ["e1"] && result.counts.refused == 1)
  }

  @Test func `gzip is known by its first bytes, and may have many members`() throws {
    let lines = (1...5000).map { event($0) + "\n" }.joined()
    let bytes = Array(lines.utf8)
    let half = bytes.count / 2
    let packed = Gzip.compress(Array(bytes[0..<half])) + Gzip.compress(Array(bytes[half...]))
    let result = try readFile(try directory.write("no-suffix", packed))
    #expect(result.ids.count == 5000 && result.failure == nil)
    #expect(result.positions.last == UInt64(bytes.count))
  }

  @Test func `progress ends at the size of the file`() throws {
    let packed = Gzip.compress(Array((1...3000).map { event($0) + "\n" }.joined().utf8))
    let reader = try EventFileReader(path: try directory.write("a.gz", packed), clock: Reading.clock)
    var last = 0
    while try reader.next() != nil {
      #expect(reader.bytesRead >= last)
      last = reader.bytesRead
    }
    #expect(reader.bytesTotal == packed.count && reader.bytesRead == packed.count && reader.linesRead == 3000)
  }

  @Test func `truncated gzip gives every whole line before it, then names the offset`() throws {
    let packed = Gzip.compress(Array((1...5000).map { event($0, ",\"data\":\($0 &* 7919)") + "\n" }.joined().utf8))
    let path = try directory.write("cut.gz", Array(packed[0..<(packed.count / 2)]))
    let result = try readFile(path)
    let failure = try #require(result.failure)
    #expect(failure.code == .truncated && failure.message.contains("byte \(packed.count / 2)"))
    #expect(result.ids.count > 1000 && result.ids.count < 5000)
    #expect(result.ids == (1...result.ids.count).map { "e\($0)" })
    #expect(result.counts.refused == 0)
  }

  @Test func `damaged gzip is an error after what was good`() throws {
    var packed = Gzip.compress(Array((1...100).map { event($0) + "\n" }.joined().utf8))
    packed[packed.count - 5] ^= 0xff
    let result = try readFile(try directory.write("bad.gz", packed))
    #expect(result.failure?.code == .damaged && result.ids.count == 100)
  }

  @Test func `lines over the limit are refused with the limit named, and skipped`() throws {
    var rules = ReadingRules()
    rules.payloadBytesMax = 30_000
    let limit = rules.lineBytesMax
    let huge = String(repeating: "x", count: limit + 1)
    let big = event(2, ",\"x\":\"" + String(repeating: "y", count: limit - 100) + "\"")
    let content = event(1) + "\n" + huge + "\n" + big + "\n" + huge + huge + huge + huge + "\n" + event(3) + "\n" + huge
    let result = try readFile(try directory.write("huge", content), rules)
    #expect(result.ids == ["e1", "e2", "e3"])
    #expect(result.counts.refusals.map(\.line) == [2, 4, 6])
    #expect(result.counts.refusals.allSatisfy { $0.reason.contains("\(limit)") })
    #expect(result.positions.last == UInt64(content.utf8.count - huge.utf8.count))
  }

  @Test func `batches are bounded by count, bytes and lines`() throws {
    let path = try directory.write("many", (1...50).map { event($0) + "\n\n" }.joined())
    for limits in [
      BatchLimits(eventCountMax: 7), BatchLimits(bytesMax: 1000), BatchLimits(lineCountMax: 9), BatchLimits(),
    ] {
      let reader = try EventFileReader(path: path, clock: Reading.clock, limits: limits)
      var lines = 0
      while let batch = try reader.next() {
        #expect(batch.events.count <= limits.eventCountMax && batch.lines <= limits.lineCountMax)
        #expect(batch.firstLine == lines + 1)
        lines += batch.lines
      }
      #expect(lines == 100)
    }
  }

  @Test func `a missing file and a directory are errors that name the path`() throws {
    #expect(throws: FileError.self) { try EventFileReader(path: directory.file("missing")) }
    let result = try readFile(directory.path)
    #expect(result.failure?.code == .inputOutput && result.failure?.message.contains(directory.path) == true)
  }

  @Test func `lines longer than the first buffer are read`() throws {
    let data = String(repeating: "z", count: 3_000_000)
    let path = try directory.write("long", (1...3).map { event($0, ",\"data\":\"\(data)\"") + "\n" }.joined())
    #expect(try readFile(path).ids == ["e1", "e2", "e3"])
  }
}

@Suite("Real files", .enabled(if: TestSupport.hasSharedData, "\(TestSupport.sharedDataHint)")) struct RealFileTests {
  @Test(arguments: [
    ("tt-dev", 28_920, 28_920), ("tt-dev-endform", 4_595, 4_595), ("ob-dev", 24_066, 24_066),
    ("sepsis-dev", 15_214, 15_214), ("zipkin-real", 1_209, 1_209),
  ])
  func `every line of the event files is read`(_ name: String, _ lines: Int, _ events: Int) throws {
    let result = try readFile("\(TestSupport.sharedDataDirectory!)/\(name).ndjson.gz")
    #expect(result.failure == nil)
    #expect(result.counts.lines == lines && result.ids.count == events && result.counts.refused == 0)
  }

  @Test func `four megabytes are kept and seventeen refused with the limit named`() throws {
    let result = try readFile("\(TestSupport.sharedDataDirectory!)/nasty-huge.ndjson.gz")
    #expect(result.failure == nil)
    #expect(result.counts.refusals.allSatisfy { $0.reason.contains("16842752") })
    #expect(result.counts.refused >= 1 && result.ids.count + result.counts.refused == result.counts.lines)
  }
}
