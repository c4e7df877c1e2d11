import Glibc
import Platform
import TestSupport

/// Passes GET requests on to a local port with `Accept: text/plain;version=0.0.4`, whatever the client asked for:
/// Prometheus 2.42 always prefers OpenMetrics and cannot be told otherwise.
final class AcceptProxy: @unchecked Sendable {
  // `@unchecked Sendable`: set in `init`, then only read; `answered` is locked.
  let port: UInt16
  private let listener: Int32
  private let target: UInt16
  private let answered = Locked(false)
  private var thread: WorkerThread?

  init(target: UInt16) throws {
    self.target = target
    port = try freePort()
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var one: Int32 = 1
    unsafe setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, socklen_t(MemoryLayout<Int32>.size))
    guard unsafe Self.withLoopback(port, { unsafe bind(listener, $0, $1) }) == 0, listen(listener, 16) == 0 else {
      throw TestSupportError("the proxy cannot listen")
    }
    thread = WorkerThread(name: "proxy") { [self] in
      while true {
        let connection = accept(listener, nil, nil)
        if connection < 0 { return }
        serve(connection)
        close(connection)
      }
    }
  }

  /// An answer in text passed through.
  var sawText: Bool { answered.withLock { $0 } }

  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    thread?.join()
    close(listener)
  }

  private func serve(_ client: Int32) {
    let head = String(decoding: Self.read(client) { $0.contains("\r\n\r\n") }, as: UTF8.self)
    guard let path = head.split(separator: " ").dropFirst().first else { return }
    let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(server) }
    guard unsafe Self.withLoopback(target, { unsafe connect(server, $0, $1) }) == 0 else { return }
    Self.write(
      server,
      Array(
        "GET \(path) HTTP/1.1\r\nHost: localhost\r\nAccept: text/plain;version=0.0.4\r\nConnection: close\r\n\r\n".utf8)
    )
    let answer = Self.read(server) { _ in false }
    if String(decoding: answer.prefix(2000), as: UTF8.self).lowercased().contains("content-type: text/plain") {
      answered.withLock { $0 = true }
    }
    Self.write(client, answer)
  }

  private static func read(_ number: Int32, until done: (String) -> Bool) -> [UInt8] {
    var all: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = unsafe recv(number, &buffer, buffer.count, 0)
      if count <= 0 { return all }
      all += buffer[0..<count]
      if done(String(decoding: all.suffix(4096), as: UTF8.self)) { return all }
    }
  }

  private static func write(_ number: Int32, _ bytes: [UInt8]) {
    var start = 0
    while start < bytes.count {
      let count = unsafe bytes.withUnsafeBytes {
        unsafe send(number, $0.baseAddress! + start, $0.count - start, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return }
      start += count
    }
  }

  private static func withLoopback(_ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    return unsafe withUnsafePointer(to: &address) { pointer in
      unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
  }
}
