import EventModel
import EventSource
import Glibc
import Platform
import SegmentStore
import TraceStore

/// How long an append takes while the sealer is at work on the other core, and while it is not.
///
/// Three runs over the same lines, each into a store of its own: paced without sealing; paced with a seal every 100,000
/// events; and as fast as it goes, where the sealer falls behind and `append` waits for it.
enum SealLatency {
  static let batchCount = 1_000
  static let sealEventCount = 100_000

  static func run(lines: String, directory: String, eventsPerSecond: Int) throws {
    let rows = [
      try measure("without sealing", lines, directory + "/quiet", .max, eventsPerSecond),
      try measure("sealing", lines, directory + "/sealing", sealEventCount, eventsPerSecond),
      try measure("as fast as it goes", lines, directory + "/flood", sealEventCount, nil),
    ]
    print("[\(rows.joined(separator: ","))]")
  }

  private static func measure(
    _ name: String, _ lines: String, _ directory: String, _ sealEventCount: Int, _ eventsPerSecond: Int?
  ) throws -> String {
    var options = StoreOptions()
    options.sealEventCount = sealEventCount
    let store = try SegmentStore.open(directory: directory, options: options)
    let reader = try EventFileReader(path: lines)
    let clock = Lock()
    var all: [Double] = []
    var sealing: [Double] = []
    let start = Instant.now
    var count = 0
    while let batch = try reader.next() {
      if let eventsPerSecond {
        let due = start.advanced(bySeconds: Double(count) / Double(eventsPerSecond))
        while Instant.now < due { clock.withLock { _ = clock.wait(until: due) } }
      }
      let isSealing = (store.counters.segmentsByState["hot"] ?? 0) > 1
      let begin = Instant.now
      _ = try store.append([
        SourceBatch(source: "default", events: batch.events, identity: .eventID, durability: .process)
      ])
      let micros = Instant.now.seconds(since: begin) * 1e6
      all.append(micros)
      if isSealing { sealing.append(micros) }
      count += batch.events.count
    }
    let seconds = Instant.now.seconds(since: start)
    let counters = store.counters
    store.close()
    return
      "{\"run\":\"\(name)\",\"events\":\(count),\"perSecond\":\(Int(Double(count) / seconds)),\"all\":\(shown(all))"
      + ",\"whileSealing\":\(shown(sealing)),\"seals\":\(counters.seals.count)"
      + ",\"waits\":\(counters.sealWaits.count),\"waitSeconds\":\(Double(counters.sealWaits.sumNanoseconds) / 1e9)}"
  }

  private static func shown(_ micros: [Double]) -> String {
    let sorted = micros.sorted()
    guard let last = sorted.last else { return "null" }
    func at(_ share: Double) -> Int { Int(sorted[Int(Double(sorted.count - 1) * share)]) }
    return
      "{\"batches\":\(sorted.count),\"p50Micros\":\(at(0.5)),\"p99Micros\":\(at(0.99)),\"maxMicros\":\(Int(last))}"
  }
}
