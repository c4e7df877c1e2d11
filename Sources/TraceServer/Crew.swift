import Platform

/// One who waits at a gate: until there is a place for it, or until a worker has done what it came for.
final class Waiter: @unchecked Sendable {
  // `@unchecked Sendable`: `work` is touched by the one worker that has begun it, the rest inside `lock` only, or after
  // the wait is over.
  enum State {
    case waiting
    /// There is a place.
    case admitted
    /// A worker is at it, or has done it.
    case begun, done
    /// Waited in vain.
    case gone
  }

  let hasWork: Bool
  private(set) var beganAt = Instant(nanoseconds: 0)
  private let lock = Lock()
  private var state = State.waiting
  private var work: (() -> Bool)?

  /// - Parameter work: returns whether it still has the place at its end.
  init(_ work: (() -> Bool)?) {
    hasWork = work != nil
    self.work = work
  }

  /// - Returns: false if nobody waits here any more.
  func admit() -> Bool { begin(.admitted) }

  private func begin(_ next: State) -> Bool {
    lock.withLock {
      guard state == .waiting else { return false }
      beganAt = .now
      state = next
      if next == .admitted { lock.wakeAll() }
      return true
    }
  }

  /// Does the work, if somebody still waits for it.
  ///
  /// - Returns: whether the place is still there.
  func run() -> Bool {
    guard begin(.begun) else { return true }
    let hasPlace = work?() ?? true
    work = nil
    lock.withLock {
      state = .done
      lock.wakeAll()
    }
    return hasPlace
  }

  /// - Returns: `admitted`, `done` or, if nothing began until the deadline, `gone`, for good.
  func wait(until deadline: Instant) -> State {
    lock.withLock {
      while state == .waiting {
        if !lock.wait(until: deadline) && state == .waiting { state = .gone }
      }
      while state == .begun { lock.wait() }
      return state
    }
  }
}

/// The threads that work behind a gate, each at one thing after the other.
final class Crew: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only, `threads` by who makes and dismisses the crew.
  private let lock = Lock()
  private var taken: [(waiter: Waiter, gate: Gate)] = []
  private var idleCount = 0
  private var isDismissed = false
  private var threads: [WorkerThread] = []

  /// - Parameters:
  ///   - name: of the threads.
  ///   - size: how many; fewer if the system has no more.
  init(_ name: String, size: Int) {
    for _ in 0..<size {
      guard let thread = WorkerThread(ifPossible: name, { self.work() }) else { return }
      threads.append(thread)
    }
  }

  /// Takes work that has a place.
  ///
  /// - Returns: false if nobody is idle.
  func take(_ waiter: Waiter, of gate: Gate) -> Bool {
    lock.withLock {
      guard idleCount > taken.count else { return false }
      taken.append((waiter, gate))
      lock.wakeOne()
      return true
    }
  }

  /// Ends and joins the threads. Nothing waits any more.
  func dismiss() {
    lock.withLock {
      isDismissed = true
      lock.wakeAll()
    }
    for thread in threads { thread.join() }
  }

  private func work() {
    while let (waiter, gate) = next() {
      var current: Waiter? = waiter
      while let waiter = current { current = waiter.run() ? gate.handOn(byWorker: true) : nil }
    }
  }

  private func next() -> (waiter: Waiter, gate: Gate)? {
    lock.withLock {
      idleCount += 1
      defer { idleCount -= 1 }
      while taken.isEmpty {
        if isDismissed { return nil }
        lock.wait()
      }
      return taken.removeFirst()
    }
  }
}
