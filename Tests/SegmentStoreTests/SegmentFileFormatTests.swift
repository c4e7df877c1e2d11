import EventModel
import Platform
import SegmentBlocks
import TestSupport
import Testing

@testable import SegmentStore

/// Holds `Sources/SegmentStore/FORMAT.md` against the code.
@Suite struct SegmentFileFormatTests {
  let lines: [String]

  init() throws {
    let bytes = try Files.read(TestSupport.packageRoot + "/Sources/SegmentStore/FORMAT.md", bytesMax: 1 << 20)
    lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
      .map(String.init)
  }

  struct Field: Equatable, CustomStringConvertible {
    var offset: Int
    var type: String
    var name: String
    var description: String { "\(offset) \(type) \(name)" }
  }

  /// The rows of the n-th table with the columns offset, type, field behind a heading.
  func fields(behind heading: String, table: Int = 0) -> [Field] {
    guard let start = lines.firstIndex(where: { $0.hasPrefix("## \(heading)") }) else { return [] }
    let section = lines[(start + 1)...].prefix { !$0.hasPrefix("## ") }
    var tables: [[Field]] = []
    for line in section {
      if line.hasPrefix("| offset | type | field") { tables.append([]) }
      let cells = line.split(separator: "|").map { trimmed($0) }
      if tables.isEmpty || cells.count < 3 { continue }
      if let offset = Int(cells[0]) {
        tables[tables.count - 1].append(Field(offset: offset, type: cells[1], name: cells[2]))
      }
    }
    return table < tables.count ? tables[table] : []
  }

