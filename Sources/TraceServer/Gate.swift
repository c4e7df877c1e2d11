import Platform

/// Lets a bounded number of callers in at once, in the order in which they came; the others wait, but not for ever.
///
/// A place that gets free is handed to whoever has waited longest, never to one who just came: so all wait about
/// equally long, and the slowest of many equal requests is not much slower than the others.
final class Gate: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.

  /// What a gate counted since it was made.
  struct Figures: Sendable {
    var name: String
    var places: Int
    var waiting: Int
    /// How often somebody was let in, by how long that took.
    var waits: StoreCounters.Durations
    /// How often somebody was sent away after waiting.
    var refusals: Int
  }

  /// One who waits.
  private final class Waiter: @unchecked Sendable {
    // `@unchecked Sendable`: the state is touched inside `lock` only.
    private enum State { case waiting, admitted, gone }

    private let lock = Lock()
    private var state = State.waiting

    /// - Returns: false if nobody waits here any more.
    func admit() -> Bool {
      lock.withLock {
        guard state == .waiting else { return false }
        state = .admitted
        lock.wakeAll()
        return true
      }
    }

    /// - Returns: whether it was admitted; after a false it never will be.
    func wait(until deadline: Instant) -> Bool {
      lock.withLock {
        while state == .waiting {
          if !lock.wait(until: deadline) && state == .waiting { state = .gone }
        }
        return state == .admitted
      }
    }
  }

  let places: Int
  private let name: String
  private let what: String
  private let waitSeconds: Double
  private let lock = Lock()
  private var free: Int
  /// The longest waiting one first; bounded by the number of connections.
  private var queue: [Waiter] = []
  private var waits = StoreCounters.Durations(
    bucketCounts: [UInt64](repeating: 0, count: StoreCounters.Durations.bounds.count + 1))
  private var refusals = 0

  /// - Parameters:
  ///   - name: as the metrics call it.
  ///   - what: the plural noun of the error when the wait was in vain.
  init(_ name: String, places: Int, waitSeconds: Double, what: String) {
    precondition(places > 0, "a gate lets somebody in")
    self.name = name
    self.places = places
    self.waitSeconds = waitSeconds
    self.what = what
    free = places
  }

  /// Waits for a place, which is free again when the last reference to the pass goes.
  ///
  /// - Throws: a 503 after `waitSeconds` without a free place.
  func enter() throws(APIError) -> Pass {
    try takePlace()
    return Pass(self)
  }

  /// Runs `body` in a place.
  func pass<R>(_ body: () throws(APIError) -> R) throws(APIError) -> R {
    let pass = try enter()
    defer { withExtendedLifetime(pass) {} }
    return try body()
  }

  var figures: Figures {
    lock.withLock {
      Figures(name: name, places: places, waiting: queue.count, waits: waits, refusals: refusals)
    }
  }

  private func takePlace() throws(APIError) {
    let started = Instant.now
    let waiter = lock.withLock { () -> Waiter? in
      if free > 0 {
        free -= 1
        waits.add(nanoseconds: 0)
        return nil
      }
      let waiter = Waiter()
      queue.append(waiter)
      return waiter
    }
    guard let waiter else { return }
    let isIn = waiter.wait(until: started.advanced(bySeconds: waitSeconds))
    lock.withLock {
      if isIn {
        waits.add(nanoseconds: Instant.now.nanoseconds - started.nanoseconds)
      } else {
        queue.removeAll { $0 === waiter }
        refusals += 1
      }
    }
    if !isIn { throw .busy(what) }
  }

  /// Hands the place on. Nobody comes in between: while somebody waits, no place is free.
  private func leave() {
    while true {
      let next = lock.withLock { () -> Waiter? in
        if queue.isEmpty {
          free += 1
          return nil
        }
        return queue.removeFirst()
      }
      guard let next else { return }
      if next.admit() { return }
    }
  }

  /// A place in the gate. Its methods are called by the thread that works in it.
  final class Pass: @unchecked Sendable {
    // `@unchecked Sendable`: `isInside` is touched by one thread at a time, the one that works in this place.
    private let gate: Gate
    private var isInside = true

    fileprivate init(_ gate: Gate) { self.gate = gate }

    deinit { if isInside { gate.leave() } }

    /// Runs `body`, which waits for others or works for long, outside of the gate, and comes in again behind those who
    /// wait.
    ///
    /// - Throws: what `body` throws; a 503 if no place gets free afterwards.
    func outside<R>(_ body: () throws(APIError) -> R) throws(APIError) -> R {
      isInside = false
      gate.leave()
      let result = try body()
      try gate.takePlace()
      isInside = true
      return result
    }

    /// Lets those who wait go first: called now and then by what takes long.
    func yield() throws(APIError) {
      if gate.lock.withLock({ gate.queue.isEmpty }) { return }
      try outside { () throws(APIError) in }
    }
  }
}
