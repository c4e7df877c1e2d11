/// A request, whole: the body was read, bounded and (if it was compressed) unpacked.
public struct HTTPRequest: Sendable {
  /// As sent: `GET`, `POST`, …
  public var method: String
  /// The path's segments, split at `/` first and percent-decoded then; bytes, because an identifier may hold any.
  /// `/api/v1/traces/a%2Fb` gives `["api", "v1", "traces", "a/b"]`. A path that cannot be decoded never arrives here.
  public var path: [[UInt8]]
  /// Decoded names and values of the query, in order.
  public var query: [(name: String, value: [UInt8])]
  /// Names in lower case.
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]
  /// What the caller may do, found out by the server before any handler runs.
  public var rights: AccessRights

  public init(
    method: String, path: [[UInt8]], query: [(name: String, value: [UInt8])] = [],
    headers: [(name: String, value: String)] = [], body: [UInt8] = [], rights: AccessRights = .write
  ) {
    self.method = method
    self.path = path
    self.query = query
    self.headers = headers
    self.body = body
    self.rights = rights
  }

  /// The first header of this (lower-case) name.
  public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// The first query parameter of this name, as text; invalid UTF-8 is repaired.
  public func parameter(_ name: String) -> String? { parameterBytes(name).map { String(decoding: $0, as: UTF8.self) } }

  public func parameterBytes(_ name: String) -> [UInt8]? { query.first { $0.name == name }?.value }

  /// The segments as text; invalid UTF-8 is repaired.
  public var pathText: [String] { path.map { String(decoding: $0, as: UTF8.self) } }
}

/// Read-only and writing rights are apart: a scrape token must not be able to post events.
public enum AccessRights: Int, Comparable, Sendable {
  case none, read, write

  public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Produces the body of a streamed answer piece by piece, on the connection's own thread.
public protocol ChunkSource: AnyObject, Sendable {
  /// The next bytes (never empty), or nil at the end. May block; must return soon after `cancel`.
  func next() -> [UInt8]?

  /// The client went away or the server stops: `next` returns nil from now on. Called from any thread, maybe twice.
  func cancel()

  /// Asked after `next` has returned nil: true means that the answer is incomplete. The connection is then cut
  /// without the mark of the end, so that no client takes a part for the whole.
  var failed: Bool { get }
}

extension ChunkSource {
  public var failed: Bool { false }
}

public struct HTTPResponse: Sendable {
  public enum Body: Sendable {
    case bytes([UInt8])
    case chunks(any ChunkSource)
  }

  public var status: Int
  public var headers: [(name: String, value: String)]
  public var body: Body
  /// The server may send the bytes compressed to clients that ask for it. False where they are compressed already, or
  /// hold a secret beside text that a stranger chose.
  public var mayCompress = true

  public init(status: Int, headers: [(name: String, value: String)] = [], body: Body = .bytes([])) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  public static func json(_ bytes: [UInt8], status: Int = 200) -> HTTPResponse {
    HTTPResponse(status: status, headers: [("content-type", "application/json")], body: .bytes(bytes))
  }

  public static func text(_ text: String, status: Int = 200) -> HTTPResponse {
    HTTPResponse(
      status: status, headers: [("content-type", "text/plain; charset=utf-8")], body: .bytes(Array(text.utf8)))
  }
}

/// Answers requests. Called on many threads at once; may block.
public protocol HTTPHandler: AnyObject, Sendable {
  /// Looked at before the body is read, so that nobody uploads what will be refused.
  func policy(method: String, path: [[UInt8]]) -> RequestPolicy

  func respond(to request: HTTPRequest) -> HTTPResponse

  /// A refusal that the server itself decided (401, 403, 408, 413, 503 …), in the handler's own form.
  func refusal(status: Int, code: String, message: String, hint: String) -> HTTPResponse

  /// Called after each answered request, for metrics. `route` is what `policy` said.
  func finished(route: String, status: Int, seconds: Double)
}

/// What a route demands.
public struct RequestPolicy: Sendable {
  /// The route's template for metrics, for example `/api/v1/traces/{correlationId}`; never a raw path.
  public var route: String
  public var rights: AccessRights
  /// Bytes of the body, before and after unpacking.
  public var bodyBytesMax: Int
  /// Answered even above the working limit of connections: `/metrics`, `/livez`, `/readyz`.
  public var essential: Bool

  public init(route: String, rights: AccessRights, bodyBytesMax: Int = 0, essential: Bool = false) {
    self.route = route
    self.rights = rights
    self.bodyBytesMax = bodyBytesMax
    self.essential = essential
  }
}
