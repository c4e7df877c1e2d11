import CNghttp2
import Compression
import Glibc

/// One call: a stream of a connection, what was asked on it, and what is still to be sent.
final class Call {
  let id: Int32
  unowned let connection: Connection
  private(set) var headers: [(name: String, value: String)] = []
  private(set) var path = ""
  private(set) var method = "POST"
  private let request = ByteQueue(capacity: 256)
  private(set) var answer: Answer?
  private let buffer = ByteQueue(capacity: 16)
  private var ended: Produced?
  private var isAtEnd = false
  var fault: Fault?
  private var isHanging = false
  private var compresses = false
  private var nextFrameAt: UInt64 = 0
  /// When to look at it again; nil: when something happens.
  private(set) var wakeAt: UInt64?
  private var isDeferred = false

  // What the test may ask about it.
  let number: Int
  private(set) var sentMessages = 0
  var end = "open"

  /// The client keeps sending: the call begins with its first message, and later ones are taken as they come.
  private var isOpenEnded: Bool { path.hasSuffix("BatchAppend") || path.hasSuffix("PersistentSubscriptions/Read") }
  private var hasBegun = false
  private var firstMessage: [UInt8]?

  private static let requestBytesMax = 64 << 20

  init(id: Int32, number: Int, connection: Connection) {
    self.id = id
    self.number = number
    self.connection = connection
  }

  // MARK: The question

  func add(header name: String, _ value: String) {
    if name == ":path" { path = value }
    if name == ":method" { method = value }
    if headers.count < 200 { headers.append((name, value)) }
  }

  func add(body bytes: UnsafeRawBufferPointer) {
    if request.count + bytes.count <= Self.requestBytesMax { request.append(bytes) }
    if isOpenEnded { takeMessages() }
  }

  /// Hands over the messages of an open-ended call that are complete.
  private func takeMessages() {
    var taken = 0
    forEachFrame(request.bytes) { message in
      if firstMessage == nil { firstMessage = Array(message) }
      begin(connection.server)
      answer?.take(message)
      taken += 5 + message.count
    }
    request.removeFirst(taken)
    if taken > 0 { wake() }
  }

  /// Nobody is there any more.
  func gone() { answer?.clientFinished() }

  /// The client has said everything.
  func asked() {
    begin(connection.server)
    answer?.clientFinished()
    wake()
  }

  func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  var acceptsGzip: Bool { header("grpc-accept-encoding")?.contains("gzip") ?? false }

  /// The first message of the request.
  var message: [UInt8] {
    var first = firstMessage
    forEachMessage { bytes in if first == nil { first = Array(bytes) } }
    return first ?? []
  }

  func forEachMessage(_ each: (UnsafeRawBufferPointer) -> Void) { forEachFrame(request.bytes, each) }

  var isSubscription: Bool {
    path.hasSuffix("Streams/Read") && (try? ReadRequest(message))?.isSubscription == true
  }

  // MARK: The answer

  func begin(_ server: Server) {
    if hasBegun { return }
    hasBegun = true
    if method == "GET" {
      let page = server.services.pages[path]
      respond([("content-type", "application/json")], status: page == nil ? 404 : 200, body: page ?? [])
      return
    }
    fault = server.takeFault(for: self)
    if let fault, fault.isBeforeHeaders {
      connection.strike(self, fault.kind, beforeHeaders: true)
      return
    }
    let answer = server.services.answer(self)
    self.answer = answer
    let isFaulted = fault != nil
    if let refusal = answer.refusal, !isFaulted {
      refuse(refusal)
    } else if answer is Silence && !isFaulted {
      return
    } else {
      let mode = server.services.behaviour.gzip
      compresses = mode == .always || mode != .off && acceptsGzip
      let encoding = compresses ? [(name: "grpc-encoding", value: "gzip")] : answer.headers
      submitHeaders([("content-type", "application/grpc"), ("server", "Kestrel")] + encoding)
    }
  }

  /// A status with the headers, as a server refuses.
  func refuse(_ status: CallStatus) {
    let headers: [(name: String, value: String)] = [
      (":status", "200"), ("content-type", "application/grpc"), ("server", "Kestrel"), ("content-length", "0"),
    ]
    withHeaders(headers + status.headers) { list, count in
      _ = nghttp2_submit_response(connection.session, id, list, count, nil)
    }
    end = "status \(status.code)"
  }

  func respond(_ headers: [(name: String, value: String)], status: Int, body: [UInt8]) {
    buffer.append(body)
    ended = .endedWithoutStatus
    submitHeaders(headers, status: status)
  }

  private func submitHeaders(_ headers: [(name: String, value: String)], status: Int = 200) {
    var provider = nghttp2_data_provider()
    provider.read_callback = readBody
    withHeaders([(":status", "\(status)")] + headers) { list, count in
      _ = nghttp2_submit_response(connection.session, id, list, count, &provider)
    }
  }

  /// Something may have changed: asks nghttp2 to ask again.
  func wake() {
    wakeAt = nil
    if isDeferred {
      isDeferred = false
      nghttp2_session_resume_data(connection.session, id)
    }
  }

  /// A fault that strikes now, wherever the call is.
  func strike(_ fault: Fault) {
    self.fault = fault
    self.fault?.after = 0
    wake()
  }

