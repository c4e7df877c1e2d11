import Platform

/// Everything that can be found out about a configuration without listening.
struct ListenPlan {
  let access: AccessControl
  let material: TLSMaterial?
  /// Taken before the files were read: if they change in between, they are read again.
  let fingerprint: [FileStatus?]
  private let addresses: [SocketAddress]
  private let host: String
  private let port: Int

  init(_ configuration: HTTPServerConfiguration) throws(HTTPServerError) {
    let (host, port) = (configuration.host, configuration.port)
    (self.host, self.port) = (host, port)
    access = try AccessControl(configuration)
    fingerprint = configuration.tls.map(TLSMaterial.fingerprint) ?? []
    material = try configuration.tls.map { (files) throws(HTTPServerError) in try TLSMaterial(files) }
    guard (0...65535).contains(port) else {
      throw HTTPServerError(.badAddress, "\(port) is no port", hint: "Give a number from 0 to 65535.")
    }
    addresses = try ListenProblem.translating(host, port) { () throws(SocketError) in
      // Where the system has no IPv6, every interface means every IPv4 interface.
      let everywhere = host.isEmpty || host == "*"
      return try SocketAddress.resolve(host: host, port: port)
        + (everywhere ? SocketAddress.resolve(host: "0.0.0.0", port: port) : [])
    }
    let protected = access.hasTokens || configuration.tls?.clientCAFile != nil
    if !protected && !configuration.allowUnprotected && addresses.contains(where: { !$0.isLoopback }) {
      throw HTTPServerError(
        .unprotected, "listening on \(host) would let everybody who reaches this machine read and write",
        hint: "Configure a token or a client CA, listen on 127.0.0.1, or say --insecure.")
    }
  }

  /// On the first of the addresses that can be listened on.
  func listen() throws(HTTPServerError) -> FileDescriptor {
    try ListenProblem.translating(host, port) { () throws(SocketError) in
      var problem: SocketError?
      for address in addresses {
        do throws(SocketError) {
          return try address.listen()
        } catch {
          problem = problem ?? error
        }
      }
      throw problem ?? SocketError.nothingFound
    }
  }
}

/// Turns what the system says about an address into what an operator can act on.
enum ListenProblem {
  static func translating<R>(
    _ host: String, _ port: Int, _ body: () throws(SocketError) -> R
  ) throws(HTTPServerError) -> R {
    do {
      return try body()
    } catch {
      throw translate(error, host, port)
    }
  }

  private static func translate(_ error: SocketError, _ host: String, _ port: Int) -> HTTPServerError {
    let place = host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    if error.isAddressInUse {
      return HTTPServerError(
        .addressInUse, "another process listens on \(place) already",
        hint: "See which with: ss -ltnp 'sport = :\(port)'. Stop it, or choose another port.")
    }
    if error.isPermission {
      return HTTPServerError(
        .notPermitted, "this user may not listen on \(place): \(error.reason)",
        hint: "Choose a port of 1024 or more, or give the program CAP_NET_BIND_SERVICE.")
    }
    if error.isForeignAddress {
      return HTTPServerError(
        .badAddress, "\(host) is no address of this machine", hint: "See its addresses with: ip address.")
    }
    if error.operation == "resolve" {
      return HTTPServerError(
        .badAddress, "the host \(host) cannot be resolved: \(error.reason)",
        hint: "Give an address such as 127.0.0.1, or a name that this machine knows.")
    }
    return HTTPServerError(
      .system, "cannot \(error.operation) \(place): \(error.reason)", hint: "Check the address and the system's limits."
    )
  }
}
