import Compression
import EventModel
@testable import EventSource
import Glibc
import Platform
import TestSupport
import Testing

private func line(_ id: Int) -> String { #"{"id":"e\#(id)","type":"T","created":"2026-01-01T00:00:00Z"}"# + "\n" }

private func append(_ path: String, _ text: String) throws {
  let file = try FileDescriptor.open(path, O_WRONLY | O_APPEND | O_CREAT)
  try file.write(Array(text.utf8))
  file.close()
}

/// A follower, and what it has given so far.
private final class Follower {
  let file: FollowedFile
  var ids: [String] = []
  var checkpoint: SourceCheckpoint?
  var counts = IngestCounts()

  init(_ path: String, from checkpoint: SourceCheckpoint? = nil, limits: BatchLimits = BatchLimits()) {
    file = FollowedFile(path: path, source: "s", checkpoint: checkpoint, clock: Reading.clock, limits: limits)
    self.checkpoint = checkpoint
  }

  /// Reads until `count` ids are there; then checks that nothing more comes at once.
  func take(_ count: Int) throws -> [String] {
    let deadline = Instant.now.advanced(bySeconds: 10)
    while ids.count < count, Instant.now < deadline { try step(0.5) }
    try step(0)
    return ids
  }

  func step(_ seconds: Double) throws {
    guard let batch = try file.nextBatch(until: Instant.now.advanced(bySeconds: seconds)) else { return }
    ids += Reading.events(batch.read.events).map(\.event.id.description)
    counts.addRead(batch.read)
    checkpoint = batch.checkpoint
  }
}

private func ids(_ range: ClosedRange<Int>) -> [String] { range.map { "e\($0)" } }

@Suite("A followed file") struct FollowTests {
  let directory: TemporaryDirectory
  let path: String

  init() throws {
    directory = try TemporaryDirectory("follow")
    path = directory.file("events.ndjson")
  }

  @Test func `it is read as it grows, and a line counts once its line feed is there`() throws {
    try append(path, line(1) + line(2))
    let follower = Follower(path)
    #expect(try follower.take(2) == ids(1...2))
    #expect(follower.checkpoint?.position.major == UInt64(line(1).utf8.count * 2))
    let third = line(3)
    try append(path, String(third.prefix(20)))
    #expect(try follower.take(2) == ids(1...2))
    #expect(follower.file.isCaughtUp && follower.file.headOffset == line(1).utf8.count * 2 + 20)
    try append(path, String(third.dropFirst(20)) + "bad\n\n" + line(4))
    #expect(try follower.take(4) == ids(1...4))
    #expect(follower.counts.refusals.map(\.line) == [4] && follower.counts.blank == 1)
    #expect(follower.file.counters == FollowedFile.Counters())
  }

  @Test func `a file that is not there yet is waited for`() throws {
    let follower = Follower(path)
    #expect(try follower.take(0) == [])
    #expect(follower.file.headOffset == nil)
    try append(path, line(1))
    #expect(try follower.take(1) == ids(1...1))
  }

  @Test func `it goes on at its checkpoint after a restart`() throws {
    try append(path, (1...10).map(line).joined())
    let first = Follower(path, limits: BatchLimits(eventCountMax: 4))
    try first.step(5)
    #expect(first.ids == ids(1...4))
    try append(path, "bad\n" + line(11))
    let second = Follower(path, from: first.checkpoint)
    #expect(try second.take(7) == ids(5...11))
    #expect(second.counts.refusals.map(\.line) == [11])
    let third = Follower(path, from: second.checkpoint)
    #expect(try third.take(0) == [])
    #expect(third.file.isCaughtUp)
  }

  @Test func `rotation by renaming loses nothing, not even a last line without line feed`() throws {
    try append(path, line(1))
    let follower = Follower(path)
    #expect(try follower.take(1) == ids(1...1))
    try append(path, line(2))
    unsafe #expect(rename(path, path + ".1") == 0)
    try append(path + ".1", line(3) + String(line(4).dropLast()))
    try append(path, line(5))
    #expect(try follower.take(5) == ids(1...5))
    #expect(follower.file.counters.rotations == 1)
    #expect(follower.checkpoint?.position.major == UInt64(line(5).utf8.count))
    try append(path, line(6))
    #expect(try follower.take(6) == ids(1...6))
  }

  @Test func `between renaming and the new file the old one is still read`() throws {
    try append(path, line(1))
    let follower = Follower(path)
    #expect(try follower.take(1) == ids(1...1))
    unsafe #expect(rename(path, path + ".1") == 0)
    try append(path + ".1", line(2))
    #expect(try follower.take(2) == ids(1...2))
    try append(path + ".1", line(3))
    #expect(try follower.take(3) == ids(1...3))
    try append(path, line(4))
    #expect(try follower.take(4) == ids(1...4))
  }

  @Test func `a rotation while nobody read is found in the directory`() throws {
    try append(path, (1...3).map(line).joined())
    let first = Follower(path)
    #expect(try first.take(3) == ids(1...3))
    try append(path, line(4))
    unsafe #expect(rename(path, directory.file("events-old")) == 0)
    try append(path, line(5))
    let second = Follower(path, from: first.checkpoint)
    #expect(try second.take(2) == ids(4...5))
    #expect(second.file.counters.rotations == 1)
  }

  @Test func `a file whose old one is gone is read from its start`() throws {
    try append(path, (1...3).map(line).joined())
    let first = Follower(path)
    #expect(try first.take(3) == ids(1...3))
    unsafe unlink(path)
    try append(path, (10...20).map(line).joined())
    let second = Follower(path, from: first.checkpoint)
    #expect(try second.take(11) == ids(10...20))
  }

  @Test func `truncation starts over and is counted`() throws {
    try append(path, (1...5).map(line).joined())
    let follower = Follower(path)
    #expect(try follower.take(5) == ids(1...5))
    unsafe #expect(truncate(path, 0) == 0)
    #expect(try follower.take(5).count == 5)
    try append(path, line(6))
    #expect(try follower.take(6) == ids(1...6))
    #expect(follower.file.counters.truncations == 1)
    #expect(follower.checkpoint?.position.major == UInt64(line(6).utf8.count))
  }

  @Test func `a file that was cut and has grown beyond its old size is noticed by its first bytes`() throws {
    try append(path, (1...5).map(line).joined())
    let follower = Follower(path)
    #expect(try follower.take(5) == ids(1...5))
    unsafe #expect(truncate(path, 0) == 0)
    try append(path, (101...120).map(line).joined())
    let all = try follower.take(25)
    #expect(Array(all.suffix(20)) == ids(101...120))
    #expect(follower.file.counters.truncations == 1)
    let resumed = Follower(path, from: follower.checkpoint)
    #expect(try resumed.take(0) == [])
  }

  @Test func `a compressed file is refused, not read as lines`() throws {
    try directory.write("packed.gz", Gzip.compress(Array(line(1).utf8)))
    let follower = Follower(directory.file("packed.gz"))
    #expect(throws: EventReadError.self) { try follower.step(1) }
    #expect(throws: EventReadError.self) { try Follower(directory.path).step(1) }
  }

  @Test func `cancel wakes a waiting reader`() throws {
    let file = FollowedFile(path: path, source: "s", clock: Reading.clock)
    let ended = Locked(false)
    let thread = WorkerThread(name: "follow") {
      _ = try? file.nextBatch(until: Instant.now.advanced(bySeconds: 60))
      ended.withLock { $0 = true }
    }
    file.cancel()
    #expect(eventually { ended.withLock { $0 } })
    thread.join()
  }

  @Test func `a checkpoint of another path, or one that is no token, starts at the beginning`() throws {
    try append(path, line(1))
    for token in ["", "nonsense", "1 1 1 1 1 1 /other", "2 1 1 1 1 1 \(path)"] {
      let checkpoint = SourceCheckpoint(source: "s", position: SourcePosition(major: 9), token: token)
      #expect(try Follower(path, from: checkpoint).take(1) == ids(1...1))
    }
  }

  @Test func `several rotations between two looks are read in their order`() throws {
    try append(path, line(1))
    let follower = Follower(path)
    #expect(try follower.take(1) == ids(1...1))
    for number in 2...4 {
      try append(path, line(number))
      unsafe #expect(rename(path, path + ".\(number)") == 0)
    }
    try append(path, line(5))
    #expect(try follower.take(5).sorted() == ids(1...5))
    #expect(follower.file.counters.rotations == 3)
  }

  @Test func `a neighbour that only begins alike is not read as a rotated file`() throws {
    try append(path, line(1))
    let follower = Follower(path)
    #expect(try follower.take(1) == ids(1...1))
    unsafe #expect(rename(path, path + ".1") == 0)
    for other in ["-errors", "2", ".bak", ".2.gz", "~"] { try append(path + other, line(90)) }
    try append(path, line(2))
    #expect(try follower.take(2) == ids(1...2))
    #expect(try follower.take(0) == ids(1...2))
    #expect(follower.file.counters.rotations == 1)
  }

  @Test(arguments: [
    (".1", true), (".999999", true), ("-20261123", true), ("-20261123-1763892000", true), (".2026-11-23", true),
    (".2026-11-23T10:00:00Z", true), ("-2026112310", true), ("", false), (".", false), ("1", false), (".1.gz", false),
    ("-20261123.gz", false), (".bak", false), ("-errors", false), ("-1", false), (".-20261123", false),
    (".1234567", false), ("-errors-20261123", false), ("~", false),
  ])
  func `rotated names are those that logrotate gives`(suffix: String, isRotated: Bool) {
    #expect(RotatedName.isRotated("/x/events.ndjson" + suffix, of: "/x/events.ndjson") == isRotated)
  }

  @Test func `everything written while reading and rotating arrives once`() throws {
    let path = path
    try append(path, "")
    let follower = Follower(path, limits: BatchLimits(eventCountMax: 50))
    // It follows from the file that it sees first.
    #expect(try follower.take(0) == [])
    let writer = WorkerThread(name: "writer") {
      for block in 0..<20 {
        for part in 0..<50 { try? append(path, line(block * 100 + part * 2) + line(block * 100 + part * 2 + 1)) }
        if block % 5 == 4 { unsafe rename(path, path + ".\(block)") }
      }
    }
    defer { writer.join() }
    #expect(Set(try follower.take(2000)) == Set((0..<2000).map { "e\($0)" }))
    #expect(follower.ids.count == 2000)
  }
}
