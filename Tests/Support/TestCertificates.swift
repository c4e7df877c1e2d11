import Platform

/// Certificates made by GnuTLS's `certtool`: an authority, what it signed, and another authority nobody trusts.
public struct TestCertificates: Sendable {
  public let directory: TemporaryDirectory

  /// - Throws: naming the package, if the tool is missing.
  public init() throws {
    directory = try TemporaryDirectory("http-tls")
    guard Self.certtool != nil else {
      throw TestSupportError("certtool is missing: install the Debian package gnutls-bin")
    }
    try makeAuthority("ca")
    try makeAuthority("other-ca")
    try makeCertificate("server", by: "ca", "ip_address = 127.0.0.1\ndns_name = localhost\ntls_www_server")
    try makeCertificate("client", by: "ca", "tls_www_client")
    try makeCertificate("foreign-client", by: "other-ca", "tls_www_client")
  }

  private static let certtool = ["/usr/bin/certtool", "/usr/local/bin/certtool"].first { Files.exists($0) }

  public func file(_ name: String) -> String { directory.file(name) }

  private func run(_ arguments: [String]) throws {
    let result = try ChildProcess.run(Self.certtool ?? "certtool", arguments, seconds: 30)
    guard result.exitCode == 0 else { throw TestSupportError("certtool failed: \(result.errorText)") }
  }

  public func makeAuthority(_ name: String) throws {
    try directory.write("\(name).template", "cn = \"Test \(name)\"\nca\ncert_signing_key\nexpiration_days = 2\n")
    try run(["--generate-privkey", "--key-type", "ecdsa", "--outfile", file("\(name)-key.pem")])
    try run([
      "--generate-self-signed", "--load-privkey", file("\(name)-key.pem"), "--template", file("\(name).template"),
      "--outfile", file("\(name).pem"),
    ])
  }

  public func makeCertificate(_ name: String, by authority: String, _ lines: String) throws {
    try directory.write(
      "\(name).template", "cn = \"\(name)\"\nsigning_key\nexpiration_days = 2\n\(lines)\n")
    try run(["--generate-privkey", "--key-type", "ecdsa", "--outfile", file("\(name)-key.pem")])
    try run([
      "--generate-certificate", "--load-privkey", file("\(name)-key.pem"), "--load-ca-certificate",
      file("\(authority).pem"), "--load-ca-privkey", file("\(authority)-key.pem"), "--template",
      file("\(name).template"), "--outfile", file("\(name).pem"),
    ])
  }
}
