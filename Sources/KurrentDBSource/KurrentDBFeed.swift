public import EventModel
public import EventSource
import HTTPClient
import Platform
import WireFormats

/// Follows `$all` of an EventStoreDB or KurrentDB by a subscription that begins behind the last stored place.
public final class KurrentDBFeed: EventFeed, Sendable {
  struct Limits: Sendable {
    var eventCountMax = 1000
    var bytesMax = 4 << 20
    /// Between two batches that hold a place and no event.
    var placeSeconds = 1.0
  }

  private struct State {
    var node: KurrentDBAddress.Host?
    /// Who answered the last question for those who read.
    var leader: KurrentDBAddress.Host?
    var subscription: GRPCCall?
    var wasInterrupted = false
    /// A head below the place of the subscription, as first seen in this subscription.
    var headBelow: SourcePosition?
    var refusal: FeedProblem?
  }

  public let address: KurrentDBAddress
  private let rules: ReadingRules
  private let limits: Limits
  private let calls: ServerCalls
  private let finder: NodeFinder
  private let state = Locked(State())

  public convenience init(_ address: KurrentDBAddress, rules: ReadingRules = ReadingRules()) {
    self.init(address, rules: rules, limits: Limits())
  }

  init(_ address: KurrentDBAddress, rules: ReadingRules, limits: Limits) {
    self.address = address
    self.rules = rules
    self.limits = limits
    let calls = ServerCalls(address)
    self.calls = calls
    let waiting = Waiting(calls.running)
    finder = NodeFinder(calls, pause: { waiting.pause($0) })
  }

  public var location: String { address.location }

  public func interrupt() {
    let call = state.withLock { state in
      state.wasInterrupted = true
      return state.subscription
    }
    call?.cancel()
  }

  public func cancel() { calls.running.close() }

  // MARK: Reading

  public func read(from checkpoint: SourceCheckpoint?, into sink: any FeedSink) throws(FeedProblem) {
    let record = checkpoint.flatMap { ResumeToken.read($0.token) }
    let place = checkpoint.map(\.position).flatMap { $0.major == 0 ? nil : SubscriptionReader.exclusive($0) }
    let reader = SubscriptionReader(rules: rules, resume: place, lastRecord: record)
    state.withLock { state in
      state.wasInterrupted = false
      state.headBelow = nil
      state.refusal = nil
    }
    let node = try finder.find()
    state.withLock { $0.node = node }
    do throws(FeedProblem) {
      if let place { try LogIdentity(calls, node).check(record, place) }
      try subscribe(reader, node, sink)
    } catch {
      if error.reason != .notLeader { finder.noteFailure(node) }
      throw error
    }
  }

  private func subscribe(
    _ reader: SubscriptionReader, _ node: KurrentDBAddress.Host, _ sink: any FeedSink
  ) throws(FeedProblem) {
    let message = ReadRequest(kind: .subscription(after: reader.resume), filter: address.filter).message
    var request = calls.request(ReadRequest.path, message, node)
    if address.nodePreference == .leader { request.metadata.append(("requires-leader", "true")) }
    let call: GRPCCall
    do throws(HTTPClientError) {
      call = try GRPCCall(request, options: calls.options)
    } catch {
      throw calls.problem(error, node)
    }
    guard calls.running.add(call) else { throw Self.stopping }
    state.withLock { $0.subscription = call }
    defer {
      state.withLock { $0.subscription = nil }
      calls.running.remove(call)
    }
    let session = Session(reader, sink, limits)
    let start = Instant.now
    while true {
      let progress: GRPCCall.Progress
      do throws(HTTPClientError) {
        progress = try call.receive(until: Instant.now.advanced(bySeconds: 0.5), while: { session.take($0) })
      } catch {
        session.handOver(evenPlace: true)
        throw calls.problem(error, node)
      }
      if let problem = session.problem {
        session.handOver(evenPlace: true)
        throw problem
      }
      session.handOver(evenPlace: false)
      session.idle()
      if session.isOver { return }
      if case .ended(let status) = progress { try end(status, node, session) }
      if !reader.isConfirmed, Instant.now.seconds(since: start) > address.deadlineSeconds {
        throw FeedProblem(
          .timeout, "\(node.text) did not confirm the subscription within \(address.deadlineSeconds) s",
          hint: "is it ready, and not overloaded?")
      }
    }
  }

  private static let stopping = FeedProblem(.serverClosed, "the source is stopping", hint: "")

