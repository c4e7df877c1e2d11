import EventModel
import EventSource
import Platform
import TestSupport
import Testing

@testable import KurrentDBSource

/// Collects what a feed reads.
final class TestSink: FeedSink, @unchecked Sendable {
  // `@unchecked Sendable`: all state is touched inside `lock` only.
  private let lock = Lock()
  private var taken: [SourcePosition] = []
  private var place: SourceCheckpoint?
  private var turns: [Bool] = []
  private var answer = FeedAnswer.goOn
  private var count = 0

  func take(_ batch: FeedBatch) -> FeedAnswer {
    lock.withLock {
      batch.events.forEach { _, event in taken.append(event.position) }
      place = batch.checkpoint ?? place
      count += 1
      return answer
    }
  }

  func idle() -> FeedAnswer { .goOn }

  func connected(isCaughtUp: Bool) { lock.withLock { turns.append(isCaughtUp) } }

  var positions: [SourcePosition] { lock.withLock { taken } }
  var checkpoint: SourceCheckpoint? { lock.withLock { place } }
  var isCaughtUp: Bool { lock.withLock { turns.last ?? false } }
  var batches: Int { lock.withLock { count } }
  func answers(_ next: FeedAnswer) { lock.withLock { answer = next } }
}

extension PythonStore {
  func address(_ parameters: String = "", user: String = "", scheme: String = "kurrentdb") throws -> KurrentDBAddress {
    try KurrentDBAddress.parse("\(scheme)://\(user)127.0.0.1:\(port)?tls=false\(parameters)")
  }
}

/// The source against an event store made with Google's gRPC library.
@Suite(
  .serialized, .enabled(if: TestSupport.hasSharedData, "needs the shared data"),
  .enabled(if: TestSupport.hasProgram("protoc"), "needs protoc: .ci/install-packages test"))
struct FeedTests {
  /// The log of the tests: what a real subscription to `$all` brought, links and system events included.
  static let log: [[UInt8]] = {
    let call = try? Recording.named("subscribe-all").calls().first
    return (call?.received ?? []).map(\.bytes).filter { (try? LogIdentity.response($0))?.content == .event }
  }()

  /// The positions of what is stored of the log: everything but links.
  static let stored: [SourcePosition] = {
    let reader = SubscriptionReader(rules: ReadingRules(), resume: nil)
    for message in log { try? unsafe message.withUnsafeBytes { unsafe try reader.take($0) } }
    var positions: [SourcePosition] = []
    reader.batch.forEach { _, event in positions.append(event.position) }
    return positions
  }()

  /// Reads on a thread of its own until the end of the object.
  final class Reading: @unchecked Sendable {
    // `@unchecked Sendable`: `problem` has its own lock; the rest is set once.
    let feed: KurrentDBFeed
    let sink = TestSink()
    private let found = Locked<FeedProblem?>(nil)
    private let ended = Locked(false)
    private var thread: WorkerThread?

    init(_ feed: KurrentDBFeed, from checkpoint: SourceCheckpoint? = nil) {
      self.feed = feed
      thread = WorkerThread(name: "reading") { [feed, sink, found, ended] in
        do throws(FeedProblem) { try feed.read(from: checkpoint, into: sink) } catch {
          found.withLock { $0 = error }
        }
        ended.withLock { $0 = true }
      }
    }

    var problem: FeedProblem? { found.withLock { $0 } }
    var isOver: Bool { ended.withLock { $0 } }

    func waitForEnd() -> FeedProblem? {
      _ = eventually(within: 30) { isOver }
      return problem
    }

    func stop() {
      feed.cancel()
      thread?.join()
    }
  }

  private func feed(_ address: KurrentDBAddress) -> KurrentDBFeed { KurrentDBFeed(address) }

  @Test func `everything is read once and in order, then what is written meanwhile`() throws {
    let store = try PythonStore(Self.log)
    store.command("show 1000")
    let reading = Reading(feed(try store.address()))
    defer { reading.stop() }
    #expect(eventually(within: 30) { reading.sink.isCaughtUp })
    let before = reading.sink.positions
    #expect(before == Array(Self.stored.prefix(before.count)) && !before.isEmpty)
    store.command("show \(Self.log.count)")
    #expect(eventually(within: 30) { reading.sink.positions.count == Self.stored.count })
    #expect(reading.sink.positions == Self.stored)
    #expect(eventually(within: 10) { reading.sink.checkpoint?.position.major == 1_817_651 })
  }

  @Test func `a new subscription goes on behind the checkpoint, by whatever the last one ended`() throws {
    let store = try PythonStore(Self.log)
    var checkpoint: SourceCheckpoint?
    var positions: [SourcePosition] = []
    let ends = [
      "10 Operation timed out: Consumer too slow to handle event while live.", "14 busy", "1 stopping", "13 x",
    ]
    for (end, reason) in zip(ends, [FeedProblem.Reason.dropped, .serverClosed, .serverClosed, .error]) {
      store.command("fail \(end)")
      let reading = Reading(feed(try store.address()), from: checkpoint)
      #expect(reading.waitForEnd()?.reason == reason)
      reading.stop()
      checkpoint = reading.sink.checkpoint ?? checkpoint
      positions += reading.sink.positions
    }
    #expect(checkpoint != nil)
    let last = Reading(feed(try store.address()), from: checkpoint)
    #expect(eventually(within: 30) { last.sink.isCaughtUp })
    last.stop()
    #expect(positions + last.sink.positions == Self.stored)
  }

