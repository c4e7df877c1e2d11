import WireFormats

/// `clew search`.
struct SearchCommand {
  let context: ReadingContext

  /// - Returns: `answeredNo` if no trace matches.
  func run() throws -> ExitCode {
    var query = context.rangeParameters
    // Words of the shell are terms; one with a blank inside was quoted there and is a phrase or a whole query.
    let terms = context.parsed.arguments.joined(separator: " ")
    if !terms.isEmpty { query.append(("q", terms)) }
    query += context.parameters([("min-duration", "minDuration"), ("cursor", "cursor")])
    query.append(("limit", "\(context.parsed.count("limit") ?? 20)"))
    let body = try context.fetch(["api", "v1", "traces"], query)
    let answer = try ReadingContext.parse(body)
    let traces = answer["traces"]?.array ?? []
    if context.wantsJSON {
      try context.printJSON(body)
      return traces.isEmpty ? .answeredNo : .answered
    }
    context.noteWarnings(answer)
    if traces.isEmpty {
      context.note("no trace matches")
      return .answeredNo
    }
    var table = TextTable([
      ("FIRST EVENT", .left), ("DURATION", .right), ("EVENTS", .right), ("FAILED", .right), ("DEPTH", .right),
      ("CORRELATION ID", .left),
    ])
    table.cellWidthMax = 256
    for trace in traces {
      func count(_ key: String) -> String { Humanised.count(trace[key]?.int ?? 0) }
      table.add([
        String((trace["firstEventAt"]?.string ?? "").prefix(64)),
        trace["durationSeconds"]?.double.map { Humanised.duration(seconds: $0) } ?? "-", count("eventCount"),
        count("failureCount"), count("depth"), trace["correlationId"]?.string ?? "",
      ])
    }
    try context.output.write(table.text(context.style))
    if let cursor = answer["nextCursor"]?.string {
      context.note("more traces: --limit N, or --cursor \(Printable.escaped(cursor))")
    }
    return .answered
  }
}

/// `clew stream`.
struct StreamCommand {
  let context: ReadingContext

  func run() throws {
    var query = context.parameters([("cursor", "cursor")])
    query.append(("limit", "\(context.parsed.count("limit") ?? 100)"))
    if context.parsed.has("payload") { query.append(("payload", "true")) }
    let body = try context.fetch(["api", "v1", "streams", context.parsed.arguments[0]], query)
    if context.wantsJSON { return try context.printJSON(body) }
    let answer = try ReadingContext.parse(body)
    context.noteWarnings(answer)
    try Self.write(events: answer["events"]?.array ?? [], to: context, payload: context.parsed.has("payload"))
    if let cursor = answer["nextCursor"]?.string {
      context.note("more events: --limit N, or --cursor \(Printable.escaped(cursor))")
    }
  }

  /// One line an event: time, mark of failure, type, producer, stream, id, trace.
  static func write(events: [JSONValue], to context: ReadingContext, payload: Bool) throws {
    for event in events { try context.output.write(lines(event, context.style, payload: payload)) }
  }

  static func lines(_ event: JSONValue, _ style: Style, payload: Bool) -> String {
    let line = TraceLine(event)
    let type = Printable.cut(Printable.escaped(line.type), 80)
    let producer = Printable.escaped([line.service, line.handler].filter { !$0.isEmpty }.joined(separator: "/"))
    var parts = [
      style.dim(Printable.escaped(line.createdAt)), line.failed ? style.red("✗ \(type)") : style.bold(type),
      style.cyan(Printable.cut(producer, 60)), Printable.cut(Printable.escaped(line.stream), 60),
      style.dim(Printable.escaped(line.id)),
    ]
    if let latency = line.latencySeconds { parts.insert("+\(Humanised.duration(seconds: latency))", at: 2) }
    if let trace = event["correlationId"]?.string { parts.append(style.dim("trace \(Printable.escaped(trace))")) }
    var text = parts.filter { !$0.isEmpty }.joined(separator: "  ") + "\n"
    if payload, let content = line.payload {
      let shown = Printable.cut(Printable.escaped(content), TraceText.payloadCharactersMax)
      text += style.dim("    " + shown) + "\n"
    }
    return text
  }
}

/// `clew handlers`, `clew flow`, `clew stats`, `clew sources`.
struct StatisticsCommands {
  let context: ReadingContext

