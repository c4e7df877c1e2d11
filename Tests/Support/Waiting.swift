public import EventModel
import Glibc
public import Platform

/// Asks `condition` again and again until it holds.
///
/// - Returns: false if it did not hold within `seconds`.
public func eventually(within seconds: Double = 10, _ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Instant.now.advanced(bySeconds: seconds)
  var pause: UInt32 = 200
  while true {
    if try condition() { return true }
    if Instant.now > deadline { return false }
    usleep(pause)
    pause = min(pause * 2, 20_000)
  }
}

/// A port of the loopback address on which nobody listens at the moment.
public func freePort() throws -> UInt16 {
  let socket = Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
  guard socket >= 0 else { throw TestSupportError("cannot make a socket") }
  defer { close(socket) }
  var address = sockaddr_in()
  address.sin_family = sa_family_t(AF_INET)
  address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
  var length = socklen_t(MemoryLayout<sockaddr_in>.size)
  let bound = unsafe withUnsafeMutablePointer(to: &address) { pointer in
    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
      if unsafe bind(socket, $0, length) != 0 { return false }
      return unsafe getsockname(socket, $0, &length) == 0
    }
  }
  guard bound else { throw TestSupportError("cannot bind a socket") }
  return UInt16(bigEndian: address.sin_port)
}

/// A date that only tests move.
public final class TestClock: WallClock {
  private let time: Locked<Timestamp>

  public init(_ start: Timestamp = TestEvent.epoch) { time = Locked(start) }

  public func now() -> Timestamp { time.withLock { $0 } }

  public func set(_ now: Timestamp) { time.withLock { $0 = now } }

  public func advance(seconds: Double) {
    time.withLock { $0 = $0.advanced(byNanoseconds: Int64(seconds * 1e9)) }
  }
}
