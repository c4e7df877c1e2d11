/// One configured source.
public struct SourceURL: Hashable, Sendable {
  public enum Kind: Hashable, Sendable {
    case file(path: String, follow: Bool)
    case standardInput
  }

  public struct Problem: Error, Hashable, Sendable, CustomStringConvertible {
    public var message: String
    public var hint: String

    public var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
  }

  public var kind: Kind
  /// `?name=`; else scheme, host, port and path, never credentials or parameters. Part of the identity of events, so
  /// permanent.
  public var name: String
  /// `?profile=`; nil leaves the configured one.
  public var profile: MetadataProfile?

  /// `file:///path/events.ndjson?follow=true&name=orders&profile=axon`, or `-` for the standard input.
  ///
  /// Percent escapes are decoded; `follow` is false unless it is said.
  public static func parse(_ text: String) throws(Problem) -> SourceURL {
    if text == "-" { return SourceURL(kind: .standardInput, name: "stdin", profile: nil) }
    guard let colon = text.firstIndex(of: ":") else {
      throw Problem(
        message: "the source \(quoted(text)) has no scheme",
        hint: "a file is written file:///path/events.ndjson?follow=true")
    }
    let scheme = text[..<colon].lowercased()
    switch scheme {
    case "file": return try file(text[text.index(after: colon)...])
    case "redis", "rediss":
      throw Problem(
        message: "\(scheme) sources are not in this build yet",
        hint: "follow a file (file:///path/events.ndjson?follow=true) or post events to /api/v1/events")
    default:
      throw Problem(
        message: "the source \(quoted(text)) has the unknown scheme \(quoted(scheme))",
        hint: "known are kurrentdb://host:2113, file:///path/events.ndjson and - for standard input")
    }
  }

  private static func file(_ rest: Substring) throws(Problem) -> SourceURL {
    let parts = rest.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    var place = parts[0]
    if place.hasPrefix("//") {
      place = place.dropFirst(2)
      if place.hasPrefix("localhost/") { place = place.dropFirst("localhost".count) }
      guard place.hasPrefix("/") else {
        throw Problem(
          message: "file://\(place) names a host, which a file has not",
          hint: "an absolute path has three slashes: file:///path/events.ndjson")
      }
    }
    guard let path = decoded(place), !path.isEmpty else {
      throw Problem(message: "file:\(rest) has no path, or a wrong percent escape", hint: "file:///path/events.ndjson")
    }
    var result = SourceURL(kind: .file(path: path, follow: false), name: "file://" + path, profile: nil)
    if parts.count == 2 { try result.read(parameters: parts[1], path: path) }
    return result
  }

  private mutating func read(parameters: Substring, path: String) throws(Problem) {
    for pair in parameters.split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard let value = Self.decoded(sides.count == 2 ? sides[1] : "") else {
        throw Problem(message: "\(Self.quoted(String(pair))) has a wrong percent escape", hint: "")
      }
      switch sides[0] {
      case "follow":
        guard ["true", "false", ""].contains(value) else {
          throw Problem(message: "follow is true or false, not \(Self.quoted(value))", hint: "")
        }
        kind = .file(path: path, follow: value != "false")
      case "name":
        guard !value.isEmpty else { throw Problem(message: "name is empty", hint: "leave it out for the default") }
        name = value
      case "profile":
        guard let found = MetadataProfile.named(value) else {
          throw Problem(
            message: "there is no profile \(Self.quoted(value))",
            hint: "known are " + MetadataProfile.names.joined(separator: ", "))
        }
        profile = found
      default:
        throw Problem(
          message: "a file has no parameter \(Self.quoted(String(sides[0])))", hint: "known are follow, name, profile")
      }
    }
  }

  private static func quoted(_ text: String) -> String { "“\(text)”" }

  /// Percent escapes decoded; nil for a wrong one, or one that gives no UTF-8.
  private static func decoded(_ text: Substring) -> String? {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      guard byte == 0x25 else {
        bytes.append(byte)
        continue
      }
      guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16), value != 0,
        rest.first != 0x2b
      else { return nil }
      bytes.append(value)
      rest = rest.dropFirst(2)
    }
    return String(validating: bytes, as: UTF8.self)
  }
}
