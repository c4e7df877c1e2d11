/// How a client connects, whom it trusts, and what it endures. Holds secrets: never print it.
public struct HTTPClientOptions: Sendable {
  /// PEM file of certificate authorities; nil: the system's.
  public var caFile: String?
  /// PEM files to show to a server that demands a client certificate.
  public var clientCertificateFile: String?
  public var clientKeyFile: String?
  /// False: any certificate will do (`--insecure`).
  public var verifiesServer: Bool
  /// Sent as `Authorization: Bearer`, never shown in errors, never sent to another host.
  public var bearerToken: String?
  public var connectSeconds: Double
  /// For a whole request; streams have none.
  public var requestSeconds: Double
  /// A larger answer ends with `.responseTooLarge`.
  public var responseBytesMax: Int

  public init(
    caFile: String? = nil, clientCertificateFile: String? = nil, clientKeyFile: String? = nil,
    verifiesServer: Bool = true, bearerToken: String? = nil, connectSeconds: Double = 5, requestSeconds: Double = 60,
    responseBytesMax: Int = 1 << 30
  ) {
    self.caFile = caFile
    self.clientCertificateFile = clientCertificateFile
    self.clientKeyFile = clientKeyFile
    self.verifiesServer = verifiesServer
    self.bearerToken = bearerToken
    self.connectSeconds = connectSeconds
    self.requestSeconds = requestSeconds
    self.responseBytesMax = responseBytesMax
  }
}

/// An answer, whatever its status.
public struct HTTPClientResponse: Sendable {
  public var status: Int
  /// Names in lower case, in the order of arrival.
  public var headers: [(name: String, value: String)]
  public var body: [UInt8]

  public init(status: Int, headers: [(name: String, value: String)] = [], body: [UInt8] = []) {
    self.status = status
    self.headers = headers
    self.body = body
  }

  /// The first header of this (lower-case) name.
  public func header(_ name: String) -> String? { headers.first { $0.name == name }?.value }

  /// The body as text; invalid UTF-8 is repaired.
  public var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no answer. `message` says what happened with which address, `hint` what to do; never a secret.
public struct HTTPClientError: Error, CustomStringConvertible, Equatable, Sendable {
  public enum Code: Sendable {
    case badURL, couldNotResolve, refused, tls, timeout, responseTooLarge, interrupted, system
  }

  public var code: Code
  public var message: String
  public var hint: String

  public init(_ code: Code, _ message: String, hint: String) {
    self.code = code
    self.message = message
    self.hint = hint
  }

  public var description: String { "\(message). \(hint)" }
}
