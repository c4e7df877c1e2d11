import WireFormats

/// One line of a trace as text; made from a row of the API's answer, without its JSON.
struct TraceLine {
  var depth: Int
  var id: String
  var type: String
  var stream: String
  var service: String
  var handler: String
  var createdAt: String
  var cause: String?
  var causeKind: String
  var failed: Bool
  var latencySeconds: Double?
  var warnings: [String]
  var fold: Fold?
  var payload: String?

  struct Fold {
    var count: Int
    var failureCount: Int
    var p50Seconds: Double?
    var p99Seconds: Double?
  }

  init(_ row: JSONValue) {
    func text(_ key: String) -> String { row[key]?.string ?? "" }
    depth = max(1, row["depth"]?.int ?? 1)
    id = text("id")
    type = text("type")
    stream = text("stream")
    service = text("service")
    handler = text("handler")
    createdAt = text("createdAt")
    cause = row["causationId"]?.string
    causeKind = text("causeKind")
    failed = row["failed"]?.bool ?? false
    latencySeconds = row["reactionLatencySeconds"]?.double
    warnings = (row["warnings"]?.array ?? []).compactMap { $0["message"]?.string ?? $0["code"]?.string }
    if let folded = row["fold"], !folded.isNull {
      fold = Fold(
        count: folded["foldedCount"]?.int ?? folded["count"]?.int ?? 0, failureCount: folded["failureCount"]?.int ?? 0,
        p50Seconds: folded["p50Seconds"]?.double, p99Seconds: folded["p99Seconds"]?.double)
    }
    payload = Self.payload(row)
  }

  private static func payload(_ row: JSONValue) -> String? {
    var parts: [String] = []
    for key in ["data", "dataBase64", "metadata", "metadataBase64"] {
      guard let value = row[key], !value.isNull else { continue }
      parts.append("\(key) \(String(decoding: value.encoded, as: UTF8.self))")
    }
    return parts.isEmpty ? nil : parts.joined(separator: "  ")
  }
}

/// A trace as a tree of lines. Iterative, and with a bounded prefix: a chain of 20,000 events is 20,000 short lines.
struct TraceText {
  /// Deeper lines show their depth as a number in place of the outer levels.
  static let levelsMax = 24
  /// A payload is shown up to so many characters.
  static let payloadCharactersMax = 2000

  var style: Style

  func render(summary: JSONValue, lines: [TraceLine], to write: (String) throws -> Void) rethrows {
    try write(header(summary))
    let more = Self.followedBySibling(lines)
    var open: [Bool] = []
    for (index, line) in lines.enumerated() {
      let level = line.depth
      while open.count < level { open.append(false) }
      open.removeLast(open.count - level)
      open[level - 1] = more[index]
      let (lead, below) = Self.prefix(open)
      try write(style.dim(lead) + text(line) + "\n")
      for warning in line.warnings {
        try write(style.dim(below) + style.yellow("  ! " + Printable.escaped(warning)) + "\n")
      }
      if let payload = line.payload {
        let shown = Printable.cut(Printable.escaped(payload), Self.payloadCharactersMax)
        try write(style.dim(below + "    " + shown) + "\n")
      }
    }
  }

  private func header(_ summary: JSONValue) -> String {
    func count(_ key: String) -> Int { summary[key]?.int ?? 0 }
    let id = Printable.escaped(summary["correlationId"]?.string ?? "")
    let events = count("eventCount")
    var parts = ["\(Humanised.count(events)) event\(events == 1 ? "" : "s")"]
    if let seconds = summary["durationSeconds"]?.double { parts.append(Humanised.duration(seconds: seconds)) }
    parts.append("depth \(Humanised.count(count("depth")))")
    let failures = count("failureCount")
    if failures > 0 { parts.append(style.red("\(Humanised.count(failures)) failed")) }
    if count("orphanCount") > 0 { parts.append("\(Humanised.count(count("orphanCount"))) without their cause") }
    let first = Printable.escaped(summary["firstEventAt"]?.string ?? "")
    let last = Printable.escaped(summary["lastEventAt"]?.string ?? "")
    return "\(style.bold("trace \(id)"))  \(parts.joined(separator: ", "))\n\(style.dim("\(first) to \(last)"))\n\n"
  }

  private func text(_ line: TraceLine) -> String {
    let type = Printable.cut(Printable.escaped(line.type), 80)
    var parts: [String] = []
    if let fold = line.fold {
      parts.append(style.bold("\(Humanised.count(fold.count)) x \(type)"))
      if fold.failureCount > 0 { parts.append(style.red("\(Humanised.count(fold.failureCount)) failed")) }
      if let p50 = fold.p50Seconds { parts.append("median +\(Humanised.duration(seconds: p50))") }
      if let p99 = fold.p99Seconds { parts.append("p99 +\(Humanised.duration(seconds: p99))") }
      parts.append(style.cyan(producer(line)))
      return parts.filter { !$0.isEmpty }.joined(separator: "  ")
    }
    parts.append(line.failed ? style.red("✗ \(type)") : style.bold(type))
    if let latency = line.latencySeconds {
      parts.append((latency < 0 ? "" : "+") + Humanised.duration(seconds: latency))
    } else {
      parts.append(style.dim(clock(line.createdAt)))
    }
    parts.append(style.cyan(producer(line)))
    parts.append(Printable.cut(Printable.escaped(line.stream), 60))
    parts.append(style.dim(Printable.escaped(line.id)))
    // An orphan's warning names the cause already.
    if let cause = line.cause, let note = Self.causeNote(line.causeKind),
      line.causeKind != "unknown" || line.warnings.isEmpty
    {
      parts.append(style.dim("(\(note) \(Printable.cut(Printable.escaped(cause), 60)))"))
    }
    return parts.filter { !$0.isEmpty }.joined(separator: "  ")
  }

  /// `service/handler`, or what there is of it.
  private func producer(_ line: TraceLine) -> String {
    let both = [line.service, line.handler].filter { !$0.isEmpty }.joined(separator: "/")
    return Printable.cut(Printable.escaped(both), 60)
  }

  private static func causeNote(_ kind: String) -> String? {
    switch kind {
    case "command": "command"
    case "span": "span"
    case "unknown": "cause not stored:"
    default: nil
    }
  }

  /// The time of day of an RFC 3339 time, to the millisecond.
  private func clock(_ time: String) -> String {
    guard let separator = time.firstIndex(of: "T") else { return Printable.escaped(time) }
    return Printable.escaped(String(time[time.index(after: separator)...].prefix(12)))
  }

  /// For each line, whether a line of the same parent comes later. Complexity: O(lines).
  static func followedBySibling(_ lines: [TraceLine]) -> [Bool] {
    var result = [Bool](repeating: false, count: lines.count)
    var seen: [Int] = []
    for index in lines.indices.reversed() {
      let depth = lines[index].depth
      while let last = seen.last, last > depth { seen.removeLast() }
      if seen.last == depth { result[index] = true } else { seen.append(depth) }
    }
    return result
  }

  /// What stands before a line, and before what belongs to it.
  ///
  /// - Parameter open: for each level down to the line's own, whether more lines of it follow.
  static func prefix(_ open: [Bool]) -> (lead: String, below: String) {
    if open.count <= 1 { return ("", "") }
    var text = ""
    var inner = open.dropFirst().dropLast()
    if inner.count > levelsMax {
      text = "[depth \(open.count)] "
      inner = inner.suffix(levelsMax / 2)
    }
    for more in inner { text += more ? "│  " : "   " }
    let last = open[open.count - 1]
    return (text + (last ? "├─ " : "└─ "), text + (last ? "│  " : "   "))
  }
}
