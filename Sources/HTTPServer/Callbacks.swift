import CMicrohttpd
import Platform

// What libmicrohttpd calls, on threads of its own. Free functions: a closure would inherit the isolation of where it is
// written. The context is the `Daemon`, the socket's context its `ConnectionRecord`.

private func record(of connection: OpaquePointer?) -> ConnectionRecord? {
  guard let connection = unsafe connection, let context = unsafe clew_mhd_socket_context(connection) else { return nil }
  return unsafe Unmanaged<ConnectionRecord>.fromOpaque(context).takeUnretainedValue()
}

/// The request line was read. The target is as sent, cut at a zero byte.
func requestLine(
  _ context: UnsafeMutableRawPointer?, _ target: UnsafePointer<CChar>?, _ connection: OpaquePointer?
) -> UnsafeMutableRawPointer? {
  guard let record = unsafe record(of: connection), let target = unsafe target else { return nil }
  unsafe record.exchange?.ended(nil)
  let bytes = unsafe Array(UnsafeRawBufferPointer(start: target, count: clewLength(target)))
  record.enter(.reading)
  record.exchange = Exchange(core: record.daemon.core, record: record, target: bytes)
  return nil
}

/// The headers, a piece of the body, or the end of the request.
func handleRequest(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ url: UnsafePointer<CChar>?,
  _ method: UnsafePointer<CChar>?, _ version: UnsafePointer<CChar>?, _ data: UnsafePointer<CChar>?,
  _ size: UnsafeMutablePointer<Int>?, _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
  guard let record = unsafe record(of: connection), let exchange = record.exchange, let connection = unsafe connection,
    let size = unsafe size, let method = unsafe method
  else { return .NO }
  let piece = unsafe UnsafeRawBufferPointer(start: data, count: data == nil ? 0 : size.pointee)
  let goesOn = unsafe exchange.step(connection, method: String(cString: method), data: piece)
  unsafe size.pointee = 0
  return goesOn ? .YES : .NO
}

/// The answer is out, or the connection broke.
func requestCompleted(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ state: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ reason: MHD_RequestTerminationCode
) {
  guard let record = unsafe record(of: connection) else { return }
  unsafe record.exchange?.ended(connection)
  record.exchange = nil
}

/// A connection begins or ends. It ends before its socket is closed.
func connectionChanged(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?,
  _ socketContext: UnsafeMutablePointer<UnsafeMutableRawPointer?>?, _ change: MHD_ConnectionNotificationCode
) {
  guard let context = unsafe context, let connection = unsafe connection, let socketContext = unsafe socketContext
  else { return }
  let daemon = unsafe Unmanaged<Daemon>.fromOpaque(context).takeUnretainedValue()
  if clew_mhd_is_start(change) != 0 {
    let record = unsafe ConnectionRecord(daemon: daemon, socket: clew_mhd_socket(connection))
    unsafe socketContext.pointee = unsafe Unmanaged.passRetained(record).toOpaque()
    daemon.opened(record)
  } else if let pointer = unsafe socketContext.pointee {
    unsafe socketContext.pointee = nil
    daemon.closed(unsafe Unmanaged<ConnectionRecord>.fromOpaque(pointer).takeRetainedValue())
  }
}

/// Leaves the text as it is: decoding before splitting would make `/` of `%2F`, and end the text at `%00`.
func leaveEscaped(
  _ context: UnsafeMutableRawPointer?, _ connection: OpaquePointer?, _ text: UnsafeMutablePointer<CChar>?
) -> Int {
  guard let text = unsafe text else { return 0 }
  return unsafe clewLength(text)
}

/// A line of the library's log.
func libraryLog(
  _ context: UnsafeMutableRawPointer?, _ format: UnsafePointer<CChar>?, _ arguments: CVaListPointer?
) {
  guard let context = unsafe context, let format = unsafe format, let arguments = unsafe arguments
  else { return }
  var line = [CChar](repeating: 0, count: 512)
  unsafe line.withUnsafeMutableBufferPointer {
    unsafe clew_mhd_format($0.baseAddress, $0.count, format, arguments)
  }
  let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  unsafe Unmanaged<Daemon>.fromOpaque(context).takeUnretainedValue().libraryLogged(text)
}

func readStream(
  _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
  guard let context = unsafe context else { return StreamBody.endWithError }
  let stream = unsafe Unmanaged<StreamBody>.fromOpaque(context).takeUnretainedValue()
  return unsafe stream.read(into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
}

func releaseStream(_ context: UnsafeMutableRawPointer?) {
  guard let context = unsafe context else { return }
  unsafe Unmanaged<StreamBody>.fromOpaque(context).takeRetainedValue().released()
}

func readBytes(
  _ context: UnsafeMutableRawPointer?, _ position: UInt64, _ buffer: UnsafeMutablePointer<CChar>?, _ size: Int
) -> Int {
  guard let context = unsafe context else { return StreamBody.endWithError }
  let body = unsafe Unmanaged<BytesBody>.fromOpaque(context).takeUnretainedValue()
  return unsafe body.read(
    at: Int(position), into: UnsafeMutableRawBufferPointer(start: buffer, count: size))
}

func releaseBytes(_ context: UnsafeMutableRawPointer?) {
  guard let context = unsafe context else { return }
  unsafe Unmanaged<BytesBody>.fromOpaque(context).release()
}

func collectHeader(
  _ context: UnsafeMutableRawPointer?, _ kind: MHD_ValueKind, _ key: UnsafePointer<CChar>?, _ keySize: Int,
  _ value: UnsafePointer<CChar>?, _ valueSize: Int
) -> MHD_Result {
  guard let context = unsafe context else { return .NO }
  let name = unsafe String(decoding: UnsafeRawBufferPointer(start: key, count: key == nil ? 0 : keySize), as: UTF8.self)
  let text = unsafe String(
    decoding: UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize), as: UTF8.self)
  unsafe Unmanaged<HeaderList>.fromOpaque(context).takeUnretainedValue().headers.append((name.lowercased(), text))
  return .YES
}

private final class HeaderList {
  var headers: [(name: String, value: String)] = []
}

/// The request's headers, names in lower case, in order.
func requestHeaders(_ connection: OpaquePointer) -> [(name: String, value: String)] {
  let list = HeaderList()
  withExtendedLifetime(list) {
    _ = unsafe MHD_get_connection_values_n(
      connection, .HEADER_KIND, collectHeader, Unmanaged.passUnretained(list).toOpaque())
  }
  return list.headers
}

private func clewLength(_ text: UnsafePointer<CChar>) -> Int {
  var count = 0
  while unsafe text[count] != 0 { count += 1 }
  return count
}
