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

  let places: Int
  private let name: String
  private let what: String
  private let waitSeconds: Double
  private let lock = Lock()
  private var free: Int
  /// The longest waiting one first; bounded by the number of connections.
  private var queue: [Waiter] = []
  /// Does what waits in `perform`.
  private let crew: Crew
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
    crew = Crew(name, size: places)
  }

  deinit { crew.dismiss() }

  /// Ends the threads that work for others. Whatever waits from now on is done by those who wait.
  func dismissWorkers() { crew.dismiss() }

  var figures: Figures {
    lock.withLock {
      Figures(name: name, places: places, waiting: queue.count, waits: waits, refusals: refusals)
    }
  }

  // MARK: Coming in

  /// Waits for a place, which is free again when the last reference to the pass goes.
  ///
  /// - Throws: a 503 after `waitSeconds` without a free place.
  func enter() throws(APIError) -> Pass {
    try takePlace()
    return Pass(self)
  }

  /// Runs `body` in a place, on this thread.
  func pass<R>(_ body: () throws(APIError) -> R) throws(APIError) -> R {
    let pass = try enter()
    defer { pass.end() }
    return try body()
  }

  /// Runs `body` in a place: on this thread where one is free at once, else on one of a few threads that take up what
  /// waits, one after the other. So few threads compute, whose stacks and memory the cores have at hand, however many
  /// ask. Where all of them are outside the gate with what they do, it is this thread's after all.
  ///
  /// The place goes with the end of `body`, whoever still has the pass.
  ///
  /// - Throws: what `body` throws; a 503 after `waitSeconds` without a free place.
  func perform<R>(_ body: @escaping (Pass) throws(APIError) -> R) throws(APIError) -> R {
    let outcome = Outcome<R>()
    let waiter = takePlace { () -> Bool in
      let pass = Pass(self)
      outcome.result = Result { () throws(APIError) in try body(pass) }
      return pass.end(handsOn: false)
    }
    if let waiter, try wait(waiter) == .done, let result = outcome.result { return try result.get() }
    let pass = Pass(self)
    defer { pass.end() }
    return try body(pass)
  }

  /// What became of work that a worker did: its own until it is done, then of the one who waited for it.
  private final class Outcome<R> { var result: Result<R, APIError>? }

  private func takePlace() throws(APIError) {
    if let waiter = takePlace(nil) { _ = try wait(waiter) }
  }

  /// - Parameter work: what a worker may do instead of the caller.
  /// - Returns: the place in the queue, if no other is free.
  private func takePlace(_ work: (() -> Bool)?) -> Waiter? {
    lock.withLock {
      if free > 0 {
        free -= 1
        waits.add(nanoseconds: 0)
        return nil
      }
      let waiter = Waiter(work)
      queue.append(waiter)
      return waiter
    }
  }

  /// - Returns: `admitted` or `done`.
  private func wait(_ waiter: Waiter) throws(APIError) -> Waiter.State {
    let end = waiter.wait(until: waiter.cameAt.advanced(bySeconds: waitSeconds))
    lock.withLock {
      if end == .gone {
        queue.removeAll { $0 === waiter }
        refusals += 1
      } else {
        waits.add(nanoseconds: waiter.beganAt.nanoseconds - waiter.cameAt.nanoseconds)
      }
    }
    if end == .gone { throw .busy(what) }
    return end
  }

  // MARK: Going out

  /// Hands the place on. Nobody comes in between: while somebody waits, no place is free.
  private func leave() { _ = handOn(byWorker: false) }

  /// - Parameter byWorker: work that waits is the caller's to do.
  /// - Returns: the work, which has the place now.
  func handOn(byWorker: Bool) -> Waiter? {
    while true {
      let next = lock.withLock { () -> Waiter? in
        if queue.isEmpty {
          free += 1
          return nil
        }
        return queue.removeFirst()
      }
      guard let next else { return nil }
      if next.hasWork {
        if byWorker { return next }
        if crew.take(next, of: self) { return nil }
      }
      if next.admit() { return nil }
    }
  }

  /// A place in the gate. Its methods are called by the thread that works in it.
  final class Pass: @unchecked Sendable {
    // `@unchecked Sendable`: `isInside` is touched by one thread at a time, the one that works in this place.
    private let gate: Gate
    private var isInside = true

    fileprivate init(_ gate: Gate) { self.gate = gate }

    deinit { if isInside { gate.leave() } }

    /// Gives the place up, or keeps it for who works in it.
    ///
    /// - Returns: whether there was a place to give up.
    @discardableResult fileprivate func end(handsOn: Bool = true) -> Bool {
      defer { isInside = false }
      if isInside && handsOn { gate.leave() }
      return isInside
    }

    /// Runs `body`, which waits for others or works for long, outside of the gate, and comes in again behind those who
    /// wait.
    ///
    /// - Throws: what `body` throws; a 503 if no place gets free afterwards. Then, and after the end of what the pass was
    ///   for, there is no place to leave, and none to come back to.
    func outside<R>(_ body: () throws(APIError) -> R) throws(APIError) -> R {
      if !isInside { return try body() }
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
