import EventModel
import EventSource
import HTTPClient
import Platform
import WireFormats

/// Makes calls to one event store: where, as whom, and what its answers mean for people.
struct ServerCalls: Sendable {
  let address: KurrentDBAddress

  /// Ends calls that run, from any thread.
  let running = RunningCalls()

  init(_ address: KurrentDBAddress) { self.address = address }

  var options: HTTPClientOptions {
    HTTPClientOptions(
      caFile: address.caFile, clientCertificateFile: address.certificateFile, clientKeyFile: address.keyFile,
      verifiesServer: address.verifiesServer, connectSeconds: min(5, address.deadlineSeconds))
  }

  func request(_ path: String, _ message: [UInt8], _ host: KurrentDBAddress.Host) -> GRPCRequest {
    var request = GRPCRequest(
      server: (address.usesTLS ? "https://" : "http://") + host.text, path: path, message: message)
    request.metadata = [("connection-name", address.connectionName)]
    if let user = address.user {
      let secret = Base64.encode(Array("\(user):\(address.password ?? "")".utf8))
      request.metadata.append(("authorization", "Basic " + String(decoding: secret, as: UTF8.self)))
    }
    request.acceptsGzip = address.acceptsGzip
    // One interval of silence, then the answer must come within the time-out.
    request.keepAliveSeconds = Int(address.keepAliveIntervalSeconds.rounded(.up))
    request.keepAliveTimeoutSeconds = Int(address.keepAliveTimeoutSeconds.rounded(.up))
    return request
  }

  /// A call with few answers.
  func collect(
    _ path: String, _ message: [UInt8], _ host: KurrentDBAddress.Host, seconds: Double, fromLeader: Bool = false
  ) throws(FeedProblem) -> (messages: [[UInt8]], status: GRPCStatus) {
    var request = request(path, message, host)
    request.deadlineSeconds = seconds
    if fromLeader { request.metadata.append(("requires-leader", "true")) }
    do throws(HTTPClientError) {
      let call = try GRPCCall(request, options: options)
      guard running.add(call) else { throw HTTPClientError(.interrupted, "the source is stopping", hint: "") }
      defer { running.remove(call) }
      var messages: [[UInt8]] = []
      let deadline = Instant.now.advanced(bySeconds: seconds + 1)
      var unreadable = false
      while true {
        let progress = try call.receive(until: deadline) { message in
          if let plain = Unpacked.bytes(message) { messages.append(plain) } else { unreadable = true }
        }
        if unreadable {
          throw HTTPClientError(.interrupted, "\(host.text) sent a message that cannot be unpacked", hint: "")
        }
        if case .ended(let status) = progress { return (messages, status) }
        if Instant.now >= deadline {
          throw HTTPClientError(.timeout, "no answer from \(host.text)", hint: "Is it ready, and not overloaded?")
        }
      }
    } catch {
      throw problem(error, host)
    }
  }

  // MARK: What went wrong

  func problem(_ error: HTTPClientError, _ host: KurrentDBAddress.Host) -> FeedProblem {
    switch error.code {
    case .timeout: return FeedProblem(.timeout, error.message, hint: error.hint)
    case .couldNotResolve, .refused: return FeedProblem(.serverClosed, error.message, hint: error.hint)
    case .interrupted, .system:
      if address.usesTLS { return FeedProblem(.serverClosed, error.message, hint: error.hint) }
      return FeedProblem(
        .serverClosed, error.message, hint: "If the server demands TLS, leave tls=false out. " + error.hint)
    case .tls:
      let isTrust = error.message.contains("not trusted")
      return FeedProblem(
        .auth, error.message,
        hint: isTrust
          ? "name the file of its certificate authority: tlsCaFile=/path/ca.crt"
          : "does the server speak TLS here? without TLS it is tls=false")
    case .badURL, .responseTooLarge: return FeedProblem(.error, error.message, hint: error.hint)
    }
  }

  /// What a status other than success means.
  func problem(_ status: GRPCStatus, _ host: KurrentDBAddress.Host) -> FeedProblem {
    let said = "\(host.text) says \(status)"
    switch status.code {
    case GRPCStatus.unauthenticated:
      return FeedProblem(.auth, said, hint: "the user or the password is wrong")
    case GRPCStatus.permissionDenied:
      return FeedProblem(
        .auth, said,
        hint: "this user may not read $all: let an administrator grant it ($r in the metadata of $all), or name a user")
    case GRPCStatus.notFound where status.trailers["exception"] == "not-leader":
      return FeedProblem(.notLeader, said, hint: "going on with the leader")
    case GRPCStatus.aborted: return FeedProblem(.dropped, said, hint: "")
    case GRPCStatus.unavailable, GRPCStatus.cancelled:
      return FeedProblem(.serverClosed, said, hint: "it is starting, stopping or busy")
    case GRPCStatus.deadlineExceeded: return FeedProblem(.timeout, said, hint: "")
    case 0: return FeedProblem(.serverClosed, "\(host.text) ended the subscription", hint: "")
    case GRPCStatus.unimplemented:
      return FeedProblem(.error, said, hint: "is this an EventStoreDB from 21.10 on, or a KurrentDB?")
    default:
      if Self.saysBadPosition(status) {
        return FeedProblem(
          .refused, "\(said): the place that was read last is no record of this log",
          hint: "another database? give the source a new name (name=…) to read this one from its start")
      }
      return FeedProblem(.error, said, hint: "see the server's log; is the filter's pattern a .NET regular expression?")
    }
  }

  static func saysBadPosition(_ status: GRPCStatus) -> Bool {
    status.message.contains("invalid position") || status.message.hasPrefix("Unexpected ReadAllResult")
  }

  /// Where the leader is, if the status says so.
  static func leader(_ status: GRPCStatus) -> KurrentDBAddress.Host? {
    guard status.trailers["exception"] == "not-leader", let name = status.trailers["leader-endpoint-host"],
      let port = status.trailers["leader-endpoint-port"].flatMap(Int.init), (1...65535).contains(port), !name.isEmpty
    else { return nil }
    return KurrentDBAddress.Host(name: name, port: port)
  }
}

/// The calls of one source that run at the moment.
final class RunningCalls: Sendable {
  private struct State {
    var isClosed = false
    var calls: [GRPCCall] = []
  }

  private let state = Locked(State())

  /// False: the source is stopping, and no call may begin.
  func add(_ call: GRPCCall) -> Bool {
    state.withLock { state in
      if !state.isClosed { state.calls.append(call) }
      return !state.isClosed
    }
  }

  func remove(_ call: GRPCCall) { state.withLock { state in state.calls.removeAll { $0 === call } } }

  var isClosed: Bool { state.withLock { $0.isClosed } }

  func close() {
    let calls = state.withLock { state in
      state.isClosed = true
      return state.calls
    }
    for call in calls { call.cancel() }
  }
}
