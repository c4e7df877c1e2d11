/// The shape of a JSON value that the API gives or takes.
indirect enum Shape: Sendable, Equatable {
  case text
  case time
  case integer
  case number
  case boolean
  case anything
  case words([String])
  case reference(String)
  case either([String])
  case list(Shape)
  /// Any names, values of one shape.
  case map(Shape)
}

/// A member of an object.
struct Field: Sendable {
  var name: String
  var shape: Shape
  var about: String
  /// May be null: the value is absent or unknown.
  var nullable: Bool
  /// May be missing.
  var optional: Bool

  init(_ name: String, _ shape: Shape, _ about: String, nullable: Bool = false, optional: Bool = false) {
    self.name = name
    self.shape = shape
    self.about = about
    self.nullable = nullable
    self.optional = optional
  }
}

/// Every object of the API, by name. A test holds the answers against it.
enum OpenAPISchemas {
  static let warnings = Field(
    "warnings", .list(.reference("Warning")), "what is missing here, and what else there is to say")
  static let nextCursor = Field(
    "nextCursor", .text, "give it as cursor for the next page; null on the last one", nullable: true)

  static let all: [(name: String, fields: [Field])] =
    traces + events + [
      (
        "Error",
        [Field("error", .reference("ErrorDetail"), "why the request was not answered")]
      ),
      (
        "ErrorDetail",
        [
          Field("code", .text, "for programs; stable"), Field("message", .text, "what is wrong"),
          Field("hint", .text, "what to do"),
        ]
      ),
      (
        "Warning",
        [
          Field(
            "code",
            .words([
              "duplicate", "conflict", "self-cause", "cycle", "orphan", "cause-in-other-trace", "clock-skew",
              "damaged-segment", "dropped-by-retention",
            ]), "for programs; stable"),
          Field("message", .text, "for people"),
        ]
      ),
    ] + statistics + writing + bodies + own

  static let summary: [Field] = [
    Field("correlationId", .text, "what all events of the trace share"),
    Field("eventCount", .integer, "events, each id once"),
    Field("edgeCount", .integer, "events whose cause is in the trace"),
    Field("rootCount", .integer, "events without a cause"),
    Field("orphanCount", .integer, "events whose cause is named and not in the trace"),
    Field("depth", .integer, "events on the longest path from a root or orphan"),
    Field("firstEventAt", .time, "created of the earliest event"),
    Field("lastEventAt", .time, "created of the latest event"),
    Field("durationSeconds", .number, "from the first event to the last"),
    Field("failureCount", .integer, "events that are failures"),
  ]

  private static let traces: [(name: String, fields: [Field])] = [
    ("TraceSummary", summary),
    (
      "TraceList",
      [
        Field("traces", .list(.reference("TraceSummary")), "by time of the first event, newest first"), nextCursor,
        Field("examinedCount", .integer, "traces that were looked at"),
        Field("stoppedEarly", .boolean, "the page is not full because so many were looked at; there may be more"),
        warnings,
      ]
    ),
    (
      "Trace",
      summary + [
        warnings, Field("warningCounts", .map(.integer), "events with a warning, by its code"),
        Field("phantomCauses", .list(.reference("PhantomCause")), "unstored commands that events name; at most 100"),
        Field("events", .list(.either(["TraceEvent", "FoldRow"])), "in tree order"), nextCursor,
      ]
    ),
    ("TraceEvent", row + tree + payload),
    (
      "PhantomCause",
      [
        Field("id", .text, "a causation id that no stored event has"),
        Field("effectCount", .integer, "events of the trace that name it"),
      ]
    ),
    (
      "FoldRow",
      [
        Field("type", .text, "the type of the siblings"), Field("parentId", .text, "their parent"),
        Field("depth", .integer, "their depth"), Field("fold", .reference("Fold"), "what the row stands for"),
      ]
    ),
    (
      "Fold",
      [
        Field("count", .integer, "all siblings of the type, those shown included"),
        Field("foldedCount", .integer, "siblings that are not shown, with everything below them"),
        Field("failureCount", .integer, "how many of them are failures"),
        Field("minSeconds", .number, "least reaction latency", nullable: true),
        Field("p50Seconds", .number, "median, nearest rank", nullable: true),
        Field("p90Seconds", .number, "90th percentile, nearest rank", nullable: true),
        Field("p99Seconds", .number, "99th percentile, nearest rank", nullable: true),
        Field("maxSeconds", .number, "greatest reaction latency", nullable: true),
      ]
    ),
  ]

