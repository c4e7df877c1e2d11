public import EventModel

/// What can be read of a segment file, whatever its state.
public struct SegmentInspection: Sendable {
  /// How it stands with one block.
  public struct Block: Sendable {
    public enum State: Sendable, Equatable {
      case readable
      /// It was found, and does not pass its checks, for this reason.
      case damaged(String)
      /// The segment should have it, and no row of it was found.
      case missing
    }

    /// 1 for the first block.
    public var number: Int
    public var state: State
    /// Bytes in the file; 0 where unknown.
    public var storedBytes = 0
    /// Events in it, as it says itself or as the segment says of it; nil where neither can be read.
    public var eventCount: Int?
    public var firstOrdinal: Int64?
    public var lastOrdinal: Int64?
    public var firstCreated: Timestamp?
    public var lastCreated: Timestamp?
    /// Traces with events in it; nil unless it is readable.
    public var traceCount: Int?
  }

  /// How it stands with one table.
  public struct Table: Sendable {
    public var name: String
    /// As the manifest says; nil where that cannot be read.
    public var expectedRows: Int?
    /// Rows that were found and pass their checksum.
    public var readableRows = 0
  }

  public var path: String
  public var fileBytes: Int
  /// As the file's header says; nil where that cannot be read.
  public var expectedBytes: Int?
  public var pageBytes: Int
  /// The oldest program that may read the file, and the one that wrote it; nil if the header is not that of a segment.
  public var readVersion: Int?
  public var writeVersion: Int?
  /// Names and values of `meta`, as they are shown.
  public var meta: [(name: String, value: String)] = []
  public var tables: [Table] = []
  /// By number.
  public var blocks: [Block] = []
  /// Rows that belong to no table, or fail their checksum.
  public var unreadableRowCount = 0
  public var problems: [SegmentProblem] = []

  public var readableBlockCount: Int { blocks.count { $0.state == .readable } }
  /// Events in readable blocks.
  public var readableEventCount: Int {
    blocks.reduce(0) { $0 + ($1.state == .readable ? $1.eventCount ?? 0 : 0) }
  }
  public var isSound: Bool { problems.isEmpty }
}
