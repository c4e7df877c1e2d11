import Compression
import EventModel
import EventSource
import Glibc
import HandlerMetrics
import Ingest
import Platform
import TestSupport
import Testing
import TraceStore

@Suite("Imported files") struct ImportTests {
  private func lines(_ range: Range<Int>) -> String { range.map { line("e\($0)", trace: "t\($0 % 50)") }.joined() }

  @Test func `a file is read to its end, with progress, and synced`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("events.ndjson", lines(0..<3000) + "bad\n")
    let bench = try Bench()
    var seen: [ImportProgress] = []
    let result = bench.pipeline.importEvents(
      from: try EventFileReader(path: path), progress: { seen.append($0) })
    #expect(result.failure == nil)
    #expect(result.counts.accepted == 3000)
    #expect(result.counts.refusals.map(\.line) == [3001])
    #expect(seen.last?.counts == result.counts)
    #expect(seen.last?.bytesRead == seen.last?.bytesTotal)
    #expect(bench.store.counted.syncCalls >= 1)
    let again = bench.pipeline.importEvents(from: try EventFileReader(path: path))
    #expect(again.counts.duplicate == 3000)
  }

  @Test func `a truncated gzip says so, and what was before it is stored`() throws {
    let directory = try TemporaryDirectory()
    let packed = Gzip.compress(Array(lines(0..<20_000).utf8))
    let path = try directory.write("events.gz", Array(packed[..<(packed.count / 2)]))
    let bench = try Bench()
    let result = bench.pipeline.importEvents(from: try EventFileReader(path: path))
    guard case .unreadable(let error) = result.failure else {
      Issue.record("\(String(describing: result.failure))")
      return
    }
    #expect(error.code == .truncated)
    #expect(result.counts.accepted > 0)
    #expect(Int(bench.store.lastOrdinal) == result.counts.accepted)
  }

  @Test func `an import can be cancelled between batches`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("events.ndjson", lines(0..<9000))
    let bench = try Bench()
    let result = bench.pipeline.importEvents(from: try EventFileReader(path: path), isCancelled: { true })
    #expect(result.wasCancelled)
    #expect(result.counts.accepted > 0 && result.counts.accepted < 9000)
    #expect(Int(bench.store.lastOrdinal) == result.counts.accepted)
  }

  @Test func `a store that refuses ends the import with its reason`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("events.ndjson", lines(0..<9000))
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    let result = bench.pipeline.importEvents(from: try EventFileReader(path: path))
    guard case .store(let error) = result.failure else {
      Issue.record("\(String(describing: result.failure))")
      return
    }
    #expect(error.code == .diskFull)
    #expect(result.counts.accepted == 0)
  }

  @Test func `an input that cannot be read twice waits while the disk is full, and loses nothing`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("events.ndjson", lines(0..<9000))
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    let store = bench.store
    let mender = WorkerThread(name: "mender") {
      _ = eventually { store.counted.appendCalls >= 2 }
      store.change { $0.appendError = nil }
    }
    let result = bench.pipeline.importEvents(from: try EventFileReader(path: path), waitsForSpace: true)
    mender.join()
    #expect(result.failure == nil)
    #expect(result.counts.accepted == 9000)
    #expect(store.lastOrdinal == 9000)
  }

  @Test func `waiting for space ends when the import is cancelled`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("events.ndjson", lines(0..<10))
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    let result = bench.pipeline.importEvents(
      from: try EventFileReader(path: path), waitsForSpace: true, isCancelled: { bench.store.counted.appendCalls > 0 })
    #expect(result.failure != nil)
    #expect(result.counts.accepted == 0)
  }
}

@Suite("Followed files") struct FollowTests {
  private func append(_ text: String, to path: String) throws {
    let file = try FileDescriptor.open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
    try file.write(Array(text.utf8))
    file.close()
  }

  private func status(_ bench: Bench) -> SourceStatus? { bench.pipeline.status.sources.first { $0.name == "log" } }

  @Test func `what is added to the file is stored, from the stored place on after a restart`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("log.ndjson", line("a") + line("b"))
    let store = FaultyStore()
    do {
      let bench = try Bench(store: store)
      try bench.pipeline.follow(path: path, source: "log")
      #expect(eventually { store.lastOrdinal == 2 })
      try append(line("c"), to: path)
      #expect(eventually { store.lastOrdinal == 3 })
      #expect(eventually { self.status(bench)?.state == .live })
      #expect(bench.page()["clew_source_connected{source=\"log\"}"] == 1)
      bench.pipeline.stop()
      #expect(status(bench)?.state == .stopped)
    }
    try append(line("d") + "{\"id\":\"part", to: path)
    let bench = try Bench(store: store)
    try bench.pipeline.follow(path: path, source: "log")
    #expect(eventually { store.lastOrdinal == 4 })
    #expect(eventually { self.status(bench)?.accepted == 1 })
    #expect(status(bench)?.duplicate == 0)
  }

  @Test func `a store that refuses loses nothing: the file waits`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("log.ndjson", line("a") + line("b"))
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    try bench.pipeline.follow(path: path, source: "log")
    #expect(eventually { self.status(bench)?.state == .waitingForStore })
    #expect(bench.store.lastOrdinal == 0)
    bench.store.change { $0.appendError = nil }
    #expect(eventually { bench.store.lastOrdinal == 2 })
    #expect(eventually { bench.pipeline.status.isAcknowledging })
  }

  @Test func `a file that is not there is waited for`() throws {
    let directory = try TemporaryDirectory()
    let bench = try Bench()
    try bench.pipeline.follow(path: directory.file("later.ndjson"), source: "log")
    #expect(eventually { self.status(bench)?.problem != nil })
    try directory.write("later.ndjson", line("a"))
    #expect(eventually { bench.store.lastOrdinal == 1 })
    #expect(eventually { self.status(bench)?.problem == nil })
  }

  @Test func `a stop is not held up by a source that waits for the store`() throws {
    let directory = try TemporaryDirectory()
    let path = try directory.write("log.ndjson", line("a"))
    let bench = try Bench()
    bench.store.change { $0.appendError = FaultyStore.full }
    try bench.pipeline.follow(path: path, source: "log")
    #expect(eventually { self.status(bench)?.state == .waitingForStore })
    let start = Instant.now
    bench.pipeline.stop()
    #expect(Instant.now.seconds(since: start) < 5)
    #expect(bench.store.lastOrdinal == 0)
  }
}
