import CCurl
public import Platform

/// One gRPC call on a connection of its own (calls that share a connection starve when one of them is not read), with any
/// number of answers to one message, or to many (`GRPCRequest.keepsSending`, `send`).
///
/// Used by one thread, but for `cancel`. Nothing is read from the connection while nobody is in `receive`: then the
/// server feels the back-pressure, and ends the call after the time-out of its pings (event stores: 20 s). Whoever has
/// to wait longer than some seconds should end the call, and open another one later.
@safe public final class GRPCCall: @unchecked Sendable {
  // `@unchecked Sendable`: `cancel` touches `isCancelled`, which has its own lock, and libcurl's wake-up, which any
  // thread may call while the object lives; all else belongs to the one thread that receives. `@safe`: `curl` and
  // `multi` are valid until `deinit`.

  public enum Progress: Equatable, Sendable {
    case open
    case ended(GRPCStatus)
  }

  private let curl: UnsafeMutableRawPointer
  private let multi: UnsafeMutableRawPointer
  private let answer: GRPCAnswer
  private let headers: HeaderLines
  private let call: TransferCall
  private let options: HTTPClientOptions
  /// Of a call that keeps sending.
  private let upload: GRPCUpload?
  private let isCancelled = Locked(false)
  private var reason: UnsafeMutablePointer<CChar>
  private static let errorBytes = 256
  private static let bufferBytes = 512 * 1024
  /// How a call ends that is ended from this side.
  public static let endedByUs = GRPCStatus(code: GRPCStatus.cancelled, message: "by us")

  /// Prepares the call; the connection is made by the first `receive`.
  ///
  /// - Parameter options: trust, client certificate and time-outs; its token is sent as well.
  public init(_ request: GRPCRequest, options: HTTPClientOptions = HTTPClientOptions()) throws(HTTPClientError) {
    CurlLibrary.prepare()
    let url = try CheckedURL(request.server + request.path)
    let first = GRPCFrames.framed(request.message)
    call = TransferCall(
      method: "POST", url: url, headers: Self.headers(of: request), body: first, seconds: request.deadlineSeconds)
    upload = request.keepsSending ? GRPCUpload(first) : nil
    self.options = options
    headers = try HeaderLines(call, options)
    answer = GRPCAnswer(messageBytesMax: request.messageBytesMax)
    guard let curl = unsafe curl_easy_init(), let multi = unsafe curl_multi_init() else {
      throw HTTPClientError(.system, "libcurl cannot start", hint: "Check the memory of this machine.")
    }
    unsafe self.curl = unsafe curl
    unsafe self.multi = unsafe multi
    unsafe reason = .allocate(capacity: Self.errorBytes)
    unsafe reason.initialize(repeating: 0, count: Self.errorBytes)
    configure(request)
    unsafe curl_multi_add_handle(multi, curl)
  }

  deinit {
    unsafe curl_multi_remove_handle(multi, curl)
    unsafe curl_easy_cleanup(curl)
    unsafe curl_multi_cleanup(multi)
    unsafe reason.deallocate()
  }

  /// Says one more message; it goes out while somebody is in `receive`.
  ///
  /// - Precondition: the request keeps sending.
  public func send(_ message: [UInt8]) {
    guard let upload else { preconditionFailure("the request said that its message is the only one") }
    upload.add(GRPCFrames.framed(message))
  }

  /// Nothing more will be said; the server may still answer.
  public func finishSending() { upload?.finish() }

  /// Ends the call from any thread: a waiting `receive` returns at once.
  public func cancel() {
    isCancelled.withLock { $0 = true }
    unsafe curl_multi_wakeup(multi)
  }

  /// Waits for messages and hands over those that arrive, in order, until `deadline`, or until some have come and no
  /// more are there at the moment.
  ///
  /// - Returns: `.ended` with the server's status, or with `CANCELLED` after `cancel`.
  /// - Throws: if there is no status: the connection could not be made or broke, a message was too long or cut off,
  ///   or the deadline of the call has passed.
  public func receive(until deadline: Instant, _ body: (GRPCMessage) -> Void) throws(HTTPClientError) -> Progress {
    try receive(
      until: deadline,
      while: { message in
        body(message)
        return true
      })
  }

  /// As above; `body` may wait, which nothing is read meanwhile, and ends the call by answering false: nothing that
  /// comes behind the message it was given is handed over, and the connection is given up.
  public func receive(
    until deadline: Instant, while body: (GRPCMessage) -> Bool
  ) throws(HTTPClientError) -> Progress {
    if let status = answer.finalStatus { return .ended(status) }
    return try withoutActuallyEscaping(body) { (body) throws(HTTPClientError) in
      answer.onMessage = body
      defer { answer.onMessage = nil }
      return try run(until: deadline)
    }
  }

