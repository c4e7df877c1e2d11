import Glibc

/// What the operating system refused about a network address.
public struct SocketError: Error, Equatable, Sendable {
  public var operation: String
  /// `errno`, or 0 where the name was not resolved.
  public var code: Int32
  public var reason: String

  init(_ operation: String, code: Int32) {
    self.operation = operation
    self.code = code
    reason = unsafe String(cString: strerror(code))
  }

  init(_ operation: String, reason: String) {
    self.operation = operation
    code = 0
    self.reason = reason
  }

  public static let nothingFound = SocketError("resolve", reason: "the name has no address")

  public var isAddressInUse: Bool { code == EADDRINUSE }
  public var isPermission: Bool { code == EACCES || code == EPERM }
  /// The host is not one of this machine's.
  public var isForeignAddress: Bool { code == EADDRNOTAVAIL }
}

/// An address to listen on.
public struct SocketAddress: Sendable, Equatable {
  let family: Int32
  let bytes: [UInt8]

  /// Numbers or a name; `*` and the empty text mean every interface. An IPv4 address comes first where a name has both.
  public static func resolve(host: String, port: Int) throws(SocketError) -> [SocketAddress] {
    var hints = unsafe addrinfo()
    unsafe hints.ai_family = AF_UNSPEC
    unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    unsafe hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
    var list: UnsafeMutablePointer<addrinfo>?
    let anywhere = host.isEmpty || host == "*"
    let code = unsafe getaddrinfo(anywhere ? "::" : host, String(port), &hints, &list)
    guard code == 0 else { throw SocketError("resolve", reason: unsafe String(cString: gai_strerror(code))) }
    defer { unsafe freeaddrinfo(list) }
    var found: [SocketAddress] = []
    var entry = unsafe list
    while let one = unsafe entry {
      let raw = unsafe UnsafeRawBufferPointer(start: one.pointee.ai_addr, count: Int(one.pointee.ai_addrlen))
      let address = unsafe SocketAddress(family: one.pointee.ai_family, bytes: Array(raw))
      if !found.contains(address) { found.append(address) }
      unsafe entry = unsafe one.pointee.ai_next
    }
    return found.filter { $0.family == AF_INET } + found.filter { $0.family == AF_INET6 }
  }

  /// Reached only from this machine.
  public var isLoopback: Bool {
    if family == AF_INET { return bytes.count >= 8 && bytes[4] == 127 }
    guard bytes.count >= 24 else { return false }
    let address = Array(bytes[8..<24])
    let mappedLoopback = address[0..<10].allSatisfy { $0 == 0 } && address[10] == 0xff && address[11] == 0xff
    return address == [UInt8](repeating: 0, count: 15) + [1] || (mappedLoopback && address[12] == 127)
  }

  /// Opens a socket that listens here and does not block; IPv6's "every interface" takes IPv4 as well.
  public func listen(backlog: Int32 = 1024) throws(SocketError) -> FileDescriptor {
    let number = socket(
      family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    if number < 0 { throw SocketError("open a socket", code: errno) }
    let file = FileDescriptor(number: number, path: "socket", owned: true)
    Sockets.set(number, SOL_SOCKET, SO_REUSEADDR, 1)
    if family == AF_INET6 { Sockets.set(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0) }
    let bound = unsafe bytes.withUnsafeBytes { raw in
      unsafe bind(number, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(raw.count))
    }
    if bound != 0 { throw SocketError("bind", code: errno) }
    if Glibc.listen(number, backlog) != 0 { throw SocketError("listen", code: errno) }
    return file
  }
}

/// What a server does with connected sockets beside reading and writing them. Numbers, because a C library owns them:
/// the caller makes sure that they are open.
public enum Sockets {
  /// The port a socket is bound to.
  public static func port(of number: Int32) throws(SocketError) -> Int {
    var address = [UInt8](repeating: 0, count: 128)
    var size = socklen_t(address.count)
    let code = unsafe address.withUnsafeMutableBytes { raw in
      unsafe getsockname(number, raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), &size)
    }
    if code != 0 { throw SocketError("ask for the port", code: errno) }
    return Int(address[2]) << 8 | Int(address[3])
  }

