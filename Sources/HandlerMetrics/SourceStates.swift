extension MetricsRecorder {
  /// Why a subscription had to be established again.
  public enum ReconnectReason: String, Sendable, CaseIterable {
    case dropped, timeout, auth
    case notLeader = "not_leader"
    case serverClosed = "server_closed"
    case error
  }

  /// Makes a source known, with zeros for all its counters.
  public func addSource(_ source: String) { _ = sourceIndex(source) }

  public func setGauges(_ gauges: SourceGauges, source: String) { sources.gauges[sourceIndex(source)] = gauges }

  public func countReconnect(_ reason: ReconnectReason, source: String) {
    let kind: SourceTables.Reconnect =
      switch reason {
      case .dropped: .dropped
      case .timeout: .timeout
      case .auth: .auth
      case .notLeader: .notLeader
      case .serverClosed: .serverClosed
      case .error: .error
      }
    sources.reconnects[sourceIndex(source), kind] += 1
  }
}