  /// Waits for the end of a call that has few messages.
  public func collect(until deadline: Instant) throws(HTTPClientError) -> (messages: [[UInt8]], status: GRPCStatus) {
    var messages: [[UInt8]] = []
    while true {
      let progress = try receive(until: deadline) { message in messages.append(unsafe Array(message.bytes)) }
      if case .ended(let status) = progress { return (messages, status) }
      if Instant.now >= deadline {
        throw HTTPClientError(
          .timeout, "no answer from \(call.url.shown) in time", hint: "Is the server ready, and not overloaded?")
      }
    }
  }

  // MARK: Running

  private func run(until deadline: Instant) throws(HTTPClientError) -> Progress {
    answer.messageCount = 0
    while true {
      if isCancelled.withLock({ $0 }) { return .ended(Self.endedByUs) }
      // The upload rests while there is nothing to say.
      if let upload, upload.mustWake { unsafe curl_easy_pause(curl, 0) }
      var running: Int32 = 0
      let before = answer.messageCount
      guard unsafe curl_multi_perform(multi, &running) == CURLM_OK else {
        throw HTTPClientError(.system, "libcurl cannot go on with \(call.url.shown)", hint: "Try again.")
      }
      if let failure = answer.failure {
        if failure == .stopped { return .ended(Self.endedByUs) }
        throw self.failure(failure)
      }
      var result = CURLE_OK
      if unsafe clew_curl_multi_result(multi, &result) != 0 { return .ended(try status(after: result)) }
      // Some servers keep the stream open for a moment after their status.
      if let status = answer.trailerStatus {
        answer.finalStatus = status
        return .ended(status)
      }
      let now = Instant.now
      let isIdle = answer.messageCount == before
      if now >= deadline || isIdle && answer.messageCount > 0 { return .open }
      if !isIdle { continue }
      let milliseconds = min(max((deadline.nanoseconds - now.nanoseconds) / 1_000_000, 1), 60_000)
      unsafe curl_multi_poll(multi, nil, 0, Int32(milliseconds), nil)
    }
  }

  private func status(after result: CURLcode) throws(HTTPClientError) -> GRPCStatus {
    if let status = answer.trailerStatus {
      answer.finalStatus = status
      return status
    }
    if result != CURLE_OK {
      let text = unsafe String(cString: reason)
      throw TransferProblem.error(result, text, call, options, tooLarge: false)
    }
    if answer.httpStatus != 200 {
      let code = GRPCStatus.code(ofHTTP: answer.httpStatus)
      let status = GRPCStatus(code: code, message: "HTTP status \(answer.httpStatus)", trailers: answer.headers)
      answer.finalStatus = status
      return status
    }
    throw HTTPClientError(
      .interrupted, "\(call.url.shown) ended its answer without a status", hint: "Look into the log of the server.")
  }

  private func failure(_ failure: GRPCFrames.Failure) -> HTTPClientError {
    switch failure {
    case .tooLong(let length):
      HTTPClientError(
        .responseTooLarge, "\(call.url.shown) announced a message of \(length) bytes", hint: "Is it a gRPC server?")
    case .badFlag(let flag):
      HTTPClientError(
        .interrupted, "\(call.url.shown) sent a message with the flag \(flag), which does not exist",
        hint: "Is it a gRPC server, and is there a proxy between that changes answers?")
    case .stopped:
      HTTPClientError(.interrupted, "the call to \(call.url.shown) was ended by us", hint: "Nothing is to be done.")
    }
  }

  // MARK: Preparing

  private static func headers(of request: GRPCRequest) -> [(name: String, value: String)] {
    var headers: [(name: String, value: String)] = [
      ("te", "trailers"), ("content-type", "application/grpc"), ("user-agent", "clew"),
    ]
    if request.acceptsGzip { headers.append(("grpc-accept-encoding", "gzip,identity")) }
    if let seconds = request.deadlineSeconds {
      headers.append(("grpc-timeout", "\(min(max(Int(seconds * 1000), 1), 99_999_999))m"))
    }
    return headers + request.metadata
  }

