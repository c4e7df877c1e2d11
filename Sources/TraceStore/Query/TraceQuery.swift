public import EventModel

/// What somebody looks for: terms, joined with and. Each term asks something of the trace; most ask whether SOME
/// event of the trace has a property, so two terms may be met by two events. `-` before a term negates it.
///
/// | term | met by a trace |
/// | --- | --- |
/// | `type:` `stream:` `handler:` `service:` `source:` | with an event of this name; exact case, `*` for any text |
/// | `id:` `cause:` | with an event of this id, or one that names this cause; UUIDs in any spelling, or `*` |
/// | `correlation:` | of this correlation id |
/// | `failed:true`, `failed:false` | with a failed event; without one |
/// | `duration>2s` | last minus first event; units ns us ms s m h d |
/// | `events>10` `depth>=3` | with so many events, so deep |
/// | `data.path>100` `metadata.key:text` | with an event whose JSON has such a value at this path |
/// | `word`, `"free text"` | with the text in type, stream, id, cause, data or metadata; case of ASCII letters ignored |
///
/// Operators: `:` and `=` are the same; `>` `>=` `<` `<=` for numbers and durations. A value with blanks, quotes or a
/// leading `-` stands in double quotes, with `\"`, `\\` and `\*` for the characters themselves.
public struct TraceQuery: Sendable, Hashable {
  public static let bytesMax = 4096
  public static let termsMax = 32
  public static let pathPartsMax = 16

  public struct Term: Sendable, Hashable {
    public var isNegated: Bool
    public var condition: Condition
  }

  public enum NameField: String, Sendable, CaseIterable {
    case type, stream, handler, service, source
  }

  public enum Condition: Sendable, Hashable {
    case name(NameField, TextPattern)
    case id(IdentifierPattern)
    case cause(IdentifierPattern)
    case correlation(IdentifierPattern)
    case failed(Bool)
    /// Nanoseconds.
    case duration(Comparison, Int64)
    case eventCount(Comparison, Int64)
    case depth(Comparison, Int64)
    case payload(PayloadPart, path: [String], ValueTest)
    /// In lower case (ASCII).
    case text([UInt8])
  }

  public enum PayloadPart: String, Sendable {
    case data, metadata
  }

  public enum Comparison: String, Sendable, Hashable {
    case equal = "=", greater = ">", greaterOrEqual = ">=", less = "<", lessOrEqual = "<="

    func holds<Value: Comparable>(_ value: Value, _ bound: Value) -> Bool {
      switch self {
      case .equal: value == bound
      case .greater: value > bound
      case .greaterOrEqual: value >= bound
      case .less: value < bound
      case .lessOrEqual: value <= bound
      }
    }
  }

  /// What a JSON value is held against.
  public enum ValueTest: Sendable, Hashable {
    /// A string that matches; a number of this value; `true`, `false`, `null`.
    case equal(TextPattern, number: Double?)
    /// A number in this relation.
    case compare(Comparison, Double)
  }

  public enum IdentifierPattern: Sendable, Hashable {
    case exact(Identifier)
    /// Over the id as shown.
    case wildcard(TextPattern)

    func matches(_ id: Identifier) -> Bool {
      switch self {
      case .exact(let wanted): id == wanted
      case .wildcard(let pattern): pattern.matches(id.shownBytes)
      }
    }
  }

  public var terms: [Term]

  public init(terms: [Term] = []) { self.terms = terms }

  /// Reads a query; an empty text is met by every trace.
  public static func parse(_ text: String) throws(QueryError) -> TraceQuery {
    var parser = QueryParser(text)
    return TraceQuery(terms: try parser.parse())
  }

  /// Some term looks into data or metadata, so that payloads must be read.
  public var needsPayloads: Bool {
    terms.contains { term in
      switch term.condition {
      case .payload, .text: true
      default: false
      }
    }
  }
}

/// What is wrong with a query, and where.
public struct QueryError: Error, Hashable, Sendable, CustomStringConvertible {
  /// Of the character at fault, from 1.
  public var column: Int
  /// What is wrong, and what is allowed.
  public var message: String

  public init(column: Int, _ message: String) {
    self.column = column
    self.message = message
  }

  public var description: String { "column \(column): \(message)" }
}

/// A text with `*` for any number of any characters, compared byte by byte.
public struct TextPattern: Sendable, Hashable {
  /// The texts between the stars; one part: an exact text.
  var parts: [[UInt8]]

  /// Nothing but this text.
  public init(exactly text: String) { parts = [Array(text.utf8)] }

  init(parts: [[UInt8]]) { self.parts = parts }

  public var isExact: Bool { parts.count == 1 }

  public func matches(_ text: String) -> Bool { matches(Array(text.utf8)) }

  /// Complexity: O(text * pattern) at worst.
  public func matches(_ text: [UInt8]) -> Bool {
    let first = parts[0]
    if parts.count == 1 { return text == first }
    let last = parts[parts.count - 1]
    guard text.count >= first.count + last.count, text.starts(with: first), text.suffix(last.count) == last[...] else {
      return false
    }
    var rest = text[first.count..<(text.count - last.count)]
    for part in parts[1..<(parts.count - 1)] where !part.isEmpty {
      guard let found = ByteSearch.find(part, in: rest) else { return false }
      rest = rest[(found + part.count)...]
    }
    return true
  }
}

enum ByteSearch {
  /// Where `part` starts in `text` (an index of `text`), or nil.
  static func find(_ part: [UInt8], in text: ArraySlice<UInt8>) -> Int? {
    if part.isEmpty { return text.startIndex }
    var start = text.startIndex
    while start + part.count <= text.endIndex {
      if text[start] == part[0] && text[start..<(start + part.count)] == part[...] { return start }
      start += 1
    }
    return nil
  }

  /// True if `text` holds `part`, which is in lower case, whatever the case of its ASCII letters.
  static func contains(_ part: [UInt8], in text: [UInt8]) -> Bool {
    if part.isEmpty { return true }
    if text.count < part.count { return false }
    return unsafe text.withUnsafeBufferPointer { text in
      unsafe part.withUnsafeBufferPointer { part in
        for start in 0...(text.count - part.count) {
          var index = 0
          while unsafe index < part.count && lower(text[start + index]) == part[index] { index += 1 }
          if index == part.count { return true }
        }
        return false
      }
    }
  }

  @inline(__always) static func lower(_ byte: UInt8) -> UInt8 { byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte }
}
