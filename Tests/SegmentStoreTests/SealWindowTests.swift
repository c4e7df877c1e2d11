import EventModel
import Platform
import TestSupport
import Testing
import TraceStore

@testable import SegmentStore

/// Sealing reads the hot file in order, and must give whole traces all the same.
@Suite("Sealing through a window") struct SealWindowTests {
  /// From "only the row of the trace's first event" to "all of the file".
  @Test(arguments: [0, 50_000, 200_000, 24 << 20], 1...2)
  func `whatever the window holds, whole traces are sealed`(windowBytes: Int, seed: Int) throws {
    var random = SeededRandom(seed: UInt64(seed))
    var run = try DifferentialRun(sealEventCount: 100_000) { $0.sealWindowBytes = windowBytes }
    var number = 0
    for _ in 0..<4 { try run.append([SourceBatch(Self.events(&random, 60, &number))]) }
    try run.subject.seal()
    try run.compare()
    try run.append([SourceBatch(Self.events(&random, 60, &number))])
    try run.subject.seal()
    try run.reopen()
    try run.compare()
    run.subject.close()
  }

  /// Traces that begin and end all over the file, events from small ones to those that need rows of their own.
  private static func events(_ random: inout SeededRandom, _ count: Int, _ number: inout Int) -> [TestEvent] {
    (0..<count).map { _ in
      number += 1
      let size = random.oneIn(15) ? 90_000 : random.below(3_000)
      let trace = random.oneIn(10) ? nil : "t\(number / 40 + random.below(4))"
      let cause = number > 3 && random.below(3) > 0 ? "e\(number - 1 - random.below(3))" : nil
      return TestEvent(
        "e\(number)", trace: trace, cause: cause, stream: "s-\(random.below(9))", type: "T\(random.below(3))",
        at: Int64(number), service: "shop", handler: "h\(random.below(2))",
        eventClass: random.oneIn(20) ? .system : .domain,
        data: "\"" + String(repeating: "\(number % 10)", count: size) + "\"")
    }
  }

  @Test(arguments: [0, 1 << 20, 24 << 20])
  func `frames come back as they were added, from small and from huge buckets`(bytesMax: Int) throws {
    let directory = try TemporaryDirectory()
    let bucketCount = 40
    let buckets = SealBuckets(
      count: bucketCount, bytesMax: bytesMax, directory: directory.path, files: RealFileSystem())
    var random = SeededRandom(seed: 7)
    var batch = EventBatch()
    var places: [(bucket: Int, location: UInt32)] = []
    for number in 0..<1_500 {
      let size = random.oneIn(40) ? 150_000 : random.below(12_000)
      TestEvent("e\(number)", data: String(repeating: "\(number % 10)", count: size)).append(to: &batch)
      let bucket = random.oneIn(4) ? random.below(bucketCount) : 5
      let location = try batch.withEvent(at: number) { event in try unsafe buckets.add(event.bytes, bucket: bucket) }
      places.append((bucket, location))
    }
    #expect((buckets.spilledBytes > SealBuckets.loadedBytesMax) == (bytesMax <= 1 << 20))
    for bucket in 0..<bucketCount {
      try buckets.open(bucket)
      for number in places.indices where places[number].bucket == bucket {
        let frames = try unsafe buckets.frame(at: places[number].location)
        let isSame = try batch.withEvent(at: number) { event in
          let found = unsafe try EventView(validating: frames)
          return unsafe found.bytes.elementsEqual(event.bytes)
        }
        #expect(isSame)
      }
    }
    #expect(try Files.list(directory.path).isEmpty)
  }
}
