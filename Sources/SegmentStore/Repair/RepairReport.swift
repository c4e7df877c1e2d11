public import EventModel

/// What `SegmentStore.repair` found and did, or would do.
public struct RepairReport: Sendable {
  /// Events that the store had and has no more.
  public struct Missing: Sendable, Hashable {
    /// What one source lost.
    public struct Source: Sendable, Hashable {
      public var name: String
      /// Nil: not known, or more than what can still be read of the damaged file.
      public var eventCount: Int?
      /// Lowest and highest position of its events in the file, as far as known.
      public var firstPosition: SourcePosition
      public var lastPosition: SourcePosition
    }

    /// The file that held them.
    public var file: String
    public var reason: String
    public var firstOrdinal: Int64
    /// Nil: to the end of what was stored.
    public var lastOrdinal: Int64?
    /// Nil: not known.
    public var eventCount: Int?
    public var sources: [Source] = []
  }

  public var isDryRun = false
  public var missing: [Missing] = []
  /// Files that were moved (or copied) to `DIR/damaged/`.
  public var movedFiles: [String] = []
  /// Segments that had been set aside and are whole.
  public var restoredSegments: [String] = []
  /// The catalog could not be read, and was made from the files.
  public var catalogWasRebuilt = false
  /// What a rebuilt catalog does not know any more.
  public var catalogLosses: [String] = []
  public var segmentCount = 0
  public var hotFileCount = 0

  /// Nothing was wrong.
  public var isClean: Bool {
    missing.isEmpty && movedFiles.isEmpty && restoredSegments.isEmpty && !catalogWasRebuilt
  }
}
