import Platform
import TraceStore

extension SegmentStore {
  /// Loads what look-ups need of the newest segments until that takes half of `segmentCacheBytes`, where the options want
  /// it and the segments are others than the last time: whoever asks a segment first would wait some 10 ms for its
  /// dictionaries, and so would all that wait for a turn behind. On the sealer's thread.
  func preload() {
    guard options.preloadsSegments else { return }
    let segments = lock.withLock { state.segments }
    let names = segments.map(\.name)
    if preloadedNames.withLock({ $0 == names }) { return }
    preloadedNames.withLock { $0 = names }
    var loaded: [SegmentResources] = []
    var heldBytes = 0
    var readBytes = 0
    for segment in segments.reversed() where !segment.isDamaged && segment.reader.hasHeads {
      if sealer.isStopping || heldBytes >= options.segmentCacheBytes / 2 { break }
      let resources = segment.reader.resources
      let before = resources.memoryBytes
      // What was there already stays as old as its last use.
      if resources.hasTools {
        heldBytes += before
        continue
      }
      // What cannot be read is told to whoever asks for it; trying it counts all the same.
      guard (try? resources.tools()) != nil else {
        heldBytes += Self.failedBytes
        continue
      }
      let after = resources.memoryBytes
      heldBytes += after
      loaded.append(resources)
      readBytes += max(0, after - before)
    }
    // Of these the newest are the last ones to be let go.
    for resources in loaded.reversed() { resources.touch() }
    // What reading them needed beside what is kept.
    if readBytes > Self.bytesWorthTrimming { ProcessMemory.returnUnused() }
  }

  private static let failedBytes = 1 << 20
  private static let bytesWorthTrimming = 4 << 20
}
