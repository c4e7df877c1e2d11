public import EventModel
import HandlerMetrics
import Platform

/// How a source stands, for `/api/v1/sources` and `/readyz`.
public struct SourceStatus: Sendable, Equatable {
  public enum Kind: String, Sendable {
    /// Events come by POST.
    case push
    /// A file that is read as it grows.
    case file
    /// A file or pipe that is read once, to its end.
    case input
    /// An event store that is followed.
    case eventStore = "event_store"
  }

  public enum State: String, Sendable {
    case starting
    /// Everything there is was read.
    case live
    case catchingUp = "catching_up"
    /// Something is wrong with the source; it is tried again.
    case retrying
    /// Its log is not the one that was read before; somebody has to decide. It is tried again all the same.
    case refused
    /// The store does not take events; they stay where they are.
    case waitingForStore = "waiting_for_store"
    case stopped
  }

  public var name: String
  public var kind: Kind
  public var state: State
  /// What is wrong, if something is.
  public var problem: String?
  /// Path of a file, or scheme and hosts of an event store; nil for pushed events.
  public var location: String?
  public var accepted = 0
  public var duplicate = 0
  public var conflict = 0
  public var refused = 0
  public var retries = 0
  /// The last stored place, as its source writes it.
  public var position: SourcePosition?
  /// The end of the source as last seen.
  public var headPosition: Int64?
  /// When the end was last seen, where it is asked for beside the reading.
  public var headObservedAt: Timestamp?
  /// Age in nanoseconds of the oldest event that is there and not stored; 0 if there is none, nil while it is unknown.
  public var lag: Int64?
  /// Who else reads the event store, and how far those are.
  public var readers: [ReaderProgress] = []
  /// So many more are known of; their list is bounded.
  public var readersOmitted = 0
  /// Why readers may be missing, or what is said of them old.
  public var readersProblem: String?
  /// When something was last read.
  public var lastReadAt: Timestamp?

  public init(name: String, kind: Kind, state: State, location: String? = nil) {
    self.name = name
    self.kind = kind
    self.state = state
    self.location = location
  }
}

/// The states of all sources, and their gauges in the metrics.
final class SourceRegistry: Sendable {
  /// Pushed events may name any source: beyond this many, new ones are not listed (they are stored all the same).
  static let statusesMax = 1000

  private let statuses = Locked<[String: SourceStatus]>([:])
  private let metrics: ClewMetrics?

  init(metrics: ClewMetrics?) { self.metrics = metrics }

  /// By name.
  var all: [SourceStatus] { statuses.withLock { $0.values.sorted { $0.name < $1.name } } }

  subscript(name: String) -> SourceStatus? { statuses.withLock { $0[name] } }

  /// Changes a status, or makes it from `initial`.
  func update(_ initial: @autoclosure () -> SourceStatus, _ name: String, _ change: (inout SourceStatus) -> Void) {
    let status = statuses.withLock { all -> SourceStatus? in
      guard var status = all[name] ?? (all.count < Self.statusesMax ? initial() : nil) else { return nil }
      change(&status)
      all[name] = status
      return status
    }
    guard let status else { return }
    if status.kind == .file { setGauges(status) }
    if status.kind == .eventStore { setStoreGauges(status) }
  }

  /// The lag is what the question for the head says, and no conclusion from silence: without an answer there is none.
  private func setStoreGauges(_ status: SourceStatus) {
    var gauges = SourceGauges()
    gauges.connected = status.state == .live || status.state == .catchingUp
    gauges.catchingUp = status.state == .catchingUp
    gauges.headPosition = status.headPosition
    gauges.headObservedNanoseconds = status.headObservedAt?.nanoseconds
    gauges.lagNanoseconds = status.lag
    if status.lag == 0 { gauges.lagEvents = 0 }
    metrics?.setGauges(gauges, source: status.name)
  }

  private func setGauges(_ status: SourceStatus) {
    var gauges = SourceGauges()
    gauges.connected = status.state == .live || status.state == .catchingUp
    gauges.catchingUp = status.state == .catchingUp
    gauges.headPosition = status.headPosition
    if status.headPosition != nil { gauges.headObservedNanoseconds = status.lastReadAt?.nanoseconds }
    // A file does not say how many events are behind an offset; at the end of it the answer is known.
    if status.state == .live {
      gauges.lagEvents = 0
      gauges.lagNanoseconds = 0
    }
    metrics?.setGauges(gauges, source: status.name)
  }
}
