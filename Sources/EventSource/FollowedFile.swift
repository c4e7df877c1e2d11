public import EventModel
public import Platform

/// A file that is read as it grows: from a checkpoint on, over rotations and truncations.
///
/// One thread calls `nextBatch`; `cancel` may come from any.
public final class FollowedFile: @unchecked Sendable {
  /// What was noticed on the way.
  public struct Counters: Hashable, Sendable {
    /// The path became another file.
    public var rotations = 0
    /// The file became shorter than what was read of it.
    public var truncations = 0
  }

  public struct Batch: Sendable {
    public var read: ReadBatch
    /// The source's place after this batch, to be stored with it.
    public var checkpoint: SourceCheckpoint
  }

  public let path: String

  /// - Parameter checkpoint: the last stored place; nil starts at the beginning. One of another path counts as nil.
  public init(
    path: String, source: String, checkpoint: SourceCheckpoint? = nil, rules: ReadingRules = ReadingRules(),
    clock: any WallClock = SystemClock(), limits: BatchLimits = BatchLimits()
  ) {
    self.path = path
  }

  /// The next events; nil at the deadline, or after `cancel`, if there were none. A file that is not there (yet) is
  /// waited for.
  public func nextBatch(until deadline: Instant) throws(EventReadError) -> Batch? { nil }

  /// Lets a waiting `nextBatch` return soon.
  public func cancel() {}

  public var counters: Counters { Counters() }

  /// Everything there is was read at the last look.
  public var isCaughtUp: Bool { false }

  /// Bytes of the file at the last look; nil while it is not there.
  public var headOffset: Int? { nil }
}
