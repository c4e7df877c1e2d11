internal import EventModel
internal import WireFormats

/// One trace held against one query. Terms that need no payload are answered first.
struct TraceMatch {
  enum Answer: Equatable {
    case yes, no
    /// These terms, by index, are open until payloads are seen.
    case needsPayloads([Int])
  }

  let contents: TraceContents
  let query: TraceQuery
  let depth: (TraceContents) -> Int

  func answer() -> Answer {
    var open: [Int] = []
    for (index, term) in query.terms.enumerated() {
      guard let met = isMetWithoutPayload(term.condition) else {
        open.append(index)
        continue
      }
      if met == term.isNegated { return .no }
    }
    return open.isEmpty ? .yes : .needsPayloads(open)
  }

  /// Last minus first event, each id once, in nanoseconds.
  static func duration(_ contents: TraceContents) -> Int64 {
    let times = counted(contents).map(\.created)
    guard let first = times.min(), let last = times.max() else { return 0 }
    return last.since(first)
  }

  /// The records that count: of each id the first.
  private static func counted(_ contents: TraceContents) -> [TraceRecord] {
    var seen: Set<Identifier> = []
    return contents.records.filter { seen.insert($0.id).inserted }
  }

  /// Nil if only payloads can tell.
  private func isMetWithoutPayload(_ condition: TraceQuery.Condition) -> Bool? {
    switch condition {
    case .name(let field, let pattern): return hasName(field, pattern)
    case .id(let pattern): return contents.records.contains { pattern.matches($0.id) }
    case .cause(let pattern): return contents.records.contains { $0.cause.map(pattern.matches) ?? false }
    case .correlation(let pattern): return pattern.matches(contents.correlation)
    case .failed(let wanted): return contents.records.contains { $0.failure != .none } == wanted
    case .duration(let comparison, let bound): return comparison.holds(Self.duration(contents), bound)
    case .eventCount(let comparison, let bound): return comparison.holds(Int64(Self.counted(contents).count), bound)
    case .depth(let comparison, let bound): return comparison.holds(Int64(depth(contents)), bound)
    case .payload: return nil
    case .text(let text): return hasText(text) ? true : nil
    }
  }

  private func hasName(_ field: TraceQuery.NameField, _ pattern: TextPattern) -> Bool {
    // Each name is compared once, however many events have it.
    let matching = contents.names.names.map { pattern.matches($0) }
    return contents.records.contains { record in
      let name =
        switch field {
        case .type: record.type
        case .stream: record.stream
        case .handler: record.handler
        case .service: record.service
        case .source: record.source
        }
      // An absent name matches nothing, not even a star.
      return name != 0 && matching[Int(name)]
    }
  }

  private func hasText(_ text: [UInt8]) -> Bool {
    let matching = (0..<UInt32(contents.names.count)).map { name in
      unsafe contents.names.withBytes(of: name) { unsafe ByteSearch.contains(text, in: Array($0)) }
    }
    return contents.records.contains { record in
      (record.type != 0 && matching[Int(record.type)]) || (record.stream != 0 && matching[Int(record.stream)])
        || ByteSearch.contains(text, in: record.id.shownBytes.map(ByteSearch.lower))
        || (record.cause.map { ByteSearch.contains(text, in: $0.shownBytes) } ?? false)
    }
  }

  /// The terms of `open` that an event's payload meets.
  func terms(of open: [Int], metBy event: StoredEvent) -> [Int] {
    var parsed: [TraceQuery.PayloadPart: JSONValue?] = [:]
    func tree(_ part: TraceQuery.PayloadPart) -> JSONValue? {
      if let known = parsed[part] { return known }
      let payload = part == .data ? event.data : event.metadata
      let value = payload.flatMap { $0.isJSON ? try? JSONValue.parse($0.bytes) : nil }
      parsed.updateValue(value, forKey: part)
      return value
    }
    return open.filter { index in
      switch query.terms[index].condition {
      case .payload(let part, let path, let test):
        return tree(part).map { Self.holds(test, at: path[...], in: $0) } ?? false
      case .text(let text):
        return [event.data, event.metadata].contains { $0.map { ByteSearch.contains(text, in: $0.bytes) } ?? false }
      default: return false
      }
    }
  }

  /// Walks a path: arrays are looked through (any element counts), and a name may hold dots itself. The path has at
  /// most 16 names, the value at most 512 levels.
  private static func holds(_ test: TraceQuery.ValueTest, at path: ArraySlice<String>, in value: JSONValue) -> Bool {
    if let elements = value.array {
      if let first = path.first, let index = Int(first), elements.indices.contains(index),
        holds(test, at: path.dropFirst(), in: elements[index])
      {
        return true
      }
      return elements.contains { holds(test, at: path, in: $0) }
    }
    if path.isEmpty { return isMet(test, by: value) }
    guard value.members != nil else { return false }
    for length in 1...path.count {
      let key = path.prefix(length).joined(separator: ".")
      if let member = value[key], holds(test, at: path.dropFirst(length), in: member) { return true }
    }
    return false
  }

  private static func isMet(_ test: TraceQuery.ValueTest, by value: JSONValue) -> Bool {
    switch (test, value) {
    case (.equal(let pattern, _), .string(let text)): pattern.matches(text)
    case (.equal(let pattern, let number), .number(let digits)):
      pattern.matches(digits) || (number.map { $0 == Double(digits) } ?? false)
    case (.equal(let pattern, _), .bool(let flag)): pattern.matches(flag ? "true" : "false")
    case (.equal(let pattern, _), .null): pattern.isExact && pattern.matches("null")
    case (.compare(let comparison, let bound), .number(let digits)):
      Double(digits).map { comparison.holds($0, bound) } ?? false
    default: false
    }
  }
}
