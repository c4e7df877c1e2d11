import Glibc
import Platform

/// The server: one thread, one `poll` over listener, control line and connections.
final class Server {
  let services = Services()
  private var listener: Int32
  private(set) var port: Int
  private let address: String
  private let tls: TLSFiles?
  private var connections: [Connection] = []
  private let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
  private let controlInput = ByteQueue()
  private(set) var now: UInt64 = 0
  private var isStopping = false

  // What misbehaves.
  var faults: [Fault] = []
  var chaos: Chaos?
  /// Events become visible in the time they took.
  private var play: (began: UInt64, speed: Double, from: Int)?

  // What the test may ask about.
  private(set) var seenCalls: [Call] = []
  private(set) var callCount = 0
  private(set) var connectionCount = 0
  var sentMessages = 0
  var sentBytes = 0
  var struckFaults = 0
  private static let seenCallsMax = 2000

  init(address: String, port: Int, tls: TLSFiles?) throws {
    self.tls = tls
    self.address = address
    (listener, self.port) = try Self.listen(address, port)
    services.host = address
    services.port = self.port
  }

  private static func listen(_ host: String, _ port: Int) throws -> (Int32, Int) {
    let kind = SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue
    let number = socket(AF_INET, Int32(kind), 0)
    var one: Int32 = 1
    setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = in_port_t(port).bigEndian
    guard inet_pton(AF_INET, host, &address.sin_addr) == 1 else { throw ControlError("\(host) is no address") }
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(number, $0, length) == 0 && Glibc.listen(number, 128) == 0 && getsockname(number, $0, &length) == 0
      }
    }
    guard isBound else { throw ControlError("cannot listen on \(host), port \(port)") }
    return (number, Int(in_port_t(bigEndian: address.sin_port)))
  }

  // MARK: The loop

  /// Serves until standard input ends.
  func run() {
    while !isStopping || !connections.isEmpty {
      now = UInt64(Instant.now.nanoseconds)
      var polled = [
        pollfd(fd: 0, events: Int16(POLLIN), revents: 0), pollfd(fd: listener, events: Int16(POLLIN), revents: 0),
      ]
      for connection in connections {
        let wanted = (connection.wantsToRead ? POLLIN : 0) | (connection.wantsToWrite ? POLLOUT : 0)
        polled.append(pollfd(fd: connection.channel.socket, events: Int16(wanted), revents: 0))
      }
      _ = Glibc.poll(&polled, nfds_t(polled.count), waitMilliseconds())
      now = UInt64(Instant.now.nanoseconds)
      if polled[0].revents != 0, !readControl() { return }
      for (connection, polled) in zip(connections, polled.dropFirst(2)) { serve(connection, Int32(polled.revents)) }
      if services.hasNews {
        services.hasNews = false
        logChanged()
      }
      if polled[1].revents != 0 { acceptAll() }
      advancePlay()
      for connection in connections where !connection.isClosed { connection.tick(now) }
      connections.removeAll { $0.isClosed }
    }
  }

  private func serve(_ connection: Connection, _ events: Int32) {
    if connection.isClosed { return }
    if events & POLLOUT != 0 { connection.flush() }
    // A peer that has gone is seen even where nothing is read.
    if events & (POLLIN | POLLHUP | POLLERR) != 0 {
      if connection.wantsToRead { connection.receive(room) } else { connection.close("connection lost") }
    }
  }

  private func waitMilliseconds() -> Int32 {
    var next: UInt64?
    for connection in connections { if let time = connection.nextTime { next = min(next ?? time, time) } }
    if play != nil { next = min(next ?? .max, now + 5_000_000) }
    guard let next else { return -1 }
    return next <= now ? 0 : Int32(min((next - now + 999_999) / 1_000_000, 60_000))
  }

  private func acceptAll() {
    while listener >= 0 {
      let number = accept(listener, nil, nil)
      if number < 0 { return }
      _ = fcntl(number, F_SETFL, O_NONBLOCK)
      _ = fcntl(number, F_SETFD, FD_CLOEXEC)
      var one: Int32 = 1
      setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
      connectionCount += 1
      connections.append(Connection(server: self, channel: Channel(socket: number, tls: tls)))
    }
  }

  // MARK: Control

  /// - Returns: false when standard input has ended: whoever started the server has gone.
  private func readControl() -> Bool {
    let count = read(0, room.baseAddress!, room.count)
    if count <= 0 { return count < 0 && errno == EINTR }
    controlInput.append(UnsafeRawBufferPointer(rebasing: room[..<count]))
    while let end = controlInput.bytes.firstIndex(of: 0x0a) {
      let line = Array(controlInput.bytes[..<end])
      controlInput.removeFirst(end + 1)
      Program.write(execute(line) + [0x0a])
    }
    return true
  }

  // MARK: Calls

  func newCall(_ stream: Int32, _ connection: Connection) -> Call {
    callCount += 1
    let call = Call(id: stream, number: callCount, connection: connection)
    seenCalls.append(call)
    if seenCalls.count > Self.seenCallsMax { seenCalls.removeFirst(Self.seenCallsMax / 2) }
    return call
  }

  func takeFault(for call: Call) -> Fault? {
    let isSubscription = call.isSubscription
    let found = faults.firstIndex { call.path.hasSuffix($0.path) && (!$0.onlySubscriptions || isSubscription) }
    if let found {
      let fault = faults[found]
      if fault.times == 1 { faults.remove(at: found) } else if fault.times > 1 { faults[found].times -= 1 }
      return fault
    }
    return isSubscription ? chaos?.fault() : nil
  }

  var openCalls: [Call] { connections.filter { !$0.isClosed }.flatMap { $0.calls.values } }

  /// New events: whoever waits for them gets them.
  func logChanged() {
    for connection in connections where !connection.isClosed { connection.wakeLive() }
  }

  func flushAll() {
    for connection in connections where !connection.isClosed { connection.flush() }
  }

  /// The log's events become visible one after the other, as fast as they were recorded, times `speed`.
  func startPlay(from: Int, speed: Double) {
    services.log.visible = min(from, services.log.entries.count)
    play = (now, speed, services.log.visible)
  }

  private func advancePlay() {
    guard let play else { return }
    let log = services.log
    guard play.from < log.entries.count else { return self.play = nil }
    let elapsed = Double(now - play.began) / 1e9 * play.speed
    let first = log.entries[play.from].time
    var visible = log.visible
    while visible < log.entries.count && log.entries[visible].time - first <= elapsed { visible += 1 }
    if visible == log.visible { return }
    log.visible = visible
    if visible == log.entries.count { self.play = nil }
    logChanged()
  }

  /// As a server that is stopped in order: GOAWAY, and after a while the end.
  func stop(lingerNanoseconds: UInt64) {
    isStopping = true
    close(listener)
    listener = -1
    for connection in connections {
      connection.goAway(lingerNanoseconds)
      connection.flush()
    }
  }

  /// Refuses connections from now on, or takes them again on the same port.
  func setListening(_ isListening: Bool) throws {
    if isListening && listener < 0 {
      (listener, _) = try Self.listen(address, port)
    } else if !isListening && listener >= 0 {
      close(listener)
      listener = -1
    }
  }

  /// Tears every connection, as a server that is killed does.
  func dropConnections() {
    for connection in connections { connection.close("ended by the server") }
  }
}

extension Server {
  /// What this process has used, user and system.
  static func cpuMicroseconds() -> Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    let seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec
    return seconds * 1_000_000 + Int(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec)
  }
}
