public import EventModel

/// Events read from lines or elements, and what became of the lines between them.
public struct ReadBatch: Sendable {
  public var events = EventBatch()
  /// Lines (elements) of this batch: events, refused and blank ones.
  public var lines = 0
  public var blank = 0
  public var refused = 0
  /// The refusals of this batch, at most `IngestCounts.refusalsMax` of them.
  public var refusals: [Refusal] = []
  /// The number of the first line of this batch.
  public var firstLine = 1
  /// Where the input goes on: bytes (unpacked) from its start.
  public var endOffset = 0

  public init() {}

  mutating func refuse(line: Int, _ reason: String) {
    refused += 1
    if refusals.count < IngestCounts.refusalsMax { refusals.append(Refusal(line: line, reason: reason)) }
  }
}

/// How large a batch gets: whichever bound is met first ends it.
public struct BatchLimits: Hashable, Sendable {
  public var eventCountMax: Int
  /// Bytes of frames; one event more than fits is taken.
  public var bytesMax: Int
  /// Lines, so that an input of refused or blank lines reports its progress too.
  public var lineCountMax: Int

  public init(eventCountMax: Int = 1000, bytesMax: Int = 4 << 20, lineCountMax: Int = 10_000) {
    self.eventCountMax = eventCountMax
    self.bytesMax = bytesMax
    self.lineCountMax = lineCountMax
  }

  func isFull(_ batch: ReadBatch) -> Bool {
    batch.events.count >= eventCountMax || batch.events.bytes.count >= bytesMax || batch.lines >= lineCountMax
  }
}

/// An input that ends before its end: what was delivered before it stands.
public struct EventReadError: Error, Sendable, CustomStringConvertible {
  public enum Code: String, Sendable {
    /// The operating system refused.
    case inputOutput
    /// The compressed data ends too early.
    case truncated
    case damaged
    /// The kind of input is not known.
    case unsupported
  }

  public var code: Code
  public var message: String
  public var hint: String

  public init(_ code: Code, _ message: String, hint: String) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
}