  private func answer(_ path: String, _ query: [(String, String)]) throws -> JSONValue? {
    let body = try context.fetch(["api", "v1", path], query)
    if context.wantsJSON {
      try context.printJSON(body)
      return nil
    }
    let answer = try ReadingContext.parse(body)
    context.noteWarnings(answer)
    return answer
  }

  func handlers() throws {
    guard let answer = try answer("handlers", context.rangeParameters) else { return }
    var table = TextTable([
      ("SERVICE", .left), ("HANDLER", .left), ("EVENT TYPE", .left), ("COUNT", .right), ("FAILED", .right),
      ("NEGATIVE", .right), ("MIN", .right), ("P50", .right), ("P90", .right), ("P99", .right), ("MAX", .right),
      ("SOURCE", .left),
    ])
    for row in answer["handlers"]?.array ?? [] {
      func text(_ key: String) -> String { row[key]?.string ?? "" }
      func count(_ key: String) -> String { Humanised.count(row[key]?.int ?? 0) }
      func time(_ key: String) -> String { row[key]?.double.map { Humanised.duration(seconds: $0) } ?? "-" }
      table.add([
        text("service"), text("handler"), text("eventType"), count("count"), count("failureCount"),
        count("negativeCount"), time("minSeconds"), time("p50Seconds"), time("p90Seconds"), time("p99Seconds"),
        time("maxSeconds"), text("source"),
      ])
    }
    try write(table, empty: "no handler reacted in this time")
  }

  func flow() throws {
    guard let answer = try answer("flow", context.rangeParameters) else { return }
    var table = TextTable([
      ("CAUSE", .left), ("HANDLER", .left), ("EFFECT", .left), ("COUNT", .right), ("FAILED", .right), ("SOURCE", .left),
    ])
    for row in answer["flow"]?.array ?? [] {
      func text(_ key: String) -> String { row[key]?.string ?? "" }
      table.add([
        text("causeType"), [text("service"), text("handler")].filter { !$0.isEmpty }.joined(separator: "/"),
        text("effectType"), Humanised.count(row["count"]?.int ?? 0), Humanised.count(row["failureCount"]?.int ?? 0),
        text("source"),
      ])
    }
    try write(table, empty: "nothing led to anything in this time")
  }

  func stats() throws {
    guard let answer = try answer("stats", []) else { return }
    func count(_ key: String) -> String { Humanised.count(answer[key]?.int ?? 0) }
    func bytes(_ key: String) -> String { Humanised.bytes(answer[key]?.double ?? 0) }
    var rows = [
      ("events", count("eventCount")), ("traces", count("traceCount")), ("sealed segments", count("segmentCount")),
      ("stored", bytes("storedBytes")), ("before compression", bytes("rawBytes")),
    ]
    if let perEvent = answer["bytesPerEvent"]?.double { rows.append(("bytes per event", Humanised.three(perEvent))) }
    for (key, label) in [
      ("reportCount", "handler reports"), ("hotEventCount", "events not sealed yet"),
      ("damagedSegmentCount", "damaged or lost files"), ("unresolvedCount", "events waiting for their cause"),
    ] where answer[key]?.int ?? 0 > 0 {
      rows.append((label, count(key)))
    }
    for (key, label) in [("oldestEventAt", "oldest event"), ("newestEventAt", "newest event")] {
      if let time = answer[key]?.string { rows.append((label, Printable.escaped(time))) }
    }
    let width = rows.map(\.0.count).max() ?? 0
    for (label, value) in rows { try context.output.line("\(HelpText.pad(label, width))  \(value)") }
  }

  func sources() throws {
    guard let answer = try answer("sources", []) else { return }
    var table = TextTable([("SOURCE", .left), ("STATE", .left), ("POSITION", .right)])
    for row in answer["sources"]?.array ?? [] {
      let positions = (row["checkpoints"]?.array ?? []).map { $0["position"]?.string ?? "" }
      table.add([
        row["name"]?.string ?? "", row["state"]?.string ?? row["status"]?.string ?? "-",
        positions.isEmpty ? "-" : positions.joined(separator: " "),
      ])
    }
    try write(table, empty: "no source was ever stored")
  }

  private func write(_ table: TextTable, empty: String) throws {
    if table.isEmpty { return try context.output.line(empty) }
    try context.output.write(table.text(context.style))
  }
}
