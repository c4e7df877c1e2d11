public import PrometheusText

/// Every metric family Clew exports: name, type, labels and help text. Documentation, tests and the exposition all read
/// this one list.
public enum MetricCatalogue {
  /// All families, by name.
  public static let all: [MetricFamily] =
    (ingest + source + handler + trace + causality + store + query + own + http + process)
    .sorted { $0.name < $1.name }

  // MARK: Ingest

  public static let eventsIngested = MetricFamily(
    "clew_events_ingested_total", .counter, ["source", "event_type"],
    "Domain events accepted from the source, live or backfilled, after de-duplication.")
  public static let eventsBackfilled = MetricFamily(
    "clew_events_backfilled_total", .counter, ["source"],
    "Accepted events that were older than the live window when read; they are excluded from handler and trace metrics.")
  public static let eventsIngestedBytes = MetricFamily(
    "clew_events_ingested_bytes_total", .counter, ["source"],
    "Payload plus metadata bytes of accepted events, before compression.")
  public static let eventsDropped = MetricFamily(
    "clew_events_dropped_total", .counter, ["source", "reason"],
    "Events received but not accepted. reason: duplicate, conflict, filtered, decode, too_large, overload.")
  public static let ingestDelay = MetricFamily(
    "clew_ingest_delay_seconds", .histogram, ["source"],
    "Time from the event's created timestamp to its acceptance by the sidecar, live events only.")
  public static let eventSchemaVersions = MetricFamily(
    "clew_event_schema_versions_total", .counter, ["source", "event_type", "schema_version"],
    "Accepted events that name a schema version, by type and version.")
  public static let ingestQueueBatches = MetricFamily(
    "clew_ingest_queue_batches", .gauge, [], "Batches waiting to be stored.")
  public static let ingestAcknowledging = MetricFamily(
    "clew_ingest_acknowledging", .gauge, [],
    "1 while the store takes events, 0 while it refuses them (full disk, for example) and nothing is acknowledged.")
  public static let ingestStoreFailures = MetricFamily(
    "clew_ingest_store_failures_total", .counter, [],
    "Appends that the store refused; their events were not acknowledged.")
  public static let tailSubscribers = MetricFamily(
    "clew_tail_subscribers", .gauge, [], "Readers of live events that are connected.")
  public static let tailDropped = MetricFamily(
    "clew_tail_dropped_events_total", .counter, [], "Live events that slow readers missed; each reader is told.")

  static let ingest = [
    eventsIngested, eventsBackfilled, eventsIngestedBytes, eventsDropped, ingestDelay, eventSchemaVersions,
    ingestQueueBatches, ingestAcknowledging, ingestStoreFailures, tailSubscribers, tailDropped,
  ]

  // MARK: Source

  public static let sourceConnected = MetricFamily(
    "clew_source_connected", .gauge, ["source"], "1 while a subscription to the source is established, else 0.")
  public static let sourceCatchingUp = MetricFamily(
    "clew_source_catching_up", .gauge, ["source"],
    "1 while the subscription reads history, 0 once it reached the head.")
  public static let sourceReconnects = MetricFamily(
    "clew_source_reconnects_total", .counter, ["source", "reason"],
    "Subscriptions re-established. reason: dropped, timeout, auth, not_leader, server_closed, error.")
  public static let sourcePosition = MetricFamily(
    "clew_source_position", .gauge, ["source"], "Position of the last accepted event, in the source's own units.")
  public static let sourceHeadPosition = MetricFamily(
    "clew_source_head_position", .gauge, ["source"],
    "Last known head position of the source, in the source's own units; absent while unknown.")
  public static let sourceHeadObserved = MetricFamily(
    "clew_source_head_observed_timestamp_seconds", .gauge, ["source"], "When the head position was last learned.")
  public static let sourceLagEvents = MetricFamily(
    "clew_source_lag_events", .gauge, ["source"],
    "Events between the last accepted event and the known head; absent while it cannot be counted.")
  public static let sourceLagSeconds = MetricFamily(
    "clew_source_lag_seconds", .gauge, ["source"],
    "Age of the oldest event known to exist but not yet accepted; 0 at the head, absent while unknown.")
  public static let sourceLastEvent = MetricFamily(
    "clew_source_last_event_timestamp_seconds", .gauge, ["source"],
    "Created timestamp of the newest accepted event.")
  public static let sourceGaps = MetricFamily(
    "clew_source_gaps_total", .counter, ["source"], "Breaks in a per-stream revision sequence found while reading.")

  static let source = [
    sourceConnected, sourceCatchingUp, sourceReconnects, sourcePosition, sourceHeadPosition, sourceHeadObserved,
    sourceLagEvents, sourceLagSeconds, sourceLastEvent, sourceGaps,
  ]

  // MARK: Handler

  static let handlerLabels = ["source", "service", "handler"]

