/// Commands that read a directory or a server.
extension CommandTable {
  static let reading: [CommandSpecification] = [
    CommandSpecification(
      name: .trace, summary: "show what one correlation or event id led to, as a tree",
      details: """
        Prints the causation tree of a trace: each event with its latency after its cause, its handler and its
        stream; failures and warnings are marked. ID is a correlation id, or the id of any event of the trace.
        Many siblings of one type are folded into one line unless --all is given.
        """,
      arguments: [CommandArgument(placeholder: "ID", kind: .text, help: "correlation id or event id")],
      options: [
        .flag("all", "show every event, fold nothing"), Options.payload,
        .value("root", .text, "EVENT", "only this event and what followed from it"),
        Options.limit("show at most N events"),
      ] + Options.reading,
      examples: ["clew trace 6f1c2f0e-3c1b-5b0e-9a57-0d3f6f2f9a11", "clew trace order-4711 --data ./clew-data --json"]
    ),
    CommandSpecification(
      name: .search, summary: "find traces",
      details: """
        Lists traces, newest first. QUERY is made of terms that must all be matched by some event of the trace:
        type:OrderPlaced  stream:order-*  handler:billing  service:shop  failed:true  duration>2s  data.total>100
        "free text". Without a query the newest traces are listed.
        """,
      arguments: [
        CommandArgument(placeholder: "QUERY", kind: .text, required: false, repeats: true, help: "search terms")
      ],
      options: [
        Options.since, Options.until,
        .value("min-duration", .duration, "TIME", "only traces that lasted at least this long, for example 250ms"),
        Options.limit("list at most N traces (default 20)"),
        .value("cursor", .text, "CURSOR", "go on where an earlier answer ended"),
      ] + Options.reading,
      examples: ["clew search failed:true --since 1h", "clew search 'type:OrderPlaced duration>2s' --json"]),
    CommandSpecification(
      name: .stream, summary: "list the events of one stream",
      details: "Prints the stream's events in the order they were stored.",
      arguments: [CommandArgument(placeholder: "NAME", kind: .text, help: "name of the stream")],
      options: [
        Options.payload, Options.limit("list at most N events (default 100)"),
        .value("cursor", .text, "CURSOR", "go on where an earlier answer ended"),
      ] + Options.reading,
      examples: ["clew stream order-4711", "clew stream order-4711 --payload --json"]),
    CommandSpecification(
      name: .tail, summary: "follow events as they arrive at a server",
      details: """
        Prints every event the server stores from now on, until interrupted. Terms of the search grammar narrow
        it down. A reader that is too slow loses events and is told how many.
        """,
      arguments: [
        CommandArgument(placeholder: "QUERY", kind: .text, required: false, repeats: true, help: "terms to match")
      ],
      options: [Options.limit("stop after N events")] + Options.reading,
      examples: ["clew tail", "clew tail failed:true handler:billing"]),
    CommandSpecification(
      name: .handlers, summary: "latency and failures of every handler",
      details: """
        One row for each source, service, handler and produced event type: events caused, negative latencies,
        failures, least, median, 90th, 99th percentile and greatest reaction latency. Default: everything stored.
        """,
      options: [Options.since, Options.until] + Options.reading,
      examples: ["clew handlers --since 15m", "clew handlers --json"]),
    CommandSpecification(
      name: .flow, summary: "which event types lead to which, by which handler",
      details: "One row for each pair of cause and effect, the most frequent first.",
      options: [Options.since, Options.until] + Options.reading, examples: ["clew flow --since 1h"]),
    CommandSpecification(
      name: .export, summary: "print all events, traces or edges as JSON lines",
      details: """
        events: the input form, in the order of storing, payloads byte for byte.
        traces: a summary of each trace, sorted by correlation id.
        edges: child and parent id of each edge, sorted.
        """,
      arguments: [
        CommandArgument(
          placeholder: "KIND", kind: .choice(["events", "traces", "edges"]), help: "events, traces or edges")
      ], options: Options.reading, examples: ["clew export events > copy.ndjson", "clew export traces --data DIR"]),
    CommandSpecification(
      name: .stats, summary: "how much is stored, and in how many bytes",
      details: "Counts of events, traces and segments; bytes before compression, bytes on disk, bytes per event.",
      options: Options.reading, examples: ["clew stats --json"]),
    CommandSpecification(
      name: .sources, summary: "list the sources and how far each was read; check one",
      details: """
        One row for each source that was ever stored, or is being read. 'clew sources check URL' looks at a source before
        it is followed: connection, TLS, rights, version, head, events a day, and under which keys their ids are. Exits
        with 0 if all works, 1 if something does not, 2 if the URL is none.
        """,
      arguments: [
        CommandArgument(placeholder: "ACTION", kind: .choice(["check"]), required: false, help: "look at a source"),
        CommandArgument(placeholder: "URL", kind: .url, required: false, help: "as for serve --source"),
      ],
      options: Options.reading,
      examples: ["clew sources", "clew sources check 'kurrentdb://reader:secret@localhost:2113?tls=false'"]),
  ]
}
