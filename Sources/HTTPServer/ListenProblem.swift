import Platform

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
