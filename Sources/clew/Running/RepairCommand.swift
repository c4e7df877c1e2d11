import EventModel
import SegmentStore
import WireFormats

/// `clew repair`: puts a damaged data directory in order, and says what is missing.
struct RepairCommand {
  let parsed: ParsedCommand
  let output: Output
  let style: Style

  func run() throws -> ExitCode {
    if !parsed.arguments.isEmpty && parsed.has("data") {
      throw UsageError("'clew repair' takes the directory once: DIR or --data DIR")
    }
    let directory = parsed.arguments.first ?? parsed.value("data") ?? Configuration().dataDirectory
    let report: RepairReport
    do {
      report = try SegmentStore.repair(directory, dryRun: parsed.has("dry-run"))
    } catch {
      throw Failure(error)
    }
    if parsed.has("json") {
      try output.write(Self.json(report) + [0x0a])
    } else {
      try output.write(text(report, directory))
    }
    return report.missing.isEmpty ? .answered : .answeredNo
  }

  func text(_ report: RepairReport, _ directory: String) -> String {
    var text = ""
    let would = report.isDryRun ? "would be " : ""
    if report.catalogWasRebuilt { text += "the catalog cannot be read; it \(would)made anew from the files\n" }
    for loss in report.catalogLosses { text += "  not known any more: \(Printable.escaped(loss))\n" }
    for name in report.restoredSegments { text += "\(Printable.escaped(name)) is whole, and \(would)taken back\n" }
    for name in report.movedFiles { text += "\(would)moved or copied to \(Printable.escaped(name))\n" }
    for missing in report.missing { text += self.text(missing) }
    let files = "\(report.segmentCount) segments and \(report.hotFileCount) hot files"
    if report.isClean { return text + "\(Printable.escaped(directory)): nothing to repair in \(files)\n" }
    let state = report.isDryRun ? "nothing was changed" : "repaired"
    return text + "\(Printable.escaped(directory)): \(state); \(files) are in order\n"
  }

  private func text(_ missing: RepairReport.Missing) -> String {
    let last = missing.lastOrdinal.map { "\($0)" } ?? "the end"
    let count = missing.eventCount.map { "\(Humanised.count($0)) events" } ?? "an unknown number of events"
    var text =
      style.red("✗ ")
      + "\(Printable.escaped(missing.file)): \(count) missing, ordinals \(missing.firstOrdinal) to \(last)"
      + " (\(Printable.escaped(missing.reason)))\n"
    for source in missing.sources {
      let share = source.eventCount.map { Humanised.count($0) + " events" } ?? "at least those that can still be read"
      text +=
        "    source \(Printable.escaped(source.name)): \(share), positions \(Self.shown(source.firstPosition)) to "
        + "\(Self.shown(source.lastPosition))\n"
    }
    return text
  }

  private static func shown(_ position: SourcePosition) -> String {
    position.minor == 0 ? "\(position.major)" : "\(position.major)/\(position.minor)"
  }

  static func json(_ report: RepairReport) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("dryRun", report.isDryRun)
    json.member("clean", report.isClean)
    json.member("segmentCount", report.segmentCount)
    json.member("hotFileCount", report.hotFileCount)
    json.member("catalogRebuilt", report.catalogWasRebuilt)
    write(report.catalogLosses, "catalogLosses", &json)
    write(report.movedFiles, "movedFiles", &json)
    write(report.restoredSegments, "restoredSegments", &json)
    json.key("missing")
    json.beginArray()
    for missing in report.missing { write(missing, &json) }
    json.endArray()
    json.endObject()
    return json.bytes
  }

  private static func write(_ texts: [String], _ name: String, _ json: inout JSONWriter) {
    json.key(name)
    json.beginArray()
    for text in texts { json.string(text) }
    json.endArray()
  }

  private static func write(_ missing: RepairReport.Missing, _ json: inout JSONWriter) {
    json.beginObject()
    json.member("file", missing.file)
    json.member("reason", missing.reason)
    json.member("firstOrdinal", missing.firstOrdinal)
    if let last = missing.lastOrdinal { json.member("lastOrdinal", last) }
    if let count = missing.eventCount { json.member("eventCount", count) }
    json.key("sources")
    json.beginArray()
    for source in missing.sources {
      json.beginObject()
      json.member("name", source.name)
      if let count = source.eventCount { json.member("eventCount", count) }
      json.member("firstPosition", shown(source.firstPosition))
      json.member("lastPosition", shown(source.lastPosition))
      json.endObject()
    }
    json.endArray()
    json.endObject()
  }
}
