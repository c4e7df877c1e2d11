import Platform
import SegmentStore
import TraceServer
import TraceStore

/// Opens stores, and turns their errors into words for the command line.
enum StoreFactory {
  static func open(_ directory: String, _ options: StoreOptions, _ log: Log) throws(Failure) -> SegmentStore {
    // Every sealed segment keeps a file open.
    _ = CurrentProcess.raiseOpenFileLimit(to: 16_384)
    do {
      return try SegmentStore.open(directory: directory, options: options, log: log)
    } catch {
      throw Failure(error)
    }
  }
}

extension Failure {
  init(_ error: StoreError) {
    self.init(Printable.escaped(error.message), hint: Printable.escaped(error.hint))
  }
}

extension StoreCounters {
  /// What the concrete store counts, under the names of the metrics.
  init(_ counters: SegmentStoreCounters) {
    self.init()
    for (state, name) in [("hot", "open"), ("live", "sealed"), ("quarantined", "corrupt")] {
      segmentsByState[name] = counters.segmentsByState[state] ?? 0
    }
    for (kind, name) in [("segments", "events"), ("catalog", "index"), ("hot", "journal")] {
      bytesByKind[name] = counters.bytesByKind[kind] ?? 0
    }
    rawBytes = counters.rawBytesSealed
    writtenBytes = counters.bytesSealed
    sealDuration = Durations(counters.seals)
    sealWait = Durations(counters.sealWaits)
    fsyncDuration = Durations(counters.syncs)
    mergeDuration = Durations(counters.merges)
    mergedBytesByDirection = ["read": counters.mergedBytesRead, "written": counters.mergedBytesWritten]
    deletedSegments = counters.segmentsDropped
    deletedEvents = counters.eventsDropped
    segmentConnections = counters.segmentConnectionCount
    segmentCacheBytes = counters.segmentCacheBytes
    segmentReleases = counters.segmentReleaseCount
    lateChangesByKind = counters.lateChangesByKind
    lateRefusalsByKind = counters.lateRefusalsByKind
    let operations = [
      ("append", "append"), ("sync", "fsync"), ("seal", "seal"), ("merge", "merge"), ("delete", "delete"),
    ]
    for (operation, name) in operations {
      writeErrorsByOperation[name] = counters.writeErrorsByOperation[operation] ?? 0
    }
    availableBytes = counters.volumeAvailableBytes
    capacityBytes = counters.volumeCapacityBytes
    oldestEvent = counters.oldestEvent
  }
}

extension StoreCounters.Durations {
  fileprivate init(_ durations: SegmentStoreCounters.Durations) {
    self.init(bucketCounts: durations.bucketCounts, sumNanoseconds: durations.sumNanoseconds)
  }
}