  public static let handlerExecutions = MetricFamily(
    "clew_handler_executions_total", .counter, handlerLabels + ["event_type"],
    "Handled (handler, cause event) pairs, successful or failed; event_type is the type that was handled.")
  public static let handlerFailures = MetricFamily(
    "clew_handler_failures_total", .counter, handlerLabels + ["event_type", "reason"],
    "Failed (handler, cause event) pairs. reason: failure_event, metadata, parked, dead_letter, reported, timeout.")
  public static let handlerRetries = MetricFamily(
    "clew_handler_retries_total", .counter, handlerLabels + ["reason"],
    "Further attempts at an already attempted (handler, cause event) pair. "
      + "reason: reported, redelivered, duplicate_reaction, replayed.")
  public static let handlerReactions = MetricFamily(
    "clew_handler_reactions_total", .counter, handlerLabels + ["event_type"],
    "Events produced by the handler; event_type is the produced type. Divide by executions for fan-out.")
  public static let handlerReactionLatency = MetricFamily(
    "clew_handler_reaction_latency_seconds", .histogram, handlerLabels,
    "Time from the cause event's created timestamp to that of the handler's reaction, for every reaction.")
  public static let handlerQueueWait = MetricFamily(
    "clew_handler_queue_wait_seconds", .histogram, handlerLabels,
    "Time from the cause event's created timestamp to the handler's reported start.")
  public static let handlerProcessing = MetricFamily(
    "clew_handler_processing_seconds", .histogram, handlerLabels,
    "Time from the handler's reported start to its reported end.")
  public static let handlerCriticalTime = MetricFamily(
    "clew_handler_critical_time_seconds", .histogram, handlerLabels,
    "Time from the cause event's created (or due) timestamp to the handler's reported success.")
  public static let handlerClockSkew = MetricFamily(
    "clew_handler_clock_skew_total", .counter, handlerLabels,
    "Reactions stamped before their cause; counted here and left out of the latency histograms.")
  public static let handlerInflight = MetricFamily(
    "clew_handler_inflight", .gauge, handlerLabels, "Handler runs reported as started and not yet ended.")
  public static let handlerLastReaction = MetricFamily(
    "clew_handler_last_reaction_timestamp_seconds", .gauge, handlerLabels,
    "Created timestamp of the handler's newest reaction.")
  public static let handlerInfo = MetricFamily(
    "clew_handler_info", .info, handlerLabels + ["application", "identity_source"],
    "Static facts on a handler. identity_source: reported, metadata, rule, stream_category, event_type_edge.")

  static let handler = [
    handlerExecutions, handlerFailures, handlerRetries, handlerReactions, handlerReactionLatency, handlerQueueWait,
    handlerProcessing, handlerCriticalTime, handlerClockSkew, handlerInflight, handlerLastReaction, handlerInfo,
  ]

  // MARK: Trace

  public static let tracesStarted = MetricFamily(
    "clew_traces_started_total", .counter, ["source"], "Correlation ids seen for the first time.")
  public static let tracesClosed = MetricFamily(
    "clew_traces_closed_total", .counter, ["source", "outcome"],
    "Traces closed. outcome: completed, failed, timed_out, idle, evicted.")
  public static let tracesOpen = MetricFamily("clew_traces_open", .gauge, ["source"], "Traces not closed yet.")
  public static let tracesStuck = MetricFamily(
    "clew_traces_stuck", .gauge, ["source"], "Open traces past their expected completion deadline.")
  public static let tracesOldestOpen = MetricFamily(
    "clew_traces_oldest_open_timestamp_seconds", .gauge, ["source"],
    "Created timestamp of the first event of the oldest open trace.")
  public static let traceDuration = MetricFamily(
    "clew_trace_duration_seconds", .histogram, ["source", "root_event_type"],
    "Time from the first to the last event of a closed trace.")
  public static let traceSize = MetricFamily(
    "clew_trace_size_events", .histogram, ["source"], "Events per closed trace.")

  static let trace = [
    tracesStarted, tracesClosed, tracesOpen, tracesStuck, tracesOldestOpen, traceDuration, traceSize,
  ]

  // MARK: Causality

  public static let causalEdges = MetricFamily(
    "clew_causal_edges_total", .counter, ["source", "cause_event_type", "handler", "effect_event_type"],
    "Resolved causal edges (cause type, handler, effect type).")
  public static let causationMissing = MetricFamily(
    "clew_causation_missing_total", .counter, ["source", "event_type"],
    "Events without a causation id that no root rule declares as a root.")
  public static let causationOrphans = MetricFamily(
    "clew_causation_orphans_total", .counter, ["source", "event_type"],
    "Events whose causation id matched no known event within the grace period.")
  public static let causationUnresolved = MetricFamily(
    "clew_causation_unresolved", .gauge, ["source"], "Events still waiting for their cause to arrive.")
  public static let causationConflicts = MetricFamily(
    "clew_causation_conflicts_total", .counter, ["source", "reason"],
    "Contradictory causal data. reason: self, cycle, correlation_mismatch, id_reused.")

  static let causality = [
    causalEdges, causationMissing, causationOrphans, causationUnresolved, causationConflicts,
  ]
}
