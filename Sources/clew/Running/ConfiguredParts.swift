import EventSource
import HTTPServer
import HandlerMetrics
import Ingest
import Platform
import SegmentStore

/// From plain settings to the options of each part.
extension Configuration {
  var storeOptions: StoreOptions {
    var options = StoreOptions()
    options.durability = StoreOptions.Durability(rawValue: store.durability) ?? .auto
    options.sealEventCount = store.sealEventCount
    options.sealAfter = .nanoseconds(store.sealAfterNanoseconds)
    options.blockCacheBytes = store.blockCacheBytes
    options.segmentCacheBytes = store.segmentCacheBytes
    options.segmentConnectionsMax = store.segmentConnectionsMax
    options.retention = RetentionPolicy(
      age: store.retentionAgeNanoseconds.map { .nanoseconds($0) }, totalBytes: store.retentionBytes,
      freeDiskBytes: store.freeDiskFloorBytes)
    options.retention.sourceAges = store.retentionSourceAges.mapValues { .nanoseconds($0) }
    return options
  }

  var metricsOptions: MetricsOptions {
    var options = MetricsOptions()
    options.liveWindow = metrics.liveWindowNanoseconds.map { .seconds(Double($0) / 1e9) } ?? .all
    options.buckets = metrics.bucketsByFamily.filter { !$0.value.isEmpty }.mapValues { bounds in
      bounds.map { Double($0) / 1e9 }
    }
    options.handlersMax = metrics.handlersMax
    options.eventTypesPerSourceMax = metrics.eventTypesMax
    options.labelSetsMax = metrics.labelSetsMax
    options.orphanGraceSeconds = Double(metrics.graceNanoseconds) / 1e9
    options.traceIdleSeconds = Double(metrics.idleNanoseconds) / 1e9
    return options
  }

  var serverConfiguration: HTTPServerConfiguration {
    var made = HTTPServerConfiguration(host: host, port: port)
    if let certificate = tlsCertificateFile, let key = tlsKeyFile {
      made.tls = TLSFiles(certificateFile: certificate, keyFile: key, clientCAFile: tlsClientCAFile)
    }
    made.readToken = readToken?.token
    made.writeToken = writeToken?.token
    made.clientCertificateRights = clientCertificateMayWrite ? .write : .read
    made.allowUnprotected = insecure
    made.limits.connectionsWorkingMax = limits.connections
    made.limits.connectionsMax = limits.connectionsHard
    made.limits.requestSeconds = limits.requestSeconds
    made.limits.connectionMemoryBytes = limits.headerBytes
    made.limits.bodyBytesInFlightMax = limits.bodyBytesInFlight
    return made
  }

  var minimumLogLevel: Log.Level { Log.Level.allCases.first { $0.name == logLevel } ?? .info }
}

extension SecretSetting {
  var token: AccessToken {
    switch self {
    case .file(let path): .file(path)
    case .value(let text): .value(text)
    }
  }

  /// For people: never the secret.
  var description: String {
    switch self {
    case .file(let path): "set (file \(Printable.escaped(path)))"
    case .value: "set (environment)"
    }
  }
}

extension ReadingSettings {
  /// - Parameter profileOfURL: what `?profile=` said; outranks the setting.
  func rules(profileOfURL: MetadataProfile? = nil) -> ReadingRules {
    var rules = ReadingRules()
    var base = profileOfURL ?? MetadataProfile.named(profile) ?? .kurrentdb
    if !correlationKeys.isEmpty { base.correlationKeys = correlationKeys }
    if !causationKeys.isEmpty { base.causationKeys = causationKeys }
    if !handlerKeys.isEmpty { base.handlerKeys = handlerKeys }
    if !serviceKeys.isEmpty { base.serviceKeys = serviceKeys }
    if !failureKeys.isEmpty { base.failureKeys = failureKeys }
    rules.profile = base
    rules.exactKeys = exactKeys
    rules.handlerRules = handlerRules.map {
      HandlerRule(typePattern: $0.type, categoryPattern: $0.category, handler: $0.handler, service: $0.service)
    }
    if !failureTypes.isEmpty { rules.failureTypePatterns = failureTypes }
    if !schemaVersionKeys.isEmpty { rules.schemaVersionKeys = schemaVersionKeys }
    rules.payloadBytesMax = payloadBytesMax
    rules.keepData = keepsData
    rules.keepMetadata = keepsMetadata
    rules.redactedPaths = redactedPaths
    return rules
  }
}
