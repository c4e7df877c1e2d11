import Platform

/// Looks at all connections several times a second and cuts off those that take too long; looks at the files of tokens
/// and certificates; stops daemons whose last connection is gone.
final class Watchdog: @unchecked Sendable {
  // `@unchecked Sendable`: `stopped` is touched inside `lock` only, the rest by the watchdog's thread, or after it ended.
  private let core: ServerCore
  private let lock = Lock()
  private var stopped = false
  private var thread: WorkerThread?
  private var nextFileCheck = Instant.now

  init(core: ServerCore) { self.core = core }

  func start() {
    thread = WorkerThread(name: "http-watchdog") { [self] in
      while !waitForTick() { pass(filesToo: true) }
    }
  }

  /// Returns when the thread has ended.
  func stop() {
    lock.withLock {
      stopped = true
      lock.wakeAll()
    }
    thread?.join()
    thread = nil
  }

  private func waitForTick() -> Bool {
    let limits = core.limits
    let shortest = min(limits.requestSeconds, limits.keepAliveSeconds, limits.writeStallSeconds)
    let busy = min(0.25, shortest / 4)
    let deadline = Instant.now.advanced(bySeconds: core.table.count > 0 ? busy : min(1, busy * 4))
    return lock.withLock {
      while !stopped { if !lock.wait(until: deadline) { break } }
      return stopped
    }
  }

  /// One look at everything.
  func pass(filesToo: Bool) {
    let records = core.table.all
    let allowance = Allowance(core.limits, open: records.count, now: .now)
    var timedOut = 0
    var stalled = 0
    for record in records {
      switch record.examine(allowance, timeoutAnswer: core.timeoutAnswer) {
      case .fine, .idle: break
      case .timedOut: timedOut += 1
      case .stalled:
        stalled += 1
        record.stream?.cancel(byServer: false)
      case .left(let stream): stream.cancel(byServer: false)
      }
    }
    if timedOut > 0 || stalled > 0 {
      core.count {
        $0.connectionsTimedOut += timedOut
        $0.readersStalled += stalled
      }
      core.log.limitedWarning(
        "http",
        "cut off \(timedOut) connections whose request was not complete in time, \(stalled) that stopped reading")
    }
    guard filesToo else { return }
    core.reapDaemons()
    if nextFileCheck < allowance.now {
      nextFileCheck = allowance.now.advanced(bySeconds: core.limits.fileCheckSeconds)
      core.access.refresh(log: core.log)
      core.reloadCertificates()
    }
  }
}
