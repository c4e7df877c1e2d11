internal import EventModel

/// Reads the text of a query from left to right; every error names its column.
struct QueryParser {
  private static let fields =
    "type, stream, handler, service, source, failed, id, cause, correlation, duration, events, depth, data.<path>, "
    + "metadata.<path>"

  private let bytes: [UInt8]
  private var place = 0

  init(_ text: String) { bytes = Array(text.utf8) }

  mutating func parse() throws(QueryError) -> [TraceQuery.Term] {
    if bytes.count > TraceQuery.bytesMax {
      throw QueryError(column: 1, "a query has at most \(TraceQuery.bytesMax) bytes")
    }
    var terms: [TraceQuery.Term] = []
    while true {
      while let byte = peek, byte == 0x20 || (byte >= 9 && byte <= 13) { place += 1 }
      if peek == nil { return terms }
      let start = place
      terms.append(try term())
      if terms.count > TraceQuery.termsMax {
        throw error(start, "a query has at most \(TraceQuery.termsMax) terms")
      }
    }
  }

  private var peek: UInt8? { place < bytes.count ? bytes[place] : nil }

  private mutating func term() throws(QueryError) -> TraceQuery.Term {
    var isNegated = false
    if peek == 0x2d, place + 1 < bytes.count, !Self.isBlank(bytes[place + 1]) {
      isNegated = true
      place += 1
    }
    let start = place
    if peek == 0x22 {
      let text = try value()
      return TraceQuery.Term(isNegated: isNegated, condition: .text(text.literal.map(ByteSearch.lower)))
    }
    while let byte = peek, !Self.isBlank(byte), !Self.operatorBytes.contains(byte), byte != 0x22 { place += 1 }
    let word = bytes[start..<place]
    guard let byte = peek, Self.operatorBytes.contains(byte) else {
      if peek == 0x22 { throw error(place, "a quote in the middle of a word: put the whole text in quotes") }
      return TraceQuery.Term(isNegated: isNegated, condition: .text(word.map(ByteSearch.lower)))
    }
    if word.isEmpty { throw error(start, "a field is missing before the operator; fields are \(Self.fields)") }
    let field = String(decoding: word, as: UTF8.self)
    return TraceQuery.Term(isNegated: isNegated, condition: try condition(field, start))
  }

