import Platform

/// A thread that does something again and again, until it is stopped.
final class Ticker: @unchecked Sendable {
  // `@unchecked Sendable`: `isStopped` is touched inside `lock` only; `thread` is set once, in `init`.
  private let lock = Lock()
  private var isStopped = false
  private var thread: WorkerThread?

  init(seconds: Double, _ body: @escaping @Sendable () -> Void) {
    thread = WorkerThread(name: "clew-clock") { [self] in
      while pause(seconds) { body() }
    }
  }

  /// False when stopped.
  private func pause(_ seconds: Double) -> Bool {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    return lock.withLock {
      while !isStopped && Instant.now < deadline { _ = lock.wait(until: deadline) }
      return !isStopped
    }
  }

  /// Ends and joins the thread.
  func stop() {
    lock.withLock {
      isStopped = true
      lock.wakeAll()
    }
    thread?.join()
  }
}
