import WireFormats

/// `clew trace`.
struct TraceCommand {
  /// Lines shown without --all and --limit; folding keeps most traces far below.
  static let linesStandard = 1000
  static let pageLimit = 5000

  let context: ReadingContext

  func run() throws {
    let id = context.parsed.arguments[0]
    do {
      try show(id)
    } catch let missing as NotFound {
      guard let trace = try traceOfEvent(id, missing) else { return }
      try show(trace)
    }
  }

  /// The id may be an event's: its trace, or nil if the event is in no trace and was shown by itself.
  private func traceOfEvent(_ id: String, _ missing: NotFound) throws -> String? {
    let body: [UInt8]
    do {
      body = try context.fetch(["api", "v1", "events", id])
    } catch let event as NotFound {
      // Its words say, too, what the store has lost or deleted: the id may have been there.
      throw NotFound(message: "no trace has the id \(Printable.quoted(id, limit: 256)), and \(event.message)")
    }
    let answer = try ReadingContext.parse(body)
    if let trace = answer["trace"]?["correlationId"]?.string { return trace }
    if let trace = answer["event"]?["correlationId"]?.string { return trace }
    if context.wantsJSON {
      try context.printJSON(body)
      return nil
    }
    try context.output.line("event \(Printable.escaped(id)) is in no trace")
    if let event = answer["event"] {
      try StreamCommand.write(events: [event], to: context, payload: true)
    }
    return nil
  }

  private func show(_ correlation: String) throws {
    var query = context.parameters([("root", "root")])
    if context.parsed.has("payload") { query.append(("payload", "true")) }
    let all = context.parsed.has("all")
    let limit = context.parsed.count("limit") ?? (all ? Int.max : Self.linesStandard)
    if context.wantsJSON { return try showJSON(correlation, query, limit: context.parsed.count("limit") ?? Int.max) }
    if !all { query.append(("fold", "true")) }
    var lines: [TraceLine] = []
    var summary = JSONValue.null
    var cursor: String?
    repeat {
      var page = query + [("limit", "\(min(limit - lines.count, Self.pageLimit))")]
      if let cursor { page.append(("cursor", cursor)) }
      var answer = try context.fetchJSON(["api", "v1", "traces", correlation], page)
      lines += (answer["events"]?.array ?? []).map(TraceLine.init)
      cursor = answer["nextCursor"]?.string
      if summary.isNull {
        context.noteWarnings(answer)
        if case .object(let members) = answer { answer = .object(members.filter { $0.key != "events" }) }
        summary = answer
      }
    } while cursor != nil && lines.count < limit
    try TraceText(style: context.style).render(summary: summary, lines: lines) { try context.output.write($0) }
    if cursor != nil {
      try context.output.line(context.style.dim("… more events follow: --all shows every one, --limit N so many"))
    }
  }

  /// The API's answer; where the trace has more events than a page, the pages' events in one answer.
  private func showJSON(_ correlation: String, _ query: [(String, String)], limit: Int) throws {
    let path = ["api", "v1", "traces", correlation]
    let first = try context.fetch(path, query + [("limit", "\(min(limit, Self.pageLimit))")])
    var answer = try ReadingContext.parse(first)
    guard var cursor = answer["nextCursor"]?.string, (answer["events"]?.array ?? []).count < limit else {
      return try context.printJSON(first)
    }
    guard case .object(let members) = answer else { return try context.printJSON(first) }
    // Written as it arrives: a trace of a million events is never held whole.
    try context.output.write("{")
    for member in members where member.key != "events" && member.key != "nextCursor" {
      try context.output.write(JSONValue.string(member.key).encoded + [0x3a] + member.value.encoded + [0x2c])
    }
    try context.output.write("\"events\":[")
    var written = 0
    var next: String? = cursor
    while true {
      for row in answer["events"]?.array ?? [] {
        try context.output.write((written == 0 ? [] : [0x2c]) + row.encoded)
        written += 1
      }
      next = answer["nextCursor"]?.string
      guard let following = next, written < limit else { break }
      cursor = following
      let size = min(limit - written, Self.pageLimit)
      answer = try context.fetchJSON(path, query + [("limit", "\(size)"), ("cursor", cursor)])
    }
    try context.output.write("],\"nextCursor\":" + (next == nil ? "null" : ""))
    if let next { try context.output.write(JSONValue.string(next).encoded) }
    try context.output.write("}\n")
  }
}
