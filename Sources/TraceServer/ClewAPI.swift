public import EventModel
public import HTTPServer
public import Ingest
public import Platform
public import PrometheusText
public import TraceStore
import WireFormats

/// All of Clew's HTTP routes over a store: what a server answers, and what the reading commands call in process.
///
/// Thread-safe; may be called on any number of threads, bounded inside where memory would not be.
public final class ClewAPI: HTTPHandler {
  public struct Options: Sendable {
    public var version = "0.1.0"
    /// The commit the program was built from; "" where unknown.
    public var revision = ""
    /// Where exports sort what does not fit memory.
    public var temporaryDirectory = "/tmp"
    /// Memory of one sorted export.
    public var sortMemoryBytes = 32 * 1024 * 1024
    /// Bytes of a request body, before and after unpacking.
    public var bodyBytesMax = 64 * 1024 * 1024
    /// Events of all assembled trees that are kept for paging; one bigger tree is kept alone.
    public var treeCacheEvents = 200_000
    /// Look-ups being answered at once, the others wait in turn: as many as there are cores. With a single core two, so
    /// that a long one does not hold up all others.
    public var lookUpsMax = max(2, CurrentProcess.coreCount)
    /// Traces of more events are read and assembled outside of the look-ups' turn, two at once.
    public var hugeTraceEvents = 50_000
    /// Payload bytes of one answer; a page ends before it grows beyond.
    public var payloadBytesMax = 32 * 1024 * 1024
    /// Searches and statistics being computed at once.
    public var scansMax = 4
    /// Exports being sent at once.
    public var exportsMax = 4
    /// A comment is sent to a reader of events when nothing else was for so long.
    public var heartbeatSeconds = 15.0
    /// When the running configuration was loaded.
    public var configurationLoadedAt: Timestamp?

    public init() {}
  }

  /// The label of requests that found no route.
  static let otherRoute = "other"

  let reader: any TraceReader
  let pipeline: IngestPipeline?
  let metrics: ClewMetrics?
  let storeCounters: (@Sendable () -> StoreCounters)?
  let moreFamilies: (@Sendable (inout MetricPage) -> Void)?
  let lastScrape = Locked(LastScrape())
  let options: Options
  let clock: any WallClock
  let log: Log
  let trees: TreeCache
  let lookUps: Gate
  let scans: Gate
  /// Apart from `scans`: an export takes as long as its reader wants.
  let exports: Gate
  private let router: Router
  private let extraHeaders: [(name: String, value: String)] = [
    ("cache-control", "no-store"),
    ("x-content-type-options", "nosniff"),
    ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
  ]

  /// - Parameters:
  ///   - pipeline: takes what is posted, and gives live events; without it, reading routes are answered only.
  ///   - metrics: live counters for `/metrics`; the API counts its requests there.
  ///   - storeCounters: what the concrete store counts, for `/metrics`.
  ///   - moreFamilies: adds what other targets count to `/metrics`; no family that the API writes itself.
  public init(
    reader: any TraceReader, pipeline: IngestPipeline? = nil, metrics: ClewMetrics? = nil,
    storeCounters: (@Sendable () -> StoreCounters)? = nil,
    moreFamilies: (@Sendable (inout MetricPage) -> Void)? = nil, options: Options = Options(),
    clock: any WallClock = SystemClock(), log: Log = Log()
  ) {
    self.reader = reader
    self.pipeline = pipeline
    self.metrics = metrics
    self.storeCounters = storeCounters
    self.moreFamilies = moreFamilies
    self.options = options
    self.clock = clock
    self.log = log
    trees = TreeCache(reader: reader, options: options)
    lookUps = Gate("look_ups", places: options.lookUpsMax, waitSeconds: 30, what: "look-ups")
    scans = Gate("searches", places: options.scansMax, waitSeconds: 30, what: "searches")
    exports = Gate("exports", places: options.exportsMax, waitSeconds: 5, what: "exports")
    router = Router(Self.table)
  }

  /// What a caller may need to know of a route: documentation, and the policy of rights.
  public struct RouteDescription: Sendable {
    public var method: String
    public var template: String
    public var rights: AccessRights
    public var about: String
  }