  /// The end of a call: everything that came before it is handed over first.
  private func end(
    _ status: GRPCStatus, _ node: KurrentDBAddress.Host, _ session: Session
  ) throws(FeedProblem) {
    session.handOver(evenPlace: true)
    if calls.running.isClosed { throw Self.stopping }
    let (wasInterrupted, refusal) = state.withLock { ($0.wasInterrupted, $0.refusal) }
    if let refusal { throw refusal }
    if wasInterrupted {
      throw FeedProblem(
        .timeout, "the subscription on \(node.text) has gone silent, though there are events behind its place",
        hint: "going on with a new one")
    }
    if let leader = ServerCalls.leader(status) { finder.redirect(to: leader) }
    throw calls.problem(status, node)
  }

  // MARK: The head

  /// Asks the node of the subscription. An answer that cannot be had costs the deadline at most.
  public func head(after place: SourcePosition?) throws(FeedProblem) -> FeedHead {
    guard let node = state.withLock({ $0.node }) else { return FeedHead() }
    let seconds = min(address.deadlineSeconds, 5)
    let last = try LogIdentity(calls, node).records(.latest(1), .none, seconds: seconds).first
    guard let last else { return FeedHead() }
    var head = FeedHead(position: last.position)
    let behind = place.flatMap { $0.major == 0 ? nil : SubscriptionReader.exclusive($0) }
    if let behind, last.position <= behind {
      head.rest = .nothing
      if last.position < behind { noteHeadBelow(last.position, behind) }
      return head
    }
    let next = try LogIdentity(calls, node).records(
      .forwards(from: behind, count: behind == nil ? 1 : 2), address.filter, seconds: seconds)
    let first = next.first { record in behind.map { record.position > $0 } ?? true }
    head.rest = first.map { .since($0.created) } ?? .nothing
    return head
  }

  /// Asks the leader: a follower knows of no group, and is silent about projections.
  public func readers() -> ReaderReport {
    var report = ReaderReport()
    guard state.withLock({ $0.node != nil }) else { return report }
    var problems: [String] = []
    do throws(FeedProblem) {
      for message in try askLeader(ServiceReports.groupsPath, ServiceReports.groupsRequest) {
        do throws(ProtobufError) {
          report.readers += try ServiceReports.groups(message)
        } catch { throw Self.unreadable(error) }
      }
    } catch { problems.append("groups: \(error)") }
    do throws(FeedProblem) {
      for message in try askLeader(ServiceReports.projectionsPath, ServiceReports.projectionsRequest) {
        do throws(ProtobufError) {
          if let projection = try ServiceReports.projection(message) { report.readers.append(projection) }
        } catch { throw Self.unreadable(error) }
      }
    } catch { problems.append("projections: \(error)") }
    if !problems.isEmpty { report.problem = problems.joined(separator: "; ") }
    return report
  }

  private static func unreadable(_ error: ProtobufError) -> FeedProblem {
    FeedProblem(.error, "the answer cannot be read: \(error.description)", hint: "")
  }

  /// None, where the server has no such service, or nothing to list.
  private func askLeader(_ path: String, _ message: [UInt8]) throws(FeedProblem) -> [[UInt8]] {
    guard let node = state.withLock({ $0.leader ?? $0.node }) else { return [] }
    let seconds = min(address.deadlineSeconds, 3)
    do throws(FeedProblem) {
      var asked = node
      var (messages, status) = try calls.collect(path, message, asked, seconds: seconds, fromLeader: true)
      if let leader = ServerCalls.leader(status) {
        asked = leader
        (messages, status) = try calls.collect(path, message, asked, seconds: seconds, fromLeader: true)
      }
      switch status.code {
      case 0: break
      case GRPCStatus.unimplemented, GRPCStatus.notFound: messages = []
      default: throw calls.problem(status, asked)
      }
      state.withLock { $0.leader = asked }
      return messages
    } catch {
      state.withLock { $0.leader = nil }
      throw error
    }
  }

  /// A checkpoint may lie beyond the last visible record. But where the log grows below it, it is not the log that was
  /// read: its events would never come, or be taken for known.
  private func noteHeadBelow(_ head: SourcePosition, _ place: SourcePosition) {
    let call = state.withLock { state -> GRPCCall? in
      guard let before = state.headBelow else {
        state.headBelow = head
        return nil
      }
      guard head > before, state.refusal == nil else { return nil }
      state.refusal = LogIdentity.beyondHead(place, head)
      return state.subscription
    }
    call?.cancel()
  }
}

/// Pauses that end when the source stops.
private struct Waiting: Sendable {
  private let running: RunningCalls
  private let lock = Lock()

  init(_ running: RunningCalls) { self.running = running }

  func pause(_ seconds: Double) {
    let deadline = Instant.now.advanced(bySeconds: seconds)
    while !running.isClosed, Instant.now < deadline {
      let step = min(deadline, Instant.now.advanced(bySeconds: 0.1))
      lock.withLock { _ = lock.wait(until: step) }
    }
  }
}
