/// Every key of the configuration, in the order of the document.
enum ConfigurationKeys {
  private static let second: Int64 = 1_000_000_000
  private static let times: ClosedRange<Int64> = 0...(100 * 366 * 86400 * second)
  private static let anySize = 0...Int.max

  static let general: [ConfigurationKey<Configuration>] = [
    .init("data", .path, "./clew-data", "directory of the store", option: "data") { $0.dataDirectory = $1.text },
    .init("listen", .address, "127.0.0.1:9797", "where the server listens", option: "listen") {
      if case .address(let host, let port) = $1 { ($0.host, $0.port) = (host, port) }
    },
    .init("insecure", .boolean, "false", "listen beyond loopback without token and certificate", option: "insecure") {
      $0.insecure = $1.boolean
    },
    .init("log-level", .choice(["debug", "info", "warning", "error"]), "info", "what is logged", option: "log-level") {
      $0.logLevel = $1.text
    },
    .init("tls.cert", .path, "", "certificate chain, PEM; read again when it changes", option: "tls-cert") {
      $0.tlsCertificateFile = $1.text
    },
    .init("tls.key", .path, "", "key of the certificate, PEM", option: "tls-key") { $0.tlsKeyFile = $1.text },
    .init(
      "tls.client-ca", .path, "", "demand client certificates signed by these authorities, PEM",
      option: "tls-client-ca"
    ) { $0.tlsClientCAFile = $1.text },
    .init("tls.client-rights", .choice(["read", "write"]), "write", "what a client certificate allows") {
      $0.clientCertificateMayWrite = $1.text == "write"
    },
    .init(
      "tokens.write-file", .path, "", "file with the bearer token that may write and read", option: "token-file"
    ) { $0.writeToken = .file($1.text) },
    .init("tokens.read-file", .path, "", "file with the bearer token that may only read", option: "read-token-file") {
      $0.readToken = .file($1.text)
    },
  ]

  static let metrics: [ConfigurationKey<Configuration>] = [
    .init(
      "live-window", .durationOrAll, "5m",
      "how old an event may be, when it is read, to feed the live counters; or all",
      option: "live-window"
    ) { $0.metrics.liveWindowNanoseconds = $1 == .all ? nil : $1.nanoseconds },
    .init("grace", .duration(times), "30s", "how long a cause may be missing before its event is an orphan") {
      $0.metrics.graceNanoseconds = $1.nanoseconds
    },
    .init("idle", .duration(times), "10m", "how long a trace is quiet before it counts as closed") {
      $0.metrics.idleNanoseconds = $1.nanoseconds
    },
    buckets("reaction-latency", "clew_handler_reaction_latency_seconds"),
    buckets("queue-wait", "clew_handler_queue_wait_seconds"),
    buckets("processing", "clew_handler_processing_seconds"),
    buckets("critical-time", "clew_handler_critical_time_seconds"),
    buckets("ingest-delay", "clew_ingest_delay_seconds"),
    buckets("trace-duration", "clew_trace_duration_seconds"),
    .init("caps.handlers", .count(1...1_000_000), "2000", "(service, handler) pairs; beyond: _overflow") {
      $0.metrics.handlersMax = $1.count
    },
    .init("caps.event-types", .count(1...1_000_000), "500", "event types of a source; beyond: _overflow") {
      $0.metrics.eventTypesMax = $1.count
    },
    .init("caps.label-sets", .count(1...1_000_000), "10000", "label sets of a family that has event_type") {
      $0.metrics.labelSetsMax = $1.count
    },
  ]

  private static func buckets(_ name: String, _ family: String) -> ConfigurationKey<Configuration> {
    .init("buckets.\(name)", .durations, "", "upper bounds of \(family)") {
      $0.metrics.bucketsByFamily[family] = $1.durations
    }
  }

  static let store: [ConfigurationKey<Configuration>] = [
    .init(
      "durability", .choice(["auto", "process", "power"]), "auto",
      "auto: what a sender is told is durable is synced; process: nothing is; power: everything is",
      option: "durability"
    ) { $0.store.durability = $1.text },
    .init("seal.events", .count(1...100_000_000), "500000", "seal after so many events") {
      $0.store.sealEventCount = $1.count
    },
    .init("seal.after", .duration(second...times.upperBound), "1h", "seal at the latest after this time") {
      $0.store.sealAfterNanoseconds = $1.nanoseconds
    },
    .init("block-cache", .bytes(0...(1 << 40)), "4MiB", "memory for unpacked blocks") {
      $0.store.blockCacheBytes = $1.count
    },
    .init("segment-cache", .bytes((1 << 20)...(1 << 40)), "48MiB", "memory for dictionaries of segments") {
      $0.store.segmentCacheBytes = $1.count
    },
    .init("segment-connections", .count(4...10_000), "64", "open connections to segments, all together") {
      $0.store.segmentConnectionsMax = $1.count
    },
    .init("retention.age", .duration(times), "", "delete what was stored longer ago", option: "retention-age") {
      $0.store.retentionAgeNanoseconds = $1.nanoseconds
    },
    .init(
      "retention.size", .bytes(1...Int.max), "",
      "delete the oldest segments while all files of events hold more",
      option: "retention-size"
    ) {
      $0.store.retentionBytes = $1.count
    },
    .init(
      "retention.sources", .agesByName, "",
      "ages of single sources instead of retention.age; in the environment NAME=TIME,…"
    ) { $0.store.retentionSourceAges = $1.ages },
    .init("retention.free-disk", .bytes(anySize), "512MiB", "delete the oldest segments below so much free space") {
      $0.store.freeDiskFloorBytes = $1.count
    },
  ]

