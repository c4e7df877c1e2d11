import CGnuTLS
import Platform

/// The content of the TLS files, checked: the key belongs to the certificate, the client CA holds certificates.
struct TLSMaterial: Sendable {
  private static let bytesMax = 4 * 1024 * 1024

  let certificate: [UInt8]
  let key: [UInt8]
  let clientCA: [UInt8]?

  /// Whether the files changed is told by this.
  static func fingerprint(_ files: TLSFiles) -> [FileStatus?] {
    [files.certificateFile, files.keyFile, files.clientCAFile].map { path in path.flatMap { try? Files.status($0) } }
  }

  init(_ files: TLSFiles) throws(HTTPServerError) {
    certificate = try Self.read(files.certificateFile, "certificate")
    key = try Self.read(files.keyFile, "key")
    clientCA = try files.clientCAFile.map { (path) throws(HTTPServerError) in try Self.read(path, "client CA") }
    var which: Int32 = 0
    let code = Self.check(certificate, key, clientCA, &which)
    if code == 0 { return }
    let reason = unsafe String(cString: gnutls_strerror(code))
    if which == 2 {
      throw HTTPServerError(
        .badCertificate, "the client CA file \(files.clientCAFile ?? "") is not usable: \(reason)",
        hint: "It must hold at least one CA certificate in PEM form.")
    }
    throw HTTPServerError(
      .badCertificate,
      "the certificate \(files.certificateFile) and the key \(files.keyFile) are not usable: \(reason)",
      hint: "Both must be in PEM form and belong together; the key must not be encrypted.")
  }

  private static func read(_ path: String, _ what: String) throws(HTTPServerError) -> [UInt8] {
    do {
      return try Files.read(path, bytesMax: bytesMax)
    } catch {
      throw HTTPServerError(
        .badCertificate, "the \(what) file: \(error)", hint: "Give the path of a PEM file that this user can read.")
    }
  }

  private static func check(
    _ certificate: [UInt8], _ key: [UInt8], _ clientCA: [UInt8]?, _ which: inout Int32
  ) -> Int32 {
    unsafe certificate.withUnsafeBytes { certificate in
      unsafe key.withUnsafeBytes { key in
        unsafe (clientCA ?? []).withUnsafeBytes { authority in
          let none = clientCA == nil
          return unsafe clew_tls_check_files(
            certificate.baseAddress, UInt32(certificate.count), key.baseAddress, UInt32(key.count),
            none ? nil : authority.baseAddress, UInt32(authority.count), &which)
        }
      }
    }
  }
}

/// What GnuTLS is asked about a connection.
enum TLSSession {
  enum Peer { case trusted, missing, invalid }

  /// libmicrohttpd only asks for a client certificate; that there is one, and that the CA signed it, is found out here.
  static func peer(_ session: UnsafeMutableRawPointer) -> Peer {
    switch unsafe clew_tls_peer_problem(session) {
    case 0: .trusted
    case 1: .missing
    default: .invalid
    }
  }

  static func send(_ session: UnsafeMutableRawPointer, _ bytes: [UInt8]) {
    _ = unsafe bytes.withUnsafeBytes { unsafe clew_tls_send(session, $0.baseAddress, $0.count) }
  }

  static func end(_ session: UnsafeMutableRawPointer) { unsafe clew_tls_end(session) }

  /// No TLS before 1.2.
  static let priorities = "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"
}
