import EventModel
import Glibc
import Platform
import SegmentStore
import TraceStore

/// Look-ups of sampled ids, timed one by one: `store IDS DIRECTORY` in process, `http IDS PORT CLIENTS` over loopback.
@main struct Benchmarks {
  static func main() {
    let arguments = CommandLine.arguments
    do {
      switch arguments.dropFirst().first {
      case "workload" where arguments.count == 6:
        var workload = ShopWorkload(seed: UInt64(arguments[3]) ?? 1)
        try workload.write(Int(arguments[2]) ?? 0, lines: arguments[4], frames: arguments[5])
      case "codec" where arguments.count >= 3: try CodecBenchmark.run(Array(arguments[2...]))
      case "store" where arguments.count == 4 || arguments.count == 5:
        try storeLookups(
          ids: arguments[2], directory: arguments[3], only: arguments.count == 5 ? arguments[4] : nil)
      case "http" where arguments.count == 5:
        try httpLookups(ids: arguments[2], port: UInt16(arguments[3]) ?? 0, clients: Int(arguments[4]) ?? 1)
      case "seal-latency" where arguments.count == 4 || arguments.count == 5:
        try SealLatency.run(
          lines: arguments[2], directory: arguments[3],
          eventsPerSecond: arguments.count == 5 ? Int(arguments[4]) ?? 40_000 : 40_000)
      case "search" where arguments.count == 3: try SearchBenchmark.run(directory: arguments[2])
      case "round-trip" where arguments.count == 5:
        try RoundTrip.run(
          lines: arguments[2], directory: arguments[3], eventsPerSegment: Int(arguments[4]) ?? 500_000)
      case "merge" where arguments.count == 3: try MergeBenchmark.run(directory: arguments[2])
      case "append" where arguments.count >= 4:
        try AppendBenchmark.run(
          file: arguments[2], directory: arguments[3],
          countMax: arguments.count > 4 ? Int(arguments[4]) ?? .max : .max)
      case "follow" where arguments.count == 4 || arguments.count == 5:
        try FollowBenchmark.follow(
          url: arguments[2], count: Int(arguments[3]) ?? 0, directory: arguments.count == 5 ? arguments[4] : nil)
      case "decode" where arguments.count == 5:
        try FollowBenchmark.decode(frames: arguments[2], rounds: Int(arguments[3]) ?? 1, directory: arguments[4])
      default:
        print(
          "usage: clew-benchmarks workload COUNT SEED LINES FRAMES | store IDS DIRECTORY [KIND] | http IDS PORT CLIENTS | codec LINES [KIB]"
        )
        print("       clew-benchmarks follow URL COUNT [DIRECTORY] | decode FRAMES ROUNDS DIRECTORY")
        print("       clew-benchmarks append LINES DIRECTORY [COUNTMAX] | merge DIRECTORY | search DIRECTORY")
        print("       clew-benchmarks round-trip LINES DIRECTORY EVENTS_PER_SEGMENT")
        print("       clew-benchmarks seal-latency LINES DIRECTORY [EVENTS_PER_SECOND]")
        exit(2)
      }
    } catch {
      print("\(error)")
      exit(2)
    }
  }

  struct Sample: Sendable {
    var event: Identifier
    var correlation: Identifier
    var stream: String
  }

  static func samples(_ path: String) throws -> [Sample] {
    let text = String(decoding: try Files.read(path, bytesMax: 16 << 20), as: UTF8.self)
    return text.split(separator: "\n").compactMap { line in
      let parts = line.split(separator: "\t").map(String.init)
      guard parts.count == 3, let event = Identifier(parts[0]), let correlation = Identifier(parts[1]) else {
        return nil
      }
      return Sample(event: event, correlation: correlation, stream: parts[2])
    }
  }

  static func storeLookups(ids: String, directory: String, only: String?) throws {
    let samples = try samples(ids)
    var options = StoreOptions()
    options.mode = .readOnly
    let store = try SegmentStore.open(directory: directory, options: options)
    // The first pass warms the caches, as the baseline's does.
    var figures: [String: [Double]] = [:]
    for pass in 0..<2 {
      for (name, look) in lookups(store) where only == nil || only == name {
        let times = try samples.map { sample in
          let start = Instant.now
          try look(sample)
          return Instant.now.seconds(since: start) * 1e6
        }
        if pass == 1 { figures[name] = times.sorted() }
      }
    }
    let parts = figures.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\(summary($0.value))" }
    print("{\(parts.joined(separator: ","))}")
    store.close()
  }

