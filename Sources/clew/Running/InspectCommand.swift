import EventModel
import SegmentStore
import WireFormats

/// `clew inspect`: what can still be read of a segment.
struct InspectCommand {
  let parsed: ParsedCommand
  let output: Output

  func run() throws -> ExitCode {
    let inspection: SegmentInspection
    do {
      inspection = try SegmentInspector(path: parsed.arguments[0]).inspect()
    } catch {
      throw Failure(error)
    }
    if parsed.has("json") {
      try output.write(Self.json(inspection) + [0x0a])
    } else {
      try output.write(Self.text(inspection))
    }
    return inspection.isSound ? .answered : .answeredNo
  }

  static func text(_ inspection: SegmentInspection) -> String {
    var text = "\(Printable.escaped(inspection.path))\n"
    var rows: [(String, String)] = [("size", "\(Humanised.count(inspection.fileBytes)) bytes")]
    if let expected = inspection.expectedBytes, expected != inspection.fileBytes {
      rows.append(("size by its header", "\(Humanised.count(expected)) bytes"))
    }
    if let read = inspection.readVersion, let write = inspection.writeVersion {
      rows.append(("format", "read version \(read), written by version \(write)"))
    }
    rows += inspection.meta.map { (Printable.escaped($0.name), Printable.cut(Printable.escaped($0.value), 120)) }
    rows.append(("blocks", "\(inspection.readableBlockCount) of \(inspection.blocks.count) readable"))
    rows.append(("events in readable blocks", Humanised.count(inspection.readableEventCount)))
    if inspection.unreadableRowCount > 0 {
      rows.append(("unreadable rows", Humanised.count(inspection.unreadableRowCount)))
    }
    let width = rows.map(\.0.count).max() ?? 0
    for (name, value) in rows { text += "  \(HelpText.pad(name, width))  \(value)\n" }
    text += "\n" + tables(inspection).text(.plain) + "\n" + blocks(inspection).text(.plain)
    if !inspection.problems.isEmpty {
      text += "\nProblems:\n"
      for problem in inspection.problems { text += "  \(Printable.escaped(problem.description))\n" }
    }
    return text
  }

  private static func tables(_ inspection: SegmentInspection) -> TextTable {
    var table = TextTable([("TABLE", .left), ("ROWS", .right), ("EXPECTED", .right)])
    for row in inspection.tables {
      table.add([row.name, "\(row.readableRows)", row.expectedRows.map { "\($0)" } ?? "-"])
    }
    return table
  }

  private static func blocks(_ inspection: SegmentInspection) -> TextTable {
    var table = TextTable([
      ("BLOCK", .right), ("BYTES", .right), ("EVENTS", .right), ("TRACES", .right), ("ORDINALS", .left),
      ("FIRST EVENT", .left), ("STATE", .left),
    ])
    for block in inspection.blocks {
      var ordinals = "-"
      if let first = block.firstOrdinal, let last = block.lastOrdinal { ordinals = "\(first)-\(last)" }
      table.add([
        "\(block.number)", "\(block.storedBytes)", block.eventCount.map { "\($0)" } ?? "-",
        block.traceCount.map { "\($0)" } ?? "-", ordinals,
        block.firstCreated.map { RFC3339.string(nanoseconds: $0.nanoseconds) } ?? "-", state(block.state),
      ])
    }
    return table
  }

  private static func state(_ state: SegmentInspection.Block.State) -> String {
    switch state {
    case .readable: "readable"
    case .missing: "missing"
    case .damaged(let reason): "damaged: \(reason)"
    }
  }

  static func json(_ inspection: SegmentInspection) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("path", inspection.path)
    json.member("fileBytes", inspection.fileBytes)
    json.member("sound", inspection.isSound)
    json.key("meta")
    json.beginObject()
    for (name, value) in inspection.meta { json.member(name, value) }
    json.endObject()
    json.member("readableBlockCount", inspection.readableBlockCount)
    json.member("readableEventCount", inspection.readableEventCount)
    json.member("unreadableRowCount", inspection.unreadableRowCount)
    json.key("tables")
    json.beginArray()
    for table in inspection.tables {
      json.beginObject()
      json.member("name", table.name)
      json.member("readableRows", table.readableRows)
      if let expected = table.expectedRows { json.member("expectedRows", expected) }
      json.endObject()
    }
    json.endArray()
    json.key("blocks")
    json.beginArray()
    for block in inspection.blocks {
      json.beginObject()
      json.member("number", block.number)
      json.member("state", state(block.state))
      json.member("storedBytes", block.storedBytes)
      if let count = block.eventCount { json.member("eventCount", count) }
      if let count = block.traceCount { json.member("traceCount", count) }
      if let ordinal = block.firstOrdinal { json.member("firstOrdinal", ordinal) }
      if let ordinal = block.lastOrdinal { json.member("lastOrdinal", ordinal) }
      json.endObject()
    }
    json.endArray()
    json.key("problems")
    json.beginArray()
    for problem in inspection.problems { json.string(problem.description) }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}
