import EventModel
import EventSource
import Glibc
import Platform
import SegmentStore
import TraceStore

/// `append LINES DIRECTORY [COUNTMAX]`: reads events into batches of 1,000, and then times storing them alone, their
/// index in memory, and opening the store again. CPU, user and system, of the whole process; nothing is sealed or merged.
enum AppendBenchmark {
  static func run(file: String, directory: String, countMax: Int) throws {
    let batches = try read(file, countMax)
    let count = batches.reduce(0) { $0 + $1.events.count }
    let rawBytes = batches.reduce(0) { $0 + $1.events.bytes.count }
    var options = StoreOptions()
    options.sealEventCount = .max
    options.sealRawBytes = .max
    options.mergeFactor = 0
    var store = try SegmentStore.open(directory: directory, options: options)
    let before = store.lastOrdinal
    var times: [Double] = []
    let appended = try measure {
      for batch in batches {
        let start = Instant.now
        _ = try store.append([batch])
        times.append(Instant.now.seconds(since: start) * 1e6)
      }
    }
    times.sort()
    let counters = store.counters
    let index = Double(counters.hotIndexBytes) / Double(max(counters.hotEventCount, 1))
    store.close()
    let opened = try measure { store = try SegmentStore.open(directory: directory, options: options) }
    precondition(store.lastOrdinal == before + Int64(count), "events are missing")
    store.close()
    print(
      """
      {"events":\(count),"rawBytesPerEvent":\(rawBytes / count),"cpuMicros":\(rounded(appended / Double(count) * 1e6)),\
      "perSecond":\(Int(Double(count) / appended)),"p50Micros":\(rounded(times[times.count / 2])),\
      "p99Micros":\(rounded(times[times.count * 99 / 100])),"maxMicros":\(rounded(times[times.count - 1])),\
      "indexBytesPerEvent":\(rounded(index)),"hotEvents":\(counters.hotEventCount),"openCPUSeconds":\(rounded(opened))}
      """)
  }

  private static func read(_ file: String, _ countMax: Int) throws -> [SourceBatch] {
    let limits = BatchLimits(eventCountMax: 1000, bytesMax: 64 << 20, lineCountMax: .max)
    let reader = try EventFileReader(path: file, limits: limits)
    var batches: [SourceBatch] = []
    var count = 0
    while count < countMax, let read = try reader.next() {
      count += read.events.count
      batches.append(
        SourceBatch(
          source: "default", events: read.events, identity: .eventID, durability: .process,
          checkpoint: SourceCheckpoint(
            source: "default", subStream: "", position: SourcePosition(major: UInt64(read.endOffset)), token: file)))
    }
    precondition(count > 0, "no events in \(file)")
    return batches
  }

  /// CPU seconds of the process while `body` runs.
  private static func measure(_ body: () throws -> Void) rethrows -> Double {
    let start = cpuSeconds()
    try body()
    return cpuSeconds() - start
  }

  private static func cpuSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
  }

  private static func rounded(_ value: Double) -> Double { (value * 1000).rounded() / 1000 }
}