  static let limits: [ConfigurationKey<Configuration>] = [
    .init("limits.connections", .count(1...100_000), "512", "connections answered; above: 503 but for essentials") {
      $0.limits.connections = $1.count
    },
    .init("limits.connections-hard", .count(1...200_000), "2048", "connections accepted at all") {
      $0.limits.connectionsHard = $1.count
    },
    .init("limits.request-time", .duration(second...(3600 * second)), "15s", "for a request's line and headers") {
      $0.limits.requestSeconds = Double($1.nanoseconds) / 1e9
    },
    .init("limits.header-size", .bytes(4096...(16 << 20)), "64KiB", "memory of a connection, headers included") {
      $0.limits.headerBytes = $1.count
    },
    .init("limits.body-size", .bytes(1024...(1 << 32)), "64MiB", "one request's body, unpacked") {
      $0.limits.bodyBytes = $1.count
    },
    .init(
      "limits.look-ups", .count(0...10_000), "0",
      "look-ups answered at once; 0: as many as it has cores (affinity, quota of its cgroup), at least 2"
    ) {
      $0.limits.lookUps = $1.count
    },
    .init("limits.body-memory", .bytes(1024...(1 << 40)), "256MiB", "all request bodies together") {
      $0.limits.bodyBytesInFlight = $1.count
    },
  ]

  static let all = general + metrics + store + limits

  /// How events are read: at the top for everything, and in each source for itself.
  static let reading: [ConfigurationKey<ReadingSettings>] = [
    .init("profile", .choice(ProfileNames.all), "kurrentdb", "where producers put ids", option: "profile") {
      $0.profile = $1.text
    },
    .init("keys.correlation", .texts, "", "own metadata keys of the correlation id, instead of the profile's") {
      $0.correlationKeys = $1.texts
    },
    .init("keys.causation", .texts, "", "own metadata keys of the causation id") { $0.causationKeys = $1.texts },
    .init("keys.handler", .texts, "", "own metadata keys of the handler") { $0.handlerKeys = $1.texts },
    .init("keys.service", .texts, "", "own metadata keys of the service") { $0.serviceKeys = $1.texts },
    .init("keys.failure", .texts, "", "own metadata keys whose presence means failure") { $0.failureKeys = $1.texts },
    .init("keys.schema-version", .texts, "", "own metadata keys of the schema version") {
      $0.schemaVersionKeys = $1.texts
    },
    .init("exact-keys", .boolean, "false", "compare own keys byte for byte, not ignoring case and $ - _ .") {
      $0.exactKeys = $1.boolean
    },
    .init("failure-types", .texts, "", "event types that mean failure, * as wildcard") { $0.failureTypes = $1.texts },
    .init("payload-max", .bytes(0...(64 << 20)), "16448KiB", "data and metadata of one event") {
      $0.payloadBytesMax = $1.count
    },
    .init("keep-data", .boolean, "true", "store the events' data") { $0.keepsData = $1.boolean },
    .init("keep-metadata", .boolean, "true", "store the events' metadata") { $0.keepsMetadata = $1.boolean },
    .init("redact", .texts, "", "paths to blank before storing: data.email, metadata.user") {
      $0.redactedPaths = $1.texts
    },
  ]

  /// Keys of an entry of `sources:` beyond those of reading.
  static let source: [ConfigurationKey<SourceSettings>] = [
    .init("url", .text, "", "file:///path/events.ndjson?follow=true, or kurrentdb://host:2113") { $0.url = $1.text },
    .init("name", .text, "", "name of the source, part of the events' identity") { $0.name = $1.text },
  ]

  /// Keys of an entry of `handlers:`.
  static let rule: [ConfigurationKey<HandlerRuleSettings>] = [
    .init("type", .text, "", "event type, * as wildcard") { $0.type = $1.text },
    .init("category", .text, "", "category of the stream, * as wildcard") { $0.category = $1.text },
    .init("handler", .text, "", "the handler that such events come from") { $0.handler = $1.text },
    .init("service", .text, "", "its service") { $0.service = $1.text },
  ]
}

/// The profiles that are built in.
enum ProfileNames {
  static let all = [
    "kurrentdb", "axon", "nservicebus", "masstransit", "eventuous", "marten", "emmett", "rails", "cloudevents",
  ]
}
