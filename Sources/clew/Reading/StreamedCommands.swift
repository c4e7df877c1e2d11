import Platform
import WireFormats

/// `clew export`: lines as they are, as they come.
struct ExportCommand {
  let context: ReadingContext

  func run() throws {
    let answer = try context.source.get(["api", "v1", "export", context.parsed.arguments[0]], []) { chunk in
      try context.output.write(chunk)
      return true
    }
    if answer.status != 200 { throw ReadingContext.refusal(answer.status, answer.body) }
  }
}

/// `clew tail`.
struct TailCommand {
  let context: ReadingContext

  func run() throws {
    let query = try Self.parameters(context.parsed.arguments)
    let limit = context.parsed.count("limit") ?? Int.max
    var parser = ServerSentEvents()
    var shown = 0
    let answer = try context.source.get(["api", "v1", "tail"], query) { chunk in
      for event in try parser.add(chunk) {
        if event.name == "lost" {
          let count = (try? JSONValue.parse(event.data))?["count"]?.int ?? 0
          context.note("\(Humanised.count(count)) events were left out: this reader is too slow")
          continue
        }
        try show(event)
        shown += 1
        if shown >= limit { return false }
      }
      try context.output.flush()
      return true
    }
    if answer.status != 200 { throw ReadingContext.refusal(answer.status, answer.body) }
  }

  private func show(_ event: ServerSentEvents.Event) throws {
    if context.wantsJSON { return try context.printJSON(event.data) }
    let row = try ReadingContext.parse(event.data)
    try context.output.write(StreamCommand.lines(row, context.style, payload: false))
  }

  /// Terms of the search grammar to parameters of the route, which knows whole names only.
  static func parameters(_ terms: [String]) throws(UsageError) -> [(String, String)] {
    var query: [(String, String)] = []
    for term in terms.flatMap({ $0.split(separator: " ") }).map(String.init) {
      guard let colon = term.firstIndex(of: ":") else {
        throw UsageError(
          "'clew tail' cannot use the term \(Printable.quoted(term))",
          hint: "terms: type: stream: handler: service: source: failed: correlation:")
      }
      let name = String(term[..<colon])
      let value = String(term[term.index(after: colon)...])
      switch name {
      case "type", "stream", "handler", "service", "source", "failed": query.append((name, value))
      case "correlation", "correlationId", "trace": query.append(("correlationId", value))
      default:
        throw UsageError(
          "'clew tail' cannot filter by \(Printable.quoted(name))",
          hint: "terms: type: stream: handler: service: source: failed: correlation:")
      }
    }
    return query
  }
}

/// Reads `text/event-stream`, in pieces of any size. An event is bounded: a stream that never ends one is refused.
struct ServerSentEvents {
  struct Event: Equatable {
    var name: String
    var data: [UInt8]
  }

  static let eventBytesMax = 64 << 20

  private var rest: [UInt8] = []
  /// So many of its first bytes hold no end of a line.
  private var searchedCount = 0
  private var name = "message"
  private var data: [UInt8] = []

  mutating func add(_ chunk: [UInt8]) throws -> [Event] {
    var events: [Event] = []
    rest += chunk
    if rest.count + data.count > Self.eventBytesMax { throw Failure("the server sends an event of more than 64 MiB") }
    var start = 0
    while let end = lineFeed(from: max(start, searchedCount)) {
      var line = rest[start..<end]
      if line.last == 0x0d { line.removeLast() }
      if let event = take(line) { events.append(event) }
      start = end + 1
    }
    rest.removeFirst(start)
    searchedCount = rest.count
    return events
  }

  private func lineFeed(from start: Int) -> Int? {
    unsafe rest.withUnsafeBytes { all in
      unsafe ByteSearch.first(0x0a, in: UnsafeRawBufferPointer(rebasing: all[start...])).map { start + $0 }
    }
  }

  private mutating func take(_ line: ArraySlice<UInt8>) -> Event? {
    if line.isEmpty {
      defer { (name, data) = ("message", []) }
      return data.isEmpty ? nil : Event(name: name, data: data)
    }
    if let value = field("data:", line) {
      if !data.isEmpty { data.append(0x0a) }
      data += value
    } else if let value = field("event:", line) {
      name = String(decoding: value, as: UTF8.self)
    }
    return nil
  }

  private func field(_ name: String, _ line: ArraySlice<UInt8>) -> ArraySlice<UInt8>? {
    guard line.starts(with: name.utf8) else { return nil }
    let value = line.dropFirst(name.utf8.count)
    return value.first == 0x20 ? value.dropFirst() : value
  }
}
