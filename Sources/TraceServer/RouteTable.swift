import HTTPServer
import WireFormats

extension Parameter {
  static let range: [Parameter] = [
    Parameter("since", .time, "from this time on: RFC 3339, or a time before now such as 15m or -1h"),
    Parameter("until", .time, "before this time"),
  ]
  static let page: [Parameter] = [
    Parameter("limit", .count(standard: 1_000, maximum: 10_000), "events on a page"),
    Parameter("cursor", .text(bytesMax: 1024), "nextCursor of the page before"),
  ]
  static let payload = Parameter("payload", .flag, "adds data and metadata")
}

extension ClewAPI {
  /// Every route. The order is that of the documentation; no two match the same path and method.
  static let table: [Route] = traceRoutes + statisticsRoutes + writingRoutes + streamingRoutes + ownRoutes + laterRoutes

  private static let traceRoutes: [Route] = [
    Route(
      method: "GET", template: "/api/v1/traces", about: "Traces that match a query, newest first",
      parameters: [Parameter("q", .query, "search query, for example type:OrderPlaced failed:true")]
        + Parameter.range + [
          Parameter("minDuration", .duration, "first to last event take at least this long, for example 2s"),
          Parameter("limit", .count(standard: 100, maximum: 10_000), "traces on a page"),
          Parameter("cursor", .text(bytesMax: 1024), "nextCursor of the page before"),
        ], schema: "TraceList"
    ) { (api, call) throws(APIError) in try api.searchTraces(call) },
    Route(
      method: "GET", template: "/api/v1/traces/{correlationId}", about: "A trace with its events in tree order",
      isLookUp: true,
      parameters: Parameter.page + [
        Parameter.payload,
        Parameter("root", .identifier, "only the event with this id and what it caused"),
        Parameter("fold", .flag, "siblings of one type and handler without effects become one row"),
      ], schema: "Trace", statuses: [404]
    ) { (api, call) throws(APIError) in try api.trace(call) },
    Route(
      method: "GET", template: "/api/v1/events/{eventId}", about: "An event with its payload, trace, cause and effects",
      isLookUp: true,
      parameters: [Parameter("limit", .count(standard: 100, maximum: 10_000), "effects and others shown")],
      schema: "EventDetail", statuses: [404]
    ) { (api, call) throws(APIError) in try api.event(call) },
    Route(
      method: "GET", template: "/api/v1/streams/{stream}", about: "The events of a stream in the order of storing",
      isLookUp: true, parameters: Parameter.page + [Parameter.payload], schema: "StreamPage", statuses: [404]
    ) { (api, call) throws(APIError) in try api.stream(call) },
  ]

  private static let statisticsRoutes: [Route] = [
    Route(
      method: "GET", template: "/api/v1/handlers",
      about: "Reactions, failures and latencies by handler and event type", parameters: Parameter.range,
      schema: "HandlerList"
    ) { (api, call) throws(APIError) in try api.handlers(call) },
    Route(
      method: "GET", template: "/api/v1/flow", about: "Which event types cause which, by whom and how often",
      parameters: Parameter.range, schema: "FlowList"
    ) { (api, call) throws(APIError) in try api.flow(call) },
    Route(
      method: "GET", template: "/api/v1/sources", about: "Where events come from, and how far each was read",
      schema: "SourceList"
    ) { (api, _) throws(APIError) in try api.sources() },
    Route(
      method: "GET", template: "/api/v1/stats", about: "Sizes and counts of the store", schema: "Statistics"
    ) { (api, _) throws(APIError) in try api.statistics() },
  ]

  private static let writingRoutes: [Route] = [
    Route(
      method: "POST", template: "/api/v1/events",
      about: "Stores events; the answer comes when they are durable", rights: .write, takesBody: true,
      bodyTypes: [
        "application/x-ndjson", "application/json", "application/cloudevents+json",
        "application/cloudevents-batch+json",
      ],
      bodySchema: "ExportedEvent",
      parameters: [
        Parameter("source", .text(bytesMax: 256), "name of the source, part of the identity of its events; default")
      ], schema: "IngestCounts", statuses: [413, 507]
    ) { (api, call) throws(APIError) in try api.postEvents(call) },
    Route(
      method: "POST", template: "/api/v1/handler-reports",
      about: "Stores what handlers report of their runs; the answer comes when it is durable", rights: .write,
      takesBody: true, bodyTypes: ["application/x-ndjson", "application/json"],
      bodySchema: "HandlerReport",
      parameters: [Parameter("source", .text(bytesMax: 256), "source of the reports that name none; default")],
      schema: "IngestCounts",
      statuses: [413, 507]
    ) { (api, call) throws(APIError) in try api.postReports(call) },
  ]

