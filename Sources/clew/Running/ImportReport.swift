import EventSource
import WireFormats

/// What an import did, over all its files.
struct ImportReport {
  var counts = IngestCounts()
  var refusals: [(file: String, refusal: Refusal)] = []
  var refusalsLeftOut = 0
  var failure: Failure?
  /// Reading and storing; and with sealing.
  var seconds = 0.0
  var secondsWithSeal = 0.0
  private let filesCount: Int

  init(filesCount: Int) { self.filesCount = filesCount }

  mutating func add(_ file: IngestCounts, file name: String) {
    counts.lines += file.lines
    counts.accepted += file.accepted
    counts.duplicate += file.duplicate
    counts.conflict += file.conflict
    counts.refused += file.refused
    counts.blank += file.blank
    let room = max(0, IngestCounts.refusalsMax - refusals.count)
    refusals += file.refusals.prefix(room).map { (name, $0) }
    refusalsLeftOut += file.refusalsLeftOut + max(0, file.refusals.count - room)
  }

  /// Events read in a second, whatever became of them.
  var eventsPerSecond: Double {
    let events = counts.accepted + counts.duplicate + counts.conflict
    return secondsWithSeal > 0 ? Double(events) / secondsWithSeal : 0
  }

  func text() -> String {
    func count(_ number: Int) -> String { Humanised.count(number) }
    return "accepted \(count(counts.accepted)), duplicate \(count(counts.duplicate)), "
      + "conflict \(count(counts.conflict)), refused \(count(counts.refused)) of \(count(counts.lines)) lines in "
      + "\(Humanised.duration(seconds: secondsWithSeal)) (\(count(Int(eventsPerSecond))) events/s)\n"
  }

  func json() -> [UInt8] {
    var json = JSONWriter()
    json.beginObject()
    json.member("lines", counts.lines)
    json.member("accepted", counts.accepted)
    json.member("duplicate", counts.duplicate)
    json.member("conflict", counts.conflict)
    json.member("refused", counts.refused)
    json.member("blank", counts.blank)
    json.key("refusals")
    json.beginArray()
    for (file, refusal) in refusals {
      json.beginObject()
      json.member("line", refusal.line)
      json.member("reason", refusal.reason)
      if filesCount > 1 { json.member("file", file) }
      json.endObject()
    }
    json.endArray()
    json.member("refusalsLeftOut", refusalsLeftOut)
    json.member("seconds", secondsWithSeal)
    json.member("eventsPerSecond", eventsPerSecond.rounded())
    json.endObject()
    return json.bytes
  }
}
