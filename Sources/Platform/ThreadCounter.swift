import Glibc

/// A number for each thread, 0 at its start: what a request cost is told by the thread that serves it.
@safe public final class ThreadCounter: Sendable {
  // `@safe`: the value of the key is a number in a pointer's place, and never followed.
  private let key: pthread_key_t

  /// - Precondition: the system has keys left (there are a thousand); counters are made once and kept.
  public init() {
    var key = pthread_key_t()
    let result = unsafe pthread_key_create(&key, nil)
    precondition(result == 0, "the system has no keys left")
    self.key = key
  }

  deinit { pthread_key_delete(key) }

  /// Of the thread that asks.
  public var value: Int { unsafe Int(bitPattern: pthread_getspecific(key)) }

  public func add(_ count: Int) {
    unsafe pthread_setspecific(key, UnsafeRawPointer(bitPattern: value &+ count))
  }
}
