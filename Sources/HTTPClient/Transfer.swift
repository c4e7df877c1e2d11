import CCurl
import Platform

/// What one request says.
struct TransferCall {
  var method: String
  var url: CheckedURL
  var headers: [(name: String, value: String)]
  var body: [UInt8]?
  /// Nil: no end.
  var seconds: Double?
}

/// What a streamed answer calls.
struct TransferEvents {
  var shouldStop: (() -> Bool)?
  var onChunk: (([UInt8]) -> Bool)?
}

/// One easy handle of libcurl, which keeps its connections from request to request. Used by one thread at a time.
@safe final class Transfer: @unchecked Sendable {
  // `@unchecked Sendable`: `TransferPool` gives it to one thread at a time. `@safe`: `curl` is valid until `deinit`.
  private let curl: UnsafeMutableRawPointer
  private static let errorBytes = 256
  private static let bufferBytes = 256 * 1024

  init() throws(HTTPClientError) {
    guard let curl = unsafe curl_easy_init() else {
      throw HTTPClientError(.system, "libcurl cannot start", hint: "Check the memory of this machine.")
    }
    unsafe self.curl = unsafe curl
  }

  deinit { unsafe curl_easy_cleanup(curl) }

  /// Sends the request and waits for the end of the answer.
  func run(
    _ call: TransferCall, _ options: HTTPClientOptions, _ events: TransferEvents
  ) throws(HTTPClientError) -> HTTPClientResponse {
    let answer = IncomingAnswer(bytesMax: options.responseBytesMax, events: events)
    let list = try HeaderLines(call, options)
    var reason = [CChar](repeating: 0, count: Self.errorBytes)
    configure(call, options, list)
    let code = unsafe reason.withUnsafeMutableBufferPointer { text in
      withExtendedLifetime((answer, list, call)) {
        let context = unsafe Unmanaged.passUnretained(answer).toOpaque()
        unsafe clew_curl_set_pointer(curl, CURLOPT_ERRORBUFFER, text.baseAddress)
        unsafe clew_curl_set_pointer(curl, CURLOPT_WRITEDATA, context)
        unsafe clew_curl_set_pointer(curl, CURLOPT_HEADERDATA, context)
        unsafe clew_curl_set_pointer(curl, CURLOPT_XFERINFODATA, context)
        return unsafe curl_easy_perform(curl)
      }
    }
    var status = 0
    unsafe clew_curl_get_long(curl, CURLINFO_RESPONSE_CODE, &status)
    // Forgets the request, pointers included, and keeps connections.
    unsafe curl_easy_reset(curl)
    if code != CURLE_OK && !answer.stopped {
      let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
      throw TransferProblem.error(code, text, call, options, tooLarge: answer.tooLarge)
    }
    return HTTPClientResponse(status: status, headers: answer.headers, body: answer.body)
  }

  private func configure(_ call: TransferCall, _ options: HTTPClientOptions, _ list: HeaderLines) {
    set(CURLOPT_URL, call.url.text)
    set(CURLOPT_PROTOCOLS_STR, "http,https")
    if call.url.isLoopback { set(CURLOPT_NOPROXY, "*") }
    set(CURLOPT_NOSIGNAL, 1)
    set(CURLOPT_FOLLOWLOCATION, 0)
    set(CURLOPT_TCP_KEEPALIVE, 1)
    set(CURLOPT_TCP_NODELAY, 1)
    set(CURLOPT_BUFFERSIZE, Self.bufferBytes)
    set(CURLOPT_CONNECTTIMEOUT_MS, max(1, Int(options.connectSeconds * 1000)))
    set(CURLOPT_TIMEOUT_MS, call.seconds.map { max(1, Int($0 * 1000)) } ?? 0)
    set(CURLOPT_NOPROGRESS, 0)
    setMethod(call)
    setTrust(options)
    unsafe clew_curl_set_list(curl, CURLOPT_HTTPHEADER, list.first)
    unsafe clew_curl_set_write(curl, CURLOPT_WRITEFUNCTION, transferReceivedBody)
    unsafe clew_curl_set_write(curl, CURLOPT_HEADERFUNCTION, transferReceivedHeader)
    unsafe clew_curl_set_progress(curl, transferProgressed)
  }

