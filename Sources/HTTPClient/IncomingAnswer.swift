import CCurl

/// An answer while it arrives. Used by the thread of the request only.
final class IncomingAnswer {
  private(set) var headers: [(name: String, value: String)] = []
  private(set) var body: [UInt8] = []
  /// The caller wanted no more.
  private(set) var stopped = false
  private(set) var tooLarge = false
  private var status = 0
  private let bytesMax: Int
  private let events: TransferEvents
  private static let headersMax = 1000

  init(bytesMax: Int, events: TransferEvents) {
    self.bytesMax = bytesMax
    self.events = events
  }

  /// A status line, or a header; a later status line (after 100) begins anew.
  func header(_ line: UnsafeRawBufferPointer) -> Bool {
    let text = unsafe String(decoding: line, as: UTF8.self)
    if text.hasPrefix("HTTP/") {
      headers = []
      status = text.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
      return true
    }
    guard let colon = text.firstIndex(of: ":") else { return true }
    headers.append((text[..<colon].lowercased(), Self.trimmed(text[text.index(after: colon)...])))
    return headers.count <= Self.headersMax
  }

  func received(_ bytes: UnsafeRawBufferPointer) -> Bool {
    if let onChunk = events.onChunk, (200..<300).contains(status) {
      if unsafe onChunk(Array(bytes)) { return true }
      stopped = true
      return false
    }
    if body.count + bytes.count > bytesMax {
      tooLarge = true
      return false
    }
    unsafe body.append(contentsOf: bytes)
    return true
  }

  func goesOn() -> Bool {
    guard let shouldStop = events.shouldStop, shouldStop() else { return true }
    stopped = true
    return false
  }

  private static func trimmed(_ text: Substring) -> String {
    func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (0x09...0x0d).contains(byte) }
    let bytes = text.utf8
    guard let first = bytes.firstIndex(where: { !isBlank($0) }), let last = bytes.lastIndex(where: { !isBlank($0) })
    else { return "" }
    return String(text[first...last])
  }
}

// What libcurl calls, on the thread of the request. Free functions: a closure would inherit isolation.

func transferReceivedBody(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context = unsafe context else { return 0 }
  let answer = unsafe Unmanaged<IncomingAnswer>.fromOpaque(context).takeUnretainedValue()
  return unsafe answer.received(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

func transferReceivedHeader(
  _ bytes: UnsafeMutablePointer<CChar>?, _ size: Int, _ count: Int, _ context: UnsafeMutableRawPointer?
) -> Int {
  guard let context = unsafe context else { return 0 }
  let answer = unsafe Unmanaged<IncomingAnswer>.fromOpaque(context).takeUnretainedValue()
  return unsafe answer.header(UnsafeRawBufferPointer(start: bytes, count: size * count)) ? size * count : 0
}

func transferProgressed(
  _ context: UnsafeMutableRawPointer?, _ total: curl_off_t, _ now: curl_off_t, _ uploadTotal: curl_off_t,
  _ uploadNow: curl_off_t
) -> Int32 {
  guard let context = unsafe context else { return 1 }
  return unsafe Unmanaged<IncomingAnswer>.fromOpaque(context).takeUnretainedValue().goesOn() ? 0 : 1
}
