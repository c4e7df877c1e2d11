public import PrometheusText

/// The families on Clew itself. What counts them lies in other targets, which write them where the page is put together.
extension MetricCatalogue {
  // MARK: Store

  public static let storeSegments = MetricFamily(
    "clew_store_segments", .gauge, ["state"],
    "Segments on disk. state: open, sealed, archived, corrupt (also hot files of which something is lost).")
  public static let storeSizeBytes = MetricFamily(
    "clew_store_size_bytes", .gauge, ["kind"], "Bytes on disk. kind: events, index, journal, snapshot.")
  public static let storeRawBytes = MetricFamily(
    "clew_store_raw_bytes_total", .counter, [], "Bytes handed to the segment encoder before compression.")
  public static let storeWrittenBytes = MetricFamily(
    "clew_store_written_bytes_total", .counter, [], "Bytes of sealed segments after compression.")
  public static let storeSealDuration = MetricFamily(
    "clew_store_seal_duration_seconds", .histogram, [], "Time to seal one segment.")
  public static let storeSealWait = MetricFamily(
    "clew_store_seal_wait_seconds", .histogram, [],
    "Time for which storing waited because full hot files were not sealed yet.")
  public static let storeMergeDuration = MetricFamily(
    "clew_store_merge_duration_seconds", .histogram, [], "Time to merge neighbouring segments into one.")
  public static let storeMergedBytes = MetricFamily(
    "clew_store_merged_bytes_total", .counter, ["direction"],
    "Bytes of segments that were merged, and of what they became. direction: read, written.")
  public static let storeDeletedSegments = MetricFamily(
    "clew_store_deleted_segments_total", .counter, [], "Segments that retention deleted as a whole.")
  public static let storeDeletedEvents = MetricFamily(
    "clew_store_deleted_events_total", .counter, [], "Events that retention deleted.")
  public static let storeOpenSegments = MetricFamily(
    "clew_store_segment_connections", .gauge, [], "Open connections to sealed segments.")
  public static let storeSegmentCache = MetricFamily(
    "clew_store_segment_cache_bytes", .gauge, [], "Memory of loaded dictionaries and connections of sealed segments.")
  public static let storeSegmentReleases = MetricFamily(
    "clew_store_segment_releases_total", .counter, [],
    "Times that dictionaries of a segment, or the kinds of its events, were let go to stay within bounds.")
  public static let storeLateChanges = MetricFamily(
    "clew_store_late_changes", .gauge, ["kind"],
    "Changes of sealed events that are noted beside their segments. kind: trace, edge, failure, waiting.")
  public static let storeLateRefusals = MetricFamily(
    "clew_store_late_change_refusals_total", .counter, ["kind"],
    "Changes of sealed events that were not noted because the bound was reached. kind: trace, edge, failure, waiting.")
  public static let storeFsyncDuration = MetricFamily(
    "clew_store_fsync_duration_seconds", .histogram, [], "Time of one fsync of the journal.")
  public static let storeWriteErrors = MetricFamily(
    "clew_store_write_errors_total", .counter, ["op"],
    "Failed store operations. op: append, fsync, seal, merge, delete.")
  public static let storeAvailableBytes = MetricFamily(
    "clew_store_available_bytes", .gauge, [],
    "Free bytes on the store's volume, as seen by an unprivileged process.")
  public static let storeCapacityBytes = MetricFamily(
    "clew_store_capacity_bytes", .gauge, [], "Size of the store's volume.")
  public static let storeOldestEvent = MetricFamily(
    "clew_store_oldest_event_timestamp_seconds", .gauge, [], "Created timestamp of the oldest retained event.")

  public static let store = [
    storeSegments, storeSizeBytes, storeRawBytes, storeWrittenBytes, storeSealDuration, storeSealWait,
    storeMergeDuration, storeMergedBytes, storeDeletedSegments, storeDeletedEvents, storeOpenSegments,
    storeSegmentCache, storeSegmentReleases, storeLateChanges, storeLateRefusals, storeFsyncDuration,
    storeWriteErrors, storeAvailableBytes, storeCapacityBytes, storeOldestEvent,
  ]