  private static let operatorBytes: [UInt8] = [0x3a, 0x3d, 0x3e, 0x3c]
  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 9 && byte <= 13) }

  private mutating func comparison() -> TraceQuery.Comparison {
    let first = bytes[place]
    place += 1
    if first == 0x3a || first == 0x3d { return .equal }
    let orEqual = peek == 0x3d
    if orEqual { place += 1 }
    return first == 0x3e ? (orEqual ? .greaterOrEqual : .greater) : (orEqual ? .lessOrEqual : .less)
  }

  private mutating func condition(_ field: String, _ start: Int) throws(QueryError) -> TraceQuery.Condition {
    let operatorPlace = place
    let comparison = comparison()
    let valuePlace = place
    func needsEqual() throws(QueryError) {
      if comparison != .equal { throw error(operatorPlace, "\(field) is compared with `:` only") }
    }
    if let name = TraceQuery.NameField(rawValue: field) {
      try needsEqual()
      return .name(name, try value().pattern)
    }
    if field.hasPrefix("data.") || field.hasPrefix("metadata.") {
      return try payload(field, start, comparison, valuePlace)
    }
    switch field {
    case "id", "cause", "correlation":
      try needsEqual()
      let pattern = try identifier(valuePlace)
      return field == "id" ? .id(pattern) : field == "cause" ? .cause(pattern) : .correlation(pattern)
    case "failed":
      try needsEqual()
      switch String(decoding: try value().literal.map(ByteSearch.lower), as: UTF8.self) {
      case "true": return .failed(true)
      case "false": return .failed(false)
      default: throw error(valuePlace, "failed is true or false")
      }
    case "duration": return .duration(comparison, try duration(valuePlace))
    case "events": return .eventCount(comparison, try count(field, valuePlace))
    case "depth": return .depth(comparison, try count(field, valuePlace))
    default:
      throw error(start, "unknown field `\(field)`; fields are \(Self.fields); free text stands in quotes")
    }
  }

  private mutating func payload(
    _ field: String, _ start: Int, _ comparison: TraceQuery.Comparison, _ valuePlace: Int
  ) throws(QueryError) -> TraceQuery.Condition {
    let parts = field.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    let path = Array(parts.dropFirst())
    if path.contains("") { throw error(start, "a path is names with dots between them, as in data.order.total") }
    if path.count > TraceQuery.pathPartsMax {
      throw error(start, "a path has at most \(TraceQuery.pathPartsMax) names")
    }
    let part: TraceQuery.PayloadPart = parts[0] == "data" ? .data : .metadata
    let text = try value()
    let number = text.wasQuoted ? nil : Double(String(decoding: text.literal, as: UTF8.self))
    if comparison == .equal { return .payload(part, path: path, .equal(text.pattern, number: number)) }
    guard let number, number.isFinite else {
      throw error(valuePlace, "`\(comparison.rawValue)` compares numbers, as in data.total>100")
    }
    return .payload(part, path: path, .compare(comparison, number))
  }

  private mutating func identifier(_ start: Int) throws(QueryError) -> TraceQuery.IdentifierPattern {
    let text = try value()
    if !text.pattern.isExact { return .wildcard(text.pattern) }
    guard let id = Identifier(String(decoding: text.literal, as: UTF8.self)) else {
      throw error(start, "an id has 1 to \(Identifier.textBytesMax) bytes and is not the nil UUID")
    }
    return .exact(id)
  }

  private mutating func count(_ field: String, _ start: Int) throws(QueryError) -> Int64 {
    guard let count = Int64(String(decoding: try value().literal, as: UTF8.self)), count >= 0 else {
      throw error(start, "\(field) is compared with a whole number, as in \(field)>10")
    }
    return count
  }

  private static let units: [(name: String, nanoseconds: Double)] = [
    ("ns", 1), ("us", 1e3), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9), ("d", 86400e9),
  ]

  private mutating func duration(_ start: Int) throws(QueryError) -> Int64 {
    let text = String(decoding: try value().literal, as: UTF8.self)
    let digits = text.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
    let unit = Self.units.first { $0.name == text.dropFirst(digits.count) }
    guard let number = Double(digits), let unit else {
      throw error(start, "a duration is a number and a unit of ns, us, ms, s, m, h, d, as in duration>2s")
    }
    let nanoseconds = (number * unit.nanoseconds).rounded()
    return nanoseconds >= 9.2e18 ? .max : Int64(nanoseconds)
  }

  private struct Value {
    var parts: [[UInt8]] = [[]]
    var wasQuoted = false
    var pattern: TextPattern { TextPattern(parts: parts) }
    /// With stars as characters, for values that know no wildcard.
    var literal: [UInt8] { Array(parts.joined(separator: [0x2a])) }
  }

  /// The value at this place, to the next blank or the closing quote.
  private mutating func value() throws(QueryError) -> Value {
    var value = Value()
    let start = place
    func add(_ byte: UInt8) { value.parts[value.parts.count - 1].append(byte) }
    if peek == 0x22 {
      value.wasQuoted = true
      place += 1
      while true {
        guard let byte = peek else { throw error(start, "the closing quote is missing") }
        place += 1
        if byte == 0x22 { break }
        if byte == 0x5c, let escaped = peek, [0x22, 0x5c, 0x2a].contains(escaped) {
          add(escaped)
          place += 1
        } else if byte == 0x2a {
          value.parts.append([])
        } else {
          add(byte)
        }
      }
      if let byte = peek, !Self.isBlank(byte) { throw error(place, "a blank is missing after the closing quote") }
    } else {
      while let byte = peek, !Self.isBlank(byte) {
        if byte == 0x22 { throw error(place, "a quote in the middle of a value: put the whole value in quotes") }
        if byte == 0x2a { value.parts.append([]) } else { add(byte) }
        place += 1
      }
    }
    if value.parts == [[]] && !value.wasQuoted { throw error(start, "a value is missing here") }
    return value
  }

  /// Columns count characters, not bytes.
  private func error(_ at: Int, _ message: String) -> QueryError {
    QueryError(column: 1 + bytes[0..<min(at, bytes.count)].count { $0 & 0xc0 != 0x80 }, message)
  }
}