  private static let streamingRoutes: [Route] = [
    Route(
      method: "GET", template: "/api/v1/tail", about: "Events as they are stored, as server-sent events",
      parameters: [
        Parameter("type", .text(bytesMax: 8192), "only events of this type"),
        Parameter("stream", .text(bytesMax: 8192), "only events of this stream; a trailing * stands for anything"),
        Parameter("handler", .text(bytesMax: 8192), "only events this handler produced"),
        Parameter("service", .text(bytesMax: 8192), "only events of this service"),
        Parameter("source", .text(bytesMax: 8192), "only events of this source"),
        Parameter("correlationId", .identifier, "only events of this trace"),
        Parameter("failed", .flag, "only failures, or only the others"),
        Parameter.payload,
        Parameter("after", .text(bytesMax: 20), "first what was stored after this id (as Last-Event-ID does)"),
      ], schema: "TailEvent", mediaType: "text/event-stream"
    ) { (api, call) throws(APIError) in try api.tail(call) },
    Route(
      method: "GET", template: "/api/v1/export/events", about: "All events in the form they are read, by ordinal",
      schema: "ExportedEvent", mediaType: "application/x-ndjson"
    ) { (api, _) throws(APIError) in try api.exportEvents() },
    Route(
      method: "GET", template: "/api/v1/export/traces", about: "A summary of each trace, by correlation id",
      schema: "TraceSummary", mediaType: "application/x-ndjson"
    ) { (api, _) throws(APIError) in try api.exportTraces() },
    Route(
      method: "GET", template: "/api/v1/export/edges", about: "Child and parent of each edge, by their ids",
      schema: "ExportedEdge", mediaType: "application/x-ndjson"
    ) { (api, _) throws(APIError) in try api.exportEdges() },
  ]

  private static let ownRoutes: [Route] = [
    Route(
      method: "GET", template: "/metrics", about: "Metrics for Prometheus: text 0.0.4, or OpenMetrics if asked for",
      essential: true, schema: "Text", mediaType: "text/plain"
    ) { (api, call) throws(APIError) in api.metricsPage(call) },
    Route(
      method: "GET", template: "/livez", about: "Answers while the process lives", rights: .none, essential: true,
      schema: "Alive"
    ) { (_, _) throws(APIError) in ClewAPI.answer { $0.member("alive", true) } },
    Route(
      method: "GET", template: "/readyz", about: "Whether events are taken and questions answered, and why not",
      rights: .none, essential: true, schema: "Ready"
    ) { (api, _) throws(APIError) in api.ready() },
    Route(
      method: "GET", template: "/api/v1/openapi.json", about: "This description", schema: "OpenAPI"
    ) { (api, _) throws(APIError) in HTTPResponse.json(OpenAPI.document(version: api.options.version)) },
    Route(
      method: "GET", template: "/", about: "A page that lists the routes", schema: "Text", mediaType: "text/html"
    ) { (api, _) throws(APIError) in LandingPage.response(version: api.options.version) },
  ]

  /// Routes whose place is taken, and whose answer comes with later versions.
  private static let laterRoutes: [Route] = [
    later("GET", "/api/v1/projections", "Projection lag"),
    later("GET", "/api/v1/projections/{name}", "Projection lag"),
    later("PUT", "/api/v1/projections/{name}/checkpoint", "Checkpoints of projections", rights: .write),
    later("GET", "/api/v1/lint", "Hygiene of producers"),
    later("GET", "/tempo", "The Tempo API"), later("GET", "/tempo/{path*}", "The Tempo API"),
    later("GET", "/jaeger", "The Jaeger API"), later("GET", "/jaeger/{path*}", "The Jaeger API"),
  ]

  private static func later(
    _ method: String, _ template: String, _ what: String, rights: AccessRights = .read
  ) -> Route {
    Route(
      method: method, template: template, about: "\(what): not in this version", rights: rights,
      takesBody: method == "PUT", schema: "Error", statuses: [501]
    ) { (api, _) throws(APIError) in
      throw APIError(
        501, "not_in_this_version", "\(what): not in version \(api.options.version) of Clew",
        hint: "GET / lists what there is; see CHANGELOG.md for later versions")
    }
  }
}