  /// A second number for the same open socket.
  public static func duplicate(_ file: FileDescriptor) throws(SocketError) -> FileDescriptor {
    let number = fcntl(file.number, F_DUPFD_CLOEXEC, 0)
    if number < 0 { throw SocketError("duplicate a socket", code: errno) }
    return FileDescriptor(number: number, path: "socket", owned: true)
  }

  /// Ends both directions: whoever waits for this socket wakes up and finds it closed.
  public static func shutDown(_ number: Int32) { _ = shutdown(number, Int32(SHUT_RDWR)) }

  /// As `shutDown`, and what was not sent yet is thrown away when the socket is closed.
  public static func abort(_ number: Int32) {
    var setting = linger(l_onoff: 1, l_linger: 0)
    unsafe setsockopt(number, SOL_SOCKET, SO_LINGER, &setting, socklen_t(MemoryLayout<linger>.size))
    shutDown(number)
  }

  /// Nothing more is sent; the other side sees the end after what was sent before.
  public static func shutDownSending(_ number: Int32) { _ = shutdown(number, Int32(SHUT_WR)) }

  /// Sends what fits without waiting.
  public static func sendWhatFits(_ number: Int32, _ bytes: [UInt8]) -> Int {
    unsafe bytes.withUnsafeBytes { raw in
      unsafe send(number, raw.baseAddress, raw.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
    }
  }

  /// Reads and throws away until the other side ends, `bytesMax` bytes came, or the deadline passes.
  public static func discard(_ number: Int32, bytesMax: Int, until deadline: Instant) {
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    var left = bytesMax
    while left > 0 {
      let milliseconds = deadline.seconds(since: .now) * 1000
      if milliseconds <= 0 { return }
      var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
      if unsafe poll(&entry, 1, Int32(milliseconds.rounded(.up))) <= 0 { return }
      let count = unsafe buffer.withUnsafeMutableBytes { raw in
        unsafe recv(number, raw.baseAddress, raw.count, Int32(MSG_DONTWAIT))
      }
      if count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR) { return }
      left -= max(count, 0)
    }
  }

  /// How far the other side took what was sent: a number that grows with every byte it acknowledges, and how many
  /// bytes still wait. Nil where the socket is no TCP socket.
  public static func sendProgress(_ number: Int32) -> (acknowledged: UInt64, waiting: Int)? {
    // struct tcp_info of the kernel: tcpi_bytes_acked is the 64-bit number at byte 120 since Linux 4.1.
    let offset = 120
    var info = [UInt8](repeating: 0, count: 256)
    var size = socklen_t(info.count)
    let code = unsafe info.withUnsafeMutableBytes { raw in
      unsafe getsockopt(number, Int32(IPPROTO_TCP), TCP_INFO, raw.baseAddress, &size)
    }
    var waiting: Int32 = 0
    guard code == 0, Int(size) >= offset + 8, unsafe ioctl(number, UInt(TIOCOUTQ), &waiting) == 0 else { return nil }
    let acknowledged = unsafe info.withUnsafeBytes { raw in
      unsafe raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    }
    return (acknowledged, Int(waiting))
  }

  /// - Returns: `.gone` if the connection is broken or closed both ways, `.finished` if the other side will send
  ///   nothing more (it may still read).
  public static func peer(_ number: Int32) -> PeerState {
    // POLLRDHUP is hidden behind a feature macro; its value on Linux is 0x2000.
    let peerFinished: Int16 = 0x2000
    var entry = pollfd(fd: number, events: peerFinished, revents: 0)
    if unsafe poll(&entry, 1, 0) <= 0 { return .open }
    if entry.revents & Int16(POLLERR | POLLHUP | POLLNVAL) != 0 { return .gone }
    return entry.revents & peerFinished != 0 ? .finished : .open
  }

  public enum PeerState: Sendable { case open, finished, gone }

  static func set(_ number: Int32, _ level: Int32, _ option: Int32, _ value: Int32) {
    var value = value
    unsafe setsockopt(number, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
  }
}

/// How many files and sockets the process may have open.
public enum OpenFileLimit {
  /// Raises the limit to `count` where the system allows it.
  ///
  /// - Returns: the limit afterwards.
  public static func raise(to count: Int) -> Int {
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return count }
    if limit.rlim_cur < UInt(count) {
      limit.rlim_cur = min(UInt(count), limit.rlim_max)
      unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
      unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
    }
    return Int(clamping: limit.rlim_cur)
  }
}
