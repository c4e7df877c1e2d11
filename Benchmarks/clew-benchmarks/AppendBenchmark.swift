import EventModel
import EventSource
import Glibc
import Platform
import SegmentStore
import TraceStore

/// `append FILE [BATCH] [EVENTS]`: reads events into batches, and then times storing them alone, their index in memory,
/// and opening the store again. CPU seconds, user and system, of the whole process; nothing is sealed.
enum AppendBenchmark {
  static func run(file: String, batch: Int, eventCount: Int) throws {
    let batches = try read(file, batch, eventCount)
    let count = batches.reduce(0) { $0 + $1.events.count }
    let rawBytes = batches.reduce(0) { $0 + $1.events.bytes.count }
    let directory = try Files.makeTemporaryDirectory(prefix: "clew-append-")
    defer { try? removeAll(directory) }
    var options = StoreOptions()
    options.sealEventCount = .max
    options.sealRawBytes = .max
    var store = try SegmentStore.open(directory: directory, options: options)
    var times: [Double] = []
    let appended = try measure {
      for batch in batches {
        let start = Instant.now
        _ = try store.append([batch])
        times.append(Instant.now.seconds(since: start) * 1e6)
      }
    }
    times.sort()
    let index = store.counters.hotIndexBytes
    store.close()
    let reopened = try measure { store = try SegmentStore.open(directory: directory, options: options) }
    precondition(store.lastOrdinal == Int64(count), "events are missing")
    store.close()
    print(
      """
      {"events":\(count),"rawBytesPerEvent":\(rawBytes / count),"batch":\(batch),\
      "appendMicrosPerEvent":\(rounded(appended / Double(count) * 1e6)),\
      "batchP50Micros":\(rounded(times[times.count / 2])),"batchP99Micros":\(rounded(times[times.count * 99 / 100])),\
      "indexBytesPerEvent":\(rounded(Double(index) / Double(count))),"openSeconds":\(rounded(reopened))}
      """)
  }

  private static func read(_ file: String, _ batch: Int, _ eventCount: Int) throws -> [SourceBatch] {
    let limits = BatchLimits(eventCountMax: batch, bytesMax: 64 << 20, lineCountMax: .max)
    let reader = try EventFileReader(path: file, limits: limits)
    var batches: [SourceBatch] = []
    var count = 0
    while count < eventCount, let read = try reader.next() {
      count += read.events.count
      batches.append(
        SourceBatch(
          source: "default", events: read.events, identity: .eventID, durability: .process,
          checkpoint: SourceCheckpoint(
            source: "default", subStream: "", position: SourcePosition(major: UInt64(read.endOffset)), token: file)))
    }
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

  private static func removeAll(_ directory: String) throws {
    for name in try Files.list(directory) { try Files.remove("\(directory)/\(name)") }
    rmdir(directory)
  }
}
