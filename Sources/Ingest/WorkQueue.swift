import EventModel
import Platform
import TraceStore

/// The answer to one piece of work, for whoever waits for it.
final class Ticket<Value: Sendable>: @unchecked Sendable {
  // `@unchecked Sendable`: `result` is touched inside `lock` only.
  private let lock = Lock()
  private var result: Result<Value, StoreError>?

  func complete(_ result: Result<Value, StoreError>) {
    lock.withLock {
      self.result = result
      lock.wakeAll()
    }
  }

  /// Waits for the answer. May be called once or often, from any thread.
  func wait() throws(StoreError) -> Value {
    try lock.withLock { () throws(StoreError) -> Value in
      while true {
        if let result { return try result.get() }
        lock.wait()
      }
    }
  }

  /// As `wait`, but not beyond `deadline`; nil then.
  func wait(until deadline: Instant) throws(StoreError) -> Value? {
    try lock.withLock { () throws(StoreError) -> Value? in
      while true {
        if let result { return try result.get() }
        if !lock.wait(until: deadline), Instant.now >= deadline { return nil }
      }
    }
  }

  var isComplete: Bool { lock.withLock { result != nil } }
}

/// What the writer thread does: all writing calls to a store come from it.
enum Work: Sendable {
  case append(SourceBatch, Ticket<AppendedBatch>)
  case sync(Ticket<Void>)
  case seal(Ticket<Void>)
  case maintain

  var bytes: Int {
    if case .append(let batch, _) = self { return batch.events.bytes.count }
    return 0
  }
}

/// Work in the order of its coming, bounded by count and bytes.
final class WorkQueue: @unchecked Sendable {
  enum PushResult { case added, full, closed }

  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let lock = Lock()
  private let countMax: Int
  private let bytesMax: Int
  private var works: [Work] = []
  private var bytes = 0
  private var isClosed = false

  init(countMax: Int, bytesMax: Int) {
    self.countMax = countMax
    self.bytesMax = bytesMax
  }

  var count: Int { lock.withLock { works.count } }

  /// Adds work, waiting for room until the deadline (nil: for ever). One piece always fits into an empty queue.
  func push(_ work: Work, until deadline: Instant? = nil) -> PushResult {
    lock.withLock {
      while !isClosed && !works.isEmpty && (works.count >= countMax || bytes + work.bytes > bytesMax) {
        if let deadline {
          if !lock.wait(until: deadline) && Instant.now >= deadline { return .full }
        } else {
          lock.wait()
        }
      }
      if isClosed { return .closed }
      works.append(work)
      bytes += work.bytes
      lock.wakeAll()
      return .added
    }
  }

  /// The next piece of work, or as many appends in a row as are waiting, up to `bytesMax` together; nil at the end.
  func popGroup(countMax: Int, bytesMax: Int) -> [Work]? {
    lock.withLock {
      while works.isEmpty {
        if isClosed { return nil }
        lock.wait()
      }
      var taken = 0
      var takenBytes = 0
      for work in works {
        guard case .append = work else {
          if taken == 0 { taken = 1 }
          break
        }
        if taken > 0 && (taken >= countMax || takenBytes + work.bytes > bytesMax) { break }
        taken += 1
        takenBytes += work.bytes
      }
      let group = Array(works.prefix(taken))
      works.removeFirst(taken)
      bytes -= takenBytes
      lock.wakeAll()
      return group
    }
  }

  /// Nothing is added any more; what is inside is still given out.
  func close() {
    lock.withLock {
      isClosed = true
      lock.wakeAll()
    }
  }
}
