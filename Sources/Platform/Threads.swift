import Glibc

/// A thread of the operating system, with a name that `top -H` and debuggers show, joined by its owner.
///
/// `body` runs exactly once. Dropping a `WorkerThread` without `join` is a programming error in the product.
public final class WorkerThread: @unchecked Sendable {
  // `@unchecked Sendable`: `joined` is guarded by `lock`, `handle` is set before the thread can be joined.
  private final class Start {
    let name: String
    let body: @Sendable () -> Void
    init(name: String, body: @escaping @Sendable () -> Void) {
      self.name = name
      self.body = body
    }
  }

  private let lock = Lock()
  private var joined = false
  private var handle = pthread_t()

  /// Starts the thread.
  ///
  /// - Parameter name: at most 15 bytes are shown.
  /// - Precondition: the system can start another thread.
  public init(name: String, _ body: @escaping @Sendable () -> Void) {
    let isStarted = start(name, body)
    precondition(isStarted, "the system refuses to start a thread")
  }

  /// Starts the thread; nil if the system has no more.
  public init?(ifPossible name: String, _ body: @escaping @Sendable () -> Void) {
    if !start(name, body) { return nil }
  }

  private func start(_ name: String, _ body: @escaping @Sendable () -> Void) -> Bool {
    let start = unsafe Unmanaged.passRetained(Start(name: name, body: body))
    let isStarted = unsafe pthread_create(&handle, nil, workerThreadMain, start.toOpaque()) == 0
    if !isStarted { unsafe start.release() }
    return isStarted
  }

  /// Waits until `body` has returned. May be called by several threads; only the first waits.
  ///
  /// A thread that joins itself (it held the last reference to what owns it) does not wait, and is cleaned up when it
  /// ends.
  public func join() {
    let first = lock.withLock {
      defer { joined = true }
      return !joined
    }
    guard first else { return }
    if pthread_equal(handle, pthread_self()) != 0 { pthread_detach(handle) } else { pthread_join(handle, nil) }
  }

  fileprivate static func run(_ pointer: UnsafeMutableRawPointer) {
    let start = unsafe Unmanaged<Start>.fromOpaque(pointer).takeRetainedValue()
    // The C function for it is hidden behind a feature macro; the file does the same.
    if let comm = try? FileDescriptor.open("/proc/thread-self/comm", O_WRONLY | O_CLOEXEC) {
      comm.writeIgnoringErrors(String(start.name.prefix(15)))
    }
    start.body()
  }
}

/// Not a closure: a closure written in isolated code would inherit the isolation and stop the process.
private func workerThreadMain(_ pointer: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
  if let pointer = unsafe pointer { unsafe WorkerThread.run(pointer) }
  return nil
}

/// A queue with a bound: producers wait while it is full, consumers while it is empty.
public final class BoundedQueue<Element: Sendable>: @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let lock = Lock()
  private let capacity: Int
  private var elements: [Element] = []
  private var closed = false

  public init(capacity: Int) {
    precondition(capacity > 0, "a queue holds at least one element")
    self.capacity = capacity
  }

  public var count: Int { lock.withLock { elements.count } }

  /// Adds an element, waiting while the queue is full.
  ///
  /// - Returns: false if the queue is closed (the element was not added).
  public func push(_ element: Element) -> Bool {
    lock.withLock {
      while elements.count >= capacity && !closed { lock.wait() }
      if closed { return false }
      elements.append(element)
      lock.wakeAll()
      return true
    }
  }

  /// Adds an element if there is room at once.
  public func tryPush(_ element: Element) -> Bool {
    lock.withLock {
      if closed || elements.count >= capacity { return false }
      elements.append(element)
      lock.wakeAll()
      return true
    }
  }

  /// Takes up to `limit` elements, waiting for the first until `deadline` (nil: for ever).
  ///
  /// - Returns: nil if the queue is closed and empty; an empty array at the deadline.
  public func pop(limit: Int, until deadline: Instant? = nil) -> [Element]? {
    lock.withLock {
      while elements.isEmpty {
        if closed { return nil }
        if let deadline {
          if !lock.wait(until: deadline) && elements.isEmpty { return closed ? nil : [] }
        } else {
          lock.wait()
        }
      }
      let taken = Array(elements.prefix(limit))
      elements.removeFirst(taken.count)
      lock.wakeAll()
      return taken
    }
  }

  /// No further element is added; what is inside can still be taken.
  public func close() {
    lock.withLock {
      closed = true
      lock.wakeAll()
    }
  }
}
