/// One gRPC call: what is asked, of whom, and for how long.
public struct GRPCRequest: Sendable {
  /// `http://host:port` or `https://host:port`.
  public var server: String
  /// `/package.Service/Method`.
  public var path: String
  /// Added to what gRPC itself demands; names in lower case. Values may be secrets: they are never shown.
  public var metadata: [(name: String, value: String)] = []
  /// The first message of the request, without its prefix; the only one, unless it keeps sending.
  public var message: [UInt8]
  /// More messages follow, by `GRPCCall.send`; this side of the call stays open until `GRPCCall.finishSending`.
  public var keepsSending = false
  /// After so long without the end of the call it ends with `.timeout`; nil: never.
  public var deadlineSeconds: Double?
  /// A longer message ends the call before it is collected. Official clients of event stores take 17 MiB.
  public var messageBytesMax = 17 << 20
  /// Whether the server may compress messages with gzip; see `GRPCMessage.isCompressed`.
  public var acceptsGzip = false
  /// Seconds of silence on the connection after which the system asks the other side whether it still exists; 0: never.
  public var keepAliveSeconds = 10
  /// Seconds without an answer to that, or to anything that was sent, after which the connection is given up; 0: as the
  /// system does.
  public var keepAliveTimeoutSeconds = 10

  public init(server: String, path: String, message: [UInt8]) {
    self.server = server
    self.path = path
    self.message = message
  }
}

/// How a call ended, by the server's word.
public struct GRPCStatus: Sendable, Equatable, CustomStringConvertible {
  /// 0 is success; the others are those of the gRPC specification.
  public var code: Int
  /// Decoded; may be empty.
  public var message: String
  /// Headers and trailers that the server sent with the status, names in lower case.
  public var trailers: [String: String] = [:]

  public init(code: Int, message: String = "", trailers: [String: String] = [:]) {
    self.code = code
    self.message = message
    self.trailers = trailers
  }

  public static let cancelled = 1
  public static let unknown = 2
  public static let invalidArgument = 3
  public static let deadlineExceeded = 4
  public static let notFound = 5
  public static let permissionDenied = 7
  public static let resourceExhausted = 8
  public static let aborted = 10
  public static let unimplemented = 12
  public static let `internal` = 13
  public static let unavailable = 14
  public static let unauthenticated = 16

  private static let names = [
    "OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
    "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
    "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
  ]

  public var name: String { Self.names.indices.contains(code) ? Self.names[code] : "status \(code)" }
  public var description: String { message.isEmpty ? name : "\(name): \(message)" }

  /// The status that a missing `grpc-status` means, by the HTTP status (gRPC, "HTTP to gRPC Status Code Mapping").
  static func code(ofHTTP status: Int) -> Int {
    switch status {
    case 400: `internal`
    case 401: unauthenticated
    case 403: permissionDenied
    case 404: unimplemented
    case 429, 502, 503, 504: unavailable
    default: unknown
    }
  }

  /// `grpc-message` is percent-encoded UTF-8; what is not stays as it is.
  static func decoded(_ text: String) -> String {
    let bytes = Array(text.utf8)
    func digit(_ place: Int) -> UInt8? {
      guard place < bytes.count else { return nil }
      switch bytes[place] {
      case 0x30...0x39: return bytes[place] - 0x30
      case 0x41...0x46: return bytes[place] - 0x37
      case 0x61...0x66: return bytes[place] - 0x57
      default: return nil
      }
    }
    var result: [UInt8] = []
    var place = 0
    while place < bytes.count {
      if bytes[place] == 0x25, let high = digit(place + 1), let low = digit(place + 2) {
        result.append(high << 4 | low)
        place += 3
      } else {
        result.append(bytes[place])
        place += 1
      }
    }
    return String(decoding: result, as: UTF8.self)
  }
}

/// One message of an answer; the bytes are valid during the call that gets it.
@safe public struct GRPCMessage {
  // `@safe`: reading `bytes` is what is unsafe, and is marked where it is done.
  public var bytes: UnsafeRawBufferPointer
  /// Gzip, if the request accepted it.
  public var isCompressed: Bool

  @unsafe public init(bytes: UnsafeRawBufferPointer, isCompressed: Bool) {
    unsafe self.bytes = unsafe bytes
    self.isCompressed = isCompressed
  }
}
