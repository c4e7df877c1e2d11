import EventModel

/// Why a line is refused.
struct Refused: Error {
  let reason: String
  init(_ reason: String) { self.reason = reason }
}

/// A piece of text, by the buffer it lies in: buffers may move while a line is read, so pointers are made at the end.
struct Text {
  enum Place: UInt8 {
    /// The line itself.
    case line
    /// Unescaped strings and names of rules.
    case scratch
    /// The 16 bytes of UUIDs.
    case identifiers
    /// Data or metadata that is not a slice of the line: decoded, put together, or redacted.
    case data, metadata
  }

  var place: Place
  var start: Int
  var count: Int

  static let absent = Text(place: .line, start: 0, count: 0)

  @inline(__always) var isAbsent: Bool { count == 0 }

  @inline(__always) func tail(_ length: Int) -> Text {
    Text(place: place, start: start + count - length, count: length)
  }

  @inline(__always) func head(_ length: Int) -> Text { Text(place: place, start: start, count: length) }
}

/// An event taken apart, before it becomes a frame.
struct EventParts {
  var flags: EventFrame.Flags = []
  var eventClass = EventClass.domain
  var failure = FailureKind.none
  var handlerIdentity = HandlerIdentity.none
  var created = Timestamp(nanoseconds: 0)
  var revision: Int64?
  var id = Text.absent
  var correlation = Text.absent
  var cause = Text.absent
  var stream = Text.absent
  var type = Text.absent
  var service = Text.absent
  var handler = Text.absent
  var schemaVersion = Text.absent
  var metadata = Text.absent
  var data = Text.absent
}
