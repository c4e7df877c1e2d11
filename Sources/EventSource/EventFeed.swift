public import EventModel

/// Events of a source that are to be stored together, and the place behind them.
public struct FeedBatch: Sendable {
  /// Refusals that are told one by one; further ones are only counted.
  public static let refusalsMax = 100

  public var events = EventBatch()
  /// Stored in one transaction with the events; nil where nothing moved.
  public var checkpoint: SourceCheckpoint?
  /// Of events that cannot be taken; each reason names its position.
  public var refusals: [Refusal] = []
  public var refused = 0
  /// Pointers to events, which are not stored.
  public var links = 0
  /// What readers of the store wrote into it of their progress since the batch before: the last word of each.
  public var readers: [ReaderProgress] = []
  /// When it was handed over, everything the source had was read.
  public var isCaughtUp = false

  public init() {}
}

/// What the taker of a batch wants next.
public enum FeedAnswer: Sendable {
  case goOn
  /// The store is slow: give up connections, return from `read`, and begin again at the place of this batch later.
  case release
  /// The end: return from `read`.
  case stop
}

/// Takes what a feed reads.
public protocol FeedSink: AnyObject {
  /// Takes responsibility for a batch, whatever it answers. May wait: that is the back-pressure.
  func take(_ batch: FeedBatch) -> FeedAnswer
  /// Nothing new at the moment; called at least once a second, where nothing comes.
  func idle() -> FeedAnswer
  /// The feed is connected; it reads history, or what happens now.
  func connected(isCaughtUp: Bool)
}

/// How far a source has got, learned without the subscription.
public struct FeedHead: Equatable, Sendable {
  /// The last place of the log; nil for an empty one.
  public var position: SourcePosition?
  public enum Rest: Equatable, Sendable {
    /// It cannot be told at the moment.
    case unknown
    /// Nothing that the source wants lies behind the place that was asked for.
    case nothing
    /// Something does; when the first of it was created.
    case since(Timestamp)
  }
  public var rest = Rest.unknown

  public init(position: SourcePosition? = nil, rest: Rest = .unknown) {
    self.position = position
    self.rest = rest
  }
}

/// What a server says of those who read it.
public struct ReaderReport: Equatable, Sendable {
  public var readers: [ReaderProgress] = []
  /// Why some may be missing; nil: these are all.
  public var problem: String?

  public init() {}
}

/// Why a feed cannot be read at the moment. It is tried again, for ever: what is wrong may be put right elsewhere.
public struct FeedProblem: Error, Equatable, Sendable, CustomStringConvertible {
  public enum Reason: String, Sendable {
    /// The server ended the subscription, because it could not wait for us.
    case dropped
    case timeout
    /// Who we are, or what we may do.
    case auth
    case notLeader = "not_leader"
    /// The connection ended or could not be made.
    case serverClosed = "server_closed"
    case error
    /// The log is not the one that was read before: reading on would lose or mix events. Somebody has to decide.
    case refused
  }

  public var reason: Reason
  public var message: String
  public var hint: String

  public init(_ reason: Reason, _ message: String, hint: String) {
    self.reason = reason
    self.message = message
    self.hint = hint
  }

  public var description: String { hint.isEmpty ? message : "\(message) (\(hint))" }
}

/// A log that is followed: one adapter for each kind of event store.
///
/// One thread reads, another one may ask for the head meanwhile; `interrupt` and `cancel` may be called by any.
public protocol EventFeed: AnyObject, Sendable {
  /// Scheme and hosts, for people; never credentials.
  var location: String { get }
  /// Connects, and hands over batches until the sink does not want more, or a problem comes up. Events come in the
  /// order of their positions, those behind the checkpoint only.
  ///
  /// - Parameter checkpoint: the place behind the last batch that was taken; nil: the start.
  func read(from checkpoint: SourceCheckpoint?, into sink: any FeedSink) throws(FeedProblem)
  /// Asks for the head of the log, and for what lies behind `place`, on a connection of its own.
  func head(after place: SourcePosition?) throws(FeedProblem) -> FeedHead
  /// Asks who else reads the log, and how far those are, on a connection of its own. Costs some seconds at most.
  func readers() -> ReaderReport
  /// Ends the connection of `read`, which throws then and can begin again.
  func interrupt()
  /// Ends everything; nothing can be read any more.
  func cancel()
}

extension EventFeed {
  /// None, where a kind of server knows of none.
  public func readers() -> ReaderReport { ReaderReport() }
}