  // MARK: Query API

  public static let queries = MetricFamily(
    "clew_queries_total", .counter, ["endpoint", "code"],
    "API requests. endpoint is a route template, code an HTTP status class.")
  public static let queryDuration = MetricFamily(
    "clew_query_duration_seconds", .histogram, ["endpoint"], "Time to serve one API request.")
  public static let queriesInflight = MetricFamily(
    "clew_queries_inflight", .gauge, ["endpoint"], "API requests being served.")

  public static let queryScannedBytes = MetricFamily(
    "clew_query_scanned_bytes_total", .counter, ["endpoint"], "Segment bytes read to serve API requests.")

  public static let queryGatePlaces = MetricFamily(
    "clew_query_gate_places", .gauge, ["gate"],
    "API requests that may be worked on at once. gate: look_ups, huge_traces, searches, exports.")
  public static let queryGateWaiting = MetricFamily(
    "clew_query_gate_waiting", .gauge, ["gate"], "API requests that wait for their turn.")
  public static let queryGateWait = MetricFamily(
    "clew_query_gate_wait_seconds", .histogram, ["gate"], "Time API requests waited for their turn.")
  public static let queryGateRefusals = MetricFamily(
    "clew_query_gate_refusals_total", .counter, ["gate"], "API requests that waited for their turn in vain.")

  static let query = [
    queries, queryDuration, queriesInflight, queryScannedBytes, queryGatePlaces, queryGateWaiting, queryGateWait,
    queryGateRefusals,
  ]

  // MARK: Self

  public static let buildInfo = MetricFamily(
    "clew_build_info", .info, ["version", "revision", "swift_version"], "Build facts; always 1.")
  public static let metricSeries = MetricFamily(
    "clew_metric_series", .gauge, ["metric"], "Label sets held for one metric family.")
  public static let metricSeriesLimit = MetricFamily(
    "clew_metric_series_limit", .gauge, ["metric"], "Most label sets one metric family may hold.")
  public static let metricOverflow = MetricFamily(
    "clew_metric_overflow_total", .counter, ["metric", "label"],
    "Measurements folded into the _overflow value because a label or family was over its limit.")
  public static let stateEvictions = MetricFamily(
    "clew_state_evictions_total", .counter, ["table"],
    "Entries given up because a bounded table was full. "
      + "table: executions, reactions, waiting, open_traces, waiting_reports, runs, revisions.")
  public static let scrapeDuration = MetricFamily(
    "clew_scrape_duration_seconds", .gauge, [], "Time the previous exposition took to render.")
  public static let configReload = MetricFamily(
    "clew_config_reload_timestamp_seconds", .gauge, [], "When the running configuration was loaded.")

  static let own = [
    buildInfo, metricSeries, metricSeriesLimit, metricOverflow, stateEvictions, scrapeDuration, configReload,
  ]

  // MARK: Process

  public static let processStartTime = MetricFamily(
    "process_start_time_seconds", .gauge, [], "Start time of the process since the Unix epoch, in seconds.")
  public static let processCPU = MetricFamily(
    "process_cpu_seconds_total", .counter, [], "Total user and system CPU time spent, in seconds.")
  public static let processResidentMemory = MetricFamily(
    "process_resident_memory_bytes", .gauge, [], "Resident memory size, in bytes.")
  public static let processOpenFDs = MetricFamily(
    "process_open_fds", .gauge, [], "Number of open file descriptors.")
  public static let processMaxFDs = MetricFamily(
    "process_max_fds", .gauge, [], "Maximum number of open file descriptors.")

  static let process = [processStartTime, processCPU, processResidentMemory, processOpenFDs, processMaxFDs]
}
