import CNghttp2
import Glibc

/// One connection of a client: HTTP/2, or a plain HTTP/1 request for a page.
final class Connection {
  unowned let server: Server
  let channel: Channel
  private(set) var session: OpaquePointer?
  private(set) var calls: [Int32: Call] = [:]
  private let output = ByteQueue(capacity: 512 << 10)
  private let preface = ByteQueue()
  private var isHTTP1 = false
  private(set) var isClosed = false
  private var isFrozen = false
  private var tears = false
  /// Neither read nor written as soon as everything is sent; the socket stays open.
  private var freezesAfterFlush = false
  /// Closed as soon as everything is sent.
  private var endsAfterFlush = false
  /// Closed then, whatever is left.
  private(set) var endsAt: UInt64?

  init(server: Server, channel: Channel) {
    self.server = server
    self.channel = channel
  }

  deinit { if let session { nghttp2_session_del(session) } }

  var wantsToRead: Bool { !isFrozen }
  var wantsToWrite: Bool { !isFrozen && (!output.isEmpty || channel.needsToWrite) }

  /// The next time that something is due.
  var nextTime: UInt64? {
    var next = endsAt
    for call in calls.values { if let time = call.wakeAt { next = min(next ?? time, time) } }
    return isFrozen ? endsAt : next
  }

  // MARK: Bytes

  func receive(_ room: UnsafeMutableRawBufferPointer) {
    while !isClosed && !isFrozen {
      switch channel.receive(room) {
      case .again: return flush()
      case .ended: return close("connection lost")
      case .count(let count): take(UnsafeRawBufferPointer(rebasing: room[..<count]))
      }
    }
  }

  private func take(_ bytes: UnsafeRawBufferPointer) {
    if session == nil {
      preface.append(bytes)
      // TLS where there is none: what a real server says to that.
      if preface.bytes.first == 0x16 { return refuse() }
      if preface.count < 3 { return }
      if !isHTTP1 && preface.bytes.starts(with: "PRI".utf8) {
        openSession()
        feed(preface.bytes)
        preface.removeAll()
      } else {
        isHTTP1 = true
        answerHTTP1()
      }
      return
    }
    feed(bytes)
  }

  private func feed(_ bytes: UnsafeRawBufferPointer) {
    let taken = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    if taken < 0 { close("protocol error") }
  }

  private func refuse() {
    preface.removeAll()
    output.append("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    endsAfterFlush = true
  }

  private func answerHTTP1() {
    let text = String(decoding: preface.bytes, as: UTF8.self)
    guard text.contains("\r\n\r\n") else { return }
    preface.removeAll()
    let path = text.split(separator: " ").dropFirst().first.map(String.init) ?? "/"
    let page = server.services.pages[path]
    let status = page == nil ? "404 Not Found" : "200 OK"
    output.append("HTTP/1.1 \(status)\r\nContent-Type: application/json\r\n")
    output.append("Content-Length: \(page?.count ?? 0)\r\nConnection: close\r\n\r\n")
    output.append(page ?? [])
    endsAfterFlush = true
  }

  /// Sends what nghttp2 has to say, as far as the socket takes it.
  func flush() {
    guard !isFrozen, !isClosed else { return }
    let alone = server.services.behaviour.frameBytes != nil
    while true {
      if output.count < 256 << 10, !(alone && !output.isEmpty), let session {
        var bytes: UnsafePointer<UInt8>?
        let count = nghttp2_session_mem_send(session, &bytes)
        if count < 0 { return close("protocol error") }
        if count > 0 {
          output.append(UnsafeRawBufferPointer(start: bytes, count: count))
          if !alone { continue }
        }
      }
      if output.isEmpty { break }
      if !send() { return }
    }
    if endsAfterFlush { return close("ended by the server") }
    if freezesAfterFlush { isFrozen = true }
    if let session, nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0, endsAt == nil {
      close("ended")
    }
  }

  private func send() -> Bool {
    switch channel.send(output.bytes) {
    case .count(let count):
      output.removeFirst(count)
      server.sentBytes += count
      return true
    case .again: return false
    case .ended:
      close("connection lost")
      return false
    }
  }

  func close(_ reason: String) {
    if isClosed { return }
    isClosed = true
    for call in calls.values { call.gone() }
    for call in calls.values where call.end == "open" || call.end == "hangs" { call.end = reason }
    if tears {
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(channel.socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<Glibc.linger>.size))
    }
    channel.close()
  }

  /// What is due at this time.
  func tick(_ now: UInt64) {
    if let endsAt, endsAt <= now { return close("ended by the server") }
    if isFrozen { return }
    var isWoken = false
    for call in calls.values {
      if let time = call.wakeAt, time <= now {
        call.wake()
        isWoken = true
      }
    }
    if isWoken { flush() }
  }

  func wakeLive() {
    for call in calls.values where call.answer?.isLive == true { call.wake() }
    flush()
  }

  // MARK: Misbehaviour