  @Test func `a sink that cannot take more ends the subscription, and nothing is lost`() throws {
    let store = try PythonStore(Self.log)
    let first = Reading(feed(try store.address()))
    first.sink.answers(.release)
    #expect(first.waitForEnd() == nil && first.isOver)
    first.stop()
    #expect(first.sink.batches == 1)
    let rest = Reading(feed(try store.address()), from: first.sink.checkpoint)
    #expect(eventually(within: 30) { rest.sink.isCaughtUp })
    rest.stop()
    #expect(first.sink.positions + rest.sink.positions == Self.stored)
  }

  @Test func `a server that is killed ends the subscription at once`() throws {
    let store = try PythonStore(Self.log)
    let reading = Reading(feed(try store.address()))
    #expect(eventually(within: 30) { reading.sink.isCaughtUp })
    store.process.kill()
    #expect(reading.waitForEnd()?.reason == .serverClosed)
    reading.stop()
    #expect(reading.sink.positions == Self.stored)
  }

  @Test func `a log that is shorter, or another one, is refused with what to do`() throws {
    let store = try PythonStore(Self.log)
    let reading = Reading(feed(try store.address()))
    #expect(eventually(within: 30) { reading.sink.isCaughtUp })
    reading.stop()
    let checkpoint = try #require(reading.sink.checkpoint)
    store.command("show 500")
    let shorter = Reading(feed(try store.address()), from: checkpoint)
    #expect(shorter.waitForEnd()?.reason == .refused)
    #expect(shorter.problem?.hint.contains("name=") == true && shorter.sink.positions == [])
    shorter.stop()
    store.command("show \(Self.log.count)")
    var other = checkpoint
    let record = try #require(ResumeToken.read(checkpoint.token))
    other.token = ResumeToken.text(
      SubscriptionReader.Record(position: record.position, id: IdentifierKey(high: 7, low: 7)))
    let foreign = Reading(feed(try store.address()), from: other)
    #expect(foreign.waitForEnd()?.reason == .refused)
    #expect(foreign.problem?.message.contains("another event") == true)
    foreign.stop()
    store.command("show 0")
    let empty = Reading(feed(try store.address()), from: checkpoint)
    #expect(empty.waitForEnd()?.reason == .serverClosed, "an empty log may be a server that is starting")
    empty.stop()
  }

  @Test func `a checkpoint beyond the last record is no other log, until the log grows below it`() throws {
    let store = try PythonStore(Self.log)
    store.command("show 500")
    let place = SourceCheckpoint(source: "", position: SourcePosition(major: 1_000_000, minor: 1_000_000))
    let reading = Reading(feed(try store.address()), from: place)
    defer { reading.stop() }
    #expect(eventually(within: 30) { reading.sink.isCaughtUp })
    #expect(try reading.feed.head(after: place.position).rest == .nothing)
    #expect(try reading.feed.head(after: place.position).rest == .nothing)
    #expect(!reading.isOver)
    store.command("show 510")
    _ = try reading.feed.head(after: place.position)
    #expect(reading.waitForEnd()?.reason == .refused)
  }

  @Test func `the head tells what was not read, and since when`() throws {
    let store = try PythonStore(Self.log)
    let reading = Reading(feed(try store.address()))
    defer { reading.stop() }
    #expect(eventually(within: 30) { reading.sink.isCaughtUp })
    let newest = try #require(Self.log.last)
    let last = try #require(LogIdentity.response(newest).commitPosition)
    let end = SourcePosition(major: last, minor: last)
    #expect(try reading.feed.head(after: end) == FeedHead(position: end, rest: .nothing))
    let early = try #require(Self.stored.first)
    let next = try #require(LogIdentity.response(Self.log[1]).event?.event.created)
    #expect(try reading.feed.head(after: early) == FeedHead(position: end, rest: .since(next)))
    store.command("show 0")
    #expect(try reading.feed.head(after: end) == FeedHead(), "an empty answer is no proof")
  }

  @Test func `who we are is said, also without TLS, and what is wrong with it`() throws {
    let store = try PythonStore(Self.log, arguments: ["--secured"])
    let known = Reading(feed(try store.address(user: "reader:secret@")))
    #expect(eventually(within: 30) { known.sink.isCaughtUp })
    known.stop()
    let wrong = Reading(feed(try store.address(user: "reader:wrong@")))
    #expect(wrong.waitForEnd()?.reason == .auth)
    #expect(wrong.problem?.hint.contains("password is wrong") == true)
    #expect(wrong.problem?.description.contains("wrong@") == false)
    wrong.stop()
    let nobody = Reading(feed(try store.address()))
    #expect(nobody.waitForEnd()?.reason == .auth)
    #expect(nobody.problem?.hint.contains("may not read $all") == true)
    nobody.stop()
    let encrypted = try KurrentDBAddress.parse("esdb://127.0.0.1:\(store.port)")
    let scheme = Reading(feed(encrypted))
    let problem = scheme.waitForEnd()
    #expect(problem?.hint.contains("tls=false") == true, "\(String(describing: problem))")
    scheme.stop()
  }

  @Test func `a cluster is asked for its members, and a node that does not lead says who does`() throws {
    let leader = try PythonStore(Self.log)
    let found = Reading(feed(try leader.address(scheme: "esdb+discover")))
    #expect(eventually(within: 30) { found.sink.isCaughtUp })
    found.stop()
    let follower = try PythonStore(Array(Self.log.prefix(10)))
    follower.command("leader 127.0.0.1 \(leader.port)")
    let feed = feed(try follower.address("&nodePreference=leader"))
    let sent = Reading(feed)
    #expect(sent.waitForEnd()?.reason == .notLeader)
    let again = Reading(feed)
    #expect(eventually(within: 30) { again.sink.isCaughtUp })
    again.stop()
    #expect(again.sink.positions == Self.stored)
  }
}
