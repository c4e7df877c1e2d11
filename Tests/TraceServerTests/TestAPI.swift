import EventModel
import HTTPServer
import Platform
import TestSupport
import Testing
import TraceStore
import WireFormats

@testable import TraceServer

/// A time that stands still.
struct FixedClock: WallClock {
  var time = TestEvent.epoch.advanced(byNanoseconds: 3_600_000_000_000)
  func now() -> Timestamp { time }
}

/// The API over a store in memory.
struct TestAPI {
  let store: MemoryTraceStore
  let api: ClewAPI

  init(_ events: [TestEvent] = [], source: String = "default", _ set: (inout ClewAPI.Options) -> Void = { _ in }) throws
  {
    store = MemoryTraceStore()
    if !events.isEmpty { _ = try store.append([SourceBatch(events, source: source)]) }
    var options = ClewAPI.Options()
    set(&options)
    api = ClewAPI(reader: store, options: options, clock: FixedClock(), log: Log(minimum: .error, write: { _ in }))
  }

  func get(_ target: String, headers: [(name: String, value: String)] = []) -> Answer {
    call("GET", target, headers: headers)
  }

  func call(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
  ) -> Answer {
    Answer(api.respond(to: Self.request(method, target, headers: headers, body: body)))
  }

  static func request(
    _ method: String, _ target: String, headers: [(name: String, value: String)] = [], body: [UInt8] = []
  ) -> HTTPRequest {
    let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
    let path = parts[0].split(separator: "/", omittingEmptySubsequences: false).dropFirst().map { decoded($0) }
    var query: [(name: String, value: [UInt8])] = []
    for pair in parts.count < 2 ? [] : parts[1].split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      query.append((String(decoding: decoded(sides[0]), as: UTF8.self), sides.count > 1 ? decoded(sides[1]) : []))
    }
    return HTTPRequest(
      method: method, path: path == [[]] ? [] : path, query: query, headers: headers, body: body)
  }

  private static func decoded(_ text: Substring) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(text.utf8)[...]
    while let byte = rest.popFirst() {
      if byte == 0x25, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) {
        bytes.append(value)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(byte)
      }
    }
    return bytes
  }

  static func encoded(_ bytes: [UInt8]) -> String {
    bytes.map { byte in "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
  }
}

/// A response with its body read to the end.
struct Answer {
  var status: Int
  var headers: [String: String]
  var body: [UInt8]
  /// A streamed body ended before its end.
  var failed = false

  init(_ response: HTTPResponse) {
    status = response.status
    headers = Dictionary(response.headers.map { ($0.name, $0.value) }, uniquingKeysWith: { $0 + ", " + $1 })
    switch response.body {
    case .bytes(let bytes): body = bytes
    case .chunks(let source):
      body = []
      while let piece = source.next() { body += piece }
      failed = source.failed
    }
  }

  var text: String { String(decoding: body, as: UTF8.self) }
  var lines: [String] { text.split(separator: "\n").map(String.init) }
  var json: JSONValue { (try? JSONValue.parse(body)) ?? .null }
  var errorCode: String? { json["error"]?["code"]?.string }
  var errorHint: String? { json["error"]?["hint"]?.string }
}
