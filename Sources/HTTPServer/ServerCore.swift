import Platform

/// What all connections of a server share.
final class ServerCore: @unchecked Sendable {
  // `@unchecked Sendable`: `access`, `timeoutAnswer` and `watchdog` are set in `start` before any other thread runs; the
  // rest is immutable or behind a lock.
  private struct State {
    var stopping = false
    var running: Daemon?
    /// Replaced after a change of certificates, oldest first.
    var draining: [Daemon] = []
    var listening: FileDescriptor?
    var fingerprint: [FileStatus?] = []
  }

  /// Streams of replaced daemons end when there are more than these.
  private static let drainingMax = 4

  let configuration: HTTPServerConfiguration
  let handler: any HTTPHandler
  let log: Log
  let table = ConnectionTable()
  private(set) var access: AccessControl
  private(set) var timeoutAnswer: [UInt8] = []
  private var watchdog: Watchdog?
  private let state = Locked(State())
  private let counters = Locked(HTTPServerCounters())

  var limits: HTTPServerLimits { configuration.limits }
  var demandsCertificate: Bool { configuration.tls?.clientCAFile != nil }

  init(configuration: HTTPServerConfiguration, handler: any HTTPHandler, log: Log) {
    self.configuration = configuration
    self.handler = handler
    self.log = log
    access = AccessControl()
  }

  // MARK: Start

  func start() throws(HTTPServerError) -> Int {
    Signals.ignoreBrokenPipes()
    let plan = try ListenPlan(configuration)
    access = plan.access
    let refusal = handler.refusal(
      status: 408, code: "request_timeout", message: "the request was not complete in time",
      hint: "Send it in one go.")
    timeoutAnswer = RawAnswer.bytes(of: refusal)
    let listening = try plan.listen()
    raiseFileLimit()
    let daemon = Daemon(core: self, isTLS: plan.material != nil)
    try daemon.start(on: listening, plan.material)
    state.withLock { state in
      state.running = daemon
      state.listening = listening
      state.fingerprint = plan.fingerprint
    }
    let watchdog = Watchdog(core: self)
    self.watchdog = watchdog
    watchdog.start()
    return (try? Sockets.port(of: listening.number)) ?? configuration.port
  }

  private func raiseFileLimit() {
    let needed = limits.connectionsMax + 512
    let have = OpenFileLimit.raise(to: needed)
    if have < needed {
      log.warning(
        "http",
        "the system allows \(have) open files; for \(limits.connectionsMax) connections \(needed) are needed (ulimit -n)"
      )
    }
  }

  // MARK: Stop

  func stop(deadlineSeconds: Double) {
    let first = state.withLock { state in
      defer { state.stopping = true }
      return !state.stopping
    }
    guard first else { return }
    watchdog?.stop()
    let (daemons, listening) = state.withLock { ($0.draining + ($0.running.map { [$0] } ?? []), $0.listening) }
    for daemon in daemons { daemon.quiesce() }
    if let listening {
      // The daemons hold numbers of the same socket: closing this one alone would leave clients waiting.
      Sockets.shutDown(listening.number)
      listening.close()
    }
    for record in table.all { record.stream?.cancel(byServer: true) }
    let deadline = Instant.now.advanced(bySeconds: deadlineSeconds)
    while table.waitForChange(until: min(deadline, Instant.now.advanced(bySeconds: 0.1))) && Instant.now < deadline {
      watchdog?.pass(filesToo: false)
    }
    for record in table.all where record.isRunning { record.abort() }
    for daemon in daemons { daemon.stop() }
    state.withLock { state in
      state.running = nil
      state.draining = []
      state.listening = nil
    }
    watchdog = nil
  }

  var isStopping: Bool { state.withLock { $0.stopping } }

  // MARK: Certificates

  /// Lets a new daemon take over if the files changed and are usable.
  func reloadCertificates() {
    guard let files = configuration.tls else { return }
    let fingerprint = TLSMaterial.fingerprint(files)
    let (known, listening) = state.withLock { ($0.fingerprint, $0.listening) }
    guard fingerprint != known, let listening else { return }
    do {
      let material = try TLSMaterial(files)
      let daemon = Daemon(core: self, isTLS: true)
      // The new one accepts before the old one ceases to, so that no connection finds nobody.
      try daemon.start(on: listening, material)
      let old = state.withLock { state in
        defer {
          state.running = daemon
          state.fingerprint = fingerprint
        }
        if let running = state.running { state.draining.append(running) }
        return state.running
      }
      old?.quiesce()
      count { $0.certificateReloads += 1 }
      log.info("http", "the certificate \(files.certificateFile) was read again")
    } catch {
      count { $0.certificateReloadFailures += 1 }
      log.limitedWarning("http", "the changed TLS files are not used: \(error)")
    }
  }

  /// Stops replaced daemons that have no connections any more.
  func reapDaemons() {
    let draining = state.withLock { $0.draining }
    for daemon in draining.dropLast(Self.drainingMax) {
      for record in table.all where record.daemon === daemon {
        record.stream?.cancel(byServer: true)
        record.abort()
      }
    }
    for daemon in draining where !daemon.hasConnections {
      daemon.stop()
      state.withLock { state in state.draining.removeAll { $0 === daemon } }
    }
  }

  // MARK: Counting

  func count(_ change: (inout HTTPServerCounters) -> Void) { counters.withLock { change(&$0) } }

  func snapshot() -> HTTPServerCounters {
    var result = counters.withLock { $0 }
    result.connectionsOpen = table.count
    result.requestsRunning = table.runningCount
    return result
  }

  func requestBegan() {
    table.requestBegan()
    count { $0.requests += 1 }
  }

  func requestEnded() { table.requestEnded() }

  /// Near the hard limit, each new connection costs the one that has been incomplete for longest its place: so a crowd
  /// of clients that say nothing does not keep others out.
  func makeRoom() {
    guard table.count > limits.connectionsMax / 10 * 9 else { return }
    var oldest: (record: ConnectionRecord, since: Instant)?
    for record in table.all {
      if let since = record.incompleteSince, since < oldest?.since ?? .now { oldest = (record, since) }
    }
    if oldest?.record.evict() == true { count { $0.connectionsEvicted += 1 } }
  }

  var isCrowded: Bool { table.count > limits.connectionsWorkingMax }

  /// - Returns: false if the bodies in memory would be more than allowed; nothing is taken then.
  func reserveBody(_ bytes: Int) -> Bool {
    counters.withLock { counters in
      guard counters.bodyBytesInFlight + bytes <= limits.bodyBytesInFlightMax else { return false }
      counters.bodyBytesInFlight += bytes
      return true
    }
  }

  func releaseBody(_ bytes: Int) {
    if bytes > 0 { count { $0.bodyBytesInFlight -= bytes } }
  }

  /// A refusal in the handler's form, counted.
  func refuse(
    _ reason: HTTPServerCounters.Refusal, _ status: Int, _ code: String, _ message: String, _ hint: String
  ) -> HTTPResponse {
    count { $0.refusals[reason, default: 0] += 1 }
    return handler.refusal(status: status, code: code, message: message, hint: hint)
  }

  func retryLater(_ refusal: HTTPResponse) -> HTTPResponse {
    var refusal = refusal
    refusal.headers.append(("retry-after", "1"))
    return refusal
  }
}
