import EventModel

/// A query parameter that a route takes: how it is checked, and what the OpenAPI document says of it.
struct Parameter: Sendable {
  enum Kind: Sendable, Equatable {
    /// A whole number of at least 1.
    case count(standard: Int, maximum: Int)
    case time
    case duration
    case flag
    /// Any UTF-8 text of at most so many bytes, not empty.
    case text(bytesMax: Int)
    /// A search query; an empty one, as a form sends it, finds everything.
    case query
    case identifier
    case oneOf([String])
  }

  var name: String
  var kind: Kind
  var about: String

  init(_ name: String, _ kind: Kind, _ about: String) {
    self.name = name
    self.kind = kind
    self.about = about
  }
}

/// A checked value of a parameter.
enum ParameterValue: Equatable {
  case count(Int)
  case time(Timestamp)
  case duration(Int64)
  case flag(Bool)
  case text(String)
  case identifier(Identifier)
}

extension Parameter {
  /// Checks the query of a request against what its route takes: unknown, repeated and malformed parameters are
  /// refused, since a misspelt filter that is ignored gives a wrong answer that looks right.
  static func read(
    _ query: [(name: String, value: [UInt8])], for parameters: [Parameter], now: Timestamp
  ) throws(APIError) -> [String: ParameterValue] {
    var values: [String: ParameterValue] = [:]
    for (name, value) in query {
      guard let parameter = parameters.first(where: { $0.name == name }) else {
        let known = parameters.map(\.name).joined(separator: ", ")
        throw APIError(
          400, "unknown_parameter", "there is no parameter \(shown(name)) here",
          hint: known.isEmpty ? "this route takes no parameters" : "parameters of this route: \(known)")
      }
      guard values[name] == nil else {
        throw .badParameter(name, "given more than once", hint: "give it once")
      }
      values[name] = try parameter.read(value, now: now)
    }
    return values
  }

  private func read(_ bytes: [UInt8], now: Timestamp) throws(APIError) -> ParameterValue {
    guard let text = String(validating: bytes, as: UTF8.self) else {
      throw .badParameter(name, "is not valid UTF-8", hint: "percent-encode the UTF-8 bytes of the value")
    }
    switch kind {
    case .count(_, let maximum): return try readCount(text, maximum: maximum)
    case .time:
      if let time = TimeText.time(text, now: now) { return .time(time) }
      throw .badParameter(
        name, "\(shown(text)) is no time", hint: "write it as 2026-01-31T12:00:00Z, or as time before now: 15m, -1h, 2d"
      )
    case .duration:
      if let nanoseconds = TimeText.duration(text) { return .duration(nanoseconds) }
      throw .badParameter(
        name, "\(shown(text)) is no duration", hint: "write a number and a unit: 250ms, 1.5s, 2h, 1h30m")
    case .flag:
      if text == "true" || text == "1" || text.isEmpty { return .flag(true) }
      if text == "false" || text == "0" { return .flag(false) }
      throw .badParameter(name, "\(shown(text)) is neither true nor false", hint: "write true or false")
    case .text(let bytesMax):
      if bytes.isEmpty { throw .badParameter(name, "is empty", hint: "give a value, or leave the parameter out") }
      if bytes.count > bytesMax {
        throw .badParameter(name, "has \(bytes.count) bytes", hint: "at most \(bytesMax) bytes are taken")
      }
      return .text(text)
    case .query: return .text(text)
    case .identifier: return .identifier(try identifier(bytes, name: "parameter \(name)"))
    case .oneOf(let words):
      if words.contains(text) { return .text(text) }
      throw .badParameter(name, "\(shown(text)) is not known", hint: "one of \(words.joined(separator: ", "))")
    }
  }

  private func readCount(_ text: String, maximum: Int) throws(APIError) -> ParameterValue {
    guard let count = Int(text), count >= 1, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else {
      throw .badParameter(name, "\(shown(text)) is no count", hint: "a whole number from 1 to \(maximum)")
    }
    guard count <= maximum else {
      throw .badParameter(name, "\(count) is too much", hint: "at most \(maximum); page on with cursor=nextCursor")
    }
    return .count(count)
  }
}

/// A value that somebody sent, quoted and shortened, for messages.
func shown(_ text: String) -> String {
  let characters = text.prefix(80)
  return characters.count < text.count ? "'\(characters)…'" : "'\(text)'"
}

/// The identifier in a path or a parameter, by the same rules as in events.
func identifier(_ bytes: [UInt8], name: String) throws(APIError) -> Identifier {
  guard String(validating: bytes, as: UTF8.self) != nil else {
    throw APIError(
      400, "invalid_id", "\(name) is not valid UTF-8", hint: "percent-encode the UTF-8 bytes of the id")
  }
  switch unsafe bytes.withUnsafeBytes({ unsafe Identifier.scan($0) }) {
  case .uuid(let key): return Identifier(uuid: key)
  case .text(let range): return Identifier(text: Array(bytes[range]))
  case .absent:
    throw APIError(400, "invalid_id", "\(name) is empty or the nil UUID", hint: "give a correlation or event id")
  case .tooLong:
    throw APIError(
      400, "invalid_id", "\(name) has \(bytes.count) bytes",
      hint: "ids have at most \(Identifier.textBytesMax) bytes; longer ones are never stored")
  }
}
