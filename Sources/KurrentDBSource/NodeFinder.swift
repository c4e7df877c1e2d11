import EventSource
import HTTPClient
import Platform

/// Finds the node to talk to: the one that is named, the preferred one of a cluster, or where a node sent us.
///
/// One thread at a time.
final class NodeFinder: @unchecked Sendable {
  // `@unchecked Sendable`: used by the thread that reads only; it is handed from test to thread before that one starts.
  static let gossipPath = "/event_store.client.gossip.Gossip/Read"

  private let calls: ServerCalls
  private let random: (Int) -> Int
  private let pause: (Double) -> Void
  /// The members as last seen; asked before the hosts that were configured.
  private(set) var members: [KurrentDBAddress.Host] = []
  private var redirected: KurrentDBAddress.Host?
  private var failed: KurrentDBAddress.Host?

  init(
    _ calls: ServerCalls, random: @escaping (Int) -> Int = { Int.random(in: 0..<$0) },
    pause: @escaping (Double) -> Void = { _ in }
  ) {
    self.calls = calls
    self.random = random
    self.pause = pause
  }

  /// The next attempt goes there.
  func redirect(to host: KurrentDBAddress.Host) { redirected = host }

  /// The node did not do: another one is tried first, where there is one.
  func noteFailure(_ host: KurrentDBAddress.Host) { failed = host }

  func find() throws(FeedProblem) -> KurrentDBAddress.Host {
    if let target = redirected {
      redirected = nil
      return target
    }
    let address = calls.address
    if !address.discovers { return address.hosts[0] }
    var last: FeedProblem?
    for attempt in 0..<address.maxDiscoverAttempts {
      if attempt > 0 { pause(address.discoveryIntervalSeconds) }
      for host in seeds(attempt) {
        if calls.running.isClosed { throw FeedProblem(.serverClosed, "the source is stopping", hint: "") }
        do throws(FeedProblem) {
          let found = try ask(host)
          members = found.map(\.host)
          var order = ClusterMember.order(found, address.nodePreference, random: random)
          if order.count > 1, let failed, order[0] == failed { order.append(order.removeFirst()) }
          if let best = order.first { return best }
          last = FeedProblem(.serverClosed, "no node of the cluster at \(host.text) can be read from", hint: "")
        } catch {
          last = error
        }
      }
    }
    members = []
    throw last ?? FeedProblem(.serverClosed, "no node of the cluster answers", hint: "")
  }

  /// Known members first, those that are configured in every other round; what just failed comes last.
  private func seeds(_ attempt: Int) -> [KurrentDBAddress.Host] {
    var hosts = attempt % 2 == 0 && !members.isEmpty ? members : calls.address.hosts
    for index in stride(from: hosts.count - 1, to: 0, by: -1) { hosts.swapAt(index, random(index + 1)) }
    if let failed, hosts.count > 1, let place = hosts.firstIndex(of: failed) { hosts.append(hosts.remove(at: place)) }
    return hosts
  }

  private func ask(_ host: KurrentDBAddress.Host) throws(FeedProblem) -> [ClusterMember] {
    let answer = try calls.collect(Self.gossipPath, [], host, seconds: calls.address.gossipTimeoutSeconds)
    guard answer.status.code == 0, let message = answer.messages.first else {
      throw calls.problem(answer.status, host)
    }
    do {
      return try ClusterMember.read(message)
    } catch {
      throw FeedProblem(.error, "the gossip of \(host.text) cannot be read: \(error)", hint: "")
    }
  }
}
