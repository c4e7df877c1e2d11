public import EventModel
import TraceStore

/// What a sealed segment holds, in one glance; read from its `meta` table.
public struct SegmentDescriptor: Hashable, Sendable {
  /// File name without directory.
  public var name: String
  public var firstOrdinal: Int64
  public var lastOrdinal: Int64
  /// Events, reports not counted.
  public var eventCount: Int
  public var reportCount: Int
  /// Distinct traces in this segment; a trace may go on in other segments.
  public var traceCount: Int
  public var firstCreated: Timestamp
  public var lastCreated: Timestamp
  /// When the first and the last of these events were stored.
  public var firstStored: Timestamp
  public var lastStored: Timestamp
  /// Bytes of all frames.
  public var rawBytes: Int
  /// Size of the file.
  public var fileBytes: Int
}

/// One edge, in the segment of the end that was stored later.
struct SegmentEdge: Hashable, Sendable {
  var childLabel: UInt32
  var causeLabel: UInt32
  var childCreated: Timestamp
  /// Created of the child minus created of the cause, nanoseconds; may be negative.
  var latency: Int64
  var childFailure: FailureKind
  var childOrdinal: Int64
  var causeOrdinal: Int64
}

/// A failed event of this segment, with or without an edge.
struct SegmentFailure: Hashable, Sendable {
  var label: UInt32
  var created: Timestamp
}

/// A child of this segment whose cause was not stored when the segment was sealed.
struct UnresolvedChild: Hashable, Sendable {
  var cause: Identifier
  /// Nil where it is in a trace, and not its own cause: nobody asks for it then.
  var childID: Identifier?
  var ordinal: Int64
  var created: Timestamp
  var label: UInt32
  var trace: Identifier?
  var failure: FailureKind
  var sourceIndex: UInt32
}

/// An event of this segment that was in no trace when the segment was sealed, and may still get into one.
struct UncorrelatedEvent: Hashable, Sendable {
  var ordinal: Int64
  var id: Identifier
  var cause: Identifier?
  var sourceIndex: UInt32
  var label: UInt32
  var created: Timestamp
  var failure: FailureKind
}

/// What the store knows beside the frames, written when a segment is finished.
struct SegmentExtras: Sendable {
  /// The labels that `edges`, `failures`, `unresolved` and `uncorrelated` name, by number.
  var labels: [(index: UInt32, labels: EventLabels)] = []
  /// In any order.
  var edges: [SegmentEdge] = []
  var failures: [SegmentFailure] = []
  var unresolved: [UnresolvedChild] = []
  /// Ordinals of children in earlier segments whose cause arrived with this one.
  var healed: [Int64] = []
  var uncorrelated: [UncorrelatedEvent] = []
  /// Names of the sources that frames and rows of this segment name by number.
  var sources: [(index: UInt32, name: String)] = []
  var firstStored = Timestamp(nanoseconds: 0)
  var lastStored = Timestamp(nanoseconds: 0)

  init() {}
}

/// A count in four bytes. What a damaged file says beyond them becomes `UInt32.max`, which no count of a block can be.
@propertyWrapper struct ShortCount: Hashable, Sendable {
  private var stored: UInt32

  init(wrappedValue: Int) { stored = UInt32(clamping: wrappedValue) }

  var wrappedValue: Int {
    get { Int(stored) }
    set { stored = UInt32(clamping: newValue) }
  }
}

/// What is known of a block without reading it. All blocks of all segments are in memory: 88 bytes each.
struct BlockZone: Hashable, Sendable {
  var firstOrdinal = Int64.max
  var lastOrdinal = Int64.min
  var firstCreated = Timestamp.distantFuture
  var lastCreated = Timestamp.distantPast
  /// Bounds of the first event times of the traces that start in this block; `traceCount` 0: no trace starts here.
  var firstTraceCreated = Timestamp.distantFuture
  var lastTraceCreated = Timestamp.distantPast
  /// Where head and data are on their tapes; 0 in a segment of format 1.
  var headStart = 0
  var dataStart = 0
  /// 1 for the first block of a segment.
  @ShortCount private(set) var number: Int
  @ShortCount var eventCount = 0
  /// Traces that start in this block.
  @ShortCount var traceCount = 0
  /// Bytes of the frames.
  @ShortCount var rawBytes = 0
  @ShortCount var headBytes = 0
  @ShortCount var dataBytes = 0

  /// The most that a count can be.
  static let countMax = Int(UInt32.max) - 1

  /// A block without events.
  init(emptyNumber number: Int) { self.number = number }
}

/// Latencies of the edges between one kind of effect and one type of cause in one segment.
struct SegmentSketch: Hashable, Sendable {
  var childLabel: UInt32
  /// A label with the type of the causes; its other names mean nothing.
  var causeLabel: UInt32
  /// Edges whose child failed.
  var failureCount: Int
  /// Count, negative ones, least, most, and buckets.
  var latencies: LatencySketch
}

/// A failed event that does not count: a later event of its id in its trace.
struct UncountedFailure: Hashable, Sendable {
  var ordinal: Int64
}

/// The part of a trace that one segment holds.
struct SegmentTrace: Hashable, Sendable {
  var correlation: Identifier
  /// Smallest and largest `created` of its events in this segment, in whatever block.
  var firstCreated: Timestamp
  var lastCreated: Timestamp
  var eventCount: Int
  /// Where its first and its last event are.
  var firstBlock: Int
  var lastBlock: Int
}

/// Something wrong with a segment file.
public struct SegmentProblem: Hashable, Sendable, CustomStringConvertible {
  public enum Kind: String, Sendable {
    /// The file cannot be opened as a segment at all.
    case file
    /// A row is missing, or its checksum does not match.
    case row
    case block
    case index
    case filter
    /// Rows and the manifest, or two tables, contradict each other.
    case count
    case order
  }

  public var kind: Kind
  /// Which table and row, which block.
  public var place: String
  public var message: String

  public init(_ kind: Kind, _ place: String, _ message: String) {
    self.kind = kind
    self.place = place
    self.message = message
  }

  public var description: String { "\(place): \(message)" }
}