  private func configure(_ request: GRPCRequest) {
    set(CURLOPT_URL, call.url.text)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    if call.url.isLoopback { set(CURLOPT_NOPROXY, "*") }
    let isTLS = call.url.text.lowercased().hasPrefix("https:")
    set(CURLOPT_HTTP_VERSION, isTLS ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE)
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_TCP_NODELAY, 1)
    set(CURLOPT_TCP_KEEPALIVE, request.keepAliveSeconds > 0 ? 1 : 0)
    set(CURLOPT_TCP_KEEPIDLE, max(1, request.keepAliveSeconds))
    set(CURLOPT_TCP_KEEPINTVL, max(1, request.keepAliveSeconds))
    if request.keepAliveTimeoutSeconds > 0 {
      unsafe clew_curl_set_user_timeout(curl, UInt32(clamping: request.keepAliveTimeoutSeconds * 1000))
    }
    set(CURLOPT_BUFFERSIZE, Self.bufferBytes)
    set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(options.connectSeconds * 1000)))
    set(CURLOPT_TIMEOUT_MS, request.deadlineSeconds.map { max(1, Int($0 * 1000)) } ?? 0)
    set(CURLOPT_SSL_VERIFYPEER, options.verifiesServer ? 1 : 0)
    set(CURLOPT_SSL_VERIFYHOST, options.verifiesServer ? 2 : 0)
    if let file = options.caFile { set(CURLOPT_CAINFO, file) }
    if let file = options.clientCertificateFile { set(CURLOPT_SSLCERT, file) }
    if let file = options.clientKeyFile { set(CURLOPT_SSLKEY, file) }
    setBody()
    let context = unsafe Unmanaged.passUnretained(answer).toOpaque()
    unsafe clew_curl_set_pointer(curl, CURLOPT_ERRORBUFFER, reason)
    unsafe clew_curl_set_pointer(curl, CURLOPT_WRITEDATA, context)
    unsafe clew_curl_set_pointer(curl, CURLOPT_HEADERDATA, context)
    unsafe clew_curl_set_write(curl, CURLOPT_WRITEFUNCTION, grpcReceivedBody)
    unsafe clew_curl_set_write(curl, CURLOPT_HEADERFUNCTION, grpcReceivedHeader)
    unsafe clew_curl_set_list(curl, CURLOPT_HTTPHEADER, headers.first)
  }

  private func setBody() {
    if let upload {
      set(CURLOPT_POST, 1)
      unsafe clew_curl_set_size(curl, CURLOPT_POSTFIELDSIZE_LARGE, -1)
      let context = unsafe Unmanaged.passUnretained(upload).toOpaque()
      unsafe clew_curl_set_pointer(curl, CURLOPT_READDATA, context)
      unsafe clew_curl_set_write(curl, CURLOPT_READFUNCTION, grpcSendsBody)
      return
    }
    let body = call.body ?? []
    unsafe clew_curl_set_size(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
    unsafe body.withUnsafeBytes { raw in
      // Copied: the pointer is valid in here only.
      _ = unsafe clew_curl_set_pointer(curl, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: raw.baseAddress))
    }
  }

  private func set(_ option: CURLoption, _ value: Int) { unsafe clew_curl_set_long(curl, option, value) }
  private func set(_ option: CURLoption, _ value: String) { unsafe clew_curl_set_text(curl, option, value) }
}

/// An answer while it arrives. Used by the thread that receives only.
final class GRPCAnswer {
  private(set) var headers: [String: String] = [:]
  private(set) var httpStatus = 0
  private(set) var failure: GRPCFrames.Failure?
  /// Set where the call is over for us.
  var finalStatus: GRPCStatus?
  var onMessage: ((GRPCMessage) -> Bool)?
  /// Messages of this `receive`.
  var messageCount = 0
  private var frames: GRPCFrames
  private static let headersMax = 1000

  init(messageBytesMax: Int) { frames = GRPCFrames(bytesMax: messageBytesMax) }

  /// The status, once it has come: in the trailers, or in the headers of a call that was refused at once.
  var trailerStatus: GRPCStatus? {
    guard let text = headers["grpc-status"] else { return nil }
    let message = GRPCStatus.decoded(headers["grpc-message"] ?? "")
    return GRPCStatus(code: Int(text) ?? GRPCStatus.unknown, message: message, trailers: headers)
  }

  func header(_ line: UnsafeRawBufferPointer) -> Bool {
    let text = unsafe String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      headers = [:]
      httpStatus = text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
      return true
    }
    guard let colon = text.firstIndex(of: ":") else { return true }
    let value = text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
    headers[text[..<colon].lowercased()] = String(value.prefix { !$0.isNewline })
    return headers.count <= Self.headersMax
  }

  func received(_ bytes: UnsafeRawBufferPointer) -> Bool {
    // What comes with another status is a page of some proxy.
    guard httpStatus == 200, let onMessage = onMessage else { return true }
    do {
      try unsafe frames.take(
        bytes,
        while: { message in
          messageCount += 1
          return onMessage(message)
        })
      return true
    } catch {
      failure = error
      return false
    }
  }
}

func grpcReceivedBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context = unsafe context else { return 0 }
  let answer = unsafe Unmanaged<GRPCAnswer>.fromOpaque(context).takeUnretainedValue()
  return unsafe answer.received(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

func grpcReceivedHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context = unsafe context else { return 0 }
  let answer = unsafe Unmanaged<GRPCAnswer>.fromOpaque(context).takeUnretainedValue()
  return unsafe answer.header(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}
