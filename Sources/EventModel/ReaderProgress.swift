/// How far somebody who reads an event store has got, by the word of the server or by a checkpoint of its own.
///
/// Lag is computed from these places and Clew's own index; what a server says of lag is not to be relied on.
public struct ReaderProgress: Equatable, Sendable {
  public enum Kind: String, Sendable, CaseIterable {
    case persistentSubscription = "persistent_subscription"
    case projection
    /// A consumer that keeps its checkpoint in a stream of the store.
    case consumer
  }

  /// A place in what is read.
  public enum Place: Equatable, Sendable {
    /// Nothing was processed yet.
    case start
    /// In the log of the whole store: everything up to and with this position.
    case log(SourcePosition)
    /// In single streams: the revision of the last processed event of each; -1: none of it.
    case streams([StreamPlace])
  }

  public struct StreamPlace: Equatable, Sendable {
    public var stream: String
    public var revision: Int64

    public init(stream: String, revision: Int64) {
      self.stream = stream
      self.revision = revision
    }
  }

  public enum Condition: String, Sendable, CaseIterable {
    case running, stopped, faulted
    /// The server's words mean neither.
    case other
  }

  public var kind: Kind
  /// Of a projection its name, of a group its name, of a consumer the id of its subscription.
  public var name: String
  /// What a group reads: a stream, or `$all`; nil where it is not said.
  public var reads: String?
  /// The last durable place: after a restart it goes on behind it. Nil: not known.
  public var checkpoint: Place?
  /// The last place that was processed or handed out, which is ahead of the checkpoint; nil: not known.
  public var processed: Place?
  public var condition: Condition
  /// The server's own words for the condition, and the reason of a fault.
  public var conditionText: String
  public var reason: String
  /// Messages that were set aside after too many attempts; nil where that does not exist or is not said.
  public var parked: Int64?
  public var inFlight: Int64?
  public var connections: Int?

  /// What tells the readers of one store apart.
  public struct Key: Hashable, Sendable {
    public var kind: Kind
    public var name: String
    public var reads: String?
  }

  public var key: Key { Key(kind: kind, name: name, reads: reads) }

  public init(kind: Kind, name: String) {
    self.kind = kind
    self.name = name
    condition = .other
    conditionText = ""
    reason = ""
  }
}