  static func lookups(_ store: SegmentStore) -> [(String, (Sample) throws -> Void)] {
    func trace(_ sample: Sample) throws {
      let whole = try store.trace(sample.correlation, withPayloadsUpTo: 64 << 20)
      var bytes = 0
      for record in whole.contents.records {
        whole.payloads?.forEachPayload(ofOrdinal: record.ordinal) { _, payload, _ in bytes += payload.count }
      }
      precondition(!whole.contents.records.isEmpty && bytes > 0, "the trace is not whole")
    }
    func event(_ sample: Sample) throws {
      let found = try store.events(withID: sample.event)
      precondition(!found.isEmpty, "the event is missing")
    }
    func stream(_ sample: Sample) throws {
      let found = try store.stream(sample.stream, after: 0, limit: 1000, payload: true)
      precondition(!found.isEmpty, "the stream is empty")
    }
    return [("trace", trace), ("event", event), ("stream", stream)]
  }

  static func summary(_ sorted: [Double]) -> String {
    "{\"count\":\(sorted.count),\"p50Micros\":\(sorted[sorted.count / 2]),\"p99Micros\":\(sorted[sorted.count * 99 / 100])}"
  }

  static func httpLookups(ids: String, port: UInt16, clients: Int) throws {
    let samples = try samples(ids)
    let all = Locked<[Double]>([])
    let failures = Locked<Int>(0)
    let threads = (0..<clients).map { client in
      WorkerThread(name: "client \(client)") {
        guard let connection = KeptConnection(port: port) else { return failures.withLock { $0 += 1 } }
        var times: [Double] = []
        for (index, sample) in samples.enumerated() where index % clients == client {
          let start = Instant.now
          guard connection.get("/api/v1/traces/\(sample.correlation)?payload=true&limit=1000") else {
            failures.withLock { $0 += 1 }
            continue
          }
          times.append(Instant.now.seconds(since: start) * 1e6)
        }
        all.withLock { $0 += times }
      }
    }
    for thread in threads { thread.join() }
    let failed = failures.withLock { $0 }
    precondition(failed == 0, "\(failed) requests failed")
    print(summary(all.withLock { $0.sorted() }))
  }
}

/// One HTTP/1.1 connection that is kept: the least that a client can cost.
final class KeptConnection {
  private let socketNumber: Int32
  private var buffer = [UInt8](repeating: 0, count: 1 << 20)

  init?(port: UInt16) {
    socketNumber = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_port = port.bigEndian
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let connected = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socketNumber, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    if connected != 0 { return nil }
    var one: Int32 = 1
    setsockopt(socketNumber, Int32(IPPROTO_TCP), TCP_NODELAY, &one, socklen_t(MemoryLayout<Int32>.size))
  }

  deinit { close(socketNumber) }

  /// True if the answer was 200 and came whole.
  func get(_ path: String) -> Bool {
    let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)
    guard send(socketNumber, request, request.count, 0) == request.count else { return false }
    var filled = 0
    var needed = 0
    while needed == 0 || filled < needed {
      if filled == buffer.count { buffer += [UInt8](repeating: 0, count: buffer.count) }
      let count = buffer.withUnsafeMutableBytes { recv(socketNumber, $0.baseAddress! + filled, $0.count - filled, 0) }
      if count <= 0 { return false }
      filled += count
      if needed == 0 {
        guard let whole = wholeCount(filled) else { return false }
        needed = whole
      }
    }
    return true
  }

  /// Bytes of head and body of an answer of which `filled` bytes are there; 0 while the head is not whole. Nil if it is
  /// no 200 with a length. Bytes are compared, not text: the load must not cost more than what it measures.
  private func wholeCount(_ filled: Int) -> Int? {
    buffer.withUnsafeBytes { bytes -> Int? in
      guard let base = bytes.baseAddress?.assumingMemoryBound(to: CChar.self) else { return nil }
      var head = 0
      var length: Int?
      while head + 4 <= filled {
        if memcmp(base + head, "\r\n\r\n", 4) == 0 {
          guard memcmp(base, "HTTP/1.1 200", 12) == 0, let length else { return nil }
          return head + 4 + length
        }
        if base[head] == 0x0a, strncasecmp(base + head + 1, "content-length:", 15) == 0 {
          length = atol(base + head + 16)
        }
        head += 1
      }
      return filled < 16384 ? 0 : nil
    }
  }
}