  private func setMethod(_ call: TransferCall) {
    if call.method == "HEAD" {
      set(CURLOPT_NOBODY, 1)
    } else if let body = call.body {
      unsafe clew_curl_set_size(curl, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
      _ = unsafe body.withUnsafeBytes { raw in
        // Copied: the pointer is valid in here only.
        unsafe clew_curl_set_pointer(curl, CURLOPT_COPYPOSTFIELDS, UnsafeMutableRawPointer(mutating: raw.baseAddress))
      }
      if body.isEmpty { set(CURLOPT_POSTFIELDS, "") }
      if call.method != "POST" { set(CURLOPT_CUSTOMREQUEST, call.method) }
    } else if call.method != "GET" {
      set(CURLOPT_CUSTOMREQUEST, call.method)
    }
  }

  private func setTrust(_ options: HTTPClientOptions) {
    if let file = options.caFile { set(CURLOPT_CAINFO, file) }
    if let file = options.clientCertificateFile { set(CURLOPT_SSLCERT, file) }
    if let file = options.clientKeyFile { set(CURLOPT_SSLKEY, file) }
    set(CURLOPT_SSL_VERIFYPEER, options.verifiesServer ? 1 : 0)
    set(CURLOPT_SSL_VERIFYHOST, options.verifiesServer ? 2 : 0)
  }

  private func set(_ option: CURLoption, _ value: Int) { unsafe clew_curl_set_long(curl, option, value) }
  private func set(_ option: CURLoption, _ value: String) { unsafe clew_curl_set_text(curl, option, value) }
}

/// Request headers in libcurl's form, freed with the object.
@safe final class HeaderLines {
  // `@safe`: the list is freed in `deinit` only.
  private(set) var first: UnsafeMutablePointer<curl_slist>?

  init(_ call: TransferCall, _ options: HTTPClientOptions) throws(HTTPClientError) {
    var headers = call.headers
    if let token = options.bearerToken { headers.append(("Authorization", "Bearer \(token)")) }
    for (name, value) in headers {
      guard !(name + value).utf8.contains(where: { $0 < 0x20 || $0 == 0x7f }), !name.isEmpty else {
        throw HTTPClientError(
          .badURL, "the header \(name.isEmpty ? "without a name" : name) holds a line break or control character",
          hint: "Check the token and the headers.")
      }
      // "Name;" is how libcurl is told of a header without value.
      add(value.isEmpty ? "\(name);" : "\(name): \(value)")
    }
    if let body = call.body, body.count <= 1024 * 1024 { add("Expect:") }
    if call.body != nil && !headers.contains(where: { $0.name.lowercased() == "content-type" }) { add("Content-Type:") }
  }

  deinit { unsafe curl_slist_free_all(first) }

  private func add(_ line: String) { unsafe first = unsafe curl_slist_append(first, line) ?? first }
}

/// Easy handles that nobody uses at the moment.
final class TransferPool: Sendable {
  private static let idleMax = 8
  private let idle = Locked<[Transfer]>([])

  func take() throws(HTTPClientError) -> Transfer {
    CurlLibrary.prepare()
    if let known = idle.withLock({ $0.popLast() }) { return known }
    return try Transfer()
  }

  func giveBack(_ transfer: Transfer) {
    idle.withLock { if $0.count < Self.idleMax { $0.append(transfer) } }
  }
}

/// libcurl's own start, once for the process.
enum CurlLibrary {
  private static let started: Bool = {
    Signals.ignoreBrokenPipes()
    return clew_curl_global_init() == CURLE_OK
  }()

  static func prepare() { precondition(started, "libcurl cannot start") }
}