  /// Every route, in the order of the documentation.
  public static var routes: [RouteDescription] {
    table.map { RouteDescription(method: $0.method, template: $0.template, rights: $0.rights, about: $0.about) }
  }

  public func policy(method: String, path: [[UInt8]]) -> RequestPolicy {
    guard case .route(let route, _) = router.find(method: method, path: path) else {
      // Some bytes of body are read, so that the answer is ours and not the server's.
      return RequestPolicy(route: Self.otherRoute, rights: .none, bodyBytesMax: 64 * 1024)
    }
    return RequestPolicy(
      route: route.template, rights: route.rights, bodyBytesMax: route.takesBody ? options.bodyBytesMax : 0,
      essential: route.essential)
  }

  public func respond(to request: HTTPRequest) -> HTTPResponse {
    var response: HTTPResponse
    do {
      let match = router.find(method: request.method, path: request.path)
      let (route, values) = try Self.found(match, request)
      let running = metrics.map { RunningQuery($0.queries, reader: reader, route: route.template) }
      defer { withExtendedLifetime(running) {} }
      if route.rights == .write { try Self.refuseOtherOrigins(request) }
      let parameters = try Parameter.read(request.query, for: route.parameters, now: clock.now())
      let answer = { (turn: Gate.Pass?) throws(APIError) -> HTTPResponse in
        let call = Call(request: request, pathValues: values, parameters: parameters, route: route, turn: turn)
        guard let running else { return try route.answer(self, call) }
        return try running.counting { () throws(APIError) in try route.answer(self, call) }
      }
      response = route.isLookUp ? try lookUps.perform(answer) : try answer(nil)
      if case .chunks(let source) = response.body, let running {
        response.body = .chunks(CountedChunks(source, running))
      }
    } catch {
      response = Self.response(to: error)
    }
    return secured(response)
  }

  /// Ends the threads that work for connections. What is asked all the same is answered.
  public func stop() { lookUps.dismissWorkers() }

  public func refusal(status: Int, code: String, message: String, hint: String) -> HTTPResponse {
    secured(Self.response(to: APIError(status, code, message, hint: hint)))
  }

  public func finished(route: String, status: Int, seconds: Double) {
    metrics?.queries.finished(route, status: status, seconds: seconds, began: false)
  }

  /// Headers that every answer has, unless it brought its own.
  private func secured(_ response: HTTPResponse) -> HTTPResponse {
    var response = response
    // Few against few.
    let given = response.headers
    for extra in extraHeaders where !given.contains(where: { $0.name == extra.name }) { response.headers.append(extra) }
    return response
  }

  static func response(to error: APIError) -> HTTPResponse {
    var json = JSONWriter()
    json.beginObject()
    json.key("error")
    json.beginObject()
    json.member("code", error.code)
    json.member("message", error.message)
    json.member("hint", error.hint)
    json.endObject()
    json.endObject()
    var response = HTTPResponse.json(json.bytes, status: error.status)
    for (name, value) in error.headers.sorted(by: { $0.key < $1.key }) { response.headers.append((name, value)) }
    return response
  }

  private static func found(
    _ match: Router.Match, _ request: HTTPRequest
  ) throws(APIError) -> (Route, [String: [UInt8]]) {
    switch match {
    case .route(let route, let values): return (route, values)
    case .otherMethods(let methods):
      let allowed = methods.joined(separator: ", ")
      throw APIError(
        405, "method_not_allowed", "this path does not take \(shown(request.method))", hint: "it takes \(allowed)",
        headers: ["allow": allowed])
    case .none:
      throw APIError(
        404, "no_such_route", "there is nothing at this path",
        hint: "GET / lists the routes; a / inside an id or a stream name is written as %2F")
    }
  }

  /// A page that a browser loaded from elsewhere must not write here, even where no token is configured.
  private static func refuseOtherOrigins(_ request: HTTPRequest) throws(APIError) {
    guard let origin = request.header("origin") else { return }
    let host = request.header("host") ?? ""
    if origin == "http://\(host)" || origin == "https://\(host)" { return }
    throw APIError(
      403, "cross_origin", "a page of \(shown(origin)) may not write here",
      hint: "send events from a server or a command, without an Origin header")
  }
}
