import CMicrohttpd
import Platform

/// One request and its answer. Used by the connection's thread only.
///
/// The library calls in this order: the request line, the headers (`begin`), each piece of the body (`take`), the end
/// of the request (`answer`), the end of the answer (`ended`). Only at the headers and at the end can an answer be queued.
final class Exchange {
  private enum Stage { case fresh, reading, answered }

  let core: ServerCore
  let record: ConnectionRecord
  private let target: [UInt8]
  private let started = Instant.now
  private var stage = Stage.fresh
  private(set) var running = false

  var method = ""
  var path: [[UInt8]] = []
  var query: [(name: String, value: [UInt8])] = []
  var headers: [(name: String, value: String)] = []
  var policy = RequestPolicy(route: Exchange.unknownRoute, rights: .none)
  var rights = AccessRights.none
  private var body: [UInt8] = []
  private var reservedBytes = 0
  /// A refusal that waits for the end of the request.
  private var refusal: HTTPResponse?
  /// The client may still be sending when the answer is out.
  private var lingers = false

  /// What is announced costs nothing, so it is not believed beyond this.
  private static let reservedAtOnceMax = 1024 * 1024

  static let unknownRoute = "_unknown"

  init(core: ServerCore, record: ConnectionRecord, target: [UInt8]) {
    self.core = core
    self.record = record
    self.target = target
  }

  /// One call of the library.
  ///
  /// - Returns: false if the connection must be closed.
  func step(_ connection: OpaquePointer, method: String, data: UnsafeRawBufferPointer) -> Bool {
    switch stage {
    case .fresh: return unsafe begin(connection, method)
    case .reading: return unsafe data.isEmpty ? unsafe answer(connection) : unsafe take(data, connection)
    case .answered: return true
    }
  }

  private func begin(_ connection: OpaquePointer, _ method: String) -> Bool {
    stage = .reading
    running = true
    self.method = method
    unsafe headers = requestHeaders(connection)
    core.requestBegan()
    refusal = unsafe examine(target, connection)
    guard let refusal, announcesBody else { return true }
    // Nobody uploads what is refused: the answer goes out before the body, and the connection ends.
    lingers = true
    return unsafe send(refusal, connection, closes: true)
  }

  var announcesBody: Bool { header("transfer-encoding") != nil || (contentLength ?? 0) > 0 }

  var contentLength: Int? { header("content-length").flatMap { Int($0) } }

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  private func take(_ data: UnsafeRawBufferPointer, _ connection: OpaquePointer) -> Bool {
    record.received(bodyBytes: data.count)
    if body.count + data.count > policy.bodyBytesMax {
      return unsafe refuseWhileReading(bodyTooLarge(), connection)
    }
    guard reserve(data.count) else { return unsafe refuseWhileReading(outOfMemory(), connection) }
    if body.isEmpty, let contentLength { body.reserveCapacity(min(contentLength, Self.reservedAtOnceMax)) }
    unsafe body.append(contentsOf: data)
    return true
  }

  /// The library takes no answer in the middle of a body, so it is written past it, and the connection ends.
  private func refuseWhileReading(_ response: HTTPResponse, _ connection: OpaquePointer) -> Bool {
    stage = .answered
    let bytes = RawAnswer.bytes(of: response)
    if let session = unsafe clew_mhd_tls_session(connection) {
      unsafe TLSSession.send(session, bytes)
    } else {
      _ = Sockets.sendWhatFits(record.socket, bytes)
    }
    finished(response.status)
    unsafe linger(connection)
    return false
  }

  private func answer(_ connection: OpaquePointer) -> Bool {
    stage = .answered
    if let refusal { return unsafe send(refusal, connection, closes: false) }
    if let refusal = unpackBody() { return unsafe send(refusal, connection, closes: false) }
    let request = HTTPRequest(
      method: method == "HEAD" ? "GET" : method, path: path, query: query, headers: headers, body: body, rights: rights)
    body = []
    record.enter(.handling)
    let response = core.handler.respond(to: request)
    return unsafe send(response, connection, closes: false)
  }

  /// Replaces a compressed body by what it holds.
  private func unpackBody() -> HTTPResponse? {
    guard let encoding = header("content-encoding"), isGzip(encoding), !body.isEmpty else { return nil }
    switch Unpacking.gzip(body, bytesMax: policy.bodyBytesMax, reserve: { reserve($0) }) {
    case .unpacked(let bytes):
      body = bytes
      return nil
    case .tooLarge: return bodyTooLarge()
    case .outOfMemory: return outOfMemory()
    case .damaged(let reason):
      return core.refuse(
        .badRequest, 400, "bad_gzip", "the body is no valid gzip: \(reason)", "Send it again, or uncompressed.")
    }
  }

  private func send(_ response: HTTPResponse, _ connection: OpaquePointer, closes: Bool) -> Bool {
    stage = .answered
    release()
    let sender = ResponseSender(
      core: core, record: record, isHead: method == "HEAD", acceptsGzip: acceptsGzip,
      closes: closes || core.isStopping || record.daemon.isDraining || core.isCrowded)
    let streams = if case .chunks = response.body { method != "HEAD" } else { false }
    // Before the client can have the answer, so that whoever has it finds it counted.
    if !streams { finished(response.status) }
    record.enter(.writing)
    let queued = unsafe sender.queue(response, on: connection)
    if streams { streamStatus = response.status }
    return queued
  }

  /// Set while a stream is being sent: it is counted at its end.
  private var streamStatus: Int?

  private func finished(_ status: Int) {
    core.handler.finished(route: policy.route, status: status, seconds: Instant.now.seconds(since: started))
  }

  /// The answer is out, or the connection broke. May be called twice.
  func ended(_ connection: OpaquePointer?) {
    release()
    guard running else { return }
    running = false
    if let status = streamStatus { finished(status) }
    record.setStream(nil)
    if lingers, let connection = unsafe connection { unsafe linger(connection) }
    record.enter(.waiting(first: false))
    core.requestEnded()
  }

  /// Closing a socket with unread bytes in it resets the connection, and the client may lose our answer: so what it
  /// still sends is read for a while.
  private func linger(_ connection: OpaquePointer) {
    lingers = false
    if core.isStopping { return }
    record.enter(.lingering)
    if let session = unsafe clew_mhd_tls_session(connection) {
      unsafe TLSSession.end(session)
    } else {
      Sockets.shutDownSending(record.socket)
    }
    Sockets.discard(
      record.socket, bytesMax: core.limits.lingerBytesMax, until: .now.advanced(bySeconds: core.limits.lingerSeconds))
  }

  private func reserve(_ count: Int) -> Bool {
    guard core.reserveBody(count) else { return false }
    reservedBytes += count
    return true
  }

  private func release() {
    body = []
    core.releaseBody(reservedBytes)
    reservedBytes = 0
  }

  private func bodyTooLarge() -> HTTPResponse {
    core.refuse(
      .bodyTooLarge, 413, "body_too_large",
      "the body has more than \(policy.bodyBytesMax) bytes, which is what this route takes, compressed or not",
      "Send it in several requests.")
  }

  private func outOfMemory() -> HTTPResponse {
    core.retryLater(
      core.refuse(
        .memory, 503, "bodies_in_memory", "too many request bodies are being read at this moment",
        "Send the request again after a second."))
  }
}
