import CMicrohttpd
import Platform

/// What is refused before any body is read, in this order: the target, the method, the load, the rights, the headers.
extension Exchange {
  private static let methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]

  func examine(_ target: [UInt8], _ connection: OpaquePointer) -> HTTPResponse? {
    do {
      let parsed = try RequestTarget(target)
      path = parsed.path
      query = parsed.query
    } catch {
      return core.refuse(
        .badRequest, 400, "bad_target", "the address is not valid: \(error.text)",
        "Encode every byte that is no letter, digit or one of - . _ ~ as % and two hexadecimal digits.")
    }
    if let refusal = methodProblem() { return refusal }
    policy = core.handler.policy(method: method == "HEAD" ? "GET" : method, path: path)
    if let refusal = loadProblem() { return refusal }
    if let refusal = unsafe accessProblem(connection) { return refusal }
    return headerProblem()
  }

  private func methodProblem() -> HTTPResponse? {
    if Self.methods.contains(method) { return nil }
    let allowed = Self.methods.joined(separator: ", ")
    if method == "OPTIONS" { return HTTPResponse(status: 204, headers: [("allow", allowed + ", OPTIONS")]) }
    let known = method == "TRACE" || method == "CONNECT"
    var refusal = core.refuse(
      .method, known ? 405 : 501, known ? "method_not_allowed" : "method_unknown",
      "this method is not served here", "Use one of \(allowed).")
    refusal.headers.append(("allow", allowed))
    return refusal
  }

  private func loadProblem() -> HTTPResponse? {
    if core.isStopping {
      return core.retryLater(
        core.refuse(.stopping, 503, "stopping", "the server is stopping", "Send the request again after its start."))
    }
    if policy.essential || !core.isCrowded { return nil }
    return core.retryLater(
      core.refuse(
        .overloaded, 503, "overloaded",
        "more than \(core.limits.connectionsWorkingMax) connections are open", "Send the request again after a second.")
    )
  }

  private func accessProblem(_ connection: OpaquePointer) -> HTTPResponse? {
    guard core.access.hasTokens || core.demandsCertificate else {
      rights = .write
      return policy.rights == .write ? crossOriginProblem() : nil
    }
    if core.demandsCertificate {
      let peer = unsafe verifiedPeer(connection)
      if peer != .trusted && policy.rights != .none {
        return core.refuse(
          .certificate, 403, "client_certificate",
          peer == .missing ? "no client certificate was shown" : "the client certificate is not valid here",
          "Show a certificate signed by the client CA of this server.")
      }
      if peer == .trusted { rights = core.configuration.clientCertificateRights }
    }
    let outcome = core.access.hasTokens ? core.access.check(authorization: header("authorization")) : .missing
    if case .granted(let more) = outcome { rights = max(rights, more) }
    if policy.rights == .none { return nil }
    if outcome == .wrong { return unauthorized("the token is not valid") }
    if rights >= policy.rights { return nil }
    if rights == .none { return unauthorized("a token is needed") }
    return core.refuse(
      .forbidden, 403, "read_only", "reading is allowed, writing is not", "Use the token that allows writing.")
  }

  private func verifiedPeer(_ connection: OpaquePointer) -> TLSSession.Peer {
    if let known = record.certificate { return known }
    let session = unsafe clew_mhd_tls_session(connection)
    let peer = unsafe session.map { unsafe TLSSession.peer($0) } ?? .missing
    record.certificate = peer
    return peer
  }

  private func unauthorized(_ message: String) -> HTTPResponse {
    var refusal = core.refuse(
      .unauthorized, 401, "unauthorized", message, "Send the header Authorization: Bearer and the token.")
    refusal.headers.append(("www-authenticate", "Bearer"))
    return refusal
  }

  /// Where nobody shows credentials, a page of a foreign site in the user's browser could post as well as the user.
  private func crossOriginProblem() -> HTTPResponse? {
    guard let origin = header("origin"), let host = header("host") else { return nil }
    let authority = origin.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first ?? ""
    if authority.lowercased() == host.lowercased() { return nil }
    return core.refuse(
      .forbidden, 403, "cross_origin", "pages of another site may not write here",
      "Protect the server with a token, and send it.")
  }

  private func headerProblem() -> HTTPResponse? {
    let transfer = header("transfer-encoding")
    // Where two of these disagree, a proxy before us may have taken another end of the request than we do.
    if headers.filter({ $0.name == "transfer-encoding" || $0.name == "content-length" }).count > 1 {
      return core.refuse(
        .badRequest, 400, "ambiguous_length", "the length of the body is given more than once",
        "Send one Content-Length, or Transfer-Encoding: chunked.")
    }
    if let transfer, transfer.lowercased() != "chunked" {
      return core.refuse(
        .encoding, 501, "transfer_encoding", "only chunked is understood as Transfer-Encoding", "Use Content-Encoding.")
    }
    if let expected = header("expect"), expected.lowercased() != "100-continue" {
      return core.refuse(.expectation, 417, "expectation", "only 100-continue can be expected", "Leave Expect out.")
    }
    if announcesBody, let encoding = header("content-encoding"), !isGzip(encoding), encoding != "identity" {
      return core.refuse(
        .encoding, 415, "content_encoding", "this Content-Encoding is not understood", "Use gzip, or none.")
    }
    if let length = header("content-length"), Int(length).map({ $0 > policy.bodyBytesMax }) ?? true {
      return core.refuse(
        .bodyTooLarge, 413, "body_too_large",
        policy.bodyBytesMax == 0
          ? "this route takes no body" : "a body of \(length) bytes is more than \(policy.bodyBytesMax)",
        policy.bodyBytesMax == 0 ? "Leave the body out." : "Send it in several requests.")
    }
    return nil
  }

  func isGzip(_ encoding: String) -> Bool { ["gzip", "x-gzip"].contains(encoding.lowercased()) }

  /// The client takes gzip: it names it, or everything, and does not rule it out with a weight of zero.
  var acceptsGzip: Bool {
    for (name, value) in headers where name == "accept-encoding" {
      for part in value.lowercased().split(separator: ",") {
        let fields = part.split(separator: ";").map { $0.filter { $0 != " " && $0 != "\t" } }
        guard let coding = fields.first, ["gzip", "x-gzip", "*"].contains(coding) else { continue }
        let weight = fields.dropFirst().first { $0.hasPrefix("q=") }
        if weight.map({ $0.dropFirst(2).contains { $0 != "0" && $0 != "." } }) ?? true { return true }
      }
    }
    return false
  }
}
