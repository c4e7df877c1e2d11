import EventModel
public import EventSource
public import TraceStore

/// Bounds and times of a pipeline.
public struct IngestLimits: Sendable {
  /// Batches, and bytes of them, that wait for the writer; whoever brings more waits.
  public var queueBatchesMax = 256
  public var queueBytesMax = 64 << 20
  /// What one transaction takes at most.
  public var groupBatchesMax = 64
  public var groupBytesMax = 8 << 20
  /// How long a sender waits for room in the queue before it is told that there is none.
  public var pushWaitSeconds = 20.0
  /// Between two ticks of the clock thread.
  public var tickSeconds = 1.0
  /// Between two looks at retention and at what is due to be sealed.
  public var maintenanceSeconds = 10.0
  /// Batches of an import that are read ahead of the writer.
  public var importAheadMax = 4
  public var tailSubscribersMax = 64
  /// First and longest pause before a source is tried again.
  public var retrySecondsMin = 0.2
  public var retrySecondsMax = 15.0

  public init() {}
}

/// Why an input was not (wholly) taken.
public enum IngestError: Error, CustomStringConvertible {
  /// The input cannot be read (further): a content type that is not ours, damaged compression.
  case unreadable(EventReadError)
  /// The store refuses: nothing of what was not acknowledged counts as stored. `.diskFull` is a 507.
  case store(StoreError)
  /// The queue stayed full; the sender should come again later.
  case overloaded

  public var description: String {
    switch self {
    case .unreadable(let error): error.description
    case .store(let error): error.description
    case .overloaded: "too many events are waiting to be stored (send them again in a few seconds)"
    }
  }
}

/// One stored batch.
struct AppendedBatch: Sendable {
  var outcome: AppendOutcome
  var arrival: Timestamp
}

/// How far an import is.
public struct ImportProgress: Sendable {
  public var counts: IngestCounts
  /// Bytes of the file as it lies there (packed, if it is packed).
  public var bytesRead: Int
  /// Nil for a pipe.
  public var bytesTotal: Int?
}

/// What became of an import. With a failure, the counts say what was stored before it.
public struct ImportResult: Sendable {
  public var counts: IngestCounts
  public var failure: IngestError?
  public var wasCancelled = false
}

/// How the pipeline stands, for `/readyz`.
public struct IngestStatus: Sendable {
  /// The store takes events.
  public var isAcknowledging: Bool
  /// Why it does not.
  public var problem: StoreError?
  public var queuedBatches: Int
  public var isStopped: Bool
  public var sources: [SourceStatus]

  /// Why the pipeline is not ready; empty if it is.
  public var notReadyReasons: [String] {
    if isStopped { return ["stopping"] }
    guard !isAcknowledging else { return [] }
    return ["not storing events: " + (problem?.description ?? "the store refuses them")]
  }
}