  /// A message that goes out now, out of turn.
  func emit(_ message: [UInt8]) {
    buffer.append(message: message)
    sentMessages += 1
    wake()
  }

  private static let deferred = Int(NGHTTP2_ERR_DEFERRED.rawValue)

  /// Bytes for the next DATA frame.
  func read(into room: UnsafeMutablePointer<UInt8>, _ length: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
    if isHanging { return pause(until: nil) }
    let behaviour = connection.server.services.behaviour
    if nextFrameAt > 0 && nextFrameAt > connection.server.now { return pause(until: nextFrameAt) }
    // Asked afresh before each pause: what came while the buffer drained woke nobody.
    if buffer.isEmpty, case .waiting? = ended { ended = nil }
    if buffer.isEmpty && ended == nil { fill() }
    if !buffer.isEmpty {
      let count = min(length, buffer.count, behaviour.frameBytes ?? .max)
      memcpy(room, buffer.bytes.baseAddress!, count)
      buffer.removeFirst(count)
      if behaviour.framePauseNanoseconds > 0 { nextFrameAt = connection.server.now + behaviour.framePauseNanoseconds }
      return count
    }
    switch ended {
    case .finished(let status):
      flags.pointee = UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue | NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue)
      withHeaders(status.headers) { list, count in
        _ = nghttp2_submit_trailer(connection.session, id, list, count)
      }
      end = "status \(status.code)"
      return 0
    case .endedWithoutStatus:
      flags.pointee = UInt32(NGHTTP2_DATA_FLAG_EOF.rawValue)
      end = "no status"
      return 0
    case .waiting(let time):
      ended = nil
      return pause(until: time)
    default: return pause(until: nil)
    }
  }

  private func pause(until time: UInt64?) -> Int {
    wakeAt = time
    isDeferred = true
    return Self.deferred
  }

  /// Gets the next messages, up to the next fault; what follows them is in `ended`.
  private func fill() {
    var limit = Int.max
    if let fault {
      limit = fault.after - sentMessages
      if limit <= 0 {
        self.fault = nil
        return connection.strike(self, fault.kind, beforeHeaders: false)
      }
    }
    guard let answer else { return }
    let start = buffer.count
    let produced = answer.produce(into: buffer, messagesMax: limit, now: connection.server.now)
    sentMessages += produced.count
    connection.server.sentMessages += produced.count
    if compresses { compress(from: start, mixed: connection.server.services.behaviour.gzip == .mixed) }
    switch produced.then {
    case .more: if buffer.isEmpty && !isHanging { wakeAt = connection.server.now }
    default: if fault == nil || buffer.isEmpty { ended = produced.then }
    }
    // A fault outlives an answer that ends before it.
    if case .finished? = ended, fault != nil { fault = nil }
  }

  private func compress(from start: Int, mixed: Bool) {
    let plain = Array(buffer.bytes[start...])
    buffer.removeLast(buffer.count - start)
    var turn = 0
    plain.withUnsafeBytes { bytes in
      forEachFrame(bytes) { message in
        turn += 1
        if mixed && turn % 2 == 0 {
          buffer.append(prefixOf: message.count)
          buffer.append(message)
        } else {
          buffer.append(message: Gzip.compress(Array(message), level: 1), flag: 1)
        }
      }
    }
  }

  // MARK: What faults do to a call

  func finish(_ produced: Produced) {
    ended = produced
    fault = nil
    answer = nil
  }

  func hang() {
    isHanging = true
    isDeferred = true
    end = "hangs"
  }

  func append(raw body: (ByteQueue) -> Void) { body(buffer) }
}

/// Called by nghttp2 when it may send more of an answer.
func readBody(
  _ session: OpaquePointer?, _ stream: Int32, _ room: UnsafeMutablePointer<UInt8>?, _ length: Int,
  _ flags: UnsafeMutablePointer<UInt32>?, _ source: UnsafeMutablePointer<nghttp2_data_source>?,
  _ context: UnsafeMutableRawPointer?
) -> Int {
  let connection = Unmanaged<Connection>.fromOpaque(context!).takeUnretainedValue()
  guard let call = connection.calls[stream] else { return Int(NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE.rawValue) }
  return call.read(into: room!, length, flags!)
}

/// Headers in the form nghttp2 wants; it copies them.
func withHeaders(
  _ headers: [(name: String, value: String)], _ body: (UnsafePointer<nghttp2_nv>, Int) -> Void
) {
  let bytes = headers.map { (Array($0.name.utf8), Array($0.value.utf8)) }
  let storage = ByteQueue(capacity: 1024)
  for (name, value) in bytes {
    storage.append(name)
    storage.append(value)
  }
  var at = UnsafeMutablePointer(mutating: storage.bytes.baseAddress!.assumingMemoryBound(to: UInt8.self))
  let list = bytes.map { name, value in
    defer { at += name.count + value.count }
    return nghttp2_nv(
      name: at, value: at + name.count, namelen: name.count, valuelen: value.count,
      flags: UInt8(NGHTTP2_NV_FLAG_NONE.rawValue))
  }
  list.withUnsafeBufferPointer { body($0.baseAddress!, $0.count) }
  withExtendedLifetime(storage) {}
}
