import Glibc
import Platform
import TestSupport

/// An answer, taken apart by the test itself.
struct RawResponse {
  var status: Int
  var headers: [(name: String, value: String)]
  var body: [UInt8]
  /// The body ended as HTTP says it must.
  var complete: Bool
  var text: String { String(decoding: body, as: UTF8.self) }

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }
}

/// A connection that sends exactly what the test says.
final class RawClient {
  private let number: Int32
  private(set) var received: [UInt8] = []
  private(set) var isAtEnd = false

  init(_ port: Int, host: String = "127.0.0.1", receiveBufferBytes: Int32? = nil) throws {
    let isV6 = host.contains(":")
    number = socket(isV6 ? AF_INET6 : AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    guard number >= 0 else { throw TestSupportError("cannot make a socket: \(errno)") }
    if var bytes = receiveBufferBytes {
      unsafe setsockopt(number, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
    }
    let result: Int32
    if isV6 {
      var address = sockaddr_in6()
      address.sin6_family = sa_family_t(AF_INET6)
      address.sin6_port = in_port_t(port).bigEndian
      unsafe inet_pton(AF_INET6, host, &address.sin6_addr)
      result = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in6>.size))
        }
      }
    } else {
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = in_port_t(port).bigEndian
      unsafe inet_pton(AF_INET, host, &address.sin_addr)
      result = unsafe withUnsafePointer(to: &address) { pointer in
        unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
    }
    guard result == 0 else {
      // Not closed here: `deinit` runs although `init` throws, and a second close would hit somebody else's file.
      let code = errno
      throw TestSupportError("cannot connect: \(code)")
    }
  }

  deinit { Glibc.close(number) }

  /// - Returns: false if the server does not take all of it within the time.
  @discardableResult func send(_ bytes: [UInt8], seconds: Double = 10) -> Bool {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    var sent = 0
    while sent < bytes.count {
      let count = unsafe bytes.withUnsafeBytes { raw in
        unsafe Glibc.send(
          number, raw.baseAddress! + sent, raw.count - sent, Int32(MSG_NOSIGNAL) | Int32(MSG_DONTWAIT))
      }
      if count > 0 {
        sent += count
        continue
      }
      if errno != EAGAIN || !wait(Int16(POLLOUT), until: deadline) { return false }
    }
    return true
  }

  @discardableResult func send(_ text: String, seconds: Double = 10) -> Bool {
    send(Array(text.utf8), seconds: seconds)
  }

  /// The sending side ends; reading goes on.
  func finishSending() { shutdown(number, Int32(SHUT_WR)) }

  private func wait(_ events: Int16, until deadline: Instant) -> Bool {
    let milliseconds = deadline.seconds(since: .now) * 1000
    if milliseconds <= 0 { return false }
    var entry = pollfd(fd: number, events: events, revents: 0)
    return unsafe poll(&entry, 1, Int32(milliseconds.rounded(.up))) > 0
  }

  /// Reads until `isEnough` or the end.
  ///
  /// - Returns: whether it became enough.
  @discardableResult func read(within seconds: Double = 10, until isEnough: ([UInt8]) -> Bool) -> Bool {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    var buffer = [UInt8](repeating: 0, count: 64 * 1024)
    while !isEnough(received) {
      guard !isAtEnd, wait(Int16(POLLIN), until: deadline) else { return isEnough(received) }
      let count = unsafe buffer.withUnsafeMutableBytes { unsafe recv(number, $0.baseAddress, $0.count, 0) }
      if count <= 0 { isAtEnd = true } else { received += buffer[0..<count] }
    }
    return true
  }

  /// - Returns: true if the server ended the connection within the time.
  func ends(within seconds: Double = 10) -> Bool {
    read(within: seconds) { _ in false }
    return isAtEnd
  }

  /// Reads one answer and takes it off what was received.
  func response(within seconds: Double = 10, toHead: Bool = false) -> RawResponse? {
    var parsed: (RawResponse, Int)?
    read(within: seconds) { bytes in
      parsed = Self.parse(bytes, toHead: toHead)
      return parsed?.0.complete ?? false
    }
    guard let (response, length) = parsed ?? Self.parse(received, toHead: toHead) else { return nil }
    received.removeFirst(min(length, received.count))
    return response
  }

  /// Sends and reads.
  func exchange(_ text: String, within seconds: Double = 10) -> RawResponse? {
    send(text)
    return response(within: seconds)
  }

  private static func parse(_ bytes: [UInt8], toHead: Bool) -> (RawResponse, Int)? {
    let mark = Array("\r\n\r\n".utf8)
    guard let end = firstRange(of: mark, in: bytes, from: 0) else { return nil }
    let lines = String(decoding: bytes[0..<end], as: UTF8.self).split(separator: "\r\n")
    guard let first = lines.first, first.hasPrefix("HTTP/1."), let status = Int(first.dropFirst(9).prefix(3)) else {
      return nil
    }
    var response = RawResponse(status: status, headers: [], body: [], complete: false)
    for line in lines.dropFirst() {
      let parts = line.split(separator: ":", maxSplits: 1).map { $0.drop { $0 == " " } }
      if parts.count == 2 { response.headers.append((parts[0].lowercased(), String(parts[1]))) }
    }
    let start = end + 4
    if toHead || status == 204 || status == 100 {
      response.complete = true
      return (response, start)
    }
    if response.header("transfer-encoding") == "chunked" { return unchunk(bytes, start, response) }
    let length = response.header("content-length").flatMap { Int($0) } ?? 0
    response.body = Array(bytes[start...].prefix(length))
    response.complete = response.body.count == length
    return (response, start + length)
  }

  private static func unchunk(_ bytes: [UInt8], _ start: Int, _ head: RawResponse) -> (RawResponse, Int) {
    var response = head
    var at = start
    while let end = firstRange(of: [13, 10], in: bytes, from: at),
      let size = Int(String(decoding: bytes[at..<end], as: UTF8.self), radix: 16)
    {
      at = end + 2
      if size == 0 {
        response.complete = bytes.count >= at + 2
        return (response, at + 2)
      }
      response.body += bytes[at...].prefix(size)
      at += size + 2
      if at > bytes.count { break }
    }
    return (response, at)
  }

  private static func firstRange(of mark: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
    guard bytes.count >= start + mark.count else { return nil }
    return (start...(bytes.count - mark.count)).first { at in bytes[at] == mark[0] && bytes[at...].starts(with: mark) }
  }
}
