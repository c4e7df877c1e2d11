import Glibc
import Platform
import SegmentStore

/// `merge DIRECTORY`: merges segments until nothing is left to be merged. CPU, user and system, of the whole process.
enum MergeBenchmark {
  static func run(directory: String) throws {
    let store = try SegmentStore.open(directory: directory)
    let start = Instant.now
    let cpu = cpuSeconds()
    try store.mergeNow()
    let used = cpuSeconds() - cpu
    let seconds = Instant.now.seconds(since: start)
    let counters = store.counters
    let moved = max(1, counters.eventsMerged)
    print(
      """
      {"merges":\(counters.merges.count),"eventsMoved":\(counters.eventsMerged),\
      "cpuMicros":\((used / Double(moved) * 1e8).rounded() / 100),"seconds":\((seconds * 100).rounded() / 100),\
      "segments":\(counters.segmentsByState["live"] ?? 0),"failures":\(counters.mergeFailureCount)}
      """)
    store.close()
  }

  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