  /// What a fault does. Called while nghttp2 asks for data, too: nothing is sent in here.
  func strike(_ call: Call, _ kind: Fault.Kind, beforeHeaders: Bool) {
    server.struckFaults += 1
    switch kind {
    case .status(let status): if beforeHeaders { call.refuse(status) } else { call.finish(.finished(status)) }
    case .endWithoutStatus:
      if beforeHeaders { call.respond([("content-type", "application/grpc")], status: 200, body: []) }
      call.finish(.endedWithoutStatus)
    case .reset(let code):
      call.end = "reset"
      call.hang()
      nghttp2_submit_rst_stream(session, 0, call.id, code)
    case .goAway(let nanoseconds): goAway(nanoseconds)
    case .close, .cut:
      if case .cut = kind { tears = true }
      call.hang()
      endsAfterFlush = true
    case .hang: call.hang()
    case .freeze:
      call.hang()
      freezesAfterFlush = true
    case .truncated(let withStatus):
      call.append {
        $0.append(prefixOf: 1000)
        $0.append([UInt8](repeating: 0x0a, count: 500))
      }
      call.finish(withStatus ? .finished(.ok) : .endedWithoutStatus)
    case .announced(let length):
      call.append {
        $0.append(prefixOf: length)
        $0.append([UInt8](repeating: 0, count: 4096))
      }
      call.finish(.waiting(until: nil))
    case .garbage: call.append { $0.append(message: [0xff, 0xff, 0xff, 0xff, 0x0f, 0x07, 0x80]) }
    case .badFlag: call.append { $0.append(message: [1, 2, 3], flag: 7) }
    case .message(let bytes): call.append { $0.append(message: bytes) }
    case .http(let status, let body):
      call.respond([("content-type", "text/html")], status: status, body: Array(body.utf8))
    }
  }

  func goAway(_ nanoseconds: UInt64) {
    for call in calls.values { call.hang() }
    if let session {
      let last = nghttp2_session_get_last_proc_stream_id(session)
      nghttp2_submit_goaway(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), last, 0, nil, 0)
    }
    endsAt = server.now + nanoseconds
  }

  // MARK: HTTP/2

  private func openSession() {
    var callbacks: OpaquePointer?
    nghttp2_session_callbacks_new(&callbacks)
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks) { _, frame, context in
      let head = frame!.pointee.hd
      if UInt32(head.type) == NGHTTP2_HEADERS.rawValue { connection(context).begin(head.stream_id) }
      return 0
    }
    nghttp2_session_callbacks_set_on_header_callback(callbacks) {
      _, frame, name, nameLength, value, valueLength, _, context in
      let name = String(decoding: UnsafeBufferPointer(start: name, count: nameLength), as: UTF8.self)
      let value = String(decoding: UnsafeBufferPointer(start: value, count: valueLength), as: UTF8.self)
      connection(context).calls[frame!.pointee.hd.stream_id]?.add(header: name, value)
      return 0
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks) { _, _, stream, bytes, count, context in
      connection(context).calls[stream]?.add(body: UnsafeRawBufferPointer(start: bytes, count: count))
      return 0
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks) { _, frame, context in
      let head = frame!.pointee.hd
      let ends = UInt32(head.flags) & NGHTTP2_FLAG_END_STREAM.rawValue != 0
      let type = UInt32(head.type)
      if ends && (type == NGHTTP2_HEADERS.rawValue || type == NGHTTP2_DATA.rawValue) {
        connection(context).asked(head.stream_id)
      }
      return 0
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks) { _, stream, code, context in
      connection(context).ended(stream, code)
      return 0
    }
    nghttp2_session_server_new(&session, callbacks, Unmanaged.passUnretained(self).toOpaque())
    nghttp2_session_callbacks_del(callbacks)
    var settings = [
      nghttp2_settings_entry(settings_id: Int32(NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS.rawValue), value: 100)
    ]
    if let window = server.services.behaviour.window {
      settings.append(
        nghttp2_settings_entry(
          settings_id: Int32(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE.rawValue), value: UInt32(window)))
    }
    nghttp2_submit_settings(session, UInt8(NGHTTP2_FLAG_NONE.rawValue), settings, settings.count)
  }

  private func begin(_ stream: Int32) {
    if calls[stream] != nil { return }
    calls[stream] = server.newCall(stream, self)
  }

  private func asked(_ stream: Int32) { calls[stream]?.asked() }

  private func ended(_ stream: Int32, _ code: UInt32) {
    guard let call = calls.removeValue(forKey: stream) else { return }
    call.gone()
    if call.end == "open" || call.end == "hangs" {
      call.end = code == 0 ? "ended" : "reset by the client"
    }
  }
}

/// The connection that a callback of nghttp2 is about.
private func connection(_ context: UnsafeMutableRawPointer?) -> Connection {
  Unmanaged<Connection>.fromOpaque(context!).takeUnretainedValue()
}
