import EventSource
import HTTPServer
import Ingest
import KurrentDBSource
import Platform
import SegmentStore
import TraceServer
import TraceStore

/// A running Clew: store, metrics, pipeline, sources and server, put together here and nowhere else.
///
/// `start` once, `stop` once, from one thread.
final class Sidecar {
  private let configuration: Configuration
  private let log: Log
  private let store: SegmentStore
  private let metrics: ClewMetrics
  private let pipeline: IngestPipeline
  private let api: ClewAPI
  private let server: HTTPServer
  private let serverFamilies = ServerFamilies()
  private var readers: [(worker: WorkerThread, cancel: () -> Void)] = []

  /// Opens the store.
  init(_ configuration: Configuration, log: Log) throws(Failure) {
    self.configuration = configuration
    self.log = log
    let wanted = configuration.limits.connectionsHard + 512
    let files = CurrentProcess.raiseOpenFileLimit(to: wanted)
    if files < wanted {
      log.warning("serve", "only \(files) files may be open; \(wanted) are needed for all connections (ulimit -n)")
    }
    var storeOptions = configuration.storeOptions
    storeOptions.preloadsSegments = true
    store = try StoreFactory.open(configuration.dataDirectory, storeOptions, log)
    let clock = SystemClock()
    metrics = ClewMetrics(options: configuration.metricsOptions, clock: clock)
    pipeline = IngestPipeline(store: store, metrics: metrics, clock: clock, log: log)
    var options = ClewAPI.Options()
    options.version = Version.number
    options.temporaryDirectory = configuration.dataDirectory
    options.bodyBytesMax = configuration.limits.bodyBytes
    if configuration.limits.lookUps > 0 { options.lookUpsMax = configuration.limits.lookUps }
    options.configurationLoadedAt = clock.now()
    api = ClewAPI(
      reader: store, pipeline: pipeline, metrics: metrics, storeCounters: { [store] in StoreCounters(store.counters) },
      moreFamilies: { [serverFamilies] page in serverFamilies.add(to: &page) }, options: options, clock: clock, log: log
    )
    server = HTTPServer(configuration: configuration.serverConfiguration, handler: api, log: log)
    serverFamilies.use(server)
  }

  /// Listens, then reads the sources.
  ///
  /// - Returns: the address, for example `http://127.0.0.1:9797`.
  func start() throws(Failure) -> String {
    do throws(StoreError) {
      try pipeline.restoreMetrics()
    } catch {
      store.close()
      throw Failure(error)
    }
    pipeline.setDefaultRules(configuration.reading.rules())
    pipeline.start()
    let port: Int
    do {
      port = try server.start()
    } catch {
      pipeline.stop()
      store.close()
      throw Failure(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
    }
    for source in configuration.sources { read(source) }
    let scheme = configuration.tlsCertificateFile == nil ? "http" : "https"
    let host = configuration.host.contains(":") ? "[\(configuration.host)]" : configuration.host
    let address = "\(scheme)://\(host):\(port)"
    log.info("serve", "listening on \(address) with data in \(configuration.dataDirectory)")
    return address
  }

  /// Answers what is running, stores what was accepted, closes everything; all threads are joined.
  func stop() {
    server.stop()
    api.stop()
    serverFamilies.release()
    for reader in readers { reader.cancel() }
    for reader in readers { reader.worker.join() }
    readers = []
    pipeline.stop()
    store.close()
  }

  private func read(_ source: SourceSettings) {
    if KurrentDBAddress.claims(source.url) { return follow(source) }
    // Parsed before, by the check of the configuration.
    guard let url = try? SourceURL.parse(source.url) else { return }
    let rules = source.reading.rules(profileOfURL: url.profile)
    let name = source.name ?? url.name
    do {
      switch url.kind {
      case .file(let path, follow: true):
        try pipeline.follow(path: path, source: name, rules: rules)
      case .file(let path, follow: false):
        readOnce(try FileDescriptor.openForReading(path), name, rules, cancel: {})
      case .standardInput:
        let pump = try InputPump(.standardInput)
        readOnce(pump.output, name, rules, cancel: { pump.stop() })
      }
    } catch {
      log.error("source", "\(name) is not read: \(error)")
    }
  }

  /// Follows an event store.
  private func follow(_ source: SourceSettings) {
    // Parsed before, by the check of the configuration.
    guard let address = try? KurrentDBAddress.parse(source.url) else { return }
    let rules = source.reading.rules(profileOfURL: address.profile)
    let name = source.name ?? address.name
    do {
      try pipeline.follow(KurrentDBFeed(address, rules: rules), source: name, rules: rules)
    } catch {
      log.error("source", "\(name) is not read: \(error)")
    }
  }

  /// Reads an input to its end on a thread of its own.
  private func readOnce(
    _ file: FileDescriptor, _ name: String, _ rules: ReadingRules, cancel: @escaping @Sendable () -> Void
  ) {
    let stopping = Locked(false)
    let (pipeline, log) = (pipeline, log)
    let worker = WorkerThread(name: "clew-read") {
      let reader = EventFileReader(file: file, rules: rules)
      let result = pipeline.importEvents(
        from: reader, source: name, isCancelled: { stopping.withLock { $0 } })
      if let failure = result.failure { log.error("source", "\(name): \(failure)") }
      let counts = result.counts
      log.info(
        "source",
        "\(name): read \(counts.lines) lines, accepted \(counts.accepted), duplicate \(counts.duplicate), "
          + "conflict \(counts.conflict), refused \(counts.refused)")
    }
    readers.append(
      (
        worker,
        {
          stopping.withLock { $0 = true }
          cancel()
        }
      ))
  }
}
