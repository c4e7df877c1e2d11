import SegmentStore
import WireFormats

/// `clew verify`: every checksum and invariant of a data directory.
struct VerifyCommand {
  let parsed: ParsedCommand
  let output: Output
  let style: Style

  func run() throws -> ExitCode {
    if !parsed.arguments.isEmpty && parsed.has("data") {
      throw UsageError("'clew verify' takes the directory once: DIR or --data DIR")
    }
    let directory = parsed.arguments.first ?? parsed.value("data") ?? Configuration().dataDirectory
    let report: VerifyReport
    do {
      report = try SegmentStore.verify(directory)
    } catch {
      throw Failure(error)
    }
    if parsed.has("json") {
      try output.write(Self.json(report) + [0x0a])
    } else {
      try output.write(text(report, directory))
    }
    return report.isClean ? .answered : .answeredNo
  }

  private func text(_ report: VerifyReport, _ directory: String) -> String {
    var text = ""
    for problem in report.problems { text += style.red("✗ ") + Printable.escaped(problem.description) + "\n" }
    for known in report.setAside { text += "missing since it was set aside: \(Printable.escaped(known))\n" }
    if report.problemsLeftOut > 0 { text += "… \(Humanised.count(report.problemsLeftOut)) more problems\n" }
    if !report.strangeFiles.isEmpty {
      let names = report.strangeFiles.prefix(10).map(Printable.escaped).joined(separator: ", ")
      text += "no files of the store, left alone: \(names)\(report.strangeFiles.count > 10 ? ", …" : "")\n"
    }
    let state = report.isClean ? style.green("sound") : style.red("damaged")
    return text
      + "\(Printable.escaped(directory)) is \(state): \(Humanised.count(report.eventCount)) events and "
      + "\(Humanised.count(report.reportCount)) reports in \(report.segmentCount) segments and "
      + "\(report.hotFileCount) hot files\n"
  }

  static func json(_ report: VerifyReport) -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("clean", report.isClean)
    json.member("eventCount", report.eventCount)
    json.member("reportCount", report.reportCount)
    json.member("segmentCount", report.segmentCount)
    json.member("hotFileCount", report.hotFileCount)
    json.key("problems")
    json.beginArray()
    for problem in report.problems {
      json.beginObject()
      json.member("file", problem.file)
      json.member("place", problem.place)
      json.member("message", problem.message)
      json.endObject()
    }
    json.endArray()
    json.member("problemsLeftOut", report.problemsLeftOut)
    json.key("setAside")
    json.beginArray()
    for known in report.setAside { json.string(known) }
    json.endArray()
    json.key("strangeFiles")
    json.beginArray()
    for name in report.strangeFiles { json.string(name) }
    json.endArray()
    json.endObject()
    return json.bytes
  }
}
