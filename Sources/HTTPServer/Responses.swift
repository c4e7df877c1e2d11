import CMicrohttpd
import Compression
import Platform

/// Gives an answer to the library.
struct ResponseSender {
  /// Beyond, bytes are copied piece by piece as the client takes them, and not once more as a whole.
  private static let copiedBytesMax = 64 * 1024
  private static let blockBytes = 32 * 1024

  let core: ServerCore
  let record: ConnectionRecord
  let isHead: Bool
  let acceptsGzip: Bool
  let closes: Bool

  func queue(_ response: HTTPResponse, on connection: OpaquePointer) -> Bool {
    var headers = response.headers
    if closes { headers.append(("connection", "close")) }
    let raw: OpaquePointer?
    switch response.body {
    case .bytes(let bytes):
      let sent = compressed(bytes, response, &headers)
      if !isHead { core.count { $0.responseBytes += sent.count } }
      unsafe raw = unsafe create(sent)
    case .chunks(let source) where isHead:
      // The library would wait for the end of a body that is never sent.
      source.cancel()
      unsafe raw = unsafe create([])
    case .chunks(let source):
      let stream = StreamBody(source: source, core: core, record: record, headers: headers)
      // A stop that came before this cancels here, one that comes later finds the stream.
      record.setStream(stream)
      if core.isStopping { stream.cancel(byServer: true) }
      unsafe raw = clew_mhd_stream(
        clew_mhd_size_unknown(), Self.blockBytes, readStream, Unmanaged.passRetained(stream).toOpaque(), releaseStream)
    }
    guard let raw = unsafe raw else { return false }
    defer { unsafe MHD_destroy_response(raw) }
    for (name, value) in headers { unsafe MHD_add_response_header(raw, name, value) }
    return unsafe MHD_queue_response(connection, UInt32(response.status), raw) == .YES
  }

  private func create(_ bytes: [UInt8]) -> OpaquePointer? {
    if bytes.count <= Self.copiedBytesMax {
      return unsafe bytes.withUnsafeBytes { unsafe clew_mhd_bytes($0.baseAddress, $0.count) }
    }
    let body = unsafe Unmanaged.passRetained(BytesBody(bytes)).toOpaque()
    return unsafe clew_mhd_stream(UInt64(bytes.count), Self.blockBytes, readBytes, body, releaseBytes)
  }

  private func compressed(
    _ bytes: [UInt8], _ response: HTTPResponse, _ headers: inout [(name: String, value: String)]
  ) -> [UInt8] {
    guard response.mayCompress, bytes.count >= core.limits.compressBytesMin,
      bytes.count <= core.limits.compressBytesMax,
      !headers.contains(where: { $0.name.lowercased() == "content-encoding" })
    else { return bytes }
    headers.append(("vary", "accept-encoding"))
    guard acceptsGzip, let packed = Unpacking.packed(bytes) else { return bytes }
    headers.append(("content-encoding", "gzip"))
    return packed
  }
}

/// Bytes that are copied as the client takes them.
final class BytesBody {
  private let bytes: [UInt8]
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  func read(at position: Int, into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let count = min(buffer.count, bytes.count - position)
    if count <= 0 { return StreamBody.endOfStream }
    unsafe buffer.copyBytes(from: bytes[position..<(position + count)])
    return count
  }
}

/// A streamed answer on its way.
final class StreamBody: @unchecked Sendable {
  // `@unchecked Sendable`: `pending` and `offset` are touched by the connection's thread only, the rest is immutable or
  // behind `lock`.
  static let endOfStream = -1
  static let endWithError = -2

  let isEventStream: Bool
  private let source: any ChunkSource
  private let core: ServerCore
  private let lock = Lock()
  private var cancelledByServer = false
  private var ended = false
  private var pending: [UInt8] = []
  private var offset = 0

  init(source: any ChunkSource, core: ServerCore, record: ConnectionRecord, headers: [(name: String, value: String)]) {
    self.source = source
    self.core = core
    isEventStream = headers.contains {
      $0.name.lowercased() == "content-type" && $0.value.lowercased().hasPrefix("text/event-stream")
    }
    core.count { $0.streamsOpen += 1 }
  }

  /// What the library asks for; blocks until there is something.
  func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    while offset == pending.count {
      guard let next = source.next() else { return end() }
      pending = next
      offset = 0
    }
    let count = min(buffer.count, pending.count - offset)
    unsafe buffer.copyBytes(from: pending[offset..<(offset + count)])
    offset += count
    core.count { $0.responseBytes += count }
    return count
  }

  /// A part must not look like the whole; whoever listens to events expects no whole.
  private func end() -> Int {
    let cut = lock.withLock {
      ended = true
      return cancelledByServer
    }
    return source.failed || (cut && !isEventStream) ? Self.endWithError : Self.endOfStream
  }

  func cancel(byServer: Bool) {
    if byServer { lock.withLock { cancelledByServer = true } }
    source.cancel()
  }

  /// The library is done with it, whether or not it was read to its end.
  func released() {
    let complete = lock.withLock { ended }
    core.count {
      $0.streamsOpen -= 1
      if !complete { $0.streamsAborted += 1 }
    }
    source.cancel()
  }
}

/// An answer as bytes of HTTP, for where the library takes none.
enum RawAnswer {
  static func bytes(of response: HTTPResponse) -> [UInt8] {
    guard case .bytes(let body) = response.body else { return [] }
    let reason = unsafe String(cString: MHD_get_reason_phrase_for(UInt32(response.status)))
    var head = "HTTP/1.1 \(response.status) \(reason)\r\nconnection: close\r\ncontent-length: \(body.count)\r\n"
    for (name, value) in response.headers where !(name + value).utf8.contains(where: { $0 < 0x20 }) {
      head += "\(name): \(value)\r\n"
    }
    return Array((head + "\r\n").utf8) + body
  }
}
