import EventModel
import HTTPServer

/// One route: everything that routing, rights, the check of parameters, metrics and the OpenAPI document need.
struct Route: Sendable {
  typealias Answerer = @Sendable (ClewAPI, Call) throws(APIError) -> HTTPResponse

  var method: String
  /// For example `/api/v1/traces/{correlationId}`; also the label `endpoint` of the query metrics.
  var template: String
  var about: String
  var rights = AccessRights.read
  /// Answered even when the server refuses other requests because too many run.
  var essential = false
  /// A question for one thing, which costs little: answered in turn with others of its kind. Searches and exports have
  /// gates of their own, what is essential has none.
  var isLookUp = false
  var takesBody = false
  /// Media types of the body, for the document.
  var bodyTypes: [String] = []
  /// The schema of one line or element of the body.
  var bodySchema = ""
  var parameters: [Parameter] = []
  /// Name of the answer's schema (`OpenAPISchemas`), and its media type.
  var schema: String
  var mediaType = "application/json"
  /// Statuses other than 200 that the route answers, besides 400, 401, 403, 429, 500 and 503, which all may.
  var statuses: [Int] = []
  var answer: Answerer

  /// The template's segments; `{name}` takes any one segment, `{name*}` at the end one or more.
  var segments: [Segment] {
    template.split(separator: "/").map { part in
      if part.hasSuffix("*}") { return .rest }
      return part.hasPrefix("{") ? .value(String(part.dropFirst().dropLast())) : .literal(Array(part.utf8))
    }
  }

  enum Segment: Sendable, Equatable {
    case literal([UInt8])
    case value(String)
    case rest
  }
}

/// A request that found its route, with checked parameters.
struct Call {
  var request: HTTPRequest
  /// Values of the template's variables, decoded.
  var pathValues: [String: [UInt8]]
  var parameters: [String: ParameterValue]
  var route: Route
  /// The place of a look-up among the others.
  var turn: Gate.Pass?

  func count(_ name: String) -> Int {
    if case .count(let value)? = parameters[name] { return value }
    for parameter in route.parameters where parameter.name == name {
      if case .count(let standard, _) = parameter.kind { return standard }
    }
    return 0
  }

  func time(_ name: String) -> Timestamp? {
    if case .time(let value)? = parameters[name] { value } else { nil }
  }

  func duration(_ name: String) -> Int64? {
    if case .duration(let value)? = parameters[name] { value } else { nil }
  }

  func flag(_ name: String) -> Bool { parameters[name] == .flag(true) }

  func text(_ name: String) -> String? {
    if case .text(let value)? = parameters[name] { value } else { nil }
  }

  func identifier(_ name: String) -> Identifier? {
    if case .identifier(let value)? = parameters[name] { value } else { nil }
  }

  func pathIdentifier(_ name: String) throws(APIError) -> Identifier {
    try TraceServer.identifier(pathValues[name] ?? [], name: name)
  }
}

/// Finds routes by method and path.
struct Router: Sendable {
  enum Match {
    case route(Route, values: [String: [UInt8]])
    /// The path exists, with these methods.
    case otherMethods([String])
    case none
  }

  private let routes: [(route: Route, segments: [Route.Segment])]

  init(_ routes: [Route]) {
    self.routes = routes.map { ($0, $0.segments) }
  }

  /// Complexity: O(routes).
  func find(method: String, path: [[UInt8]]) -> Match {
    let path = path.last?.isEmpty == true ? Array(path.dropLast()) : path
    var others: [String] = []
    for (route, segments) in routes {
      guard let values = Self.values(of: path, in: segments) else { continue }
      if route.method == method || (method == "HEAD" && route.method == "GET") { return .route(route, values: values) }
      others.append(route.method)
      if route.method == "GET" { others.append("HEAD") }
    }
    return others.isEmpty ? .none : .otherMethods(others)
  }

  private static func values(of path: [[UInt8]], in segments: [Route.Segment]) -> [String: [UInt8]]? {
    let open = segments.last == .rest
    guard open ? path.count >= segments.count : path.count == segments.count else { return nil }
    var values: [String: [UInt8]] = [:]
    for (given, wanted) in zip(path, segments) {
      switch wanted {
      case .literal(let text): if given != text { return nil }
      case .value(let name): values[name] = given
      case .rest: break
      }
    }
    return values
  }
}
