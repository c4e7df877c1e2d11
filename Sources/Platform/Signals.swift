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

  /// Waits for SIGTERM, SIGINT or SIGHUP and returns its number.
  public static func wait() -> Int32 {
    var set = sigset_t()
    fill(&set)
    var number: Int32 = 0
    unsafe sigwait(&set, &number)
    return number
  }

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
