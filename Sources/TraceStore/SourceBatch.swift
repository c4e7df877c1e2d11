public import EventModel

/// How events of a batch are told apart.
public enum IdentityRule: Sendable {
  /// Source, stream and event id (pushed events, files): the first one wins.
  case eventID
  /// Source and position, per sub-stream: what is not beyond the stored checkpoint was read before.
  case position
}

/// What must survive the loss of power before `append` returns.
public enum BatchDurability: Sendable {
  /// Nothing beyond what SQLite's WAL gives a process that is killed: the source can be read again.
  case process
  /// Everything: the sender is told that it is durable.
  case synced
}

/// Events of one source, and the source's place after them.
public struct SourceBatch: Sendable {
  public var source: String
  public var events: EventBatch
  public var identity: IdentityRule
  public var durability: BatchDurability
  /// Stored in the same transaction as the events; nil for sources without a place (pushed events).
  public var checkpoint: SourceCheckpoint?

  public init(
    source: String, events: EventBatch, identity: IdentityRule, durability: BatchDurability,
    checkpoint: SourceCheckpoint? = nil
  ) {
    self.source = source
    self.events = events
    self.identity = identity
    self.durability = durability
    self.checkpoint = checkpoint
  }
}
