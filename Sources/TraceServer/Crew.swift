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
  /// Taken before anybody else knows of it, so that nothing begins earlier.
  let cameAt = Instant.now
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

/// The threads that work behind a gate, each at one thing after the other: as many as were needed at once so far.
final class Crew: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let name: String
  private let size: Int
  private let lock = Lock()
  private var taken: [(waiter: Waiter, gate: Gate)] = []
  private var idleCount = 0
  /// All threads, also those that are about to run.
  private var count = 0
  /// Threads that are about to run.
  private var startingCount = 0
  private var isDismissed = false
  private var threads: [WorkerThread] = []

  /// - Parameters:
  ///   - name: of the threads.
  ///   - size: how many there are at most.
  init(_ name: String, size: Int) {
    self.name = name
    self.size = size
  }

  /// Takes work that has a place.
  ///
  /// - Returns: false if nobody is idle, and no more threads can be had.
  func take(_ waiter: Waiter, of gate: Gate) -> Bool {
    let (isTaken, isHiring) = lock.withLock { () -> (Bool, Bool) in
      if isDismissed { return (false, false) }
      let isHiring = idleCount + startingCount <= taken.count
      if isHiring && count == size { return (false, false) }
      taken.append((waiter, gate))
      if isHiring {
        count += 1
        startingCount += 1
      } else {
        lock.wakeOne()
      }
      return (true, isHiring)
    }
    return isHiring ? hire(for: waiter) : isTaken
  }

  /// - Returns: false if the system has no more threads, and the work is nobody's.
  private func hire(for waiter: Waiter) -> Bool {
    let thread = WorkerThread(ifPossible: name) { self.work() }
    let stranded = lock.withLock { () -> (waiter: Waiter, gate: Gate)? in
      if let thread {
        threads.append(thread)
        return nil
      }
      count -= 1
      startingCount -= 1
      // Whoever took up this work may have been meant for another.
      return taken.count > idleCount + startingCount ? taken.removeLast() : nil
    }
    guard let stranded else { return true }
    if stranded.waiter === waiter { return false }
    if !stranded.waiter.admit() { _ = stranded.gate.handOn(byWorker: false) }
    return true
  }

  /// Ends and joins the threads, each once what it is at is done; one that is being hired meanwhile by the next call.
  func dismiss() {
    let ending = lock.withLock { () -> [WorkerThread] in
      isDismissed = true
      lock.wakeAll()
      defer { threads = [] }
      return threads
    }
    for thread in ending { thread.join() }
  }

  private func work() {
    lock.withLock { startingCount -= 1 }
    while let (waiter, gate) = next() {
      var current: Waiter? = waiter
      while let waiter = current {
        let hasPlace = waiter.run()
        let goesOn = lock.withLock { !isDismissed }
        current = hasPlace ? gate.handOn(byWorker: goesOn) : nil
      }
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