  private static let row: [Field] = [
    Field("id", .text, "the event id"), Field("type", .text, "the event type"),
    Field("stream", .text, "the stream", nullable: true),
    Field("revision", .integer, "place in the stream, as the source counts", nullable: true),
    Field("source", .text, "the configured connection the event came through"),
    Field("position", .text, "place in the source's log, in its own spelling"),
    Field("createdAt", .time, "the source's time"),
    Field("causationId", .text, "the event that led to this one, as named by the producer", nullable: true),
    Field("service", .text, "the service of the handler", nullable: true),
    Field("handler", .text, "who produced the event", nullable: true),
    Field("failed", .boolean, "the event is a failure"),
    Field("schemaVersion", .text, "version of the event's schema", nullable: true),
  ]

  private static let tree: [Field] = [
    Field(
      "causeKind", .words(["event", "command", "root", "span", "unknown"]), "what the causation id turned out to be"),
    Field("parentId", .text, "the cause, where it is an event of the trace", nullable: true),
    Field("depth", .integer, "1 for roots and orphans"),
    Field(
      "reactionLatencySeconds", .number, "from the cause to this event; negative where clocks disagree", nullable: true),
    Field("onCriticalPath", .boolean, "on the path to the event that was created last"),
    warnings,
  ]

  private static let payload: [Field] = [
    Field("data", .anything, "the producer's data, byte for byte", optional: true),
    Field("dataBase64", .text, "instead of data, where the bytes are no JSON on one line", optional: true),
    Field("metadata", .anything, "the producer's metadata, byte for byte", optional: true),
    Field("metadataBase64", .text, "instead of metadata, where the bytes are no JSON on one line", optional: true),
  ]

  private static let stored: [Field] = [
    Field("correlationId", .text, "the trace, also where it was inherited; null: in no trace", nullable: true),
    Field("ordinal", .integer, "number in the order of storing"),
  ]

  private static let events: [(name: String, fields: [Field])] = [
    ("StoredEvent", row + stored + payload),
    (
      "EventDetail",
      [
        Field("event", .reference("StoredEvent"), "the first stored event of this id, with its payload"),
        Field("trace", .reference("TraceSummary"), "its trace; null: in no trace", nullable: true),
        Field("cause", .reference("StoredEvent"), "its cause, where that is stored", nullable: true),
        Field("effects", .list(.reference("StoredEvent")), "events that name it as their cause"),
        Field("effectsTruncated", .boolean, "there are more effects than shown"),
        Field("others", .list(.reference("StoredEvent")), "further events of the same id, of other streams or sources"),
        warnings,
      ]
    ),
    (
      "StreamPage",
      [
        Field("stream", .text, "its name"), Field("events", .list(.reference("StoredEvent")), "by ordinal"), nextCursor,
        warnings,
      ]
    ),
    ("TailEvent", row + stored + payload),
    (
      "ExportedEvent",
      [
        Field("id", .text, "the event id"), Field("stream", .text, "the stream", optional: true),
        Field("type", .text, "the event type"), Field("created", .time, "the source's time"),
        Field("revision", .integer, "place in the stream", optional: true),
      ] + payload
    ),
    (
      "ExportedEdge",
      [Field("childId", .text, "the event that was caused"), Field("parentId", .text, "the event that caused it")]
    ),
  ]
}
