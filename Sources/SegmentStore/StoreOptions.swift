public import EventModel
public import Platform
public import TraceStore

/// How a store is opened, and its limits.
public struct StoreOptions: Sendable {
  public enum Mode: Sendable {
    /// The one writer of the directory; creates it if it is missing.
    case readWrite
    /// Beside a running writer, or on a directory that nobody has open. Never changes a file of ours.
    case readOnly
  }

  /// What must survive the loss of power before `append` returns.
  public enum Durability: String, Sendable, CaseIterable {
    /// As each batch asks: what a sender is told is durable is synced, what a source can give again is not.
    case auto
    /// Nothing beyond the end of the process; `sync` still syncs.
    case process
    /// Everything.
    case power
  }

  public var mode: Mode = .readWrite
  public var durability: Durability = .auto
  /// A hot file is sealed when it holds so many events: more costs memory (about 60 bytes each) and time to start, fewer
  /// cost space on disk.
  public var sealEventCount = 500_000
  /// A hot file is sealed when its frames have so many bytes, however few they are.
  public var sealRawBytes = 1 << 30
  /// A hot file is sealed when its first event was stored so long ago, even if it is small. Looked at on every
  /// `append` and `applyRetention`.
  public var sealAfter: Duration = .seconds(3600)
  /// Full hot files that may wait to be sealed, each with its index in memory; while there are so many and the next one
  /// is full, `append` waits for the sealer.
  public var sealBacklogMax = 2
  /// Bytes of events that are in memory while a hot file is sealed, read before their trace's turn has come; further
  /// ones wait in a temporary file.
  var sealWindowBytes = 24 << 20
  /// Inflated blocks of sealed segments that are kept for the next reader.
  public var blockCacheBytes = 4 << 20
  /// Open connections to sealed segments, of all of them together.
  public var segmentConnectionsMax = 64
  /// Dictionaries and page caches of sealed segments that are kept for the next reader, of all of them together.
  public var segmentCacheBytes = 48 << 20
  /// Whether the dictionaries of the newest segments are read before somebody waits for them, until they take half of
  /// `segmentCacheBytes`: for servers.
  public var preloadsSegments = false
  /// Raw chunks of hot files that are kept for the next reader.
  public var hotCacheBytes = 8 << 20
  public var retention = RetentionPolicy()
  /// Neighbouring segments become one when there are so many of a size; below 2: never.
  public var mergeFactor = 8
  /// How often what sealing made may grow by that factor: 1 ends at 8 times `sealEventCount`.
  public var mergeLevelMax = 1
  /// While more segments than this can still be merged, sealing lets merging go on, and `append` waits longer.
  var mergeBacklogMax = 64
  /// Children that wait for a cause which is not stored (yet); more are counted and not healed. At most 16,777,214.
  public var unresolvedMax = 1_000_000
  /// Changes of events of finished files that are noted beside these: traces, edges and failures together. More are
  /// counted, and the events stay as their files say.
  var lateMax = 1_000_000
  /// Events of finished files that are noted because they wait for a cause otherwise than these say; more are counted.
  var reworkedMax = 1_000_000
  /// Distinct combinations of source, service, handler and event type; more share the label `_overflow`.
  public var labelsMax = 262_144
  public var labelBytesMax = 64 << 20
  /// The files, and the SQLite VFS over them: replaced by a simulated disk in tests.
  public var fileSystem: any FileSystem = RealFileSystem()
  /// For tests: called at each named step of sealing, publishing and deleting; what it throws ends the step as a
  /// crash would, leaving all files as they are.
  public var failurePoint: (@Sendable (String) throws(StoreError) -> Void)?

  public init() {}
}

/// What is deleted when: whole segments, the oldest first; of single sources when their segment is written anew.
public struct RetentionPolicy: Sendable, Equatable {
  /// Segments whose youngest event was stored longer ago go; nil: never.
  public var age: Duration?
  /// Of sources, by name, instead of `age`. A segment goes when all its events are too old; else it loses those of a
  /// source when it is merged, or when they are more than half of it.
  public var sourceAges: [String: Duration] = [:]
  /// While segments and hot files hold more, the oldest segment goes; nil: never.
  public var totalBytes: Int?
  /// While the volume has less free space, the oldest segment goes; 0: never.
  public var freeDiskBytes = 512 << 20

  public init(age: Duration? = nil, totalBytes: Int? = nil, freeDiskBytes: Int = 512 << 20) {
    self.age = age
    self.totalBytes = totalBytes
    self.freeDiskBytes = freeDiskBytes
  }

  var isEmpty: Bool { age == nil && sourceAges.isEmpty && totalBytes == nil && freeDiskBytes == 0 }
}

/// The figures behind the store metrics, as values; counted since the store was opened.
public struct SegmentStoreCounters: Sendable {
  /// How often an operation took how long.
  public struct Durations: Sendable {
    /// Not cumulative: up to 0.5, 1, 5, 10, 50, 100, 500 ms, 1, 5, 10 s, and above.
    public var bucketCounts = [UInt64](repeating: 0, count: 11)
    public var sumNanoseconds: Int64 = 0

    public init() {}

    public var count: UInt64 { bucketCounts.reduce(0, +) }
  }

  /// Segments by state: `hot`, `live`, `quarantined`.
  public var segmentsByState: [String: Int] = [:]
  /// Bytes of files by kind: `hot`, `segments`, `catalog`, `other`.
  public var bytesByKind: [String: Int] = [:]
  /// Bytes of frames that were appended.
  public var rawBytesAppended = 0
  /// Bytes of frames that were sealed, and of the files they were sealed into.
  public var rawBytesSealed = 0
  public var bytesSealed = 0
  public var eventsSealed = 0
  public var seals = Durations()
  public var sealFailureCount = 0
  /// How often, and for how long, `append` waited because the sealer was behind.
  public var sealWaits = Durations()
  /// Segments that became one: how often, and the bytes of files that were read and written.
  public var merges = Durations()
  public var mergedBytesRead = 0
  public var mergedBytesWritten = 0
  public var eventsMerged = 0
  /// Connections to sealed segments, what they and loaded dictionaries hold, and how often some were let go.
  public var segmentConnectionCount = 0
  public var segmentCacheBytes = 0
  public var segmentReleaseCount = 0
  public var mergeFailureCount = 0
  /// Transactions that were synced to disk, with everything that is written in them.
  public var syncs = Durations()
  public var transactionCount = 0
  /// Failed writes by operation: `append`, `sync`, `seal`, `merge`, `delete`.
  public var writeErrorsByOperation: [String: Int] = [:]
  public var segmentsDropped = 0
  public var eventsDropped = 0
  public var volumeAvailableBytes: Int?
  public var volumeCapacityBytes: Int?
  public var oldestEvent: Timestamp?
  public var hotEventCount = 0
  public var hotIndexBytes = 0
  public var unresolvedCount = 0
  public var unresolvedDropped = 0
  public var labelCount = 0
  public var labelOverflowCount = 0
  /// Changes of sealed events that are noted beside their segments, by kind: `trace`, `edge`, `failure`, `waiting`.
  public var lateChangesByKind: [String: Int] = [:]
  /// Of the same kinds: what was not noted because the bounds were reached.
  public var lateRefusalsByKind: [String: Int] = [:]

  public init() {}
}