  func trimmed(_ text: Substring) -> String {
    var rest = text
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  @Test func `the table of the event frame is what the code has`() {
    typealias Offset = EventFrame.Offset
    let code: [(Int, String, String)] = [
      (Offset.frameLength, "u32", "frameLength"), (Offset.flags, "u16", "flags"),
      (Offset.eventClass, "u8", "eventClass"), (Offset.failureAndIdentity, "u8", "failureAndIdentity"),
      (Offset.ordinal, "i64", "ordinal"), (Offset.sourceIndex, "u32", "sourceIndex"),
      (Offset.idLength, "u16", "idLength"), (Offset.correlationLength, "u16", "correlationLength"),
      (Offset.causeLength, "u16", "causeLength"), (Offset.streamLength, "u16", "streamLength"),
      (Offset.typeLength, "u16", "typeLength"), (Offset.serviceLength, "u16", "serviceLength"),
      (Offset.handlerLength, "u16", "handlerLength"), (Offset.schemaVersionLength, "u16", "schemaVersionLength"),
      (Offset.metadataLength, "u32", "metadataLength"), (Offset.dataLength, "u32", "dataLength"),
      (Offset.created, "i64", "created"), (Offset.positionMajor, "u64", "positionMajor"),
      (Offset.positionMinor, "u64", "positionMinor"), (Offset.revision, "i64", "revision"),
      (Offset.reserved, "i64", "reserved"),
    ]
    let documented = fields(behind: "3.")
    #expect(documented == code.map { Field(offset: $0.0, type: $0.1, name: $0.2) })
    expectNoGaps(documented, end: EventFrame.headerBytes)
  }

  @Test func `the tables of the block are what the code has`() {
    typealias Offset = BlockHeader.Offset
    let header: [(Int, String, String)] = [
      (Offset.magic, "u32", "magic"), (Offset.version, "u8", "version"), (Offset.codec, "u8", "codec"),
      (Offset.reserved, "u16", "reserved"), (Offset.number, "u32", "number"),
      (Offset.eventCount, "u32", "eventCount"), (Offset.rawLength, "u32", "rawLength"),
      (Offset.storedLength, "u32", "storedLength"), (Offset.checksum, "u32", "checksum"),
    ]
    #expect(fields(behind: "4.") == header.map { Field(offset: $0.0, type: $0.1, name: $0.2) })
    expectNoGaps(fields(behind: "4."), end: BlockHeader.bytes)
    typealias Run = BlockV1.RunOffset
    let run: [(Int, String, String)] = [
      (Run.eventCount, "u32", "eventCount"), (Run.traceKind, "u8", "traceKind"), (Run.flags, "u8", "flags"),
      (Run.traceLength, "u16", "traceLength"),
    ]
    #expect(fields(behind: "4.", table: 1) == run.map { Field(offset: $0.0, type: $0.1, name: $0.2) })
    expectNoGaps(fields(behind: "4.", table: 1), end: BlockV1.runBytes)
    typealias Head = HeadRow.Offset
    let head: [(Int, String, String)] = [
      (Head.magic, "u32", "magic"), (Head.version, "u8", "version"), (Head.reserved, "3 bytes", "reserved"),
      (Head.number, "u32", "number"), (Head.rawLength, "u32", "rawLength"),
      (Head.storedLength, "u32", "storedLength"), (Head.checksum, "u32", "checksum"),
    ]
    #expect(fields(behind: "4.", table: 2) == head.map { Field(offset: $0.0, type: $0.1, name: $0.2) })
    expectNoGaps(fields(behind: "4.", table: 2), end: HeadRow.bytes)
    typealias Data = DataRow.Offset
    let data: [(Int, String, String)] = [
      (Data.magic, "u32", "magic"), (Data.version, "u8", "version"), (Data.reserved, "3 bytes", "reserved"),
      (Data.number, "u32", "number"), (Data.eventCount, "u32", "eventCount"), (Data.rawLength, "u32", "rawLength"),
      (Data.storedLength, "u32", "storedLength"), (Data.checksum, "u32", "checksum"),
    ]
    #expect(fields(behind: "4.", table: 3) == data.map { Field(offset: $0.0, type: $0.1, name: $0.2) })
    expectNoGaps(fields(behind: "4.", table: 3), end: DataRow.bytes)
  }

  func expectNoGaps(_ fields: [Field], end: Int) {
    var offset = 0
    for field in fields {
      #expect(field.offset == offset)
      offset += field.type == "3 bytes" ? 3 : (Int(field.type.dropFirst()) ?? 0) / 8
    }
    #expect(offset == end)
  }

  func example() -> [UInt8] {
    guard let start = lines.firstIndex(of: "```hex") else { return [] }
    var bytes: [UInt8] = []
    for line in lines[(start + 1)...] {
      if line == "```" { break }
      let code = line.split(separator: ";", maxSplits: 1, omittingEmptySubsequences: false)[0]
      let cells = code.split(separator: " ")
      #expect(cells.first.flatMap { Int($0, radix: 16) } == bytes.count)
      bytes += cells.dropFirst().compactMap { UInt8($0, radix: 16) }
    }
    return bytes
  }

  @Test func `the example decodes to the event that it describes, and encodes to the same bytes`() throws {
    let bytes = example()
    #expect(bytes.count == 138)
    let block = try SegmentFileBlockTests.decode(bytes)
    #expect(block.number == 3 && block.eventCount == 1)
    #expect(block.runs.map(\.trace) == [Identifier("t1")])
    let event = block.withEvent(at: 0) { StoredEvent($0, source: "s", correlation: nil, payload: true) }
    #expect(event.id == Identifier("e1") && event.cause == Identifier("e0") && event.ordinal == 7)
    #expect(event.stream == "s-1" && event.type == "A" && event.created == TestEvent.epoch)
    #expect(event.position == SourcePosition(major: 42) && event.revision == 5)
    #expect(event.data == Payload(bytes: Array("{}".utf8), isJSON: true) && event.metadata == nil)

    var written = TestEvent("e1", trace: "t1", cause: "e0", stream: "s-1", type: "A", position: 42, revision: 5)
    written.data = "{}"
    var single = EventBatch()
    written.append(to: &single)
    var batch = EventBatch()
    single.withEvent(at: 0) { batch.append($0, ordinal: 7, sourceIndex: 1) }
    var builder = BlockBuilder()
    builder.beginRun(trace: Identifier("t1"), continues: false)
    batch.withEvent(at: 0) { builder.append($0) }
    builder.endRun(goesOn: false)
    #expect(builder.finish(number: 3, level: 0) == bytes)
  }

  @Test func `the numbers of sections 2 and 8 are those of the code`() {
    let text = lines.joined(separator: "\n")
    func hex(_ value: Int64) -> String {
      let digits = String(value, radix: 16)
      return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }
    #expect(text.contains("| \(hex(SegmentFormat.applicationID)) | \(hex(SegmentFormat.userVersion)) |"))
    #expect(text.contains("| frame | \(SegmentLimits.frameBytesMax >> 20) MiB |"))
    #expect(text.contains("| payload of a block | \(SegmentLimits.blockRawBytesMax >> 20) MiB, and 1,040 times"))
    #expect(SegmentLimits.inflationMax == 1_040 && SegmentLimits.blockCountMax == 1_048_576)
    #expect(text.contains("| filter | \(SegmentLimits.filterBytesMax >> 20) MiB |"))
    #expect(text.contains("| row | \(SegmentLimits.rowBytesMax >> 20) MiB |"))
    #expect(text.contains("pages of \(SegmentFormat.pageBytes >> 10) KiB"))
    #expect(text.contains("about \(SegmentLimits.blockRawBytesTarget >> 10) KiB of frames"))
    #expect(SegmentLimits.chunkRowCountMax == 8_192 && SegmentLimits.chunkRawBytesMax == 8 << 20)
  }

  @Test func `every table and column of a segment is documented`() {
    guard let start = lines.firstIndex(where: { $0.hasPrefix("## 5.") }) else {
      Issue.record("section 5 is missing")
      return
    }
    let section = lines[start...].prefix { !$0.hasPrefix("## 6.") }.joined(separator: "\n")
    for table in SegmentTable.all(1) + SegmentTable.all(3) {
      #expect(section.contains("`\(table.name)`"))
      for column in table.columns { #expect(section.contains(column.name), "\(table.name).\(column.name)") }
    }
  }
}
