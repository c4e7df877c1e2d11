import Platform

/// Lets a bounded number of callers in at once; the others wait, but not for ever.
final class Gate: @unchecked Sendable {
  // `@unchecked Sendable`: the counters are touched inside `lock` only.
  private let lock = Lock()
  private var free: Int
  private let waitSeconds: Double
  private let what: String

  /// - Parameter what: the plural noun of the error when the wait was in vain.
  init(places: Int, waitSeconds: Double, what: String) {
    precondition(places > 0, "a gate lets somebody in")
    free = places
    self.waitSeconds = waitSeconds
    self.what = what
  }

  /// Waits for a place, which is free again when the last reference to the pass goes.
  ///
  /// - Throws: a 503 after `waitSeconds` without a free place.
  func enter() throws(APIError) -> Pass {
    let deadline = Instant.now.advanced(bySeconds: waitSeconds)
    let entered = lock.withLock { () -> Bool in
      while free == 0 {
        if !lock.wait(until: deadline) && free == 0 { return false }
      }
      free -= 1
      return true
    }
    guard entered else { throw .busy(what) }
    return Pass(self)
  }

  /// Runs `body` in a place.
  func pass<R>(_ body: () throws(APIError) -> R) throws(APIError) -> R {
    let pass = try enter()
    defer { withExtendedLifetime(pass) {} }
    return try body()
  }

  final class Pass: Sendable {
    private let gate: Gate

    fileprivate init(_ gate: Gate) { self.gate = gate }

    deinit {
      gate.lock.withLock {
        gate.free += 1
        gate.lock.wakeOne()
      }
    }
  }
}
