import Synchronization

/// A value behind a mutex.
///
/// This level knows no `Platform.Lock`. The atomic adds nothing to the exclusion: it shows the thread sanitizer, which
/// does not know `Mutex`, that one holder's work happened before the next one's.
final class Guarded<Value>: @unchecked Sendable {
  // `@unchecked Sendable`: `value` is only touched while `mutex` is held.
  private let mutex = Mutex(())
  private let turns = Atomic<Int>(0)
  private var value: Value

  init(_ value: Value) { self.value = value }

  func withLock<R, E: Error>(_ body: (inout Value) throws(E) -> R) throws(E) -> R {
    var result: Result<R, E>?
    mutex.withLock { _ in
      let turn = turns.load(ordering: .acquiring)
      do throws(E) {
        result = .success(try body(&value))
      } catch {
        result = .failure(error)
      }
      turns.store(turn &+ 1, ordering: .releasing)
    }
    guard let result else { preconditionFailure("the body always ran") }
    return try result.get()
  }
}
