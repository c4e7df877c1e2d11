public import EventModel
import Glibc

/// The date, as a parameter: tests set it.
public protocol WallClock: Sendable {
  func now() -> Timestamp
}

/// The system's date.
public struct SystemClock: WallClock {
  public init() {}

  public func now() -> Timestamp {
    var time = timespec()
    unsafe clock_gettime(CLOCK_REALTIME, &time)
    return Timestamp(nanoseconds: Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec))
  }
}
