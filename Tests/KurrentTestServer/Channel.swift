import CGnuTLS
import Glibc

/// The bytes of a connection: plain, or through TLS.
final class Channel {
  enum Result { case count(Int), again, ended }

  let socket: Int32
  private var session: gnutls_session_t?
  private var isHandshaking = false
  /// GnuTLS wants the same bytes again after it could not send.
  private var pending: Int?

  init(socket: Int32, tls: TLSFiles?) {
    self.socket = socket
    guard let tls else { return }
    gnutls_init(&session, UInt32(GNUTLS_SERVER.rawValue | GNUTLS_NONBLOCK.rawValue))
    gnutls_set_default_priority(session)
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, UnsafeMutableRawPointer(tls.credentials))
    if tls.demandsClient {
      gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE)
      gnutls_session_set_verify_cert(session, nil, 0)
    }
    var name: [UInt8] = Array("h2".utf8)
    name.withUnsafeMutableBufferPointer { bytes in
      var protocols = gnutls_datum_t(data: bytes.baseAddress, size: 2)
      _ = gnutls_alpn_set_protocols(session, &protocols, 1, 0)
    }
    gnutls_transport_set_int2(session, socket, socket)
    isHandshaking = true
  }

  /// Ends without a word to the other side but what the kernel says.
  func close() {
    if let session { gnutls_deinit(session) }
    session = nil
    Glibc.close(socket)
  }

  var needsToWrite: Bool { isHandshaking && gnutls_record_get_direction(session) == 1 }

  private func shakeHands() -> Result? {
    if !isHandshaking { return nil }
    let code = gnutls_handshake(session)
    if code == 0 {
      isHandshaking = false
      return nil
    }
    return code == GNUTLS_E_AGAIN || code == GNUTLS_E_INTERRUPTED ? .again : .ended
  }

  func receive(_ room: UnsafeMutableRawBufferPointer) -> Result {
    if let problem = shakeHands() { return problem }
    if let session {
      let count = gnutls_record_recv(session, room.baseAddress, room.count)
      if count > 0 { return .count(count) }
      return count == Int(GNUTLS_E_AGAIN) || count == Int(GNUTLS_E_INTERRUPTED) ? .again : .ended
    }
    let count = recv(socket, room.baseAddress, room.count, 0)
    if count > 0 { return .count(count) }
    return count < 0 && (errno == EAGAIN || errno == EINTR) ? .again : .ended
  }

  func send(_ bytes: UnsafeRawBufferPointer) -> Result {
    if let problem = shakeHands() { return problem }
    if let session {
      let length = pending ?? min(bytes.count, 16384)
      let count = gnutls_record_send(session, bytes.baseAddress, length)
      pending = count == Int(GNUTLS_E_AGAIN) || count == Int(GNUTLS_E_INTERRUPTED) ? length : nil
      if count >= 0 { return .count(count) }
      return pending != nil ? .again : .ended
    }
    let count = Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL))
    if count >= 0 { return .count(count) }
    return errno == EAGAIN || errno == EINTR ? .again : .ended
  }
}

/// Certificate and key of the server, and the authority of its clients.
final class TLSFiles {
  fileprivate var credentials: gnutls_certificate_credentials_t?
  let demandsClient: Bool

  struct Unusable: Error, CustomStringConvertible { var description: String }

  init(certificate: String, key: String, clientAuthority: String?) throws {
    demandsClient = clientAuthority != nil
    gnutls_certificate_allocate_credentials(&credentials)
    let code = gnutls_certificate_set_x509_key_file(credentials, certificate, key, GNUTLS_X509_FMT_PEM)
    guard code == 0 else { throw Unusable(description: "certificate \(certificate) with key \(key): \(code)") }
    if let clientAuthority {
      guard gnutls_certificate_set_x509_trust_file(credentials, clientAuthority, GNUTLS_X509_FMT_PEM) > 0 else {
        throw Unusable(description: "authority \(clientAuthority)")
      }
    }
  }
}
