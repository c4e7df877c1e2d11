import Platform

/// What the server knows of one connection: the library's own time-out is an idle one, which a client that sends a byte
/// a second never meets.
final class ConnectionRecord: @unchecked Sendable {
  // `@unchecked Sendable`: `state` is touched inside `lock` only; `exchange` and `certificate` by the connection's thread
  // only, until that has ended.
  enum Phase: Equatable {
    /// For the request line of the first, or of a later request.
    case waiting(first: Bool)
    /// For the rest of the headers, or the body.
    case reading
    case handling
    case writing
    /// Answered; what the client still sends is thrown away.
    case lingering
    /// Cut off by the watchdog.
    case cut
  }

  private struct State {
    var phase = Phase.waiting(first: true)
    /// When the phase began; for `reading`, when the request began; for `writing`, when it last got on.
    var since = Instant.now
    var bodyBytes = 0
    var acknowledged: UInt64 = 0
    var stream: StreamBody?
    var open = true
  }

  let daemon: Daemon
  let socket: Int32
  /// Touched by the connection's thread only.
  var exchange: Exchange?
  /// As `exchange`: the client certificate is verified once for each connection.
  var certificate: TLSSession.Peer?
  private let lock = Lock()
  private var state = State()

  init(daemon: Daemon, socket: Int32) {
    self.daemon = daemon
    self.socket = socket
  }

  func enter(_ phase: Phase) {
    lock.withLock {
      if state.phase == .cut { return }
      // The time for a request runs from its first line, whatever happens in between.
      if !(state.phase == .reading && phase == .reading) { state.since = .now }
      state.phase = phase
      state.bodyBytes = 0
    }
  }

  func received(bodyBytes: Int) { lock.withLock { state.bodyBytes += bodyBytes } }

  /// The stream that is being sent, so that it can be cancelled from outside.
  func setStream(_ stream: StreamBody?) { lock.withLock { state.stream = stream } }

  var stream: StreamBody? { lock.withLock { state.stream } }

  /// A request is being read, handled or answered.
  var isRunning: Bool {
    lock.withLock { [.reading, .handling, .writing, .lingering].contains(state.phase) }
  }

  /// No request ever began on this connection.
  var neverRequested: Bool { lock.withLock { state.phase == .waiting(first: true) } }

  /// The socket's number may be given to another file from now on.
  func closed() {
    lock.withLock {
      state.open = false
      state.stream = nil
    }
  }

  /// Ends the connection without further ado.
  func abort() {
    lock.withLock {
      if !state.open { return }
      state.phase = .cut
      Sockets.abort(socket)
    }
  }

  /// Since when nothing but the client's words are waited for; nil while the server has something to do.
  var incompleteSince: Instant? {
    lock.withLock {
      switch state.phase {
      case .waiting, .reading: state.open ? state.since : nil
      case .handling, .writing, .lingering, .cut: nil
      }
    }
  }

  /// Ends the connection if it is still incomplete.
  ///
  /// - Returns: whether it was.
  func evict() -> Bool {
    lock.withLock {
      switch state.phase {
      case .waiting, .reading:
        if state.open { cut() }
        return state.open
      case .handling, .writing, .lingering, .cut: return false
      }
    }
  }

  enum Finding {
    case fine, timedOut, idle, stalled
    /// The client of this stream went away.
    case left(StreamBody)
  }

  /// Looks at the connection and cuts it off if it took too long.
  ///
  /// - Parameter timeoutAnswer: is sent before, where a request began and nothing else is being sent.
  func examine(_ allowance: Allowance, timeoutAnswer: [UInt8]) -> Finding {
    lock.withLock {
      guard state.open else { return .fine }
      let age = allowance.now.seconds(since: state.since)
      switch state.phase {
      case .waiting(let first):
        if age <= (first ? allowance.requestSeconds : allowance.keepAliveSeconds) { return .fine }
        cut()
        return first ? .timedOut : .idle
      case .reading:
        let more = Double(state.bodyBytes) / Double(max(allowance.bodyBytesPerSecondMin, 1))
        if age <= allowance.requestSeconds + more { return .fine }
        if !daemon.isTLS { _ = Sockets.sendWhatFits(socket, timeoutAnswer) }
        cut()
        return .timedOut
      case .writing: return examineWriting(allowance, age: age)
      case .handling, .lingering, .cut: return .fine
      }
    }
  }

  private func examineWriting(_ allowance: Allowance, age: Double) -> Finding {
    if let stream = state.stream {
      let peer = Sockets.peer(socket)
      // A client may end its sending side and go on reading; for events that may never come, that is the end.
      if peer == .gone || (peer == .finished && stream.isEventStream) { return .left(stream) }
    }
    guard let progress = Sockets.sendProgress(socket) else { return .fine }
    if progress.waiting == 0 || progress.acknowledged != state.acknowledged {
      state.acknowledged = progress.acknowledged
      state.since = allowance.now
      return .fine
    }
    if age <= allowance.writeStallSeconds { return .fine }
    state.phase = .cut
    Sockets.abort(socket)
    return .stalled
  }

  private func cut() {
    state.phase = .cut
    Sockets.shutDown(socket)
  }
}

/// The times of `HTTPServerLimits` that hold at the moment.
struct Allowance {
  var now: Instant
  var requestSeconds: Double
  var keepAliveSeconds: Double
  var writeStallSeconds: Double
  var bodyBytesPerSecondMin: Int

  /// Above the working limit connections that do nothing are given up sooner, and near the hard one also those whose
  /// request is slow to come.
  init(_ limits: HTTPServerLimits, open: Int, now: Instant) {
    self.now = now
    let crowded = open > limits.connectionsWorkingMax
    let full = open > limits.connectionsMax / 4 * 3
    requestSeconds = full ? min(limits.requestSeconds, max(limits.requestSeconds / 4, 1)) : limits.requestSeconds
    keepAliveSeconds = crowded ? min(limits.keepAliveSeconds, 2) : limits.keepAliveSeconds
    writeStallSeconds = limits.writeStallSeconds
    bodyBytesPerSecondMin = limits.bodyBytesPerSecondMin
  }
}

/// All open connections.
final class ConnectionTable: @unchecked Sendable {
  // `@unchecked Sendable`: both collections are touched inside `lock` only.
  private let lock = Lock()
  private var records: [ObjectIdentifier: ConnectionRecord] = [:]
  private var running = 0

  var count: Int { lock.withLock { records.count } }
  var all: [ConnectionRecord] { lock.withLock { Array(records.values) } }
  var runningCount: Int { lock.withLock { running } }

  func add(_ record: ConnectionRecord) { lock.withLock { records[ObjectIdentifier(record)] = record } }

  func remove(_ record: ConnectionRecord) {
    lock.withLock {
      records[ObjectIdentifier(record)] = nil
      lock.wakeAll()
    }
  }

  func requestBegan() { lock.withLock { running += 1 } }

  func requestEnded() {
    lock.withLock {
      running -= 1
      lock.wakeAll()
    }
  }

  /// Waits for the end of a request or a connection, or the deadline; returns at once if no request is running.
  ///
  /// - Returns: false if no request is running.
  func waitForChange(until deadline: Instant) -> Bool {
    lock.withLock {
      if running == 0 { return false }
      _ = lock.wait(until: deadline)
      return running > 0
    }
  }
}
