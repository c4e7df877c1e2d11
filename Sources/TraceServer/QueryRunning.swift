import HTTPServer
import Ingest

/// One request that is being answered, until the last reference goes: a streamed answer keeps it.
final class RunningQuery: Sendable {
  private let metrics: QueryMetrics
  private let route: String

  init(_ metrics: QueryMetrics, route: String) {
    self.metrics = metrics
    self.route = route
    metrics.begin(route)
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

  func next() -> [UInt8]? { base.next() }
  func cancel() { base.cancel() }
  var failed: Bool { base.failed }
}
