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
  /// `?name=`; else scheme, host, port and path, never credentials or parameters.
  public var name: String
  /// `?profile=`; nil leaves the configured one.
  public var profile: MetadataProfile?

  /// `file:///path/events.ndjson?follow=true&name=orders&profile=axon`, or `-` for the standard input.
  public static func parse(_ text: String) throws(Problem) -> SourceURL {
    throw Problem(message: "not read yet", hint: "")
  }
}
