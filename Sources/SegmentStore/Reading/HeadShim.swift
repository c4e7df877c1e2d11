import TraceStore

struct SegmentSketchShim {
  var childLabel: UInt32; var causeLabel: UInt32; var failureCount: Int; var latencies: LatencySketch
}
extension SegmentReader {
  var hasHeads: Bool { false }
  func sketches() throws(StoreError) -> [SegmentSketchShim] { [] }
  func failureCounts() throws(StoreError) -> [(label: UInt32, count: Int)] { [] }
}
