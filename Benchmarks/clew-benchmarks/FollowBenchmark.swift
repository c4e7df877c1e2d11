import EventModel
import EventSource
import Glibc
import KurrentDBSource
import Platform
import SegmentStore
import TraceStore

/// Following a KurrentDB, in parts. `follow URL COUNT`: receiving and decoding, nothing is stored; `follow URL COUNT
/// DIRECTORY`: and storing, on the same thread; `decode FRAMES ROUNDS DIRECTORY`: decoding and storing the messages of
/// a file, without a connection. CPU, user and system, of the whole process; nothing is sealed.
enum FollowBenchmark {
  static func follow(url: String, count: Int, directory: String?) throws {
    let store = try directory.map { try SegmentStore.open(directory: $0, options: options) }
    let feed = KurrentDBFeed(try KurrentDBAddress.parse(url))
    let sink = Sink(countMax: count, store: store)
    let start = Instant.now
    let total = try CodecBenchmark.processSeconds { try feed.read(from: nil, into: sink) }
    let seconds = Instant.now.seconds(since: start)
    store?.close()
    print(
      """
      {"events":\(sink.count),"cpuMicros":\(micros(total, sink.count)),"storingMicros":\(micros(sink.storing, sink.count)),\
      "perSecond":\(Int(Double(sink.count) / seconds)),"batches":\(sink.batches)}
      """)
  }

  static func decode(frames: String, rounds: Int, directory: String) throws {
    let bytes = try Files.read(frames, bytesMax: 1 << 30)
    let store = try SegmentStore.open(directory: directory, options: options)
    let sink = Sink(countMax: .max, store: store)
    var decoding = 0.0
    for round in 0..<rounds {
      sink.source = "round-\(round)"
      decoding += try CodecBenchmark.processSeconds {
        try SubscriptionReader.decode(frames: bytes, eventCountMax: 1000, into: sink)
      }
    }
    store.close()
    let count = sink.count
    print(
      """
      {"events":\(count),"decodingMicros":\(micros(decoding - sink.storing, count)),\
      "storingMicros":\(micros(sink.storing, count)),"bytesPerEvent":\(rounds * bytes.count / max(count, 1))}
      """)
  }

  private static var options: StoreOptions {
    var options = StoreOptions()
    options.sealEventCount = .max
    options.sealRawBytes = .max
    return options
  }

  private static func micros(_ seconds: Double, _ count: Int) -> Double {
    (seconds / Double(max(count, 1)) * 1e9).rounded() / 1000
  }

  /// Stores what comes, or only counts it.
  final class Sink: FeedSink {
    var source = "follow"
    private(set) var count = 0
    private(set) var batches = 0
    private(set) var storing = 0.0
    private let countMax: Int
    private let store: SegmentStore?

    init(countMax: Int, store: SegmentStore?) {
      self.countMax = countMax
      self.store = store
    }

    func take(_ batch: FeedBatch) -> FeedAnswer {
      count += batch.events.count
      batches += 1
      if let store {
        var checkpoint = batch.checkpoint
        checkpoint?.source = source
        let made = SourceBatch(
          source: source, events: batch.events, identity: .position, durability: .process, checkpoint: checkpoint)
        storing += (try? CodecBenchmark.processSeconds { _ = try store.append([made]) }) ?? 0
      }
      return count >= countMax ? .stop : .goOn
    }

    func idle() -> FeedAnswer { .goOn }
    func connected(isCaughtUp: Bool) {}
  }
}

extension CodecBenchmark {
  /// CPU seconds of the process while `body` runs.
  static func processSeconds(_ body: () throws -> Void) rethrows -> Double {
    var from = timespec()
    var to = timespec()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from)
    try body()
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to)
    return Double(to.tv_sec - from.tv_sec) + Double(to.tv_nsec - from.tv_nsec) * 1e-9
  }
}
