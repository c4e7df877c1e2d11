import Glibc

/// Signals, waited for by one thread instead of handled: no code ever runs in a signal handler.
public enum Signals {
  /// Blocks SIGTERM, SIGINT and SIGHUP for this thread and all it starts, and ignores SIGPIPE. Call first in `main`.
  public static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    var set = sigset_t()
    fill(&set)
    unsafe pthread_sigmask(SIG_BLOCK, &set, nil)
  }

  /// Writing to a connection that the other side closed is an error, not the end of the process.
  public static func ignoreBrokenPipes() { signal(SIGPIPE, SIG_IGN) }

  /// Waits for SIGTERM, SIGINT or SIGHUP and returns its number.
  public static func wait() -> Int32 {
    var set = sigset_t()
    fill(&set)
    var number: Int32 = 0
    unsafe sigwait(&set, &number)
    return number
  }

  /// As `wait`, but not beyond `deadline`: nil then.
  public static func wait(until deadline: Instant) -> Int32? {
    var set = sigset_t()
    fill(&set)
    while true {
      let left = max(0, deadline.nanoseconds - Instant.now.nanoseconds)
      var time = timespec(tv_sec: Int(left / 1_000_000_000), tv_nsec: Int(left % 1_000_000_000))
      let number = unsafe sigtimedwait(&set, nil, &time)
      if number > 0 { return number }
      if left == 0 { return nil }
    }
  }

  public static let terminate = SIGTERM
  public static let interrupt = SIGINT
  public static let hangUp = SIGHUP

  /// Lets the three signals end the process again, as for a command that is interrupted.
  public static func release() {
    var set = sigset_t()
    fill(&set)
    unsafe pthread_sigmask(SIG_UNBLOCK, &set, nil)
  }

  private static func fill(_ set: inout sigset_t) {
    unsafe sigemptyset(&set)
    unsafe sigaddset(&set, SIGTERM)
    unsafe sigaddset(&set, SIGINT)
    unsafe sigaddset(&set, SIGHUP)
  }
}
