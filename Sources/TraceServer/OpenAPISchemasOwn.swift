extension OpenAPISchemas {
  static let statistics: [(name: String, fields: [Field])] = [
    (
      "HandlerList",
      [Field("handlers", .list(.reference("HandlerRow")), "by source, service, handler and event type"), warnings]
    ),
    (
      "HandlerRow",
      [
        Field("source", .text, "the source"), Field("service", .text, "empty where absent"),
        Field("handler", .text, "empty where absent"), Field("eventType", .text, "the produced event's type"),
        Field("count", .integer, "edges with a known latency"),
        Field("negativeCount", .integer, "how many of them have a negative latency"),
        Field("failureCount", .integer, "events that are failures"),
        Field("minSeconds", .number, "exact", nullable: true),
        Field("p50Seconds", .number, "nearest rank, within 1 %", nullable: true),
        Field("p90Seconds", .number, "nearest rank, within 1 %", nullable: true),
        Field("p99Seconds", .number, "nearest rank, within 1 %", nullable: true),
        Field("maxSeconds", .number, "exact", nullable: true),
      ]
    ),
    ("FlowList", [Field("flow", .list(.reference("FlowRow")), "by count, descending"), warnings]),
    (
      "FlowRow",
      [
        Field("source", .text, "the source"), Field("causeType", .text, "type of the cause"),
        Field("service", .text, "empty where absent"), Field("handler", .text, "empty where absent"),
        Field("effectType", .text, "type of the effect"), Field("count", .integer, "edges"),
        Field("failureCount", .integer, "how many effects are failures"),
        Field("perSecond", .number, "count over the length of the range", nullable: true),
      ]
    ),
    ("SourceList", [Field("sources", .list(.reference("Source")), "by name"), warnings]),
    (
      "Source",
      [
        Field("name", .text, "part of the identity of its events"),
        Field(
          "kind", .words(["push", "file", "input", "event_store"]), "null: no server reads it now", nullable: true),
        Field(
          "state", .words(["starting", "live", "catching_up", "retrying", "refused", "waiting_for_store", "stopped"]),
          "how it stands", nullable: true),
        Field("problem", .text, "what is wrong, if something is", nullable: true),
        Field("location", .text, "path of a file, hosts of an event store", nullable: true),
        Field("accepted", .integer, "events stored since the start", nullable: true),
        Field("duplicate", .integer, "events that were stored before", nullable: true),
        Field("conflict", .integer, "events that were stored before with other content", nullable: true),
        Field("refused", .integer, "lines that were not taken", nullable: true),
        Field("retries", .integer, "how often it was tried again", nullable: true),
        Field("headPosition", .text, "the end of the source as last seen", nullable: true),
        Field("headObservedAt", .time, "when the end was last asked for (event stores)", nullable: true),
        Field(
          "lagSeconds", .number, "age of the oldest event that is there and not stored (event stores)", nullable: true),
        Field("lastReadAt", .time, "when something was last read", nullable: true),
        Field("readers", .list(.reference("Reader")), "who else reads the event store"),
        Field("readersOmitted", .integer, "readers beyond 1000, which are not listed", nullable: true),
        Field("readersProblem", .text, "why readers may be missing, or old", nullable: true),
        Field("checkpoints", .list(.reference("Checkpoint")), "the last durable place of each sub-stream"),
      ]
    ),
    (
      "Reader",
      [
        Field("kind", .words(["persistent_subscription", "projection", "consumer"]), "what it is"),
        Field("name", .text, "of the group, the projection, or the consumer's subscription"),
        Field("reads", .text, "the stream that a group reads, or $all", nullable: true),
        Field("condition", .words(["running", "stopped", "faulted", "other"]), "how it stands"),
        Field("conditionText", .text, "the server's words for it"), Field("reason", .text, "of a fault"),
        Field(
          "checkpoint", .list(.reference("ReaderPlace")), "its last durable place, 100 streams at most; empty: unknown"),
        Field(
          "processed", .list(.reference("ReaderPlace")), "what it was given last, 100 streams at most; empty: unknown"),
        Field("parked", .integer, "messages set aside after too many attempts", nullable: true),
        Field("inFlight", .integer, "messages handed out and not confirmed", nullable: true),
        Field("connections", .integer, "consumers connected", nullable: true),
      ]
    ),
    (
      "ReaderPlace",
      [
        Field("stream", .text, "$all for the whole log"),
        Field("position", .text, "of the log, or the stream's revision; -1 or start: nothing yet"),
      ]
    ),
    (
      "Checkpoint",
      [
        Field("subStream", .text, "empty where there is one only"),
        Field("position", .text, "in the source's own spelling"), Field("token", .text, "the source's own text"),
      ]
    ),
    (
      "Statistics",
      [
        Field("eventCount", .integer, "stored events, handler reports not counted"),
        Field("traceCount", .integer, "stored traces"), Field("segmentCount", .integer, "sealed segments"),
        Field("storedBytes", .integer, "bytes of every file of the directory"),
        Field("rawBytes", .integer, "bytes of all events before compression"),
        Field("bytesPerEvent", .number, "storedBytes over eventCount", nullable: true),
        Field("reportCount", .integer, "stored handler reports"),
        Field("damagedSegmentCount", .integer, "segments set aside, and hot files of which something is lost"),
        Field("hotEventCount", .integer, "events not sealed yet"),
        Field("unresolvedCount", .integer, "children whose cause is not stored"),
        Field("unresolvedDropped", .integer, "children that did not fit the table of those"),
        Field("oldestEventAt", .time, "least created", nullable: true),
        Field("newestEventAt", .time, "greatest created", nullable: true),
        Field("bytesByKind", .map(.integer), "storedBytes by kind"), warnings,
      ]
    ),
  ]

  static let writing: [(name: String, fields: [Field])] = [
    (
      "IngestCounts",
      [
        Field("lines", .integer, "lines or elements of the body; the counts below add up to it"),
        Field("accepted", .integer, "stored now"), Field("duplicate", .integer, "stored before, same content"),
        Field("conflict", .integer, "stored before, other content; the stored one stays"),
        Field("refused", .integer, "not stored, see refusals"), Field("blank", .integer, "empty lines"),
        Field("refusals", .list(.reference("Refusal")), "at most 1,000"),
        Field("refusalsLeftOut", .integer, "refused lines that are not listed"),
      ]
    ),
    (
      "Refusal",
      [Field("line", .integer, "number of the line or element, from 1"), Field("reason", .text, "why")]
    ),
  ]

  static let bodies: [(name: String, fields: [Field])] = [
    (
      "CloudEvent",
      [
        Field("specversion", .text, "1.0"), Field("id", .text, "the event id"),
        Field("source", .text, "who produced it"), Field("type", .text, "the event type"),
        Field("time", .time, "the time of arrival where it is missing", optional: true),
        Field("subject", .text, "what it is about", optional: true),
        Field("data", .anything, "the payload", optional: true),
        Field("data_base64", .text, "the payload, where it is no JSON", optional: true),
        Field("correlationid", .text, "the trace", optional: true),
        Field("causationid", .text, "the event that led to this one", optional: true),
        Field("traceparent", .text, "W3C trace context", optional: true),
      ]
    ),
    (
      "HandlerReport",
      [
        Field("handler", .text, "who reports"), Field("service", .text, "its service", optional: true),
        Field("source", .text, "the source of the event that was handled", optional: true),
        Field("causeId", .text, "the event that was handled"),
        Field("attempt", .integer, "1 where it is missing", optional: true),
        Field("state", .words(["started", "succeeded", "failed", "retrying"]), "what happened"),
        Field("at", .time, "when, by the handler's clock; the time of arrival where it is missing", optional: true),
        Field("errorType", .text, "kind of the failure", optional: true),
        Field("message", .text, "for people", optional: true),
      ]
    ),
  ]

  static let own: [(name: String, fields: [Field])] = [
    ("Alive", [Field("alive", .boolean, "true")]),
    (
      "Ready",
      [
        Field("ready", .boolean, "events are taken and questions answered"),
        Field("reasons", .list(.text), "why not; empty if ready"),
        Field("sources", .list(.reference("FailingSource")), "sources with a problem, which makes nothing unready"),
      ]
    ),
    (
      "FailingSource",
      [
        Field("name", .text, "as in /api/v1/sources"), Field("state", .text, "how it stands"),
        Field("problem", .text, "what is wrong"),
      ]
    ),
  ]
}
