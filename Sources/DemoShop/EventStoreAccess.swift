public import HTTPClient
import Platform

/// The event store that the shop writes to, and who the shop is there. Holds a secret: never printed.
///
/// Only the shop writes: what Clew itself reads event stores with has no request that changes anything.
public struct EventStoreAccess: Sendable {
  /// `http://host:port` or `https://host:port`; the next one is tried where one does not answer.
  public var servers: [String]
  /// Value of the header `authorization`, if there is one.
  public var authorization: String?
  public var options: HTTPClientOptions
  /// As servers show it in their logs, and beside the members of a group.
  public var connectionName = "clew-demo-shop"

  public init(servers: [String], authorization: String?, options: HTTPClientOptions) {
    self.servers = servers
    self.authorization = authorization
    self.options = options
  }

  func request(_ server: String, _ path: String, _ message: [UInt8]) -> GRPCRequest {
    var request = GRPCRequest(server: server, path: "/event_store.client." + path, message: message)
    // Groups are served by the leader, and appends reach it by the shortest way.
    request.metadata = [("connection-name", connectionName), ("requires-leader", "true")]
    if let authorization { request.metadata.append(("authorization", authorization)) }
    return request
  }

  /// What a status other than success means.
  static func problem(_ status: GRPCStatus, _ server: String) -> ShopProblem {
    let said = "\(server) says \(status)"
    switch status.code {
    case GRPCStatus.unauthenticated: return ShopProblem(said, hint: "The user or the password is wrong")
    case GRPCStatus.permissionDenied:
      return ShopProblem(
        said,
        hint: "The shop writes streams and makes a persistent subscription on $all: it needs an administrator's rights")
    case GRPCStatus.unimplemented:
      return ShopProblem(said, hint: "Is this an EventStoreDB from 21.10 on, or a KurrentDB?")
    default: return ShopProblem(said, hint: "See the server's log")
    }
  }
}

/// The node that leads, as far as is known. Used by one thread.
struct EventStoreNode {
  private let access: EventStoreAccess
  private var turn = 0
  private var leader: String?

  init(_ access: EventStoreAccess) { self.access = access }

  var server: String { leader ?? access.servers[turn % access.servers.count] }

  /// - Returns: whether the status says where the leader is, and `server` is that now.
  mutating func follow(_ status: GRPCStatus) -> Bool {
    guard status.trailers["exception"] == "not-leader", let host = status.trailers["leader-endpoint-host"],
      let port = status.trailers["leader-endpoint-port"].flatMap(Int.init), (1...65535).contains(port), !host.isEmpty
    else { return false }
    let scheme = server.prefix { $0 != ":" }
    leader = "\(scheme)://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    return true
  }

  /// The node did not do: the next one in turn is asked.
  mutating func fail() {
    leader = nil
    turn += 1
  }
}

/// One call that both sides keep open, opened again where it broke. Used by one thread.
final class OpenCall {
  private let access: EventStoreAccess
  private let path: String
  private var node: EventStoreNode
  private var call: GRPCCall?

  init(_ access: EventStoreAccess, _ path: String) {
    self.access = access
    self.path = path
    node = EventStoreNode(access)
  }

  var isOpen: Bool { call != nil }

  /// Says something, and opens the call with it where there is none. It goes out while somebody is in `receive`.
  func send(_ message: [UInt8]) throws(ShopProblem) {
    if let call { return call.send(message) }
    var request = access.request(node.server, path, message)
    request.keepsSending = true
    do { call = try GRPCCall(request, options: access.options) } catch { throw ShopProblem(error) }
  }

  func close() { call = nil }

  /// Sends what waits, and hands over what comes until `deadline`, or as soon as something has come.
  func receive(until deadline: Instant, _ take: ([UInt8]) -> Void) throws(ShopProblem) {
    guard let call else { return }
    let progress: GRPCCall.Progress
    do {
      progress = try call.receive(until: deadline) { message in take(unsafe Array(message.bytes)) }
    } catch {
      close()
      node.fail()
      throw ShopProblem(error)
    }
    guard case .ended(let status) = progress else { return }
    close()
    let problem = EventStoreAccess.problem(status, node.server)
    if node.follow(status) { throw ShopProblem("\(node.server) leads: going on there") }
    node.fail()
    throw problem
  }
}
