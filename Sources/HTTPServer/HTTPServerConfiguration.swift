/// Where and how a server listens, who may use it, and what it endures.
public struct HTTPServerConfiguration: Sendable {
  /// An IPv4 or IPv6 address, or a name; `0.0.0.0`, `::` and `*` mean every interface.
  public var host: String
  /// 0 lets the system choose; `HTTPServer.start` returns the choice.
  public var port: Int
  /// Nil: plain HTTP.
  public var tls: TLSFiles?
  /// Allows reading. Once a token or a client CA is configured, nothing that demands rights is open any more.
  public var readToken: AccessToken?
  /// Allows writing and reading.
  public var writeToken: AccessToken?
  /// What a client certificate signed by `tls.clientCAFile` allows.
  public var clientCertificateRights: AccessRights
  /// Listens beyond loopback although everybody who reaches the port may then read and write.
  public var allowUnprotected: Bool
  public var limits: HTTPServerLimits

  public init(
    host: String = "127.0.0.1", port: Int = 9797, tls: TLSFiles? = nil, readToken: AccessToken? = nil,
    writeToken: AccessToken? = nil, clientCertificateRights: AccessRights = .write, allowUnprotected: Bool = false,
    limits: HTTPServerLimits = HTTPServerLimits()
  ) {
    self.host = host
    self.port = port
    self.tls = tls
    self.readToken = readToken
    self.writeToken = writeToken
    self.clientCertificateRights = clientCertificateRights
    self.allowUnprotected = allowUnprotected
    self.limits = limits
  }
}

/// PEM files; they are read again when they change, and no request is refused meanwhile.
public struct TLSFiles: Sendable, Equatable {
  /// The server's certificate, followed by those between it and the root.
  public var certificateFile: String
  public var keyFile: String
  /// Given: every request that demands rights needs a certificate signed by one of these, whatever tokens say.
  public var clientCAFile: String?

  public init(certificateFile: String, keyFile: String, clientCAFile: String? = nil) {
    self.certificateFile = certificateFile
    self.keyFile = keyFile
    self.clientCAFile = clientCAFile
  }
}

/// A bearer token: given, or the content of a file (white space around it removed) that is read again when it changes.
public enum AccessToken: Sendable, Equatable {
  case value(String)
  case file(String)
}

/// Everything a client could make grow or last, with its bound.
public struct HTTPServerLimits: Sendable {
  /// Above so many open connections only essential routes are answered; others get 503.
  public var connectionsWorkingMax = 512
  /// Above so many, new connections are closed at once; from nine tenths on, each new one first ends the one whose
  /// request has been incomplete for longest. Every connection is a thread and a file descriptor.
  public var connectionsMax = 2048
  /// Memory of a connection: request line, headers, and the buffers of both directions. More headers give 431.
  public var connectionMemoryBytes = 64 * 1024
  /// From the first byte of a connection, or the request line of a later request, to the last header. For the body,
  /// one second more for each `bodyBytesPerSecondMin` received.
  public var requestSeconds = 15.0
  public var bodyBytesPerSecondMin = 32 * 1024
  /// How long a connection may wait for its next request.
  public var keepAliveSeconds = 120.0
  /// A client that takes nothing of an answer for so long is cut off.
  public var writeStallSeconds = 30.0
  /// Request bodies in memory over all connections, before and after unpacking; beyond: 503 with `Retry-After`.
  public var bodyBytesInFlightMax = 256 * 1024 * 1024
  /// After refusing a request before its body was read, what the client still sends is read and thrown away for so
  /// long and so far, so that it can read the answer.
  public var lingerSeconds = 2.0
  public var lingerBytesMax = 64 * 1024 * 1024
  /// How often token and certificate files are looked at.
  public var fileCheckSeconds = 1.0
  /// Answers are compressed from this size on, where the client accepts it and the handler allows it.
  public var compressBytesMin = 1024
  /// Answers above this size are sent as they are: compressing holds a second copy.
  public var compressBytesMax = 32 * 1024 * 1024

  public init() {}
}

/// Why a server does not start. `message` says what and where, `hint` what to do.
public struct HTTPServerError: Error, CustomStringConvertible, Equatable, Sendable {
  public enum Code: Sendable {
    case addressInUse, notPermitted, badAddress, unprotected, badToken, badCertificate, system
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
