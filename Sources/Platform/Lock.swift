public import Glibc

/// A pthread mutex with a condition.
///
/// Not `Synchronization.Mutex`: that has no condition, and the thread sanitizer reports false races on it (ADR-002).
/// Not recursive. Never call out, block or take another lock while holding one.
@safe public final class Lock: @unchecked Sendable {
  // `@unchecked Sendable`: the pointers are set once, in `init`, and what they point to is only touched by pthread
  // functions, which are made for use by several threads. `@safe`: they are freed in `deinit` only.
  @usableFromInline internal let mutex: UnsafeMutablePointer<pthread_mutex_t>
  private let condition: UnsafeMutablePointer<pthread_cond_t>

  public init() {
    unsafe mutex = .allocate(capacity: 1)
    unsafe condition = .allocate(capacity: 1)
    unsafe mutex.initialize(to: pthread_mutex_t())
    unsafe condition.initialize(to: pthread_cond_t())
    unsafe pthread_mutex_init(mutex, nil)
    var attributes = pthread_condattr_t()
    unsafe pthread_condattr_init(&attributes)
    unsafe pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
    unsafe pthread_cond_init(condition, &attributes)
    unsafe pthread_condattr_destroy(&attributes)
  }

  deinit {
    unsafe pthread_cond_destroy(condition)
    unsafe pthread_mutex_destroy(mutex)
    unsafe condition.deallocate()
    unsafe mutex.deallocate()
  }

  // Inlined into other modules: called through its type's description it costs 2 % of a server's time.
  @inlinable @inline(__always) public func withLock<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    unsafe pthread_mutex_lock(mutex)
    defer { unsafe pthread_mutex_unlock(mutex) }
    return try body()
  }

  /// Releases the lock, sleeps until somebody calls `wakeAll`, takes the lock again. May wake without reason.
  ///
  /// - Precondition: called inside `withLock`.
  public func wait() { unsafe pthread_cond_wait(condition, mutex) }

  /// As `wait`, but not beyond `deadline`.
  ///
  /// - Returns: false if the deadline has passed.
  public func wait(until deadline: Instant) -> Bool {
    var time = timespec(
      tv_sec: Int(deadline.nanoseconds / 1_000_000_000), tv_nsec: Int(deadline.nanoseconds % 1_000_000_000))
    return unsafe pthread_cond_timedwait(condition, mutex, &time) != ETIMEDOUT
  }

  /// Wakes one of those who wait, where any of them will do.
  public func wakeOne() { unsafe pthread_cond_signal(condition) }

  public func wakeAll() { unsafe pthread_cond_broadcast(condition) }
}

/// A value behind a `Lock`.
public final class Locked<Value>: @unchecked Sendable {
  // `@unchecked Sendable`: `value` is only touched inside `lock`, and what leaves `withLock` is the caller's copy.
  @usableFromInline internal let lock = Lock()
  @usableFromInline internal var value: Value

  public init(_ value: sending Value) { self.value = value }

  @inlinable @inline(__always) public func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    try lock.withLock { () throws(E) -> R in try body(&value) }
  }
}

/// A point of the monotonic clock, for measuring and deadlines; unrelated to the date.
public struct Instant: Comparable, Sendable {
  public let nanoseconds: Int64

  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  public static var now: Instant {
    var time = timespec()
    unsafe clock_gettime(CLOCK_MONOTONIC, &time)
    return Instant(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }

  public static func < (a: Self, b: Self) -> Bool { a.nanoseconds < b.nanoseconds }

  public func advanced(bySeconds seconds: Double) -> Instant {
    Instant(nanoseconds: nanoseconds &+ Int64(seconds * 1e9))
  }

  /// Seconds from `earlier` to `self`.
  public func seconds(since earlier: Instant) -> Double { Double(nanoseconds - earlier.nanoseconds) / 1e9 }
}
