import HTTPServer
import Ingest
import TraceStore

/// One request that is being answered, until the last reference goes: a streamed answer keeps it.
final class RunningQuery: Sendable {
  private let metrics: QueryMetrics
  private let reader: any TraceReader
  private let route: String

  init(_ metrics: QueryMetrics, reader: any TraceReader, route: String) {
    self.metrics = metrics
    self.reader = reader
    self.route = route
    metrics.begin(route)
  }

  /// Runs `body`, and counts the bytes that are read meanwhile.
  func counting<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    let before = reader.bytesReadByThisThread
    defer { metrics.scanned(route, bytes: reader.bytesReadByThisThread &- before) }
    return try body()
  }

  deinit { metrics.ended(route) }
}

/// A body in pieces that keeps its request counted as running.
final class CountedChunks: ChunkSource {
  private let base: any ChunkSource
  private let running: RunningQuery

  init(_ base: any ChunkSource, _ running: RunningQuery) {
    self.base = base
    self.running = running
  }

  func next() -> [UInt8]? { running.counting { base.next() } }
  func cancel() { base.cancel() }
  var failed: Bool { base.failed }
}
